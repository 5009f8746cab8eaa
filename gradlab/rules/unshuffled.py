"""Batches whose examples are more alike than those of different batches: nobody shuffled them."""

from __future__ import annotations

import numpy as np

from gradlab.rules.remedies import Remedy, remedy
from gradlab.rules.wording import number
from gradlab.rules.yardsticks import batch_size, column
from gradlab.run import Run

SHUFFLE = "shuffle"
LEAST = 16  # examples of a batch: of fewer, chance leaves out many classes
ALIKE = 0.5  # of the entropy, or of the variance, of all targets
BATCHES = 5  # whose means tell


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


def shuffle(evidence: str) -> Remedy:
    """Return the remedy for sorted data."""
    words = "shuffle the training examples: DataLoader(..., shuffle=True)"
    return remedy(SHUFFLE, words, evidence=evidence)


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
