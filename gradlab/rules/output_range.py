"""Whether the last operation before a regression's criterion can answer what the targets are."""

from __future__ import annotations

import numpy as np

from gradlab.rules.target_range import several_tasks
from gradlab.rules.wording import OF_LOSS, number
from gradlab.rules.yardsticks import column
from gradlab.run import Run

AT_MOST_1 = ("sigmoid", "tanh", "softmax")
NEVER_NEGATIVE = ("relu", "sigmoid", "softmax", "softplus")
GATES = ("relu", "clamp", "hardtanh")  # pass a gradient whole, or not at all
LEAST = 10  # measurements
CARRIES = 0.01  # what only moves numbers has a factor of 1
MOST_LOST = 0.5**0.5  # of the gradient's norm: less than half of its square


def out_of_reach(run: Run) -> str:
    """Word that the last operation cannot answer the targets; empty where it can.

    What never exceeds 1 cannot answer targets whose root mean square does; what is never negative
    none whose mean is. The operation must be the one right before the criterion.
    """
    criterion = run.config.get("criterion")
    name = criterion.get("name") if isinstance(criterion, dict) else criterion
    names = [each for each, _ in run.output_factors]
    if len(names) < 2 or names[-1] != f"{OF_LOSS}{name}" or several_tasks(run):
        return ""
    last = names[-2]
    size, mean = _middle(run, "target_rms"), _middle(run, "target_mean")
    if last in AT_MOST_1 and size > 1:
        return f"{last} answers at most 1, and the targets' root mean square is {number(size)}"
    if last in NEVER_NEGATIVE and mean < 0:
        return f"{last} answers nothing below 0, and the targets' mean is {number(mean)}"
    return ""


def shut_out(run: Run, seed: int) -> str:
    """Word that a seed's last operation ends by stopping most of what is left to learn; or "".

    Behind a relu what is answered with 0 gets no gradient. Where targets lie below 0, or units
    are silent, the largest errors are there: the answers come to 0, and the share that passes
    falls. Where the targets are never negative the answers of 0 are mostly right, and what is
    wrong passes.
    """
    gains = column(run, "output_gain")
    stage = [each for each in run.output_factors if OF_LOSS not in each[0]]
    names = [name for name, _ in stage]
    carries = all(abs(factor - 1) < CARRIES for _, factor in stage[:-1])  # as a reshape does
    if gains is None or not names or names[-1] not in GATES or not carries:
        return ""
    known = gains[:, seed][np.isfinite(gains[:, seed])]
    if len(known) < LEAST:
        return ""
    first, last = (float(np.median(part)) for part in (known[:5], known[len(known) // 2 :]))
    if last >= MOST_LOST or last >= first:
        return ""
    return (
        f"{names[-1]} stops {number(100 * (1 - last**2))} % of the squared gradient in the second "
        "half of the run: targets lie where it cannot answer"
    )


def _middle(run: Run, name: str) -> float:
    """Return the median of a column of steps; NaN where it was not recorded."""
    known = column(run, name)
    known = np.zeros(0) if known is None else known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else np.nan
