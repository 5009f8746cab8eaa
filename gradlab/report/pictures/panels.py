"""Pictures over the iterations: loss and accuracy with the findings below them, and trajectories of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.draw import (
    BROKEN,
    LATER,
    MEASURED,
    NEUTRAL,
    PREDICTED,
    Spec,
    band,
    layer_names,
    line,
    log_axis,
    shaded,
    spec,
    time_axis,
    title,
)
from gradlab.report.wording import escape, number, words
from gradlab.rules import Finding
from gradlab.rules.base import ERROR
from gradlab.run import Run

Array = np.ndarray

# Cividis at seven places, for lines; its ends, which vanish on one of the two backgrounds, are left out.
RAMP = ("#1f4d8c", "#45608f", "#667590", "#888886", "#a89c6f", "#c3a94f", "#d8b73a")
ARROWS = 6  # on each trajectory
ROWS_OF_FINDINGS = 6  # below the loss
ROW, GAP, ACCURACY = 0.055, 0.07, 0.2  # of the height of the picture of the loss
BAR = 14  # pixels: the height of a finding's bar
SHORT_BAR = 0.4  # of the whole time: what is left holds a finding's name
MARKED = 20  # a line of fewer points shows each of them


def loss(run: Run, points: int, findings: Sequence[Finding] = ()) -> Spec:
    """Draw `gradlab.figures.loss`."""
    last = max(run.iterations - 1, 0)
    times = np.flatnonzero(run.step_recorded("loss").any(axis=1))  # a loop may log its loss now and then
    over = series.over_seeds(run.step("loss")[times], run.step_recorded("loss")[times], axis=1)
    data, shapes = _curve(times, over, points), []
    held = _held_out(run, "validation_loss", "held-out", PREDICTED, "y")
    accuracy = [
        trace | {"showlegend": False} for trace in _held_out(run, "validation_accuracy", "accuracy", LATER, "y2")
    ]
    data += held
    baseline = run.config.get("baseline_loss")
    if baseline:
        data.append(line(np.array([0, last]), np.full(2, baseline), NEUTRAL, f"constant guess: {number(baseline)}",
                         "%{fullData.name}<extra></extra>", line={"dash": "dash", "width": 1.5}))  # fmt: skip
    lost = times[over.broken > 0]
    if len(lost):
        of = f", {over.broken[-1]} of {run.replicates} seeds" if over.broken[-1] < run.replicates else ""
        name = f"NaN from iteration {lost[0]}{of}"
        style = {"color": BROKEN, "width": 1.5, "dash": "dot"}
        x = int(lost[0])
        shapes.append({"type": "line", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": style})
        data.append(line(np.array([None]), np.array([None]), BROKEN, name, "", line=style))
    drawn = [over.median, *(trace["y"] for trace in held[-1:]), *([baseline] if baseline else [])]
    marked = sorted(findings[:ROWS_OF_FINDINGS], key=lambda finding: finding.iterations)  # the worst come first
    ground = (ROW * len(marked) + GAP) if marked else 0.0
    below: Spec = {}
    if accuracy:
        below["yaxis2"] = {
            "title": title("accuracy"), "domain": [ground, ground + ACCURACY], "range": [-0.03, 1.03],
            "tickformat": ".0%", "tickvals": [0, 0.5, 1],
        }  # fmt: skip
    floor = ground + (ACCURACY + GAP if accuracy else 0.0)
    if marked:
        data += _findings(marked, last)
        below["yaxis3"] = {
            "domain": [0, ROW * len(marked)], "range": [len(marked) - 0.5, -0.5], "showgrid": False, "zeroline": False,
            "tickvals": list(range(len(marked))), "ticktext": [finding.rule for finding in marked],
            "showticklabels": False,
        }  # fmt: skip
        below["annotations"] = [_label(row, finding, last) for row, finding in enumerate(marked)]
    return spec(
        [*data, *accuracy], _loss_alt(over.median, baseline, accuracy, marked, len(findings)), shapes=shapes,
        xaxis=time_axis(last, edge=0.02 * max(last, 1)) | {"anchor": "y3" if marked else "y2" if accuracy else "y"},
        yaxis=_loss_axis(drawn, over.high) | {"domain": [floor, 1]}, **below,
    )  # fmt: skip


def _findings(marked: Sequence[Finding], last: int) -> list[Spec]:
    """A bar for each finding, from its first to its last iteration."""
    bars = []
    for row, finding in enumerate(marked):
        first, end = (min(int(t), last) for t in finding.iterations)
        when = f"iteration {first}" if first == end else f"iterations {first} to {end}"
        text = f"{finding.rule} {words(finding.name)}, {finding.severity}: {when}<extra></extra>"
        colour = BROKEN if finding.severity == ERROR else PREDICTED
        ends = {"size": BAR, "color": colour, "symbol": "line-ns", "line": {"color": colour, "width": 3}}
        bars.append(
            line(np.array([first, end]), np.array([row, row]), shaded(colour), finding.rule, text, mode="lines+markers",
                 yaxis="y3", showlegend=False, line={"width": BAR}, marker=ends)
        )  # fmt: skip
    return bars


def _label(row: int, finding: Finding, last: int) -> Spec:
    """Write a finding's name on its row: after a short bar, else on it, so that no end of a bar runs through it."""
    first, end = (min(int(t), last) for t in finding.iterations)
    early = SHORT_BAR * last
    return {
        "text": f"{finding.rule} {escape(words(finding.name))}", "x": next((t for t in (end, first) if t < early), 0),
        "xshift": 4, "y": row, "yref": "y3", "xanchor": "left", "showarrow": False, "font": {"size": 11},
    }  # fmt: skip


