"""Whether targets lie where their criterion asks for them."""

from __future__ import annotations

import numpy as np

from gradlab.rules.remedies import Remedy
from gradlab.rules.windows import losses
from gradlab.rules.yardsticks import above_constant, column
from gradlab.run import Run

Array = np.ndarray

BEYOND_0_AND_1 = (
    "The targets are no probabilities{}: {}, which numbers between 0 and 1 cannot have; beyond "
    "them a binary cross-entropy has no lower bound"
)
NO_SIGNS = (
    "The targets are no signs{}: {}, as of 0 and 1, where the criterion asks for -1 and 1: "
    "whatever the answer to a 0 is, its loss is the same"
)
OF_SIGNS = ("soft_margin_loss",)
BEYOND = 0.01  # of the mean: interpolated masks overshoot 0 and 1 by less


def several_tasks(run: Run) -> bool:
    """Whether the loss adds up several criteria: the targets' scale is that of the largest."""
    criterion = run.config.get("criterion")
    return isinstance(criterion, dict) and bool(criterion.get("tasks"))


def no_probabilities(run: Run) -> bool:
    """Whether the targets of a binary cross-entropy cannot all lie between 0 and 1.

    There t^2 <= t, so that their mean square is never above their mean. Outside the loss has no
    lower bound: it falls for ever, whatever is learned.
    """
    criterion = run.config.get("criterion")
    if not isinstance(criterion, dict) or several_tasks(run):
        return False
    if not str(criterion.get("name")).startswith("binary_cross"):
        return False
    size, mean = column(run, "target_rms"), column(run, "target_mean")
    if size is None or mean is None:
        return False
    both = np.isfinite(size) & np.isfinite(mean)
    if not both.any():
        return False
    size, mean = size[both], mean[both]
    return bool(np.median(size**2 - mean - BEYOND * np.abs(mean)) > 0)


def bring_to_probabilities(evidence: str) -> Remedy:
    """Return the remedy for labels of another code."""
    words = (
        "bring the targets to 0 and 1: divide a mask of 255 by 255, write (y + 1) / 2 for labels "
        "of -1 and 1; for targets that are no probabilities take mse_loss"
    )
    return Remedy("bring targets to 0 and 1", words, {}, evidence)


def takes_probabilities(run: Run) -> bool:
    """Whether targets must lie between 0 and 1."""
    criterion = run.config.get("criterion")
    if not isinstance(criterion, dict) or several_tasks(run):
        return False
    return str(criterion.get("name")).startswith("binary_cross")


def regresses(run: Run) -> bool:
    """Whether targets are numbers to be met, not classes."""
    criterion = run.config.get("criterion")
    if several_tasks(run):
        return True  # of classes no scale is recorded
    name = (
        criterion.get("name")
        if isinstance(criterion, dict)
        else criterion or run.config.get("loss") or ""
    )
    return "entropy" not in str(name) and str(name) not in ("nll_loss", "ctc_loss")


def by_link(run: Run) -> bool:
    """Whether the answers are logarithms of what the targets are compared with: targets near 1000
    ask for answers near 7.
    """
    criterion = run.config.get("criterion")
    if not isinstance(criterion, dict) or criterion.get("name") != "poisson_nll_loss":
        return False
    behind = [name for name, _ in run.output_factors]
    return not several_tasks(run) and (criterion.get("log_input", True) or "exp" in behind)


def no_signs(run: Run) -> bool:
    """Whether a criterion of signs is given targets of 0 and 1: t^2 = t, and some are not 1."""
    criterion = run.config.get("criterion")
    if not isinstance(criterion, dict) or criterion.get("name") not in OF_SIGNS:
        return False
    if several_tasks(run):
        return False
    size, mean = column(run, "target_rms"), column(run, "target_mean")
    if size is None or mean is None:
        return False
    both = np.isfinite(size) & np.isfinite(mean)
    if not both.any():
        return False
    square, middle = np.median(size[both] ** 2), np.median(mean[both])
    return bool(abs(square - middle) < BEYOND and middle < 1 - BEYOND)


def bring_to_signs(evidence: str) -> Remedy:
    """Return the remedy for labels of 0 and 1 where signs are asked for."""
    words = "bring the targets to -1 and 1, 2 * y - 1; or take BCEWithLogitsLoss for 0 and 1"
    return Remedy("bring targets to -1 and 1", words, {}, evidence)


def wasted_share(run: Run) -> Array:
    """Return the share of the run before each seed first answered better than a constant (S,).

    What rises above the constant's loss again is no matter of the start.
    """
    result = np.zeros(run.replicates)
    for seed in range(run.replicates):
        above = above_constant(run, seed)
        if not len(above) and several_tasks(run):
            above = _above_deviation(run, seed)
        if len(above):
            result[seed] = 1.0 if above.all() else float(above.argmin()) / len(above)
    return result


def _above_deviation(run: Run, seed: int) -> Array:
    """Return where a loss of several criteria stood above what a constant answer to the largest
    targets costs at most, one for each iteration; empty where nothing tells.

    Their mean costs the square of their deviation by mse_loss, and no more than the deviation by
    the others. A task whose weight is below 1 costs less: then it is not seen.
    """
    size, mean = column(run, "target_rms"), column(run, "target_mean")
    if size is None or mean is None or not run.step_recorded("loss").any():
        return np.zeros(0, bool)
    variance = (size[:, seed] ** 2 - mean[:, seed] ** 2)[np.isfinite(size[:, seed])]
    if not len(variance):
        return np.zeros(0, bool)
    level = float(np.median(variance))
    if "mse_loss" not in run.config["criterion"]["tasks"]:
        level = max(level, 0.0) ** 0.5
    padded = np.pad(losses(run)[:, seed], 5, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=-1) >= level
