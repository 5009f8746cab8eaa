"""What a record says of itself: the size of its batches, its columns, what it is meant to do."""

from __future__ import annotations

import numpy as np

from gradlab.rules.config_numbers import config_number
from gradlab.rules.windows import WINDOW
from gradlab.run import Run

Array = np.ndarray

MOST_ROWS = 1 << 40  # of a batch, whatever a record claims
EXAMPLES_POOLED = 200  # at least so many examples speak for the end of a run


def batch_size(run: Run) -> int:
    """How many examples a batch holds, as far as the record says; 0 where it says nothing."""
    rows = column(run, "examples")
    if rows is not None and np.isfinite(rows).any():
        return int(min(max(np.median(rows[np.isfinite(rows)]), 0), MOST_ROWS))
    return int(min(max(config_number(run, "batch_size", 0), 0), MOST_ROWS))


def window_size(run: Run) -> int:
    """How many batches speak for a part of a run: 50, or as many as hold 200 examples where batches
    are small.
    """
    examples = batch_size(run)
    return WINDOW if not examples else max(WINDOW, int(np.ceil(EXAMPLES_POOLED / examples)))


def column(run: Run, name: str) -> Array | None:
    """Return a column of `run.steps` (T, S), NaN where it was not recorded; None where it was
    never.
    """
    if not run.step_recorded(name).any():
        return None
    return np.where(run.step_recorded(name), run.step(name), np.nan)


def given_probabilities(run: Run) -> str:
    """Name the criterion that was given probabilities and asks for logits or logarithms; or ""."""
    given = run.config.get("criterion")
    if not isinstance(given, dict) or given.get("answers") != "probabilities":
        return ""
    return str(given.get("name"))


def objective(run: Run) -> str:
    """What the steps are meant to do with the loss: "minimize", "maximize", or "moving" where it is
    no yardstick.
    """
    return str(run.config.get("objective") or "minimize")
