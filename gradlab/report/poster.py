"""A still of a picture, as inline SVG: what a reader sees before, or without, any script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 100.0, 60.0
MOST = 300  # points of a line
Spec = dict[str, Any]


def poster(figures: dict[str, Any], key: str) -> Markup:
    """Return the lines and bars of the upper axes of a figure; nothing where it has none."""
    figure = figures.get(key) or {}
    if "data" not in figure:
        return Markup("")
    paths = [path for trace in figure["data"] if (path := _path(trace, figure["layout"]))]
    if not paths:
        return Markup("")
    head = Markup(
        '<svg class="poster" viewBox="0 0 100 60" preserveAspectRatio="none" aria-hidden="true">'
    )
    return head + Markup("").join(paths) + Markup("</svg>")


def _path(trace: Spec, layout: Spec) -> Markup | None:
    if trace.get("yaxis", "y") != "y" or trace.get("xaxis", "x") != "x":
        return None
    if trace["type"] == "bar" and trace.get("orientation") == "h":
        return _bars(trace, layout)
    width = trace.get("line", {}).get("width", 0)
    if trace["type"] != "scatter" or "lines" not in trace.get("mode", "") or not width:
        return None
    x = _places(trace["x"], layout["xaxis"])
    y = _places(trace["y"], layout["yaxis"])
    if x is None or y is None or not len(x):
        return None
    step = max(1, len(x) // MOST)
    parts = []
    joined = False
    for right, up in zip(x[::step], y[::step], strict=True):
        if not (np.isfinite(right) and np.isfinite(up)):
            joined = False
            continue
        letter = "L" if joined else "M"
        parts.append(f"{letter}{WIDTH * right:.1f} {HEIGHT * (1 - up):.1f}")
        joined = True
    if not parts:
        return None
    return Markup('<path class="curve" style="stroke: {}" d="{}"/>').format(
        trace["line"].get("color", "currentColor"), "".join(parts)
    )


def _bars(trace: Spec, layout: Spec) -> Markup | None:
    x = _places(trace["x"], layout["xaxis"])
    zero = _places([0.0], layout["xaxis"])
    if x is None or zero is None:
        return None
    colours = trace["marker"]["color"]
    each = HEIGHT / max(len(x), 1)
    bars = [
        Markup('<path class="curve" style="stroke: {}; stroke-width: 9" d="{}"/>').format(
            colour, f"M{WIDTH * zero[0]:.1f} {each * (k + 0.5):.1f}H{WIDTH * end:.1f}"
        )
        for k, (end, colour) in enumerate(zip(x, colours, strict=False))
        if np.isfinite(end)
    ]
    return Markup("").join(bars)


def _places(values: Sequence[float | None], axis: Spec) -> np.ndarray | None:
    """Return where values lie on an axis, 0 at its start and 1 at its end."""
    if "range" not in axis:
        return None
    try:
        numbers = np.array([np.nan if value is None else value for value in values], float)
    except (TypeError, ValueError):  # names
        return None
    if axis.get("type") == "log":
        with np.errstate(all="ignore"):
            numbers = np.log10(numbers)
    low, high = axis["range"]
    return (numbers - low) / (high - low)
