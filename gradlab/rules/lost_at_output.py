"""GL106 lost-at-output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.mistaken_answers import (
    FLATTENS,
    TIMID,
    answer_remedies,
    criterion_of,
    mistaken,
    repeated_operation,
    timid_seeds,
)
from gradlab.rules.output_range import out_of_reach, shut_out
from gradlab.rules.remedies import Remedy
from gradlab.rules.windows import finite_prefix
from gradlab.rules.wording import OF_LOSS, number, seeds
from gradlab.rules.yardsticks import (
    LEARNED,
    SLOW,
    batch_size,
    column,
    given_probabilities,
    learned,
    outcomes,
    severity,
    worse_than_constant,
)
from gradlab.run import Run

Array = np.ndarray

# What it comes to for probabilities is no distance of two distributions, wherever it falls to.
OF_TWO = ("kl_div",)
STEADY = 1e-3  # of itself: half precision keeps three digits
FIRST = 3  # measurements: what is lost from one of them on is lost by construction


class LostAtOutput(Rule):
    """Lost at output (GL106).

    What it does
    ------------
    Looks at the stage between the last trainable layer and the loss. `output_gain` is the norm of
    the loss's gradient at the last layer's output over its norm at the criterion's input: what
    softmax, sigmoid, clamp, relu or log pass on. A gain below the limit in most of the iterations
    measured, in a seed that does not learn, is reported, unless what stands behind gives it back,
    as a logarithm does behind a softmax, or it is one and the same factor in a seed that learns,
    though slowly, as where the answers are divided by a constant; so is an operation that the loss
    applies itself and that stands before it once more (a note in a net that learns), a last
    operation whose range the targets lie out of (sigmoid for targets near 20), a criterion that
    takes logits or logarithms and is given answers that add up to 1 in each row (probabilities),
    one of logarithms that is given those of another axis than the classes' (of the examples, or of
    the times), one of logarithms of probabilities that comes below 0 (it was given logits), a relu
    or a clamp that comes to stop more than half of the squared gradient in a seed that has not
    learned, and logits that are mostly right and stay too small to be sure, as cosines times a
    temperature do.

    Why it is bad
    -------------
    Whatever is lost here is lost for every layer. A softmax over one unit is constant; a sigmoid
    far out is flat; a clamp passes nothing outside its range. Softmax before a cross-entropy that
    takes logits cannot get the loss of ten classes below 1.461. nll_loss of probabilities
    multiplies each gradient by the probability of what is right: next to nothing where it is needed
    most. A small gain alone is no fault: sigmoid before binary cross-entropy has .003 and learns,
    since the loss's own derivative makes up for it.

    Example
    -------
    model(x) ends in nn.Softmax(dim=1) over a single unit: every gradient is exactly 0, in every
    layer.

    What to try
    -----------
    Give the criterion what it asks for: logits to cross_entropy and
    binary_cross_entropy_with_logits. Take the relu, the clamp or the saturated sigmoid off the
    output.

    References
    ----------
    Bridle 1990 (softmax with cross-entropy); Goodfellow, Bengio, Courville 2016, section 6.2.2.
    """

    code = "GL106"
    whole = False
    name = "lost-at-output"
    summary = "the stage between the last layer and the loss passes almost nothing on"
    explains = (
        "GL101",
        "GL104",
        "GL201",
        "GL202",
        "GL301",
        "GL302",
        "GL305",
        "GL306",
        "GL309",
        "GL312",
        "GL402",
    )
    limits: ClassVar[Mapping[str, Limit]] = {
        "gain": Limit(
            0.1,
            "of the gradient's norm at the criterion's input",
            "plain logits have 1, sigmoid + binary cross-entropy .003 and softmax + log .05 while "
            "they learn: it is judged only where nothing is learned",
        ),
        "often": Limit(
            0.5, "of the iterations measured", "one saturated batch is no saturated output"
        ),
    }

    def missing(self, run: Run) -> str | None:
        """The output stage is needed; only a framework's adapter sees it."""
        if column(run, "output_gain") is not None or _cut_off(run) or mistaken(run):
            return None
        return (
            "needs output_gain, which this record does not hold: no operation was seen behind the "
            "last layer"
        )

    def judge(self, run: Run) -> Finding | None:
        """Judge the iterations at which the output stage was measured."""
        wrong, unreachable = mistaken(run), out_of_reach(run)
        passed = _passed(run)
        states = outcomes(run)
        gains = column(run, "output_gain")
        prefix = finite_prefix(run)
        values = np.full(run.replicates, np.nan)
        mask = np.zeros(run.shape[1:], bool)
        cut = _cut_off(run)
        for seed, stop in enumerate(prefix):
            known = np.array([]) if gains is None else gains[: int(stop), seed]
            # Where nothing passes in most iterations, gains are those of the few others.
            known = np.zeros(1) if cut else known[np.isfinite(known)]
            if not len(known):
                continue
            values[seed] = float(np.median(known))
            low = float((known < self.limit("gain")).mean()) >= self.limit("often")
            lost = low and not passed > self.limit("gain")
            harmless = states[seed].state == LEARNED
            if states[seed].state == SLOW:  # a constant factor of the answers is flat nowhere
                harmless = bool(np.ptp(known) < STEADY * np.median(known))
            mask[seed, -1] = lost and not harmless
        if wrong:  # whatever passes: the criterion measures something else
            senseless = given_probabilities(run) in OF_TWO
            mask[:, -1] |= np.array([senseless or state.state != LEARNED for state in states])
        if unreachable:
            mask[:, -1] |= np.array([state.failed for state in states])
        shut = [bool(shut_out(run, seed)) for seed in range(run.replicates)]
        # What knows its targets, and is worse than a constant, has not got far all the same.
        mask[:, -1] |= np.array(shut) & (~learned(run) | worse_than_constant(run))
        mask[timid_seeds(run), -1] = True
        harm = WARNING
        if not mask.any() and repeated_operation(run) in FLATTENS:
            mask[:, -1], harm = True, NOTE  # what is applied twice is a mistake, though it learns
        hits = Hits(mask)
        if not hits.which:
            return None
        value = (
            float(np.nanmedian(values[hits.which]))
            if np.isfinite(values[hits.which]).any()
            else np.nan
        )
        return self._finding(run, hits, value, states[hits.which[0]].evidence, harm)

    def _finding(self, run: Run, hits: Hits, value: float, evidence: str, harm: str) -> Finding:
        wrong = mistaken(run) or out_of_reach(run) or TIMID * bool(timid_seeds(run))
        wrong = wrong or shut_out(run, hits.which[0])
        since = 0 if wrong or _cut_off(run) else self._since(run, hits)
        stage = run.output_factors
        told = (
            " x ".join(
                f"{name} {number(each)}"
                for name, each in stage
                if np.isfinite(each) and OF_LOSS not in name
            )
            or "the operations between them"
        )
        criterion = str(criterion_of(run).get("name") or "the loss")
        start = wrong or f"almost nothing passes from {criterion} to the last layer"
        tail = (
            ""
            if not value < self.limit("gain")
            else f": {number(value)} of the gradient's norm is left ({told})"
        )
        return self.finding(
            hits,
            Window(since, int(finite_prefix(run)[hits.which].max())),
            severity=severity(run, hits.which, harmless=harm),
            value=value,
            limit=float(self.limit("gain")),
            message=f"The signal is lost at the output{seeds(hits.replicates)}: {start}{tail}; "
            f"{evidence}.",
            remedies=_remedies(run, stage),
            columns=("grad_norm",),
            confidence="high" if wrong or value == 0 else "medium",
            evidence=f"measured behind the last layer; {evidence}",
        )

    def _since(self, run: Run, hits: Hits) -> int:
        """Return the first row from which on little passes; 0 where it was so in one of the first
        measurements.
        """
        gains = column(run, "output_gain")
        if gains is None:
            return 0
        starts = []
        for seed in hits.which:
            rows = np.flatnonzero(np.isfinite(gains[:, seed]))
            high = rows[gains[rows, seed] >= self.limit("gain")]
            passes = len(rows) > FIRST and (gains[rows[:FIRST], seed] >= self.limit("gain")).all()
            starts.append(int(high[-1]) + 1 if passes and high[-1] < rows[-1] else 0)
        return min(starts, default=0)


