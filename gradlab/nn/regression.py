"""Losses of real targets: squared error, absolute error and Huber's.

Each is (value, gradient, loss of the best constant).
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

HUBER_DELTA = 1.0  # where the square becomes a line, as in PyTorch


def _errors(prediction: Array, target: Array) -> Array:
    return prediction - target.reshape(prediction.shape)


def _columns(target: Array) -> Array:
    return np.asarray(target, np.float64).reshape(len(target), -1)


def _squared_error(prediction: Array, target: Array) -> Array:
    """Mean over outputs of (prediction - y)^2: PyTorch's MSELoss, one example at a time."""
    return np.square(_errors(prediction, target)).mean(axis=-1)


def _squared_error_gradient(prediction: Array, target: Array, out: Array) -> None:
    np.subtract(prediction, target.reshape(prediction.shape), out=out)
    out *= 2 / (out.shape[-1] * out.shape[-2])


def _target_variance(target: Array) -> float:
    """The mean of the target columns' variances: the best constant prediction is their mean."""
    return float(_columns(target).var(axis=0).mean())


def _absolute_error(prediction: Array, target: Array) -> Array:
    """Mean over outputs of |prediction - y|: PyTorch's L1Loss."""
    return np.abs(_errors(prediction, target)).mean(axis=-1)


def _absolute_error_gradient(prediction: Array, target: Array, out: Array) -> None:
    np.sign(_errors(prediction, target), out=out)
    out /= out.shape[-1] * out.shape[-2]


def _median_deviation(target: Array) -> float:
    """The best constant prediction is the median."""
    columns = _columns(target)
    return float(np.abs(columns - np.median(columns, axis=0)).mean())


def _huber_of(error: Array) -> Array:
    size = np.abs(error)
    return np.where(size <= HUBER_DELTA, 0.5 * error**2, HUBER_DELTA * (size - 0.5 * HUBER_DELTA))


def _huber(prediction: Array, target: Array) -> Array:
    """Return the mean over outputs of e^2 / 2 where |e| <= 1, else |e| - 1/2.

    Huber 1964; it is PyTorch's HuberLoss.
    """
    return _huber_of(_errors(prediction, target)).mean(axis=-1)


def _huber_gradient(prediction: Array, target: Array, out: Array) -> None:
    np.clip(_errors(prediction, target), -HUBER_DELTA, HUBER_DELTA, out=out)
    out /= out.shape[-1] * out.shape[-2]


def _huber_constant(target: Array) -> float:
    """Return the loss of the best constant, where the clipped errors add up to 0.

    Bisection finds it, for their sum falls as the constant grows.
    """
    columns = _columns(target)
    low, high = columns.min(axis=0), columns.max(axis=0)
    for _ in range(100):
        middle = (low + high) / 2
        above = np.clip(columns - middle, -HUBER_DELTA, HUBER_DELTA).sum(axis=0) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return float(_huber_of(columns - low).mean())


LOSSES = {
    "squared_error": (_squared_error, _squared_error_gradient, _target_variance),
    "mean_absolute_error": (_absolute_error, _absolute_error_gradient, _median_deviation),
    "huber": (_huber, _huber_gradient, _huber_constant),
}
