"""Axes that are taken for each other: examples for times, positions for classes."""

from __future__ import annotations

from gradlab.errors import is_number
from gradlab.rules.remedies import Remedy, remedy
from gradlab.run import Run

MIXED, EXCHANGE = "put examples first", "exchange axes"


def misread(run: Run) -> str:
    """Word that a view put the positions' numbers under the name of the classes; or ""."""
    given = run.config.get("criterion")
    before = given.get("misread_shape") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(before, list):
        return ""
    after = tuple(given.get("answer_shape") or ())
    return (
        f"answers of the shape {tuple(before)} are viewed as {after}, where {given.get('name')} "
        "takes axis 1 for the classes: a view exchanges no axes, it cuts the same row of numbers "
        "anew, and mixes classes with positions"
    )


def mixed_examples(run: Run) -> str:
    """Word which axes are taken for each other; empty where none are."""
    return misread(run) or _examples_for_times(run)


def _examples_for_times(run: Run) -> str:
    """Word that a layer reads examples where it takes times; empty where it does not.

    It was given (a, b, features) and takes a for the times. Where the criterion is given one answer
    for each of a examples, a are the examples: each one's answer hangs on those before it in the
    batch, which are drawn anew.
    """
    shape, given = run.config.get("sequence_shape"), run.config.get("criterion")
    answers = given.get("answer_shape") if isinstance(given, dict) else None
    if not isinstance(shape, list) or len(shape) != 2 or not all(is_number(n) for n in shape):
        return ""
    if not isinstance(answers, list) or not 1 <= len(answers) <= 2:
        return ""
    times, examples = shape
    if answers[0] != times or times == examples or examples < 2 or answers[-1] == examples:
        return ""  # an answer for each time and example is none for an example
    return (
        f"a layer with batch_first=False takes its input, {times} x {examples} x features, for "
        f"{times} times of {examples} examples, and the criterion has answers for {times} examples"
    )


def put_in_order(run: Run) -> Remedy:
    """Return the remedy for axes in another order."""
    if viewed := misread(run):
        return remedy(
            EXCHANGE,
            "exchange the axes, answers.transpose(1, 2), instead of view() or reshape()",
            evidence=viewed,
        )
    return remedy(
        MIXED,
        "make the layer with batch_first=True (nn.LSTM, nn.GRU, nn.MultiheadAttention, "
        "nn.TransformerEncoderLayer), or give it x.transpose(0, 1)",
        evidence=_examples_for_times(run),
    )
