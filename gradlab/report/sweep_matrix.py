"""A comparison's matrix as plain data: two axes, and a slice for each value of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradlab.comparison import Cell, Comparison, combinations, place_words, words, written


def slices(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the places of the axes besides rows and columns; one empty place in a plain grid."""
    return combinations(comparison.selectors)


def matrix(comparison: Comparison, ids: Mapping[int, str]) -> dict[str, Any]:
    """Return the matrix that the page shows.

    Parameters
    ----------
    comparison : Comparison
    ids : mapping
        The word for each cell, by its number.

    Returns
    -------
    dict
        corner, columns, rows (those of all slices, one slice after the other), slices; axes (name,
        label, values), where there are more than two, of which a reader may choose any two, and
        on_rows and on_columns, those chosen at first.
    """
    by_place = {
        tuple(sorted(cell.plan.coordinates.items())): ids[number]
        for number, cell in enumerate(comparison.cells)
    }
    axes = comparison.axes
    rows = []
    for number, others in enumerate(slices(comparison)):
        for value in axes[comparison.rows]:
            at = others | {comparison.rows: value}
            cells = [
                by_place.get(tuple(sorted((at | {comparison.columns: each}).items())))
                for each in axes[comparison.columns]
            ]
            rows.append({"label": written(value), "line": "", "cells": cells, "slice": str(number)})
    return {
        "corner": _corner(comparison),
        "columns": [{"label": written(each)} for each in axes[comparison.columns]],
        "rows": rows,
        "slices": [
            {"key": str(number), "label": place_words(others)}
            for number, others in enumerate(slices(comparison))
        ],
        "axes": [
            {"axis": axis, "label": words(axis), "values": [written(each) for each in values]}
            for axis, values in (axes.items() if comparison.selectors else ())
        ],
        "on_rows": comparison.rows,
        "on_columns": comparison.columns,
    }


def _corner(comparison: Comparison) -> str:
    columns = words(comparison.columns)
    return columns if comparison.rows == "network" else f"{words(comparison.rows)} by {columns}"


def place(cell: Cell, comparison: Comparison) -> dict[str, Any]:
    """Return where a cell stands: its slice, its column, and its value on each axis as text."""
    at = cell.plan.coordinates
    others = {axis: at[axis] for axis in comparison.selectors}
    value = at[comparison.columns]
    told = f"{value} hidden layers"
    if comparison.columns != "depth" or others:
        told = place_words({comparison.columns: value, **others})
    return {
        "slice": str(slices(comparison).index(others)),
        "column": _key(others, value),
        "column_words": told,
        "place": {axis: written(each) for axis, each in at.items()},
    }


def _key(others: Mapping[str, Any], value: Any) -> str:
    return ", ".join([written(value), *map(written, others.values())])


def columns(comparison: Comparison) -> Iterator[tuple[str, list[tuple[str, Cell]]]]:
    """Yield each column of each slice: its key, and its cells with the labels of their rows."""
    found: dict[str, list[tuple[str, Cell]]] = {}
    for cell in comparison.cells:
        at = cell.plan.coordinates
        others = {axis: at[axis] for axis in comparison.selectors}
        key = _key(others, at[comparison.columns])
        found.setdefault(key, []).append((written(at[comparison.rows]), cell))
    yield from found.items()
