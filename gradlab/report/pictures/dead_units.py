"""The share of dead and saturated units over the iterations, of the layers that have most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import layer_names, layer_word, share_ticks, time_axis, title
from gradlab.report.pictures.draw import (
    LINES,
    NEUTRAL,
    Spec,
    direct,
    end_labels,
    line,
    marked,
    spec,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

SHOWN = 4  # layers


@dataclass(frozen=True)
class UnitsInfo:
    """What the picture shows.

    Attributes
    ----------
    column : str
        "dead_fraction" or "saturated_fraction".
    times : ndarray of int (T,)
    shares : dict of str to ndarray (T,)
        A layer's name -> its share, the median over seeds: the layers with the largest ones.
    mean : ndarray (T,)
        The mean over all layers.
    """

    column: str
    times: Array
    shares: dict[str, Array]
    mean: Array


def collect(run: Run, column: str) -> UnitsInfo:
    """Collect the picture of one of the two statistics."""
    times = series.recorded_iterations(run, column)
    rows = np.searchsorted(run.times, times)
    over = series.over_seeds(run[column][rows], run.recorded(column)[rows], axis=1)
    median = over.median  # (T, L)
    largest = np.nan_to_num(median, nan=-1.0).max(axis=0)
    worst = np.argsort(-largest, kind="stable")[:SHOWN]
    worst = [int(layer) for layer in sorted(worst) if largest[layer] >= 0]
    names = layer_names(run)
    called = [layer_word(k + 1, names) for k in worst]
    known = ~np.isnan(median)
    sums = np.where(known, median, 0).sum(axis=1)
    count = known.sum(axis=1)
    mean = np.divide(sums, count, out=np.full(len(times), np.nan), where=count > 0)
    shares = {name: median[:, layer] for name, layer in zip(called, worst, strict=True)}
    return UnitsInfo(column, times, shares, mean)


def draw(info: UnitsInfo) -> Spec:
    """Draw the info."""
    hover = "iteration %{x}: %{y:.0%}<extra>%{fullData.name}</extra>"
    mode = marked(len(info.times))
    data = []
    ends = []
    for (name, share), colour in zip(info.shares.items(), LINES, strict=False):
        data.append(line(info.times, share, colour, name, hover, mode=mode))
        ends.append((_last(share), name, colour))
    mean = "mean of all layers"
    data.append(line(info.times, info.mean, NEUTRAL, mean, hover, line={"dash": "dash"}))
    ends.append((_last(info.mean), mean, NEUTRAL))
    what = "dead units" if info.column == "dead_fraction" else "saturated units"
    axis = {"title": title(what), "range": [-0.03, 1.05], **share_ticks(4)}
    labels = end_labels(ends, axis)
    last = int(info.times[-1]) if len(info.times) else 0
    most = {name: _last(share) for name, share in info.shares.items()}
    listed = ", ".join(f"{name} {share:.0%}" for name, share in most.items())
    return spec(
        data,
        f"Share of {what} at iteration {last}: {listed}.",
        xaxis=time_axis(last, edge=0.01 * max(last, 1)),
        yaxis=axis,
        annotations=labels,
        **direct(labels),
    )


def _last(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else float("nan")


def _make(scene: Scene) -> Spec | None:
    """Draw the statistic that a finding names, dead units before saturated ones."""
    run = scene.run
    for column in ("dead_fraction", "saturated_fraction"):
        named = column in scene.named_columns and column in run
        if named and run.recorded(column).any():
            return draw(collect(run, column))
    return None


PICTURES = (
    Picture(
        key="dead_units",
        title="Dead and saturated units over time",
        order=42,
        make=_make,
        marks=("time",),
        answers=("GL201", "GL202"),
        hint="The layers with the largest share, and the mean over all layers.",
        reading=(
            "<p>A unit that is dead or saturated passes no gradient back. A share that rises and "
            "stays: the units do not come back.</p><ul class='formula'>"
            f"<li>Dead: {get('dead_fraction').formula}</li>"
            f"<li>Saturated: {get('saturated_fraction').formula}</li></ul>"
        ),
    ),
)
