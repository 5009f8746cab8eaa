"""What the pictures share.

Colours, bands, lines, labels and flags, as plain dictionaries in Plotly's terms.

Plotly's classes check every property, which takes twenty times as long as drawing it up: the report
keeps to dictionaries, and `gradlab.figures` makes ordinary figures of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures.axes import elided, layer_word
from gradlab.report.pictures.series import Band
from gradlab.report.wording import escape, typeset
from gradlab.run import Run

Array = np.ndarray
Spec = dict[str, Any]

# Legible on white and on near-black alike, and apart for colour-blind readers.
MEASURED, PREDICTED, LATER, BROKEN, NEUTRAL = "#2b7cd3", "#c2691c", "#8a63c9", "#d6336c", "#7b8794"
RATE = "#5c7f2e"
TERM_COLOURS = {
    "weight": "#c2691c",
    "alignment": "#b08a1e",
    "slope": "#2b7cd3",
    "slope_alignment": "#2f8f7f",
    "block": "#8a63c9",
}
LINES = ("#2b7cd3", "#c2691c", "#2f8f7f", "#8a63c9", "#d6336c", "#b08a1e", "#7b8794", "#5c7f2e")
ON_BAR = "#000000"  # what is written on a bar of any of these colours, in either theme
DASHES = ("solid", "dash", "dot", "dashdot")
BAND_OPACITY, BAR_OPACITY = 0.18, 0.4
MANY = 60  # points of a line that are not marked any more
LAYER_HOVER = "layer %{x}: %{y:.3g}<extra>%{fullData.name}</extra>"
APART = 0.085  # of an axis: the least distance between two labels at the ends of lines
END = "end"  # the name of such labels: on a phone, a legend takes their place


def spec(data: list[Spec], alt: str, **layout: Any) -> Spec:
    """Put traces and layout together; `alt` says in words what the picture shows."""
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    common = {
        "margin": {"l": 58, "r": 12, "t": 30, "b": 44},
        "legend": legend,
        "hovermode": "closest",
    }
    return {"data": data, "layout": {**common, **layout, "meta": {"alt": typeset(alt)}}}


def named(figure: Spec, names: Sequence[str]) -> Spec:
    """Let what is pointed at say the layer's name instead of its number."""
    for trace in figure["data"] if names else ():
        hover = trace.get("hovertemplate", "")
        if "layer %{x}" in hover and "text" not in trace and trace.get("x") is not None:
            trace["text"] = [escape(layer_word(int(x), names)) for x in trace["x"]]
            trace["hovertemplate"] = hover.replace("layer %{x}", "%{text}")
            if trace["type"] == "bar":
                trace["textposition"] = "none"  # on the bar itself there is no room
    return figure


def marked(count: int) -> str:
    """Show single points of a line where they are few enough to be told apart."""
    return "lines+markers" if count <= MANY else "lines"


def end_labels(
    ends: Sequence[tuple[float, str, str]], axis: Spec, yref: str = "y", apart: float = APART
) -> list[Spec]:
    """Write the names of lines at their right ends, none over another.

    Parameters
    ----------
    ends : sequence of (value, name, colour)
        Where each line ends; one that ends nowhere (NaN) gets no label.
    axis : dict
        The vertical axis, with its range.
    apart : float
        The least distance between two labels, as a part of the axis.
    """
    low, high = axis["range"]
    height = high - low or 1.0  # of numbers next to 0 the axis may have none
    known = [end for end in ends if np.isfinite(end[0])]
    places = []
    for value, name, colour in known:
        at = np.log10(value) if axis.get("type") == "log" else value
        if np.isfinite(at):
            places.append([float(np.clip((at - low) / height, 0, 1)), name, colour])
    places.sort(key=lambda place: place[0])
    for _ in range(len(places)):  # push neighbours apart, both ways alike
        for below, above in itertools.pairwise(places):
            lacking = apart - (above[0] - below[0])
            if lacking > 1e-9:
                below[0] -= lacking / 2
                above[0] += lacking / 2
    floor = 0.0  # back into the picture, where there is room for all of them
    for place in places:
        place[0] = max(place[0], floor)
        floor = place[0] + apart
    ceiling = 1.0
    for place in reversed(places):
        place[0] = min(place[0], ceiling)
        ceiling = place[0] - apart
    return [
        {
            "name": END, "text": escape(elided(name)), "xref": "paper", "x": 1, "xanchor": "left",
            "xshift": 4, "yref": yref, "y": low + place * (high - low), "yanchor": "middle",
            "showarrow": False, "font": {"size": 12, "color": colour},
        }
        for place, name, colour in places
    ]  # fmt: skip


