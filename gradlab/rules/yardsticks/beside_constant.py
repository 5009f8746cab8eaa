"""A loss beside the best constant predictor's: what the two say of whether a seed learned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradlab.rules.yardsticks.facts import window_size
from gradlab.rules.yardsticks.trends import (
    AT_ONCE,
    CLEAR_FALL,
    ROUNDING,
    SIGNIFICANT,
    Trend,
    trend,
)
from gradlab.run import Run

Array = np.ndarray

LEARNED = "learned"
SLOW = "slow"
NOT_LEARNED = "not learned"
UNKNOWN = "unknown"
# Of the best constant predictor's loss. What is left above it is within the scatter of batches, or
# not worth the name.
AS_GOOD_AS_CONSTANT = 0.95
CLEARLY_BELOW = 0.975  # where chance is excluded. Measured: nets that learn nothing .982 and more
MOSTLY_LEARNED = 0.5
STEEP = 0.3  # of the second half's fall in the last quarter
MUCH_BELOW = 0.9  # at the same pace, where chance is not excluded
FAR = 2 - AS_GOOD_AS_CONSTANT  # of the constant's loss: clearly above it
# Times the constant's loss at most, where a run began: a usual start, as that of classes that are
# all as likely; and how often its own length it would need to come down to the constant's at the
# pace of its second half.
USUAL_START, PATIENCE = 2.0, 4
OF_FIVE = 1.8  # medians of |x - y|: three standard errors of the median of five draws


@dataclass(frozen=True)
class Outcome:
    """Whether one seed learned, and what says so.

    Attributes
    ----------
    state : {"learned", "slow", "not learned", "unknown"}
    evidence : str
        The numbers, in a few words.
    share : float
        The loss at the end over the best constant predictor's; NaN where that is not known.
    progress : float
        How far the loss fell, in units of the batch losses' scatter; NaN where no loss was
        recorded.
    """

    state: str
    evidence: str
    share: float = np.nan
    progress: float = np.nan

    @property
    def gains(self) -> bool:
        """Whether it is clearly better than a constant by now, and got there by falling: what is
        left may be what dropout or noise in the targets leaves.
        """
        better = self.state == LEARNED or self.share < AS_GOOD_AS_CONSTANT
        return better and self.progress >= CLEAR_FALL

    @property
    def failed(self) -> bool:
        """Whether the seed is known not to have learned."""
        return self.state == NOT_LEARNED


def against_constant(run: Run, values: Array, constant: float) -> Outcome | None:
    """Compare losses (T,), NaN where none is known, with the best constant predictor's.

    Returns
    -------
    Outcome or None
        None where fewer than two losses are known, or the constant is 0 or, of a likelihood that
        may be negative, not clearly above them.
    """
    known = values[np.isfinite(values)]
    found = trend(values, _size_for(run, len(known), len(values)))
    if found is None or constant == 0:
        return None
    if constant < 0:
        return _below(found, constant)
    share = found.last / constant
    words = f"the loss ends {_beside(share)} the best constant prediction's"
    return Outcome(_state(found, known[:AT_ONCE], constant), words, share, found.progress)


def _state(found: Trend, start: Array, constant: float) -> str:
    share = found.last / constant
    chance = max(SIGNIFICANT * found.error, ROUNDING * abs(found.last))
    at_once = float(np.median(start)) - found.last  # it may be over within a window
    fell = found.fall > chance or at_once > max(chance, OF_FIVE * found.scatter)
    if share < MOSTLY_LEARNED:
        return LEARNED if fell else SLOW
    if share < AS_GOOD_AS_CONSTANT:
        return SLOW if fell else UNKNOWN
    if share > FAR:
        # A short run of a large model is still on its way: it is slow, not unable.
        comes = found.falls_still and found.ahead < constant
        below_start = float(start.min()) - found.last > chance
        usual = float(np.median(start)) < USUAL_START * constant and below_start
        soon = found.last - constant < 2 * PATIENCE * found.late
        on_its_way = usual and soon and found.progress >= CLEAR_FALL
        return SLOW if comes or (on_its_way and found.may_fall_still) else NOT_LEARNED
    # Near the constant's loss it has only learned to answer the same to everything; unless it is
    # below, beyond chance, by something worth the name (targets may be mostly noise), or will soon
    # be.
    below = constant - found.last > chance
    # What comes down to the constant's loss as exp(-t) does leaves less to its last quarter.
    passes = found.last < constant or found.latest > STEEP * found.late
    perhaps = passes and found.progress >= CLEAR_FALL
    ahead = CLEARLY_BELOW if below else MUCH_BELOW if perhaps else 0
    comes = found.falls_still and found.ahead < ahead * constant
    return SLOW if comes or (below and fell and share < CLEARLY_BELOW) else NOT_LEARNED


def _beside(share: float) -> str:
    """Word a share of the constant predictor's loss: "at 0.5 times", "level with"."""
    return "level with" if f"{share:.2f}" == "1.00" else f"at {share:.3g} times"


def _below(found: Trend, constant: float) -> Outcome | None:
    """Judge by the difference where a likelihood's zero means nothing, and a share neither."""
    gained = constant - found.last
    if gained <= SIGNIFICANT * found.error:
        return None
    words = f"the loss ends {gained:.3g} below the best constant prediction's"
    return Outcome(LEARNED, words, progress=found.progress)


def _size_for(run: Run, known: int, rows: int) -> int:
    """Return the window in recorded values, where only some rows of the run hold one."""
    thinned = max(1, round(rows / known)) if known else 1
    return max(5, window_size(run) // thinned)


def probability_against_constant(run: Run, values: Array, constant: float) -> Outcome | None:
    """Judge an nll_loss of probabilities: minus the mean probability of what is right.

    What is wrong has the rest of it, and a 0 that means something.
    """
    found = against_constant(run, 1 + values, 1 + constant)
    if found is None or not np.isfinite(found.share):
        return found
    right = 1 - found.share * (1 + constant)
    words = f"what is right gets {right:.2g} of the probability, {-constant:.2g} of a constant"
    return replace(found, evidence=words)
