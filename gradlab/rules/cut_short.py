"""Whether steps were too small, or a schedule ended them while a net was still learning."""

from __future__ import annotations

import numpy as np

from gradlab.rules.windows import losses, nanmedian
from gradlab.run import Run

Array = np.ndarray

STILL = 0.1  # of the whole fall, in the last third of the steps that had a rate
AT_WORK = 0.1  # of the largest rate: what still moves a net
QUARTER = 0.25  # of the run: enough to be done with it
LEAST = 9  # losses before the rate was gone
SIGNIFICANT = 3.0  # standard errors of the difference between two thirds


def cut_short(run: Run, seed: int, rates: Array) -> bool | None:
    """Return whether a seed's loss still fell when its rate (T,) went below a tenth for good.

    What a net learns in the last third of its working steps is nothing worth the name where it has
    learned what there is, and what falls on without a rate needs none. None where nothing tells: no
    fall is clear, and it worked for less than a quarter of the run.

    Parameters
    ----------
    rates : array (T,)
        The learning rate at each finite iteration.
    """
    working = np.flatnonzero(rates > AT_WORK * np.nanmax(rates))
    loss = losses(run)[: len(rates), seed]
    if not len(working) or len(rates) - working[-1] <= LEAST:
        return None
    if working[-1] + 1 < LEAST:
        return True  # so few steps teach nobody all there is
    before = loss[: int(working[-1]) + 1]
    first, middle, last = (each[np.isfinite(each)] for each in np.array_split(before, 3))
    after = loss[int(working[-1]) + 1 :]
    after = after[np.isfinite(after)]
    if min(len(each) for each in (first, middle, last, after)) < LEAST // 3:
        return None
    error = float(np.hypot(_error(middle), _error(last)))
    fell = float(np.mean(middle) - np.mean(last))
    end = float(nanmedian(after[-max(LEAST, len(after) // 4) :]))
    whole = float(np.max(first)) - end
    by_itself = float(np.mean(last)) - end > whole / 2  # whatever makes it fall is not the rate
    if fell > max(STILL * whole, SIGNIFICANT * error) and whole > 0 and not by_itself:
        return True
    return False if len(working) >= QUARTER * len(rates) else None


def small_steps(run: Run, seed: int, stop: int) -> bool:
    """Whether a typical step moves the typical matrix by less than a thousandth of its length, or
    none was measured.
    """
    if "update_ratio" not in run:
        return True
    ratio = np.where(run.recorded("update_ratio"), run["update_ratio"], np.nan)[:stop, seed]
    return not np.isfinite(ratio).any() or float(np.nanmedian(ratio)) < 1e-3


def _error(values: Array) -> float:
    """Return the standard error of a mean by the differences of neighbours."""
    steps = np.diff(values)
    return float(np.sqrt(np.mean(steps**2) / 2 / len(values)))
