"""GL302 frozen-layer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import WARNING, Finding, Hits, Rule, Window
from gradlab.rules.by_role import apart_at_the_start
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, raise_learning_rate, remedy
from gradlab.rules.step_size import factor_to_usual
from gradlab.rules.windows import elapsed, finite_prefix, nanmedian
from gradlab.rules.wording import number, seeds, share, span
from gradlab.rules.yardsticks import (
    constant_loss,
    failed,
    learns,
    loss_scale,
    severity,
    travelled,
    weighted_gradient,
)
from gradlab.run import Run

Array = np.ndarray


class FrozenLayer(Rule):
    """Frozen layer (GL302).

    What it does
    ------------
    Asks of every layer that matters how much it can contribute in a run of T iterations at the pace
    it moves: c = e min(1, T u), where e is p ||W|| over the best constant predictor's loss (or the
    batch losses' spread, where that is not known) and u the median actual update ratio. Below 0.01
    it might as well be frozen, if it also went less than 5 % of its own length. Where all layers
    are, the learning rate is too small, and it is a warning; so it is where nothing was learned and
    no layer went 5 % of its length, whatever the scale of the loss. In a net that learns, only a
    layer that stands still while others move is told.

    Why it is bad
    -------------
    The gradient is there and nobody takes the step: a layer left out of the optimizer, a learning
    rate of its own that is 0, a schedule that ended at 0, or a rate a hundred times too small.

    Example
    -------
    The first layer is not among the parameters given to the optimizer: gradients as large as
    everywhere, update 0.

    What to try
    -----------
    One layer: see that the optimizer holds its weights and that their learning rate is above 0. All
    layers: raise the learning rate tenfold.

    References
    ----------
    First-order Taylor expansion of the loss along the step; compare the update ratios of You,
    Gitman, Ginsburg 2017."""

    code = "GL302"
    whole = False
    name = "frozen-layer"
    summary = "layers that matter and do not move; all of them: a learning rate far too small"
    needs = ("per_example_grad_norm", "weight_norm", "update_ratio")
    limits: ClassVar = {
        "cap": Limit(
            0.01,
            "of the loss",
            "What the layer can still take off the loss, to first order, in a run as long as this "
            "one: c = e min(1, T u).",
        ),
        "matters": Limit(
            0.1,
            "% of the loss by % of the weights",
            "Elasticity below which the layer does not matter at all: GL101's.",
        ),
        "hardly": Limit(
            0.05,
            "of the weights' own length",
            "A layer that stands still goes at most so far in the whole run.",
        ),
        "minimum": Limit(20, "iterations", "A shorter run is too short to tell."),
        "alone": Limit(
            0.01,
            "of the middle layer's pace",
            "In a net that learns, layers of a slower pace are usual, one that stands still is "
            "not.",
        ),
    }
    needs_loss = True
    timeless = True
    explains = ("GL301", "GL402")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """Where steps are too small to matter, what rounding takes of them is their work too.

        Not where one layer stands still; nor where the way alone tells: rounding shortens it.
        """
        by_way = finding.limit == self.limit("hardly")
        return ("GL402",) if finding.layers or by_way else self.explains

    def judge(self, run: Run) -> Finding | None:
        """Judge the whole of each replicate's finite iterations."""
        prefix = finite_prefix(run)
        scale = np.array([_scale(run, seed) for seed in range(run.replicates)])
        felt = weighted_gradient(run) / scale[:, None]
        cap = np.full(run.shape[1:], np.nan)
        pace = np.full(run.shape[1:], np.nan)
        for k, stop in enumerate(prefix):
            if stop < self.limit("minimum"):
                continue  # too short to tell
            e, u = nanmedian(felt[:stop, k]), _pace(run, k, int(stop))
            pace[k] = u
            steps = elapsed(run, int(stop))
            e = np.ones_like(e) if np.isnan(e).all() else e  # a loss that measures nothing
            cap[k] = np.where(
                (e >= self.limit("matters")) & (steps * u < self.limit("hardly")),
                e * steps * u,
                np.nan,
            )
        hits = Hits(np.nan_to_num(cap, nan=np.inf) < self.limit("cap"))
        found = self._finding(run, hits, cap, pace) if hits.which else None
        return found or self._too_slow(run)

    def _too_slow(self, run: Run) -> Finding | None:
        """Judge by the way alone: weights that went nowhere could not have learned.

        The scale of the loss may mislead: a constant that is far below it, or batches that scatter
        less than what there is to learn. Steps that rounding takes are GL301's: of a step, of whose
        elements a share q is lost, sqrt(1 - q) is left.
        """
        whole = finite_prefix(run) == run.iterations
        moved = travelled(run)
        meant = moved / np.sqrt(np.maximum(1 - _lost(run), np.finfo(float).tiny))
        slow = whole & failed(run) & (meant < self.limit("hardly"))  # NaN, unknown, is not slow
        hits = Hits(np.repeat(slow[:, None], run.shape[2], axis=1))
        steps = elapsed(run, run.iterations)
        if not hits.which or steps < self.limit("minimum"):
            return None
        value = float(np.median(moved[hits.which]))
        return self.finding(
            hits,
            Window(0, run.iterations),
            layers=(),
            value=value,
            limit=self.limit("hardly"),
            severity=WARNING,
            message=f"No layer moves far{seeds(hits.replicates)}: {steps} iterations take none "
            f"farther than {number(100 * value)} % of its length (limit "
            f"{100 * self.limit('hardly'):g} %), and nothing is learned.",
            remedies=_remedies(run, ()),
            columns=("update_ratio", "grad_norm"),
        )

    def _matters(self, run: Run, hits: Hits, pace: Array, whole: bool) -> bool:
        """Whether it is worth a word: in seeds that learned, only layers that stand still alone."""
        if not learns(run)[hits.which].all():
            return True
        others = np.median(pace[hits.which], axis=0)
        still = np.median(pace[hits.which][:, [layer - 1 for layer in hits.layers]])
        return not whole and bool(still < self.limit("alone") * np.nanmedian(others))

    def _finding(self, run: Run, hits: Hits, cap: Array, pace: Array) -> Finding | None:
        which = hits.which
        value = float(np.nanmin(nanmedian(np.where(hits.mask, cap, np.nan)[which])))
        layers = hits.layers or tuple(int(n) + 1 for n in np.flatnonzero(hits.mask[which[0]]))
        # A layer whose p nobody knows (a recurrent one, say) stands still with the others, if it
        # does.
        still = ~run.recorded("per_example_grad_norm").any(axis=(0, 1))
        still &= (
            elapsed(run, run.iterations) * nanmedian(pace[which]) < self.limit("hardly")
        ) | np.isnan(pace[which]).all(axis=0)
        still[[layer - 1 for layer in layers]] = True
        # Where no layer goes far the rate is at fault, not the layers that would matter least.
        far = elapsed(run, run.iterations) * nanmedian(pace[which]) >= self.limit("hardly")
        still |= not far.any()
        whole = bool(still.all())
        if not self._matters(run, hits, pace, whole):
            return None
        numbers = [layer - 1 for layer in layers]
        moved = number(float(np.nanmedian(pace[np.ix_(which, numbers)])))
        others = [layer for layer in range(run.shape[2]) if layer not in numbers]
        beside = (
            f" (elsewhere {number(float(np.nanmedian(pace[np.ix_(which, others)])))})"
            if others
            else ""
        )
        verb = "does" if len(layers) == 1 else "do"
        subject = "No layer moves" if whole else f"{span(layers).capitalize()} {verb} not move"
        return self.finding(
            hits,
            Window(0, run.iterations),
            layers=() if whole else layers,
            value=value,
            limit=self.limit("cap"),
            severity=WARNING if whole else severity(run, which, harmless=WARNING),
            message=f"{subject}{seeds(hits.replicates)}, though gradients are there: updates are "
            f"{moved} of the weights' norm{beside}, good for at most {share(value)} of "
            f"the loss in {elapsed(run, run.iterations)} iterations (limit "
            f"{100 * self.limit('cap'):g} %).",
            remedies=_remedies(run, () if whole else layers),
            columns=("update_ratio", "grad_norm"),
        )


