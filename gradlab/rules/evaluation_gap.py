"""GL405 evaluation-gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gradlab.rules.base import ERROR, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.held_out import apart_from_the_start
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, standardize_inputs
from gradlab.rules.windows import finite_prefix
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import AS_GOOD_AS_CONSTANT, column, loss_scale
from gradlab.run import Run

Array = np.ndarray

ALIKE = "prepare alike"


class EvaluationGap(Rule):
    """Evaluation gap (GL405).

    What it does
    ------------
    Compares the loss of the same batch in training mode and in evaluation mode (`evaluation_loss`),
    over the last measurements. Dropout makes the evaluation's loss smaller; a loss that is much
    larger there comes of averages that do not fit the batches: BatchNorm's running mean and
    variance. They are those from before the batch, which is as new to them as held-out data are.
    Where they are little more than the last batch (`norm_momentum`), the loss swings with it, and
    its mean over the later half counts. Held-out losses that the user logs, and that all stand
    above twice what the training began with, from before anything was learned, come of data that
    are prepared otherwise.

    Why it is bad
    -------------
    The net that is tested is another one than the net that was trained. It looks like overfitting,
    and no regularizer helps: it fails on the very batches that it was trained on.

    Example
    -------
    BatchNorm with momentum 0.01 and inputs of mean 50: after 45 steps the running averages are
    still near their start; the training loss is 0.01, the same batch in evaluation mode 1e5. Or
    momentum 0.99, as in Keras, where it is the share that stays, and batches of four: the averages
    are those of the last four examples. Or: training inputs are standardized, held-out inputs are
    not.

    What to try
    -----------
    A larger momentum of the norm (the default is 0.1; a smaller one where it is near 1), more steps
    before the evaluation, or averages recomputed over some batches; inputs of mean 0 and deviation
    1; LayerNorm or GroupNorm for small batches.

    References
    ----------
    Ioffe & Szegedy 2015, section 3.1; Wu & Johnson 2021 (rethinking "batch" in BatchNorm), section
    3.
    """

    code = "GL405"
    name = "evaluation-gap"
    summary = (
        "training and evaluation mode disagree on the same batch: BatchNorm's running averages"
    )
    explains = ("GL403",)
    limits: ClassVar[Mapping[str, Limit]] = {
        "times": Limit(
            2.0,
            "times the training mode's loss",
            "running averages that lag a little give a few per cent",
        ),
        "least": Limit(
            3, "measurements", "averages of the first iterations are those of the start"
        ),
        "follows": Limit(
            0.5, "of the running averages", "from there on the last batch outweighs all before it"
        ),
        "distance": Limit(
            0.25, "of the spread of the training losses", "near 0 a loss doubles by next to nothing"
        ),
    }

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """Held-out data of another kind explain a score of theirs that does not rise, too."""
        of_data = any(each.action == ALIKE for each in finding.remedies)
        return (*self.explains, "GL402") if of_data else self.explains

    def missing(self, run: Run) -> str | None:
        """A model without modules that behave differently in evaluation has no gap, and lacks
        nothing.
        """
        return None

    def judge(self, run: Run) -> Finding | None:
        """Judge the last quarter of the measurements, three at least; half if they swing."""
        evaluated = column(run, "evaluation_loss")
        found = None if evaluated is None else self._of_modes(run, evaluated)
        return found or self._of_data(run)

    def _of_modes(self, run: Run, evaluated: Array) -> Finding | None:
        trained = column(run, "evaluation_train_loss")
        if trained is None:
            trained = column(run, "loss")
        if trained is None:
            return None
        scale = loss_scale(run)
        late = self._swinging if self._follow(run) else self._late
        rows = np.full((run.replicates, 3), np.nan)
        for seed, stop in enumerate(finite_prefix(run)):
            rows[seed] = late(evaluated[: int(stop), seed], trained[: int(stop), seed])
        with np.errstate(all="ignore"):
            far = rows[:, 0] - rows[:, 1] > self.limit("distance") * np.nan_to_num(scale)
            mask = (rows[:, 0] > self.limit("times") * np.abs(rows[:, 1])) & far
        hits = Hits(mask[:, None])
        if not hits.which:
            return None
        return self._finding(run, hits, rows)

    def _of_data(self, run: Run) -> Finding | None:
        """Judge held-out losses that stand above the training's start, all of them."""
        prefix = finite_prefix(run)
        times = float(self.limit("times"))
        apart = [
            apart_from_the_start(run, seed, int(stop), times) for seed, stop in enumerate(prefix)
        ]
        hits = Hits.of_seeds(each is not None for each in apart)
        if not hits.which:
            return None
        found = [each for each in apart if each is not None]
        lowest = float(np.median([each.lowest for each in found]))
        start = float(np.median([each.start for each in found]))
        evidence = "the held-out loss was so large before anything was learned"
        return self.finding(
            hits,
            Window(min(each.first for each in found), int(prefix[hits.which].max())),
            layers=(),
            value=lowest / start,
            limit=times,
            severity=WARNING,
            message=f"Held-out data are not prepared as the training's{seeds(hits.replicates)}: "
            f"their loss is {number(lowest)} at best, from the first value on, where the training "
            f"began at {number(start)}; an untrained net tells no example from another.",
            remedies=(
                Remedy(
                    ALIKE,
                    "bring held-out inputs and targets to the model by the same steps as the "
                    "training's: the same mean and deviation, the same order of axes and classes; "
                    "split rows at random, so that both hold all classes",
                    {},
                    evidence,
                ),
            ),
            columns=("activation_rms",),
            confidence="medium",
            evidence=evidence,
        )

    def _late(self, evaluated: Array, trained: Array) -> tuple[float, float, float]:
        """Return both losses where they differ least of the last measurements, and the first's row.

        Running averages lag while a net learns fast; a gap that closes at the end is none.
        """
        known = np.flatnonzero(np.isfinite(evaluated) & np.isfinite(trained))
        least = int(self.limit("least"))
        if len(known) < least:
            return (np.nan, np.nan, np.nan)
        late = known[-max(least, len(known) // 4) :]
        least_apart = late[(evaluated[late] - trained[late]).argmin()]
        return float(evaluated[least_apart]), float(trained[least_apart]), float(late[0])

    def _swinging(self, evaluated: Array, trained: Array) -> tuple[float, float, float]:
        """Return the means of both losses over the later half, and its first row."""
        known = np.flatnonzero(np.isfinite(evaluated) & np.isfinite(trained))
        least = int(self.limit("least"))
        if len(known) < least:
            return (np.nan, np.nan, np.nan)
        late = known[-max(least, len(known) // 2) :]
        return float(evaluated[late].mean()), float(trained[late].mean()), float(late[0])

    def _follow(self, run: Run) -> bool:
        """Whether running averages are little more than the last batch."""
        momentum = run.config.get("norm_momentum")
        return isinstance(momentum, (int, float)) and momentum >= float(self.limit("follows"))

    def _finding(self, run: Run, hits: Hits, rows: Array) -> Finding:
        evaluation, training, start = np.median(rows[hits.which], axis=0)
        ratio = evaluation / training if training > 0 else np.inf
        fails, follow = _fails(run, float(evaluation)), self._follow(run)
        return self.finding(
            hits,
            Window(int(start), run.iterations),
            layers=(),
            value=float(ratio),
            limit=float(self.limit("times")),
            severity=ERROR if fails and 2 * len(hits.which) >= run.replicates else WARNING,
            message=f"Evaluation mode disagrees with training mode{seeds(hits.replicates)}: on "
            f"the same batches the loss is {number(float(evaluation))} in evaluation and "
            f"{number(float(training))} in training. {_why(run, follow)}.",
            remedies=_remedies(run, follow),
            columns=("activation_rms",),
            confidence="high",
            evidence="the same batch, the same weights, once in each mode",
        )


def _fails(run: Run, evaluation: float) -> bool:
    """Whether the net, in evaluation mode, is no better than the best constant, or than before it
    was trained.
    """
    baseline = column(run, "criterion_baseline")
    if baseline is not None:
        return evaluation >= AS_GOOD_AS_CONSTANT * float(baseline[np.isfinite(baseline)][-1])
    given = run.config.get("baseline_loss")
    if isinstance(given, (int, float)):
        return evaluation >= AS_GOOD_AS_CONSTANT * given
    loss = column(run, "loss")
    return loss is not None and evaluation >= float(np.nanmedian(loss[:10]))


def _has_averages(run: Run) -> bool:
    """Whether a norm keeps running averages, as far as the record tells."""
    return run.config.get("running_averages") is not False


def _why(run: Run, follow: bool) -> str:
    if follow:
        return (
            "BatchNorm's running averages are little more than the last batch: its momentum is "
            f"{number(float(run.config['norm_momentum']))}"
        )
    if _has_averages(run):
        return "BatchNorm's running averages do not fit the batches"
    return "No norm keeps running averages: the model's own code computes something else there"


def _remedies(run: Run, follow: bool) -> tuple[Remedy, ...]:
    if not _has_averages(run):
        return (
            Remedy(
                "align modes",
                "look at what your modules do under `if self.training`: in evaluation mode it must "
                "have the mean of what training mode draws, as x * (1 - p) for a dropout that does "
                "not divide by 1 - p, or a mean over all neighbours for one over a few",
                {},
                "no module has running averages, and the losses of the two modes differ",
            ),
        )
    evidence = "running averages are used in evaluation mode only"
    if follow:
        text = (
            "give BatchNorm a smaller momentum (0.1 is the default): here it is the share of the "
            "last batch, and in Keras the share that stays, 0.99 there is 0.01 here"
        )
        return (Remedy("lower norm momentum", text, {"momentum": 0.1}, evidence),)
    return (
        Remedy(
            "raise norm momentum",
            "give BatchNorm a larger momentum (0.1 is the default), or train for more steps before "
            "you evaluate",
            {"momentum": 0.1},
            evidence,
        ),
        Remedy(
            "recompute averages",
            "recompute the running averages: set momentum=None, call reset_running_stats() and run "
            "some batches in training mode without gradient (torch.optim.swa_utils.update_bn does "
            "it)",
            {},
            evidence,
        ),
        standardize_inputs(run, evidence=evidence),
    )
