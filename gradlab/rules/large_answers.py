"""Answers that are far too large before the first step, of weights that no module shows.

A net of bare parameters has no activations on record. Its criterion tells how large its answers are
at least, and the lengths of its weights whether these have made them so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.yardsticks import column
from gradlab.run import Run

Array = np.ndarray

# Of nn.init.calculate_gain, the largest usual gain: He's for relu.
USUAL = np.sqrt(2.0)


@dataclass(frozen=True)
class Answers:
    """How large answers are before the first step, by seed (S,), and what made them so.

    Attributes
    ----------
    growth : ndarray (S,)
        Their size over that of the inputs, and of the targets, if these are larger; and over 1.
    gains : ndarray (S, L)
        What each matrix multiplies a signal by that has no direction of its own.
    """

    growth: Array
    gains: Array


def large_answers(run: Run) -> Answers | None:
    """Return it from what the criterion came to at iteration 0; None where that does not tell.

    Cross-entropy is at most log C + 2 max |z|, binary cross-entropy of logits log 2 + max |z|, the
    root of a mean square rms(z) + rms(y), a mean distance mean |z| + rms(y).
    """
    given, seen = run.config.get("criterion"), column(run, "criterion_loss")
    if not isinstance(given, dict) or given.get("reduction") != "mean" or seen is None:
        return None
    if "weight_norm" not in run:
        return None
    loss, targets = np.maximum(seen[0], 0.0), _first(run, "target_rms")
    name = given.get("name")
    shape = given.get("answer_shape") or [2]
    classes = float(shape[1] if len(shape) > 1 else shape[-1])
    least = {
        "cross_entropy": (loss - np.log(max(classes, 2.0))) / 2,
        "binary_cross_entropy_with_logits": loss - np.log(2.0),
        "mse_loss": np.sqrt(loss) - targets,
        "l1_loss": loss - targets,
        "smooth_l1_loss": loss - targets,
    }.get(str(name))
    if least is None:
        return None
    beside = np.maximum(np.maximum(_first(run, "input_rms"), targets), 1.0)
    # Which way round a bare matrix is used is not known: the larger side gives the smaller gain.
    widest = np.fmax(run.layer("fan_in"), run.layer("fan_out"))
    gains = np.nan_to_num(run["weight_norm"][0] / np.sqrt(np.nan_to_num(widest, nan=np.inf)))
    return Answers(np.nan_to_num(least / beside, nan=0.0, posinf=0.0), gains)


def _first(run: Run, name: str) -> Array:
    """Return a column's values at iteration 0 (S,), 0 where they are not known."""
    values = column(run, name)
    return np.zeros(run.replicates) if values is None else np.nan_to_num(values[0])
