"""A layer that takes the examples of a batch for the times of a sequence."""

from __future__ import annotations

from gradlab.errors import is_number
from gradlab.rules.remedies import Remedy, remedy
from gradlab.run import Run

MIXED = "put examples first"


def mixed_examples(run: Run) -> str:
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


def put_examples_first(evidence: str) -> Remedy:
    """Return the remedy for axes in another order."""
    words = (
        "make the layer with batch_first=True (nn.LSTM, nn.GRU, nn.MultiheadAttention, "
        "nn.TransformerEncoderLayer), or give it x.transpose(0, 1)"
    )
    return remedy(MIXED, words, evidence=evidence)
