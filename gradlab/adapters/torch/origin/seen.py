"""What is known of a tensor without keeping it: its range, its kind of number, and who made it."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.observe.module_state import every_tensor


@dataclass(frozen=True)
class Seen:
    """Numbers that an operation was given, or made.

    Attributes
    ----------
    low, high : float
        The range of those that are finite; NaN where there is none.
    zeros : bool
        Whether 0 is among them.
    nan, infinite : bool
        Whether others are among them.
    count : int
    dtype : torch.dtype
    shape : tuple of int
    of : str
        Who made it, in words: "parameter std", "aten.mul in module head".
    """

    low: float
    high: float
    zeros: bool
    nan: bool
    infinite: bool
    count: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    of: str = ""

    @property
    def finite(self) -> bool:
        """Whether all of them are finite."""
        return not (self.nan or self.infinite)

    @property
    def most(self) -> float:
        """The largest absolute value among the finite ones; 0 where there is none."""
        known = [abs(each) for each in (self.low, self.high) if not math.isnan(each)]
        return max(known, default=0.0)

    @property
    def kind(self) -> str:
        """The name of the format: "float16"."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        if not self.count:
            return "no number at all"
        parts = []
        if not math.isnan(self.low):
            same = self.low == self.high
            span = f"{self.low:.3g}" if same else f"from {self.low:.3g} to {self.high:.3g}"
            parts.append(f"numbers {span}" if not same else f"the number {span}")
        parts += ["NaN"] if self.nan else []
        parts += ["infinity"] if self.infinite else []
        return " and ".join(parts)


@torch.no_grad()
def look(tensor: Tensor, of: str = "") -> Seen:
    """Return what is to be known of a tensor."""
    tensor = tensor.detach()
    shape, dtype = tuple(tensor.shape), tensor.dtype
    if not tensor.numel():
        return Seen(math.nan, math.nan, False, False, False, 0, dtype, shape, of)
    values = tensor.abs() if tensor.is_complex() else tensor
    low, high = torch.aminmax(values)
    nan = infinite = False
    if not (math.isfinite(float(low)) and math.isfinite(float(high))):
        nan, infinite = bool(values.isnan().any()), bool(values.isinf().any())
        values = values[values.isfinite()]
        if values.numel():
            low, high = torch.aminmax(values)
        else:
            low = high = torch.tensor(math.nan)
    zeros = float(low) <= 0 <= float(high) and bool((values == 0).any())
    return Seen(float(low), float(high), zeros, nan, infinite, tensor.numel(), dtype, shape, of)


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are finite; of none, they are."""
    if tensor.numel() == 1:
        return cmath.isfinite(tensor.item())
    return not tensor.numel() or bool(torch.isfinite(tensor.detach()).all())


def floating(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of real or complex numbers in a value of any kind."""
    for each in every_tensor(value):
        if (each.is_floating_point() or each.is_complex()) and each.layout == torch.strided:
            yield each


@torch.no_grad()
def first_bad(tensor: Tensor) -> tuple[int, ...] | None:
    """Return the index of the first element that is not finite; NaN before infinity."""
    for wrong in (tensor.isnan(), tensor.isinf()):
        if bool(wrong.any()):
            flat = int(wrong.reshape(-1).to(torch.uint8).argmax())
            return tuple(int(each) for each in unravel(flat, tensor.shape))
    return None


@torch.no_grad()
def bad_rows(tensor: Tensor) -> list[int]:
    """Return the rows, along the first axis, that hold something that is not finite."""
    if not tensor.ndim:
        return []
    wrong = ~torch.isfinite(tensor.reshape(len(tensor), -1)).all(dim=1)
    return [int(each) for each in wrong.nonzero().flatten()]


def unravel(flat: int, shape: Iterable[int]) -> list[int]:
    """Return the index of the element that is the `flat`th."""
    index: list[int] = []
    for size in reversed(tuple(shape)):
        index.append(flat % size)
        flat //= size
    return index[::-1]
