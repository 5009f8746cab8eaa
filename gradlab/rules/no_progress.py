"""GL402 no-progress."""

from __future__ import annotations

import numpy as np

from gradlab.rules.base import ERROR, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.windows import WINDOW, finite_prefix, learning
from gradlab.rules.wording import number, seeds
from gradlab.run import Run

LIMIT = 0.95  # of the best constant predictor's loss
MINIMUM = 20  # iterations: nobody expects progress before
HARDLY_MOVED = 0.05  # sum of the update ratios: the weights went at most 5 % of their own length


class NoProgress(Rule):
    """No progress (GL402).

    What it does
    ------------
    Compares the median loss of the last 50 iterations with the loss of the best constant prediction (the class
    frequencies, or the mean target): at 95 % of it or more, the net has learned nothing about its input. A
    symptom: it is folded under its cause wherever another rule finds one. Where the weights have hardly moved, it
    is a warning that names the learning rate.

    Why it is bad
    -------------
    The loss curve may look fine, because it falls from a bad start to the constant predictor's value and stays
    there.

    Example
    -------
    A sigmoid net of five hidden layers on ten classes: loss 2.30 = ln 10, accuracy 10 %, flat from iteration 20
    on.

    What to try
    -----------
    The remedies of the cause; without one: a larger learning rate, more iterations, and a look at inputs and
    labels.

    References
    ----------
    Glorot & Bengio 2010, section 4.2 (the plateau of deep sigmoid nets).
    """

    code = "GL402"
    name = "no-progress"
    needs_loss = True
    summary = "a loss no better than the best constant prediction's: a symptom, folded under its cause"

    def missing(self, run: Run) -> str | None:
        """Without the constant predictor's loss there is nothing to compare with."""
        if run.config.get("baseline_loss"):
            return self.missing_loss(run)
        return (
            "needs config['baseline_loss'], the loss of the best constant prediction; pass it to the Recorder, or "
            "baseline_loss=... to watch"
        )

    def judge(self, run: Run) -> Finding | None:
        """Judge each replicate by the end of its finite iterations."""
        share = learning(run)
        if share is None or (run.iterations < MINIMUM and np.isfinite(share).all()):
            return None
        mask = np.zeros(run.shape[1:], bool)
        mask[share >= LIMIT] = True
        hits = Hits(mask)
        if not hits.which:
            return None
        stop = int(finite_prefix(run)[hits.which].max())
        window = Window(max(0, stop - WINDOW), max(stop, 1))
        finite = share[hits.which][np.isfinite(share[hits.which])]
        value = float(np.median(finite)) if len(finite) else float("inf")
        moved = _path_length(run, hits.which)
        still = moved is not None and moved < HARDLY_MOVED
        ended = (
            "it ended in NaN" if not len(finite) else f"the loss ends at {number(value)} times the constant predictor's"
        )
        tail = (
            f", and no layer's weights moved by more than {number(100 * moved)} %"
            if still and moved is not None
            else ""
        )
        severity = WARNING if still else hits.severity
        assert severity in (ERROR, WARNING)
        return self.finding(
            hits, window, severity=severity, layers=(), value=value, limit=LIMIT,
            message=f"Nothing was learned{seeds(hits.replicates)}: {ended} (limit {LIMIT:g}){tail}.",
            remedies=_remedies(still), columns=("update_ratio", "per_example_grad_norm"),
        )  # fmt: skip


def _path_length(run: Run, which: list[int]) -> float | None:
    """How far the weights of the busiest layer went at most: the sum of its update ratios, median over replicates."""
    if "update_ratio" not in run:
        return None
    part = run.condensed()
    ratio = np.nan_to_num(part["update_ratio"][:, which], nan=0.0, posinf=0.0)
    # Of a part of a long run, each row stands for the iterations that are nearer to it than to another.
    weight = np.gradient(part.times) if part.iterations > 1 else np.ones(part.iterations)
    return float(np.median((ratio * weight[:, None, None]).sum(axis=0).max(axis=1)))


def _remedies(still: bool) -> tuple[str, ...]:
    if still:
        return "raise the learning rate tenfold: the weights hardly moved", "train for more iterations"
    return (
        "train for more iterations, or raise the learning rate",
        "shuffle the labels: if the loss does not get worse, inputs and labels do not belong together",
        "check the scale of the inputs: standardize them",
    )
