"""The residual stream block by block: its size, its gradient, and the branches' share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import block_grid, series, stream_branches, stream_theory
from gradlab.report.pictures.axes import log_axis, share_ticks, title
from gradlab.report.pictures.draw import (
    APART,
    LATER,
    MEASURED,
    PREDICTED,
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
from gradlab.report.pictures.stream_branches import BRANCH_LINES, SHARE
from gradlab.report.wording import escape, number, power
from gradlab.run import ADDITION, Run
from gradlab.statistics import get

Array = np.ndarray

ROWS = ("stream_grad_norm", "stream_rms")
COLOURS = {"stream_grad_norm": MEASURED, "stream_rms": LATER}
AXES = {"stream_grad_norm": "gradient", "stream_rms": "size (rms)"}
GAP = 0.09


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
    skips : dict of int to dict of str to ndarray
        Iteration -> branch -> the factor by which its skip multiplies the gradient (B,); NaN where
        the skip is the stream itself, unchanged.
    expected : dict of str to Band
        Statistic -> what theory says of it before training (B,); empty where it says nothing.
    """

    blocks: list[str]
    moments: dict[int, dict[str, series.Band]]
    branches: dict[int, dict[str, Array]]
    skips: dict[int, dict[str, Array]]
    expected: dict[str, series.Band]

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
    places = stream_branches.branches_of(run, names)
    held = [name for name in ROWS if np.isfinite(run.block_statistic(name)[:, :, inside]).any()]
    moments, branches, skips = {}, {}, {}
    for row in chosen:
        time = int(run.times[row])
        moments[time] = {name: _band(run, name, row, inside) for name in held}
        branches[time] = stream_branches.shares(run, row, inside, places)
        skips[time] = stream_branches.skips(run, row, len(inside), places)
    last = moments[int(run.times[chosen[0]])]["stream_grad_norm"].median[-1]
    expected = stream_theory.expect(run, inside, float(last))
    return StreamInfo(names, moments, branches, skips, expected)


def _band(run: Run, name: str, row: int, inside: Sequence[int]) -> series.Band:
    values = run.block_statistic(name)[row][:, list(inside)]
    return series.over_seeds(values, np.isfinite(values), axis=0)


def draw(info: StreamInfo) -> Spec:
    """Draw the info: one row a statistic; its iterations become frames."""
    times = list(info.moments)
    height = (1 - GAP * (len(info.rows) - 1)) / len(info.rows)
    layout: Spec = {}
    for k, name in enumerate(info.rows):
        top = 1 - k * (height + GAP)
        drawn = [info.moments[time].get(name) for time in times] + [info.expected.get(name)]
        domain = {"domain": [max(0, top - height), top]}
        layout[_axis_name(k, "yaxis")] = _axis(name, drawn) | domain
    axis = block_grid.block_axis(info.blocks)
    axis["anchor"] = _axis_name(len(info.rows) - 1, "y")
    labels = _labels(info, times[0], layout)
    figure = spec(
        [*_traces(info, times[0]), *_theory(info)],
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
            data += _shares_drawn(info, time, x, style)
            continue
        over = info.moments[time][name]
        hover = f"%{{text}}: {get(name, 'block').label} %{{y:.3g}}<extra></extra>"
        colour = COLOURS[name]
        data += band(x, positive(over.low), positive(over.high), colour, yaxis=axis)
        median = positive(over.median)
        data.append(line(x, median, colour, get(name, "block").label, hover, **style))
    return data


def _theory(info: StreamInfo) -> list[Spec]:
    """Draw what theory says; it stands still while the moments change."""
    x = np.arange(len(info.blocks))
    data = []
    for k, name in enumerate(info.rows):
        if name not in info.expected:
            continue
        over, axis = info.expected[name], _axis_name(k, "y")
        hover = "%{text}: predicted %{y:.3g}<extra></extra>"
        style = {"yaxis": axis, "text": info.blocks, "line": {"dash": "dash"}}
        data += band(x, positive(over.low), positive(over.high), PREDICTED, yaxis=axis)
        data.append(line(x, positive(over.median), PREDICTED, "predicted", hover, **style))
    return data


def _shares_drawn(info: StreamInfo, time: int, x: Array, style: Spec) -> list[Spec]:
    data = []
    for (branch, share), colour in zip(info.branches[time].items(), BRANCH_LINES, strict=False):
        factors = info.skips[time].get(branch, np.full(len(x), np.nan))
        text = [
            block if np.isnan(factor) else f"{block} (its skip × {number(float(factor))})"
            for block, factor in zip(info.blocks, factors, strict=True)
        ]
        hover = f"%{{text}}: {escape(branch)} %{{y:.0%}}<extra></extra>"
        data.append(line(x, share, colour, branch, hover, **style | {"text": text}))
    return data


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
        return {"title": title("branches"), "range": [-0.04, 1.04], **share_ticks()}
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
    for branch, factors in info.skips[time].items():
        for block, factor in zip(info.blocks, factors, strict=True):
            if np.isfinite(factor):
                text += f"; the skip past {block}.{branch} × {number(float(factor))}"
    if info.expected:
        theory = info.expected["stream_grad_norm"].median
        with np.errstate(all="ignore"):
            kept = float(np.log10(theory[0]) - np.log10(theory[-1]))
        text += f". Predicted before training: × {power(kept)}"
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
            "<span data-if='stream_theory'> Orange, dashed: what theory predicts before "
            "training.</span>"
        ),
        reading=(
            "<p>A gradient that stays level passes all blocks. A stream that grows from block to "
            "block drowns what later branches add. A share of the branches near 0: the blocks "
            "hardly take part. Where a skip is no identity (it changes the shape), pointing at its "
            "branch says by what it multiplies the gradient.</p>"
            "<p data-if='stream_theory'>The prediction follows from the "
            "initial weights and from the size behind the first block: with a norm before the "
            "branches q grows by the same amount in each block, and the squared gradient by 1 + "
            "v/q on its way back; with a norm behind the sum both stay; without one both grow by "
            "a factor a block. The band reaches from attention that averages everything out to "
            "attention that passes its values on whole.</p><ul class='formula'>"
            + "".join(
                f"<li>{get(name, 'block').label}: {get(name, 'block').formula}</li>"
                for name in (*ROWS, SHARE)
            )
            + "</ul>"
        ),
    ),
)
