"""Which layer of one run is which of the other: they are matched by their paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.run import Run

Array = np.ndarray

TOLD = ("kind", "activation", "fan_in", "fan_out", "parameters")
"""Columns of `Run.layers` that a layer may differ in and still be the same layer."""


@dataclass(frozen=True)
class Layers:
    """The layers that two runs have in common.

    Attributes
    ----------
    names : tuple of str
        Their paths.
    rows : (ndarray of int (L,), ndarray of int (L,))
        Where they stand in each run.
    vectors : ndarray of bool (L,)
        Which are biases, scales or bare parameters.
    alone : (tuple of str, tuple of str)
        The paths that one run has and the other lacks.
    changed : tuple of (path, column, value, value)
        What a common layer differs in.
    """

    names: tuple[str, ...]
    rows: tuple[Array, Array]
    vectors: Array
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    changed: tuple[tuple[str, str, str, str], ...]


def match_layers(a: Run, b: Run) -> Layers:
    """Match the layers of two runs by path and name; several of one name by their order."""
    first, second = _keys(a), _keys(b)
    common = [key for key in first if key in second]
    rows = [np.array([keys[key] for key in common], int) for keys in (first, second)]
    kinds = a.layer("kind")[rows[0]]
    names = tuple(_name(key) for key in common)
    return Layers(
        names,
        (rows[0], rows[1]),
        kinds == "vector",
        (
            tuple(_name(key) for key in first if key not in second),
            tuple(_name(key) for key in second if key not in first),
        ),
        tuple(_changes(a, b, names, rows)),
    )


def match_blocks(a: Run, b: Run) -> Layers:
    """Match the blocks of two runs by name."""
    first, second = ([str(name) for name in run.blocks["block"]] for run in (a, b))
    common = tuple(name for name in first if name in second)
    rows = [np.array([names.index(each) for each in common], int) for names in (first, second)]
    alone = tuple(n for n in first if n not in second), tuple(n for n in second if n not in first)
    return Layers(common, (rows[0], rows[1]), np.zeros(len(common), bool), alone, ())


def _keys(run: Run) -> dict[tuple[str, int], int]:
    """Return (path, how many of this path came before) -> row."""
    paths, names = run.layer("path"), run.layer("name")
    found: dict[tuple[str, int], int] = {}
    seen: Counter[str] = Counter()
    for row, (path, name) in enumerate(zip(paths, names, strict=True)):
        # "blocks.0.ln.weight" and "blocks.0.ln.bias" lie at the path "blocks.0.ln".
        own = path and str(name or "").startswith(str(path))
        word = str((name if own else path) or name or row + 1)
        found[word, seen[word]] = row
        seen[word] += 1
    return found


def _name(key: tuple[str, int]) -> str:
    word, count = key
    return word if not count else f"{word} ({count + 1})"


def _changes(
    a: Run, b: Run, names: Sequence[str], rows: Sequence[Array]
) -> Iterator[tuple[str, str, str, str]]:
    for column in TOLD:
        values = [run.layer(column)[at] for run, at in zip((a, b), rows, strict=True)]
        for name, one, other in zip(names, *values, strict=True):
            if _is_other(one, other):
                yield name, column, _word(one), _word(other)


def _is_other(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one != other and not (np.isnan(one) or np.isnan(other))
    return one != other


def _word(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value or "-")
