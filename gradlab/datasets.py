"""Data sets: handwritten digits (shipped), toy problems, and CSV or npz files of one's own.

Every data set is split into a training and a held-out part by its seed. Features are standardized by the training part.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from gradlab import _tables
from gradlab.errors import ArgumentError, DataError

Array = np.ndarray


@dataclass(frozen=True)
class Data:
    """A data set, split and checked.

    Attributes
    ----------
    name : str
    x_train, x_test : ndarray (n, d)
        Features, float64.
    y_train, y_test : ndarray (n,) or (n, k)
        Class numbers 0..K-1 (integers), or real targets.
    classes : tuple of str
        What the class numbers stand for, where that is known.

    Raises
    ------
    DataError
        Empty parts, shapes that do not fit, NaN or infinity, class numbers below 0.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = np.asarray(getattr(self, f"x_{part}")), np.asarray(getattr(self, f"y_{part}"))
            _check_part(self.name, part, x, y)
            for key, array in ((f"x_{part}", x.astype(np.float64)), (f"y_{part}", _target(y))):
                array.flags.writeable = False
                object.__setattr__(self, key, array)
        if self.x_train.shape[1] != self.x_test.shape[1]:
            raise DataError(
                f"data {self.name!r}: x_train has {self.x_train.shape[1]} features and x_test {self.x_test.shape[1]}; "
                "both need the same"
            )

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
            return max(int(max(self.y_train.max(), self.y_test.max())) + 1, len(self.classes))
        return 1 if self.y_train.ndim == 1 else self.y_train.shape[1]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every array: two data sets have the same one exactly where they hold the same numbers."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _target(y: Array) -> Array:
    return y.astype(np.int64 if np.issubdtype(y.dtype, np.integer) else np.float64)


def _check_part(name: str, part: str, x: Array, y: Array) -> None:
    """Raise DataError for the first thing wrong with one part of a data set."""
    if x.ndim != 2 or x.shape[1] == 0:
        raise DataError(f"data {name!r}: x_{part} has shape {x.shape}; it must be (examples, features)")
    if len(x) == 0 or len(x) != len(y):
        raise DataError(
            f"data {name!r}: x_{part} has {len(x)} rows and y_{part} {len(y)}; both need the same, at least 1"
        )
    for label, array in ((f"x_{part}", x), (f"y_{part}", y)):
        if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
            raise DataError(f"data {name!r}: {label} is {array.dtype}; it must hold real numbers")
        if not np.isfinite(array).all():
            where = np.argwhere(~np.isfinite(array))
            raise DataError(
                f"data {name!r}: {label} holds {len(where)} values that are NaN or infinite, the first at "
                f"{tuple(int(i) for i in where[0])}; remove or fill them"
            )
    if np.issubdtype(y.dtype, np.integer) and y.min() < 0:
        raise DataError(f"data {name!r}: y_{part} holds the class number {y.min()}; classes count from 0")


def split(
    name: str, x: Array, y: Array, *, seed: int, test_fraction: float = 0.2, classes: tuple[str, ...] = (),
    per_feature: bool = True,
) -> Data:  # fmt: skip
    """Split at random by `seed`, standardize by the training part, and return Data.

    Parameters
    ----------
    x : ndarray (n, d)
    y : ndarray (n,) or (n, k)
    test_fraction : float
        Share of the held-out part, between 0 and 1; at least one example falls on either side.
    per_feature : bool
        One mean and deviation a feature; False: one of each for all (pixels). A constant feature becomes 0.

    Raises
    ------
    ArgumentError
        `test_fraction` or `seed` outside its range.
    DataError
        Fewer than 2 rows, or what Data refuses.
    """
    if not 0 < test_fraction < 1:
        raise ArgumentError(f"test_fraction={test_fraction!r} must be between 0 and 1, such as 0.2")
    if seed < 0:
        raise ArgumentError(f"seed={seed!r} must be 0 or more")
    if len(x) < 2:
        raise DataError(f"data {name!r} has {len(x)} rows; at least 2 are needed to train and to test")
    if not np.isfinite(x).all():
        _check_part(name, "train", x, y)
    order = np.random.default_rng(seed).permutation(len(x))
    held_out = min(math.ceil(test_fraction * len(x)), len(x) - 1)
    train, test = order[: len(x) - held_out], order[len(x) - held_out :]
    axis = 0 if per_feature else None
    mean, deviation = x[train].mean(axis=axis), x[train].std(axis=axis)
    scale = np.where(deviation > 0, deviation, 1.0)
    x = (x - mean) / scale
    return Data(name, x[train], y[train], x[test], y[test], classes)


