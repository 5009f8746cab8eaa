"""A small still of a page's first picture, for the index of the course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from gradlab.comparison import Comparison
from gradlab.report.article import arrays

Array = np.ndarray

WIDTH, HEIGHT, EDGE = 120, 72, 5
MOST = 120  # points of a line
SQUARES = 24  # of a heatmap, each way
OUTCOMES = {"learned": "#2b7cd3", "slow": "#e0a526", "not learned": "#d6336c"}
PLAIN, UNKNOWN = "#2b7cd3", "#7b8794"
KINDS = ("scatter", "bar", "heatmap")


def of_figures(figures: Sequence[go.Figure]) -> Markup:
    """Draw the first figure that has lines, bars or squares; nothing where none has."""
    for figure in figures:
        shown = _marks(arrays(figure.to_plotly_json()))
        if shown:
            return _svg(shown)
    return Markup("")


def of_comparison(comparison: Comparison) -> Markup:
    """Draw the matrix of a comparison: a row a network, a square a depth, coloured by outcome."""
    rows, columns = len(comparison.networks), len(comparison.depths)
    shown = []
    for cell in comparison.cells:
        column = comparison.depths.index(cell.plan.depth)
        row = comparison.networks.index(cell.plan.network.label)
        colour = OUTCOMES.get(cell.outcome, UNKNOWN)
        shown.append(_square(column, row, columns, rows, colour, 0.75))
    return _svg(shown)


def _svg(shown: Sequence[Markup]) -> Markup:
    head = Markup('<svg class="thumbnail" viewBox="0 0 {} {}" aria-hidden="true">')
    return head.format(WIDTH, HEIGHT) + Markup("").join(shown) + Markup("</svg>")


def _marks(figure: dict[str, Any]) -> list[Markup]:
    """Draw the traces of the first axes, all on one scale."""
    traces = [
        each
        for each in figure["data"]
        if each["type"] in KINDS and (each.get("xaxis", "x"), each.get("yaxis", "y")) == ("x", "y")
    ]
    for trace in traces:
        if trace["type"] == "heatmap":
            return _heat(np.asarray(trace["z"], float))
    log = [figure["layout"].get(f"{axis}axis", {}).get("type") == "log" for axis in "xy"]
    placed = [(each, *_points(each, log)) for each in traces if each.get("y") is not None]
    placed = [each for each in placed if len(each[1])]
    if not placed:
        return []
    bars = any(each["type"] == "bar" for each in traces) and not log[1]  # they stand on 0
    across = _ends([x for _, x, _ in placed])
    up = _ends([*(y for _, _, y in placed), np.zeros(1 if bars else 0)])
    foot = float(_scaled(np.zeros(1), up)[0]) if bars else 0.0
    return [_drawn(trace, _scaled(x, across), _scaled(y, up), foot) for trace, x, y in placed]


def _points(trace: dict[str, Any], log: Sequence[bool]) -> tuple[Array, Array]:
    """Return the finite points of a trace, thinned; names count as 0, 1, 2, ..."""
    y = _numbers(trace["y"])
    x = _numbers(trace.get("x") if trace.get("x") is not None else range(len(y)))
    with np.errstate(all="ignore"):
        x, y = (np.log10(each) if scale else each for each, scale in zip((x, y), log, strict=True))
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    chosen = known[:: max(1, len(known) // MOST)]
    return x[chosen], y[chosen]


def _numbers(values: Any) -> Array:
    listed = list(values)
    try:
        return np.array([np.nan if each is None else each for each in listed], float)
    except (TypeError, ValueError):  # names
        return np.arange(len(listed), dtype=float)


def _ends(parts: Sequence[Array]) -> tuple[float, float]:
    every = np.concatenate(parts)
    return float(every.min()), float(every.max())


def _scaled(values: Array, ends: tuple[float, float]) -> Array:
    low, high = ends
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def _drawn(trace: dict[str, Any], x: Array, y: Array, foot: float) -> Markup:
    across = EDGE + (WIDTH - 2 * EDGE) * x
    down = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * y
    end = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * foot
    colour = _colour(trace)
    points = list(zip(across, down, strict=True))
    if trace["type"] == "bar" or "lines" not in trace.get("mode", "lines"):
        dots = trace["type"] != "bar"
        tail = "h0" if dots else f"V{end:.0f}"
        path = "".join(f"M{a:.1f} {b:.1f}{tail}" for a, b in points)
        return _path(path, colour, 4 if dots else max(1.0, min(8.0, 70 / len(points))))
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    return _path(path, colour, 2)


def _path(path: str, colour: str, width: float) -> Markup:
    return Markup('<path d="{}" style="stroke: {}; stroke-width: {:.1f}"/>').format(
        path, colour, width
    )


def _colour(trace: dict[str, Any]) -> str:
    for part in ("line", "marker"):
        given = trace.get(part, {}).get("color")
        if isinstance(given, str):
            return given
    return PLAIN


def _heat(values: Array) -> list[Markup]:
    rows, columns = (
        np.unique(np.linspace(0, count - 1, min(count, SQUARES)).round().astype(int))
        for count in values.shape
    )
    picked = values[np.ix_(rows, columns)]
    finite = picked[np.isfinite(picked)]
    if not len(finite):
        return []
    shades = 0.1 + 0.9 * _scaled(picked.ravel(), (finite.min(), finite.max())).reshape(picked.shape)
    return [
        _square(column, len(rows) - 1 - row, len(columns), len(rows), PLAIN, shades[row, column])
        for row in range(len(rows))
        for column in range(len(columns))
        if np.isfinite(shades[row, column])
    ]


def _square(column: int, row: int, columns: int, rows: int, colour: str, shade: float) -> Markup:
    wide, high = (WIDTH - 2 * EDGE) / columns, (HEIGHT - 2 * EDGE) / rows
    gap = 1 if columns * rows < 100 else 0
    return Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}" opacity="{:.2f}"/>'
    ).format(EDGE + wide * column, EDGE + high * row, wide - gap, high - gap, colour, shade)
