"""A statistic of a long run, read in spans of iterations: what one asks for, and no more in memory at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from gradlab._parts import MEMORY_PART, Parts, Statistics

Array = np.ndarray

AROUND = 10  # iterations: as far as the next one at which the costly statistics are recorded


def largest(values: Array) -> int:
    """Return the row of the largest finite value of an array (n, S, L)."""
    flat = values.reshape(len(values), -1)
    return int(np.where(np.isfinite(flat), flat, -np.inf).max(axis=1).argmax())


class Spans:
    """The `signals` of a run of T iterations, S replicates and L layers, cut into spans of whole iterations.

    A span is a part of the table (a row group, or some batches of a stream). Where a part ends within an iteration, as
    in files that gradlab did not write, a span touches two parts and both are read.
    """

    def __init__(self, parts: Parts, shape: tuple[int, int, int]):
        self._parts, self._shape = parts, shape
        self._cells = shape[1] * shape[2]
        self.edges = self._cut()
        rows = self.edges * self._cells
        self._first = np.searchsorted(parts.starts, rows[:-1], side="right") - 1  # part in which a span begins
        self._stop = np.searchsorted(parts.starts, rows[1:], side="left")
        self._rows = parts.starts[self._stop] - parts.starts[self._first]  # of the parts that a span touches
        self._statistics: dict[str, Statistics] = {}

    def _cut(self) -> Array:
        """Return the first iteration of each span, and T after the last one: parts, small ones taken together."""
        ends = np.unique(np.minimum(-(-self._parts.starts // self._cells), self._shape[0]))
        least = max(1, MEMORY_PART // self._cells // 2)
        edges = [0]
        for end in ends[1:].tolist():
            if end - edges[-1] >= least or end == self._shape[0]:
                edges.append(end)
        return np.array(edges)

    def each(self, column: str, wanted: Iterable[int]) -> Iterator[tuple[int, Array, Array]]:
        """Yield (first iteration, values (n, S, L), NaN where null, and where they were recorded) of some spans."""
        first, second = itertools.tee(wanted)
        ranges = (range(int(self._first[k]), int(self._stop[k])) for k in first)
        for k, given in zip(second, self._parts.each(column, ranges), strict=False):
            start, stop = int(self.edges[k]), int(self.edges[k + 1])
            skip = start * self._cells - int(self._parts.starts[self._first[k]])
            part = given.combine_chunks().slice(skip, (stop - start) * self._cells).cast(pa.float64())
            shape = stop - start, *self._shape[1:]
            mask = part.is_valid().to_numpy(zero_copy_only=False) if part.null_count else np.ones(len(part), bool)
            yield start, part.to_numpy(zero_copy_only=False).reshape(shape), mask.reshape(shape)

    def every(self, column: str) -> Iterator[tuple[int, Array, Array]]:
        """Yield (first iteration, values, recorded) of every span in order."""
        yield from self.each(column, range(len(self.edges) - 1))

    def at(self, column: str, iterations: Sequence[int] | Array) -> tuple[Array, Array]:
        """Return values and where they were recorded at some iterations (n, S, L)."""
        asked = np.asarray(iterations, int)
        shape = len(asked), *self._shape[1:]
        values, masks = np.empty(shape), np.empty(shape, bool)
        place = self._span_of(asked)
        spans = np.unique(place)
        for k, (first, given, mask) in zip(spans, self.each(column, spans), strict=True):
            here = np.flatnonzero(place == k)
            values[here], masks[here] = given[asked[here] - first], mask[asked[here] - first]
        return values, masks

    def _span_of(self, iterations: Array) -> Array:
        return np.searchsorted(self.edges, iterations, side="right") - 1

    def statistics(self, column: str) -> Statistics:
        """Return what each span holds; what two spans share of a part counts in both."""
        if column not in self._statistics:
            self._statistics[column] = self._gathered(self._parts.statistics(column))
        return self._statistics[column]

    def _gathered(self, given: Statistics) -> Statistics:
        if np.array_equal(self._first, np.arange(len(given.low))) and np.array_equal(self._stop, self._first + 1):
            return given
        pieces = [slice(int(a), int(b)) for a, b in zip(self._first, self._stop, strict=True)]
        return Statistics(
            np.array([np.fmin.reduce(given.low[piece]) for piece in pieces]),
            np.array([np.fmax.reduce(given.high[piece]) for piece in pieces]),
            np.array([given.nulls[piece].sum() for piece in pieces]),
            np.array([given.nonfinite[piece].sum() for piece in pieces]),
        )

    def nonfinite(self, column: str) -> Array:
        """Where an iteration of a replicate holds a NaN or an infinity in any layer (T, S)."""
        found = np.zeros(self._shape[:2], bool)
        for first, values, mask in self.each(column, np.flatnonzero(self.statistics(column).nonfinite > 0)):
            found[first : first + len(values)] = (mask & ~np.isfinite(values)).any(axis=2)
        return found

    def positive(self, column: str) -> Array:
        """Where an iteration of a replicate holds a number above 0 in any layer (T, S)."""
        found = np.zeros(self._shape[:2], bool)
        for first, values, mask in self.each(column, np.flatnonzero(self.statistics(column).high > 0)):
            found[first : first + len(values)] = (mask & (values > 0)).any(axis=2)
        return found

    def recorded(self, column: str, near: Array | None = None) -> Array:
        """Where an iteration holds a number of any replicate and layer, NaN too (T,).

        `near`: only the spans within `AROUND` of these iterations are looked into, and elsewhere it is False.
        """
        nulls = self.statistics(column).nulls
        some, found = nulls < self._rows, np.zeros(self._shape[0], bool)
        if near is not None:
            around = near[:, None] + np.arange(-AROUND, AROUND + 1)
            asked = np.zeros_like(some)
            asked[self._span_of(np.clip(around, 0, self._shape[0] - 1))] = True
            asked[np.flatnonzero(some)[[0, -1]] if some.any() else []] = True
            some &= asked
        for k in np.flatnonzero(some & (nulls == 0)):
            found[self.edges[k] : self.edges[k + 1]] = True
        for first, _, mask in self.each(column, np.flatnonzero(some & (nulls > 0))):
            found[first : first + len(mask)] = mask.any(axis=(1, 2))
        return found

    def extreme(self, column: str, sign: int) -> int | None:
        """Return the iteration of the largest (`sign` 1) or smallest (-1) finite value; None where there is none.

        Spans in which an infinity hides the ends are passed over.
        """
        found = self.statistics(column)
        ends = sign * (found.high if sign > 0 else found.low)
        ends = np.where(np.isfinite(ends), ends, -np.inf)
        if not np.isfinite(ends).any():
            return None
        first, values, _ = next(self.each(column, [int(ends.argmax())]))
        return first + largest(sign * values)

    def holds(self, column: str) -> bool:
        """Whether it was recorded at all."""
        return bool((self.statistics(column).nulls < self._rows).any())
