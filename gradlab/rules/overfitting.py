"""GL403 overfitting."""

from __future__ import annotations

import numpy as np

from gradlab.rules.base import (
    FINISHED,
    NOT_LEARNED,
    WARNING,
    WINDOW,
    Finding,
    Hits,
    Rule,
    Window,
    finite_prefix,
    losses,
    number,
    seeds,
    starting_loss,
)
from gradlab.run import Run

Array = np.ndarray

RISE = 1.5  # the last held-out loss over its lowest
GAP = 2.0  # the last held-out loss over the last training loss


class Overfitting(Rule):
    """Overfitting (GL403).

    What it does
    ------------
    Compares the loss on held-out data (a median over the last quarter of its values) with its own minimum and with the
    training loss: it fires where it stands at 1.5 times that minimum, at twice the training loss, which is below the
    constant predictor's, and above 1 % of the latter: two losses near 0 differ by rounding. Always a warning.

    Why it is bad
    -------------
    From the minimum on, what the net learns is its training examples, not what they have in common: every further step
    makes it worse on new ones.

    Example
    -------
    A thousand parameters on fifty noisy points; labels that were shuffled.

    What to try
    -----------
    Stop at the minimum; more data; L2, dropout, a smaller net. Where the held-out accuracy is that of guessing, look
    at the labels.

    References
    ----------
    Prechelt 1998 (early stopping); Zhang et al. 2017 (nets that learn random labels).
    """

    code = "GL403"
    name = "overfitting"
    summary = "a held-out loss that rises while the training loss falls"

    def missing(self, run: Run) -> str | None:
        """Held-out losses are needed, twice at least."""
        if "validation_loss" in run.steps and run.steps["validation_loss"].notna().sum() > run.replicates:
            return None
        return "needs steps['validation_loss'] at two iterations; pass validation=(loss, accuracy) to Recorder.record"

    def judge(self, run: Run) -> Finding | None:
        """Judge each replicate's last held-out loss."""
        held_out, loss, prefix = run.step("validation_loss"), losses(run), finite_prefix(run)
        reference = starting_loss(run)
        mask = np.zeros((len(prefix), 1), bool)
        rows: dict[int, tuple[float, int, float, float]] = {}
        for k, stop in enumerate(prefix):
            known = np.flatnonzero(np.isfinite(held_out[:stop, k]))
            if len(known) < 2:
                continue
            values = held_out[known, k]
            best = int(values.argmin())
            end = float(np.median(values[-max(1, len(values) // 4) :]))
            train = float(np.median(loss[max(0, stop - WINDOW) : stop, k]))
            rises = values[best] > 0 and end > RISE * values[best] and end > GAP * train
            mask[k] = rises and train < NOT_LEARNED * reference[k] and end > FINISHED * reference[k]
            rows[k] = float(values[best]), int(known[best]), end, train
        hits = Hits(mask)
        if not hits.which:
            return None
        k = max(hits.which, key=lambda k: rows[k][2] / rows[k][0])
        lowest, when, last, train = rows[k]
        return self.finding(
            hits, Window(when, int(prefix[k])), severity=WARNING, layers=(), value=last / lowest, limit=RISE,
            message=f"The net overfits{seeds(hits.replicates)}: its loss on held-out data was lowest at iteration "
            f"{when} ({number(lowest)}) and is {number(last)} now, {number(last / lowest)} times as much (limit "
            f"{RISE:g}), while the training loss is {number(train)}.",
            remedies=(
                f"stop near iteration {when}",
                "more data, an L2 penalty, dropout, or a smaller net",
                "if held-out accuracy is no better than guessing, look at the labels",
            ),
            columns=("weight_norm",),
        )  # fmt: skip
