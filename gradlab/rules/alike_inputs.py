"""Inputs that are the same for every example, or nearly."""

from __future__ import annotations

import numpy as np

from gradlab.rules.config_numbers import config_number
from gradlab.rules.wording import number
from gradlab.rules.yardsticks import column
from gradlab.run import Run

COLLINEAR = 1e-9  # from 1: rounding of a cosine


def alike_inputs(run: Run, limit: float) -> tuple[float, str] | None:
    """Return how alike any two examples' inputs are, and word why; None where they differ.

    Two inputs that differ by a share s of their length have a cosine of 1 - s^2 / 2 or more: where
    a mean that was not taken off makes it `limit`, the first layer sees next to nothing else. What
    has a cosine of 1 are multiples of one vector, as single numbers above 0 are: their length may
    tell one from another.
    """
    sizes = column(run, "input_rms")
    known = np.array([]) if sizes is None else sizes[np.isfinite(sizes)]
    if len(known) and not known.any():
        return 1.0, "all inputs are 0"
    cosine = config_number(run, "input_correlation", 0.0)
    if (
        not limit <= cosine < 1 - COLLINEAR
        or not len(run.layer("fan_in"))
        or run.layer("fan_in")[0] < 2
    ):
        return None
    return cosine, f"any two inputs have a cosine of {number(cosine)} on the mean"
