"""Losses that fall for ever, and ever faster: nothing holds them."""

from __future__ import annotations

import numpy as np

from gradlab.rules.yardsticks import column
from gradlab.run import Run

STARTING = 10  # iterations that are a run's start
BEYOND = 100.0  # times the largest loss of the start, below 0
FASTER = 1.5  # times the fall of the quarter before
SHORTEST = 40  # iterations: ten in a quarter


def runs_away(run: Run, seed: int, stop: int) -> str:
    """Word how a seed's loss falls without bound; "" where it does not.

    What can be reached is reached ever more slowly, and the gradient goes to 0 on the way. Here
    each quarter of the run falls further than the last, far below 0, and the gradient grows: a
    square or an exponential that is subtracted.
    """
    loss, gradient = column(run, "loss"), column(run, "grad_norm")
    if loss is None or gradient is None or stop < SHORTEST:
        return ""
    values, slopes = loss[:stop, seed], gradient[:stop, seed]
    if not np.isfinite(values).all() or not np.isfinite(slopes).any():
        return ""
    first, *rest = np.array_split(values, 4)
    ends = [float(np.median(each[-STARTING:])) for each in (first, *rest)]
    start = float(np.median(values[:STARTING]))
    size = float(np.abs(values[:STARTING]).max())
    falls = -np.diff([start, *ends])
    accelerates = falls[0] > 0 and bool((falls[2:] > FASTER * falls[1:-1]).all())
    grows = np.nanmedian(slopes[-STARTING:]) > np.nanmedian(slopes[:STARTING])
    if not (accelerates and grows and ends[-1] < -BEYOND * size):
        return ""
    return f"it went from {start:.3g} to {ends[-1]:.3g}, and each quarter further than the last"
