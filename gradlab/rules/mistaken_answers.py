"""What a criterion is given instead of what it asks for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from gradlab.rules.one_class import of_one_answer
from gradlab.rules.remedies import Remedy
from gradlab.rules.wording import number
from gradlab.rules.yardsticks import (
    AS_GOOD_AS_CONSTANT,
    SLOW,
    column,
    constant_level,
    given_probabilities,
    largest_entropy,
    of_no_logarithms,
    outcomes,
    over_other_axis,
    travelled,
    trend,
    window_size,
)
from gradlab.run import Run

OF_LOGITS = ("cross_entropy",)
TWICE = {
    "cross_entropy": ("softmax", "log_softmax", "sigmoid"),
    "binary_cross_entropy_with_logits": ("sigmoid",),
}
BY_HAND = {("softmax", "loss: logsumexp, subtract"), ("softmax", "loss: log_softmax")}
FLATTENS = ("softmax", "sigmoid")  # applied twice; a log_softmax of a log_softmax changes nothing
TIMID = (
    "the answers are right far more often than their probabilities say: something keeps them too "
    "small for a softmax"
)
AS_SURE_AS_RIGHT = 0.9  # of a constant's loss: what the same answers could have
FAR = 0.5  # of their length: weights that went so far had the time to make the answers larger


def criterion_of(run: Run) -> Mapping:
    """Return what the record says of its criterion."""
    given = run.config.get("criterion")
    return given if isinstance(given, dict) else {"name": given} if given else {}


def repeated_operation(run: Run) -> str:
    """Name the operation behind the last layer that the loss applies itself; empty where there is
    none.

    A usual criterion applies it wherever it stands; of a loss by hand the operations are known one
    by one: x - logsumexp(x) right behind a softmax, as Categorical(logits=...) makes it.
    """
    names = [name for name, _ in run.output_factors]
    twice = TWICE.get(str(criterion_of(run).get("name")), ())
    known = next((name for name in names if name in twice), "")
    pairs = itertools.pairwise(names)
    return known or next((name for name, after in pairs if (name, after) in BY_HAND), "")


def applied_by(run: Run) -> str:
    """Name what applies the repeated operation once more: the criterion, or a loss by hand."""
    return str(criterion_of(run).get("name") or "a loss that normalizes logits")


def mistaken(run: Run) -> str:
    """Word what the criterion is given instead of what it asks for; empty where it is right."""
    criterion, given = criterion_of(run).get("name"), given_probabilities(run)
    ends = [of_no_logarithms(run, seed) for seed in range(run.replicates)]
    if of_one_answer(criterion_of(run)):
        return (
            f"{criterion} is given one answer for each example: a softmax of one number is 1, "
            "whatever the number is, and the loss is 0"
        )
    if np.isfinite(ends).any() and not given:
        return (
            f"{criterion} takes the logarithms of probabilities, and is given numbers above 0: it "
            f"came to {number(float(np.nanmin(ends)))}"
        )
    if any(over_other_axis(run, seed) for seed in range(run.replicates)):
        return (
            f"{criterion} takes the logarithms of probabilities over the classes, and is given "
            "those over another axis: no row of answers adds up to 1, and the total of each class "
            "is the same whole number"
        )
    if repeated := repeated_operation(run):
        return f"{repeated} stands before {applied_by(run)}, which applies it itself"
    if given in OF_LOGITS:
        return f"{given} takes logits, and is given probabilities"
    if given:
        return f"{given} takes the logarithms of probabilities, and is given the probabilities"
    return ""


def timid_seeds(run: Run) -> list[int]:
    """Return the seeds whose answers know the targets, and cannot get large enough to say so.

    So many are right that their loss would be clearly below a constant's, if only they gave what
    they name as large a probability as they are often right. Nothing says that of weights that
    hardly moved, or of a loss that is on its way.
    """
    right, seen = column(run, "right_share"), column(run, "criterion_loss")
    if right is None or seen is None or criterion_of(run).get("name") not in OF_LOGITS:
        return []
    loss, far = column(run, "loss"), travelled(run)
    shape = criterion_of(run).get("answer_shape") or ()
    if len(shape) < 2 or shape[1] < 2:
        return []
    classes = int(shape[1])
    found = []
    for seed, state in enumerate(outcomes(run)):
        values = None if loss is None else trend(loss[:, seed], window_size(run))
        soon = AS_GOOD_AS_CONSTANT * constant_level(run, seed)
        falls = values is not None and values.falls_still and values.ahead < soon
        level = abs(state.share - 1) <= 1 - AS_GOOD_AS_CONSTANT  # above: sure of what is wrong
        stuck = state.failed or (state.state == SLOW and not falls)
        if not level or not stuck or not far[seed] >= FAR:
            continue
        known = np.flatnonzero(np.isfinite(right[:, seed]) & np.isfinite(seen[:, seed]))
        last = known[-max(1, len(known) // 4) :]
        often = float(np.median(right[last, seed])) if len(last) else 0.0
        loss_then = largest_entropy(max(often, 1 / classes), classes)
        if loss_then <= AS_SURE_AS_RIGHT * float(np.median(seen[last, seed])):
            found.append(seed)
    return found


def answer_remedies(run: Run) -> tuple[Remedy, ...]:
    """Return what gives the criterion what it asks for; nothing where that is not the fault."""
    given = given_probabilities(run)
    if of_one_answer(criterion_of(run)):
        words = (
            "use binary_cross_entropy_with_logits (nn.BCEWithLogitsLoss) with targets of 0 and 1, "
            "floats, or give the last layer an output for each class"
        )
        kind = {"criterion": "binary_cross_entropy_with_logits"}
        return (Remedy("use criterion on logits", words, kind, "it has one answer an example"),)
    if given and given not in OF_LOGITS:
        return (logarithm(given, "each row of answers adds up to 1"),)
    if any(np.isfinite(of_no_logarithms(run, seed)) for seed in range(run.replicates)):
        name = str(criterion_of(run).get("name"))
        return (logarithm(name, "the criterion came below 0"),)
    if any(over_other_axis(run, seed) for seed in range(run.replicates)):
        words = "take log_softmax over the classes' axis: dim=1 for (examples, classes)"
        evidence = "the totals of the classes are one whole number, those of the rows are not 1"
        return (Remedy("replace output operation", words, {"operation": "log_softmax"}, evidence),)
    if timid_seeds(run):
        words = (
            "make the answers larger: divide by the temperature instead of multiplying by it, or "
            "multiply them by a factor that is learned"
        )
        return (Remedy("scale answers", words, {}, "they are right more often than they are sure"),)
    return ()


def logarithm(criterion: str, evidence: str) -> Remedy:
    """Return the remedy that gives a criterion logarithms."""
    words = f"give {criterion} logarithms: log_softmax at the end of the model"
    return Remedy("replace output operation", words, {"operation": "log_softmax"}, evidence)
