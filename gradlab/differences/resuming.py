"""Where a run goes on: which iteration of one run is iteration 0 of another."""

from __future__ import annotations

import numpy as np

from gradlab.differences.matching import Layers
from gradlab.differences.pair import NUMBERS
from gradlab.differences.rounding import Rounding
from gradlab.run import Run

Array = np.ndarray


def find_offset(a: Run, b: Run, layers: Layers, rounding: Rounding) -> int:
    """Return which iteration of `a` is iteration 0 of `b`; 0 where neither goes on from the other.

    A run goes on from another one where the norms of its first weights are those of the other one
    at a later iteration, layer by layer and seed by seed. It is negative where `a` goes on from
    `b`.
    """
    later = _continues(a, b, layers, rounding, swapped=False)
    if later is not None:
        return later
    earlier = _continues(b, a, layers, rounding, swapped=True)
    return 0 if earlier is None else -earlier


def _continues(a: Run, b: Run, layers: Layers, rounding: Rounding, *, swapped: bool) -> int | None:
    """Return the iteration of `a` whose weights `b` begins with; None where there is none."""
    rows = layers.rows[::-1] if swapped else layers.rows
    count = min(a.replicates, b.replicates)
    if not len(rows[0]) or not a.iterations or not b.iterations:
        return None
    first = b.between(0, 1)
    begun = first["weight_norm"][0, :count, rows[1]]
    known = first.recorded("weight_norm")[0, :count, rows[1]] & np.isfinite(begun) & (begun > 0)
    if not known.any():
        return None
    best, nearest = None, np.inf
    for span in _spans(a):
        part = a.between(*span)
        for time, distance in _distances(part, rows[0], begun, known, count):
            if time == 0 and 0 < distance <= rounding.relative:
                return 0  # the same start, in another precision or order of sums
            if distance < nearest:
                best, nearest = time, distance
    end = _at_the_end(a, b)
    if end is not None and end < nearest:
        best, nearest = a.iterations, end
    return best if nearest <= rounding.relative else None


def _spans(run: Run) -> list[tuple[int, int]]:
    step = max(1, NUMBERS // (run.replicates * run.shape[2]))
    return [(start, start + step) for start in range(0, run.iterations, step)]


def _distances(
    part: Run, rows: Array, begun: Array, known: Array, count: int
) -> list[tuple[int, float]]:
    """Return (iteration, largest relative distance of a layer's norm) where all are recorded."""
    norms = part["weight_norm"][:, :count][:, :, rows].transpose(0, 2, 1)
    with np.errstate(all="ignore"):
        apart = np.abs(norms - begun) / begun
    worst = np.where(known, apart, 0.0).max(axis=(1, 2))
    return [
        (int(time), float(value))
        for time, value in zip(part.times, worst, strict=True)
        if np.isfinite(value)
    ]


def _at_the_end(a: Run, b: Run) -> float | None:
    """Return how far the weights that came out of `a` are from those that `b` begins with.

    Judged by the weights that both follow; None where there are none.
    """
    tables = []
    for run, time in ((a, a.iterations), (b, 0)):
        table = run.weights
        table = table[table["iteration"] == time]
        tables.append(table.set_index(["replicate", "layer", "row", "column"])["value"])
    joined = tables[0].to_frame("a").join(tables[1].to_frame("b"), how="inner").dropna()
    if joined.empty:
        return None
    size = float(np.sqrt((joined["b"] ** 2).mean()))
    return float((joined["a"] - joined["b"]).abs().max()) / size if size else None
