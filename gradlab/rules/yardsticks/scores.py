"""Whether the score that a user logs rose."""

from __future__ import annotations

import numpy as np

from gradlab.rules.yardsticks.facts import column
from gradlab.rules.yardsticks.loss import STARTING, at_every_step
from gradlab.rules.yardsticks.trends import AT_ONCE, ROUNDING, SIGNIFICANT, fell_at_once, trend
from gradlab.run import Run

Array = np.ndarray

SCORES = 4  # at least so many scores, before they can tell a trend
TOP = 1.0  # of an accuracy, and of what else is a share of all
FINISHED = 0.01  # of the best constant predictor's loss: nothing is left that a score could show
HALF = 0.5


def score_rose(run: Run, seed: int, stop: int) -> tuple[bool, str] | None:
    """Say whether a seed's score rose, and in words from where to where.

    None where fewer than `SCORES` are known, or where one that stays could not have risen.
    """
    scores = column(run, "score")
    if scores is None:
        return None
    values = scores[:stop, seed]
    values = values[np.isfinite(values)]
    if len(values) < SCORES:
        return None
    found = trend(-values, max(2, len(values) // 4))
    assert found is not None
    chance = max(SIGNIFICANT * found.error, ROUNDING * abs(found.last))
    rose, start = found.fall > chance, found.first
    if not rose and fell_at_once(-values, found):
        rose, start = True, float(np.median(-values[:AT_ONCE]))
    fell = found.fall < -chance
    if not rose and not fell and (bool((values == TOP).all()) or _came_late(run, seed, stop)):
        return None
    return rose, f"the score went from {-start:.3g} to {-found.last:.3g}"


def _came_late(run: Run, seed: int, stop: int) -> bool:
    """Whether a seed had learned all there is before its scores could show that it had not.

    They come with every step, so that they are no held-out ones, and the criterion was below half
    of the best constant's within the first ten; in the end next to nothing of it is left.
    """
    value, baseline = column(run, "criterion_loss"), column(run, "criterion_baseline")
    scores = column(run, "score")
    if value is None or baseline is None or scores is None:
        return False
    known = baseline[:stop, seed][np.isfinite(baseline[:stop, seed])]
    if not len(known) or np.isfinite(scores[:stop, seed]).mean() < HALF:
        return False
    values = at_every_step(run, value, seed)[:stop]
    values, constant = values[np.isfinite(values)], float(known.min())
    if len(values) < 2 * STARTING:
        return False
    soon, last = float(np.median(values[AT_ONCE:STARTING])), float(np.median(values[-STARTING:]))
    return soon < HALF * constant and last < FINISHED * constant
