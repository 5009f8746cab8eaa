"""What goes through the modules, measured in main memory: NumPy looks at the same bytes.

Small signals of one shape are stacked, (k, rows, units), and measured in few calls; a large one is
gone through in chunks that stay in a core's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gradlab import measures, sums
from gradlab.adapters.torch.measure.arrays import PIECE, array_of, bad, dots, norms
from gradlab.adapters.torch.measure.host import CHUNK
from gradlab.adapters.torch.modules import as_rows
from gradlab.adapters.torch.observe.graph import Applied

Array = np.ndarray

STACKED = 1 << 14  # entries: larger signals are measured one by one, as soon as they are complete


KEPT = 64  # buffers


class Stacks:
    """Copies small signals side by side, into the same memory again and again."""

    def __init__(self):
        self._buffers: dict[tuple[object, ...], Tensor] = {}

    def of(self, role: str, tensors: Sequence[Tensor]) -> Tensor:
        """Return tensors of one shape and dtype as a stack (k, ...).

        It holds until the role's next stack is made.
        """
        first = tensors[0]
        if len(tensors) == 1:
            return first.detach()[None]
        shape = len(tensors), *first.shape
        key = role, shape, first.dtype
        if len(self._buffers) > KEPT and key not in self._buffers:
            self._buffers.clear()  # lengths that differ from batch to batch
        if key not in self._buffers:
            self._buffers[key] = torch.empty(shape, dtype=first.dtype)
        return torch.stack(list(tensors), out=self._buffers[key])


def rows_of(stack: Tensor, second: bool) -> Array:
    """Return a stack of signals as an array (k, rows, units)."""
    return array_of(as_rows(stack, second))


def row_norms(x: Array) -> tuple[Array, Array]:
    """Return the norm of each row (k, rows), and of the whole (k,)."""
    if x.shape[-1] <= PIECE:
        return measures.row_norms(x)
    rows = norms(x.reshape(-1, x.shape[-1])).reshape(x.shape[:2])
    return rows, measures.total_norm(rows)


def moments(name: str, x: Array, norm: Array) -> dict[str, Array]:
    """Return what mean, deviation and norm of the entries of several calls are made of."""
    n = x.shape[1] * x.shape[2]
    if len(x) == 1 and n > CHUNK:
        mean, deviation = _large_moments(x)
    else:
        mean = measures.mean(x)
        deviation = measures.deviation(x, mean) * n**0.5
    return {
        f"{name}_norm": norm,
        f"{name}_deviation": deviation,
        f"{name}_sum": n * mean,
        f"{name}_squares": n * mean**2,
        f"{name}_n": np.full(len(x), float(n)),
    }


def _large_moments(x: Array) -> tuple[Array, Array]:
    """Return the mean of (1, rows, units) and the norm of the deviations, chunk by chunk."""
    count, mean, squares = 0, 0.0, 0.0
    scratch = np.empty(max(CHUNK, x.shape[2]), x.dtype)
    for part in _parts(x):
        piece = x[0, part]
        here, n = float(piece.mean()), piece.size
        centred = np.subtract(
            piece, x.dtype.type(here), out=scratch[:n].reshape(piece.shape)
        ).reshape(1, -1)
        apart, total = here - mean, count + n
        squares += float(dots(centred, centred)[0]) + apart**2 * (count * n / total)
        mean, count = mean + apart * n / total, total
    if sums.where_unsafe(np.array([squares]), x.dtype) is None:
        return np.array([mean]), np.array([squares**0.5])
    centre = measures.mean(x)
    return centre, measures.deviation(x, centre) * count**0.5


def _parts(x: Array | Tensor) -> Iterator[slice]:
    """Go through the rows of (k, rows, units): of several calls all at once, of one by chunks."""
    few = max(1, CHUNK // x.shape[2]) if x.shape[0] == 1 else x.shape[1]
    for start in range(0, x.shape[1], few):
        yield slice(start, start + few)


def of_slopes(
    applied: Applied, saved: Tensor, backs: Tensor | None, second: bool, bound: float
) -> tuple[dict[str, Array], Array]:
    """Measure phi' from what an activation saved, (k, ...).

    With u, which arrived at its result, ||u phi'|| too. Return which units have a slope, (k,
    units), beside the numbers.
    """
    rows = as_rows(saved.detach(), second)
    u = None if backs is None else rows_of(backs.reshape(saved.shape), second)
    k, units = rows.shape[0], rows.shape[2]
    slope_of = _in_numpy.get(applied.name)

    def slope(part: slice) -> Array:
        piece = rows[:, part]
        return array_of(applied.slope(piece)) if slope_of is None else slope_of(array_of(piece))

    squares, products, saturated = np.zeros(k), np.zeros(k), np.zeros(k)
    alive = np.zeros((k, units), bool)
    for part in _parts(rows):
        piece = slope(part)
        flat = piece.reshape(k, -1)
        squares += dots(flat, flat)
        saturated += measures.saturated_fraction(piece, bound) * flat.shape[1]
        zero = piece == 0
        alive |= ~zero.all(axis=1) if zero.any() else True
        if u is not None:
            product = (u[:, part] * piece).reshape(k, -1)
            products += dots(product, product)
    every, n = slice(None), rows.shape[1] * units
    values = {
        "slope_norm": _roots(squares, rows.dtype, lambda: slope(every)),
        "slope_n": np.full(k, float(n)),
        "saturated": saturated / n,
    }
    if u is not None:
        values["product_norm"] = _roots(products, rows.dtype, lambda: u * slope(every))
    return values, alive


def _roots(squares: Array, dtype: torch.dtype, whole: Callable[[], Array]) -> Array:
    measured_in = np.dtype(np.float64 if dtype == torch.float64 else np.float32)
    if sums.where_unsafe(squares, measured_in) is None:
        return np.sqrt(squares)
    return sums.roots(squares, whole().reshape(len(squares), -1))


def _positive(h: Array) -> Array:
    return np.greater(h, 0).astype(h.dtype)


def _of_tanh(h: Array) -> Array:
    square = h * h
    return np.subtract(1, square, out=square)


def _of_sigmoid(h: Array) -> Array:
    square = h * h
    return np.subtract(h, square, out=square)


_in_numpy: dict[str, Callable[[Array], Array]] = {
    "relu": _positive,
    "tanh": _of_tanh,
    "sigmoid": _of_sigmoid,
}

__all__ = [
    "STACKED",
    "Stacks",
    "array_of",
    "bad",
    "moments",
    "norms",
    "of_slopes",
    "row_norms",
    "rows_of",
]
