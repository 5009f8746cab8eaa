"""On which line of a TOML file a key stands: `tomllib` reads values and forgets where they were."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADING = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_INLINE = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")

Path = tuple[str | int, ...]


def find(text: str, path: Path, seen: str | None = None) -> int:
    """Return the line, from 1, where `path` is set, or the nearest of what holds it.

    Parameters
    ----------
    text : str
        A valid TOML document.
    path : tuple of str and int
        Keys, and the number of a table in a list of tables, such as ("tool", "gradlab", "mute", 0,
        "rule").
    seen : str, optional
        A string that stands in the value: of a list over several lines, the line that holds it.
    """
    places = list(_places(text))
    for length in range(len(path), 0, -1):
        lines = [line for line, place in places if place[:length] == path[:length]]
        if lines:
            return _with_text(text, lines[0], seen)
    return 1


def _places(text: str) -> Iterator[tuple[int, Path]]:
    """Yield the line and the whole path of every heading and every key."""
    here: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            here = _numbered(_keys(heading[2]), counts)
            if heading[1] == "[[":
                counts[here] = counts.get(here, -1) + 1
                here = (*here, counts[here])
            yield number, here
        elif key := _KEY.match(line):
            place = (*here, *_keys(key[1]))
            yield number, place
            yield from (
                (number, (*place, *_keys(inner[1]))) for inner in _INLINE.finditer(line, key.end())
            )


def _numbered(keys: Path, counts: dict[Path, int]) -> Path:
    """Put the newest table's number after every key but the last that names a list of tables."""
    path: Path = ()
    for position, key in enumerate(keys):
        path = (*path, key)
        if position < len(keys) - 1 and path in counts:
            path = (*path, counts[path])
    return path


def _keys(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def _with_text(text: str, line: int, seen: str | None) -> int:
    """Return the first line from `line` on that quotes `seen`, else `line`."""
    if seen is None:
        return line
    quoted = (f'"{seen}"', f"'{seen}'")
    lines = text.splitlines()[line - 1 :]
    return next(
        (line + down for down, row in enumerate(lines) if any(each in row for each in quoted)), line
    )
