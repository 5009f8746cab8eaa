"""Data sets to try things on: digits (shipped), toy problems, and scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np

from gradlab.datasets.data import Data, split
from gradlab.errors import ArgumentError, DataError, one_of, shown
from gradlab.ranges import COUNT_OR_0, SIZE, Range, check_memory

Array = np.ndarray
MOST = 10**9  # examples
DEVIATION = Range(0, 1e100)  # its square is a number, too

BUNDLED = ("iris", "wine", "breast_cancer", "diabetes")


def digits(seed: int = 0, test_fraction: float = 0.2) -> Data:
    """Return handwritten digits: 1,797 images of 8 x 8 pixels, ten classes.

    1,437 are to train on and 360 to test.

    Standardized by ONE mean and one deviation of the training part, so that pixels keep their
    relative scale. Source: Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits,
    CC BY 4.0.

    Parameters
    ----------
    seed : int
        Of the split.
    test_fraction : float
        Share of the held-out part, between 0 and 1.

    Returns
    -------
    Data
        x (n, 64), y (n,) with classes 0..9.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    file = resources.files("gradlab") / "data" / "digits.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"]
    names = tuple(str(digit) for digit in range(10))
    return split(
        "digits",
        images,
        labels,
        seed=seed,
        test_fraction=test_fraction,
        classes=names,
        per_feature=False,
    )


def circles(n: int = 1000, *, noise: float = 0.1, seed: int = 0) -> Data:
    """Two concentric circles of radius 1 and 2 in the plane, one class each.

    Parameters
    ----------
    n : int
        Examples in all, 4 or more; a fifth of them is held out.
    noise : float
        Deviation of the normal noise on both coordinates, before standardization per feature; 0 or
        more.
    seed : int
        Of the examples and of the split.

    Returns
    -------
    Data
        x (n, 2), y (n,) with 2 classes.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    rng = _generator(seed)
    noise = DEVIATION.check("noise", noise)
    n = int(Range(4, MOST, whole=True).check("n", n))
    labels = np.arange(n) % 2
    angle = rng.uniform(0, 2 * np.pi, n)
    x = (1.0 + labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(
        0, noise, (n, 2)
    )
    return split("circles", x, labels, seed=seed, classes=("inner", "outer"))


def blobs(
    n: int = 1000,
    *,
    classes: int = 3,
    features: int = 2,
    spread: float = 1.0,
    shares: Sequence[float] | None = None,
    seed: int = 0,
) -> Data:
    """Normal clouds about centres drawn evenly from [-10, 10] in each feature, one class each.

    Parameters
    ----------
    n : int
        Examples in all, 4 or more and at least one a class; a fifth of them is held out.
    classes : int
        2 or more.
    features : int
        1 or more.
    spread : float
        Deviation of each cloud, before standardization per feature; 0 or more.
    shares : sequence of float, optional
        How many of the examples each class gets, relative to the others, such as (9, 1); each at
        least one example. Default: the same for all.
    seed : int
        Of the centres, the examples and the split.

    Returns
    -------
    Data
        x (n, features), y (n,) with `classes` classes.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    rng = _generator(seed)
    spread = DEVIATION.check("spread", spread)
    classes = int(Range(2, MOST, whole=True).check("classes", classes))
    features = int(SIZE.check("features", features))
    n = int(Range(4, MOST, whole=True).check("n", n))
    if n < classes:
        raise ArgumentError(f"n={n} must be at least classes={classes}: one example a class")
    check_memory(n * features, f"n={n}", f"features={features}")
    check_memory(classes * features, f"classes={classes}", f"features={features}")
    centres = rng.uniform(-10, 10, (classes, features))
    labels = (
        np.arange(n) % classes
        if shares is None
        else np.repeat(np.arange(classes), _counts(n, shares, classes))
    )
    x = centres[labels] + rng.normal(0, spread, (n, features))
    return split(
        "blobs", x, labels, seed=seed, classes=tuple(str(number) for number in range(classes))
    )


