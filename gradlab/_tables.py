"""Reading tables from files: cells are data, and what is wrong with one is said by row and column."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradlab.errors import DataError

Array = np.ndarray

MOST_CLASSES = 20  # whole numbers of more different values than this are taken for quantities
LEAST_ROWS = 10


def read_csv(path: Path, target: str | None) -> tuple[Array, Array]:
    """Return features (n, d) and the raw target column (n,), numbers or texts, of a CSV file with a header row."""
    header, rows = _read_rows(path)
    if target is not None and target not in header:
        raise DataError(f"{path} has no column {_short(target)}; choose one of: {_listed(header)}")
    index = len(header) - 1 if target is None else header.index(target)
    names = [name for number, name in enumerate(header) if number != index]
    if not names:
        raise DataError(f"{path} has only the target column {_short(header[index])}; it needs at least one feature")
    features = np.array([_numbers(path, line, header, cells, skip=index) for line, cells in rows])
    column = [cells[index].strip() for _, cells in rows]
    for (line, _), cell in zip(rows, column, strict=True):
        if not cell:
            raise DataError(f"{path}: row {line} has no value in the target column {_short(header[index])}; fill it")
    return features, _numeric_or_text(path, rows, header[index], column)


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and (line number, cells) of every row that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            table = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give the path of a .csv or .npz file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as CSV: {str(error)[:80]}; check quotes and separators") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; give the path of a file") from None
    if not table:
        raise DataError(f"{path} is empty; it needs a header row and at least {LEAST_ROWS} rows of data")
    header = [name.strip() for name in table[0][1]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path} has two columns named {_short(twice[0])}; give each its own name")
    rows = table[1:]
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(f"{path}: row {line} has {len(cells)} fields, but the header has {len(header)}")
    if len(rows) < LEAST_ROWS:
        raise DataError(f"{path} has {len(rows)} rows of data; at least {LEAST_ROWS} are needed")
    return header, rows


def _numbers(path: Path, line: int, header: Sequence[str], cells: Sequence[str], skip: int) -> list[float]:
    values = []
    for number, cell in enumerate(cells):
        if number == skip:
            continue
        try:
            value = float(cell)
        except ValueError:
            problem = "is empty" if not cell.strip() else f"holds {_short(cell)}, which is no number"
            raise DataError(f"{path}: row {line}, column {_short(header[number])} {problem}") from None
        if not np.isfinite(value):
            raise DataError(f"{path}: row {line}, column {_short(header[number])} is {cell.strip()}; remove or fill it")
        values.append(value)
    return values


def _numeric_or_text(path: Path, rows: Sequence[tuple[int, list[str]]], name: str, column: Sequence[str]) -> Array:
    try:
        values = np.array([float(cell) for cell in column])
    except ValueError:
        return np.array(column, dtype=str)
    if not np.isfinite(values).all():
        bad = int(np.argmin(np.isfinite(values)))
        raise DataError(f"{path}: row {rows[bad][0]}, column {_short(name)} is {column[bad]}; remove or fill it")
    return values


def read_npz(path: Path) -> tuple[Array, Array]:
    """Return the arrays `x` (n, d) and `y` of an npz file; pickled objects are refused."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in ("x", "y") if key not in archive]
            if missing:
                raise DataError(f"{path} lacks the array {missing[0]!r}; it holds: {_listed(archive.files)}")
            x, y = archive["x"], archive["y"]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give the path of a .csv or .npz file") from None
    except (ValueError, zipfile.BadZipFile, EOFError, OSError, KeyError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise DataError(
            f"{path} cannot be read as npz ({reason}); save it with numpy.savez(path, x=..., y=...)"
        ) from None
    if x.ndim != 2 or len(x) != len(y) or len(x) < LEAST_ROWS:
        raise DataError(
            f"{path}: x has shape {x.shape} and y {y.shape}; x must be (examples, features), y as long, "
            f"of at least {LEAST_ROWS} examples"
        )
    if not np.issubdtype(x.dtype, np.number):
        raise DataError(f"{path}: x is {x.dtype}; it must hold numbers")
    return x.astype(np.float64), y


def encode_target(path: Path, raw: Array, task: str | None) -> tuple[Array, tuple[str, ...]]:
    """Turn a raw target into class numbers and their names, or into real numbers and no names."""
    text = not np.issubdtype(raw.dtype, np.number)
    whole = not text and raw.ndim == 1 and bool(np.isfinite(raw).all()) and bool((raw == np.round(raw)).all())
    if task == "regression" and text:
        raise DataError(f"{path}: the target holds texts such as {_short(str(raw[0]))}; use task='classification'")
    if task == "regression" or (task is None and not text and not (whole and len(np.unique(raw)) <= MOST_CLASSES)):
        return raw.astype(np.float64), ()
    names, numbers = np.unique(raw, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{path}: the target has a single value, {_short(str(names[0]))}; nothing is to be learned")
    return numbers.reshape(raw.shape).astype(np.int64), tuple(f"{name:g}" if whole else str(name) for name in names)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:20])
    return shown + (", ..." if len(names) > 20 else "")
