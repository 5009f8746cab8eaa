"""One moment of every layer: the size of its update, its dead and saturated units, its activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures import series
from gradlab.report.pictures.draw import (
    LATER,
    MEASURED,
    NEUTRAL,
    PREDICTED,
    Spec,
    band,
    existing,
    layer_axis,
    layer_names,
    line,
    linear_axis,
    log_axis,
    marked,
    named,
    positive,
    spec,
    title,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import number
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

USUAL_UPDATE = (
    1e-3  # of the weights' own norm: where training goes well (CS231n, Neural Networks 3)
)
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
    for k, row in enumerate(info.rows):
        axis = "y" if k == 0 else f"y{k + 1}"
        data += [trace | {"yaxis": axis} for trace in row.draw(x, now[k])]
        top = 1 - k * (height + GAP)
        seen = [values for moment in info.moments.values() for values in moment[k]]
        layout[f"yaxis{axis[1:]}"] = row.axis(seen) | {"domain": [max(0.0, top - height), top]}
    lowest = f"y{len(info.rows)}" if len(info.rows) > 1 else "y"
    layout["xaxis"] = layer_axis(len(x), info.names) | {"anchor": lowest}
    parts = "; ".join(row.alt(values) for row, values in zip(info.rows, now, strict=True))
    figure = spec(data, f"By layer at iteration {info.iteration}: {parts}.", **layout)
    figure["frames"] = [_frame(time, info) for time in info.times]
    return named(figure, info.names)


def _frame(iteration: int, info: LayerStatisticsInfo) -> Spec:
    pairs = zip(info.rows, info.moments[iteration], strict=True)
    drawn = [trace for row, each in pairs for trace in row.draw(info.layers, each)]
    moving = ("y", "customdata")
    data = [{key: trace[key] for key in moving if key in trace} for trace in drawn]
    return {"name": str(iteration), "data": data}


class Row:
    """One of the pictures that share the axis of layers.

    Parameters
    ----------
    columns : tuple of str
        The statistics it is drawn from; those a run does not hold are left out.
    all_needed : bool
        Whether it is drawn only where the run holds all of them.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        draw: Callable[[Array, list[Array]], list[Spec]],
        axis: Callable[[list[Array]], Spec],
        alt: Callable[[list[Array]], str],
        *,
        all_needed: bool = False,
    ):
        self.columns, self.draw, self.axis, self.alt, self._all_needed = (
            columns,
            draw,
            axis,
            alt,
            all_needed,
        )

    def present(self, run: Run) -> bool:
        """Whether this run holds what is to be drawn."""
        return (all if self._all_needed else any)(name in run for name in self.columns)

    def read(self, run: Run, iteration: int) -> list[Array]:
        """Return median, smallest and largest value over seeds (L,) of each column; NaN where there is none."""
        read = []
        for name in self.columns:
            if name in run:
                over = series.layer_band(run, name, recorded_before(run, name, iteration))
                read += [over.median, over.low, over.high]
            else:
                read += [np.full(run.shape[2], np.nan)] * 3
        return read


def recorded_before(run: Run, column: str, iteration: int) -> int:
    """Return the last iteration up to this one at which a statistic was recorded; the first one where none was."""
    known = series.recorded_iterations(run, column)
    return int(known[max(int(np.searchsorted(known, iteration, side="right")) - 1, 0)])


def _draw_update(x: Array, values: list[Array]) -> list[Spec]:
    median, low, high = map(positive, values)
    hover = "layer %{x}: the update is %{y:.2g} of ‖W‖<extra></extra>"
    return [
        *band(x, low, high, MEASURED),
        line(x, median, MEASURED, get("update_ratio").title, hover, mode=marked(len(x))),
        line(x, np.full(len(x), USUAL_UPDATE), NEUTRAL, "usual: 10⁻³", "%{fullData.name}<extra></extra>",
             line={"dash": "dash", "width": 1.5}),
    ]  # fmt: skip


def _draw_units(x: Array, values: list[Array]) -> list[Spec]:
    hover = "layer %{x}: %{y:.0%}<extra>%{fullData.name}</extra>"
    dead, saturated = values[0], values[3]
    return [
        line(x, dead, PREDICTED, "dead units", hover, mode=marked(len(x))),
        line(
            x, saturated, LATER, "saturated units", hover, mode=marked(len(x)), line={"dash": "dot"}
        ),
    ]


def _draw_activations(x: Array, values: list[Array]) -> list[Spec]:
    mean, deviation = values[0], values[3]
    hover = "layer %{x}: mean %{y:.3g}, deviation %{customdata:.3g}<extra></extra>"
    with np.errstate(all="ignore"):
        low, high = mean - deviation, mean + deviation
    return [
        *band(x, low, high, MEASURED),
        line(x, mean, MEASURED, "activations: mean ± deviation", hover, mode=marked(len(x)), customdata=deviation,
             showlegend=False),
    ]  # fmt: skip


def _activation_axis(seen: list[Array]) -> Spec:
    """Hold mean ± deviation of every moment; `seen` is median, low, high of the mean, then of the deviation."""
    pairs = zip(seen[0::6], seen[3::6], strict=True)
    with np.errstate(all="ignore"):
        ends = [end for mean, deviation in pairs for end in (mean - deviation, mean + deviation)]
    return linear_axis("activations", np.concatenate(ends)) | {
        "exponentformat": "power",
        "nticks": 5,
    }


def _share(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return f"up to {finite.max():.0%}" if len(finite) else "not recorded"


def _span(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return (
        f"{number(float(finite.min()))} to {number(float(finite.max()))}"
        if len(finite)
        else "no finite number"
    )


ROWS = (
    Row(("update_ratio",), _draw_update, lambda seen: log_axis("update", [*seen, USUAL_UPDATE], ticks=3),
        lambda values: f"an update is {_span(values[0])} of the weights' norm"),
    Row(("dead_fraction", "saturated_fraction"), _draw_units,
        lambda seen: {"title": title("units"), "range": [-0.04, 1.04], "tickformat": ".0%", "tickvals": [0, 0.5, 1]},
        lambda values: f"dead units {_share(values[0])}, saturated units {_share(values[3])}"),
    Row(("activation_mean", "activation_std"), _draw_activations, _activation_axis,
        lambda values: f"mean activation {_span(values[0])}, deviation {_span(values[3])}", all_needed=True),
)  # fmt: skip


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
