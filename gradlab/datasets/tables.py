"""Reading tables from files: cells are data, and what is wrong with one is said by row and column.

Rows are counted as an editor counts lines: the header is row 1.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab.errors import DataError

Array = np.ndarray
Rows = list[tuple[int, list[str]]]  # (row number, cells)

MOST_CLASSES = 20  # whole numbers of more different values than this are taken for quantities
LEAST_ROWS = 10
_WHOLE, _SPLIT = ("x", "y"), ("x_train", "y_train", "x_test", "y_test")


class Table(NamedTuple):
    """What a file holds: features (n, d), the raw target (n,) or (n, k), and a split where the file
    has one.
    """

    x: Array
    y: Array
    feature_names: tuple[str, ...] = ()
    train: int | None = None  # the first so many rows are the training part


def read(path: Path, target: str | None, task: str | None) -> Table:
    """Read a .csv or .npz file; raise DataError for whatever is wrong with it."""
    try:
        return _read(path, target, task)
    except OSError as error:
        reason = error.strerror or shown(str(error))
        raise DataError(
            f"{path} cannot be read ({reason}); give the path of a readable file"
        ) from None


def _read(path: Path, target: str | None, task: str | None) -> Table:
    if "\0" in str(path) or not path.exists():
        raise DataError(f"{shown(str(path))} does not exist; give the path of a .csv or .npz file")
    if path.is_dir():
        raise DataError(f"{path} is a directory; give the path of a .csv or .npz file in it")
    kind = path.suffix.lower()
    if kind not in (".csv", ".npz"):
        raise DataError(
            f"{path}: files ending in {shown(kind)} cannot be read; give a .csv or an .npz file"
        )
    return _read_csv(path, target, task) if kind == ".csv" else _read_npz(path)


def _read_csv(path: Path, target: str | None, task: str | None) -> Table:
    header, rows = _read_rows(path)
    if target is not None and target not in header:
        raise DataError(f"{path} has no column {shown(target)}; choose one of: {_listed(header)}")
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
    """Return the number a cell holds, NaN and infinity too; None for anything else ("1_000" is
    Python's alone).
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
    """Return numbers where every cell is one, else texts; a mixture is a slip unless it was asked
    for.
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


def _read_npz(path: Path) -> Table:
    arrays = _read_arrays(path)
    x, y = (
        np.concatenate([arrays[f"{k}_train"], arrays[f"{k}_test"]])
        if len(arrays) == 4
        else arrays[k]
        for k in "xy"
    )
    if len(x) < LEAST_ROWS:
        raise DataError(f"{path} has {len(x)} examples; at least {LEAST_ROWS} are needed")
    return Table(
        x.astype(np.float64), y, train=len(arrays["x_train"]) if len(arrays) == 4 else None
    )


def _read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays x and y, or x_train, y_train, x_test and y_test; pickled objects are
    refused.
    """
    try:
        with path.open("rb") as file:  # np.load leaves a file it opened and could not read open
            arrays = _members(path, np.load(file, allow_pickle=False))
    except DataError:
        raise
    except (
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        pickled = "Object arrays" in str(error)
        reason = (
            "pickled objects are never loaded"
            if pickled
            else (str(error) or type(error).__name__).splitlines()[0]
        )
        raise DataError(
            f"{path} cannot be read as npz ({reason[:80]}); save it anew with numpy.savez(path, "
            "x=..., y=...)"
        ) from None
    _check_arrays(path, arrays)
    return arrays


def _members(path: Path, archive: object) -> dict[str, Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError("it holds one bare array")
    keys = next((keys for keys in (_SPLIT, _WHOLE) if set(keys) <= set(archive.files)), None)
    if keys is None:
        raise DataError(
            f"{path} holds the arrays {_listed(archive.files) or 'none'}; it needs "
            f"{', '.join(_WHOLE)} or {', '.join(_SPLIT)}"
        )
    return {key: archive[key] for key in keys}


def _check_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Raise DataError unless the arrays are numbers (targets: or texts) of shapes that fit each
    other.
    """
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in (
            "biufU" if key[0] == "y" else "biuf"
        ):
            kind = getattr(array, "dtype", "no array")
            raise DataError(
                f"{path}: {key} is {kind}; store "
                f"{'real numbers' if key[0] == 'x' else 'numbers or texts'}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row, column = (
                [*np.argwhere(~np.isfinite(array).reshape(len(array), -1))[0]]
                if array.ndim
                else (0, 0)
            )
            raise DataError(
                f"{path}: {key} holds NaN or infinity at row {row}, column {column}; remove or "
                "fill it"
            )
    names = [key for key in arrays if key[0] == "x"]
    for key in names:
        x, y = arrays[key], arrays["y" + key[1:]]
        if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or 0 in (x.size, y.size):
            raise DataError(
                f"{path}: {key} has shape {x.shape} and y{key[1:]} {y.shape}; they must be "
                "(examples, features) and as many targets, and not empty"
            )
    first, last = names[0][1:], names[-1][1:]
    for k in "xy":
        a, b = arrays[k + first], arrays[k + last]
        if a.shape[1:] != b.shape[1:] or (a.dtype.kind == "U") != (b.dtype.kind == "U"):
            raise DataError(
                f"{path}: {k}{first} is {a.dtype} {a.shape} and {k}{last} {b.dtype} {b.shape}; "
                "they must match"
            )


def encode_target(path: Path, raw: Array, task: str | None) -> tuple[Array, tuple[str, ...]]:
    """Turn a raw target into class numbers and their names, or into real numbers and no names."""
    text = raw.dtype.kind in "Ub"
    whole = not text and bool((raw == np.round(raw)).all())
    if task == "regression" and text:
        raise DataError(
            f"{path}: the target holds texts such as {shown(str(raw.flat[0]))}; use "
            "task='classification'"
        )
    few = whole and raw.ndim == 1 and len(np.unique(raw)) <= MOST_CLASSES
    if task == "regression" or (task is None and not text and not few):
        return raw.astype(np.float64), ()
    if raw.ndim != 1:
        raise DataError(
            f"{path}: the target has shape {raw.shape}; classes need one label an example"
        )
    values, numbers = np.unique(raw, return_inverse=True)
    names = tuple(str(int(value)) if whole else str(value) for value in values)
    if len(values) < 2:
        raise DataError(
            f"{path}: the target has a single class, {shown(*names)}; at least 2 are needed"
        )
    return numbers.astype(np.int64), names


def shown(text: str) -> str:
    """Quote a text for a message: control characters escaped, cut at 40 characters."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(shown(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
