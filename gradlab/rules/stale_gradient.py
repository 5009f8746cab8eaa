"""GL104 stale-gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.errors import is_number
from gradlab.rules.base import Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import empty_gradients, remedy
from gradlab.rules.windows import nanmedian, worst_window
from gradlab.rules.wording import are_hit, number, seeds
from gradlab.rules.yardsticks import severity
from gradlab.run import Run

SEEN, LEAST_STEPS = 0.5, 3  # of the steps looked at, and how many at least


class StaleGradient(Rule):
    """Stale gradient (GL104).

    What it does
    ------------
    The gradient of a batch's mean loss is a mean of single examples' gradients, so that its norm is
    at most the mean of theirs: ||G|| <= p, always. Fires where the median of ||G|| / p over 50
    iterations is above 1.1 in half of the layers (an error where nothing is learned): such a
    gradient holds more than this batch's loss. Layers whose quotient is that large at the first
    measurement already, or whose gradient points along the weights, are not judged. Where PyTorch's
    gradients themselves were seen to be left over at most steps, nothing else is asked.

    Why it is bad
    -------------
    Nobody emptied it. PyTorch adds to what `.grad` holds; without zero_grad each step repeats all
    steps before, which is momentum without any forgetting: the weights swing farther and farther.

    Example
    -------
    A loop without optimizer.zero_grad(): the gradient's norm grows with every iteration, while each
    example's stays.

    What to try
    -----------
    Call optimizer.zero_grad() once an iteration, before backward or after step. A penalty that was
    added to the loss can show the same: use the optimizer's weight_decay.

    References
    ----------
    The triangle inequality; PyTorch's documentation of Optimizer.zero_grad.
    """

    code = "GL104"
    whole = False
    name = "stale-gradient"
    summary = "a gradient larger than its batch can make it: old ones were not emptied"
    needs = ("per_example_grad_norm", "grad_norm")
    limits: ClassVar = {
        "warn": Limit(
            1.1,
            "times what the batch can make, ||G|| / p",
            "The triangle inequality: rounding apart, the quotient is at most 1.",
        ),
        "alarm": Limit(
            2.0,
            "times what the batch can make, ||G|| / p",
            "At least as much is left of older gradients as the batch can make.",
        ),
        "least": Limit(3, "records", "One batch decides nothing."),
        "along": Limit(
            0.5,
            "cosine of gradient and weights",
            "A penalty's gradient is the weights themselves; the data's meets them at 1/sqrt(n).",
        ),
    }
    explains = (
        "GL001",
        "GL101",
        "GL102",
        "GL103",
        "GL106",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL302",
        "GL303",
        "GL304",
        "GL305",
        "GL401",
        "GL402",
        "GL403",
        "GL405",
    )

    def missing(self, run: Run) -> str | None:
        """Gradients that were seen to be never emptied need no statistic beside."""
        return None if _never_emptied(run) else super().missing(run)

    def is_cause(self, finding: Finding) -> bool:
        """Whether the gradients themselves were seen to be never emptied."""
        return finding.confidence == "high"

    def judge(self, run: Run) -> Finding | None:
        """Judge the worst window, or what was seen of the gradients themselves."""
        seen = _never_emptied(run)
        if seen:
            return self._seen(run, *seen)
        with np.errstate(all="ignore"):
            ratio = run["grad_norm"] / run["per_example_grad_norm"]
        ratio = np.where(np.isfinite(ratio) & ~self._unclear(run, ratio), ratio, np.nan)
        if np.isfinite(ratio).any(axis=(1, 2)).sum() < self.limit("least"):
            return None
        found = worst_window(run, ratio, self.limit("warn"), self.limit("alarm"))
        if found is None:
            return None
        layer, value = found.worst
        # Nobody forgets some layers alone: where few are hit, or one of several, p is more likely
        # incomplete (a weight that is read elsewhere too, an answer that is multiplied).
        known = np.isfinite(ratio).any(axis=(0, 1)).sum()
        if len(found.layers) < max(known / 2, min(known, 2)):
            return None
        return self.finding(
            found.hits,
            found.since,
            severity=severity(run, found.hits.which),
            layers=found.layers,
            value=value,
            limit=found.limit,
            message=f"The gradient of layer {layer} is {number(value)} times as large as its batch "
            f"can make it{seeds(found.hits.replicates)} (||G|| against the mean norm of single "
            f"examples' gradients, limit {number(found.limit)}): it holds older ones; "
            f"{are_hit(found.layers)}.",
            remedies=(
                empty_gradients(run),
                remedy(
                    "use weight decay",
                    "if a penalty was added to the loss, use the optimizer's weight_decay instead",
                ),
            ),
            columns=("grad_norm", "per_example_grad_norm"),
        )

    def _unclear(self, run: Run, ratio: np.ndarray) -> np.ndarray:
        """Where a large quotient says nothing of older gradients (T, S, L).

        Either p misses a part of what makes the gradient: then the quotient is too large at the
        first measurement already, where nothing older is there. Or a penalty in the loss adds a
        gradient that no example has: then it points along the weights.
        """
        first = np.isfinite(ratio).argmax(axis=0)[None]
        begun = np.take_along_axis(ratio, first, axis=0) > self.limit("warn")
        unclear = np.broadcast_to(begun, ratio.shape)
        if "grad_weight_cosine" not in run:
            return unclear
        along = nanmedian(run["grad_weight_cosine"]) > self.limit("along")
        return unclear | along

    def _seen(self, run: Run, count: int, of: int) -> Finding:
        """Report gradients that were written to by backward passes and never emptied."""
        hits = Hits(np.ones((run.replicates, 1), bool))
        evidence = (
            f"the same tensor, written to by backward alone, at {count} of {of} steps looked at"
        )
        return self.finding(
            hits,
            Window(0, run.iterations),
            severity=severity(run, hits.which),
            layers=(),
            value=count / of,
            limit=SEEN,
            message=f"Gradients are not emptied between steps: {evidence}. Each step follows the "
            "sum of all gradients so far.",
            remedies=(empty_gradients(run, evidence=evidence),),
            columns=("grad_norm", "per_example_grad_norm"),
            confidence="high",
            evidence=evidence,
        )


def _never_emptied(run: Run) -> tuple[int, int] | None:
    """Return at how many steps, of how many looked at, gradients were found to be left over."""
    noted = run.provenance.get("stale_gradients")
    if not isinstance(noted, dict):
        return None
    count, of = noted.get("count", 0), noted.get("of", 0)
    if not (is_number(count) and is_number(of)):
        return None
    return (count, of) if of >= LEAST_STEPS and count > SEEN * of else None
