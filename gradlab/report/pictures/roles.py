"""The gradient signal block by block, one line for each role of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import block_grid, series
from gradlab.report.pictures.axes import log_axis
from gradlab.report.pictures.draw import (
    BROKEN,
    DASHES,
    LINES,
    Spec,
    direct,
    end_labels,
    line,
    positive,
    spec,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import escape, number
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

SHOWN = 8  # roles: more lines cannot be told apart
SIGNALS = ("delta_norm", "grad_norm")  # the first that the run holds


@dataclass(frozen=True)
class RolesInfo:
    """What the picture shows; R roles, B blocks.

    Attributes
    ----------
    column : str
    blocks, roles : list of str
    moments : dict of int to ndarray (R, B)
        Iteration -> the median over seeds; NaN where a block has no such layer.
    left_out : int
        Roles that are not drawn: those of the fewest blocks.
    """

    column: str
    blocks: list[str]
    roles: list[str]
    moments: dict[int, Array]
    left_out: int


def collect(run: Run, grid: block_grid.BlockGrid, times: Sequence[int]) -> RolesInfo:
    """Collect the picture at these iterations."""
    column = next(name for name in SIGNALS if name in run)
    filled = (grid.layers >= 0).sum(axis=1)
    kept = sorted(np.argsort(-filled, kind="stable")[:SHOWN].tolist())
    moments = {time: grid.of(series.layer_band(run, column, time).median)[kept] for time in times}
    roles = [grid.roles[k] for k in kept]
    return RolesInfo(column, grid.blocks, roles, moments, len(grid.roles) - len(kept))


def draw(info: RolesInfo) -> Spec:
    """Draw the info; its iterations become frames."""
    times = list(info.moments)
    now = info.moments[times[0]]
    x = np.arange(len(info.blocks))
    axis = log_axis(get(info.column).title, list(info.moments.values()))
    floor = 10 ** axis["range"][0]
    data, ends = [], []
    for k, role in enumerate(info.roles):
        colour = LINES[k % len(LINES)]
        hover = f"%{{text}}.{escape(role)}: %{{y:.3g}}<extra></extra>"
        style = {"line": {"dash": DASHES[k // len(LINES) % len(DASHES)]}, "text": info.blocks}
        data.append(line(x, positive(now[k]), colour, role, hover, mode="lines+markers", **style))
        known = now[k][np.isfinite(now[k]) & (now[k] > 0)]
        ends.append((float(known[-1]) if len(known) else float("nan"), role, colour))
    data.append(_zeros(info, now, floor))
    labels = end_labels(ends, axis)
    figure = spec(
        data,
        _alt(info, times[0]),
        xaxis=block_grid.block_axis(info.blocks),
        yaxis=axis,
        annotations=labels,
        **direct(labels),
    )
    if len(times) > 1:
        figure["frames"] = [_frame(info, time, floor) for time in times]
    return figure


def _zeros(info: RolesInfo, now: Array, floor: float) -> Spec:
    """Mark at the lower edge where the signal is exactly 0, infinite, or NaN."""
    rows, places = np.nonzero((now == 0) | np.isinf(now))
    words = [f"{info.blocks[b]}.{info.roles[r]}" for r, b in zip(rows, places, strict=True)]
    return {
        "type": "scatter", "mode": "markers", "x": places, "y": np.full(len(places), floor),
        "text": [escape(word) for word in words], "name": "exactly 0 or infinite",
        "marker": {"symbol": "x", "size": 9, "color": BROKEN}, "cliponaxis": False,
        "showlegend": bool(len(places)), "hovertemplate": "%{text}: no signal<extra></extra>",
    }  # fmt: skip


def _frame(info: RolesInfo, time: int, floor: float) -> Spec:
    now = info.moments[time]
    zeros = _zeros(info, now, floor)
    data = [{"y": positive(values)} for values in now]
    data.append({"x": zeros["x"], "y": zeros["y"], "text": zeros["text"]})
    return {"name": str(time), "traces": list(range(len(data))), "data": data}


def _alt(info: RolesInfo, time: int) -> str:
    parts = []
    for role, values in zip(info.roles, info.moments[time], strict=True):
        finite = values[np.isfinite(values)]
        if len(finite):
            low, high = number(float(finite.min())), number(float(finite.max()))
            parts.append(f"{role} {low} to {high}")
    more = f", and {info.left_out} more roles" if info.left_out else ""
    name = get(info.column).title
    return f"{name} by block at iteration {time}: {', '.join(parts)}{more}."


def _make(scene: Scene) -> Spec | None:
    grid = block_grid.collect(scene.run)
    if grid is None or not any(name in scene.run for name in SIGNALS):
        return None
    return draw(collect(scene.run, grid, scene.times))


PICTURES = (
    Picture(
        key="roles",
        title="Gradient by block",
        order=8,
        make=_make,
        answers=("GL1",),
        hint=(
            "One line for each kind of layer, from the first block to the last. A cross at the "
            "lower edge: exactly 0 or infinite."
        ),
        reading=(
            "<p>Level lines: every block gets a gradient of the same size. A line that falls "
            "towards block 0 vanishes on its way back through the blocks; a line far below the "
            "others is a kind of layer that gets less everywhere. With several seeds, medians.</p>"
            f"<p class='formula'>{get('delta_norm').formula}</p>"
        ),
    ),
)
