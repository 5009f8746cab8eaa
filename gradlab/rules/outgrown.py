"""Growth of the backward signal at the start that a net comes out of unharmed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.rules.score_falls import gentle
from gradlab.rules.windows import WINDOW, finite_prefix, losses, nanmedian
from gradlab.rules.yardsticks import stream_growth
from gradlab.run import Run

Array = np.ndarray


def outgrown(run: Run, which: Sequence[int], limit: float) -> bool:
    """Whether the growth past norms and sums is over in the second half of a run, in which it did
    no harm: all steps were of usual size, and the loss ends no higher than it began.

    A norm of answers that are all 0 makes such growth, and a term of the loss that reads an inner
    layer. What keeps a net from learning when it is gone is something else.

    Parameters
    ----------
    which : sequence of int
        The seeds that are asked for.
    limit : float
        The natural logarithm of the growth that would be too large.
    """
    seeds, prefix = list(which), finite_prefix(run)
    if (prefix[seeds] < run.iterations).any():
        return False
    later = slice(run.iterations // 2, run.iterations)
    grown = stream_growth(run, "stream_grad_norm", later)
    grown = _grown(run, later) if grown is None else grown
    loss = losses(run)[:, seeds]
    risen = np.median(loss[-WINDOW:], axis=0) > loss[0]
    over = np.isfinite(grown[seeds]) & (grown[seeds] <= limit)
    return bool(over.all() and not risen.any() and all(gentle(run, seed) for seed in seeds))


def _grown(run: Run, rows: slice) -> Array:
    """Return ln of the largest ||delta|| over the last layer's, medians over the rows (S,)."""
    delta = np.where(run.recorded("delta_norm"), run["delta_norm"], np.nan)[rows]
    with np.errstate(all="ignore"):
        logs = nanmedian(np.log(delta))
    known = np.isfinite(logs).all(axis=0)
    if known.sum() < 2:
        return np.full(run.replicates, np.nan)
    logs = logs[:, known]
    return logs.max(axis=1) - logs[:, -1]
