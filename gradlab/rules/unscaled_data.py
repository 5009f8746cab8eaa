"""GL404 unscaled-data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from gradlab.rules.alike_inputs import alike_inputs
from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.largest_feature import largest_feature, reader
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, standardize_inputs, standardize_target
from gradlab.rules.target_range import (
    BEYOND_0_AND_1,
    NO_SIGNS,
    bring_to_probabilities,
    bring_to_signs,
    by_link,
    no_probabilities,
    no_signs,
    regresses,
    takes_probabilities,
    wasted_share,
)
from gradlab.rules.windows import finite_prefix
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import LEARNED, SLOW, column, learns, outcomes, severity
from gradlab.run import STEP_COLUMNS, Run

Array = np.ndarray


class UnscaledData(Rule):
    """Unscaled data (GL404).

    What it does
    ------------
    Where a seed does not learn, looks at the data before the layers: the root mean square of the
    regression's targets and of the inputs, and the largest feature that a linear map reads off the
    data, if next to it all others hardly count. A net begins with answers near 1 and weights made
    for inputs near 1. Targets or inputs far above that, or far below it where the net does not even
    match a constant, set the size of the loss, of every gradient and of the first layer's answers.
    An error where nothing is learned, a warning where learning is slow; but targets whose scale the
    net has overcome, since it beats the best constant, are a note unless they explain more. Where
    it took a tenth of the run or more to come down to the best constant, which scaled targets give
    from the start, that is a warning, unless less than a tenth of the constant's loss is left. Of
    counts whose logarithm is answered (poisson_nll_loss) nothing is told unless nothing is learned.
    Targets of a binary cross-entropy whose mean square is above their mean do not lie between 0 and
    1: that is reported whatever the loss does, which has no lower bound then; so are targets of 0
    and 1 of a criterion of signs. Inputs that hardly differ, for a mean that was not taken off or
    since all are 0, are reported where nothing is learned. One pass, before any training, is a
    warning.

    Why it is bad
    -------------
    A target of 350,000 gives a loss of 1e11 and gradients to match. What follows looks like an
    explosion, like dead units, or like a learning rate of 4e-9; each is the scale of the data.

    Example
    -------
    House prices in dollars; pixels from 0 to 255; masks of 0 and 255, or labels of -1 and 1, for a
    binary cross-entropy.

    What to try
    -----------
    Standardize: subtract the mean and divide by the deviation, both of the training data; undo it
    on the answers.

    References
    ----------
    LeCun, Bottou, Orr, Müller 1998 (Efficient BackProp), section 4.3.
    """

    code = "GL404"
    name = "unscaled-data"
    summary = "the scale of the targets or of the inputs sets the loss and its gradients"
    explains = (
        "GL001",
        "GL101",
        "GL102",
        "GL103",
        "GL104",
        "GL106",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL301",
        "GL302",
        "GL303",
        "GL304",
        "GL306",
        "GL312",
        "GL401",
        "GL402",
        "GL403",
    )
    rises = True
    limits: ClassVar[Mapping[str, Limit]] = {
        "target": Limit(
            30.0,
            "root mean square of the targets",
            "answers begin near 1; He's nets learn targets to 10",
        ),
        "small": Limit(
            1 / 30.0,
            "root mean square of the targets",
            "answers begin near 1: a loss far above the constant's, and steps too large to fit "
            "them",
        ),
        "probability": Limit(
            1.0,
            "root mean square of the targets of a binary cross-entropy",
            "They are probabilities.",
        ),
        "wasted": Limit(
            0.1,
            "of the iterations, before the loss is below the best constant's",
            "What is usual for a warm-up. Healthy nets with scaled targets begin below it, or are "
            "there within a few steps.",
        ),
        "left": Limit(0.1, "of the best constant's loss", "A late start did no lasting harm."),
        "input": Limit(
            30.0,
            "root mean square of the inputs",
            "initializations are made for 1; 255 / sqrt(3) is 147",
        ),
        "alike": Limit(
            0.999,
            "cosine of two examples' inputs, the mean",
            "what differs is 4 % of their length or so; images of 0 to 1 have .5 to .9",
        ),
        "feature": Limit(
            0.99,
            "of the square of what a layer reads",
            "in one feature: the answers of an initialization follow it alone, the others together "
            "give a tenth of their deviation",
        ),
    }

    def missing(self, run: Run) -> str | None:
        """Neither scale known is no fault of the record alone: say what would give it."""
        names = "target_rms", "input_rms"
        if any(column(run, each) is not None or _scale(run, each) for each in names):
            return None
        if largest_feature(run):
            return None
        return (
            "needs the scale of inputs or targets (input_rms, target_rms), which this record does "
            "not hold"
        )

    def judge(self, run: Run) -> Finding | None:
        """Judge the seeds that did not learn by the scale of their data."""
        states = outcomes(run)
        over = (LEARNED, SLOW) if by_link(run) else (LEARNED,)
        hits = Hits.of_seeds(state.state not in over for state in states)
        target, given = _scale(run, "target_rms"), _scale(run, "input_rms")
        allowed = self.limit("probability") if takes_probabilities(run) else self.limit("target")
        if target > allowed and regresses(run) and not by_link(run):
            late = wasted_share(run) >= self.limit("wasted")
            late &= np.array([not state.share <= self.limit("left") for state in states])
            hits = Hits(hits.mask | late[:, None])
        every = Hits(np.ones((run.replicates, 1), bool))
        if no_probabilities(run):  # the loss has no lower bound: that it falls says nothing
            return self._of_labels(run, every, target, BEYOND_0_AND_1, bring_to_probabilities)
        if no_signs(run):  # it falls to ln 2 for each 0, whatever is answered
            return self._of_labels(run, every, target, NO_SIGNS, bring_to_signs)
        if not hits.which:
            return None
        if target > allowed and (regresses(run) or takes_probabilities(run)):
            return self._finding(run, hits, "target", target, float(allowed))
        worse = all(states[seed].share > 1 for seed in hits.which)  # than the best constant
        if 0 < target < self.limit("small") and worse and regresses(run):
            return self._finding(run, hits, "target", target, float(self.limit("small")))
        nothing = all(states[seed].failed for seed in hits.which)
        if 0 < given < self.limit("small") and nothing:
            return self._finding(run, hits, "input", given, float(self.limit("small")))
        alike = alike_inputs(run, float(self.limit("alike"))) if nothing else None
        if alike is not None:
            return self._of_alike(run, hits, *alike)
        if given > self.limit("input"):
            return self._finding(run, hits, "input", given, float(self.limit("input")))
        feature = largest_feature(run)
        alone = feature.get("share", 0.0) >= self.limit("feature")
        if alone and feature["rms"] > self.limit("input"):
            return self._of_one_feature(run, hits, feature)
        return None

    def _of_labels(
        self, run: Run, hits: Hits, size: float, words: str, cure: Callable[[str], Remedy]
    ) -> Finding:
        evidence = (
            f"the targets' root mean square is {number(size)} and their mean "
            f"{number(_scale(run, 'target_mean'))}"
        )
        return self.finding(
            hits,
            Window(0, max(1, int(finite_prefix(run)[hits.which].max()))),
            layers=(),
            value=size,
            limit=float(self.limit("probability")),
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"{words.format(seeds(hits.replicates), evidence)}.",
            remedies=(cure(evidence),),
            columns=("grad_norm",),
            confidence="high",
            evidence=evidence,
        )

    def _of_alike(self, run: Run, hits: Hits, value: float, evidence: str) -> Finding:
        return self.finding(
            hits,
            Window(0, max(1, int(finite_prefix(run)[hits.which].max()))),
            layers=(),
            value=value,
            limit=float(self.limit("alike")),
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"The inputs hardly differ{seeds(hits.replicates)}: {evidence}; next to what "
            "all share, the first layer sees nothing of what tells one from another.",
            remedies=(standardize_inputs(run, evidence=evidence),),
            columns=("activation_rms",),
            confidence="high",
            evidence=evidence,
        )

    def _of_one_feature(self, run: Run, hits: Hits, feature: dict[str, Any]) -> Finding:
        value, others, of = feature["rms"], feature["others_rms"], int(feature["features"])
        which = f"feature {feature['feature']} of {of} in" if of > 1 else "the one feature in"
        beside = f", beside {number(others)} of the others" if of > 1 else ""
        evidence = f"{which} what {reader(run, feature)} reads has a root mean square of " + (
            number(value)
        )
        return self.finding(
            hits,
            Window(0, max(1, int(finite_prefix(run)[hits.which].max()))),
            layers=(),
            value=value,
            limit=float(self.limit("input")),
            severity=severity(run, hits.which, harmless=WARNING),
            message=f"An input is not scaled{seeds(hits.replicates)}: {evidence}{beside} (limit "
            f"{self.limit('input'):g}); the layer's answers follow it alone.",
            remedies=(standardize_inputs(run, evidence=evidence),),
            columns=("grad_norm", "activation_rms"),
            confidence="high",
            evidence=evidence,
        )

    def _finding(self, run: Run, hits: Hits, which: str, value: float, limit: float) -> Finding:
        mean = _scale(run, f"{which}_mean")
        told = f"a root mean square of {number(value)}" + (
            f" around a mean of {number(mean)}" if mean else ""
        )
        result = {
            "target": "the loss and every gradient have its scale, not the net's",
            "input": "the first layer's answers have their scale, not the initialization's",
        }[which]
        evidence = f"the {which}s' root mean square is {number(value)}"
        cure = standardize_target(run, evidence=evidence)
        if which == "input":
            cure = standardize_inputs(run, evidence=evidence)
        stop = int(finite_prefix(run)[hits.which].max())
        # What beats the best constant has overcome its targets' scale; inputs go on to slow it.
        beaten = which == "target" and learns(run)[hits.which].all()
        wasted = float(np.median(wasted_share(run)[hits.which])) if beaten else 0.0
        late = wasted >= self.limit("wasted")
        harmless = NOTE if beaten and not late else WARNING
        if late:
            result += f"; for {number(100 * wasted)} % of the run a constant answered better"
        return self.finding(
            hits,
            Window(0, max(1, stop)),
            layers=(),
            value=value,
            limit=limit,
            severity=WARNING
            if run.iterations == 1
            else severity(run, hits.which, harmless=harmless),
            message=f"The {which}s are not scaled{seeds(hits.replicates)}: {told} (limit "
            f"{limit:g}); {result}.",
            remedies=(cure,),
            columns=("grad_norm", "activation_rms"),
            confidence="high",
            evidence=evidence,
        )


def _scale(run: Run, name: str) -> float:
    """Return a scale of the data: of its column's first values, or of the configuration; 0 where it
    is not known.
    """
    values = column(run, name) if name in STEP_COLUMNS else None
    if values is not None:
        known = values[np.isfinite(values)]
        return float(np.median(known[:10]))
    given = run.config.get(name)
    return float(given) if isinstance(given, (int, float)) else 0.0
