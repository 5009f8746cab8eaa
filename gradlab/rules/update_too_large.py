"""GL304 update-too-large."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import ERROR, NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.carried_away import carried_away
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import clip, lower_learning_rate, warm_up
from gradlab.rules.step_size import beside_usual_weights
from gradlab.rules.thrown_out import Throw, thrown_out
from gradlab.rules.uneven_rates import lower_fastest_rates, replaced_in
from gradlab.rules.windows import Verdict, finite_prefix, losses, worst_window
from gradlab.rules.wording import are_hit, during, number, part_of, seeds
from gradlab.rules.yardsticks import (
    AS_GOOD_AS_CONSTANT,
    SLOW,
    above_constant,
    learned,
    loss_scale,
    never_set_back,
    outcomes,
    severity,
)
from gradlab.run import Run

FEW_OF = 8  # layers: one of so many may take large steps while the net is sound


class UpdateTooLarge(Rule):
    """Update too large (GL304).

    What it does
    ------------
    Takes ||W_after - W_before|| / ||W||, the update as it really was, as a median over 50
    iterations: above 0.2 in a seed that has not learned is a warning, and an error where nothing is
    learned, if at least one layer in eight takes such steps or one of them is above 1: it then
    replaces the layer. Norms below LeCun's count as LeCun's. A mean above 0.3 over 10 iterations
    counts too: a burst at the start, from which the weights come out large, makes the ratios after
    it look harmless. Steps on which the loss falls by half of its spread within 10 iterations are
    good ones, however large; in a seed that clearly gains and was never set back, a note.

    Layers of small weights, as a pretrained transformer's, are hit by less: a step that changes
    half of the layers by 0.3, after which a loss that was below the best constant prediction's is
    no better than that, and stays so, threw away what was learned.

    A rate that climbs makes the weights grow along with the steps, and no step is large beside
    them. So a seed in which nothing was learned is hit, too, if the weights of half of the layers
    come out 1.41 times as long within 50 iterations, and the steps carried the net to where nothing
    comes back: less than a thousandth of the gradient is left in half of the layers, or the loss
    stays at more than 1.5 times the best constant prediction's. So is one that got below it by less
    than 5 %, after most of the run above: under a rate far too high until its schedule ends at 0.

    Why it is bad
    -------------
    A gradient tells nothing of what is a weight's length away. Layers that are thrown about kill
    relu units, saturate sigmoids and never settle.

    Example
    -------
    A learning rate a hundred times too large; or Adam, whose steps do not shrink with the gradient,
    at 0.1.

    What to try
    -----------
    Divide the learning rate by the ratio over 0.01, at least by ten; warm it up; clip gradients.

    References
    ----------
    You, Gitman, Ginsburg 2017 (layer-wise ratios); Bottou, Curtis, Nocedal 2018, section 4.
    """

    code = "GL304"
    whole = False
    name = "update-too-large"
    summary = "steps of a fifth of the weights' own length and more"
    needs = ("update_ratio",)
    limits: ClassVar = {
        "warn": Limit(
            0.2,
            "of the weights' norm a step, the median of 50",
            "Healthy trainings: about 1e-3 (You, Gitman, Ginsburg 2017).",
        ),
        "alarm": Limit(
            1.0, "of the weights' norm a step, the median of 50", "Each step replaces the layer."
        ),
        "burst": Limit(
            0.3,
            "of the weights' norm a step, the mean of `few`",
            "Ten such steps go three times the weights' own length.",
        ),
        "few": Limit(
            10, "iterations", "The length of a burst, and how far ahead the loss is read."
        ),
        "fell": Limit(
            0.5,
            "of the batch losses' spread, by the median of the next `few`",
            "Steps on which the loss falls by so much are good ones, however large.",
        ),
        "grown": Limit(
            2**0.5,
            "times as long, the weights of half of the layers within 50 iterations",
            "Steps at a right angle to the weights that went as far as these are long make them so "
            "much longer.",
        ),
        "left": Limit(
            1e-3,
            "of the gradient in half of the layers, in the last quarter",
            "Of nets that learn nothing and whose weights grew so, those with steps too large keep "
            "3e-4 and less; shuffled labels leave .03, others more.",
        ),
        "worse": Limit(
            1.5,
            "times the best constant predictor's loss, at the end",
            "Nets that came to rest answer a constant; what stays so far above is thrown about.",
        ),
        "above": Limit(
            0.5,
            "of the iterations, in which a constant answers as well or better",
            "Most of the run; what such a net learned, if little, came when the rate had fallen.",
        ),
    }
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
        "GL401",
        "GL402",
    )

    def judge(self, run: Run) -> Finding | None:
        """Judge the worst window of the seeds that did not learn, by norms with a floor."""
        ratio = self._ratios(run)
        alarm, few = self.limit("alarm"), int(self.limit("few"))
        found = worst_window(run, ratio, self.limit("warn"), alarm)
        if found is None:
            found = worst_window(run, ratio, self.limit("burst"), alarm, size=few, mean=True)
        if found is None:
            return self._thrown_out(run) or self._carried_away(run) or self._replaced(run)
        if learned(run)[found.hits.which].all():
            return None  # steps after which a net learns were no larger than it could bear
        layer, value = found.worst
        which = found.hits.which
        harm = NOTE if never_set_back(run, which) else WARNING
        harm = severity(run, which, harmless=harm) if self._decides(run, found) else harm
        return self.finding(
            found.hits,
            found.since,
            severity=harm,
            layers=found.layers,
            value=value,
            limit=found.limit,
            message=f"Each update changes layer {layer}'s weights by {part_of(value)} "
            f"their norm{seeds(found.hits.replicates)}, {during(run, found.window)} (limit "
            f"{100 * found.limit:g} %; about 0.1 % is usual); {are_hit(found.layers)}.",
            remedies=(lower_learning_rate(run, max(10.0, value / 1e-2)), warm_up(run), clip(run)),
            columns=("update_ratio", "weight_norm", "grad_norm"),
            confidence="high" if 2 * len(found.layers) >= _measured(run) else "medium",
        )

    def _thrown_out(self, run: Run) -> Finding | None:
        """Judge the seeds that learned nothing in the end by a step that undid what they knew."""
        throws: dict[int, Throw] = {}
        for seed, state in enumerate(outcomes(run)):
            if state.failed and finite_prefix(run)[seed] == run.iterations:
                throw = thrown_out(run, seed, self.limit("burst"), int(self.limit("few")))
                throws |= {seed: throw} if throw else {}
        if not throws:
            return None
        mask = np.zeros(run.shape[1:], bool)
        for seed, throw in throws.items():
            mask[seed] = throw.layers
        hits = Hits(mask)
        throw = min(throws.values(), key=lambda each: each.window.start)
        value = throw.ratio
        return self.finding(
            hits,
            throw.window,
            severity=severity(run, hits.which),
            value=value,
            limit=self.limit("burst"),
            message=f"A step throws away what the net had learned{seeds(hits.replicates)}: at "
            f"iteration {int(run.times[throw.window.start])} half of the layers change by at least "
            f"{part_of(value)} their norm (limit {100 * self.limit('burst'):g} %), and "
            f"the loss goes from {number(throw.before)} to {number(throw.after)} times the best "
            f"constant prediction's; {are_hit(hits.layers)}.",
            remedies=(lower_learning_rate(run, max(10.0, value / 1e-2)), warm_up(run), clip(run)),
            columns=("update_ratio", "weight_norm", "grad_norm"),
        )

    def _carried_away(self, run: Run) -> Finding | None:
        """Judge the seeds that did not learn by what became of their weights and gradients."""
        prefix, states = finite_prefix(run), outcomes(run)
        journeys = {}
        for seed, state in enumerate(states):
            barely = self._barely(run, seed)
            if not (state.failed or barely) or prefix[seed] < run.iterations:
                continue
            # A loss far above a constant's says enough: no net that came to rest stays there.
            told = barely or state.share > self.limit("worse")
            left = np.inf if told else self.limit("left")
            found = carried_away(run, seed, int(prefix[seed]), self.limit("grown"), left)
            if found is not None:
                journeys[seed] = found
        if not journeys:
            return None
        mask = np.zeros(run.shape[1:], bool)
        for seed, journey in journeys.items():
            mask[seed] = journey.layers
        hits = Hits(mask)
        first = min(hits.which, key=lambda seed: journeys[seed].window.start)
        journey, state = journeys[first], states[first]
        end = f"half of the layers keep at most {number(journey.left)} of their gradient to the end"
        if state.share > self.limit("worse"):
            end = state.evidence
        elif self._barely(run, first):
            end = f"{state.evidence}, after most of the run above it"
        return self.finding(
            hits,
            Window(journey.window.start, run.iterations),  # what was carried away stays there
            severity=severity(run, hits.which),
            value=journey.growth,
            limit=self.limit("grown"),
            message=f"The steps carry the net away{seeds(hits.replicates)}: "
            f"{during(run, journey.window)} half of the layers' weights come out at least "
            f"{number(journey.growth)} times as long (limit {number(self.limit('grown'))}), and "
            f"{end}; {are_hit(hits.layers)}.",
            remedies=(lower_learning_rate(run, 10.0), warm_up(run), clip(run)),
            columns=("weight_norm", "grad_norm", "update_ratio"),
        )

    def _replaced(self, run: Run) -> Finding | None:
        """Judge the seeds that did not learn, or slowly, by the fastest group's first step."""
        found = replaced_in(run, self.limit("alarm"))
        if found is None:
            return None
        (hits, first), (low, high) = found, map(number, found[1].rates)
        return self.finding(
            hits,
            Window(0, 1),
            severity=severity(run, hits.which),
            value=first.most,
            limit=self.limit("alarm"),
            message="The learning rates of some parameter groups are too large"
            f"{seeds(hits.replicates)}: they go from {low} to {high}, and the first step changes "
            f"layers by up to {part_of(first.most)} their norm (limit 100 %), the others by "
            f"{number(100 * first.others)} %; {are_hit(hits.layers)}.",
            remedies=(lower_fastest_rates(first.most), warm_up(run)),
            columns=("update_ratio", "weight_norm"),
            confidence="medium",
        )

    def _barely(self, run: Run, seed: int) -> bool:
        """Whether a seed got below the constant in the end alone, and by next to nothing."""
        state = outcomes(run)[seed]
        little = state.state == SLOW and state.share >= AS_GOOD_AS_CONSTANT
        above = above_constant(run, seed) if little else np.zeros(0)
        return bool(len(above)) and float(above.mean()) >= self.limit("above")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """One layer of many whose steps are a fifth of its weights explains nothing."""
        far = finding.value > self.limit("alarm") or finding.confidence == "high"
        return self.explains if finding.severity == ERROR or far else ()

    def _decides(self, run: Run, found: Verdict) -> bool:
        """Whether the steps can be what keeps the net from learning: one layer of many is not."""
        many = len(found.layers) >= _measured(run) / FEW_OF
        return bool(many or found.worst[1] > self.limit("alarm"))

    def _ratios(self, run: Run) -> np.ndarray:
        """Return the steps over the weights (T, S, L), NaN where the loss falls by it."""
        ratio = beside_usual_weights(run)
        return np.where(np.isfinite(ratio) & ~self._falling(run)[:, :, None], ratio, np.nan)

    def _falling(self, run: Run) -> np.ndarray:
        """Where the loss of the next `few` iterations falls by half of its spread (T, S)."""
        few = int(self.limit("few"))
        loss = losses(run)
        padded = np.pad(loss, ((0, few), (0, 0)), constant_values=np.inf)
        ahead = np.lib.stride_tricks.sliding_window_view(padded, few, axis=0)[1 : len(loss) + 1]
        return loss - np.median(ahead, axis=-1) > self.limit("fell") * loss_scale(run)


def _measured(run: Run) -> int:
    """Return how many layers have an update ratio anywhere."""
    return int(np.isfinite(run["update_ratio"]).any(axis=(0, 1)).sum())
