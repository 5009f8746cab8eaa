"""The smallest and largest absolute numbers of every module: the way to what is not finite.

Those of the iteration that broke are taken when it is run again; those of the iterations before it
are in `last_frames`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import class_name, clean, is_scripted
from gradlab.adapters.torch.origin import seen

MODULES_SEEN = 512
ROWS_KEPT = 40  # of each iteration, in the record


class Frames:
    """Keeps the range of what every innermost module answered, in the order of the calls."""

    def __init__(self, model: nn.Module):
        self._modules = modules_of(model)
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
                    row[what] = plain(pair)
            rows.append(row)
        return rows


def bounded(frames: list[dict[str, Any]], most: int = ROWS_KEPT) -> list[dict[str, Any]]:
    """Return frames with so many rows each, those before and at the first that is not finite.

    In the frame that broke, rows behind the first bad module are effects, and go first.
    """
    names = [row["module"] for row in (frames[-1]["rows"] if frames else ()) if not _is_finite(row)]
    kept = []
    for frame in frames:
        rows = frame["rows"]
        first = next((n for n, row in enumerate(rows) if names and row["module"] == names[0]), None)
        end = len(rows) if first is None else min(len(rows), first + most // 4)
        kept.append({**frame, "rows": rows[max(0, end - most) : end]})
    return kept


def _is_finite(row: dict[str, Any]) -> bool:
    ranges = [what for what in row.values() if isinstance(what, list)]
    return not any(isinstance(each, str) for what in ranges for each in what)


def modules_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the innermost modules, by name."""
    return [
        (clean(name) or class_name(module), module)
        for name, module in model.named_modules()
        if next(module.children(), None) is None and not is_scripted(module)
    ][:MODULES_SEEN]


class _Note:
    """A hook that notes the range of what a module was given and answered."""

    def __init__(self, found: list[tuple[str, nn.Module, list[Tensor]]], name: str):
        self._found, self._name = found, name

    def __call__(self, module: nn.Module, given: Any, output: Any) -> None:
        if len(self._found) < MODULES_SEEN:
            weight = getattr(module, "weight", None)
            parts = (given, output, weight if isinstance(weight, Tensor) else ())
            self._found.append((self._name, module, [range_of(each) for each in parts]))


@torch.no_grad()
def range_of(value: Any) -> Tensor:
    """Return the smallest and the largest absolute number (2,); nothing where there is none."""
    tensor = next((each for each in seen.floating(value) if each.numel()), None)
    if tensor is None or hasattr(tensor, "to_local"):
        return torch.empty(0)
    return torch.stack(torch.aminmax(tensor.detach().abs())).float()


def plain(pair: Iterable[Any]) -> list[float | str]:
    """Return a range as JSON can hold it."""
    return [_plain(float(each)) for each in pair]


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else ("nan" if math.isnan(value) else "inf")
