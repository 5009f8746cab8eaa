"""Learning rates that still rise where a run ends."""

from __future__ import annotations

import numpy as np

from gradlab.rules.yardsticks import SLOW, column, outcomes, trend, window_size
from gradlab.run import Run

Array = np.ndarray

FEW = 10  # steps of a run for each step of its schedule, at least
TAIL = 10  # a rise that is slower than that is over: nothing of it in the last tenth of a run


def still_rises(rate: Array) -> bool:
    """Whether a series of learning rates (T,) never falls, and its rise goes on to its end.

    One that is stepped once an epoch rises in stairs. It goes on where the last stair is no longer
    than the longest before it, or than a tenth of the run.
    """
    known = rate[np.isfinite(rate)]
    if len(known) < 3 or not (np.diff(known) >= 0).all() or not known[-1] > known[0]:
        return False
    starts = np.concatenate(([0], np.flatnonzero(np.diff(known) > 0) + 1, [len(known)]))
    stairs = np.diff(starts)
    earlier = stairs[:-1].max() if len(stairs) > 2 else 0  # one rise is a switch, not a slope
    return bool(stairs[-1] <= max(earlier, len(known) // TAIL))


def in_stairs(rate: Array) -> bool:
    """Whether a series of learning rates (T,) is one of a schedule that is stepped now and then."""
    return len(np.unique(rate)) <= len(rate) // FEW


def slow(run: Run, seed: int, stop: int) -> bool:
    """Whether a seed is on its way where the run ends: slow, and its loss still falls.

    What noise in the targets keeps from learning more stands still there.
    """
    loss = column(run, "loss")
    if loss is None or outcomes(run)[seed].state != SLOW:
        return False
    found = trend(loss[:stop, seed], window_size(run))
    return found is not None and found.falls_still
