"""Reading tables from files, and making class numbers or real numbers of their targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gradlab.datasets.csv_files import read_csv
from gradlab.datasets.npz_files import read_npz
from gradlab.datasets.table import Table, shown
from gradlab.errors import DataError

Array = np.ndarray

# Whole numbers of more different values than this are taken for quantities.
MOST_CLASSES = 20


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
    if not path.exists():
        raise DataError(f"{shown(str(path))} does not exist; give the path of a .csv or .npz file")
    if path.is_dir():
        raise DataError(f"{path} is a directory; give the path of a .csv or .npz file in it")
    kind = path.suffix.lower()
    if kind not in (".csv", ".npz"):
        raise DataError(
            f"{path}: files ending in {shown(kind)} cannot be read; give a .csv or an .npz file"
        )
    return read_csv(path, target, task) if kind == ".csv" else read_npz(path)


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
