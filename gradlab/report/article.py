"""An article: one question, its answer with a number, and the pictures that show it.

It is what an experiment becomes.

    article = Article(name="it", title="...", question="...?", answer="...", sections=[...])
    write_article(article, "reports/it.html")
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from gradlab.errors import ArgumentError
from gradlab.report import explorable, pack
from gradlab.report.explorable import Explorable
from gradlab.report.links import checked
from gradlab.report.pictures import draw
from gradlab.report.render import page_of, write_page


@dataclass(frozen=True)
class Section:
    """One step of an article.

    Attributes
    ----------
    heading : str
    text : str
        Paragraphs, parted by empty lines; plain text.
    figure : Figure, optional
        An ordinary Plotly figure without a template; `alt` says in words what it shows.
    alt : str
    table : DataFrame, optional
        Shown as it is, its columns as headings.
    formula : str
        In plain text with Unicode signs, one line a formula; shown behind "The formula".
    code : str
        Python to try it oneself.
    explore : Explorable, optional
        A net that the reader builds; at most one a page.
    """

    heading: str
    text: str = ""
    figure: go.Figure | None = None
    alt: str = ""
    table: pd.DataFrame | None = None
    formula: str = ""
    code: str = ""
    explore: Explorable | None = None

    def __post_init__(self) -> None:
        if self.figure is not None and not self.alt:
            raise ArgumentError(
                f"section {self.heading!r} has a figure without alt; say in words what it shows"
            )


@dataclass(frozen=True)
class Article:
    """A page that asks one question and answers it.

    Attributes
    ----------
    name : str
        Of the file, without ending: letters, digits, "-" and "_".
    title, question, answer : str
        One sentence each; the answer holds the number.
    sections : sequence of Section
    facts : dict
        The numbers the article claims, by name: what tests assert on.
    """

    name: str
    title: str
    question: str
    answer: str
    sections: Sequence[Section]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise ArgumentError(
                f"name={self.name!r} must be letters, digits, '-' and '_': it becomes a file's name"
            )


def write_article(
    article: Article, path: str | Path, links: Sequence[tuple[str, str]] = ()
) -> Path:
    """Write an article as one self-contained HTML page, whole or not at all, and return its path.

    Parameters
    ----------
    article : Article
    path : path
    links : sequence of (label, address)
        Where the page leads: the way back first, then its neighbours.

    Raises
    ------
    ArgumentError
        A link leads to what a browser would run.
    RunError
        The file cannot be written.
    """
    return write_page(render_article(article, links), path)


def render_article(article: Article, links: Sequence[tuple[str, str]] = ()) -> str:
    """Return an article as HTML; `links` as for `write_article`, none for a page alone."""
    figures = {
        str(number): _figure(section.figure, section.alt)
        for number, section in enumerate(article.sections, 1)
        if section.figure is not None
    }
    given = [section.explore for section in article.sections if section.explore is not None]
    explored = explorable.payload(given[0]) if given else None
    data = {"name": article.name, "figures": figures, "explore": explored}
    return page_of(
        "article.html",
        article.title,
        payload=Markup(pack.payload(data)),
        scripts=("explore.js", "article.js"),
        choices=explorable.CHOICES,
        deepest=explorable.DEEPEST,
        doublings=explorable.DOUBLINGS,
        article=article,
        links=checked(links),
    )


def _figure(figure: go.Figure, alt: str) -> dict[str, Any]:
    """Give a figure the page's margins, and remove its template, whose colours would differ."""
    given = arrays(figure.to_plotly_json())
    layout = {
        key: value
        for key, value in given["layout"].items()
        if key not in ("template", "height", "width")
    }
    common = draw.spec([], alt)["layout"]
    meta = {**layout.get("meta", {}), **common["meta"]}
    return pack.plain({**given, "layout": {**common, **layout, "meta": meta}})


def arrays(value: Any) -> Any:
    """Undo Plotly's own packing of arrays, {"dtype", "bdata", "shape"}.

    Ours rounds, and the page's CSV reads it.
    """
    if isinstance(value, dict):
        if "bdata" not in value:
            return {key: arrays(each) for key, each in value.items()}
        flat = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
        return flat.reshape([int(n) for n in str(value.get("shape", flat.size)).split(",")])
    return [arrays(each) for each in value] if isinstance(value, list | tuple) else value
