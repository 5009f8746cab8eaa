"""GL308 overwritten-weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy
from gradlab.rules.windows import finite_prefix, nanmedian
from gradlab.rules.wording import are_hit, number, seeds
from gradlab.rules.yardsticks import SLOW, outcomes, severity
from gradlab.run import Run

Array = np.ndarray


class OverwrittenWeights(Rule):
    """Overwritten weights (GL308).

    What it does
    ------------
    Compares what moved the weights between two steps with what the optimizer's step did:
    `outside_update_norm` over `update_norm`. Above the limit in most measurements, or at three of
    them and in all as far as the optimizer's steps, code outside the optimizer writes the weights.
    An error in a net that does not learn. A warning in one that learns little, where the writes
    come to half of the way of all the optimizer's steps between them, laid end to end. Else a note:
    WGAN's clipping and moving averages do so on purpose.

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
        "most": Limit(
            0.5,
            "of all steps since the last write that was seen, laid end to end",
            "steps lead no further than end to end: most of what they did is undone, or drowned",
        ),
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
        shares, most = np.full(run.shape[1:], np.nan), np.zeros(run.replicates, bool)
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
            if mask[seed].any():
                outweighed = self._outweighed(outside[: int(stop), seed], step)
                most[seed] = (mask[seed] & outweighed).any()
        hits = Hits(mask)
        if not hits.which:
            return None
        little = np.array([state.state == SLOW for state in outcomes(run)])
        harmless = WARNING if (most & little)[hits.which].all() else NOTE
        return self._finding(run, hits, shares, harmless)

    def _outweighed(self, outside: Array, step: Array) -> Array:
        """Return which layers (L,) others move most, of a seed's writes (T, L) and usual step."""
        result = np.zeros(outside.shape[1], bool)
        for layer, usual in enumerate(step):
            if not usual > 0:
                continue
            written = np.flatnonzero(outside[:, layer] > self.limit("share") * usual)
            if len(written) < self.limit("least"):
                continue
            known = int(np.isfinite(outside[:, layer]).sum())
            if len(written) >= self.limit("often") * known:
                way = usual * known / len(written)  # seen at most looks: as often between them
            else:
                way = usual * np.diff(written, prepend=-1)
            half = float(np.median(outside[written, layer] / way))
            result[layer] = half >= self.limit("most")
        return result

    def _finding(self, run: Run, hits: Hits, shares: Array, harmless: str) -> Finding:
        layers = hits.layers or (int(hits.mask[hits.which[0]].argmax()) + 1,)
        median = nanmedian(np.where(hits.mask, shares, np.nan)[hits.which])
        layer = int(np.nanargmax(median)) + 1
        value = float(np.nanmax(median))
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
