"""One moment of every layer.

The size of its update, its dead and saturated units, its activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures.axes import layer_axis, layer_names
from gradlab.report.pictures.draw import (
    APART,
    Spec,
    direct,
    end_labels,
    ends_of,
    existing,
    named,
    spec,
)
from gradlab.report.pictures.layer_rows import ROWS, Row
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

SHORTER = {get("update_ratio").title: "update", "activations: mean ± deviation": "mean ± deviation"}
GAP = 0.09  # between two rows, of the picture's height


@dataclass(frozen=True)
class LayerStatisticsInfo:
    """What the picture shows.

    Attributes
    ----------
    iteration : int
        The one drawn.
    times : list of int
        The iterations of the replay.
    rows : list of Row
        The pictures above each other.
    moments : dict of int to list of list of ndarray
        Iteration -> for each row what it draws, each (L,).
    names : list of str
        Of the layers.
    """

    iteration: int
    times: list[int]
    rows: list[Row]
    moments: dict[int, list[list[Array]]]
    names: list[str]

    @property
    def layers(self) -> Array:
        """The layers' numbers, from 1."""
        return np.arange(1, len(self.moments[self.iteration][0][0]) + 1)


def collect(run: Run, iteration: int, times: Sequence[int] = ()) -> LayerStatisticsInfo:
    """Collect `gradlab.figures.layer_statistics`.

    Raises
    ------
    ArgumentError
        The run does not have this iteration, or holds none of these statistics.
    """
    rows = [row for row in ROWS if row.present(run)]
    if not rows:
        raise ArgumentError(
            f"run {run.name!r} holds no update ratio, no dead fraction and no activations to draw"
        )
    iteration = existing(run, rows[0].columns[0], iteration)
    wanted = {iteration, *map(int, times)}
    moments = {time: [row.read(run, time) for row in rows] for time in wanted}
    return LayerStatisticsInfo(
        iteration, [int(time) for time in times], rows, moments, layer_names(run)
    )


def draw(info: LayerStatisticsInfo) -> Spec:
    """Draw the info; the iterations of the replay become frames."""
    x = info.layers
    now = info.moments[info.iteration]
    height = (1 - GAP * (len(info.rows) - 1)) / len(info.rows)
    data = []
    layout = {}
    labels: list[Spec] = []
    for k, row in enumerate(info.rows):
        axis = "y" if k == 0 else f"y{k + 1}"
        drawn = row.draw(x, now[k])
        data += [trace | {"yaxis": axis} for trace in drawn]
        top = 1 - k * (height + GAP)
        seen = [values for moment in info.moments.values() for values in moment[k]]
        scale = row.axis(seen) | {"domain": [max(0.0, top - height), top]}
        layout[f"yaxis{axis[1:]}"] = scale
        labels += end_labels(ends_of(drawn, SHORTER), scale, axis, APART * len(info.rows))
    lowest = f"y{len(info.rows)}" if len(info.rows) > 1 else "y"
    layout["xaxis"] = layer_axis(len(x), info.names) | {"anchor": lowest}
    parts = "; ".join(row.alt(values) for row, values in zip(info.rows, now, strict=True))
    said = f"By layer at iteration {info.iteration}: {parts}."
    figure = spec(data, said, annotations=labels, **layout, **direct(labels))
    figure["frames"] = [_frame(time, info) for time in info.times]
    return named(figure, info.names)


def _frame(iteration: int, info: LayerStatisticsInfo) -> Spec:
    pairs = zip(info.rows, info.moments[iteration], strict=True)
    drawn = [trace for row, each in pairs for trace in row.draw(info.layers, each)]
    moving = ("y", "customdata")
    data = [{key: trace[key] for key in moving if key in trace} for trace in drawn]
    return {"name": str(iteration), "data": data}


def _make(scene: Scene) -> Spec | None:
    if not any(row.present(scene.run) for row in ROWS):
        return None
    return draw(collect(scene.run, 0, scene.times))


PICTURES = (
    Picture(
        key="layers",
        title="Updates and units by layer",
        order=40,
        make=_make,
        shape="loss",
        marks=("layer",),
        answers=("GL3", "GL2"),
        hint=(
            "<span data-if='steps'>Update: how far one update moves a layer's weights, relative to "
            "their size. </span><span data-if='units'>Units: how many are dead (slope 0 on "
            "every example) or saturated (slope near 0). </span><span data-if='activations'>"
            "Activations: mean ± standard deviation.</span>"
        ),
        reading=(
            "<p>An update of about a thousandth of the weights is usual. Far below it, a layer "
            "hardly learns; far above it, an update overwrites what was learned. Dead and "
            "saturated units pass no gradient back. A band that widens or narrows from layer to "
            "layer is a forward signal that grows or shrinks. With several seeds, medians.</p>"
            "<ul class='formula'><li>Update: ‖W<sub>after</sub> − W<sub>before</sub>‖ / "
            "‖W<sub>before</sub>‖</li><li>Dead: units with φ′(z) = 0 on every example of the "
            "batch</li><li>Saturated: entries with |φ′(z)| below 1 % of its maximum</li><li>Band: "
            "mean ± standard deviation of φ(z) over the batch and the units</li></ul>"
        ),
    ),
)
