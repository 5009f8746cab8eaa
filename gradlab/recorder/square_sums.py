"""The sums of squares behind an engine's norms.

Each array is read once, a few layers at a time.

The roots are taken when a block of iterations is written (`Derivations.of_sums`).
"""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import numpy as np

from gradlab.layerstack import LayerStack
from gradlab.recorder.inputs import StepTensors
from gradlab.sums import safe_range, where_unsafe

Array = np.ndarray

GRADIENT, WEIGHT, UPDATE, SLOPE, BACK, SIGNAL, DELTA, DESCENT = range(
    8
)  # <G, dW> last: it alone may be negative
# With all sums in their safe range, no z is infinite then: |z| <= ||h|| ||W|| + ||b||.
BIAS_LIMIT = 1e14
NEEDED = (
    "weights",
    "weights_after",
    "gradients",
    "biases",
    "biases_after",
    "bias_gradients",
    "activations",
    "preactivations",
    "deltas",
    "slopes",
    "backs",
)


class Sums(NamedTuple):
    """Of one iteration, float64; `lead` stands for the replicate axis `(S,)` or nothing.

    Attributes
    ----------
    layers : ndarray (8, L, *lead)
        ||G||^2, ||W||^2, ||dW||^2, ||phi'||^2, ||u||^2, ||h||^2, ||delta||^2 and <G, dW>.
    examples : ndarray (L, *lead)
        sum_i ||delta_i|| ||h_i||, h being what the layer reads.
    biases : ndarray (2, *lead)
        ||db||^2 and <db, b_after - b>, over all layers.
    batch_size : int
    """

    layers: Array
    examples: Array
    biases: Array
    batch_size: int


class EngineTensors(StepTensors):
    """The same, all of them there and side by side."""

    weights: LayerStack
    weights_after: LayerStack
    gradients: LayerStack
    batch: Array
    preactivations: LayerStack
    activations: LayerStack
    deltas: LayerStack
    slopes: LayerStack
    backs: LayerStack
    biases: LayerStack
    biases_after: LayerStack
    bias_gradients: LayerStack


def of_an_engine(tensors: StepTensors) -> TypeGuard[EngineTensors]:
    """Whether all arrays lie side by side, and nothing stands between two layers."""
    return (
        tensors.products is None
        and tensors.others is None
        and tensors.batch is not None
        and all(isinstance(getattr(tensors, name), LayerStack) for name in NEEDED)
        and bool(tensors.backs)
    )


def take(tensors: EngineTensors, update: LayerStack) -> Sums | None:
    """Write W_after - W into `update` and return the sums; None where one is too large or NaN.

    Sums in their safe range prove that nothing is NaN or infinite.
    """
    layers, lead = len(update), update[0].shape[:-2]
    squares = np.ones((8, layers, *lead), update.flat.dtype)
    parts = (getattr(tensors, name).flats for name in ("gradients", "weights", "weights_after"))
    for (here, g), (_, before), (_, after), (_, change) in zip(*parts, update.flats, strict=True):
        np.subtract(after, before, out=change)
        np.vecdot(g, g, out=squares[GRADIENT, here])
        np.vecdot(before, before, out=squares[WEIGHT, here])
        np.vecdot(change, change, out=squares[UPDATE, here])
        np.vecdot(g, change, out=squares[DESCENT, here])
    for kind, name in ((SLOPE, "slopes"), (BACK, "backs")):
        for here, x in getattr(tensors, name).flats:
            np.vecdot(x, x, out=squares[kind, here])
    rows = _rows(tensors, layers)
    sums = squares.astype(np.float64)
    sums[SIGNAL : DELTA + 1] = _totals(rows)
    biases = _biases(tensors, lead)
    low, high = safe_range(update.flat.dtype)
    positive = sums[:DESCENT]
    # NaN compares as False.
    if biases is None or not (positive.max() < high and biases[0].max() < high):
        return None
    if where_unsafe(positive, update.flat.dtype) is not None:
        if update.flat.dtype != np.float32:
            return None
        rows = _in_float64(tensors, update, sums, rows, low)
    roots = np.sqrt(rows, dtype=np.float64)
    return Sums(sums, np.vecdot(roots[1, :-1], roots[0, :-1]), biases, tensors.batch.shape[-2])


