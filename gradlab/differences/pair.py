"""`Pair`: two runs laid beside each other, read a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradlab.differences.matching import Layers
from gradlab.differences.rounding import Rounding
from gradlab.run import Run

Array = np.ndarray

NUMBERS = 1_000_000  # of a statistic and run that are held at once


@dataclass(frozen=True)
class Pair:
    """Two runs laid beside each other.

    Attributes
    ----------
    runs : (Run, Run)
    layers, blocks : Layers
        What they have in common.
    offset : int
        Which iteration of the first run is iteration 0 of the second.
    rounding : Rounding
    """

    runs: tuple[Run, Run]
    layers: Layers
    blocks: Layers
    offset: int
    rounding: Rounding

    @property
    def replicates(self) -> int:
        """How many seeds both have."""
        return min(run.replicates for run in self.runs)

    @property
    def span(self) -> tuple[int, int]:
        """The iterations of the first run, first and one behind the last, that both have."""
        first, second = (run.iterations for run in self.runs)
        return max(0, self.offset), max(0, self.offset, min(first, second + self.offset))

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the span in pieces, each small enough to be read whole."""
        start, stop = self.span
        width = max(run.replicates * run.shape[2] for run in self.runs)
        step = max(1, NUMBERS // width)
        for first in range(start, stop, step):
            yield first, min(first + step, stop)

    def common(self, kind: str) -> Layers | None:
        """Return the layers or blocks that both have; None of what the whole net has one of."""
        return {"layer": self.layers, "block": self.blocks}.get(kind)


@dataclass(frozen=True)
class Piece:
    """Some iterations of both runs.

    Attributes
    ----------
    first : int
        The iteration of the first run that row 0 is of.
    parts, rows : (Run, Run), (slice, slice)
        Runs that hold these iterations, and where.
    """

    pair: Pair
    first: int
    parts: tuple[Run, Run]
    rows: tuple[slice, slice]

    @classmethod
    def of(cls, pair: Pair, first: int, stop: int) -> Piece:
        """Return the iterations `first` to `stop - 1` of the first run, and those beside them."""
        spans = [(first, stop), (first - pair.offset, stop - pair.offset)]
        parts = [run.between(*span) for run, span in zip(pair.runs, spans, strict=True)]
        rows = [
            slice(*np.searchsorted(part.times, span).tolist())
            for part, span in zip(parts, spans, strict=True)
        ]
        return cls(pair, first, (parts[0], parts[1]), (rows[0], rows[1]))

    def both(self, name: str, kind: str) -> tuple[Array, Array, Array]:
        """Return a statistic of both runs, and where both have recorded it (T, S, places)."""
        common, count = self.pair.common(kind), self.pair.replicates
        read = []
        for side in (0, 1):
            values, known = self._read(side, name, kind)
            at = slice(None) if common is None else common.rows[side]
            read.append((values[:, :count, at], known[:, :count, at]))
        (a, in_a), (b, in_b) = read
        return a, b, in_a & in_b

    def _read(self, side: int, name: str, kind: str) -> tuple[Array, Array]:
        part, rows = self.parts[side], self.rows[side]
        if kind == "layer":
            return part[name][rows], part.recorded(name)[rows]
        if kind == "block":
            values = part.block_statistic(name)[rows]
            return values, ~np.isnan(values)
        values, known = part.step(name)[rows], part.step_recorded(name)[rows]
        return values[..., None], known[..., None]
