"""A statistic by block and role: what 99 layers of a transformer look like at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import block_grid, series
from gradlab.report.pictures.axes import elided
from gradlab.report.pictures.colours import COLOURS, colour_bar, limits
from gradlab.report.pictures.draw import BROKEN, NEUTRAL, Spec, spec
from gradlab.report.pictures.heatmap import columns
from gradlab.report.pictures.layer_rows import recorded_before
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import LOGARITHMIC, escape, number
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray


@dataclass(frozen=True)
class BlockRolesInfo:
    """What the picture shows; R roles, B blocks.

    Attributes
    ----------
    column : str
    grid : BlockGrid
    moments : dict of int to ndarray (R, B)
        Iteration -> the median over seeds; NaN where it was not recorded.
    broken : dict of int to ndarray of bool (R, B)
        Where at least half of the seeds hold NaN or infinity.
    """

    column: str
    grid: block_grid.BlockGrid
    moments: dict[int, Array]
    broken: dict[int, Array]

    def drawn(self, iteration: int) -> Array:
        """What is coloured: the medians, or their decimal logarithms."""
        values = np.where(self.broken[iteration], np.nan, self.moments[iteration])
        if self.column not in LOGARITHMIC:
            return values
        with np.errstate(all="ignore"):
            return np.where(values > 0, np.log10(values), np.nan)

    def zero(self, iteration: int) -> Array:
        """Where a value is exactly 0 on a logarithmic scale."""
        return (self.moments[iteration] == 0) & (self.column in LOGARITHMIC)


def collect(
    run: Run, grid: block_grid.BlockGrid, column: str, times: Sequence[int]
) -> BlockRolesInfo:
    """Collect the picture of one statistic at these iterations."""
    moments, broken = {}, {}
    for time in times:
        over = series.layer_band(run, column, recorded_before(run, column, time))
        moments[time] = grid.of(over.median)
        broken[time] = grid.of((2 * over.broken >= run.replicates).astype(float)) == 1
    return BlockRolesInfo(column, grid, moments, broken)


def draw(info: BlockRolesInfo) -> Spec:
    """Draw the info; each iteration is a frame, on one scale of colours."""
    times = list(info.moments)
    low, high = limits(np.concatenate([info.drawn(time).ravel() for time in times]))
    heat = {
        "type": "heatmap", "zmin": low, "zmax": high, "colorscale": COLOURS, "hoverongaps": False,
        "colorbar": colour_bar(info.column, low, high), "name": "median",
        "x": np.arange(len(info.grid.blocks)), "y": np.arange(len(info.grid.roles)),
        "z": info.drawn(times[0]), "text": _words(info, times[0]), "xgap": 1, "ygap": 1,
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip
    flags = [_flags(info, times[0], kind) for kind in ("broken", "zero")]
    roles = info.grid.roles
    figure = spec(
        [heat, *flags],
        _alt(info, times[0]),
        xaxis=block_grid.block_axis(info.grid.blocks),
        yaxis={
            "range": [len(roles) - 0.5, -0.5],
            "tickvals": list(range(len(roles))),
            "ticktext": [escape(elided(role)) for role in roles],
        },
    )
    if len(times) > 1:
        figure["frames"] = [_frame(info, time) for time in times]
    return figure


def _frame(info: BlockRolesInfo, time: int) -> Spec:
    data: list[Spec] = [{"z": info.drawn(time), "text": _words(info, time)}]
    for kind in ("broken", "zero"):
        flag = _flags(info, time, kind)
        data.append({"x": flag["x"], "y": flag["y"]})
    return {"name": str(time), "traces": [0, 1, 2], "data": data}


def _flags(info: BlockRolesInfo, time: int, kind: str) -> Spec:
    mask = info.broken[time] if kind == "broken" else info.zero(time)
    rows, places = np.nonzero(mask)
    colour, name = (BROKEN, "NaN or infinite") if kind == "broken" else (NEUTRAL, "exactly 0")
    return {
        "type": "scatter", "mode": "markers", "x": places, "y": rows, "name": name,
        "marker": {"symbol": "x", "size": 9, "color": colour}, "hoverinfo": "skip",
        "showlegend": bool(mask.any()),
    }  # fmt: skip


def _words(info: BlockRolesInfo, time: int) -> list[list[str]]:
    """What pointing at a square says."""
    return [
        [
            f"{escape(block)}.{escape(role)}: {number(float(value))}"
            for block, value in zip(info.grid.blocks, values, strict=True)
        ]
        for role, values in zip(info.grid.roles, info.moments[time], strict=True)
    ]


def _alt(info: BlockRolesInfo, time: int) -> str:
    values = info.moments[time]
    finite = values[np.isfinite(values)]
    text = f"{get(info.column).title} by block and role at iteration {time}"
    if not len(finite):
        return f"{text}: no finite number."
    row, place = np.unravel_index(np.nanargmin(values), values.shape)
    lowest = f"{info.grid.blocks[place]}.{info.grid.roles[row]}"
    low, high = number(float(finite.min())), number(float(finite.max()))
    return f"{text}, from {low} in {lowest} to {high}."


def _make(scene: Scene) -> dict[str, Spec]:
    grid = block_grid.collect(scene.run)
    if grid is None:
        return {}
    return {
        column: draw(collect(scene.run, grid, column, scene.times)) for column in columns(scene)
    }


PICTURES = (
    Picture(
        key="block_roles",
        title="By block and role",
        order=15,
        make=_make,
        per_statistic=True,
        answers=("GL105", "GL302"),
        hint=(
            "Each column is a block, each row what a layer is in it; the brighter, the larger. "
            "<span class='onscreen'>Choose the statistic beside “Layer by iteration”, and the "
            "moment above.</span>"
        ),
        reading=(
            "<p>A dark column: a block that gets or does less than the others. A dark row: a kind "
            "of layer that does so in every block. A cross: NaN, infinite, or exactly 0. With "
            "several seeds, medians.</p>"
        ),
    ),
)
