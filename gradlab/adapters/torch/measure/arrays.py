"""Tensors in main memory as NumPy arrays: the same bytes, and sums of squares over their rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gradlab import measures, sums
from gradlab.adapters.torch.measure.statistics import UNITS

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
    """Return the norm of each row of (k, n), (k,)."""
    return sums.roots(dots(x, x), x)


def bad(proof: Array, x: Array) -> Array:
    """Count what is not finite in rows x (k, n).

    A finite `proof` shows that there is nothing to count.
    """
    if np.isfinite(proof).all():
        return np.zeros(len(x))
    return np.asarray(measures.nonfinite_count(x[:, None]), np.float64)


def some_units(units: Array) -> Array:
    """Return (k, fan_in, fan_out) with the units that are compared.

    Of many, some evenly spread ones.
    """
    count = units.shape[-1]
    if count <= UNITS:
        return units
    return units[..., np.linspace(0, count - 1, UNITS).round().astype(np.intp)]
