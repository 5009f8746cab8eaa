"""The smallest and largest absolute numbers of every module: the way to what is not finite."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import class_name, clean
from gradlab.adapters.torch.origin import seen

MODULES_SEEN = 512


class Frames:
    """Keeps the range of what every innermost module answered, in the order of the calls."""

    def __init__(self, model: nn.Module):
        self._modules = [
            (clean(name) or class_name(module), module)
            for name, module in model.named_modules()
            if next(module.children(), None) is None
        ][:MODULES_SEEN]
        self._found: list[tuple[str, nn.Module, list[Tensor]]] = []

    @contextlib.contextmanager
    def follow(self) -> Iterator[None]:
        """Keep ranges from now on."""
        handles = [
            module.register_forward_hook(_Note(self._found, name)) for name, module in self._modules
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each call: module, class, and ranges of weight, input and output."""
        rows = []
        for name, module, ranges in self._found:
            row: dict[str, Any] = {"module": name, "class": class_name(module)}
            for what, pair in zip(("input", "output", "weight"), ranges, strict=False):
                if pair.numel():
                    low, high = (float(each) for each in pair)
                    row[what] = [_plain(low), _plain(high)]
            rows.append(row)
        return rows


class _Note:
    """A hook that notes the range of what a module was given and answered."""

    def __init__(self, found: list[tuple[str, nn.Module, list[Tensor]]], name: str):
        self._found, self._name = found, name

    def __call__(self, module: nn.Module, given: Any, output: Any) -> None:
        if len(self._found) < MODULES_SEEN:
            weight = getattr(module, "weight", None)
            parts = (given, output, weight if isinstance(weight, Tensor) else ())
            self._found.append((self._name, module, [_range(each) for each in parts]))


@torch.no_grad()
def _range(value: Any) -> Tensor:
    """Return the smallest and the largest absolute number (2,); nothing where there is none."""
    tensor = next((each for each in seen.floating(value) if each.numel()), None)
    if tensor is None or hasattr(tensor, "to_local"):
        return torch.empty(0)
    return torch.stack(torch.aminmax(tensor.detach().abs())).float()


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else ("nan" if math.isnan(value) else "inf")
