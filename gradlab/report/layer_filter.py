"""Which layers a page shows: those whose path or name fits a pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from gradlab.errors import ArgumentError, suggest
from gradlab.run import Run

WILD = "*?["  # a pattern without any of them may be part of a name


def fitting(names: Sequence[Sequence[str]], pattern: str) -> list[int]:
    """Return the numbers, from 1, of the layers that fit a pattern.

    Parameters
    ----------
    names : sequence of sequence of str
        What each layer is called: its path, its name.
    pattern : str
        A glob, which must fit all of a name (`*` stands for any characters, dots too); a regular
        expression between slashes; or a part of a name. Capitals count.

    Raises
    ------
    ArgumentError
        A regular expression that cannot be read.
    """
    matches = _matcher(pattern)
    return [k for k, called in enumerate(names, 1) if any(map(matches, called))]


def _matcher(pattern: str) -> Callable[[str], bool]:
    if len(pattern) > 2 and pattern[0] == pattern[-1] == "/":
        try:
            expression = re.compile(pattern[1:-1])
        except re.error as error:
            raise ArgumentError(
                f"layers={pattern!r} is no regular expression ({error}); a pattern such as "
                "'blocks.*.attn.*' needs no slashes"
            ) from None
        return lambda name: expression.search(name) is not None
    if any(character in WILD for character in pattern):
        return lambda name: fnmatch.fnmatchcase(name, pattern)
    return lambda name: pattern in name


def names_of(run: Run) -> list[list[str]]:
    """Return what each weight matrix is called: its path and its name, each once."""
    rows = run.matrices.layers[["path", "name"]].fillna("").astype(str).to_numpy()
    return [list(dict.fromkeys(name for name in row if name)) for row in rows]


def check_pattern(pattern: str, runs: Sequence[Run]) -> None:
    """Raise ArgumentError where a pattern fits no layer of any run; an empty one fits all."""
    if not pattern or any(fitting(names_of(run), pattern) for run in runs):
        return
    known = dict.fromkeys(called[0] for run in runs for called in names_of(run) if called)
    raise ArgumentError(f"layers={pattern!r} fits no layer; {suggest(pattern, known)}")
