"""A classifier whose every target is the same class: there is nothing to learn about the inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlab.rules.remedies import Remedy, remedy
from gradlab.rules.wording import OF_LOSS
from gradlab.rules.yardsticks import column
from gradlab.run import Run

OF_CLASSES = ("cross_entropy", "nll_loss")
BETWEEN = ("log_softmax",)  # that may stand between the last layer and such a criterion
LEAST = 5  # measurements of the targets
NOTHING = 1e-9  # nats: rounding of a sum of terms -n ln(n / n)
CHECK_LABELS = "check labels"


def of_one_answer(criterion: Mapping) -> bool:
    """Whether a softmax is taken over a single number: it is 1, and its logarithm 0, whatever the
    net answers.
    """
    shape = criterion.get("answer_shape") or ()
    # (examples, classes, ...), or the classes of one example
    by_class = criterion.get("name") in OF_CLASSES
    return by_class and len(shape) > 0 and shape[min(1, len(shape) - 1)] == 1


def one_class(run: Run, seed: int, stop: int) -> bool:
    """Whether all targets that a criterion counts are one class, and the last layer answers it.

    The best constant's loss is 0 then: a bias is enough. Where something stands between the last
    layer and the criterion, as similarities to other examples, no constant may answer: the right
    one may be the first by design.
    """
    given, baseline = run.config.get("criterion"), column(run, "criterion_baseline")
    name = given.get("name") if isinstance(given, dict) else ""
    if name not in OF_CLASSES or baseline is None:
        return False
    stage = [each for each, _ in run.output_factors]
    if not stage or set(stage) - {f"{OF_LOSS}{name}", *BETWEEN}:
        return False
    if isinstance(given, dict) and of_one_answer(given):
        return False  # it is lost at the output, whatever the targets are (GL106)
    known = baseline[:stop, seed][np.isfinite(baseline[:stop, seed])]
    return len(known) >= LEAST and bool((np.abs(known) <= NOTHING).all())


def check_labels() -> Remedy:
    """Return the remedy for labels that became one."""
    words = (
        "count the labels that the criterion is given, y.unique(return_counts=True): labels that "
        "were scaled and then made integers are all 0, and so are weights of classes that were "
        "never counted"
    )
    return remedy(CHECK_LABELS, words, evidence="the best constant's loss is 0")
