"""Steps that carried a whole net away: its weights came out longer, and nothing comes back to them.

The ratio of a step to the weights does not show it. A rate that climbs for fifty iterations makes
the weights grow along with the steps, and each step looks harmless beside what it has built.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.base import Window
from gradlab.rules.windows import WINDOW, nanmedian
from gradlab.run import Run

Array = np.ndarray

AROUND = 3  # measurements whose median is the gradient before the steps
LEAST = 4  # measurements that tell what became of the gradient


@dataclass(frozen=True)
class Journey:
    """What the steps of a window did to a seed.

    Attributes
    ----------
    layers : ndarray of bool (L,)
        Whose weights came out so much longer.
    growth : float
        The norm after it over the norm before it, the median of the layers.
    left : float
        What is left of the gradient in the last quarter of the run, the median of the layers.
    window : Window
    """

    layers: Array
    growth: float
    left: float
    window: Window


def carried_away(run: Run, seed: int, stop: int, growth: float, left: float) -> Journey | None:
    """Return the first window in which a seed was carried away; None where it never was.

    Norms below PyTorch's own start count as that, sqrt(fan_out / 3): a matrix that starts at 0 has
    to grow.

    Parameters
    ----------
    stop : int
        Rows that are finite.
    growth : float
        Times, by which the norms of half of the layers have to grow within 50 iterations.
    left : float
        Of the gradients of half of the layers, at the end of the run: no more may be left.
    """
    weights = np.maximum(_known(run, "weight_norm", seed, stop), _least(run))
    gradients = _known(run, "grad_norm", seed, stop)
    seen = gradients[np.isfinite(gradients).any(axis=1)]
    end = nanmedian(seen[-max(LEAST, len(seen) // 4) :])  # of all steps: weights are measured less
    rows = np.flatnonzero(np.isfinite(gradients).any(axis=1) & np.isfinite(weights).any(axis=1))
    if len(rows) < 2 * LEAST:
        return None
    weights, gradients, times = weights[rows], gradients[rows], run.times[rows]
    for first, start in enumerate(times[:-LEAST]):
        # Where a window holds one measurement, it goes on to the next.
        last = max(first + 2, int(np.searchsorted(times, start + WINDOW, side="left")))
        with np.errstate(all="ignore"):
            grown = weights[first + 1 : last].max(axis=0) / weights[first]
            rest = end / nanmedian(gradients[first : min(first + AROUND, last - 1)])
        middle, remains = float(nanmedian(grown)), float(nanmedian(rest))
        if middle > growth and remains < left:
            window = Window(int(rows[first]), int(rows[last - 1]) + 1)
            return Journey(np.nan_to_num(grown) > growth, middle, remains, window)
    return None


def _known(run: Run, name: str, seed: int, stop: int) -> Array:
    return np.where(run.recorded(name)[:stop, seed], run[name][:stop, seed], np.nan)


def _least(run: Run) -> Array:
    return np.nan_to_num(np.sqrt(run.layer("fan_out") / 3))  # of U(-1, 1) / sqrt(fan_in)
