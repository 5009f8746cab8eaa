"""Held-out examples that a net fails from the start, when it can have learned none by heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.windows import WINDOW, losses
from gradlab.rules.yardsticks import column, constant_level, is_yardstick, outcomes
from gradlab.run import Run

START = 10  # training losses
LEAST = 3  # held-out losses
UNLEARNED = 0.5  # of the training loss at the start: what it still is at the first held-out loss
# Times the start: what was learned by heart answers within the range of its targets, and so errs by
# no more than a few times their variance.
FAR = 10.0
GAINED = 0.5  # of the first held-out loss: one that comes down to less may be in other units


@dataclass(frozen=True)
class Apart:
    """The held-out losses of a seed that stand above all that its training ever had.

    Attributes
    ----------
    lowest : float
        Of the held-out losses.
    start : float
        The training loss at the start, or the best constant's where that is more.
    first : int
        The row of the first held-out loss.
    """

    lowest: float
    start: float
    first: int


def apart_from_the_start(run: Run, seed: int, stop: int, times: float) -> Apart | None:
    """Return how far a seed's held-out losses stand above its training's start; None if they do
    not.

    Before anything is learned, examples of the same kind have the same loss, held out or not. What
    is prepared otherwise, as inputs that only the training standardizes, has another from the
    first value on. Later on the distance must be larger than any that learning by heart makes.
    """
    held_out = column(run, "validation_loss")
    if held_out is None or not is_yardstick(run, seed, stop):
        return None
    if outcomes(run)[seed].failed and not fell(run, seed, stop):
        return None
    known = np.flatnonzero(np.isfinite(held_out[:stop, seed]))
    loss = losses(run)[:stop, seed]
    if len(known) < LEAST or not np.isfinite(loss[:START]).any():
        return None
    began, first = float(np.nanmedian(loss[:START])), int(known[0])
    start = float(np.fmax(began, constant_level(run, seed)))
    then = loss[max(0, first - START // 2) : first + START // 2 + 1]
    values = held_out[known, seed]
    last = float(np.median(values[-max(LEAST, len(values) // 4) :]))
    early = np.nanmedian(then) >= UNLEARNED * began
    if not start > 0 or not (early or values.min() > FAR * start):
        return None
    if not values.min() > times * start or last < GAINED * values[0]:
        return None
    return Apart(float(values.min()), start, first)


def fell(run: Run, seed: int, stop: int) -> bool:
    """Whether a seed's training loss is clearly below the best constant's: a score of its held-out
    data that does not rise tells of them then.
    """
    level = constant_level(run, seed)
    loss = losses(run)[:stop, seed]
    return bool(np.median(loss[-WINDOW:]) < UNLEARNED * level)
