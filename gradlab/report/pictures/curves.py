"""Columns of a run's steps as curves over the iterations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.run import Run

Array = np.ndarray


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


def changing_rate(run: Run) -> Curve:
    """Return the learning rate; no iteration where it stays the same, which a line need not say."""
    rate = curve(run, "learning_rate", finite=True)
    median = rate.over.median
    if len(median) and median.max() - median.min() > 1e-9 * abs(median.max()):
        return rate
    return Curve(rate.times[:0], series.over_seeds(np.empty((0, 1)), np.empty((0, 1), bool), 1))
