"""What `Recorder.record` is given: the tensors of one iteration, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError, shown, suggest
from gradlab.layerstack import LayerStack
from gradlab.run.arrays import as_array

Array = np.ndarray
Arrays = Sequence[Array]

REMEMBERED = 8  # sets of stacks whose shapes are known to be right


@dataclass(frozen=True)
class StepTensors:
    """The arrays of one iteration; a sequence has one a layer, first layer first.

    With replicates every array has a leading axis S. `Recorder.record` says what each is.
    """

    weights: Arrays
    gradients: Arrays
    weights_after: Arrays
    batch: Array | None = None
    preactivations: Arrays | None = None
    activations: Arrays | None = None
    deltas: Arrays | None = None
    slopes: Arrays | None = None
    backs: Arrays | None = None
    products: Arrays | None = None
    biases: Arrays | None = None
    biases_after: Arrays | None = None
    bias_gradients: Arrays | None = None
    others: Arrays | None = None
    others_after: Arrays | None = None
    other_gradients: Arrays | None = None
    second_moments: Arrays | None = None
    second_moment_scale: float | Array = 1.0


NAMES = tuple(field.name for field in fields(StepTensors))
OF_WEIGHTS = {"weights", "weights_after", "gradients", "second_moments"}
OF_BIASES = {"biases", "biases_after", "bias_gradients"}
HIDDEN_ONLY = {"slopes", "backs", "products"}
OTHERS = ("others", "others_after", "other_gradients")
OF_THE_NET = {"batch", "second_moment_scale", *OTHERS}


class Inputs:
    """Checks the arrays that a Recorder is given.

    Parameters
    ----------
    layers : list of dict
        `fan_in` and `fan_out` of each.
    lead : tuple of int
        The replicate axis, `(S,)`, or nothing.
    """

    def __init__(self, layers: Sequence[Mapping[str, Any]], lead: tuple[int, ...]):
        self._layers, self._lead = layers, lead
        self._known: dict[tuple[Any, ...], Mapping[str, Any]] = {}

    def tensors(self, given: Mapping[str, Any]) -> StepTensors:
        """Return what was given, None counting as not given.

        Raises
        ------
        ArgumentError
            A name is missing or unknown, or an array does not fit its layer.
        """
        given = {name: value for name, value in given.items() if value is not None}
        self._check(given)
        given.setdefault("weights_after", given["weights"])  # `revisit` has no use for it
        tensors = StepTensors(**given)
        if tensors.deltas is None or tensors.backs is not None:
            return tensors
        pairs = zip(tensors.deltas[1:], tensors.weights[1:], strict=True)
        backs = [delta @ weight.swapaxes(-1, -2) for delta, weight in pairs]
        return StepTensors(**{**given, "backs": backs})

    def forget(self) -> None:
        """Let go of all arrays."""
        self._known.clear()

    def _check(self, given: Mapping[str, Any]) -> None:
        """Check what is given.

        The engine hands over the same stacks again and again, whose shapes cannot change: they are
        checked once.
        """
        same = {name: arrays for name, arrays in given.items() if name != "second_moment_scale"}
        key = (*same, *map(id, same.values()))
        if key not in self._known:
            self._check_names(given)
            self._check_shapes(same)
            if all(
                isinstance(arrays, LayerStack) for name, arrays in same.items() if name != "batch"
            ):
                if len(self._known) > REMEMBERED:  # somebody makes them anew each time
                    self._known.clear()
                self._known[key] = same  # kept, so that no other object gets an id of theirs
        if "second_moment_scale" in given:
            scale = as_array("second_moment_scale", given["second_moment_scale"])
            if scale.dtype.kind not in "fiu" or scale.size != 1:
                raise ArgumentError(
                    f"second_moment_scale={shown(given['second_moment_scale'])} must be a number"
                )

    def _check_names(self, given: Mapping[str, Any]) -> None:
        missing = next((name for name in ("weights", "gradients") if name not in given), None)
        if missing is not None:
            raise ArgumentError(f"{missing} is None; give one array a layer, as `record` needs it")
        unknown = sorted(set(given) - set(NAMES))
        if unknown:
            raise ArgumentError(
                f"record got unknown arrays {', '.join(unknown)}; {suggest(unknown[0], NAMES)}"
            )
        for name, arrays in given.items():
            if name in ("batch", "second_moment_scale"):
                continue
            if not isinstance(arrays, Sequence) or isinstance(arrays, (str, bytes)):
                kind = type(arrays).__name__
                raise ArgumentError(
                    f"{name} is a {kind}; give a list of arrays, one a layer, first layer first"
                )
            expected = len(self._layers) - (name in HIDDEN_ONLY)
            if name not in OF_THE_NET and len(arrays) != expected:
                raise ArgumentError(
                    f"{name} holds {len(arrays)} arrays, but the recorder has {len(self._layers)} "
                    f"layers "
                    f"and needs {expected} of them, first layer first"
                )

    def _check_shapes(self, given: Mapping[str, Any]) -> None:
        """Raise ArgumentError for an array that does not fit its layer, as a transposed one."""
        batch_size = None
        for name, arrays in given.items():
            for layer, array in enumerate([arrays] if name == "batch" else arrays):
                argument = f"{name}[{layer}]"
                _check_array(argument, array)
                if name in OTHERS:
                    continue
                described = self._layers[layer]
                columns = described["fan_in"] if name == "batch" else described["fan_out"]
                if name in OF_WEIGHTS:
                    rows: Any = described["fan_in"]
                elif name in OF_BIASES:
                    rows = 1
                else:
                    rows = batch_size = batch_size or (array.shape[-2] if array.ndim > 1 else "B")
                if array.shape != (*self._lead, rows, columns):
                    expected = ", ".join(map(str, (*self._lead, rows, columns)))
                    raise ArgumentError(
                        f"{argument} has shape {array.shape}, but layer {layer + 1} needs "
                        f"({expected})"
                    )
        self._check_others({name: given[name] for name in OTHERS if name in given})

    def _check_others(self, given: Mapping[str, Arrays]) -> None:
        """Raise ArgumentError unless these are matrices, of the same shapes in each sequence."""
        shapes = {name: [array.shape for array in arrays] for name, arrays in given.items()}
        first = next(iter(shapes.values()), [])
        for name, found in shapes.items():
            if found != first:
                raise ArgumentError(
                    f"{name} has arrays of shapes {found}, but {next(iter(shapes))} of {first}"
                )
        for place, shape in enumerate(first):
            if len(shape) != len(self._lead) + 2 or shape[: len(self._lead)] != self._lead:
                expected = ", ".join([*map(str, self._lead), "rows", "columns"])
                raise ArgumentError(f"others[{place}] has shape {shape}; it needs ({expected})")


def _check_array(argument: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        kind = getattr(array, "dtype", type(array).__name__)
        raise ArgumentError(f"{argument} is {kind}; give a NumPy array of floating-point numbers")
    if isinstance(array, np.ma.MaskedArray):
        raise ArgumentError(
            f"{argument} is a masked array; give a plain one, such as {argument}.filled(0)"
        )
    if not array.dtype.isnative:
        raise ArgumentError(
            f"{argument} is {array.dtype}, of another byte order than this machine; give "
            f"{argument}.astype(float)"
        )


def per_replicate(name: str, value: Any, replicates: int) -> Array:
    """Return one number for each replicate, (S,).

    Raises
    ------
    ArgumentError
        It holds no numbers, or has another shape.
    """
    array = _numbers(name, value)
    if array.shape not in ((), (replicates,)):
        raise ArgumentError(
            f"{name} has shape {array.shape}; give one number, or one for each replicate"
        )
    return np.full(replicates, array) if array.ndim == 0 else array


def masked_numbers(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    """Return numbers as a masked array of this shape; a leading axis of replicates may be left out.

    Raises
    ------
    ArgumentError
        They are none, or have another shape.
    """
    masked = isinstance(values, np.ma.MaskedArray)
    data = _numbers(name, np.ma.getdata(values) if masked else values)
    if data.shape not in (shape, shape[1:]):
        raise ArgumentError(
            f"{name} has shape {data.shape}; give one number for each, {shape[1:]} or {shape}"
        )
    mask = np.broadcast_to(np.ma.getmaskarray(values), shape)
    return np.ma.MaskedArray(np.broadcast_to(data, shape), mask)


def _numbers(name: str, value: Any) -> Array:
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise ArgumentError(f"{name} is masked; leave it out where it was not recorded")
    array = as_array(name, value)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{name}={shown(value)} must be a number, or one for each replicate")
    return array.astype(np.float64)
