"""How a training ended: learned, slow or not learned.

Its accuracy; and its verdict as plain data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab.diagnosis.verdict import Diagnosis
from gradlab.rules import yardsticks
from gradlab.rules.windows import finite_prefix
from gradlab.rules.yardsticks import LEARNED, NOT_LEARNED, SLOW, UNKNOWN
from gradlab.run import Run

CLIPPED = 1 - 1e-5  # the norms before and after clipping are summed apart, in another order


def outcomes(run: Run) -> list[str]:
    """Say of each seed whether it "learned", is "slow", has "not learned", or is "unknown".

    See `gradlab.rules.yardsticks.outcomes`, by which rules judge too.
    """
    if run.iterations == 0:
        return [NOT_LEARNED] * run.replicates
    return [each.state for each in yardsticks.outcomes(run)]


def outcome(run: Run) -> str:
    """Return the outcome of most seeds; of a tie, the worse."""
    each = outcomes(run)
    return max((NOT_LEARNED, UNKNOWN, SLOW, LEARNED), key=each.count)


def accuracy(run: Run) -> list[float | None]:
    """Return each seed's last held-out accuracy; None where there is none or it ended in NaN."""
    if run.iterations == 0:
        return [None] * run.replicates
    values = run.step("validation_accuracy")
    ended = finite_prefix(run) < run.iterations
    result: list[float | None] = []
    for k in range(run.replicates):
        known = values[np.isfinite(values[:, k]), k]
        result.append(None if ended[k] or not len(known) else float(known[-1]))
    return result


def clipped(run: Run) -> float | None:
    """Return the share of updates whose gradient clipping made smaller; None if nothing clips."""
    before, after = run.step("grad_norm"), run.step("clipped_grad_norm")
    known = np.isfinite(before) & np.isfinite(after)
    return float((after[known] < before[known] * CLIPPED).mean()) if known.any() else None


def summary(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what `check --format json` and `compare --json` say of one run."""
    verdict, share = diagnosis.to_dict(), clipped(run)
    return {
        "name": run.name,
        "config": run.config,
        "ok": verdict["ok"],
        "outcome": outcome(run),
        "accuracy": accuracy(run),
        "findings": verdict["findings"],
        "statuses": verdict["statuses"],
        "reasons": verdict["reasons"],
        "remarks": verdict["remarks"],
        **({} if share is None else {"clipped": share}),
    }