def _passed(run: Run) -> float:
    """Return what an example's loss passes on to the last layer: 1 or so for logits; NaN if
    unknown.

    The product of all factors up to the loss, times sqrt(B), which undoes the mean over a batch: a
    logarithm behind a softmax gives back what the softmax took.
    """
    stage = run.output_factors
    if not stage:
        return np.nan
    factors = [factor for _, factor in stage]
    return float(np.prod(factors) * np.sqrt(max(1, batch_size(run))))


def _cut_off(run: Run) -> str:
    """Name the operation that passes exactly nothing on, mostly; empty where there is none.

    No gain can be measured then: it is 0 / 0 at the criterion.
    """
    return next((name for name, factor in run.output_factors if factor == 0), "")


def _remedies(run: Run, stage: Sequence[tuple[str, float]]) -> tuple[Remedy, ...]:
    repeated = repeated_operation(run)
    if instead := answer_remedies(run):
        return instead
    measured = [each for each in stage if np.isfinite(each[1])]
    blocking = min(measured, key=lambda each: each[1])[0] if measured else ""
    culprit = repeated or (stage[-2][0] if out_of_reach(run) else blocking)
    criterion = str(criterion_of(run).get("name") or "the loss")
    first = (
        f"remove {culprit} from the end of the model, and give {criterion} the last layer's output "
        "as it is"
    )
    if culprit in ("", "unknown"):
        first = (
            "look at what stands between the last layer and the loss: it must not be flat where "
            "the answers lie"
        )
    if culprit.startswith(OF_LOSS):
        first = (
            f"take {culprit.removeprefix(OF_LOSS)} out of the loss, or move its bounds: where the "
            "losses lie it is flat"
        )
    evidence = f"{culprit or 'the stage'} has the smallest factor"
    found = [Remedy("remove output operation", first, {"operation": culprit}, evidence)]
    if culprit == "sigmoid" and not repeated:
        words = (
            "use binary_cross_entropy_with_logits, whose derivative does not vanish where the "
            "sigmoid is flat"
        )
        found.append(
            Remedy(
                "use criterion on logits",
                words,
                {"criterion": "binary_cross_entropy_with_logits"},
                evidence,
            )
        )
    if culprit == "softmax" and not repeated:
        words = "for one unit use a sigmoid: a softmax over a single number is 1 whatever it is"
        found.append(Remedy("replace output operation", words, {"operation": "sigmoid"}, evidence))
    return tuple(found)