def digits(seed: int = 0, test_fraction: float = 0.2) -> Data:
    """Handwritten digits: 1,797 images of 8 x 8 pixels, ten classes; 1,437 to train and 360 to test.

    Standardized by ONE mean and one deviation of the training part, so that pixels keep their relative scale.
    Source: Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, CC BY 4.0.
    """
    file = resources.files("gradlab") / "data" / "digits.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        images, labels = archive["images"].astype(np.float64), archive["labels"].astype(np.int64)
    names = tuple(str(digit) for digit in range(10))
    return split("digits", images, labels, seed=seed, test_fraction=test_fraction, classes=names, per_feature=False)


def circles(n: int = 1000, *, noise: float = 0.1, seed: int = 0) -> Data:
    """Two concentric circles of radius 1 and 2 in the plane, two classes, with normal noise of deviation `noise`."""
    _check_count("n", n, 4)
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    angle = rng.uniform(0, 2 * np.pi, n)
    x = (1.0 + labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, noise, (n, 2))
    return split("circles", x, labels, seed=seed, classes=("inner", "outer"))


def blobs(n: int = 1000, *, classes: int = 3, features: int = 2, spread: float = 1.0, seed: int = 0) -> Data:
    """Draw normal clouds of deviation `spread` about centres drawn from [-10, 10], one class each."""
    _check_count("n", n, 4)
    _check_count("classes", classes, 2)
    _check_count("features", features, 1)
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-10, 10, (classes, features))
    labels = np.arange(n) % classes
    x = centres[labels] + rng.normal(0, spread, (n, features))
    return split("blobs", x, labels, seed=seed, classes=tuple(str(number) for number in range(classes)))


def course_function(n: int = 1000, *, noise: float = 0.0, seed: int = 0) -> Data:
    """The course's function F(x) = 2 sin(x^2) + sqrt(5 x), x drawn evenly from [0, 4]; a regression of one feature."""
    _check_count("n", n, 4)
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 4, (n, 1))
    y = 2 * np.sin(x[:, 0] ** 2) + np.sqrt(5 * x[:, 0]) + rng.normal(0, noise, n)
    return split("course_function", x, y, seed=seed)


def linear(n: int = 1000, *, features: int = 3, noise: float = 0.1, seed: int = 0) -> Data:
    """A linear regression y = x w + 1 with weights w = 1, 2, 3, ... and normal noise of deviation `noise`."""
    _check_count("n", n, 4)
    _check_count("features", features, 1)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    y = x @ np.arange(1.0, features + 1) + 1 + rng.normal(0, noise, n)
    return split("linear", x, y, seed=seed)


def from_file(
    path: str | Path,
    target: str | None = None,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    task: str | None = None,
) -> Data:
    """Read a data set from a CSV file with a header row, or from an npz file.

    Parameters
    ----------
    path : path
        `.csv`: numbers in every column but the target's. `.npz`: arrays `x` and `y`.
    target : str, optional
        The column to predict; the last by default. Only for CSV.
    test_fraction, seed : float, int
        As for `split`.
    task : str, optional
        "classification" or "regression". By default texts and whole numbers of at most 20 different values are classes
        (in sorted order), other numbers real targets, which are left as they are.

    Raises
    ------
    DataError
        What is wrong with the file: row, column, value.
    ArgumentError
        An unknown task.
    """
    if task not in (None, "classification", "regression"):
        raise ArgumentError(f"task={task!r} must be 'classification' or 'regression'")
    path = Path(path)
    if path.suffix.lower() == ".npz":
        if target is not None:
            raise ArgumentError(f"target={target!r} is for CSV files; {path} names its target y")
        x, raw = _tables.read_npz(path)
    elif path.suffix.lower() == ".csv":
        x, raw = _tables.read_csv(path, target)
    else:
        raise DataError(f"{path}: files ending in {path.suffix!r} cannot be read; give a .csv or an .npz file")
    y, classes = _tables.encode_target(path, raw, task)
    return split(path.stem, x, y, seed=seed, test_fraction=test_fraction, classes=classes)


def _check_count(argument: str, value: int, least: int) -> None:
    if value < least:
        raise ArgumentError(f"{argument}={value!r} must be at least {least}")
