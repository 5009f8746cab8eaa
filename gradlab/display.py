"""How records show themselves: in 80 columns of text, and as a few lines of HTML in a notebook.

Text and numbers alone come in; every word is escaped on its way into HTML, whose colours are the
notebook's own.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

COLUMNS = 40  # of the longest bar
NAME = 18  # characters of a layer's name in text: of a longer one its end, which tells most
HEAD, TAIL = 10, 10  # rows shown of a long table
BOX = 'style="font: 14px/1.5 system-ui, sans-serif; max-width: 60em"'
CELL = 'style="text-align: left; padding: 1px 12px 1px 0"'
COLOURS = {"error": "#d6336c", "warning": "#c2691c", "fine": "#2b7cd3"}


@dataclass(frozen=True)
class Bar:
    """One layer's share of a signal.

    `decades` is log10 of it against the last layer's, NaN where there is none.
    """

    layer: int
    name: str
    decades: float

    @property
    def value(self) -> str:
        """The share as a number that no float has to hold."""
        if not np.isfinite(self.decades):
            return "NaN" if np.isnan(self.decades) else "0" if self.decades < 0 else "inf"
        return (
            f"{10**self.decades:.3g}"
            if abs(self.decades) < 3
            else f"{10 ** (self.decades % 1):.1f}e{self.decades // 1:.0f}"
        )


def decades(norms: Array) -> Array:
    """Return log10 of each layer's norm over the last one's, (L,).

    It is the median over the replicates of (S, L).

    A replicate in which either is no finite number above 0 is left out.
    """
    with np.errstate(all="ignore"):
        logs = np.log10(norms)
        fall = logs - logs[:, -1:]
    known = [column[np.isfinite(column)] for column in fall.T]
    return np.array([float(np.median(column)) if len(column) else np.nan for column in known])


def _shown(count: int) -> tuple[list[int], int]:
    """Which rows of a table are shown, and how many in its middle are not."""
    if count <= HEAD + TAIL + 1:
        return list(range(count)), 0
    return [*range(HEAD), *range(count - TAIL, count)], count - HEAD - TAIL


def _elided(name: str) -> str:
    return name if len(name) <= NAME else f"…{name[1 - NAME :]}"


def bars_text(bars: Sequence[Bar]) -> list[str]:
    """Draw a line a layer: powers of ten lost stand left of the |, powers gained right of it."""
    finite = [bar.decades for bar in bars if np.isfinite(bar.decades)]
    lost, gained = max(0.0, -min(finite, default=0.0)), max(0.0, max(finite, default=0.0))
    scale = COLUMNS / max(lost + gained, 2.0)
    room, width = round(scale * lost), max((len(bar.name) for bar in bars), default=0)
    chosen, hidden = _shown(len(bars))
    lines = []
    for position, index in enumerate(chosen):
        if hidden and position == HEAD:
            lines.append(f"        ... {hidden} more layers")
        bar = bars[index]
        length = round(scale * abs(bar.decades)) if np.isfinite(bar.decades) else 0
        left = ("-" * length if bar.decades < 0 else "").rjust(room)
        right = "+" * length if bar.decades > 0 else ""
        lines.append(
            f"  {bar.layer:>4}  {_elided(bar.name):<{min(width, NAME)}}  {bar.value:>8}  "
            f"{left}|{right}"
        )
    return lines


def columns_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table, each column as wide as its longest word, and a line below the heads."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def bars_html(bars: Sequence[Bar]) -> str:
    """Draw the same as an HTML table."""
    finite = [bar.decades for bar in bars if np.isfinite(bar.decades)]
    lost, gained = max(0.0, -min(finite, default=0.0)), max(0.0, max(finite, default=0.0))
    scale = 20 / max(lost + gained, 2.0)  # em
    chosen, hidden = _shown(len(bars))
    rows = []
    for position, index in enumerate(chosen):
        if hidden and position == HEAD:
            rows.append(f"<tr><td></td><td {CELL}>... {hidden} more layers</td></tr>")
        bar = bars[index]
        length = scale * abs(bar.decades) if np.isfinite(bar.decades) else 0.0
        start = (
            scale * (lost - (abs(bar.decades) if bar.decades < 0 else 0.0))
            if length
            else scale * lost
        )
        drawn = (
            f'<div style="margin-left: {start:.2f}em; width: {max(length, 0.12):.2f}em; '
            "height: 0.7em; "
            f'background: {COLOURS["fine"] if bar.decades <= 0 else COLOURS["warning"]}"></div>'
        )
        cells = (str(bar.layer), bar.name, bar.value)
        rows.append(
            "<tr>"
            + "".join(f"<td {CELL}>{html.escape(cell)}</td>" for cell in cells)
            + f"<td>{drawn}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def box(*parts: str) -> str:
    """Put pieces of HTML into one box."""
    return f"<div {BOX}>{''.join(parts)}</div>"


def paragraph(text: str, *, bold: bool = False, colour: str = "") -> str:
    """Write a line, escaped; `colour` is one of COLOURS' names."""
    style = f' style="margin: 2px 0{f"; color: {COLOURS[colour]}" if colour else ""}"'
    words = html.escape(text)
    return f"<p{style}>{f'<strong>{words}</strong>' if bold else words}</p>"


def listed(items: Sequence[str]) -> str:
    """Write a numbered list, escaped."""
    written = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f"<ol style='margin: 2px 0 6px'>{written}</ol>"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, escaped; a line feed within a cell starts a new line."""
    top = "".join(f"<th {CELL}>{html.escape(text)}</th>" for text in head)
    body = "".join(
        "<tr>"
        + "".join(f"<td {CELL}>{html.escape(text).replace(chr(10), '<br>')}</td>" for text in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"
