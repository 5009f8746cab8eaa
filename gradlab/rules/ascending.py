"""GL310 ascending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from gradlab.rules.base import WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.mistaken_answers import mistaken
from gradlab.rules.remedies import Remedy
from gradlab.rules.runaway import runs_away
from gradlab.rules.score_falls import fallen_score, match_score
from gradlab.rules.target_range import no_probabilities
from gradlab.rules.windows import finite_prefix
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import (
    column,
    learned,
    objective,
    outcomes,
    severity,
    sign_flipped,
    trend,
)
from gradlab.run import Run


class Ascending(Rule):
    """Ascending (GL310).

    What it does
    ------------
    Looks at s = <G, W_before - W_after>, the fall of the loss that an update makes to first order.
    Negative in three of four iterations measured, while the loss rises, means that the steps climb.
    So does a learning rate below 0, from the iteration on at which a schedule takes it there; and a
    logged loss that is its criterion with the sign flipped, and falls; and so does a logged score
    that falls below its start, while steps of usual size do not raise the loss; and a loss far
    below 0 that falls further in each quarter of the run, as nothing holds it. Not judged where the
    loss is to be maximized (`objective="maximize"`).

    Why it is bad
    -------------
    The net is trained to be wrong. The loss grows until something overflows, which then looks like
    an explosion.

    Example
    -------
    `maximize=True`, a learning rate below 0, or `(-loss).backward()` where the loss is to fall; a
    policy gradient without its minus.

    What to try
    -----------
    Look for a flipped sign. If climbing is meant, say so: `watch(..., objective="maximize")`.

    References
    ----------
    Cauchy 1847: the gradient's opposite is the direction of steepest descent.
    """

    code = "GL310"
    name = "ascending"
    summary = "the steps climb: the loss rises by what the optimizer does"
    explains = (
        "GL001",
        "GL101",
        "GL102",
        "GL103",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL301",
        "GL303",
        "GL304",
        "GL305",
        "GL401",
        "GL402",
        "GL404",
    )
    limits: ClassVar[Mapping[str, Limit]] = {
        "share": Limit(
            0.75,
            "of the updates measured",
            "momentum sends single updates uphill; whole trainings go down, but for those with a "
            "flipped sign",
        ),
        "least": Limit(5, "updates measured", "fewer can climb by chance"),
    }

    def missing(self, run: Run) -> str | None:
        """Updates and gradients must have been measured together."""
        if column(run, "expected_decrease") is not None:
            return None
        return "needs steps['expected_decrease'], which is made of gradients and actual updates"

    def judge(self, run: Run) -> Finding | None:
        """Judge every update that was measured before the first NaN."""
        if objective(run) == "maximize":
            return None
        descent = column(run, "expected_decrease")
        assert descent is not None
        found = (
            self._below_zero(run)
            or self._flipped(run)
            or self._against_score(run)
            or self._without_bound(run)
        )
        if found is not None:
            return found
        shares = np.zeros(run.replicates)
        for seed, stop in enumerate(finite_prefix(run)):
            known = descent[: int(stop), seed]
            known = known[np.isfinite(known) & (known != 0)]
            if len(known) >= self.limit("least") and _rises(run, seed, int(stop)):
                shares[seed] = float((known < 0).mean())
        hits = Hits(((shares >= self.limit("share")) & ~learned(run))[:, None])
        if not hits.which:
            return None
        value = float(np.median(shares[hits.which]))
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            layers=(),
            value=value,
            limit=float(self.limit("share")),
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"The steps climb{seeds(hits.replicates)}: {100 * value:.0f} % of the "
            f"updates measured raise the loss to first order (limit {100 * self.limit('share'):g} "
            "%). A sign is flipped.",
            remedies=_remedies(run),
            columns=("update_norm", "grad_norm"),
            confidence="high",
            evidence="<G, W_before - W_after> is negative, and the loss rises",
        )

    def _flipped(self, run: Run) -> Finding | None:
        """Judge a loss that is the criterion's negative, and falls: the criterion rises."""
        flipped = [seed for seed in range(run.replicates) if sign_flipped(run, seed)]
        if not flipped:
            return None
        mask = np.zeros((run.replicates, 1), bool)
        mask[flipped] = True
        hits = Hits(mask & ~learned(run)[:, None])
        if not hits.which:
            return None
        name = str(run.config["criterion"]["name"])
        evidence = f"the loss is {name} with its sign flipped"
        state = outcomes(run)[hits.which[0]]
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            layers=(),
            value=-1.0,
            limit=0.0,
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"The steps climb{seeds(hits.replicates)}: {evidence}; it falls, so that "
            f"{name} rises, and {state.evidence}.",
            remedies=_remedies(run),
            columns=("grad_norm",),
            confidence="high",
            evidence=evidence,
        )

    def _against_score(self, run: Run) -> Finding | None:
        """Judge a score that falls by steps that make the loss small."""
        told = [fallen_score(run, seed, int(stop)) for seed, stop in enumerate(finite_prefix(run))]
        return self._of_sign(
            run,
            told,
            "The steps go against the score{}: {}, and the loss did not rise. The loss has the "
            "wrong sign, or rewards what the score does not.",
            severity(run, Hits.of_seeds(told).which, harmless=WARNING),
        )

    def _without_bound(self, run: Run) -> Finding | None:
        """Judge a loss that nothing holds, unless its criterion is given what it does not take."""
        if objective(run) == "moving" or no_probabilities(run) or mistaken(run):
            return None
        told = [runs_away(run, seed, int(stop)) for seed, stop in enumerate(finite_prefix(run))]
        return self._of_sign(
            run,
            told,
            "The loss has no lower bound{}: {}. A term of it has the wrong sign, or lacks a "
            "margin.",
            WARNING,
        )

    def _of_sign(self, run: Run, told: Sequence[str], message: str, harm: str) -> Finding | None:
        """Report the seeds of which something is told; `message` has room for them, and for it."""
        hits = Hits.of_seeds(told)
        if not hits.which:
            return None
        evidence = told[hits.which[0]]
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            layers=(),
            value=-1.0,
            limit=0.0,
            severity=harm,
            message=message.format(seeds(hits.replicates), evidence),
            remedies=(match_score(evidence),),
            columns=("grad_norm",),
            confidence="medium",
            evidence=evidence,
        )

    def _below_zero(self, run: Run) -> Finding | None:
        """Judge a learning rate that goes below 0: every step of it climbs."""
        rates = column(run, "learning_rate")
        if rates is None:
            return None
        firsts: dict[int, int] = {}
        for seed, stop in enumerate(finite_prefix(run)):
            below = np.flatnonzero(rates[: int(stop), seed] < 0)
            if len(below) >= self.limit("least") and _rises_from(run, seed, int(below[0])):
                firsts[seed] = int(below[0])
        mask = np.zeros((run.replicates, 1), bool)
        mask[list(firsts)] = True
        hits = Hits(mask & ~learned(run)[:, None])
        if not hits.which:
            return None
        seed = hits.which[0]
        first, stop = firsts[seed], int(finite_prefix(run)[hits.which].max())
        lowest = float(np.nanmin(rates[:stop, seed]))
        words = (
            f"the learning rate is below 0 from iteration {run.times[first]} on, {number(lowest)} "
            "at its lowest"
        )
        return self.finding(
            hits,
            Window(first, stop),
            layers=(),
            value=lowest,
            limit=0.0,
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"The steps climb{seeds(hits.replicates)}: {words}, and the loss rises.",
            remedies=(_end_schedule(words),),
            columns=("update_norm",),
            confidence="high",
            evidence=words,
        )


