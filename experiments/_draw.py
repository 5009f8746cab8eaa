"""What the experiments' pictures share: reference lines and axes of powers of ten."""

from __future__ import annotations

from typing import Any

from gradlab.report.pictures.draw import NEUTRAL


def level(y: float, dash: str = "dash") -> dict[str, Any]:
    """A line across the picture at height `y`, for a figure's `shapes`."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": y,
        "y1": y,
        "line": {"color": NEUTRAL, "dash": dash},
    }


def moment(x: float) -> dict[str, Any]:
    """A dotted line from top to bottom at `x`."""
    return {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": x,
        "x1": x,
        "line": {"color": NEUTRAL, "dash": "dot"},
    }


def powers(title: str, **more: Any) -> dict[str, Any]:
    """A logarithmic axis with a tick at every power of ten; `more` adds to it or says otherwise."""
    return {"title": title, "type": "log", "exponentformat": "power", "dtick": 1, **more}
