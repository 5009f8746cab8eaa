"""The numbers that wait in the ledger, each with how parts of it make a whole.

An iteration may call a module several times, and several processes may each see a part of the
batch, or hold a shard of the parameters: `Number` says what joins their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradlab import measures

Array = np.ndarray
How = Callable[[Array, Array], Array]  # makes one number of those that several calls put in
Across = Literal["norm", "sum", "largest", "smallest", "mean"]


def summed(total: Array, values: Array) -> Array:
    """Add up what was put in several times: a sum over parts."""
    return total + values


def joined(total: Array, values: Array) -> Array:
    """Take the norm of the whole from the norms of its parts."""
    return np.hypot(total, values)


def latest(total: Array, values: Array) -> Array:
    """Take what was put in last."""
    return values


@dataclass(frozen=True)
class Number:
    """How the parts of a number make one.

    Attributes
    ----------
    calls : function
        What joins those of several calls in one process.
    processes : str
        What joins those of several processes: "norm" (the root of the sum of squares), "sum",
        "largest", "smallest", or "mean".
    of_loss : int
        The power of the loss that it grows with: the loss of a process is the mean over its part of
        the batch, and a GradScaler may have multiplied it.
    """

    calls: How
    processes: Across
    of_loss: int = 0


NORM = Number(joined, "norm")
SIGNAL = Number(joined, "norm", of_loss=1)
COUNT = Number(summed, "sum")
LATEST = Number(latest, "mean")
LARGEST = Number(latest, "largest")

TIME = "time_first", "time_last", "time_steps"  # the gradient along a sequence

OF_PARAMETERS: Mapping[str, Number] = {
    "grad_norm": Number(latest, "norm"),
    "after_norm": Number(latest, "norm"),
    "weight_norm": NORM,
    "update_norm": NORM,
    "update_inner": COUNT,
    "decrease": COUNT,
    "outside_norm": NORM,
    "weight_inner": COUNT,
    "lost": COUNT,
    "wanted": COUNT,
    "grad_max": LARGEST,
    "grad_bad": COUNT,
    "after_bad": COUNT,
    "unit_similarity": LARGEST,
    "moment_sum": COUNT,
    "moment_n": COUNT,
    "moment_scale": LARGEST,
}
OF_MODULES: Mapping[str, Number] = {
    "delta_norm": SIGNAL,
    "back_norm": SIGNAL,
    "product_norm": SIGNAL,
    "per_example": Number(summed, "sum", of_loss=1),
    "doubtful": Number(latest, "sum"),
    "delta_bad": COUNT,
    "z_bad": COUNT,
    "slope_norm": NORM,
    "slope_n": COUNT,
    "dead": Number(latest, "smallest"),  # a unit dead on the whole batch is dead on every part
    "saturated": LATEST,
    "read_norm": NORM,
    "read_deviation": NORM,
    "read_sum": COUNT,
    "read_squares": COUNT,
    "read_n": COUNT,
    "z_norm": NORM,
    "z_deviation": NORM,
    "z_sum": COUNT,
    "z_squares": COUNT,
    "z_n": COUNT,
    "time_first": SIGNAL,
    "time_last": SIGNAL,
    "time_steps": LARGEST,
}
OF_NET: Mapping[str, Number] = {
    "loss": Number(summed, "mean"),
    "learning_rate": LATEST,
    "scale": LATEST,
    "gradient_scale": LATEST,
    "validation_loss": LATEST,
    "validation_accuracy": LATEST,
    "score": LATEST,
    "examples": COUNT,
    "skipped_steps": LARGEST,
    "broke_forward": LARGEST,
    "nonfinite_buffers": LARGEST,
    "output_gain": LATEST,
    "evaluation_loss": LATEST,
    "evaluation_train_loss": LATEST,
    "criterion_loss": LATEST,
    "criterion_baseline": LATEST,
    "target_fit": LATEST,
    "right_share": LATEST,
    "input_square": LATEST,  # of several processes, the mean of the squares
    "target_rms": LATEST,
    "target_mean": LATEST,
}
OF_BLOCKS: Mapping[str, Number] = {
    "stream_norm": NORM,
    "stream_n": COUNT,
    "in_norm": SIGNAL,
    "out_norm": SIGNAL,
    "skip_norm": SIGNAL,
    "branch_norm": SIGNAL,
    "branch_inner": Number(summed, "sum", of_loss=2),
}
# Entries of each gradient by powers of two, as `gradlab.measures.power_histogram` counts them.
OF_HISTOGRAMS: Mapping[str, Number] = {f"bin{number}": COUNT for number in range(measures.BINS)}
TABLES = {
    "parameters": OF_PARAMETERS,
    "modules": OF_MODULES,
    "net": OF_NET,
    "blocks": OF_BLOCKS,
    "histograms": OF_HISTOGRAMS,
}
