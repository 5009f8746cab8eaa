"""What the last updates did to the weights, kept for the next iterations to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.layerstack import LayerStack, groups
from gradlab.recorder.inputs import StepTensors
from gradlab.recorder.layer_axis import LayerAxis
from gradlab.recorder.rows import Partial, only_where

Array = np.ndarray

KEPT = 3  # `revisit` needs the cosine of the update before the newest with the one before that


class Updates:
    """The newest updates of the weights, and the weights that the newest of them left.

    Parameters
    ----------
    axis : LayerAxis

    Attributes
    ----------
    gradient_times_update : ndarray (S, L)
        <G, W_after - W_before> of the newest iteration, where it was not summed by an engine.
    """

    def __init__(self, axis: LayerAxis):
        self._axis = axis
        # The newest first; a LayerStack where the weights are one.
        self._updates: list[Any] = [None] * KEPT
        self._norms = [np.full(axis.shape, np.nan)] * KEPT
        self.gradient_times_update = np.zeros(axis.shape)
        self._left: Sequence[Array] | None = None  # room for W after an update
        self._holds_left = False  # whether it holds W after the newest one

    def begin(self, weights: Sequence[Array]) -> Any:
        """Return the room for the update of this iteration, from now on the newest."""
        self._updates = [self._updates[-1], *self._updates[:-1]]
        if self._updates[0] is None:
            self._updates[0] = _empty_like(weights)
        return self._updates[0]

    def measure(self, tensors: StepTensors) -> dict[str, Array]:
        """Write W_after - W_before, rounded as it was, into the newest update; return the norms."""
        given = tensors.gradients, tensors.weights, tensors.weights_after
        stacks = (groups(each) for each in given)
        measured = [
            measures.of_update(gradient, before, after, update)
            for (_, gradient), (_, before), (_, after), (_, update) in zip(
                *stacks, groups(self._updates[0]), strict=True
            )
        ]
        grad_norm, weight_norm, update_norm, inner = (
            self._axis.joined(part) for part in zip(*measured, strict=True)
        )
        self.gradient_times_update = inner
        return {"grad_norm": grad_norm, "weight_norm": weight_norm, "update_norm": update_norm}

    def note_norm(self, norm: Array) -> None:
        """Keep ||W_after - W_before|| of the newest update, (S, L)."""
        self._norms = [norm, *self._norms[:-1]]

    def of(self, age: int) -> Any:
        """Return the newest update (age 0) or one before it; None where there was none."""
        return self._updates[age]

    def cosine(self, age: int) -> Partial | None:
        """Return the cosine of an update with the one before; None where there was none."""
        if self._updates[age + 1] is None:
            return None
        newest, last = self._norms[age : age + 2]
        norms = (newest, last) if self._axis.stacked else (newest[0], last[0])
        values, start = [], 0
        for (_, one), (_, other) in zip(*map(groups, self._updates[age : age + 2]), strict=True):
            layers = slice(start, start + len(one))
            start = layers.stop
            lengths = (np.ascontiguousarray(norm[..., layers].T) for norm in norms)
            values.append(measures.cosine(one, other, *lengths))
        return only_where((newest > 0) & (last > 0), self._axis.joined(values))

    def keep(self, weights_after: Sequence[Array], wanted: bool) -> None:
        """Keep the weights that this update left, if the next iteration wants to know them."""
        self._holds_left = wanted
        if wanted:
            self._left = _copied(weights_after, self._left)

    def outside(self, weights: Sequence[Array]) -> Array | None:
        """Return ||W before this step - W after the step before||; None where not kept."""
        if self._left is None or not self._holds_left:
            return None
        pairs = zip(groups(weights), groups(self._left), strict=True)
        return self._axis.joined(_distance(now, kept) for (_, now), (_, kept) in pairs)


def _empty_like(weights: Sequence[Array]) -> Sequence[Array]:
    """Make room for an update of these weights, side by side where they are."""
    if isinstance(weights, LayerStack):
        return LayerStack([weight.shape for weight in weights], weights.flat.dtype)
    return [np.empty_like(weight, order="C") for weight in weights]


def _copied(weights: Sequence[Array], room: Sequence[Array] | None) -> Sequence[Array]:
    """Copy weights into the room there is, or into new one."""
    copy = _empty_like(weights) if room is None else room
    if isinstance(weights, LayerStack) and isinstance(copy, LayerStack):
        copy.flat[:] = weights.flat
    else:
        for target, weight in zip(copy, weights, strict=True):
            target[...] = weight
    return copy


def _distance(x: Array, y: Array) -> Array:
    """||x - y|| over the last two axes."""
    if np.array_equal(x, y):  # nearly always, and ten times as fast
        return np.zeros(x.shape[:-2])
    return measures.norm(x - y)
