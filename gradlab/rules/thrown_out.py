"""Steps that threw away what a net had learned: it was below a constant's loss, and came back.

A step that is small beside the weights of a usual layer may be more than a layer of small weights
has: those of a pretrained transformer that joins a training at its new head's rate. Whether such
steps were too large is told by what became of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.base import Window
from gradlab.rules.windows import losses, nanmedian
from gradlab.rules.yardsticks import AS_GOOD_AS_CONSTANT, constant_level, constant_loss
from gradlab.run import Run

Array = np.ndarray


@dataclass(frozen=True)
class Throw:
    """The step that did it.

    Attributes
    ----------
    layers : ndarray of bool (L,)
        Those that it changed by more than the limit.
    ratio : float
        The step over the weights' own norm, the median of the layers.
    before, after : float
        The loss, a median of ten, over the best constant predictor's.
    window : Window
    """

    layers: Array
    ratio: float
    before: float
    after: float
    window: Window


def thrown_out(run: Run, seed: int, limit: float, few: int) -> Throw | None:
    """Return the step that took a seed back to where a constant answers as well, or None.

    Parameters
    ----------
    limit : float
        Of their own norm, by which half of the layers must change in it.
    few : int
        Iterations before and after it whose median loss counts.
    """
    level, size = constant_level(run, seed), constant_loss(run, seed)
    if "update_ratio" not in run or not np.isfinite(size):
        return None
    ratio = np.where(run.recorded("update_ratio")[:, seed], run["update_ratio"][:, seed], np.nan)
    rows = np.flatnonzero(np.isfinite(ratio).any(axis=1))
    middle = nanmedian(ratio[rows].T)
    loss = 1 + (losses(run)[:, seed] - level) / size
    for row in rows[middle > limit]:
        ahead = loss[row + 1 : row + 1 + few]
        if row < few or len(ahead) < few:
            continue
        before, after = float(np.median(loss[row - few : row + 1])), float(np.median(ahead))
        if before < AS_GOOD_AS_CONSTANT <= after:
            hit = np.nan_to_num(ratio[row]) > limit
            value = float(np.nanmedian(ratio[row]))
            return Throw(hit, value, before, after, Window(int(row), int(row) + 1))
    return None
