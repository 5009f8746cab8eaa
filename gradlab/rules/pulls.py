"""What pulls weights to 0, as a record shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.windows import WINDOW, elapsed, nanmedian
from gradlab.rules.yardsticks import column
from gradlab.run import Run

Array = np.ndarray

EARLIEST = 5  # rows, before any decay has acted
UNREACHED = 0.1  # of the largest layer's gradient
USUAL_L2 = 1e-3  # the largest decay that is usual in a gradient: 5e-4 in tutorials
HALF = 0.5


@dataclass(frozen=True)
class Pull:
    """What pulls weights to 0: its kind, which layers (L,), what is left of their norms, and how
    strong it is.
    """

    kind: str
    layers: Array
    left: float
    strength: float


def late(run: Run, name: str, rows: slice, seed: int) -> Array:
    """Return medians (L,) of a statistic over some rows of a seed; NaN if not recorded."""
    if name not in run:
        return np.full(run.shape[2], np.nan)
    return nanmedian(np.where(run.recorded(name), run[name], np.nan)[rows, seed])


def taken_by_decay(run: Run, seed: int, stop: int, decay: float) -> float:
    """Return what a decay alone leaves of a weight: (1 - rate x decay) each step."""
    rate = column(run, "learning_rate")
    mean = 0.0 if rate is None else float(np.nanmean(rate[:stop, seed]))
    return float(np.exp(-mean * decay * elapsed(run, stop)))


def left_of_norms(run: Run, seed: int, stop: int) -> Array:
    """Return how much of their norms at the start weights have at the end (L,)."""
    norm = np.where(run.recorded("weight_norm"), run["weight_norm"], np.nan)[:stop, seed]
    first, last = nanmedian(norm[:5]), nanmedian(norm[max(0, stop - WINDOW) :])
    with np.errstate(all="ignore"):
        return last / first


def never_reached(run: Run, seed: int, layers: Array, decay: float) -> bool:
    """Return whether a decay took what next to no gradient had reached from the start on.

    Where the gradient is largest it outweighs the decay, in the first iterations, before that has
    acted; of the layers that it took, half had less than a tenth of that gradient by then: what
    keeps the signal from them is the cause.
    """
    early = slice(1, EARLIEST)  # at the first step, answers that start alike may pass on nothing
    gradient = late(run, "grad_norm", early, seed)
    known = layers & np.isfinite(gradient)
    if not 0 < decay <= USUAL_L2 or not known.any() or not np.nanmax(gradient) > 0:
        return False
    largest = int(np.nanargmax(gradient))
    data = gradient[largest] > decay * late(run, "weight_norm", early, seed)[largest]
    without = gradient[known] < UNREACHED * gradient[largest]
    return bool(data and without.sum() >= HALF * known.sum())


def cosines(run: Run, seed: int, stop: int) -> tuple[Array, Array]:
    """Return cos(G, W) in the last window and at the start (L,)."""
    rows = slice(max(0, stop - WINDOW), stop), slice(0, 10)
    last, first = (late(run, "grad_weight_cosine", each, seed) for each in rows)
    return last, first