def _loss_axis(drawn: Sequence[Array | float], highest: Array) -> Spec:
    """Choose the scale by the medians: one seed that explodes may leave the picture, but not flatten it."""
    given = np.concatenate([np.ravel(np.asarray(value, float)) for value in drawn])
    finite = given[np.isfinite(given)]
    if not len(finite):
        return {"title": title("loss")}
    if finite.min() > 0 and finite.max() > 100 * finite.min():
        return log_axis("loss", [finite], ticks=4)
    highest = highest[np.isfinite(highest)]
    top = min(max(highest.max(initial=finite.max()), finite.max()), 2 * finite.max()) or 1.0
    return {"title": title("loss"), "range": [min(0.0, 1.05 * float(finite.min())), 1.05 * float(top)]}


def _curve(times: Array, over: series.Band, points: int) -> list[Spec]:
    """Draw the training loss, thinned so that the spikes of any seed stay."""
    chosen = series.thin([over.low, over.high], points)
    mode = "lines+markers" if len(chosen) <= MARKED else "lines"
    hover = "iteration %{x}: %{y:.4g}<extra>training</extra>"
    median = line(times[chosen], over.median[chosen], MEASURED, "training", hover, mode=mode, line={"width": 1.5})
    return [*band(times[chosen], over.low[chosen], over.high[chosen], MEASURED), median]


def _held_out(run: Run, column: str, name: str, colour: str, axis: str) -> list[Spec]:
    values = run.step(column)
    known = np.flatnonzero(np.isfinite(values).any(axis=1))
    if not len(known):
        return []
    over = series.over_seeds(values[known], np.ones_like(values[known], bool), axis=1)
    hover = f"iteration %{{x}}: %{{y:.4g}}<extra>{name}</extra>"
    median = line(known, over.median, colour, name, hover, mode="lines+markers", yaxis=axis, line={"width": 1.5})
    return [*band(known, over.low, over.high, colour, yaxis=axis), median]


