"""What the pictures share: colours, axes, bands, lines and flags, as plain dictionaries in Plotly's terms.

Plotly's classes check every property, which takes twenty times as long as drawing it up: the report keeps to
dictionaries, and `gradlab.figures` makes ordinary figures of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.series import Band
from gradlab.report.wording import escape
from gradlab.run import Run

Array = np.ndarray
Spec = dict[str, Any]

# Legible on white and on near-black alike, and apart for colour-blind readers.
MEASURED, PREDICTED, LATER, BROKEN, NEUTRAL = "#2b7cd3", "#c2691c", "#8a63c9", "#d6336c", "#7b8794"
TERM_COLOURS = {
    "weight": "#c2691c",
    "alignment": "#b08a1e",
    "slope": "#2b7cd3",
    "slope_alignment": "#2f8f7f",
    "block": "#8a63c9",
}
LINES = ("#2b7cd3", "#c2691c", "#2f8f7f", "#8a63c9", "#d6336c", "#b08a1e", "#7b8794", "#5c7f2e")
DASHES = ("solid", "dash", "dot", "dashdot")
BAND_OPACITY = 0.18


def spec(data: list[Spec], alt: str, **layout: Any) -> Spec:
    """Put traces and layout together; `alt` says in words what the picture shows."""
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    common = {"margin": {"l": 58, "r": 12, "t": 30, "b": 44}, "legend": legend, "hovermode": "closest"}
    return {"data": data, "layout": {**common, **layout, "meta": {"alt": alt}}}


def title(text: str) -> Spec:
    """Name an axis."""
    return {"text": text}


def layer_axis(layers: int) -> Spec:
    """An axis of layers, with whole numbers at its ticks."""
    return {"title": title("layer (1 reads the input)"), "range": [0.5, layers + 0.5], **whole_ticks(layers)}


def whole_ticks(count: int) -> Spec:
    """Tick 1 and some of its multiples, at most a dozen."""
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if count / size <= 11)
    return {"tickvals": sorted({1, *range(step, count + 1, step)} - ({2} if step == 2 else set()))}


def time_axis(last: int, edge: float = 0.0) -> Spec:
    """An axis of iterations from 0 to `last`; a short run gets a tick at each."""
    few = {"dtick": 1} if last <= 10 else {}
    return {"title": title("iteration"), "range": [-edge, max(last, 1) + edge], **few}


def log_axis(name: str, values: Sequence[Array | float], ticks: int = 7, **more: Any) -> Spec:
    """A logarithmic axis that holds every positive finite value, with about so many ticks, at whole powers of ten."""
    given = np.concatenate([np.ravel(np.asarray(value, float)) for value in values]) if values else np.array([])
    logs = np.log10(given[np.isfinite(given) & (given > 0)])
    low, high = (float(logs.min()), float(logs.max())) if len(logs) else (-1.0, 1.0)
    margin = max(0.3, 0.06 * (high - low))
    extent = {"range": [low - margin, high + margin], "dtick": decades(high - low + 2 * margin, ticks)}
    return {"title": title(name), "type": "log", "exponentformat": "power", **extent, **more}


def decades(spread: float, ticks: int = 7) -> int:
    """How many powers of ten lie between two ticks, so that there are at most one more than `ticks`."""
    return next(size for size in (1, 2, 3, 5, 10, 20, 50, 100, 200, 1000) if spread / size <= ticks)


def line(x: Array, y: Array, colour: str, name: str, hover: str, **more: Any) -> Spec:
    """Draw one line, with markers too where `mode` says so; its style is merged with `line`."""
    style = {"color": colour, "width": 2, **more.pop("line", {})}
    common = {"type": "scatter", "mode": "lines", "marker": {"size": 5, "color": colour}, "hovertemplate": hover}
    return {**common, "x": x, "y": y, "name": escape(name), "line": style, **more}


def band(x: Array, low: Array, high: Array, colour: str, **more: Any) -> list[Spec]:
    """Shade the range between two lines."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    edge = {
        "type": "scatter", "x": x, "mode": "lines", "line": {"width": 0, "color": colour}, "hoverinfo": "skip",
        "showlegend": False, "connectgaps": False, **more,
    }  # fmt: skip
    shade = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},{BAND_OPACITY})"}
    return [{**edge, "y": high, "name": "largest"}, {**edge, **shade, "y": low, "name": "smallest"}]


def positive(values: Array) -> Array:
    """A logarithmic axis has no place for 0: such a value is a gap in the line, and a flag tells of it."""
    return np.where(values > 0, values, np.nan)


def flags(x: Array, measured: Band, drawn: Sequence[Array]) -> Spec:
    """Mark, at the lower edge of all that is `drawn`, the layers whose value is NaN, infinite, or exactly 0."""
    shown = np.concatenate([np.ravel(value) for value in drawn])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    floor = float(shown.min()) if len(shown) else 1.0
    where = (measured.broken > 0) | (measured.median == 0)
    words = [f"NaN or infinite in {n} seed{'s' * int(n != 1)}" if n else "exactly 0" for n in measured.broken[where]]
    return {
        "type": "scatter", "x": x[where], "y": np.full(int(where.sum()), floor), "mode": "markers",
        "name": "NaN, infinite or exactly 0", "marker": {"symbol": "x", "size": 8, "color": BROKEN}, "text": words,
        "showlegend": bool(where.any()), "hovertemplate": "layer %{x}: %{text}<extra></extra>",
    }  # fmt: skip


def part(run: Run, iteration: int) -> Run:
    """Return the part of a long run that pictures are drawn from, with this iteration in it; a short run is its own."""
    total = run.iterations
    return run.condensed([iteration % total] if -total <= iteration < total else ())


def existing(run: Run, column: str, iteration: int) -> int:
    """Return the iteration counted from 0; ArgumentError where the run has none such, or does not hold the column."""
    if column not in run or run.iterations == 0:
        raise ArgumentError(f"run {run.name!r} holds no {column}; record at least one iteration with it")
    total = int(run.times[-1]) + 1
    if not -total <= iteration < total:
        raise ArgumentError(f"iteration={iteration!r} must be 0 to {total - 1}, or negative from the end")
    return iteration % total
