"""Tensors in main memory as NumPy arrays: the same bytes, and sums of squares over their rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gradlab import measures

Array = np.ndarray

PIECE = 1 << 13  # entries of a dot product: BLAS would take several threads for more than 10,000


def array_of(tensor: Tensor) -> Array:
    """Return a tensor in main memory as an array, half-precision numbers as float32 ones."""
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return (tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()).numpy()


def dots(x: Array, y: Array) -> Array:
    """Return <x, y> of each row of (k, n) arrays, float64."""
    n = x.shape[-1]
    if n <= PIECE:
        return np.vecdot(x, y).astype(np.float64)
    whole = n - n % PIECE
    if whole == n:
        pieces = np.vecdot(
            x.reshape(-1, PIECE), x.reshape(-1, PIECE) if x is y else y.reshape(-1, PIECE)
        )
        return np.add.reduce(pieces.reshape(len(x), -1), axis=-1, dtype=np.float64)
    pieces = [a[:, :whole].reshape(len(a), -1, PIECE) for a in (x, y)]
    return np.vecdot(*pieces).sum(axis=-1, dtype=np.float64) + np.vecdot(x[:, whole:], y[:, whole:])


def norms(x: Array) -> Array:
    """Return the norm of each row of (k, n), (k,).

    `gradlab.measures.norm` where its square may not be exact.
    """
    return exact_roots(dots(x, x), x)


def exact_roots(squares: Array, x: Array) -> Array:
    """Return the norms of rows x (k, n) whose squares were summed, summed anew where that sum is unsafe."""
    low, high = measures.safe_range(x.dtype)
    if squares.min() > low and squares.max() < high:
        return np.sqrt(squares)
    result, rows = np.sqrt(squares), np.flatnonzero(~((squares > low) & (squares < high)))
    result[rows] = measures.norm(x[rows][:, None]) if x[rows].any() else 0.0
    return result


def bad(proof: Array, x: Array) -> Array:
    """Count what is not finite in rows x (k, n).

    A finite `proof` shows that there is nothing to count.
    """
    if np.isfinite(proof).all():
        return np.zeros(len(x))
    return np.asarray(measures.nonfinite_count(x[:, None]), np.float64)


def exact_products(sums: Array, x: Array, y: Array) -> Array:
    """Return the sums of products of rows (k, n), taken anew where the fast ones may have lost something."""
    low, high = measures.safe_range(x.dtype)
    size = np.abs(sums)
    if size.min() > low and size.max() < high:
        return sums
    rows = np.flatnonzero(~((size > low) & (size < high)))
    some = x[rows].any() and y[rows].any()
    sums[rows] = measures.inner(x[rows][:, None], y[rows][:, None]) if some else 0.0
    return sums