def _pace(run: Run, seed: int, stop: int) -> Array:
    """Return what a step moves each layer by, as a part of its weights' norm (L,): the median.

    Of a layer that is left out of some steps, as by stochastic depth, the median of the others,
    times their share.
    """
    ratio = run["update_ratio"][:stop, seed]
    plain = nanmedian(ratio)
    if "grad_norm" not in run:
        return plain
    measured = np.isfinite(ratio)
    gradient = np.where(run.recorded("grad_norm"), run["grad_norm"], 0.0)[:stop, seed]
    reached = measured & (gradient > 0)
    share = reached.sum(axis=0) / np.maximum(measured.sum(axis=0), 1)
    return np.where(share > 0, share * nanmedian(np.where(reached, ratio, np.nan)), plain)


def _scale(run: Run, seed: int) -> float:
    """Return what a change of the loss is measured against: the constant predictor's, or spread."""
    constant = constant_loss(run, seed)
    return constant if np.isfinite(constant) else float(loss_scale(run)[seed])


def _lost(run: Run) -> Array:
    """Return the share of the updates that rounding takes, in the middle layer (S,)."""
    if "lost_fraction" not in run:
        return np.zeros(run.replicates)
    by_layer = np.stack([nanmedian(run["lost_fraction"][:, k]) for k in range(run.replicates)])
    return np.nan_to_num(nanmedian(by_layer.T))


def _remedies(run: Run, layers: tuple[int, ...]) -> tuple[Remedy, ...]:
    """Say what to try where these layers stand still; none: where all do."""
    if layers:
        apart = apart_at_the_start(run, layers)
        return (
            *([] if apart is None else [apart]),
            remedy(
                "add to optimizer",
                f"see that the optimizer holds the weights of {span(layers)} and that their "
                "learning rate is above 0",
                layers=list(layers),
            ),
            remedy("accept", "if the layer is frozen on purpose, ignore GL302"),
        )
    return (
        raise_learning_rate(
            run, factor_to_usual(run), because="it is too small for a run of this length"
        ),
        remedy("train longer", "train for more iterations"),
        remedy(
            "check schedule", "if the rate is a schedule's, see that it does not end at 0 too early"
        ),
    )
