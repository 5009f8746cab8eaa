"""What a net had learned and lost again, while its learning rate rose and rose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.warm_up import still_rises
from gradlab.rules.windows import losses
from gradlab.rules.yardsticks import column, constant_level, is_yardstick
from gradlab.run import Run

Array = np.ndarray

PARTS = 20  # of a run, over each of which its loss is averaged
SHORTEST = 10  # losses in a part
STRETCH = 4  # parts in a row, over which the loss is higher again
LOST = 0.25  # of what was gained at best
RISEN = 1.25  # times the rate that the loss was lowest at
ERRORS = 3.0  # standard errors of a part's mean: what chance does not make


@dataclass(frozen=True)
class Undone:
    """What was lost again.

    Attributes
    ----------
    best, worst : float
        The lowest mean loss of a part of the run, and that of the worst stretch after it.
    lost : float
        Of what was gained at best: (worst - best) / (start - best).
    row : int
        Where the loss was lowest.
    rate, rate_at_end : float
        The learning rates there and at the end.
    """

    best: float
    worst: float
    lost: float
    row: int
    rate: float
    rate_at_end: float


def undone_as_it_rose(run: Run, seed: int, stop: int) -> Undone | None:
    """Return what a seed lost again under a learning rate that rises to its last step.

    A warm-up that nobody ends goes through the rate that fits and beyond it: the loss falls, then
    climbs, and gains nothing more. None where the rate does not rise to the end, where little was
    lost, or where the end is the best.
    """
    rate = column(run, "learning_rate")
    if rate is None or stop < PARTS * SHORTEST or not is_yardstick(run, seed, stop):
        return None
    rate, loss = rate[:stop, seed], losses(run)[:stop, seed]
    if not np.isfinite(rate).all() or not still_rises(rate):
        return None
    parts = np.array_split(loss, PARTS)
    means = np.array([part.mean() for part in parts])
    errors = np.array([part.std() / np.sqrt(len(part)) for part in parts])
    lowest = int(means.argmin())
    later = means[lowest + 1 :]
    if len(later) < STRETCH:
        return None
    worst = float(np.lib.stride_tricks.sliding_window_view(later, STRETCH).mean(axis=1).max())
    best, start = float(means[lowest]), float(np.fmax(means[0], constant_level(run, seed)))
    row = sum(len(part) for part in parts[:lowest]) + len(parts[lowest]) // 2
    clear = worst - best > ERRORS * np.hypot(errors[lowest], np.median(errors[lowest + 1 :]))
    if not (start > best and clear) or worst - best < LOST * (start - best):
        return None
    if not rate[-1] > RISEN * rate[row]:
        return None
    lost = (worst - best) / (start - best)
    return Undone(best, worst, float(lost), row, float(rate[row]), float(rate[-1]))
