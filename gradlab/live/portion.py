"""Which part of a growing run is judged, so that a long one costs no more than a short one."""

from __future__ import annotations

import numpy as np

from gradlab.run import Run

MOST = 300_000  # numbers of a statistic
STRETCH = 64  # iterations in a row: rules judge windows of 50


def portion(run: Run, most: int = MOST) -> Run:
    """Return a run itself, or of a large one the first, the newest and some stretches in between.

    A quarter of what is kept is the beginning, half is the newest, and the rest is spread evenly.
    """
    room = max(4 * STRETCH, most // (run.replicates * run.shape[2]))
    if run.iterations <= room:
        return run
    times = run.times
    first, newest = times[: room // 4], times[-(room // 2) :]
    count = max(1, (room - len(first) - len(newest)) // STRETCH)
    starts = np.linspace(len(first), len(times) - len(newest) - STRETCH, count + 2)[1:-1]
    between = [times[int(start) : int(start) + STRETCH] for start in starts]
    return run.select(np.unique(np.concatenate([first, *between, newest])).tolist())
