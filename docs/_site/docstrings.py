"""Docstrings as the site shows them: written for people who read code, not for a markup."""

from __future__ import annotations

import re


def plain_bars(app, what, name, obj, options, lines: list[str]) -> None:
    """Keep `||W||` and `*args` from being read as markup (an event of Sphinx)."""
    for place, line in enumerate(lines):
        lines[place] = escaped(line)


def escaped(line: str) -> str:
    """Return a line in which bars, stars and trailing underscores are only characters."""
    if line.lstrip().startswith(".."):
        return line
    parts = line.split("`")
    for place in range(0, len(parts), 2):  # what stands between backquotes is kept
        part = re.sub(r"(?<!\\)\|", r"\\|", parts[place])
        part = re.sub(r"(?<![\\*])\*(?![*\s])(?=\w)", r"\\*", part)
        parts[place] = re.sub(r"(\w)_(?=[\s,.;:)]|$)", r"\1\\_", part)
    return "`".join(parts)
