"""From plain data to pages.

`render(data)` writes a report, `page_of` any page of the same house.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from gradlab._version import __version__
from gradlab.errors import RunError
from gradlab.files import write_text
from gradlab.report import pack
from gradlab.report.links import checked
from gradlab.report.pictures import pictures
from gradlab.report.poster import poster
from gradlab.report.wording import typeset

FOLDER = Path(__file__).parent / "web"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
SPARK_WIDTH, SPARK_HEIGHT = 100.0, 40.0
SPARK_HALF = 2.5  # decades beyond the farthest curve: one that stays level is seen to do so
SPARK_MOST = 15.0  # decades: curves that leave this range stay at its edge


def render(
    data: dict[str, Any], packed: str | None = None, links: Sequence[tuple[str, str]] = ()
) -> str:
    """Write what `gradlab.report.data.build` returned as HTML.

    Every string of `data` is escaped; the figures travel as base64, which holds no character of
    HTML.

    Parameters
    ----------
    data : dict
    packed : str, optional
        `pack.payload(data)`, where that is known already.
    links : sequence of (label, address)
        Where the page leads: the way back first, then its neighbours.

    Raises
    ------
    ArgumentError
        A link is no pair of texts, or leads to what a browser would run.
    """
    return page_of(
        "page.html",
        data["title"],
        payload=Markup(packed or pack.payload(data)),
        scripts=("filter.js", "card.js", "chain.js", "matrix.js", "pairs.js", "page.js"),
        data=data,
        cells={cell["id"]: cell for cell in data["cells"]},
        panels=[each for each in pictures().values() if each.panel],
        pictures=pictures(),
        links=checked(links),
    )


def render_gallery(entries: Sequence[dict[str, Any]], title: str) -> str:
    """Write the page that lists all others.

    An entry has step, title, question, and address and answer or error.
    """
    return page_of("gallery.html", title, payload=None, scripts=("gallery.js",), entries=entries)


def write_page(page: str, path: str | Path) -> Path:
    """Write a page whole or not at all, into a folder made where it is missing.

    RunError where that fails.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise RunError(f"{target} is a folder; give the name of an HTML file")
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{target} cannot be written: {error.strerror}; choose a folder you may write to"
        ) from None
    write_text(target, page)
    return target


def page_of(
    template: str, title: str, *, payload: Markup | None, scripts: Sequence[str], **more: Any
) -> str:
    """Write a page from one of the templates in `web/`; it gets `payload`, `scripts` and `more`."""
    return (
        _environment()
        .get_template(template)
        .render(
            title=title,
            policy=Markup(POLICY),
            style=Markup(_own("page.css")),
            script=Markup("".join(map(_own, ("common.js", *scripts)))),
            payload=payload,
            plotly=Markup(_plotly()) if payload else None,
            version=__version__,
            **more,
        )
    )


def paragraphs(text: str) -> list[str]:
    """Part a text at its empty lines."""
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def cell(value: Any) -> str:
    """Write a table's value; a float with five significant digits."""
    return typeset(f"{value:.5g}") if isinstance(value, float | np.floating) else str(value)


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
    environment.filters["poster"] = poster
    environment.filters["percent"] = percent
    environment.filters["paragraphs"] = paragraphs
    environment.filters["cell"] = cell
    environment.filters["typeset"] = typeset
    return environment


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> str:
    return pack.deflated(get_plotlyjs())


def percent(value: float | None) -> str:
    """Write an accuracy; nothing where there is none."""
    return "" if value is None else f"{100 * value:.0f} %"


def sparkline(values: Sequence[float | None], farthest: float | None = None) -> str:
    """Return the SVG path of a gradient profile.

    Decades over layers, the last layer's in the middle.

    Parameters
    ----------
    values : sequence of float or None
        None is a gap.
    farthest : float, optional
        The largest distance from 0 of all curves of the page: they share one scale.
    """
    if farthest is None:
        farthest = max((abs(value) for value in values if value is not None), default=0.0)
    most = min(farthest, SPARK_MOST)
    path = []
    joined = False
    for k, value in enumerate(values):
        if value is None:
            joined = False
            continue
        x = SPARK_WIDTH * (k / (len(values) - 1) if len(values) > 1 else 0.5)
        y = SPARK_HEIGHT * (0.5 - 0.47 * np.clip(value, -most, most) / (most + SPARK_HALF))
        path.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
        joined = True
    return "".join(path)
