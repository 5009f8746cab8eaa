"""`render(data)`: the page, one self-contained HTML file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from gradlab.report import pack

FOLDER = Path(__file__).parent
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SPARK_WIDTH, SPARK_HEIGHT = 100.0, 40.0
SPARK_HALF = 2.5  # decades that fill half of the room: a fall by 3 is seen as well as one by 30, and both straight


def render(data: dict[str, Any], packed: str | None = None) -> str:
    """Write what `gradlab.report.data.build` returned as HTML.

    Every string of `data` is escaped; the figures travel as base64, which holds no character of HTML.

    Parameters
    ----------
    data : dict
    packed : str, optional
        `pack.payload(data)`, where that is known already.
    """
    cells = {cell["id"]: cell for cell in data["cells"]}
    return (
        _environment()
        .get_template("page.html")
        .render(
            data=data,
            cells=cells,
            policy=Markup(POLICY),
            style=Markup(_own("page.css")),
            script=Markup(_own("page.js")),
            payload=Markup(packed or pack.payload(data)),
            plotly=Markup(_plotly()),
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sparkline"] = sparkline
    environment.filters["percent"] = percent
    return environment


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> str:
    return pack.deflated(get_plotlyjs())


def percent(value: float | None) -> str:
    """Write an accuracy; nothing where there is none."""
    return "" if value is None else f"{100 * value:.0f} %"


def sparkline(values: list[float | None]) -> str:
    """Return the SVG path of a gradient profile: decades over layers, the last layer's in the middle."""
    farthest = max((abs(value) for value in values if value is not None), default=0.0)
    path, joined = [], False
    for k, value in enumerate(values):
        if value is None:
            joined = False
            continue
        x = SPARK_WIDTH * (k / (len(values) - 1) if len(values) > 1 else 0.5)
        y = SPARK_HEIGHT * (0.5 - 0.47 * value / (farthest + SPARK_HALF))
        path.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
        joined = True
    return "".join(path)