def _rows(tensors: EngineTensors, layers: int) -> Array:
    """||h_i||^2 of batch and layers, and ||delta_i||^2 of layers, (2, L + 1, *lead, B)."""
    batch = tensors.batch
    rows = np.zeros((2, layers + 1, *batch.shape[:-1]), batch.dtype)
    np.vecdot(batch, batch, out=rows[0, 0])
    for here, h in tensors.activations.groups:
        np.vecdot(h, h, out=rows[0, here.start + 1 : here.stop + 1])
    for here, delta in tensors.deltas.groups:
        np.vecdot(delta, delta, out=rows[1, here])
    return rows


def _totals(rows: Array) -> Array:
    """||h||^2 and ||delta||^2 of every layer, (2, L, *lead)."""
    totals = np.add.reduce(rows, axis=-1)
    return np.stack([totals[0, 1:], totals[1, :-1]])


def _biases(tensors: EngineTensors, lead: tuple[int, ...]) -> Array | None:
    """Return the two sums over all biases, in float64; None where a bias is out of proportion."""
    stacks: list[LayerStack] = [
        getattr(tensors, name) for name in ("bias_gradients", "biases", "biases_after")
    ]
    parts = [
        [stack.flat[None]] for stack in stacks
    ]  # all layers as one, unless replicates lie in between
    if lead:
        parts = [[array for _, array in stack.flats] for stack in stacks]
    sums, largest = np.zeros((2, *lead)), 0.0
    for g, before, after in zip(*parts, strict=True):
        g, change = g.astype(np.float64), np.subtract(after, before, dtype=np.float64)
        sums[0] += np.vecdot(g, g).sum(axis=0)
        sums[1] += np.vecdot(g, change).sum(axis=0)
        largest = max(largest, np.vecdot(before, before).max())
    return sums if largest < BIAS_LIMIT**2 else None


def _in_float64(
    tensors: EngineTensors, update: LayerStack, sums: Array, rows: Array, low: float
) -> Array:
    """Sum anew, in float64, what may have underflowed in float32: the square of 1e-23 is 0.

    Returns the squares of the rows, which need float64 too.
    """
    rows = rows.astype(np.float64)
    small: Array = (sums[:DESCENT] <= low).reshape(DESCENT, sums.shape[1], -1).any(axis=2)  # pyright: ignore
    stacks = {
        GRADIENT: tensors.gradients,
        WEIGHT: tensors.weights,
        UPDATE: update,
        SLOPE: tensors.slopes,
        BACK: tensors.backs,
    }
    for kind, stack in stacks.items():
        for part, x in _wide(stack, small[kind]):
            sums[kind, part] = np.vecdot(x, x)
    for row, kind, name in ((0, SIGNAL, "activations"), (1, DELTA, "deltas")):
        for part, x in _wide(getattr(tensors, name), small[kind], flat=False):
            first = 1 - row  # the rows of h begin with the batch
            rows[row, part.start + first : part.stop + first] = np.vecdot(x, x)
    if small[SIGNAL].any() or small[DELTA].any():
        sums[SIGNAL : DELTA + 1] = _totals(rows)
    either = small[GRADIENT] | small[UPDATE]
    for (part, g), (_, change) in zip(
        _wide(tensors.gradients, either), _wide(update, either), strict=True
    ):
        sums[DESCENT, part] = np.vecdot(g, change)
    return rows


def _wide(stack: LayerStack, wanted: Array, flat: bool = True):
    """Yield `(layers, array in float64)` for the layers that are wanted, group by group."""
    for here, x in stack.groups:
        hit = np.flatnonzero(wanted[here])
        if hit.size:
            first, stop = int(hit[0]), int(hit[-1]) + 1
            part = x[first:stop].astype(np.float64)
            yield (
                slice(here.start + first, here.start + stop),
                part.reshape(*part.shape[:-2], -1) if flat else part,
            )
