"""GL202 saturated-units."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules import cause
from gradlab.rules.base import NOTE, WARNING, Finding, Rule
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import (
    Remedy,
    initialize,
    lower_learning_rate,
    normalize,
    standardize_inputs,
    zero_biases,
)
from gradlab.rules.windows import worst_window
from gradlab.rules.wording import are_hit, number, seeds
from gradlab.rules.yardsticks import severity, unharmed, worse_than_constant
from gradlab.run import Run

FROM_THE_START = "already before the first update"
SATURATING = (
    "sigmoid",
    "tanh",
)  # flat on both sides; where one side is flat by design, GL201 judges


class SaturatedUnits(Rule):
    """Saturated units (GL202).

    What it does
    ------------
    Takes, for each hidden sigmoid or tanh layer, the share of (example, unit) entries whose slope
    is below 1 % of the largest one (|z| beyond 6 for a sigmoid, 3 for tanh), as a median over the
    last 50 iterations. Above a half it is worth a word; above 80 %, where next to nothing passes,
    it is an error in a net that does not learn. In one that learns it is a note, unless it began so
    and its loss stays above a constant's. The slope decides, not a fixed range of outputs.

    Why it is bad
    -------------
    Every gradient that passes such a unit is multiplied by almost nothing, in both directions of
    training: it is slow to saturate further and slow to come back.

    Example
    -------
    Inputs in the hundreds, not standardized: the first tanh layer answers -1 or 1 to everything.

    What to try
    -----------
    Standardize the inputs; smaller initial weights (gain 1, Glorot); a smaller learning rate where
    it came with training; normalization.

    References
    ----------
    Glorot & Bengio 2010, section 3; LeCun et al. 1998, section 4.4.
    """

    code = "GL202"
    whole = False
    name = "saturated-units"
    summary = "sigmoid or tanh layers that answer almost everything from their flat ends"
    needs = ("saturated_fraction",)
    limits: ClassVar = {
        "warn": Limit(
            0.5,
            "of the (example, unit) entries",
            "Healthy nets that interpolate their data stay below 0.3.",
        ),
        "alarm": Limit(
            0.8,
            "of the (example, unit) entries",
            "Of a gradient that passes such a layer, next to nothing is left.",
        ),
    }
    explains = ("GL101", "GL103", "GL301", "GL302", "GL306", "GL402")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """A layer that answers from its flat ends explains; one that does so in part does not: it
        began so, and its net learned nothing, which is all that it explains.
        """
        if finding.value >= self.limit("alarm"):
            return self.explains
        return ("GL402",) if FROM_THE_START in finding.message else ()

    def missing(self, run: Run) -> str | None:
        """A net without a layer that is flat on both sides has nothing to saturate, and lacks
        nothing.
        """
        return super().missing(run) if _judged(run).any() else None

    def judge(self, run: Run) -> Finding | None:
        """Judge the last window of finite iterations."""
        judged = _judged(run)
        if not judged.any():
            return None
        values = np.where(judged, run["saturated_fraction"], np.nan)
        found = worst_window(run, values, self.limit("warn"), self.limit("alarm"), last=True)
        if found is None:
            return None
        layer, value = found.worst
        hits, window = found.hits, found.window
        early = float(
            np.nanmedian(run["saturated_fraction"][0][hits.which, layer - 1])
        ) > self.limit("warn")
        spoiled = early and bool(worse_than_constant(run)[hits.which].all())
        harmless = NOTE if unharmed(run, hits.which) and not spoiled else WARNING
        since = FROM_THE_START if early else "since training began"
        return self.finding(
            hits,
            found.since,
            severity=severity(run, hits.which, harmless=WARNING if spoiled else NOTE)
            if value >= self.limit("alarm")
            else harmless,
            layers=found.layers,
            value=value,
            limit=found.limit,
            message=f"{100 * value:.0f} % of layer {layer}'s answers come from the flat ends of "
            f"its activation{seeds(hits.replicates)}, {since} (limit {number(100 * found.limit)} "
            f"%); {are_hit(found.layers)}.",
            cause=cause.explain(run, found.layers, hits.which, window, grows=False),
            remedies=_remedies(run, early, layer),
            columns=("saturated_fraction", "slope_rms", "activation_rms"),
        )


def _remedies(run: Run, early: bool, layer: int) -> tuple[Remedy, ...]:
    scale = initialize(run, (layer,), "glorot_normal", because="smaller weights, at gain 1")
    if not early:
        rate = lower_learning_rate(
            run, 10, because="the steps pushed the units into their flat ends"
        )
        return rate, scale, normalize(run)
    if layer == 1:
        return standardize_inputs(run), scale, normalize(run)
    biases = zero_biases(run, (layer,))
    return scale, biases, standardize_inputs(run)


def _judged(run: Run) -> np.ndarray:
    """Which layers are flat on both sides, (L,)."""
    return np.array([name in SATURATING for name in run.layer("activation")])