def ends_of(traces: Sequence[Spec], names: Mapping[str, str] | None = None) -> list[tuple]:
    """Return where the lines among some traces end, for `end_labels`: value, name, colour.

    Bands and lines without a finite value have no end. `names` says some of them in other words.
    """
    found = []
    for trace in traces:
        if "lines" not in trace.get("mode", "") or trace.get("hoverinfo") == "skip":
            continue
        finite = trace["y"][np.isfinite(trace["y"])]
        name = (names or {}).get(trace["name"], trace["name"])
        if len(finite):
            found.append((float(finite[-1]), name, trace["line"]["color"]))
    return found


def direct(labels: Sequence[Spec]) -> Spec:
    """Return what the layout of a picture needs whose lines are labelled at their ends."""
    longest = max((len(label["text"]) for label in labels), default=0)
    room = min(12 + 7 * longest, 150)
    return {"showlegend": False, "margin": {"l": 58, "r": room, "t": 12, "b": 44}}


def line(x: Array, y: Array, colour: str, name: str, hover: str, **more: Any) -> Spec:
    """Draw one line, with markers too where `mode` says so; its style is merged with `line`."""
    style = {"color": colour, "width": 2, **more.pop("line", {})}
    common = {
        "type": "scatter",
        "mode": "lines",
        "marker": {"size": 5, "color": colour},
        "hovertemplate": hover,
    }
    return {**common, "x": x, "y": y, "name": escape(name), "line": style, **more}


def band(x: Array, low: Array, high: Array, colour: str, **more: Any) -> list[Spec]:
    """Shade the range between two lines."""
    edge = {
        "type": "scatter",
        "x": x,
        "mode": "lines",
        "line": {"width": 0, "color": colour},
        "hoverinfo": "skip",
        "showlegend": False,
        "connectgaps": False,
        **more,
    }
    shade = {"fill": "tonexty", "fillcolor": shaded(colour, BAND_OPACITY)}
    return [{**edge, "y": high, "name": "largest"}, {**edge, **shade, "y": low, "name": "smallest"}]


def shaded(colour: str, opacity: float = BAR_OPACITY) -> str:
    """Let what lies below, or is written above, be seen through a colour."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def positive(values: Array) -> Array:
    """A logarithmic axis has no place for 0.

    Such a value is a gap in the line, and a flag tells of it.
    """
    return np.where(values > 0, values, np.nan)


def flags(x: Array, measured: Band, drawn: Sequence[Array]) -> Spec:
    """Mark the layers whose value is NaN, infinite or 0, at the lower edge of what is `drawn`."""
    shown = np.concatenate([np.ravel(value) for value in drawn])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    floor = float(shown.min()) if len(shown) else 1.0
    where = (measured.broken > 0) | (measured.median == 0)
    words = [
        f"NaN or infinite in {n} seed{'s' * int(n != 1)}" if n else "exactly 0"
        for n in measured.broken[where]
    ]
    return {
        "type": "scatter",
        "x": x[where],
        "y": np.full(int(where.sum()), floor),
        "mode": "markers",
        "name": "NaN, infinite or exactly 0",
        "marker": {"symbol": "x", "size": 8, "color": BROKEN},
        "text": words,
        "showlegend": bool(where.any()),
        "hovertemplate": "layer %{x}: %{text}<extra></extra>",
    }


def part(run: Run, iteration: int) -> Run:
    """Return the part of a long run that pictures are drawn from, with this iteration in it.

    A short run is its own.
    """
    run = run.matrices
    total = run.iterations
    return run.condensed([iteration % total] if -total <= iteration < total else ())


def existing(run: Run, column: str, iteration: int) -> int:
    """Return the iteration counted from 0.

    ArgumentError where the run has none such, or does not hold the column.
    """
    if column not in run or run.iterations == 0:
        raise ArgumentError(
            f"run {run.name!r} holds no {column}; record at least one iteration with it"
        )
    total = int(run.times[-1]) + 1
    if not -total <= iteration < total:
        raise ArgumentError(
            f"iteration={iteration!r} must be 0 to {total - 1}, or negative from the end"
        )
    return iteration % total
