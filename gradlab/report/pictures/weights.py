"""How single weights move from where they started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import layer_names, layer_word, time_axis, title
from gradlab.report.pictures.draw import Spec, line, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import escape, number
from gradlab.run import Run

Array = np.ndarray

# Cividis at seven places, for lines; its ends, which vanish on one of the two backgrounds, are
# left out.
RAMP = ("#1f4d8c", "#45608f", "#667590", "#888886", "#a89c6f", "#c3a94f", "#d8b73a")
ARROWS = 6  # on each trajectory


@dataclass(frozen=True)
class Trajectory:
    """One weight w[row, column] of a layer (from 1): its first value, and its change over time."""

    layer: int
    row: int
    column: int
    start: float
    times: Array
    change: Array


@dataclass(frozen=True)
class WeightsInfo:
    """What the picture shows.

    Attributes
    ----------
    trajectories : list of Trajectory
    layers : int
        Of the whole net: they set the colours.
    last : int
        The last iteration at which weights were recorded.
    names : list of str
        Of the layers.
    """

    trajectories: list[Trajectory]
    layers: int
    last: int
    names: list[str]

    def moved(self) -> dict[int, float]:
        """Layer -> the largest change of a weight that is drawn."""
        largest: dict[int, float] = {}
        for each in self.trajectories:
            finite = each.change[np.isfinite(each.change)]
            most = float(np.abs(finite).max()) if len(finite) else 0.0
            largest[each.layer] = max(largest.get(each.layer, 0.0), most)
        return largest


def collect(run: Run, layers: Sequence[int] | None, lines: int, points: int) -> WeightsInfo:
    """Collect `gradlab.figures.weights`."""
    table = run.weights[run.weights["replicate"] == 0]
    if layers is not None:
        table = table[table["layer"].isin(list(layers))]
    groups = list(table.groupby(["layer", "row", "column"], sort=True))
    found = []
    for (layer, row, column), group in _spread(groups, lines):
        times = group["iteration"].to_numpy()
        value = group["value"].to_numpy(np.float64)
        change = np.where(np.isfinite(value), value, np.nan) - value[0]
        chosen = series.thin([change], points)
        found.append(
            Trajectory(
                int(layer), int(row), int(column), float(value[0]), times[chosen], change[chosen]
            )
        )
    last = int(table["iteration"].max()) if len(table) else 0
    return WeightsInfo(found, max(run.shape[2], 2), last, layer_names(run))


def draw(info: WeightsInfo) -> Spec:
    """Draw the info."""
    data = []
    for each in info.trajectories:
        name = f"{layer_word(each.layer, info.names)}, w[{each.row}, {each.column}]"
        began = f"{escape(name)} = {number(each.start)}"
        hover = f"{began} %{{y:+.3g}} at iteration %{{x}}<extra></extra>"
        colour = RAMP[round((len(RAMP) - 1) * (each.layer - 1) / (info.layers - 1))]
        place = {"layer": each.layer, "row": each.row, "column": each.column}
        style = {"line": {"width": 1.5}, "showlegend": False, "meta": place}
        data.append(line(each.times, each.change, colour, name, hover, **style))
        data.append(_arrows(each, colour, style | {"name": f"{name}, arrows"}))
    return spec(
        data,
        _alt(info),
        xaxis=time_axis(info.last),
        yaxis={"title": title("weight − its start"), "exponentformat": "power"},
        margin={"l": 64, "r": 12, "t": 8, "b": 44},
    )


def _alt(info: WeightsInfo) -> str:
    moved = info.moved()
    if not moved:
        return "No weight was followed."
    ends = sorted({min(moved), max(moved)})
    listed = ", ".join(
        f"{layer_word(layer, info.names)} by up to {number(moved[layer])}" for layer in ends
    )
    return f"Weights move: {listed}."


def _arrows(moved: Trajectory, colour: str, style: Spec) -> Spec:
    """Arrow heads on a trajectory, each turned the way the weight has just gone."""
    known = np.flatnonzero(np.isfinite(moved.change))
    few = known
    if len(known):
        few = known[np.unique(np.linspace(0, len(known) - 1, ARROWS + 1).round().astype(int))]
    heads = {"symbol": "arrow", "angleref": "previous", "size": 10, "color": colour}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": moved.times[few],
        "y": moved.change[few],
        "hoverinfo": "skip",
        "marker": heads,
        **style,
    }


def _spread(groups: list, limit: int) -> list:
    """Take at most `limit` weights.

    One of each layer in turn until there are enough, in the order of the layers.
    """
    by_layer: dict[int, list] = {}
    for key, group in groups:
        by_layer.setdefault(key[0], []).append((key, group))
    stacks = list(by_layer.values())
    if len(stacks) > limit:
        stacks = [
            stacks[k] for k in np.unique(np.linspace(0, len(stacks) - 1, limit).round().astype(int))
        ]
    taken = [
        stack[k]
        for k in range(max(map(len, stacks), default=0))
        for stack in stacks
        if k < len(stack)
    ][:limit]
    return sorted(taken, key=lambda item: item[0])


def _make(scene: Scene) -> Spec | None:
    if scene.whole.weights.empty:
        return None
    points = max(40, scene.detail.points // 3)
    return draw(collect(scene.whole, None, scene.detail.weights, points))


PICTURES = (
    Picture(
        key="weights",
        title="How far weights move",
        order=50,
        make=_make,
        marks=("time",),
        chooser=True,
        hint=(
            "Some single weights<span data-if='seeds'> of the first seed</span>, from where they "
            "started; arrows point the way they went. Dark lines: early layers, bright lines: late "
            "layers. A flat line is a weight that does not learn."
        ),
        reading=(
            "<p>Of many weights, a sample is followed, always the same for the same seed. Choose a "
            "layer above, or one weight: w[i, j] goes from unit i of the layer before to unit j."
            "</p><p class='formula'>w<sub>ij</sub><sup>(l)</sup>(t) − w<sub>ij</sub><sup>(l)</sup>"
            "(0), with W<sup>(l)</sup> (fan_in × fan_out)</p>"
        ),
    ),
)
