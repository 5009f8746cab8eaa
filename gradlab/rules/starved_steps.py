"""GL312 starved-steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.config_numbers import config_number
from gradlab.rules.cut_short import cut_short, small_steps
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, set_epsilon
from gradlab.rules.warm_up import in_stairs, slow, still_rises
from gradlab.rules.windows import elapsed, finite_prefix
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import (
    AS_GOOD_AS_CONSTANT,
    LEARNED,
    column,
    hardly_moved,
    outcomes,
    severity,
    travelled,
)
from gradlab.rules.yardsticks.outcome import Outcome
from gradlab.run import Run

Array = np.ndarray

DEFAULT_EPSILON = 1e-8


class StarvedSteps(Rule):
    """Starved steps (GL312).

    What it does
    ------------
    Where a seed does not learn, looks at the configuration before the layers: what leaves steps of
    nothing? Clipping (the clipped gradient is less than a hundredth of the gradient, and the steps
    follow its size), the schedule (the learning rate has fallen to a hundredth of its largest
    value before the run is half over, or has not yet risen there, or still rises at the end; or
    its mean is less than a twentieth of its largest value), or an adaptive optimizer's
    epsilon (larger than the gradients it divides by). It names which, and is reported where the
    steps cannot carry the weights far; a schedule that ended early (at a thousandth) also in a net
    that went far: as a note where that learned, unless its loss still fell when the rate went.

    Why it is bad
    -------------
    Every layer shares the symptom: each looks frozen or rounded away. No other model helps.

    Example
    -------
    clip_grad_norm_(parameters, 1e-6) under SGD; CosineAnnealingLR(T_max=20) in a run of 400 steps;
    Adam(eps=1.0).

    What to try
    -----------
    The number that is named: a larger clip norm, a schedule of the run's length, the default
    epsilon.

    References
    ----------
    Pascanu, Mikolov, Bengio 2013 (clipping), section 3.2; Kingma & Ba 2015, section 2 (epsilon).
    """

    code = "GL312"
    whole = False
    name = "starved-steps"
    summary = "clipping, the schedule or epsilon leaves steps of nothing; it names which"
    explains = (
        "GL101",
        "GL107",
        "GL301",
        "GL302",
        "GL402",
    )
    limits: ClassVar[Mapping[str, Limit]] = {
        "clipped": Limit(
            0.01, "of the gradient's norm", "clipping that bites in practice leaves a tenth or more"
        ),
        "rate": Limit(
            0.001,
            "of the largest learning rate",
            "a cosine ends near 0, but only at the end of its run",
        ),
        "rate_unlearned": Limit(
            0.01,
            "of the largest, where weights hardly moved and little was learned",
            "a cosine spends 6 per cent of its run there",
        ),
        "begun": Limit(
            0.1,
            "of the largest learning rate, at the start",
            "A rate that was never low has no warm-up.",
        ),
        "idle": Limit(0.5, "of the iterations", "what is idle for half a run was not meant to be"),
        "budget": Limit(
            0.05,
            "of the largest learning rate, the mean over the run",
            "Constant rates keep 1, cosines and lines .5, one cycle .25 and more, the inverse root "
            "of the steps .06 in a thousand.",
        ),
        "epsilon": Limit(
            1.0, "epsilon over the root of the second moments", "above 1 epsilon rules the step"
        ),
        "moved": Limit(
            0.5, "of the weights' own length", "weights that went so far had steps enough"
        ),
    }

    def missing(self, run: Run) -> str | None:
        """A record without these columns lacks nothing: what is not there starves nobody."""
        return None

    def judge(self, run: Run) -> Finding | None:
        """Judge each seed that did not learn, clipping first, then schedule, then epsilon."""
        moved, states = travelled(run), outcomes(run)
        found: dict[int, _Shortage] = {}
        for seed, stop in enumerate(finite_prefix(run)):
            if stop < 10:
                continue
            far = moved[seed] > self.limit("moved") or states[seed].state == LEARNED
            looks = (
                (self._schedule,)
                if far
                else (self._clipping, self._schedule, self._budget, self._epsilon)
            )
            for look in looks:
                shortage = look(run, seed, int(stop))
                if shortage is not None:
                    found[seed] = shortage
                    break
        if not found:
            return None
        hits = Hits.of_seeds(seed in found for seed in range(run.replicates))
        worst = found[hits.which[0]]
        spared = all(_spared(states[seed], found[seed]) for seed in hits.which)
        harmless = NOTE if spared else WARNING
        return self.finding(
            hits,
            Window(worst.start, int(finite_prefix(run)[hits.which].max())),
            layers=(),
            value=worst.value,
            limit=worst.limit,
            severity=severity(run, hits.which, harmless=harmless, of_steps=True),
            message=f"The steps are starved{seeds(hits.replicates)}: {worst.words}.",
            remedies=(worst.remedy,),
            columns=("update_ratio", "grad_norm"),
            confidence="high",
            evidence=worst.words,
        )

    def _clipping(self, run: Run, seed: int, stop: int) -> _Shortage | None:
        before, after = column(run, "grad_norm"), column(run, "clipped_grad_norm")
        if before is None or after is None:
            return None
        with np.errstate(all="ignore"):
            left = after[:stop, seed] / before[:stop, seed]
        left = left[np.isfinite(left)]
        bites = len(left) > 0 and float(np.median(left)) < self.limit("clipped")
        if not bites or not small_steps(run, seed, stop):
            return None
        usual, clipped = (float(np.nanmedian(each[:stop, seed])) for each in (before, after))
        words = f"clipping leaves {number(clipped)} of a gradient whose norm is {number(usual)}"
        better = f"{usual:.1g}"
        cure = f"clip at the gradient's usual norm: clip_grad_norm_(model.parameters(), {better})"
        if not run.config.get("framework"):
            cure = f"clip at the gradient's usual norm: clip={better}"
        remedy = Remedy("raise clip norm", cure, {"max_norm": float(better)}, words)
        return _Shortage(words, float(np.median(left)), float(self.limit("clipped")), 0, remedy)

    def _schedule(self, run: Run, seed: int, stop: int) -> _Shortage | None:
        rates = column(run, "learning_rate")
        if rates is None:
            return None
        known = np.abs(rates[:stop, seed])  # a rate below 0 climbs (GL310), and starves nobody
        largest = float(np.nanmax(known, initial=0.0))
        went_far = travelled(run)[seed] > self.limit("moved")
        enough = went_far or outcomes(run)[seed].state == LEARNED
        limit = float(self.limit("rate" if enough else "rate_unlearned"))
        idle = known <= limit * largest
        rising = self._warm_up(known, largest, run, seed, stop)
        if rising is not None:
            return rising
        if (
            not largest > 0
            or not np.nanmax(known) > np.nanmin(known)
            or float(idle.mean()) < self.limit("idle")
            or (went_far and not idle[-1])  # it is not over
        ):
            return None
        start = int(np.flatnonzero(idle)[0])
        low = float(np.nanmedian(known[idle]))
        words = (
            f"the schedule keeps the learning rate at {number(low)} in "
            f"{100 * float(idle.mean()):.0f} % of the iterations, where its largest value is "
            f"{number(largest)}"
        )
        remedy = Remedy(
            "stretch schedule",
            f"give the schedule the run's own length ({stop} steps), and step it once an iteration",
            {"iterations": stop},
            words,
        )
        early = cut_short(run, seed, known)
        return _Shortage(words, low / largest, limit, start, remedy, early)

    def _budget(self, run: Run, seed: int, stop: int) -> _Shortage | None:
        """Return a rate that falls so fast that all iterations together are worth only a few."""
        rates = column(run, "learning_rate")
        if rates is None:
            return None
        known = np.isfinite(rates[:stop, seed])
        rate, times = np.abs(rates[:stop, seed][known]), run.times[:stop][known]
        if len(rate) < 2 or not rate.max() > 0 or rate[-1] >= rate.max():
            return None  # one that still rises has its largest steps before it
        worth = float(np.trapezoid(rate, times) / (times[-1] - times[0]) / rate.max())
        if worth >= self.limit("budget"):
            return None
        steps = elapsed(run, stop)
        words = (
            f"the learning rate falls from {number(float(rate.max()))} to "
            f"{number(float(rate[-1]))}: all {steps} iterations together are worth "
            f"{number(worth * steps)} at its largest value"
        )
        remedy = Remedy(
            "stretch schedule",
            "let the learning rate fall more slowly: a factor a step belongs in ExponentialLR, and "
            "Adagrad's lr_decay is no factor but divides the rate by 1 + lr_decay * steps",
            {"iterations": steps},
            words,
        )
        return _Shortage(words, worth, float(self.limit("budget")), 0, remedy)

    def _warm_up(
        self, rate: Array, largest: float, run: Run, seed: int, stop: int
    ) -> _Shortage | None:
        """Return a warm-up that outlasts a run that learned little, or that hardly moved."""
        known = rate[np.isfinite(rate)]
        begun_low = len(known) > 2 and known[0] < self.limit("begun") * largest
        near = travelled(run)[seed] <= self.limit("moved")
        starved = near and outcomes(run)[seed].failed
        slowed = hardly_moved(run)[seed] or ((near or in_stairs(known)) and slow(run, seed, stop))
        if not still_rises(known) or not (starved or (begun_low and slowed)):
            return None
        words = (
            f"the learning rate still rises at the last iteration, from {number(float(known[0]))} "
            f"to {number(largest)}: the warm-up is longer than the run"
        )
        remedy = Remedy(
            "shorten warm-up",
            f"let the warm-up end within the run, a tenth of its {stop} steps is usual, and step a "
            "schedule that counts steps once a step, not once an epoch",
            {"iterations": max(1, stop // 10)},
            words,
        )
        return _Shortage(words, largest, largest, 0, remedy)

    def _epsilon(self, run: Run, seed: int, stop: int) -> _Shortage | None:
        if "second_moment_rms" not in run:
            return None
        epsilon = config_number(run, "epsilon", DEFAULT_EPSILON)
        moments = np.where(run.recorded("second_moment_rms"), run["second_moment_rms"], np.nan)[
            :stop, seed
        ]
        with np.errstate(all="ignore"):
            share = epsilon / np.nanmedian(moments, axis=0)
        known = share[np.isfinite(share)]
        usual = epsilon <= 100 * DEFAULT_EPSILON
        if usual or not len(known) or np.median(known) <= self.limit("epsilon"):
            return None
        value = float(np.median(known))
        words = (
            f"epsilon {number(epsilon)} is {number(value)} times the gradients that the optimizer "
            "divides by"
        )
        remedy = set_epsilon(run, DEFAULT_EPSILON, because="the default", evidence=words)
        return _Shortage(words, value, float(self.limit("epsilon")), 0, remedy)


@dataclass(frozen=True)
class _Shortage:
    """What starves the steps: in words, in numbers, from which row on, and the cure."""

    words: str
    value: float
    limit: float
    start: int
    remedy: Remedy
    early: bool | None = None  # it was still learning when the rate was gone; None: no schedule


def _spared(state: Outcome, shortage: _Shortage) -> bool:
    """Whether nothing was left to learn when the steps came to nothing."""
    better = state.gains or state.share < AS_GOOD_AS_CONSTANT  # the rest may be noise in targets
    over = shortage.early is False and better
    return over or (state.state == LEARNED and not shortage.early)
