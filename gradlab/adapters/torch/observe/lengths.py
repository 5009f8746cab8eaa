"""The lengths of gradients, and their inner products, where they lie."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.measure.arrays import array_of, dots, norms

Length = np.ndarray | Tensor  # of one entry; on a device it stays there


@torch.no_grad()
def length(tensor: Tensor) -> Length:
    """Return the norm of all entries, (1,)."""
    tensor = tensor.detach()
    if tensor.device.type != "cpu":
        return statistics.norms([tensor])
    with np.errstate(all="ignore"):  # overflow and NaN are data here
        return norms(_row(tensor))


@torch.no_grad()
def inner(x: Tensor, y: Tensor) -> Length:
    """Return the sum of the products of entries, (1,)."""
    x, y = x.detach(), y.detach()
    if x.device.type != "cpu":
        return statistics.inner(x.reshape(1, 1, -1), y.reshape(1, 1, -1))
    with np.errstate(all="ignore"):
        return dots(_row(x), _row(y))


@torch.no_grad()
def mean_square(tensor: Tensor) -> Length | float:
    """Return the mean of the squared entries, in float64."""
    tensor = tensor.detach()
    if tensor.device.type != "cpu" or not tensor.numel():
        return tensor.double().square().mean()
    with np.errstate(all="ignore"):
        flat = np.ravel(array_of(tensor)).astype(np.float64, copy=False)
        return float(flat @ flat) / tensor.numel()


def _row(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(array_of(tensor)).reshape(1, -1)
