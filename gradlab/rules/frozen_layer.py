"""GL302 frozen-layer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import ERROR, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, add_to_optimizer, raise_learning_rate, remedy
from gradlab.rules.windows import (
    NOT_LEARNED,
    elapsed,
    elasticity,
    finite_prefix,
    learning,
    nanmedian,
    unfinished,
)
from gradlab.rules.wording import number, seeds, span
from gradlab.run import Run

Array = np.ndarray


class FrozenLayer(Rule):
    """Frozen layer (GL302).

    What it does
    ------------
    Asks of every layer that matters (its elasticity e = p ||W|| / loss is at least 0.1) how much it
    can contribute in a run of T iterations at the pace it moves: c = e min(1, T u), u the median
    actual update ratio. Below 0.01 it might as well be frozen, if it also went less than 5 % of its
    own length. Where all layers are, the learning rate is too small, and it is a warning.

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
    }
    needs_loss = True
    explains = ("GL402",)

    def missing(self, run: Run) -> str | None:
        """Where no layer ever got a gradient, nothing more is needed to say so."""
        return None if self._unreached(run) is not None else super().missing(run)

    def judge(self, run: Run) -> Finding | None:
        """Judge the whole of each replicate's finite iterations."""
        if super().missing(run) is not None:
            return self._unreached(run)
        prefix, left = finite_prefix(run), unfinished(run)
        felt = elasticity(run)
        felt = np.where(np.isfinite(felt) & left[:, :, None], felt, np.nan)
        cap = np.full(run.shape[1:], np.nan)
        pace = np.full(run.shape[1:], np.nan)
        for k, stop in enumerate(prefix):
            if stop < self.limit("minimum") or not left[:stop, k].all():
                continue  # too short to tell, or it has learned: what stands still then is done
            e, u = nanmedian(felt[:stop, k]), nanmedian(run["update_ratio"][:stop, k])
            pace[k] = u
            steps = elapsed(run, int(stop))
            cap[k] = np.where(
                (e >= self.limit("matters")) & (steps * u < self.limit("hardly")),
                e * steps * u,
                np.nan,
            )
        hits = Hits(np.nan_to_num(cap, nan=np.inf) < self.limit("cap"))
        return self._finding(run, hits, cap, pace) if hits.which else self._unreached(run)

    def _finding(self, run: Run, hits: Hits, cap: Array, pace: Array) -> Finding:
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
        whole = bool(still.all())
        numbers = [layer - 1 for layer in layers]
        moved = number(float(np.nanmedian(pace[np.ix_(which, numbers)])))
        share = learning(run)
        stuck = share is not None and bool((share[which] >= NOT_LEARNED).all())
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
            severity=ERROR if stuck and not whole and hits.severity == ERROR else WARNING,
            message=f"{subject}{seeds(hits.replicates)}, though gradients are there: updates are "
            f"{moved} of the "
            f"weights' norm{beside}, good for at most {number(100 * value)} % of the loss in "
            f"{elapsed(run, run.iterations)} iterations (limit {100 * self.limit('cap'):g} %).",
            remedies=_remedies(run, () if whole else layers),
            columns=("update_ratio", "grad_norm"),
        )

    def _unreached(self, run: Run) -> Finding | None:
        """Find layers that an optimizer holds and no gradient ever reached: a branch that the loss
        does not see.
        """
        if run.iterations < self.limit("minimum") or "update_norm" not in run:
            return None
        stood = (
            np.nanmax(
                np.where(run.recorded("update_norm"), run["update_norm"], np.nan),
                axis=(0, 1),
                initial=-1,
            )
            == 0
        )
        mask = np.broadcast_to(stood & ~run.recorded("grad_norm").any(axis=(0, 1)), run.shape[1:])
        hits = Hits(mask)
        if not hits.which:
            return self._left_out(run)
        everything = len(hits.layers) == run.recorded("update_norm").any(axis=(0, 1)).sum()
        verb = "has" if len(hits.layers) == 1 else "have"
        return self.finding(
            hits,
            Window(0, run.iterations),
            severity=ERROR if everything else WARNING,
            value=0.0,
            limit=self.limit("cap"),
            message=f"{span(hits.layers).capitalize()} ({_named(run, hits.layers)}) {verb} never "
            f"got a gradient in "
            f"{elapsed(run, run.iterations)} iterations, though the optimizer holds the weights: "
            f"the loss does not "
            "depend on them.",
            remedies=(
                remedy(
                    "connect module",
                    "see that the module is called, that nothing detaches its answer, and that "
                    "backward comes before step",
                    layers=list(hits.layers),
                ),
                remedy(
                    "accept",
                    "if it is not in use on purpose, take it out of the optimizer, or ignore GL302",
                ),
            ),
            columns=("update_ratio", "grad_norm"),
        )

    def _left_out(self, run: Run) -> Finding | None:
        """Find layers that could be trained and that no optimizer holds, if the record says so."""
        left = run.provenance.get("not_in_optimizer") or ()
        mask = np.broadcast_to(
            np.array([name in left for name in run.layer("name")], bool), run.shape[1:]
        )
        hits = Hits(mask)
        if not hits.which:
            return None
        verb = "is" if len(hits.layers) == 1 else "are"
        return self.finding(
            hits,
            Window(0, run.iterations),
            severity=WARNING,
            value=0.0,
            limit=self.limit("cap"),
            message=f"{span(hits.layers).capitalize()} ({_named(run, hits.layers)}) {verb} in no "
            f"optimizer, though "
            "their weights ask for gradients: they do not move.",
            remedies=(
                add_to_optimizer(run, hits.layers),
                remedy("accept", "if they are frozen on purpose, say so by requires_grad_(False)"),
            ),
            columns=("update_ratio", "grad_norm"),
        )


def _named(run: Run, layers: tuple[int, ...]) -> str:
    names = [str(run.layer("name")[layer - 1]) for layer in layers[:3]]
    return ", ".join(names) + (", ..." if len(layers) > 3 else "")


def _remedies(run: Run, layers: tuple[int, ...]) -> tuple[Remedy, ...]:
    """Say what to try where these layers stand still; none: where all do."""
    if layers:
        return (
            remedy(
                "add to optimizer",
                f"see that the optimizer holds the weights of {span(layers)} and that their "
                "learning rate is above 0",
                layers=list(layers),
            ),
            remedy("accept", "if the layer is frozen on purpose, ignore GL302"),
        )
    return (
        raise_learning_rate(run, 10, because="it is too small for a run of this length"),
        remedy("train longer", "train for more iterations"),
        remedy(
            "check schedule", "if the rate is a schedule's, see that it does not end at 0 too early"
        ),
    )
