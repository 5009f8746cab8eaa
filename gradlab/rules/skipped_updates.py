"""GL307 skipped-updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gradlab.rules import origin as origins
from gradlab.rules.base import ERROR, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy
from gradlab.rules.yardsticks import column, severity
from gradlab.run import Run

Array = np.ndarray

MOST = 1 << 40  # steps skipped before one, whatever a record claims


class SkippedUpdates(Rule):
    """Skipped updates (GL307).

    What it does
    ------------
    Counts the optimizer steps that did not take place: a GradScaler that met an infinity, or a
    guard in the loop. Those before the first step that did are the scaler finding its scale, and do
    not count; unless no step took place at all.

    Why it is bad
    -------------
    A skipped step is a batch thrown away. A scaler that skips many steps meets overflow in most
    batches: the scale keeps falling, or the gradients are not finite whatever the scale.

    Example
    -------
    58 of 80 steps are skipped; the loop runs without an error, and the net hardly learns.

    What to try
    -----------
    bfloat16 instead of float16 (no scaler needed); look for what overflows; scale the loss down;
    clip after unscaling.

    References
    ----------
    Micikevicius et al. 2018 (mixed precision training), section 3.2.
    """

    code = "GL307"
    name = "skipped-updates"
    summary = "a GradScaler, or a guard in the loop, skips too many steps"
    explains = (
        "GL107",
        "GL302",
        "GL312",
        "GL402",
    )
    empty = True
    limits: ClassVar[Mapping[str, Limit]] = {
        "share": Limit(
            0.1,
            "of the steps after the first one that was taken",
            "a scaler tries a larger scale every 2,000 steps: one in 2,000 is usual",
        ),
        "count": Limit(5, "steps", "fewer are the scaler's own search"),
    }

    def missing(self, run: Run) -> str | None:
        """A record that knows of no skipped step lacks nothing: there was none."""
        return None

    def judge(self, run: Run) -> Finding | None:
        """Judge the steps after the first one that was taken."""
        first, skipped = _skipped(run)
        if not run.iterations:
            return self._none_taken(run, skipped)
        late = skipped - first
        if late < self.limit("count") or _same_before_every_step(run):
            return None
        share = late / (late + run.iterations)
        if share <= self.limit("share"):
            return None
        hits = Hits(np.ones((run.replicates, 1), bool))
        attempts = skipped + run.iterations
        return self.finding(
            hits,
            Window(0, run.iterations),
            layers=(),
            value=share,
            limit=float(self.limit("share")),
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"{skipped} of {attempts} optimizer steps were skipped, {late} of them after "
            f"the first step that was taken ({100 * share:.0f} %, limit "
            f"{100 * self.limit('share'):g} %): their batches taught nothing.{_origin_told(run)}",
            remedies=(_look_at_guard(late),) if _by_loop(run) else _remedies(run),
            columns=("grad_norm",),
            confidence="high",
            evidence="skipped steps, counted",
        )

    def _none_taken(self, run: Run, skipped: int) -> Finding | None:
        """Judge a training in which every step was skipped: its record holds no iteration."""
        if skipped < self.limit("count"):
            return None
        message = f"No optimizer step took place: all {skipped} were skipped. No batch taught "
        remedies = _remedies(run) if _origin(run) else (_look_at_guard(skipped), *_remedies(run))
        if _by_loop(run):  # or another optimizer steps, of which the record knows nothing
            message = (
                f"The optimizer took no step: {skipped} times its gradients were thrown away "
                "unused. No batch taught it "
            )
            remedies = _look_at_guard(skipped), _step_it(skipped)
        return self.finding(
            Hits(np.ones((run.replicates, 1), bool)),
            Window(0, 1),
            layers=(),
            value=1.0,
            limit=float(self.limit("share")),
            severity=ERROR,
            message=f"{message}anything.{_origin_told(run)}",
            remedies=remedies,
            confidence="high",
            evidence="skipped steps, counted",
        )


def _skipped(run: Run) -> tuple[int, int]:
    """Return how many steps were skipped before the first that was taken, and how many in all."""
    noted = run.provenance.get("skipped_steps")
    counts = _counts(run)
    if counts is not None:
        total = noted.get("count") if isinstance(noted, dict) else None
        after_all = total if type(total) is int else 0  # those behind the last step count too
        return int(counts[0]), max(int(counts.sum()), min(after_all, MOST))
    if not isinstance(noted, dict):
        return 0, 0
    listed = noted.get("before_iterations")
    before = [each for each in listed if isinstance(each, int)] if isinstance(listed, list) else []
    count = noted.get("count")
    return sum(each == 0 for each in before), count if type(count) is int else len(before)


def _counts(run: Run) -> Array | None:
    """Return how many steps were skipped before each that was taken (T,)."""
    steps = column(run, "skipped_steps")
    if steps is None:
        return None
    return np.where(np.isfinite(steps[:, 0]), steps[:, 0], 0).clip(0, MOST)


def _same_before_every_step(run: Run) -> bool:
    """Whether as many gradients are thrown away before every step: the loop means it so."""
    counts = _counts(run)
    return counts is not None and len(counts) > 2 and float(np.ptp(counts[1:])) == 0 < counts[1]


def _by_loop(run: Run) -> bool:
    """Whether the loop threw the gradients away itself, and no GradScaler did."""
    noted = run.provenance.get("skipped_steps")
    thrown = noted.get("thrown_away") if isinstance(noted, dict) else None
    return type(thrown) is int and thrown > 0


def _look_at_guard(skipped: int) -> Remedy:
    return Remedy(
        "loosen guard",
        "print what the loop compares before it calls optimizer.step(): a guard that lets few "
        "batches pass lets little be learned",
        {},
        f"{skipped} steps were skipped",
    )


def _step_it(skipped: int) -> Remedy:
    return Remedy(
        "step optimizer",
        "call optimizer.step() of the very optimizer that gradlab was given",
        {},
        f"it took no step, and {skipped} losses went backward",
    )


def _origin(run: Run) -> origins.Origin:
    """Return where a number in the skipped steps was not finite, as far as the record knows."""
    found = run.provenance.get("skipped_origin")
    return found if isinstance(found, dict) and type(found.get("iteration")) is int else {}


def _origin_told(run: Run) -> str:
    found = _origin(run)
    if not found:
        return ""
    return f" What is not finite in them{origins.sentence(found)}."


def _remedies(run: Run) -> tuple[Remedy, ...]:
    evidence = "steps are skipped where a gradient is not finite"
    if found := _origin(run):
        own = origins.remedies(run, found, found["iteration"])
        if own:
            return own
    return (
        Remedy(
            "use bfloat16",
            "run autocast in torch.bfloat16: its range is float32's, and it needs no GradScaler",
            {"dtype": "bfloat16"},
            evidence,
        ),
        Remedy(
            "find the overflow",
            "find what is not finite: recorder.trace(lambda: loss) names the operation",
            {},
            evidence,
        ),
        Remedy(
            "lower the scale",
            "start the scaler lower: torch.amp.GradScaler(init_scale=1024)",
            {"init_scale": 1024},
            evidence,
        ),
    )
