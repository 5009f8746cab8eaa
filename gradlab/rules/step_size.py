"""How large the steps of a run are, and how much larger they would have to be to be usual ones."""

from __future__ import annotations

import math

import numpy as np

from gradlab.rules.yardsticks.facts import column
from gradlab.run import Run

USUAL = 1e-3  # of a layer's norm, in one step: healthy trainings move by about that (LeCun 1998)
LEAST, MOST = 10.0, 1e15
ADAPTIVE = ("adam", "adamw", "nadam", "radam", "adamax", "rmsprop", "adagrad", "lion", "adafactor")


def factor_to_usual(run: Run) -> float:
    """Return the power of ten by which the learning rate falls short; at least 10.

    A step is ||update|| / ||W||, in the middle layer and iteration. One that rounding has swallowed
    is told by what was meant: rate * ||G|| / ||W||, or rate / rms(W) for an optimizer that scales
    its gradients to about 1.
    """
    steps = np.fmax(_taken(run), _meant(run))
    known = steps[np.isfinite(steps) & (steps > 0)]
    if not len(known):
        return LEAST
    short = USUAL / float(np.median(known))
    if not short > 0:
        return LEAST
    return min(MOST, max(LEAST, 10.0 ** round(math.log10(min(short, MOST)))))


def beside_usual_weights(run: Run) -> np.ndarray:
    """Return ||W_after - W_before|| over ||W|| (T, S, L), or over LeCun's norm where larger.

    A head that starts at 0, or LoRA's B, is not moved by "too much" because it began with nothing:
    sqrt(fan_out) is the norm of a usual layer.
    """
    if "update_norm" not in run or "weight_norm" not in run:
        return run["update_ratio"]
    floor = np.nan_to_num(np.sqrt(run.layer("fan_out")))
    return run["update_norm"] / np.maximum(run["weight_norm"], floor)


def _taken(run: Run) -> np.ndarray:
    """Return the updates that were taken, by the weights' norm (T, S, L)."""
    if "update_ratio" not in run:
        return np.full(run.shape, np.nan)
    return np.where(run.recorded("update_ratio"), run["update_ratio"], np.nan)


def _meant(run: Run) -> np.ndarray:
    """Return the updates that were meant, by the weights' norm (T, S, L)."""
    rate = column(run, "learning_rate")
    if rate is None or "weight_norm" not in run or "grad_norm" not in run:
        return np.full(run.shape, np.nan)
    with np.errstate(all="ignore"):
        if str(run.config.get("optimizer")) in ADAPTIVE:
            entries = np.nan_to_num(run.layer("fan_in"), nan=1.0) * run.layer("fan_out")
            unit = np.sqrt(entries.astype(float)) / run["weight_norm"]
        else:
            unit = run["grad_norm"] / run["weight_norm"]
        return rate[:, :, None] * unit
