"""Sums of squares and of products that lose nothing to the range of their format.

Sums of squares underflow in float32 below about 1e-23 and overflow above about 1e19. They are
therefore taken in the array's own dtype first, which is fast, and once more in scaled float64 where
that sum leaves its safe range: a delta of 1e-31 measures 1e-31, not 0, and one of 1e30 is not
infinite.
"""

from __future__ import annotations

import functools

import numpy as np

Array = np.ndarray


def where_unsafe(sums: Array, dtype: np.dtype) -> Array | None:
    """Return where sums of squares in `dtype` underflowed, overflowed or are no numbers.

    None where none did. This is the one place that says when a quick sum has to be taken again.
    """
    low, high = safe_range(dtype)
    if sums.size and sums.min() > low and sums.max() < high:  # NaN compares as False
        return None
    mask = ~((sums > low) & (sums < high))
    return mask if mask.any() else None


@functools.cache
def safe_range(dtype: np.dtype) -> tuple[float, float]:
    """Between which limits a sum of squares, summed in `dtype`, has lost nothing worth naming."""
    info = np.finfo(dtype)
    if info.bits < 32:  # sums of half-precision squares lose their small terms anywhere
        return np.inf, 0.0
    return float(info.tiny) ** 0.5 * 10, float(info.max) ** 0.75


def scaled(x: Array, axis: int | tuple[int, int]) -> tuple[Array, Array]:
    """Return x / max|x| in float64, and that maximum along the axes, which are kept.

    A maximum that is 0 or not finite counts as 1.
    """
    x = x.astype(np.float64)
    scale = np.abs(x).max(axis=axis, keepdims=True)
    scale[~np.isfinite(scale) | (scale == 0)] = 1
    return x / scale, scale


def roots(squares: Array, x: Array) -> Array:
    """Return norms whose squares were summed quickly, summed anew where those sums are unsafe.

    Parameters
    ----------
    squares : ndarray (...)
        sum x^2 over the last axis, in the format of `x` or a wider one.
    x : ndarray (..., n)

    Returns
    -------
    ndarray of float64 (...)
        ||x||: inf or NaN only where an entry is; a vector of 1e-31 has such a norm, and not 0.
    """
    squares = np.asarray(squares, np.float64)
    result = np.asarray(np.sqrt(squares))
    unsafe = where_unsafe(squares, x.dtype)
    if unsafe is not None:
        result[unsafe] = _scaled_norm(x[unsafe]) if np.any(x[unsafe]) else 0.0
    return result


def _scaled_norm(x: Array) -> Array:
    shrunk, scale = scaled(x, axis=-1)
    return np.sqrt(np.vecdot(shrunk, shrunk)) * scale[..., 0]


def products(sums: Array, x: Array, y: Array) -> Array:
    """Return inner products that were summed quickly, summed anew where those sums are unsafe.

    Parameters
    ----------
    sums : ndarray (...)
        sum x y over the last axis, in the format of `x` or a wider one.
    x, y : ndarray (..., n)

    Returns
    -------
    ndarray of float64 (...)
    """
    result = np.array(sums, np.float64)
    unsafe = where_unsafe(np.abs(result), x.dtype)
    if unsafe is None:
        return result
    if np.isfinite(result[unsafe]).all() and not (np.any(x[unsafe]) and np.any(y[unsafe])):
        result[unsafe] = 0.0  # as an update of weights whose gradient is 0: nothing to take again
        return result
    (x, x_scale), (y, y_scale) = scaled(x[unsafe], axis=-1), scaled(y[unsafe], axis=-1)
    result[unsafe] = np.vecdot(x, y) * x_scale[..., 0] * y_scale[..., 0]
    return result
