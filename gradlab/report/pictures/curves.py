"""Columns of a run's steps as curves over the iterations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import Spec, linear_axis, share_ticks, title
from gradlab.report.pictures.draw import LATER, NEUTRAL, PREDICTED, RATE
from gradlab.run import Run

Array = np.ndarray

COLOURS = {  # of the small curves below the loss
    "learning rate": RATE,
    "loss scale": PREDICTED,
    "left by clipping": NEUTRAL,
    "accuracy": LATER,
    "score": LATER,
}
ROUNDING = 1e-5  # of a norm


@dataclass(frozen=True)
class Curve:
    """One quantity over some iterations: median and range over seeds."""

    times: Array
    over: series.Band


def curve(run: Run, column: str, *, finite: bool = False) -> Curve:
    """Return a column of the steps where it was recorded, or only where it is finite."""
    values = run.step(column)
    recorded = np.isfinite(values) if finite else run.step_recorded(column)
    times = np.flatnonzero(recorded.any(axis=1))  # a loop may log it now and then
    over = series.over_seeds(values[times], recorded[times], axis=1)
    return Curve(times, over)


def changing(run: Run, column: str) -> Curve:
    """Return a column; no iteration where it stays the same, which a line need not say."""
    found = curve(run, column, finite=True)
    median = found.over.median
    # Halves: the difference of numbers at both ends of what a float holds is none.
    if len(median) and median.max() / 2 - median.min() / 2 > 0.5e-9 * abs(median.max()):
        return found
    return _nothing()


def left_by_clipping(run: Run) -> Curve:
    """Return the gradient's norm after clipping over that before; nothing where none was clipped.

    Where an iteration was not clipped, all of it is left.
    """
    before, after = run.step("grad_norm"), run.step("clipped_grad_norm")
    with np.errstate(all="ignore"):
        left = after / before
    known = np.isfinite(left)
    if not known.any() or left[known].min() > 1 - ROUNDING:
        return _nothing()
    rows = np.flatnonzero(np.isfinite(before).any(axis=1))
    left = np.where(known, np.minimum(left, 1.0), 1.0)[rows]
    return Curve(rows, series.over_seeds(left, np.isfinite(before)[rows], axis=1))


def _nothing() -> Curve:
    return Curve(np.zeros(0, int), series.over_seeds(np.empty((0, 1)), np.empty((0, 1), bool), 1))


def small_axis(name: str, each: Curve) -> Spec:
    """Return the axis of a small curve without a title: the label at the line's end names it."""
    if name in ("accuracy", "left by clipping"):
        return {"title": title(""), "range": [-0.03, 1.03], **share_ticks()}
    powers = "none" if name == "loss scale" else "power"
    return linear_axis("", each.over.median) | {"nticks": 3, "exponentformat": powers}
