"""GL308 overwritten-weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy
from gradlab.rules.windows import finite_prefix, nanmedian
from gradlab.rules.wording import are_hit, number, seeds
from gradlab.rules.yardsticks import severity
from gradlab.run import Run


class OverwrittenWeights(Rule):
    """Overwritten weights (GL308).

    What it does
    ------------
    Compares what moved the weights between two steps with what the optimizer's step did:
    `outside_update_norm` over `update_norm`. Above the limit in most measurements, or at three of
    them and in all as far as the optimizer's steps, code outside the optimizer writes the weights.
    An error in a net that does not learn; else a note: WGAN's
    clipping and moving averages do so on purpose.

    Why it is bad
    -------------
    A step that is undone, or a clamp that holds the weights, lets no gradient act. It looks like a
    vanished gradient or a frozen layer, though both are whole.

    Example
    -------
    `with torch.no_grad(): layer.weight.clamp_(0, 0.01)` after each step; `load_state_dict` of the
    start in the loop.

    What to try
    -----------
    Look for code that writes `weight.data`, `copy_`, `clamp_` or `load_state_dict` between the
    steps.

    References
    ----------
    Arjovsky et al. 2017 (weight clipping), section 3.
    """

    code = "GL308"
    whole = False
    name = "overwritten-weights"
    summary = "the weights change by more than the optimizer's steps: other code writes them"
    explains = (
        "GL101",
        "GL104",
        "GL201",
        "GL202",
        "GL203",
        "GL301",
        "GL302",
        "GL303",
        "GL304",
        "GL305",
        "GL309",
        "GL402",
    )
    limits: ClassVar[Mapping[str, Limit]] = {
        "share": Limit(
            0.3,
            "of the optimizer's own step",
            "a step undone gives 1; nothing else moves weights usually",
        ),
        "whole": Limit(
            1.0,
            "of the optimizer's own way, all measurements together",
            "writes that are rare undo what many steps did: a model made anew in every epoch",
        ),
        "often": Limit(0.5, "of the measurements", "a checkpoint that is loaded once is none"),
        "least": Limit(3, "measurements", "one or two may be a schedule's reset"),
    }

    def missing(self, run: Run) -> str | None:
        """A record that holds no such measurement lacks nothing: the built-in engine writes its
        weights alone.
        """
        return None

    def judge(self, run: Run) -> Finding | None:
        """Judge every measurement of each seed's finite iterations."""
        if "outside_update_norm" not in run or "update_norm" not in run:
            return None
        outside = np.where(run.recorded("outside_update_norm"), run["outside_update_norm"], np.nan)
        own = np.where(run.recorded("update_norm"), run["update_norm"], np.nan)
        mask = np.zeros(run.shape[1:], bool)
        shares = np.full(run.shape[1:], np.nan)
        for seed, stop in enumerate(finite_prefix(run)):
            step = nanmedian(own[: int(stop), seed])
            with np.errstate(all="ignore"):
                ratio = outside[: int(stop), seed] / np.maximum(step, np.finfo(float).tiny)
            known = np.isfinite(ratio).sum(axis=0)
            writes = (ratio > self.limit("share")).sum(axis=0)
            mean = np.nansum(ratio, axis=0) / np.maximum(known, 1)
            often = writes >= self.limit("often") * known
            far = (writes >= self.limit("least")) & (mean >= self.limit("whole"))
            mask[seed] = (often | far) & (known >= self.limit("least")) & (step > 0)
            shares[seed] = np.where(often, nanmedian(ratio), mean)
        hits = Hits(mask)
        if not hits.which:
            return None
        return self._finding(run, hits, shares)

    def _finding(self, run: Run, hits: Hits, shares: np.ndarray) -> Finding:
        layers = hits.layers or (int(hits.mask[hits.which[0]].argmax()) + 1,)
        median = nanmedian(np.where(hits.mask, shares, np.nan)[hits.which])
        layer = int(np.nanargmax(median)) + 1
        value = float(np.nanmax(median))
        harmless = NOTE
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            layers=layers,
            value=value,
            limit=float(self.limit("share")),
            severity=severity(run, hits.which, harmless=harmless),
            message="Something besides the optimizer writes the weights of layer "
            f"{layer}{seeds(hits.replicates)}: between two steps they change by {number(value)} "
            f"times what a step changes (limit {self.limit('share'):g}); {are_hit(layers)}.",
            remedies=(
                Remedy(
                    "find the other writer",
                    "look for code that writes the weights between the steps: clamp_, copy_, "
                    "weight.data, load_state_dict",
                    {},
                    "the weights before a step are not those after the step before it",
                ),
            ),
            columns=("outside_update_norm", "update_norm", "weight_norm"),
            confidence="high",
            evidence="weights after one step and before the next, compared",
        )
