"""GL301 lost-update."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Rule
from gradlab.rules.config_numbers import config_word
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, raise_learning_rate, remedy
from gradlab.rules.step_size import ADAPTIVE, factor_to_usual
from gradlab.rules.windows import nanmedian, worst_window
from gradlab.rules.wording import are_hit, number, seeds
from gradlab.rules.yardsticks import column, learned, severity, unfinished
from gradlab.run import Run

IDLE = 1e-4  # of the largest gradient of a parameter

# Distance from 1 to the next number: 8 bits of bfloat16, which NumPy has not, and so on.
PRECISIONS = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
COARSE = 1e-6  # distance from 1 to the next number: float32 is finer, 16 bits are not


class LostUpdate(Rule):
    """Lost update (GL301).

    What it does
    ------------
    Takes the share of weights that have a gradient and yet are the same number after the update: w
    + dw was rounded back to w. A median over 50 iterations above a half is a warning, an error
    where it hits most of the parameters of a net that learns nothing, and a note in one that
    learned, unless nothing at all is left of the steps. Of a format of 16 bits, those count that
    lose most of their steps. Judged only while something is left to learn and the learning rate is
    not at the end of its schedule: where the loss has come within 2 % of its spread of its lowest,
    steps are too small for any format. Parameters that get next to no gradient beside the others
    are not judged.

    Why it is bad
    -------------
    The gradient is right and the learning rate is above 0, and still nothing happens. In bfloat16,
    with 8 bits of precision, a healthy step of a thousandth of the weight is lost whole.

    Example
    -------
    2.5 - 0.001 = 2.499 in float32, and 2.5 in bfloat16: numbers near 2.5 are 1/64 apart there.

    What to try
    -----------
    Keep the weights in a wider format (float32 beside half precision, float64 beside float32); a
    larger learning rate; an optimizer that scales its steps (Adam).

    References
    ----------
    Micikevicius et al. 2018, section 3.1 (master weights); IEEE 754-2019, section 4.3 (rounding).
    """

    code = "GL301"
    parameters: ClassVar = "all"
    whole = False
    name = "lost-update"
    summary = "updates that rounding swallows: w + dw == w"
    needs = ("lost_fraction",)
    limits: ClassVar = {
        "warn": Limit(
            0.5,
            "of the weights that have a gradient",
            "Exact, not estimated: most of the update is lost. In bfloat16 a healthy step of a "
            "thousandth of the weight is lost whole (Micikevicius et al. 2018).",
        ),
        "alarm": Limit(
            0.9,
            "of the weights that have a gradient",
            "Next to nothing of the update is left.",
        ),
        "whole": Limit(
            0.99,
            "of the weights that have a gradient",
            "Nothing of the update is left: they stand still, in a net that learned as well.",
        ),
        "rate": Limit(
            0.05,
            "of the largest learning rate",
            "Where a schedule has nearly ended, steps are meant to be too small to matter.",
        ),
    }
    explains = ("GL302", "GL402")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """It explains what stands still where most of the parameters lose their updates."""
        return self.explains if finding.confidence == "high" else ()

    def judge(self, run: Run) -> Finding | None:
        """Judge every window in which something is left to learn."""
        wanted = unfinished(run) & _at_speed(run, self.limit("rate"))
        values = np.where(
            wanted[:, :, None] & ~_held(run) & ~_idle(run), run["lost_fraction"], np.nan
        )
        found = worst_window(run, values, self.limit("warn"), self.limit("alarm"))
        if found is None:
            return None
        layer, value = found.worst
        hit = len(found.layers)
        if _precision(run) > COARSE:  # who loses most of its steps there has the same cause
            part = values[found.window.start : found.window.stop][:, found.hits.which]
            hit = int((nanmedian(part.reshape(-1, part.shape[2])) > self.limit("warn")).sum())
        most = 2 * hit >= _trained(run)
        moves = value <= self.limit("whole")
        harmless = NOTE if moves and learned(run)[found.hits.which].all() else WARNING
        precision = config_word(run, "dtype", "their number format")
        ratio = ""
        if "update_ratio" in run:
            part = run["update_ratio"][found.window.start : found.window.stop][
                :, found.hits.which, layer - 1
            ]
            ratio = f", a step being {number(float(np.nanmedian(part)))} of the weights' norm"
        return self.finding(
            found.hits,
            found.since,
            severity=severity(run, found.hits.which, harmless=harmless) if most else harmless,
            layers=found.layers,
            value=value,
            limit=found.limit,
            message=f"Rounding swallows {100 * value:.0f} % of the updates of layer {layer}"
            f"{seeds(found.hits.replicates)}: the weights, in {precision}, stay the same "
            f"number{ratio} (limit {number(100 * found.limit)} %); {are_hit(found.layers)}.",
            remedies=_remedies(run),
            columns=("lost_fraction", "update_ratio"),
            confidence="high" if most else "medium",
            evidence="w + dw == w, counted exactly",
        )


def _remedies(run: Run) -> tuple[Remedy, ...]:
    """Say what to try: of a narrow format another one first, of a wide one larger steps."""
    wider = remedy(
        "widen format",
        "keep the weights in a wider format (float32 master weights, or float64)",
        dtype="float32",
    )
    larger = raise_learning_rate(run, factor_to_usual(run))
    larger = larger.adding("if steps this small were not meant")
    found = (wider, larger) if _precision(run) > COARSE else (larger, wider)
    if str(run.config.get("optimizer")) in ADAPTIVE:
        return found
    scaling = remedy(
        "use optimizer",
        "use an optimizer that scales its steps, such as Adam",
        optimizer="adam",
    )
    return (*found, scaling)


def _trained(run: Run) -> int:
    """Return how many parameters have updates at all: what is frozen has none to lose."""
    return int(run.recorded("lost_fraction").any(axis=(0, 1)).sum())


def _idle(run: Run) -> np.ndarray:
    """Where a parameter gets next to no gradient beside the others (T, S, L).

    A bias before a norm has none by design, and the layers that a signal does not reach have lost
    it before they could lose an update.
    """
    if "grad_norm" not in run:
        return np.zeros(run.shape, bool)
    known = np.where(np.isfinite(run["grad_norm"]), run["grad_norm"], 0.0)
    return known < IDLE * known.max(axis=2, keepdims=True, initial=0.0)


def _at_speed(run: Run, share: float) -> np.ndarray:
    """Where the learning rate is not yet, or no longer, a small part of its largest (T, S)."""
    rate = column(run, "learning_rate")
    if rate is None:
        return np.ones(run.shape[:2], bool)
    return ~(rate < share * np.nanmax(rate, axis=0, initial=0.0))


def _held(run: Run) -> np.ndarray:
    """Where a layer stands still whole though its step is far above rounding (T, S, L): frozen,
    GL302's matter.

    The step meant is the learning rate times the largest gradient (1 for an optimizer that scales
    it); rounding can swallow it in every weight only below about 4 units in the last place of a
    usual weight."""
    if run.config.get("optimizer") == "lbfgs" and "update_norm" in run:
        return run["update_norm"] == 0  # it takes no step where its search finds none
    if any(name not in run for name in ("update_norm", "weight_norm", "grad_max")):
        return np.zeros(run.shape, bool)
    entries = np.nan_to_num(run.layer("fan_in"), nan=1.0) * run.layer("fan_out")
    unit = _precision(run) * run["weight_norm"] / np.sqrt(entries)
    adaptive = "second_moment_rms" in run
    meant = run.step("learning_rate")[:, :, None] * (1.0 if adaptive else run["grad_max"])
    idle = (
        run.step("learning_rate")[:, :, None] < 1e-30
    )  # a rate of 0 loses nothing: nothing was wanted
    return (run["update_norm"] == 0) & ((meant > 4 * unit) | idle)


def _precision(run: Run) -> float:
    """Return the distance from 1 to the next number of the weights' format."""
    return PRECISIONS.get(config_word(run, "dtype", "float32"), PRECISIONS["float32"])