def _counts(n: int, shares: Sequence[float], classes: int) -> Array:
    """Return how many of n examples each class gets; what rounding leaves goes to the largest."""
    try:
        given = np.asarray(shares, np.float64)
    except (TypeError, ValueError, OverflowError):
        given = np.zeros(0)
    if given.shape != (classes,) or not np.isfinite(given).all() or (given <= 0).any():
        raise ArgumentError(
            f"shares={shown(shares)} must be one number above 0 for each of the {classes} classes"
        )
    counts = np.maximum(1, np.floor(n * given / given.sum())).astype(int)
    counts[counts.argmax()] += n - counts.sum()
    return counts


def course_function(n: int = 1000, *, noise: float = 0.0, seed: int = 0) -> Data:
    """Return a regression of the course's function F(x) = 2 sin(x^2) + sqrt(5 x).

    x is drawn evenly from [0, 4).

    Parameters
    ----------
    n : int
        Examples in all, 4 or more; a fifth of them is held out.
    noise : float
        Deviation of the normal noise on the target, 0 or more.
    seed : int
        Of the examples and of the split.

    Returns
    -------
    Data
        x (n, 1), standardized; y (n,), F and its noise as they are.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    rng = _generator(seed)
    noise = DEVIATION.check("noise", noise)
    n = int(Range(4, MOST, whole=True).check("n", n))
    x = rng.uniform(0, 4, (n, 1))
    y = 2 * np.sin(x[:, 0] ** 2) + np.sqrt(5 * x[:, 0]) + rng.normal(0, noise, n)
    return split("course_function", x, y, seed=seed, feature_names=("x",))


def linear(n: int = 1000, *, features: int = 3, noise: float = 0.1, seed: int = 0) -> Data:
    """Return a linear regression y = x w + 1 with the weights w = 1, 2, 3, ...

    x is drawn from N(0, 1).

    Parameters
    ----------
    n : int
        Examples in all, 4 or more; a fifth of them is held out.
    features : int
        1 or more.
    noise : float
        Deviation of the normal noise on the target, 0 or more.
    seed : int
        Of the examples and of the split.

    Returns
    -------
    Data
        x (n, features), standardized after y was made of it, so that a fit finds w times the
        deviations; y (n,).

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    rng = _generator(seed)
    noise = DEVIATION.check("noise", noise)
    n = int(Range(4, MOST, whole=True).check("n", n))
    features = int(SIZE.check("features", features))
    check_memory(n * features, f"n={n}", f"features={features}")
    x = rng.normal(size=(n, features))
    y = x @ np.arange(1.0, features + 1) + 1 + rng.normal(0, noise, n)
    return split("linear", x, y, seed=seed)


def _generator(seed: int) -> np.random.Generator:
    """Return the generator of the examples: another stream than that of the split."""
    seed = int(COUNT_OR_0.check("seed", seed))
    return np.random.default_rng([seed, 1])


def bundled(name: str, *, seed: int = 0, test_fraction: float = 0.2) -> Data:
    """One of the small data sets that come with scikit-learn, where that is installed.

    Parameters
    ----------
    name : str
        "iris" (150 examples, 4 features, 3 classes), "wine" (178, 13, 3), "breast_cancer" (569, 30,
        2 classes, 37 % of them malignant) or "diabetes" (442, 10, a regression).
    seed, test_fraction : int, float
        As for `split`.

    Returns
    -------
    Data

    Raises
    ------
    ArgumentError
        An unknown name, or an argument outside its range.
    DataError
        scikit-learn is not installed.
    """
    one_of("name", name, BUNDLED)
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(
            f"data {name!r} comes with scikit-learn, which is not installed: pip install "
            "scikit-learn"
        ) from None
    found = getattr(datasets, f"load_{name}")()
    classes = tuple(str(each) for each in getattr(found, "target_names", ()))
    target = found.target.astype(np.int64) if classes else found.target
    names = tuple(str(each) for each in found.feature_names)
    return split(
        name,
        found.data,
        target,
        seed=seed,
        test_fraction=test_fraction,
        classes=classes,
        feature_names=names,
    )
