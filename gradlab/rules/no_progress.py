"""GL402 no-progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from gradlab.rules.base import WARNING, Finding, Hits, Rule, Window
from gradlab.rules.config_numbers import config_number
from gradlab.rules.heavy_dropout import LOWER, heavy_dropout, lower_dropout
from gradlab.rules.limits import Limit
from gradlab.rules.mixed_examples import EXCHANGE, MIXED, mixed_examples, put_in_order
from gradlab.rules.one_class import check_labels, one_class
from gradlab.rules.remedies import Remedy, raise_learning_rate, remedy, standardize_inputs
from gradlab.rules.step_size import factor_to_usual
from gradlab.rules.windows import WINDOW, finite_prefix
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import SLOW, column, outcomes, severity, travelled
from gradlab.rules.yardsticks.beside_constant import Outcome
from gradlab.run import Run

MATCH_SHAPES = "match shapes"
ONE_CLASS = "All targets are one class"


class NoProgress(Rule):
    """No progress (GL402).

    What it does
    ------------
    Asks of each seed whether it learned: by the score that the user logs; else by the loss at the
    end against that of the best constant prediction (the class frequencies, or the mean target),
    which must be below 95 %; else by the fall of the loss in units of its scatter. A symptom: it is
    folded under its cause wherever another rule finds one. Where the weights have hardly moved, it
    is a warning that names the learning rate. A warning, too, is a classifier whose every target is
    one class: its loss falls to 0, as a constant's does, and it learned nothing about the inputs;
    and a net that learned little, of whose layers one takes the examples of a batch for times,
    whose answers a view brings to the criterion with classes and positions mixed, or of which a
    dropout leaves less than a quarter, and that learned less than it leaves.

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
    timeless = True
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

    explains = (
        "GL101",
        "GL103",
        "GL104",
        "GL106",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL301",
        "GL302",
        "GL304",
        "GL401",
        "GL403",
    )

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """It explains others only where it names a cause: answers and targets of other shapes."""
        return self.explains if self.is_cause(finding) else ()

    def is_cause(self, finding: Finding) -> bool:
        """Whether the shapes that the criterion was given say why nothing was learned."""
        return finding.message.startswith(ONE_CLASS) or any(
            each.action in (MATCH_SHAPES, MIXED, EXCHANGE, LOWER) for each in finding.remedies
        )

    def missing(self, run: Run) -> str | None:
        """A loss, or a score, must have been recorded."""
        return None if column(run, "score") is not None else self.missing_loss(run)

    def judge(self, run: Run) -> Finding | None:
        """Judge each seed by the end of its finite iterations."""
        states, prefix = outcomes(run), finite_prefix(run)
        broken = prefix < run.iterations
        if run.iterations < self.limit("minimum") and not broken.any():
            return None
        mask = np.array([state.failed for state in states])[:, None] & np.ones(run.shape[1:], bool)
        hits = Hits(mask)
        if not hits.which:
            return self._of_one_class(run, prefix) or self._of_mixed_examples(run, states)
        stop = int(prefix[hits.which].max())
        shares = np.array([states[seed].share for seed in hits.which])
        finite = shares[np.isfinite(shares)]
        value = float(np.median(finite)) if len(finite) else float("inf")
        moved = float(np.median(travelled(run)[hits.which]))
        still = moved < self.limit("hardly_moved") and not broken[hits.which].any()
        tail = (
            f", and no layer's weights moved by more than {number(100 * moved)} % of their length"
            if still
            else ""
        )
        evidence, mixed = states[hits.which[0]].evidence, _told(run)[0]
        return self.finding(
            hits,
            Window(max(0, stop - WINDOW), max(stop, 1)),
            severity=WARNING if still else severity(run, hits.which, of_steps=True),
            layers=(),
            value=value,
            limit=self.limit("share"),
            message=f"Nothing was learned{seeds(hits.replicates)}: {evidence}{tail}{_shapes(run)}"
            f"{'; ' * bool(mixed)}{mixed}.",
            remedies=_remedies(run, still),
            columns=("update_ratio", "per_example_grad_norm"),
            confidence="high" if len(finite) else "medium",
            evidence=evidence,
        )

    def _of_mixed_examples(self, run: Run, states: Sequence[Outcome]) -> Finding | None:
        """Judge nets that learn little, where the record shows what is wrong."""
        mixed, cure = _told(run)
        # Of what a number tells by itself, a dropout of p leaves 1 - p: who learned that much has
        # learned all that there is under it, and is better without it.
        least = -np.inf if mixed_examples(run) else config_number(run, "dropout", 0.0)
        hits = Hits.of_seeds(
            mixed and each.state == SLOW and not each.share <= least for each in states
        )
        if not hits.which:
            return None
        state = states[hits.which[0]]
        return self.finding(
            hits,
            Window(0, run.iterations),
            severity=WARNING,
            layers=(),
            value=state.share,
            limit=self.limit("share"),
            message=f"Little was learned{seeds(hits.replicates)}: {state.evidence}; {mixed}.",
            remedies=cure,
            columns=("per_example_grad_norm",),
            confidence="high",
            evidence=mixed,
        )

    def _of_one_class(self, run: Run, prefix: np.ndarray) -> Finding | None:
        """Judge labels that leave nothing to learn: the loss falls to 0, and says nothing."""
        mask = np.array([[one_class(run, seed, int(stop))] for seed, stop in enumerate(prefix)])
        hits = Hits(mask)
        if not hits.which:
            return None
        evidence = "the best constant answer's loss is 0 in every batch"
        return self.finding(
            hits,
            Window(0, max(1, int(prefix[hits.which].max()))),
            severity=WARNING,
            layers=(),
            value=0.0,
            limit=self.limit("share"),
            message=f"{ONE_CLASS}{seeds(hits.replicates)}, or all that count: {evidence}. The net "
            "learned to name it, and nothing about the inputs.",
            remedies=(check_labels(),),
            columns=("per_example_grad_norm",),
            confidence="high",
            evidence=evidence,
        )


def _told(run: Run) -> tuple[str, tuple[Remedy, ...]]:
    """Word what the record itself shows to be wrong, and what mends it; ("", ()) if nothing."""
    if mixed := mixed_examples(run):
        return mixed, (put_in_order(run),)
    heavy = heavy_dropout(run)
    return heavy, (lower_dropout(heavy),) if heavy else ()


def _shapes(run: Run) -> str:
    """Word the shapes of answers and targets where one is stretched to fit the other."""
    given = run.config.get("criterion")
    if not isinstance(given, dict):
        return ""
    answers, targets = given.get("answer_shape"), given.get("target_shape")
    name = str(given.get("name"))
    by_class = "entropy" in name or name in ("nll_loss", "ctc_loss", "multi_margin_loss")
    if not answers or not targets or by_class or answers == targets:
        return ""
    return (
        f". The answers have the shape {tuple(answers)} and the targets {tuple(targets)}: "
        f"{given.get('name')} stretches one to the other, and compares every answer with every "
        "target"
    )


def _stretched(run: Run) -> bool:
    return bool(_shapes(run))


def _remedies(run: Run, still: bool) -> tuple[Remedy, ...]:
    longer = remedy("train longer", "train for more iterations")
    if told := _told(run)[1]:
        return told
    if _stretched(run):
        words = "give both the same shape: criterion(model(x).squeeze(1), y), or y.unsqueeze(1)"
        return (remedy(MATCH_SHAPES, words, evidence="the shapes that the criterion was given"),)
    if still:
        because = "the weights hardly moved"
        return raise_learning_rate(run, factor_to_usual(run), because=because), longer
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
