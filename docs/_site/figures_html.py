"""Plotly's figures as elements of a page, drawn by `_static/example.js`."""

from __future__ import annotations

import html
from typing import Any

import plotly.io

NAME = "gradlab-site"
STARTUP = """from _site import figures_html
figures_html.use_in_notebook()
"""
"""What the notebook's kernel runs first."""


def element(spec: dict[str, Any]) -> str:
    """Return a figure as HTML, its words for those who do not see it included."""
    layout = {key: value for key, value in spec["layout"].items() if key != "template"}
    text = plotly.io.to_json({"data": spec["data"], "layout": layout}, validate=False)
    words = html.escape(str(layout.get("meta", {}).get("alt", "")))
    return (
        f'<figure class="example" data-figure="{html.escape(text)}"><div></div>'
        f"<figcaption>{words}</figcaption></figure>"
    )


def use_in_notebook() -> None:
    """Let a notebook show figures as the site does."""
    from plotly.io.base_renderers import MimetypeRenderer

    class Site(MimetypeRenderer):
        def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
            return {"text/html": element(fig_dict)}

    plotly.io.renderers[NAME] = Site()
    plotly.io.renderers.default = NAME
