"""Small pieces of Markdown."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; bars in cells are escaped."""
    lines = [_row(heads), _row(["---"] * len(heads))]
    return "\n".join([*lines, *map(_row, rows)])


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(cell(str(each)) for each in cells) + " |"


def cell(text: str) -> str:
    """Return text that a table's cell can hold."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def plain(text: str) -> str:
    """Return text whose characters mean nothing in Markdown."""
    escaped = html.escape(text, quote=False)
    for character in "\\`*_[]|#":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def toctree(names: Iterable[str], *, hidden: bool = True, depth: int = 1) -> str:
    """Return a table of contents of pages."""
    options = f":maxdepth: {depth}\n" + (":hidden:\n" if hidden else "")
    return "\n".join(["```{toctree}", options, *names, "```"])
