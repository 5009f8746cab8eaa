"""Which layers a page shows: those whose path, or name, fits a glob or a regular expression."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from gradlab.errors import ArgumentError
from gradlab.run import Run

NAMED = 6  # paths in a message


def fitting(paths: Sequence[str], pattern: str) -> list[int]:
    """Return the numbers, from 1, of the layers whose path fits.

    Parameters
    ----------
    paths : sequence of str
    pattern : str
        As a glob it must fit the whole path (`*` stands for any characters, dots too); where it
        fits none, it is searched for as a regular expression. Capitals make no difference.

    Raises
    ------
    ArgumentError
        It is neither a glob that fits nor a regular expression.
    """
    lowered = [path.lower() for path in paths]
    found = [k for k, path in enumerate(lowered, 1) if fnmatch.fnmatchcase(path, pattern.lower())]
    if found:
        return found
    try:
        searched = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ArgumentError(
            f"layers={pattern!r} fits no layer as a glob, and is no regular expression: {error}"
        ) from None
    return [k for k, path in enumerate(paths, 1) if searched.search(path)]


def paths_of(run: Run) -> list[str]:
    """Return what a pattern is held against: each matrix's path, or its name where it has none."""
    table = run.matrices.layers
    pairs = zip(table["path"], table["name"], strict=True)
    return [str(path) if path else str(name) for path, name in pairs]


def check_pattern(pattern: str, runs: Sequence[Run]) -> None:
    """Raise ArgumentError where a pattern fits no layer of any run; an empty one fits all."""
    if not pattern or any(fitting(paths_of(run), pattern) for run in runs):
        return
    known = list(dict.fromkeys(path for run in runs for path in paths_of(run)))
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    raise ArgumentError(
        f"layers={pattern!r} fits no layer; their paths are {', '.join(known[:NAMED])}{more}"
    )
