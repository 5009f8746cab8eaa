"""Nets that know their training examples, and nothing that these have in common with others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.windows import WINDOW, losses
from gradlab.rules.yardsticks import (
    AS_GOOD_AS_CONSTANT,
    column,
    constant_level,
    constant_loss,
    outcomes,
)
from gradlab.run import Run

LEAST = 4  # held-out losses
LEVEL = (0.9, 1.5)  # times the best constant's loss: in other units it would not be there
STILL = 1.3  # times the lowest held-out loss: it went nowhere
KNOWN = 0.1  # of the best constant's loss: what is left on examples that are known by heart


@dataclass(frozen=True)
class ByHeart:
    """A seed's losses at the end, and the row of its first held-out one.

    Attributes
    ----------
    training, held_out : float
    share : float
        Of the held-out loss over the best constant's.
    first : int
    """

    training: float
    held_out: float
    share: float
    first: int


def by_heart(run: Run, seed: int, stop: int) -> ByHeart | None:
    """Return how far apart the losses of a seed are that learned its examples alone; or None.

    Its held-out loss stands at a constant's, all the time: it neither rises from a minimum nor
    comes down, however far the training loss falls.
    """
    held_out, constant = column(run, "validation_loss"), constant_loss(run, seed)
    if held_out is None or outcomes(run)[seed].failed or not constant > 0:
        return None
    rows = np.flatnonzero(np.isfinite(held_out[:stop, seed]))
    offset = constant_level(run, seed) - constant  # what was added to the logged loss
    values = held_out[rows, seed] - offset
    if len(rows) < LEAST:
        return None
    training = float(np.median(losses(run)[:stop, seed][-WINDOW:])) - offset
    end = float(np.median(values[-max(3, len(values) // 4) :]))
    at_level = ((values > LEVEL[0] * constant) & (values < LEVEL[1] * constant)).all()
    still = values.max() < STILL * values.min() and end >= AS_GOOD_AS_CONSTANT * constant
    if not (at_level and still) or not 0 <= training < KNOWN * constant:
        return None
    return ByHeart(training, end, end / constant, int(rows[0]))
