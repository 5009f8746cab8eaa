"""The residual stream block by block: its size, its gradient, and the branches' share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import block_grid, series
from gradlab.report.pictures.axes import log_axis, title
from gradlab.report.pictures.draw import (
    APART,
    LATER,
    LINES,
    MEASURED,
    Spec,
    band,
    direct,
    end_labels,
    line,
    marked,
    positive,
    spec,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import escape, number, power
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

ROWS = ("stream_grad_norm", "stream_rms")
SHARE = "branch_share"
COLOURS = {"stream_grad_norm": MEASURED, "stream_rms": LATER}
AXES = {"stream_grad_norm": "gradient", "stream_rms": "size (rms)"}
ADDITION = "addition"  # the kind of a row of `run.blocks` that is one branch of a block
WHOLE = "branches"
GAP = 0.09
BRANCH_LINES = LINES[1:]  # the first is the gradient's


@dataclass(frozen=True)
class StreamInfo:
    """What the picture shows; B blocks.

    Attributes
    ----------
    blocks : list of str
    moments : dict of int to dict of str to Band
        Iteration -> statistic of the stream -> its band over seeds (B,).
    branches : dict of int to dict of str to ndarray
        Iteration -> branch ("attn") -> its share of the gradient (B,), the median over seeds; NaN
        in a block without it.
    """

    blocks: list[str]
    moments: dict[int, dict[str, series.Band]]
    branches: dict[int, dict[str, Array]]

    @property
    def rows(self) -> list[str]:
        """The statistics that were recorded, in the order of the picture."""
        first = next(iter(self.moments))
        return [*self.moments[first], *([SHARE] if self.branches[first] else [])]

    def kept(self, iteration: int) -> float:
        """log10 of the part of the last block's stream gradient that is left at the first block."""
        gradient = self.moments[iteration]["stream_grad_norm"].median
        with np.errstate(all="ignore"):
            return float(np.log10(gradient[0]) - np.log10(gradient[-1]))


def collect(run: Run, times: Sequence[int]) -> StreamInfo | None:
    """Collect the picture at the recorded iterations nearest to these; None without a stream."""
    known = np.isfinite(run.block_statistic("stream_grad_norm"))
    table = run.blocks
    whole = [k for k, kind in enumerate(table["kind"]) if kind != ADDITION]
    # The blocks of a run may include some outside any stream.
    inside = [k for k in whole if known[:, :, k].any()]
    if len(inside) < 2:
        return None
    rows = np.flatnonzero(known[:, :, inside].any(axis=(1, 2)))
    chosen = sorted({int(rows[np.abs(run.times[rows] - time).argmin()]) for time in times})
    names = [str(table["block"][k]) for k in inside]
    places = _branches(run, names)
    held = [name for name in ROWS if np.isfinite(run.block_statistic(name)[:, :, inside]).any()]
    moments, branches = {}, {}
    for row in chosen:
        time = int(run.times[row])
        moments[time] = {name: _band(run, name, row, inside) for name in held}
        branches[time] = _shares(run, row, inside, places)
    return StreamInfo(names, moments, branches)


def _band(run: Run, name: str, row: int, inside: Sequence[int]) -> series.Band:
    values = run.block_statistic(name)[row][:, list(inside)]
    return series.over_seeds(values, np.isfinite(values), axis=0)


