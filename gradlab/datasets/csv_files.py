"""Reading CSV files: cells are data, and an error names the row and the column of a bad one.

Rows are counted as an editor counts lines: the header is row 1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradlab.datasets.table import LEAST_ROWS, Table, listed, shown
from gradlab.errors import DataError

Array = np.ndarray
Rows = list[tuple[int, list[str]]]  # (row number, cells)


def read_csv(path: Path, target: str | None, task: str | None) -> Table:
    """Read a CSV file with a header row; DataError says what is wrong with it, and where."""
    header, rows = _read_rows(path)
    if target is not None and target not in header:
        raise DataError(f"{path} has no column {shown(target)}; choose one of: {listed(header)}")
    index = len(header) - 1 if target is None else header.index(target)
    if len(header) == 1:
        raise DataError(
            f"{path} has only the column {shown(header[0])}; it needs at least one feature and the "
            "target, separated by commas"
        )
    columns = [
        [_number(path, row, name, cells[number]) for row, cells in rows] if number != index else []
        for number, name in enumerate(header)
    ]
    features = np.array([column for number, column in enumerate(columns) if number != index]).T
    names = tuple(name for number, name in enumerate(header) if number != index)
    column = [(row, cells[index].strip()) for row, cells in rows]
    return Table(
        features, _target(path, header[index], column, mixed=task == "classification"), names
    )


def _read_rows(path: Path) -> tuple[list[str], Rows]:
    """Return the header and (row number, cells) of every line that is not blank."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: row {row} is not UTF-8 text; save the file as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        table = [
            (reader.line_num, cells)
            for cells in reader
            if len(cells) > 1 or any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise DataError(
            f"{path}: row {reader.line_num} cannot be read as CSV ({str(error)[:80]}); check its "
            "quotes"
        ) from None
    if not table:
        raise DataError(
            f"{path} is empty; it needs a header row and at least {LEAST_ROWS} rows of data"
        )
    header, rows = [name.strip() for name in table[0][1]], table[1:]
    if len(set(header)) < len(header):
        twice = next(name for number, name in enumerate(header) if name in header[:number])
        raise DataError(f"{path} has two columns named {shown(twice)}; give each its own name")
    for row, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{path}: row {row} has {len(cells)} fields, but the header has {len(header)}; "
                "give both the same"
            )
    if len(rows) < LEAST_ROWS:
        raise DataError(f"{path} has {len(rows)} rows of data; at least {LEAST_ROWS} are needed")
    return header, rows


def _parsed(cell: str) -> float | None:
    """Return the number a cell holds, NaN and infinity too; None for anything else.

    "1_000" is a number in Python alone.
    """
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _number(path: Path, row: int, column: str, cell: str) -> float:
    value = _parsed(cell)
    if value is None:
        problem = (
            f"holds {shown(cell)}, which is no number; remove or replace it"
            if cell.strip()
            else _EMPTY
        )
        raise DataError(f"{path}: row {row}, column {shown(column)} {problem}")
    if not np.isfinite(value):
        raise DataError(
            f"{path}: row {row}, column {shown(column)} holds {shown(cell.strip())}; remove or "
            "fill it"
        )
    return value


_EMPTY = "is empty; fill it or remove the row"


def _target(path: Path, name: str, cells: Sequence[tuple[int, str]], mixed: bool) -> Array:
    """Return numbers where every cell is one, else texts.

    A mixture is a slip unless it was asked for.
    """
    numeric = [_parsed(cell) is not None for _, cell in cells]
    for (row, cell), is_number in zip(cells, numeric, strict=True):
        if is_number:
            _number(path, row, name, cell)
        elif not cell:
            raise DataError(f"{path}: row {row}, target column {shown(name)} {_EMPTY}")
    if any(numeric) and not all(numeric) and not mixed:
        row, cell = cells[numeric.index(False)]
        raise DataError(
            f"{path}: row {row}, target column {shown(name)} holds {shown(cell)}, but other rows "
            "hold numbers; use either numbers or texts, or pass task='classification'"
        )
    texts = [cell for _, cell in cells]
    return np.array([float(cell) for cell in texts]) if all(numeric) else np.array(texts)
