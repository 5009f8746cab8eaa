"""GL403 overfitting."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from gradlab.rules.base import WARNING, Finding, Hits, Rule, Window
from gradlab.rules.by_heart import by_heart
from gradlab.rules.held_out import fell
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import remedy
from gradlab.rules.windows import WINDOW, finite_prefix, losses
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import column, loss_scale, outcomes
from gradlab.run import Run

Array = np.ndarray


class Overfitting(Rule):
    """Overfitting (GL403).

    What it does
    ------------
    Compares the loss on held-out data (a median over the last quarter of its values, three at
    least) with its minimum before that (a median over three, too) and with the training loss: it
    fires where it stands above both by a fifth of what it had gained at its minimum (or of the
    training losses' spread, where it gained nothing), in a seed that is not known to have learned
    nothing. Not where the training batches themselves show the gap in evaluation mode. Of fewer
    than eight values, single ones count. So does a held-out loss that stays at the best constant's
    from its first value on, while next to nothing is left of the training loss. Always a warning.

    Why it is bad
    -------------
    From the minimum on, what the net learns is its training examples, not what they have in common:
    every further step makes it worse on new ones.

    Example
    -------
    A thousand parameters on fifty noisy points; labels that were shuffled.

    What to try
    -----------
    Stop at the minimum; more data; L2, dropout, a smaller net. Where the held-out accuracy is that
    of guessing, look at the labels.

    References
    ----------
    Prechelt 1998 (early stopping); Zhang et al. 2017 (nets that learn random labels).
    """

    code = "GL403"
    name = "overfitting"
    explains = ("GL402",)  # a held-out score that does not rise
    limits: ClassVar = {
        "rise": Limit(
            0.2,
            "of what the held-out loss had gained, in its rise and in its distance to training",
            "A definition: less may be the scatter of a small held-out set.",
        ),
        "averages": Limit(
            0.5,
            "of the gap, found on the training batches themselves in evaluation mode",
            "Then running averages make the gap, and the net does not overfit: GL405's matter. So "
            "does a gap of theirs that would be a rise by itself.",
        ),
        "gain": Limit(
            0.1,
            "of the training losses' spread",
            "A held-out loss that hardly gained is measured by what training gained.",
        ),
        "enough": Limit(
            8, "held-out losses", "From so many on, a single one of them decides nothing."
        ),
    }
    summary = "a held-out loss that rises while the training loss falls"

    def missing(self, run: Run) -> str | None:
        """Held-out losses are needed, twice at least."""
        if (~np.isnan(run.step("validation_loss"))).sum() > run.replicates:
            return None
        return (
            "needs steps['validation_loss'] at two iterations; pass validation=(loss, accuracy) to "
            "Recorder.record, or call log(validation_loss=...)"
        )

    def judge(self, run: Run) -> Finding | None:
        """Judge each replicate's last held-out loss."""
        held_out, loss, prefix = run.step("validation_loss"), losses(run), finite_prefix(run)
        scale, states = loss_scale(run), outcomes(run)
        mask = np.zeros((len(prefix), 1), bool)
        rows: dict[int, tuple[float, int, float, float]] = {}
        for k, stop in enumerate(prefix):
            known = np.flatnonzero(np.isfinite(held_out[:stop, k]))
            if len(known) < 2:
                continue
            values = held_out[known, k]
            late = max(3, len(values) // 4) if len(values) >= self.limit("enough") else 1
            best, lowest = self._lowest(values, len(values) - late)
            end = float(np.median(values[-late:]))
            train = float(np.median(loss[max(0, stop - WINDOW) : stop, k]))
            unit = self._unit(values, lowest, float(np.nan_to_num(scale[k])))
            far = min(end - lowest, end - train) > self.limit("rise") * unit > 0
            own = min(self.limit("averages") * (end - train), self.limit("rise") * unit)
            averages = _evaluation_gap(run, k, int(stop)) > own
            failed = states[k].failed and not fell(run, k, int(stop))
            mask[k] = far and not failed and not averages
            rows[k] = lowest, int(known[best]), end, train
        hits = Hits(mask)
        if not hits.which:
            return self._by_heart(run)
        k = max(hits.which, key=lambda k: _times(rows[k][2], rows[k][0]))
        lowest, when, last, train = rows[k]
        return self.finding(
            hits,
            Window(when, int(prefix[k])),
            severity=WARNING,
            layers=(),
            value=_times(last, lowest),
            limit=self.limit("rise"),
            message=f"The net overfits{seeds(hits.replicates)}: its loss on held-out data was "
            f"lowest at iteration {when} ({number(lowest)}) and is {number(last)} now, while the "
            f"training loss is {number(train)}.",
            remedies=(
                remedy("stop early", f"stop near iteration {when}", iteration=when),
                remedy("regularize", "more data, an L2 penalty, dropout, or a smaller net"),
                remedy(
                    "check labels",
                    "if held-out accuracy is no better than guessing, look at the labels",
                ),
            ),
            columns=("weight_norm",),
        )

    def _by_heart(self, run: Run) -> Finding | None:
        """Judge seeds that know their training examples, and of others no more than a constant."""
        told = [by_heart(run, seed, int(stop)) for seed, stop in enumerate(finite_prefix(run))]
        hits = Hits.of_seeds(each is not None for each in told)
        if not hits.which:
            return None
        found = told[hits.which[0]]
        assert found is not None
        return self.finding(
            hits,
            Window(found.first, run.iterations),
            severity=WARNING,
            layers=(),
            value=found.share,
            limit=1.0,
            message=f"The net learned its training examples by heart{seeds(hits.replicates)}: its "
            f"loss on them is {number(found.training)}, and {number(found.held_out)} on held-out "
            f"data, {number(found.share)} times the best constant's, where it was from the first "
            "value on.",
            remedies=(
                remedy("regularize", "more data, an L2 penalty, dropout, or a smaller net"),
                remedy(
                    "check labels",
                    "if held-out accuracy is no better than guessing, look at the labels",
                ),
            ),
            columns=("weight_norm",),
        )

    def _unit(self, values: Array, lowest: float, spread: float) -> float:
        """Return what a rise is measured by: what the held-out loss gained, or the training's
        spread.
        """
        gained = float(values[0]) - lowest
        return gained if gained > self.limit("gain") * spread else spread

    def _lowest(self, values: Array, before: int) -> tuple[int, float]:
        """Return where the held-out loss is lowest before a position, as a median over three where
        there are enough.
        """
        smooth = values
        if len(values) >= self.limit("enough"):
            padded = np.pad(values, 1, mode="edge")
            smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
        best = int(smooth[:before].argmin())
        return best, float(smooth[best])


def _times(last: float, lowest: float) -> float:
    """Return how many times the lowest loss the last one is; infinity where that was 0."""
    return last / lowest if lowest else math.inf


def _evaluation_gap(run: Run, seed: int, stop: int) -> float:
    """Return how much larger a training batch's loss is in evaluation mode, at the end of a run."""
    evaluated, trained = column(run, "evaluation_loss"), column(run, "evaluation_train_loss")
    if evaluated is None or trained is None:
        return 0.0
    gap = (evaluated - trained)[:stop, seed]
    known = gap[np.isfinite(gap)]
    return float(np.median(known[-3:])) if len(known) else 0.0