def _branches(run: Run, blocks: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return branch -> place of a block -> row of `run.blocks`: "attn", "mlp", ..."""
    places: dict[str, dict[int, int]] = {}
    table = run.blocks
    for k, (name, kind) in enumerate(zip(table["block"], table["kind"], strict=True)):
        owner = next((b for b in blocks if str(name).startswith(f"{b}.")), None)
        if kind == ADDITION and owner is not None:
            branch = str(name).removeprefix(f"{owner}.")
            places.setdefault(branch, {})[blocks.index(owner)] = k
    return places


def _shares(
    run: Run, row: int, inside: Sequence[int], places: dict[str, dict[int, int]]
) -> dict[str, Array]:
    """Return each branch's share by block; of all branches together where none was told apart."""
    values = run.block_statistic(SHARE)[row]
    median = series.over_seeds(values, np.isfinite(values), axis=0).median
    whole = median[list(inside)]
    shares = {}
    for branch, rows in list(places.items())[: len(BRANCH_LINES)]:
        shares[branch] = np.full(len(inside), np.nan)
        for place, k in rows.items():
            shares[branch][place] = median[k]
    if not shares and np.isfinite(whole).any():
        shares[WHOLE] = whole
    return shares


def draw(info: StreamInfo) -> Spec:
    """Draw the info: one row a statistic; its iterations become frames."""
    times = list(info.moments)
    height = (1 - GAP * (len(info.rows) - 1)) / len(info.rows)
    layout: Spec = {}
    for k, name in enumerate(info.rows):
        top = 1 - k * (height + GAP)
        drawn = [info.moments[time].get(name) for time in times]
        domain = {"domain": [max(0, top - height), top]}
        layout[_axis_name(k, "yaxis")] = _axis(name, drawn) | domain
    axis = block_grid.block_axis(info.blocks)
    axis["anchor"] = _axis_name(len(info.rows) - 1, "y")
    labels = _labels(info, times[0], layout)
    figure = spec(
        _traces(info, times[0]),
        _alt(info, times[0]),
        xaxis=axis,
        annotations=labels,
        **layout,
        **direct(labels),
    )
    if len(times) > 1:
        figure["frames"] = [
            {"name": str(time), "data": [{"y": trace["y"]} for trace in _traces(info, time)]}
            for time in times
        ]
    return figure


def _axis_name(row: int, word: str) -> str:
    return word if row == 0 else f"{word}{row + 1}"


def _traces(info: StreamInfo, time: int) -> list[Spec]:
    x = np.arange(len(info.blocks))
    data = []
    for k, name in enumerate(info.rows):
        axis = _axis_name(k, "y")
        style = {"mode": marked(len(x)), "text": info.blocks, "yaxis": axis}
        if name == SHARE:
            data += _shares_drawn(info.branches[time], x, style)
            continue
        over = info.moments[time][name]
        hover = f"%{{text}}: {get(name, 'block').label} %{{y:.3g}}<extra></extra>"
        colour = COLOURS[name]
        data += band(x, positive(over.low), positive(over.high), colour, yaxis=axis)
        median = positive(over.median)
        data.append(line(x, median, colour, get(name, "block").label, hover, **style))
    return data


def _shares_drawn(shares: dict[str, Array], x: Array, style: Spec) -> list[Spec]:
    return [
        line(x, share, colour, branch, f"%{{text}}: {escape(branch)} %{{y:.0%}}<extra></extra>",
             **style)
        for (branch, share), colour in zip(shares.items(), BRANCH_LINES, strict=False)
    ]  # fmt: skip


def _labels(info: StreamInfo, time: int, layout: Spec) -> list[Spec]:
    """Name the branches at the ends of their lines."""
    if SHARE not in info.rows:
        return []
    row = info.rows.index(SHARE)
    ends = []
    for (branch, share), colour in zip(info.branches[time].items(), BRANCH_LINES, strict=False):
        known = share[np.isfinite(share)]
        ends.append((float(known[-1]) if len(known) else float("nan"), branch, colour))
    axis = layout[_axis_name(row, "yaxis")]
    return end_labels(ends, axis, _axis_name(row, "y"), apart=APART * len(info.rows))


def _axis(name: str, drawn: Sequence[series.Band | None]) -> Spec:
    if name == SHARE:
        return {"title": title("branches"), "range": [-0.04, 1.04], "tickformat": ".0%"}
    ends = [each for over in drawn if over for each in (over.low, over.high)]
    return log_axis(AXES[name], ends, ticks=3)


def _alt(info: StreamInfo, time: int) -> str:
    over = info.moments[time]["stream_grad_norm"].median
    text = (
        f"Residual stream at iteration {time}: its gradient is {number(float(over[-1]))} at "
        f"{info.blocks[-1]} and {number(float(over[0]))} at {info.blocks[0]}, "
        f"× {power(info.kept(time))}"
    )
    for branch, share in info.branches[time].items():
        finite = share[np.isfinite(share)]
        if len(finite):
            text += f"; {branch}: {finite.min():.0%} to {finite.max():.0%}"
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
            "The stream that the blocks add to: its gradient and its size at each block's output, "
            "and how much of the gradient goes through each branch rather than past it."
        ),
        reading=(
            "<p>A gradient that stays level passes all blocks. A stream that grows from block to "
            "block drowns what later branches add. A share of the branches near 0: the blocks "
            "hardly take part.</p><ul class='formula'>"
            + "".join(
                f"<li>{get(name, 'block').label}: {get(name, 'block').formula}</li>"
                for name in (*ROWS, SHARE)
            )
            + "</ul>"
        ),
    ),
)
