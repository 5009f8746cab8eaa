"""Reading npz files: arrays of numbers, or of texts as targets; pickled objects are refused."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from gradlab.datasets.table import LEAST_ROWS, Table, listed
from gradlab.errors import DataError

Array = np.ndarray

_WHOLE = ("x", "y")
_SPLIT = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path) -> Table:
    """Read an npz file; DataError says what is wrong with it."""
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
    """Return the arrays x and y, or x_train, y_train, x_test and y_test.

    Pickled objects are refused.
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
            f"{path} holds the arrays {listed(archive.files) or 'none'}; it needs "
            f"{', '.join(_WHOLE)} or {', '.join(_SPLIT)}"
        )
    return {key: archive[key] for key in keys}


def _check_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Raise DataError unless the arrays hold numbers, in shapes that fit each other.

    Targets may be texts.
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
