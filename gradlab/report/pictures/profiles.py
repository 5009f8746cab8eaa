"""Pictures by layer: the backward signal, several of them side by side, and the product that explains it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures import series
from gradlab.report.pictures.draw import (
    DASHES,
    LATER,
    LINES,
    MEASURED,
    NEUTRAL,
    ON_BAR,
    PREDICTED,
    TERM_COLOURS,
    Spec,
    band,
    existing,
    flags,
    layer_axis,
    layer_names,
    line,
    log_axis,
    marked,
    named,
    positive,
    slanted,
    spec,
    title,
    whole_ticks,
)
from gradlab.report.wording import TERM_WORDS, number, power
from gradlab.run import Run

Array = np.ndarray

LAYER_HOVER = "layer %{x}: %{y:.3g}<extra>%{fullData.name}</extra>"


def gradient_profile(run: Run, iteration: int, times: Sequence[int]) -> Spec:
    """Draw `gradlab.figures.gradient_profile`; `times` become frames."""
    iteration = existing(run, "delta_norm", iteration)
    x, names = np.arange(1, run.shape[2] + 1), layer_names(run)
    last = series.last_finite(run)
    bands = {int(t): series.layer_band(run, "delta_norm", int(t)) for t in {iteration, last, *map(int, times)}}
    now, expected = bands[iteration], series.prediction(run)
    drawn = [now.low, now.high, *(each.median for each in bands.values())]  # one seed of many must not set the scale
    theory = []
    if expected is not None:
        start = series.layer_band(run, "delta_norm", 0).median[-1]
        low, high, middle = (positive(part * start) for part in (expected.low, expected.high, expected.ratio))
        drawn += [low, high]
        theory = [
            *band(x, low, high, PREDICTED),
            line(x, middle, PREDICTED, "predicted", LAYER_HOVER, line={"dash": "dash"}),
        ]
    measured = [
        *band(x, positive(now.low), positive(now.high), MEASURED),
        line(x, positive(now.median), MEASURED, f"iteration {iteration}", LAYER_HOVER, mode=marked(len(x))),
        flags(x, now, drawn),
    ]
    end = line(x, positive(bands[last].median), LATER, f"iteration {last}", LAYER_HOVER, line={"dash": "dot"})
    figure = spec(
        [*measured, *theory, *([end] if last != iteration else [])],
        _profile_alt(now, iteration, expected),
        xaxis=layer_axis(len(x), names),
        yaxis=log_axis("gradient signal ‖δ‖", drawn),
    )
    if len(times) > 1:
        figure["frames"] = [_frame(x, int(t), bands[int(t)], drawn) for t in times]
    return named(figure, names)


def _frame(x: Array, iteration: int, measured: series.Band, drawn: Sequence[Array]) -> Spec:
    """One moment of the replay: what the first four traces become."""
    data = [
        {"y": positive(measured.high)},
        {"y": positive(measured.low)},
        {"y": positive(measured.median), "name": f"iteration {iteration}"},
        flags(x, measured, drawn),
    ]
    return {"name": str(iteration), "traces": [0, 1, 2, 3], "data": data}


def _profile_alt(now: series.Band, iteration: int, expected: series.Predicted | None) -> str:
    text = (
        f"Gradient norm by layer at iteration {iteration}: {number(now.median[0])} at layer 1, "
        f"{number(now.median[-1])} at the last layer, {len(now.median)}."
    )
    if expected is None:
        return text
    return f"{text} Predicted at initialization: {number(expected.ratio[0])} of the last layer's is left at layer 1."


def relative_decades(run: Run, iteration: int = 0) -> Array:
    """Return log10 ||delta_l|| / ||delta_L|| by layer (L,), the median over the seeds in which both are above 0.

    L is the last layer whose signal was recorded: not every layer of a framework shows one.
    As a difference of logarithms: 1e300 over 1e-300 is 600 decades, and no float.
    """
    row, recorded = series.row_of(run, iteration), run.recorded("delta_norm")
    last = int(np.flatnonzero(recorded[row].any(axis=0))[-1]) if recorded[row].any() else -1
    with np.errstate(all="ignore"):
        logs = np.log10(run["delta_norm"][row])
        fall = logs - logs[:, [last]]
    return series.over_seeds(fall, recorded[row], axis=0).median


def gradient_profiles(runs: Sequence[Run], names: Sequence[str] | None, iteration: int) -> Spec:
    """Draw `gradlab.figures.gradient_profiles`."""
    names = [run.name for run in runs] if names is None else names
    drawn, told, data = [np.ones(1)], [], []
    for k, (run, name) in enumerate(zip(runs, names, strict=True)):
        with np.errstate(over="ignore"):
            ratio = 10 ** relative_decades(run, existing(run, "delta_norm", iteration))
        style = {"dash": DASHES[k % len(DASHES)]}
        x, colour = np.arange(1, len(ratio) + 1), LINES[k % len(LINES)]
        curve = line(x, positive(ratio), colour, name, LAYER_HOVER, mode=marked(len(x)), line=style)
        data += named({"data": [curve]}, layer_names(run))["data"]
        drawn.append(ratio)
        told.append(f"{name}: {number(ratio[0])} of the signal is left at layer 1.")
    deepest = max((run.shape[2] for run in runs), default=1)
    level = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 1,
        "y1": 1,
        "line": {"color": NEUTRAL, "width": 1},
    }
    return spec(
        data, " ".join(told), xaxis=layer_axis(deepest), yaxis=log_axis("‖δ‖ relative to the last layer", drawn),
        shapes=[level],
    )  # fmt: skip


def factors(run: Run, iteration: int) -> Spec:
    """Draw `gradlab.figures.factors`."""
    iteration = existing(run, series.TERMS["weight"], iteration)
    found = series.factors(run, iteration)
    if found is None:
        raise ArgumentError(f"run {run.name!r} has no seed whose log gains are finite at iteration {iteration}")
    sums = {term: float(value.sum()) / np.log(10) for term, value in found.terms.items()}
    total = sum(sums.values())
    alt = ", ".join(f"{TERM_WORDS[term]} {power(value)}" for term, value in sums.items())
    reach, names = len(found.steps) + 0.5, layer_names(run)
    figure = spec(
        [_waterfall(sums, total), *_steps(found)],
        f"From the last layer to layer 1 the signal is multiplied by {power(total)}: {alt}.",
        barmode="relative",
        margin={"l": 112, "r": 12, "t": 8, "b": 44},
        showlegend=False,  # the bars above name the colours
        xaxis={"title": title("powers of ten, all layers"), "anchor": "y", **_room(sums)},
        yaxis={"domain": [0.65, 1], "autorange": "reversed", "anchor": "x"},
        xaxis2={
            "title": title("step into layer"), "range": [reach, 0.5], "anchor": "y2",
            **whole_ticks(len(found.steps), names), **slanted(names),
        },
        yaxis2={"title": title("powers of ten"), "domain": [0, 0.47], "anchor": "x2"},
    )  # fmt: skip
    return named(figure, names)


def _waterfall(sums: dict[str, float], total: float) -> Spec:
    """Each bar starts where the one above it ends; the last one is the result."""
    ends = np.cumsum(list(sums.values()))
    values = [*sums.values(), total]
    longest = max(map(abs, values)) or 1.0
    beside = ["inside" if abs(value) > 0.4 * longest else "outside" for value in values]  # a phone has no room beside
    return {
        "type": "bar", "orientation": "h", "y": [*(TERM_WORDS[term] for term in sums), "all together"], "x": values,
        "base": [0.0, *ends[:-1], 0.0], "marker": {"color": [*(TERM_COLOURS[term] for term in sums), NEUTRAL]},
        "showlegend": False,
        "text": [f"× {power(value)}" for value in values], "textposition": beside,
        "insidetextanchor": "middle", "insidetextfont": {"color": ON_BAR}, "constraintext": "none", "cliponaxis": False,
        "hovertemplate": "%{y}: %{text}<extra></extra>", "name": "all layers together",
    }  # fmt: skip


def _room(sums: dict[str, float]) -> Spec:
    """Leave room beside the bars for what is written at their ends."""
    ends = [0.0, *np.cumsum(list(sums.values()))]
    low, high = min(ends), max(ends)
    room = 0.16 * max(high - low, 1e-3)
    return {"range": [low - room, high + room]}


def _steps(found: series.Factors) -> list[Spec]:
    return [
        {
            "type": "bar", "x": found.steps, "y": value / np.log(10), "name": TERM_WORDS[term],
            "xaxis": "x2", "yaxis": "y2", "marker": {"color": TERM_COLOURS[term]},
            "hovertemplate": "into layer %{x}: 10<sup>%{y:.3f}</sup><extra>%{fullData.name}</extra>",
        }
        for term, value in found.terms.items()
    ]  # fmt: skip
