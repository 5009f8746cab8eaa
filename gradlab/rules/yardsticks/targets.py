"""What the targets tell: whether batches hold examples of one kind, and whether targets move."""

from __future__ import annotations

import numpy as np

from gradlab.rules.wording import number
from gradlab.rules.yardsticks.facts import batch_size, column
from gradlab.rules.yardsticks.trends import NO_FALL, SIGNIFICANT, trend
from gradlab.run import Run

LEAST = 16  # examples of a batch: of fewer, chance leaves out many classes
ALIKE = 0.5  # of the entropy, or of the variance, of all targets
BATCHES = 5  # whose means tell
MEANS = 12  # at least so many, before they can tell a drift


def alike_within_batches(run: Run, seed: int, stop: int) -> str:
    """Word that a batch holds examples of one kind, and the next one others; empty where it does
    not, or where nothing tells.

    The best constant's cross-entropy over the first batch is its classes' entropy, and at the end
    that of all: of batches drawn by chance both are nearly the same. Numbers are compared by the
    scatter of the batches' means and the deviation within a batch.
    """
    if batch_size(run) < LEAST:
        return ""
    given = run.config.get("criterion")
    name = given.get("name") if isinstance(given, dict) else given
    if name in ("cross_entropy", "nll_loss"):
        return _of_classes(run, seed, stop)
    return _of_numbers(run, seed, stop)


def drift(run: Run, seed: int, stop: int) -> str:
    """Word how the targets' mean moved over the training; empty where it stayed, or where sorted
    examples move it.

    Answers that decide which targets are seen next, as a bandit's choices do, leave no constant
    that fits all of them. Measured, in standard errors: bandits 3.6 to 5.9, the targets of value
    nets 7 and more, other trainings below 3.
    """
    mean = column(run, "target_mean")
    if mean is None or alike_within_batches(run, seed, stop):
        return ""
    known = mean[:stop, seed][np.isfinite(mean[:stop, seed])]
    found = trend(known, len(known) // 4) if len(known) >= MEANS else None
    if found is None:
        return ""
    if not abs(found.fall) > max(SIGNIFICANT * found.error, NO_FALL * found.scatter):
        return ""
    return f"the targets move: their mean went from {number(found.first)} to {number(found.last)}"


def _of_classes(run: Run, seed: int, stop: int) -> str:
    entropy = column(run, "criterion_baseline")
    if entropy is None:
        return ""
    known = entropy[:stop, seed]
    known = known[np.isfinite(known)]
    if not len(known) or not np.isfinite(entropy[0, seed]):
        return ""
    first, last = float(known[0]), float(known[-1])
    if not 0 <= first < ALIKE * last:
        return ""
    return (
        f"the classes of the first batch have an entropy of {number(first)}, those of all batches "
        f"one of {number(last)}"
    )


def _of_numbers(run: Run, seed: int, stop: int) -> str:
    size, mean = column(run, "target_rms"), column(run, "target_mean")
    if size is None or mean is None:
        return ""
    both = np.isfinite(size[:stop, seed]) & np.isfinite(mean[:stop, seed])
    means, sizes = mean[:stop, seed][both], size[:stop, seed][both]
    if len(means) < BATCHES:
        return ""
    within = float(np.sqrt(np.median(np.maximum(sizes**2 - means**2, 0))))
    # of a normal distribution the median distance to the middle is 0.674 deviations
    between = float(np.median(np.abs(means - np.median(means)))) / 0.674
    if not between**2 > ALIKE * (within**2 + between**2):
        return ""
    return (
        f"the targets deviate by {number(within)} within a batch, and the batches' means by "
        f"{number(between)}"
    )
