"""Whether answers know more of their targets than a constant does, apart from the loss."""

from __future__ import annotations

import numpy as np

from gradlab.rules.yardsticks.facts import column
from gradlab.rules.yardsticks.trends import SIGNIFICANT
from gradlab.run import Run

Array = np.ndarray

LOOKED_AT = 256  # answers of a batch at most, see `right_share`
STEPS = 60  # of the bisection: beyond the precision of a float
FITS_SEEN = 3  # values that must all be so
# Of the criterion by other examples' targets: no more than chance. Measured: nets that learned
# little .978 at most, those that learned nothing .995 to 1.005.
FITS_ALL_ALIKE = 0.985


def largest_entropy(share: float, classes: int) -> float:
    """Return the entropy (nats) of one class of a share and the rest spread evenly.

    h(f) = -f ln f - (1 - f) ln((1 - f) / (C - 1)): the largest of all frequencies with a class of
    share f. It is also the cross-entropy of answers of which f are right, and which give what they
    name a probability of f.
    """
    rest = 1 - share
    named = share * np.log(share) if share > 0 else 0.0
    return float(-named - (rest * np.log(rest / (classes - 1)) if rest > 0 else 0.0))


def most_frequent(entropy: float, classes: int) -> float:
    """Return how frequent a class can be at most, where the frequencies have this entropy (nats).

    `largest_entropy` falls from f = 1/C on, to 0 at f = 1.
    """
    low, high = 1 / classes, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        above = largest_entropy(middle, classes) >= entropy
        low, high = (middle, high) if above else (low, middle)
    return high


def right_beyond_constant(run: Run, seed: int, stop: int, constant: float) -> str:
    """Word that more of a seed's last answers are right than of a constant's, beyond chance; ""
    where they are not, or nothing tells.

    Parameters
    ----------
    constant : float
        The best constant answer's cross-entropy: the entropy of the classes' frequencies.
    """
    right, given = column(run, "right_share"), run.config.get("criterion")
    if right is None or not isinstance(given, dict) or given.get("name") != "cross_entropy":
        return ""
    shape = given.get("answer_shape") or ()
    if len(shape) < 2 or shape[1] < 2:
        return ""
    known = right[:stop, seed][np.isfinite(right[:stop, seed])]
    last = known[-max(1, len(known) // 4) :]
    if not len(last):
        return ""
    best = most_frequent(constant, int(shape[1]))
    answers = len(last) * min(int(shape[0]), LOOKED_AT)
    share = float(last.mean())
    # The share of n answers, each right with probability f, has the deviation sqrt(f (1 - f) / n).
    if share - best <= SIGNIFICANT * np.sqrt(max(best * (1 - best), 1 / answers) / answers):
        return ""
    return f"{share:.2g} of its answers are right, and {best:.2g} of a constant's at most"


def fits_of_own(run: Run, seed: int, stop: int) -> Array:
    """Return the criterion over that of the same answers and other examples' targets, as measured.

    A net that knows nothing has 1.
    """
    fit = column(run, "target_fit")
    return np.array([]) if fit is None else fit[:stop, seed][np.isfinite(fit[:stop, seed])]


def latest_fits(fits: Array) -> Array:
    """Return the last quarter of such values, or the last `FITS_SEEN`."""
    return fits[-max(FITS_SEEN, len(fits) // 4) :]


def fits_all_alike(fits: Array) -> bool:
    """Whether the last answers fit other examples' targets as well as their own.

    Both are looked at in the same batch: so it is told where the batches' losses scatter too much
    to tell their mean from a constant's.
    """
    last = latest_fits(fits)
    return len(last) >= FITS_SEEN and float(np.median(last)) > FITS_ALL_ALIKE