def _rises_from(run: Run, seed: int, first: int) -> bool:
    """Whether the loss ends higher than it was where the rate went below 0."""
    loss = column(run, "loss")
    if objective(run) == "moving" or loss is None:
        return True  # such a loss tells nothing
    stop = int(finite_prefix(run)[seed])
    before, after = (
        loss[max(0, first - 10) : first + 1, seed],
        loss[max(first, stop - 10) : stop, seed],
    )
    return bool(np.nanmedian(after) > np.nanmedian(before))


def _end_schedule(evidence: str) -> Remedy:
    return Remedy(
        "stretch schedule",
        "end the schedule at 0 or above: give it the run's own length, or put max(rate, 0) around "
        "what it returns",
        {},
        evidence,
    )


def _rises(run: Run, seed: int, stop: int) -> bool:
    loss = column(run, "loss")
    if objective(run) == "moving":
        return True  # such a loss tells nothing: its gradient alone does
    found = None if loss is None else trend(loss[:stop, seed])
    return found is None or found.fall < 0


def _remedies(run: Run) -> tuple[Remedy, ...]:
    evidence = "the updates point along the gradient, not against it"
    flipped = Remedy(
        "flip the sign",
        "look for a flipped sign: maximize=True, a negative learning rate, or backward() on the "
        "loss's negative",
        {},
        evidence,
    )
    meant = Remedy(
        "declare the objective",
        'if the loss is meant to grow, say so: watch(..., objective="maximize")',
        {"objective": "maximize"},
        evidence,
    )
    return (flipped, meant) if run.config.get("framework") else (flipped,)
