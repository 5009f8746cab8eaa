"""Where the first NaN or infinity of a recorded iteration came from, by the tensors given to
`Recorder.record`: layer, phase, operation and example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from gradlab.recorder.inputs import StepTensors

Array = np.ndarray
ROWS_NAMED = 64


def origin(
    tensors: StepTensors,
    layers: Sequence[Mapping[str, Any]],
    *,
    iteration: int,
    replicate: int,
    replicated: bool,
    loss_name: str = "loss",
) -> dict[str, Any] | None:
    """Return the first operation whose result is not finite though what it was given is.

    Parameters
    ----------
    tensors : StepTensors
    layers : sequence of mapping
        `name` and `activation` of each.
    iteration, replicate : int
        Where it broke.
    replicated : bool
        Whether the tensors have a leading axis of replicates.
    loss_name : str
        What the loss is called.

    Returns
    -------
    dict or None
        As `nonfinite_origin` of a run's provenance; None where every tensor that was given is
        finite, and so the loss itself is at fault.
    """

    def of(values: Any, layer: int | None = None) -> Array | None:
        if values is None:
            return None
        one = values if layer is None else values[layer]
        return np.asarray(one[replicate] if replicated else one)

    walk = _Walk(of, tensors, [str(each["name"]) for each in layers])
    found = walk.given() or walk.forward([str(each["activation"]) for each in layers])
    found = found or walk.backward(loss_name) or walk.update()
    if found is None:
        return None
    many = {"replicate": replicate} if replicated else {}
    return {"iteration": iteration, **many, **found}


class _Walk:
    """Goes through the tensors of one replicate in the order in which they were computed."""

    def __init__(self, of: Any, tensors: StepTensors, names: Sequence[str]):
        self._of, self._t, self._names = of, tensors, names

    def given(self) -> dict[str, Any] | None:
        """The batch, or weights that an earlier update has spoilt."""
        batch = self._of(self._t.batch)
        if _broken(batch):
            words = f"the batch is not finite at {_index(batch)}"
            return _told("input", "", "forward", batch, why=words, key="input")
        for layer, name in enumerate(self._names):
            weight = self._of(self._t.weights, layer)
            if _broken(weight):
                words = f"weight {_index(weight)} of {name} is not finite: an update made it so"
                told = _told("update", name, "update", weight, why=words, key="update")
                return told | {"parameter": f"{name}.weight"}
        return None

    def forward(self, activations: Sequence[str]) -> dict[str, Any] | None:
        """A product that overflows, or an activation."""
        before = self._of(self._t.batch)
        for layer, name in enumerate(self._names):
            z = None if self._t.preactivations is None else self._of(self._t.preactivations, layer)
            h = None if self._t.activations is None else self._of(self._t.activations, layer)
            if _broken(z):
                weight = self._of(self._t.weights, layer)
                weights = _range(weight).replace("numbers", "weights")
                words = f"the products with {weights} left {z.dtype}'s range"
                return _told(
                    "matmul", name, "forward", z, inputs=_range(before), why=words, key="overflow"
                )
            if _broken(h):
                words = f"{activations[layer]} of {_range(z)} is not finite"
                return _told(
                    activations[layer],
                    name,
                    "forward",
                    h,
                    inputs=_range(z),
                    why=words,
                    key="overflow",
                )
            before = h
        return None

    def backward(self, loss_name: str) -> dict[str, Any] | None:
        """A delta, from the last layer down, or a gradient."""
        above: Array | None = None
        for layer in reversed(range(len(self._names))):
            name = self._names[layer]
            delta = None if self._t.deltas is None else self._of(self._t.deltas, layer)
            if _broken(delta):
                operation = loss_name if above is None else "matmul"
                words = (
                    f"the derivative of {loss_name} is not finite"
                    if above is None
                    else f"a delta of {_range(above)} went through the weights above"
                )
                return _told(
                    operation, name, "backward", delta, inputs=_range(above), why=words,
                    key="overflow",
                )  # fmt: skip
            above = delta
        for layer, name in enumerate(self._names):
            gradient = self._of(self._t.gradients, layer)
            if _broken(gradient):
                words = "activations times deltas left the range of the format"
                return _told("matmul", name, "backward", gradient, why=words, key="overflow")
        return None

    def update(self) -> dict[str, Any] | None:
        """Weights after an update, which were finite before it."""
        for layer, name in enumerate(self._names):
            after = self._of(self._t.weights_after, layer)
            if _broken(after):
                gradient = self._of(self._t.gradients, layer)
                words = f"the update of a gradient {_range(gradient)} left {after.dtype}'s range"
                told = _told("update", name, "update", after, why=words, key="update")
                return told | {"parameter": f"{name}.weight"}
        return None


def _told(
    operation: str, layer: str, phase: str, made: Array, *, why: str, key: str, inputs: str = ""
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operation": operation, "module": layer, "phase": phase, "inputs": inputs, "after": layer,
        "why": why, "key": key, "index": _index(made),
    }  # fmt: skip
    if phase in ("forward", "backward") and made.ndim > 1:
        wrong = ~np.isfinite(made).all(axis=tuple(range(1, made.ndim)))
        told["rows"] = np.flatnonzero(wrong)[:ROWS_NAMED].tolist()
    return told


def _broken(values: Array | None) -> TypeGuard[Array]:
    return values is not None and not np.isfinite(values).all()


def _index(values: Array) -> list[int]:
    """Return the first element that is not finite, NaN before infinity."""
    wrong = np.isnan(values) if np.isnan(values).any() else ~np.isfinite(values)
    return [int(each) for each in np.argwhere(wrong)[0]]


def _range(values: Array | None) -> str:
    """Word the finite numbers of an array."""
    finite = None if values is None else values[np.isfinite(values)]
    if finite is None or not finite.size:
        return "numbers unknown"
    return f"numbers from {finite.min():.3g} to {finite.max():.3g}"
