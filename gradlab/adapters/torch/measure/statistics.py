"""The statistics of gradlab.measures, once more for tensors that must stay on their device.

Stacks are (k, rows, columns): k equal layers in one call. On the CPU, norms are taken in float32
and once more in float64 where a sum of squares left its safe range; elsewhere in float64 at once,
since to look would synchronise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab import measures
from gradlab.measures import SATURATED_BELOW
from gradlab.sums import safe_range

Array = np.ndarray

# Float32 norms whose squares have lost nothing, as everywhere in gradlab.
SAFE = tuple(float(limit) ** 0.5 for limit in safe_range(np.dtype(np.float32)))
# Entries: larger tensors are measured one by one, smaller ones of one shape stacked.
SMALL = 1 << 16
UNITS = 128  # whose weights are compared: of a wider layer, so many evenly spread ones


foreach_norm: Any = torch._foreach_norm  # pyright: ignore[reportPrivateImportUsage]


def wide(tensor: Tensor) -> Tensor:
    """Return half-precision numbers as float32; others as they are."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def double(device: torch.device) -> torch.dtype:
    """Return the widest format a device computes in."""
    return torch.float32 if device.type == "mps" else torch.float64


def unsafe(norms: Tensor) -> bool:
    """Whether float32 norms, on the CPU, may have lost something, or are no numbers.

    Elsewhere nothing is looked at.
    """
    low, high = norms.aminmax()
    return not (SAFE[0] < float(low) and float(high) < SAFE[1])


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Frobenius norm of each tensor, (len(tensors),), float64."""
    device = tensors[0].device
    if device.type != "cpu":
        return torch.stack(foreach_norm(list(tensors), 2, dtype=double(device)))
    if all(tensor.dtype == torch.float32 for tensor in tensors):
        swift = torch.stack(foreach_norm(list(tensors), 2))
        if not unsafe(swift):
            return swift.double()
    return torch.stack(foreach_norm([wide(tensor) for tensor in tensors], 2, dtype=torch.float64))


def row_norms(stack: Tensor) -> Tensor:
    """Return the norm of each row, (k, rows), float64."""
    if stack.device.type == "cpu" and stack.dtype == torch.float32:
        swift = torch.linalg.vector_norm(stack, dim=-1)
        if not swift.numel() or not unsafe(torch.linalg.vector_norm(swift, dim=-1)):
            return swift.double()
    return torch.linalg.vector_norm(stack, dim=-1, dtype=double(stack.device))


def whole_norms(stack: Tensor) -> Tensor:
    """Return the Frobenius norm of each layer, (k,), float64."""
    return torch.linalg.vector_norm(row_norms(stack), dim=-1)


def deviation(stack: Tensor, mean: Tensor) -> Tensor:
    """Return the standard deviation of each layer's entries about their mean, (k,)."""
    centred = stack - mean.to(stack.dtype)[:, None, None]
    return whole_norms(centred) / (stack.shape[1] * stack.shape[2]) ** 0.5


def nonfinite_count(stack: Tensor) -> Tensor:
    """Count NaN and infinity in each layer, (k,)."""
    if stack.device.type == "cpu" and bool(stack.sum().isfinite()):
        return torch.zeros(
            len(stack), dtype=torch.float64
        )  # a finite sum proves that there are none
    return stack[0].numel() - torch.isfinite(stack).sum(dim=(1, 2), dtype=torch.float64)


def largest(stack: Tensor) -> Tensor:
    """Return the largest absolute entry of each layer, (k,)."""
    flat = stack.reshape(len(stack), -1)
    low, high = torch.aminmax(flat, dim=1)
    return torch.maximum(high, -low)


def inner(x: Tensor, y: Tensor) -> Tensor:
    """Return <x, y> of each layer, (k,), float64."""
    x, y = (each.reshape(len(each), 1, -1).to(double(each.device)) for each in (x, y))
    return torch.bmm(x, y.transpose(1, 2)).reshape(-1)


def lost(update: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Count the entries with a gradient whose weight stood still, and all with a gradient."""
    wanted = gradient != 0
    swallowed = wanted & (update == 0)
    return tuple(each.sum(dim=(1, 2), dtype=torch.float64) for each in (swallowed, wanted))  # pyright: ignore[reportReturnType]


def unit_similarity(weight: Tensor) -> Tensor:
    """Return the largest cosine between the columns (units) of each layer, (k,).

    Two units whose weights are all 0 are identical. Of a layer of more than `UNITS` units, so many
    are compared.
    """
    weight = wide(weight)
    if weight.shape[-1] > UNITS:
        chosen = torch.linspace(0, weight.shape[-1] - 1, UNITS, device=weight.device).round().long()
        weight = weight[..., chosen]
    top = weight.abs().amax(dim=-2, keepdim=True)
    zero = top == 0
    units = weight / torch.where(
        zero, torch.ones_like(top), top
    )  # up to 1: squares neither over- nor underflow
    units = units / (torch.linalg.vector_norm(units, dim=-2, keepdim=True) + zero)
    gram = units.transpose(1, 2) @ units
    gram = torch.where(zero.transpose(1, 2) & zero, torch.ones_like(gram), gram)
    gram.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    return gram.amax(dim=(1, 2))


def saturated_fraction(slope: Tensor, bound: float) -> Tensor:
    """Return the share of entries with a slope below 1 % of the activation's largest, (k,)."""
    return (slope.abs() < SATURATED_BELOW * bound).sum(dim=(1, 2), dtype=torch.float64) / slope[
        0
    ].numel()


def power_histogram(x: Tensor) -> Array | Tensor:
    """Count the entries of x (1, n) by powers of two; see `measures.power_histogram`."""
    if x.device.type == "cpu":
        return measures.power_histogram(wide(x).numpy()[:, None])[0].astype(np.float64)
    return powers_counted(x)


def powers_counted(x: Tensor) -> Tensor:
    """Count the entries of x by powers of two without leaving its device, (bins,)."""
    _, exponent = torch.frexp(wide(x).reshape(-1))
    low, high = measures.LOWEST_EXPONENT, measures.HIGHEST_EXPONENT
    bins = (exponent - 1).clamp(low, high) - low + 1
    flat = x.reshape(-1)
    bins = torch.where(flat == 0, torch.zeros_like(bins), bins)
    bins = torch.where(torch.isfinite(flat), bins, torch.full_like(bins, measures.BINS))
    return torch.bincount(bins, minlength=measures.BINS + 1)[: measures.BINS].double()
