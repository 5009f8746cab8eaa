"""GL402 no-progress."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, raise_learning_rate, remedy, standardize_inputs
from gradlab.rules.windows import WINDOW, finite_prefix, learning
from gradlab.rules.wording import number, seeds
from gradlab.run import Run


class NoProgress(Rule):
    """No progress (GL402).

    What it does
    ------------
    Compares the median loss of the last 50 iterations with the loss of the best constant prediction
    (the class frequencies, or the mean target): at 95 % of it or more, the net has learned nothing
    about its input. A symptom: it is folded under its cause wherever another rule finds one. Where
    the weights have hardly moved, it is a warning that names the learning rate.

    Why it is bad
    -------------
    The loss curve may look fine, because it falls from a bad start to the constant predictor's
    value and stays there.

    Example
    -------
    A sigmoid net of five hidden layers on ten classes: loss 2.30 = ln 10, accuracy 10 %, flat from
    iteration 20 on.

    What to try
    -----------
    The remedies of the cause; without one: a larger learning rate, more iterations, and a look at
    inputs and labels.

    References
    ----------
    Glorot & Bengio 2010, section 4.2 (the plateau of deep sigmoid nets).
    """

    code = "GL402"
    name = "no-progress"
    needs_loss = True
    limits: ClassVar = {
        "share": Limit(
            0.95,
            "of the best constant predictor's loss",
            "Batch losses scatter by a few per cent: closer than this, nothing has been learned "
            "about the inputs.",
        ),
        "minimum": Limit(20, "iterations", "Nobody expects progress before."),
        "hardly_moved": Limit(
            0.05,
            "of the weights' own length, the sum of the update ratios",
            "Weights that went no farther could not have learned: the rate is the fault.",
        ),
    }
    summary = (
        "a loss no better than the best constant prediction's: a symptom, folded under its cause"
    )

    def missing(self, run: Run) -> str | None:
        """Without the constant predictor's loss there is nothing to compare with."""
        if run.config.get("baseline_loss"):
            return self.missing_loss(run)
        return (
            "needs config['baseline_loss'], the loss of the best constant prediction; pass it to "
            "the Recorder, or "
            "baseline_loss=... to watch"
        )

    def judge(self, run: Run) -> Finding | None:
        """Judge each replicate by the end of its finite iterations."""
        share = learning(run)
        if share is None or (run.iterations < self.limit("minimum") and np.isfinite(share).all()):
            return None
        mask = np.zeros(run.shape[1:], bool)
        mask[share >= self.limit("share")] = True
        hits = Hits(mask)
        if not hits.which:
            return None
        stop = int(finite_prefix(run)[hits.which].max())
        window = Window(max(0, stop - WINDOW), max(stop, 1))
        finite = share[hits.which][np.isfinite(share[hits.which])]
        value = float(np.median(finite)) if len(finite) else float("inf")
        moved = _path_length(run, hits.which)
        still = moved is not None and moved < self.limit("hardly_moved")
        ended = (
            "it ended in NaN"
            if not len(finite)
            else f"the loss ends at {number(value)} times the constant predictor's"
        )
        tail = (
            f", and no layer's weights moved by more than {number(100 * moved)} %"
            if still and moved is not None
            else ""
        )
        severity = WARNING if still else hits.severity
        return self.finding(
            hits,
            window,
            severity=severity,
            layers=(),
            value=value,
            limit=self.limit("share"),
            message=f"Nothing was learned{seeds(hits.replicates)}: {ended} (limit "
            f"{self.limit('share'):g}){tail}.",
            remedies=_remedies(run, still),
            columns=("update_ratio", "per_example_grad_norm"),
        )


def _path_length(run: Run, which: list[int]) -> float | None:
    """How far the weights of the busiest layer went at most: the sum of its update ratios, median
    over replicates.
    """
    if "update_ratio" not in run:
        return None
    part = run.condensed()
    ratio = np.nan_to_num(part["update_ratio"][:, which], nan=0.0, posinf=0.0)
    # Of a part of a long run, each row stands for the iterations that are nearer to it than to
    # another.
    weight = np.gradient(part.times) if part.iterations > 1 else np.ones(part.iterations)
    return float(np.median((ratio * weight[:, None, None]).sum(axis=0).max(axis=1)))


def _remedies(run: Run, still: bool) -> tuple[Remedy, ...]:
    longer = remedy("train longer", "train for more iterations")
    if still:
        return raise_learning_rate(run, 10, because="the weights hardly moved"), longer
    return (
        remedy(
            "train longer",
            "train for more iterations, or raise the learning rate",
        ),
        remedy(
            "check labels",
            "shuffle the labels: if the loss does not get worse, inputs and labels do not belong "
            "together",
        ),
        standardize_inputs(run),
    )
