"""Inputs that are the same for every example, or nearly."""

from __future__ import annotations

import numpy as np

from gradlab.rules.config_numbers import config_number
from gradlab.rules.wording import number
from gradlab.rules.yardsticks import column
from gradlab.run import Run


def alike_inputs(run: Run, limit: float) -> tuple[float, str] | None:
    """Return how alike any two examples' inputs are, and word why; None where they differ.

    Two inputs that differ by a share s of their length have a cosine of 1 - s^2 / 2 or more: where
    a mean that was not taken off makes it `limit`, the first layer sees next to nothing else. One
    number tells nothing: those above 0 all have a cosine of 1.
    """
    sizes = column(run, "input_rms")
    known = np.array([]) if sizes is None else sizes[np.isfinite(sizes)]
    if len(known) and not known.any():
        return 1.0, "all inputs are 0"
    cosine = config_number(run, "input_correlation", 0.0)
    if cosine < limit or not len(run.layer("fan_in")) or run.layer("fan_in")[0] < 2:
        return None
    return cosine, f"any two inputs have a cosine of {number(cosine)} on the mean"
