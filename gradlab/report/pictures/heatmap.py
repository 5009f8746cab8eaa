"""Layer x iteration: a statistic as coloured squares, and what is no number as itself."""

from __future__ import annotations

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures import series
from gradlab.report.pictures.draw import (
    BROKEN,
    NEUTRAL,
    Spec,
    decades,
    existing,
    layer_names,
    spec,
    time_axis,
    title,
    whole_ticks,
)
from gradlab.report.wording import LOGARITHMIC, RARER_WORDS, STATISTIC_WORDS, escape, number, power
from gradlab.run import STATISTICS, Run

Array = np.ndarray

COLOURS = "Cividis"


def heatmap(run: Run, column: str, columns: int, told: tuple[int, int] | None = None) -> Spec:
    """Draw `gradlab.figures.heatmap`.

    `told`: where a verdict says that the first number which is not finite stands (iteration, layer); the mark goes
    there where this column is broken at that place too, so that picture and verdict name one.
    """
    if column not in STATISTICS:
        raise ArgumentError(f"column={column!r} is no statistic; choose one of: {', '.join(STATISTICS)}")
    existing(run, column, 0)
    first = series.first_broken(run, column)
    keep = (
        series.last_finite(run),
        *series.extremes(run, column),
        *(() if first is None else (first[0] - 1, first[0])),
    )
    times = series.sample(series.recorded_iterations(run, column), columns, keep)
    rows = np.searchsorted(run.times, times)
    over = series.over_seeds(run[column][rows], run.recorded(column)[rows], axis=1)
    logarithmic, median = column in LOGARITHMIC, over.median.T
    with np.errstate(all="ignore"):
        values = np.where(median > 0, np.log10(median), np.nan) if logarithmic else median
    broken = run.replicates <= 2 * over.broken.T
    zero = (median == 0) & ~broken if logarithmic else np.zeros_like(broken)
    names = layer_names(run)
    data = [_heat(times, np.where(broken, np.nan, values), logarithmic)]
    for mask, colour, name in ((broken, BROKEN, "NaN or infinite"), (zero, NEUTRAL, "exactly 0")):
        if mask.any():
            data.append(_flagged(times, mask, colour, name))
    if first is not None:
        first = _agreed(run, column, first, told)
        own = told is not None and told != (first[0], first[2])  # the verdict names another place, before this column
        data.append(_first_broken(*first, run.replicates, "the first of this statistic" if own else "the first"))
    last = int(times[-1]) if len(times) else 0
    figure = spec(
        data, _heatmap_alt((STATISTIC_WORDS | RARER_WORDS).get(column, column), median, times, first),
        xaxis=time_axis(last, edge=max(0.5, 0.008 * last)),
        yaxis={"title": title("layer"), "range": [0.5, len(median) + 0.5], **whole_ticks(len(median), names)},
    )  # fmt: skip
    if names:
        figure["layout"]["meta"]["layers"] = [escape(name) for name in names]
    return figure


def named_squares(figure: Spec) -> Spec:
    """Let every square of a heatmap say its layer's name; the page does the same, so that no name travels twice."""
    names = figure["layout"]["meta"].get("layers", ())
    for trace in figure["data"]:
        if names and trace["type"] == "heatmap":
            trace["text"] = [[f"{k}, {name}"] * len(trace["x"]) for k, name in enumerate(names, 1)]
            trace["hovertemplate"] = trace["hovertemplate"].replace("layer %{y}", "layer %{text}")
    return figure


def _agreed(run: Run, column: str, first: tuple[int, int, int], told: tuple[int, int] | None) -> tuple[int, int, int]:
    """Return (iteration, seed, layer) of the verdict's first number that is not finite, where this column agrees."""
    if told is None or told[0] != first[0]:
        return first
    row, layer = series.row_of(run, told[0]), told[1]
    bad = run.recorded(column)[row, :, layer - 1] & ~np.isfinite(run[column][row, :, layer - 1])
    return (told[0], int(bad.argmax()), layer) if bad.any() else first


def _heat(times: Array, values: Array, logarithmic: bool) -> Spec:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high - low < 1e-6:  # one colour for one value
        low, high = low - 0.5, high + 0.5
    bar: Spec = {"thickness": 10, "outlinewidth": 0, "len": 1, "x": 1.01, "xpad": 4, "ypad": 0}
    if logarithmic:
        size = decades(high - low)
        ticks = np.arange(np.ceil(low / size), np.floor(high / size) + 1) * size
        ticks = ticks if len(ticks) > 1 else np.array([low, high])
        text = [_power_of_ten(int(tick)) if tick == int(tick) else power(float(tick)) for tick in ticks]
        bar |= {"tickvals": ticks, "ticktext": text}
    shown = "10<sup>%{z:.2f}</sup>" if logarithmic else "%{z:.3g}"
    return {
        "type": "heatmap", "x": times, "y": np.arange(1, len(values) + 1), "z": values, "zmin": low, "zmax": high,
        "colorscale": COLOURS, "colorbar": bar, "hoverongaps": False, "showscale": bool(len(finite)), "name": "median",
        "hovertemplate": f"iteration %{{x}}, layer %{{y}}: {shown}<extra></extra>",
    }  # fmt: skip


def _power_of_ten(exponent: int) -> str:
    return f"10<sup>{exponent}</sup>".replace("-", "−")


def _flagged(times: Array, mask: Array, colour: str, name: str) -> Spec:
    return {
        "type": "heatmap", "x": times, "y": np.arange(1, len(mask) + 1), "z": np.where(mask, 1.0, np.nan), "zmin": 0,
        "zmax": 1, "showscale": False, "colorscale": [[0, colour], [1, colour]], "name": name, "showlegend": True,
        "hoverongaps": False, "hovertemplate": f"iteration %{{x}}, layer %{{y}}: {name}<extra></extra>",
    }  # fmt: skip


def _first_broken(iteration: int, seed: int, layer: int, seeds: int, word: str) -> Spec:
    of = f", seed {seed}" if seeds > 1 else ""
    return {
        "type": "scatter", "x": [iteration], "y": [layer], "mode": "markers", "cliponaxis": False, "showlegend": True,
        "name": f"{word}: iteration {iteration}, layer {layer}{of}",
        "hovertemplate": "%{fullData.name}<extra></extra>",
        "marker": {"symbol": "x", "size": 11, "color": BROKEN, "line": {"width": 1.5, "color": "#ffffff"}},
    }  # fmt: skip


def _heatmap_alt(word: str, median: Array, times: Array, first: tuple[int, int, int] | None) -> str:
    finite = median[np.isfinite(median)]
    text = f"{word} by layer and iteration"
    if len(finite):
        text += f", from {number(float(finite.min()))} to {number(float(finite.max()))}"
    if first is not None:
        text += f"; the first NaN or infinity is at iteration {first[0]}, layer {first[2]}"
    return f"{text}; {len(times)} iterations drawn."
