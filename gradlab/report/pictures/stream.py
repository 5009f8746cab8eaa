"""The residual stream block by block: its size, its gradient, and the branches' share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import block_grid, series
from gradlab.report.pictures.axes import log_axis, title
from gradlab.report.pictures.draw import (
    LATER,
    MEASURED,
    PREDICTED,
    Spec,
    band,
    line,
    marked,
    positive,
    spec,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import number, power
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

ROWS = ("stream_grad_norm", "stream_rms", "branch_share")
COLOURS = {"stream_grad_norm": MEASURED, "stream_rms": LATER, "branch_share": PREDICTED}
AXES = {"stream_grad_norm": "gradient", "stream_rms": "size (rms)", "branch_share": "branches"}
GAP = 0.09


@dataclass(frozen=True)
class StreamInfo:
    """What the picture shows; B blocks.

    Attributes
    ----------
    blocks : list of str
    moments : dict of int to dict of str to Band
        Iteration -> statistic -> its band over seeds (B,).
    """

    blocks: list[str]
    moments: dict[int, dict[str, series.Band]]

    @property
    def rows(self) -> list[str]:
        """The statistics that were recorded, in the order of the picture."""
        return list(next(iter(self.moments.values())))

    def kept(self, iteration: int) -> float:
        """log10 of the part of the last block's stream gradient that is left at the first block."""
        gradient = self.moments[iteration]["stream_grad_norm"].median
        with np.errstate(all="ignore"):
            return float(np.log10(gradient[0]) - np.log10(gradient[-1]))


def collect(run: Run, times: Sequence[int]) -> StreamInfo | None:
    """Collect the picture at the recorded iterations nearest to these; None without a stream."""
    names = [str(block) for block in run.blocks["block"]]
    if len(names) < 2:
        return None
    values = {name: run.block_statistic(name) for name in ROWS}
    known = {name: np.isfinite(array) for name, array in values.items()}
    held = [name for name in ROWS if known[name].any()]
    if "stream_grad_norm" not in held:
        return None
    # The blocks of a run may include some outside any stream.
    inside = np.flatnonzero(known["stream_grad_norm"].any(axis=(0, 1)))
    rows = np.flatnonzero(known["stream_grad_norm"].any(axis=(1, 2)))
    chosen = {int(rows[np.abs(run.times[rows] - time).argmin()]) for time in times}
    moments = {
        int(run.times[row]): {
            name: series.over_seeds(
                values[name][row][:, inside], known[name][row][:, inside], axis=0
            )
            for name in held
        }
        for row in sorted(chosen)
    }
    return StreamInfo([names[k] for k in inside], moments)


def draw(info: StreamInfo) -> Spec:
    """Draw the info: one row a statistic; its iterations become frames."""
    times = list(info.moments)
    x = np.arange(len(info.blocks))
    height = (1 - GAP * (len(info.rows) - 1)) / len(info.rows)
    data, layout = [], {}
    for k, name in enumerate(info.rows):
        number_of = "" if k == 0 else str(k + 1)
        top = 1 - k * (height + GAP)
        drawn = [info.moments[time][name] for time in times]
        layout[f"yaxis{number_of}"] = _axis(name, drawn) | {"domain": [max(0, top - height), top]}
        data += _row(info, times[0], name, f"y{number_of}", x)
    axis = block_grid.block_axis(info.blocks)
    axis["anchor"] = "y" if len(info.rows) == 1 else f"y{len(info.rows)}"
    figure = spec(data, _alt(info, times[0]), xaxis=axis, showlegend=False, **layout)
    if len(times) > 1:
        figure["frames"] = [
            {"name": str(time), "data": [{"y": trace["y"]} for trace in _all(info, time, x)]}
            for time in times
        ]
    return figure


def _all(info: StreamInfo, time: int, x: Array) -> list[Spec]:
    return [trace for name in info.rows for trace in _row(info, time, name, "y", x)]


def _row(info: StreamInfo, time: int, name: str, axis: str, x: Array) -> list[Spec]:
    over = info.moments[time][name]
    clean = (lambda values: values) if name == "branch_share" else positive
    hover = f"%{{text}}: {get(name, 'block').label} %{{y:.3g}}<extra></extra>"
    colour = COLOURS[name]
    style = {"mode": marked(len(x)), "text": info.blocks, "yaxis": axis}
    return [
        *band(x, clean(over.low), clean(over.high), colour, yaxis=axis),
        line(x, clean(over.median), colour, get(name, "block").label, hover, **style),
    ]


def _axis(name: str, drawn: Sequence[series.Band]) -> Spec:
    if name == "branch_share":
        return {"title": title(AXES[name]), "range": [-0.04, 1.04], "tickformat": ".0%"}
    return log_axis(AXES[name], [each for over in drawn for each in (over.low, over.high)], ticks=3)


def _alt(info: StreamInfo, time: int) -> str:
    over = info.moments[time]["stream_grad_norm"].median
    text = (
        f"Residual stream at iteration {time}: its gradient is {number(float(over[-1]))} at "
        f"{info.blocks[-1]} and {number(float(over[0]))} at {info.blocks[0]}, "
        f"× {power(info.kept(time))}"
    )
    if "branch_share" in info.rows:
        share = info.moments[time]["branch_share"].median
        finite = share[np.isfinite(share)]
        text += f"; the branches carry {finite.min():.0%} to {finite.max():.0%} of it"
    return f"{text}."


def _make(scene: Scene) -> Spec | None:
    info = collect(scene.whole, scene.times)
    return None if info is None else draw(info)


PICTURES = (
    Picture(
        key="stream",
        title="Residual stream by block",
        order=9,
        make=_make,
        shape="loss",
        answers=("GL203",),
        hint=(
            "The stream that the blocks add to: the gradient at each block's output, the size of "
            "the stream there, and how much of the gradient goes through the branches rather than "
            "the skip connection."
        ),
        reading=(
            "<p>A gradient that stays level passes all blocks. A stream that grows from block to "
            "block drowns what later branches add. A share of the branches near 0: the blocks "
            "hardly take part.</p><ul class='formula'>"
            + "".join(
                f"<li>{get(name, 'block').label}: {get(name, 'block').formula}</li>"
                for name in ROWS
            )
            + "</ul>"
        ),
    ),
)
