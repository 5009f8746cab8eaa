"""`Data`: a data set that was checked, and `split`, which makes one of arrays."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np

from gradlab.errors import DataError
from gradlab.kinds import FLAG, TEXT, TEXTS, of_kinds
from gradlab.ranges import COUNT_OR_0, Range

Array = np.ndarray


@dataclass(frozen=True, eq=False)  # arrays have no single truth value; compare fingerprints
class Data:
    """A data set, split and checked; its arrays are read-only copies.

    Attributes
    ----------
    name : str
    x_train, x_test : ndarray (n, d)
        Features, float64.
    y_train, y_test : ndarray (n,) or (n, k)
        Class numbers 0..K-1 (int64, (n,)), or real targets (float64).
    classes : tuple of str
        What the class numbers stand for, where that is known.
    feature_names : tuple of str
        One a feature, where they are known.

    Raises
    ------
    DataError
        Empty parts, shapes that do not fit, NaN or infinity, class numbers below 0 or beyond K-1.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        TEXT.check("name", self.name)
        TEXTS.check("classes", self.classes)
        TEXTS.check("feature_names", self.feature_names)
        for part in ("train", "test"):
            x = _array(self.name, f"x_{part}", getattr(self, f"x_{part}"))
            y = _array(self.name, f"y_{part}", getattr(self, f"y_{part}"))
            _check_part(self.name, part, x, y)
            for key, array in ((f"x_{part}", x.astype(np.float64)), (f"y_{part}", _target(y))):
                array.flags.writeable = False
                object.__setattr__(self, key, array)
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "feature_names", tuple(self.feature_names))
        _check_together(self)

    @property
    def task(self) -> str:
        """ "classification" for class numbers, "regression" for real targets."""
        return "classification" if np.issubdtype(self.y_train.dtype, np.integer) else "regression"

    @property
    def n_features(self) -> int:
        """Inputs a net needs."""
        return self.x_train.shape[1]

    @property
    def n_outputs(self) -> int:
        """Outputs a net needs: classes, or target columns."""
        if self.task == "classification":
            return len(self.classes) or int(max(self.y_train.max(), self.y_test.max())) + 1
        return 1 if self.y_train.ndim == 1 else self.y_train.shape[1]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every array.

        Two data sets have the same one exactly where they hold the same numbers.
        """
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _target(y: Array) -> Array:
    return y.astype(np.int64 if y.dtype.kind in "iu" else np.float64)


def _array(name: str, key: str, value: object) -> Array:
    try:
        return np.asarray(value)
    except ValueError:
        raise DataError(
            f"data {name!r}: {key} has rows of different lengths; give each the same"
        ) from None


def _check_part(name: str, part: str, x: Array, y: Array) -> None:
    """Raise DataError for the first thing wrong with one part of a data set."""
    if x.ndim != 2 or x.shape[1] == 0:
        raise DataError(
            f"data {name!r}: x_{part} has shape {x.shape}; it must be (examples, features)"
        )
    if y.ndim not in (1, 2) or y.shape[1:] == (0,) or (y.ndim == 2 and y.dtype.kind in "iu"):
        raise DataError(
            f"data {name!r}: y_{part} is {y.dtype} of shape {y.shape}; give class numbers "
            "(examples,) or real targets (examples,) or (examples, columns)"
        )
    if len(x) == 0 or len(x) != len(y):
        raise DataError(
            f"data {name!r}: x_{part} has {len(x)} rows and y_{part} {len(y)}; both need the same, "
            "at least 1"
        )
    for label, array in ((f"x_{part}", x), (f"y_{part}", y)):
        if array.dtype.kind not in "iuf":
            raise DataError(f"data {name!r}: {label} is {array.dtype}; it must hold real numbers")
        bad = ~np.isfinite(array).reshape(len(array), -1)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise DataError(
                f"data {name!r}: {label} holds {bad.sum()} values that are NaN or infinite, the "
                f"first at row {row}, column {column}; remove or fill them"
            )


def _check_together(data: Data) -> None:
    """Raise DataError where the parts, the class numbers and the names do not fit each other."""
    for key in "xy":
        train, test = getattr(data, f"{key}_train"), getattr(data, f"{key}_test")
        if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
            raise DataError(
                f"data {data.name!r}: {key}_train is {train.dtype} of shape {train.shape} and "
                f"{key}_test {test.dtype} of shape {test.shape}; both need the same type and "
                "columns"
            )
    if data.feature_names and len(data.feature_names) != data.n_features:
        raise DataError(
            f"data {data.name!r}: {len(data.feature_names)} feature_names for {data.n_features} "
            "features; give one a feature"
        )
    if data.task == "regression":
        return
    labels = np.concatenate([data.y_train, data.y_test])
    # Without names, a class may be absent, but row numbers or identifiers are no classes.
    count = len(data.classes) or len(labels)
    for label in (labels.min(), labels.max()):
        if not 0 <= label < count:
            kind = "classes" if data.classes else "examples"
            raise DataError(
                f"data {data.name!r}: the class number {label} does not fit {count} {kind}; "
                "classes count from 0"
            )


@of_kinds(name=TEXT, classes=TEXTS, feature_names=TEXTS, per_feature=FLAG)
def split(
    name: str,
    x: Array,
    y: Array,
    *,
    seed: int,
    test_fraction: float = 0.2,
    classes: tuple[str, ...] = (),
    feature_names: tuple[str, ...] = (),
    per_feature: bool = True,
) -> Data:
    """Split at random by `seed`, standardize by the training part, and return Data.

    Parameters
    ----------
    x : ndarray (n, d)
    y : ndarray (n,) or (n, k)
        Class numbers or real targets; left as they are.
    seed : int
        0 or more.
    test_fraction : float
        Share of the held-out part, between 0 and 1, rounded up to whole examples.
    classes, feature_names : tuple of str
        As in Data.
    per_feature : bool
        One mean and deviation a feature; False: one of each for all (pixels). A feature that is
        constant in the training part becomes 0 everywhere.

    Raises
    ------
    ArgumentError
        `test_fraction` or `seed` outside its range.
    DataError
        No example left to train on, or what Data refuses.
    """
    seed = int(COUNT_OR_0.check("seed", seed))
    test_fraction = Range(0, 1, open_least=True, open_most=True).check(
        "test_fraction", test_fraction
    )
    x, y = _array(name, "x", x), _array(name, "y", y)
    _check_part(name, "train", x, y)
    train = len(x) - math.ceil(test_fraction * len(x))
    if train < 1:
        raise DataError(
            f"data {name!r} has {len(x)} rows, and test_fraction={test_fraction!r} leaves none to "
            "train on; give more rows or a smaller fraction"
        )
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = standardized(x[order], train, 0 if per_feature else None), y[order]
    return Data(name, x[:train], y[:train], x[train:], y[train:], classes, feature_names)


def standardized(x: Array, train: int, axis: int | None) -> Array:
    """Return (x - mean) / deviation, both of the first `train` rows; 0 where these do not vary."""
    known = x[:train].astype(np.float64)
    # A power of two brings the squares into float64's range and changes no digit of the result.
    _, exponent = np.frexp(np.abs(known).max(axis=axis))
    known = np.ldexp(known, -exponent)
    deviation = known.std(axis=axis)
    varies = known.min(axis=axis) < known.max(
        axis=axis
    )  # the deviation of equal numbers may round to above 0
    with np.errstate(over="ignore"):  # an infinite result is reported by Data
        centred = np.ldexp(x.astype(np.float64), -exponent) - known.mean(axis=axis)
        return np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
