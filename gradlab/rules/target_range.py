"""Whether the targets of a binary cross-entropy are the probabilities that it asks for."""

from __future__ import annotations

import numpy as np

from gradlab.rules.remedies import Remedy
from gradlab.rules.yardsticks import column
from gradlab.run import Run

BEYOND = 0.01  # of the mean: interpolated masks overshoot 0 and 1 by less


def no_probabilities(run: Run) -> bool:
    """Whether the targets of a binary cross-entropy cannot all lie between 0 and 1.

    There t^2 <= t, so that their mean square is never above their mean. Outside the loss has no
    lower bound: it falls for ever, whatever is learned.
    """
    criterion = run.config.get("criterion")
    if not isinstance(criterion, dict):
        return False
    if not str(criterion.get("name")).startswith("binary_cross"):
        return False
    size, mean = column(run, "target_rms"), column(run, "target_mean")
    if size is None or mean is None:
        return False
    both = np.isfinite(size) & np.isfinite(mean)
    if not both.any():
        return False
    size, mean = size[both], mean[both]
    return bool(np.median(size**2 - mean - BEYOND * np.abs(mean)) > 0)


def bring_to_probabilities(evidence: str) -> Remedy:
    """Return the remedy for labels of another code."""
    words = (
        "bring the targets to 0 and 1: divide a mask of 255 by 255, write (y + 1) / 2 for labels "
        "of -1 and 1; for targets that are no probabilities take mse_loss"
    )
    return Remedy("bring targets to 0 and 1", words, {}, evidence)