def _loss_alt(curve: Array, baseline: float | None, accuracy: list[Spec], marked: Sequence[Finding], count: int) -> str:
    finite = curve[np.isfinite(curve)]
    if not len(finite):
        return "No finite loss was recorded."
    text = f"The training loss goes from {number(float(finite[0]))} to {number(float(finite[-1]))}"
    text += "" if not baseline else f"; the best constant guess has {number(baseline)}"
    text += f". Last accuracy: {accuracy[-1]['y'][-1]:.0%}" if accuracy else ""
    seen = ", ".join(f"{finding.rule} from iteration {finding.iterations[0]}" for finding in marked)
    more = f" and {count - len(marked)} more" if count > len(marked) else ""
    return f"{text}. Findings: {seen}{more}." if seen else f"{text}."


def weights(run: Run, layers: Sequence[int] | None, lines: int, points: int) -> Spec:
    """Draw `gradlab.figures.weights`."""
    table = run.weights[run.weights["replicate"] == 0]
    if layers is not None:
        table = table[table["layer"].isin(list(layers))]
    total, names = max(run.shape[2], 2), layer_names(run)
    moved: dict[int, float] = {}
    data = []
    for (layer, row, column), group in _spread(list(table.groupby(["layer", "row", "column"], sort=True)), lines):
        time, value = group["iteration"].to_numpy(), group["value"].to_numpy(np.float64)
        change = np.where(np.isfinite(value), value, np.nan) - value[0]
        chosen = series.thin([change], points)
        finite = change[np.isfinite(change)]
        moved[layer] = max(moved.get(layer, 0.0), float(np.abs(finite).max()) if len(finite) else 0.0)
        called = f" ({names[layer - 1]})" if names else ""
        name = f"layer {layer}{called}, w[{row}, {column}]"
        hover = f"{escape(name)} = {number(value[0])} %{{y:+.3g}} at iteration %{{x}}<extra></extra>"
        colour = RAMP[round((len(RAMP) - 1) * (layer - 1) / (total - 1))]
        place = {"layer": int(layer), "row": int(row), "column": int(column)}
        style = {"line": {"width": 1.5}, "showlegend": False, "meta": place}
        data.append(line(time[chosen], change[chosen], colour, name, hover, **style))
        data.append(_arrows(time[chosen], change[chosen], colour, style | {"name": f"{name}, arrows"}))
    ends = (
        [f"layer {layer} by up to {number(moved[layer])}" for layer in sorted({min(moved), max(moved)})]
        if moved
        else []
    )
    return spec(
        data, f"Weights move: {', '.join(ends)}." if ends else "No weight was followed.",
        xaxis=time_axis(int(table["iteration"].max()) if len(table) else 0),
        yaxis={"title": title("weight − its start"), "exponentformat": "power"},
        margin={"l": 64, "r": 12, "t": 8, "b": 44},
    )  # fmt: skip


def _arrows(time: Array, change: Array, colour: str, style: Spec) -> Spec:
    """A few arrow heads on a trajectory, each turned the way the weight went since the one before it."""
    known = np.flatnonzero(np.isfinite(change))
    few = known[np.unique(np.linspace(0, len(known) - 1, ARROWS + 1).round().astype(int))] if len(known) else known
    return {
        "type": "scatter", "mode": "markers", "x": time[few], "y": change[few], "hoverinfo": "skip",
        "marker": {"symbol": "arrow", "angleref": "previous", "size": 10, "color": colour}, **style,
    }  # fmt: skip


def _spread(groups: list, limit: int) -> list:
    """Take at most `limit` weights: one of each layer in turn until there are enough, in the order of the layers."""
    by_layer: dict[int, list] = {}
    for key, group in groups:
        by_layer.setdefault(key[0], []).append((key, group))
    stacks = list(by_layer.values())
    if len(stacks) > limit:
        stacks = [stacks[k] for k in np.unique(np.linspace(0, len(stacks) - 1, limit).round().astype(int))]
    taken = [stack[k] for k in range(max(map(len, stacks), default=0)) for stack in stacks if k < len(stack)][:limit]
    return sorted(taken, key=lambda item: item[0])
