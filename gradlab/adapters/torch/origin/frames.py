"""The smallest and largest absolute numbers of every module: the way to what is not finite.

Those of the answers are taken in the iterations that are measured in full, and the newest of them
kept; those of the iteration that broke, when it is run again.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import class_name, clean, is_scripted
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.loss_side import looked_at
from gradlab.adapters.torch.origin import seen

MODULES_SEEN = 512
ROWS_KEPT = 40  # of each iteration, in the record
ITERATIONS_KEPT = 3  # that were measured in full, before the one that broke


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
                    row[what] = _pair(pair)
            rows.append(row)
        return rows


class LastFrames:
    """An observer (see `Observer`) of what modules answer in the iterations measured last.

    Parameters
    ----------
    model : nn.Module
    guard : Guard
    looks : bool
        Whether anybody asks for them.
    """

    def __init__(self, model: nn.Module, guard: Guard, looks: bool):
        self._modules = modules_of(model) if looks else []
        self._guard = guard
        self._handles: list[Any] = []
        self._kept: deque[tuple[int, list[tuple[str, str, Tensor]]]] = deque(maxlen=ITERATIONS_KEPT)

    def attach(self, iteration: int) -> None:
        """Begin to see an iteration."""
        self.detach()
        if not self._modules:
            return
        found: list[tuple[str, str, Tensor]] = []
        self._kept.append((iteration, found))
        for name, module in self._modules:
            hook = self._guard(_Answer(found, name))
            self._handles.append(module.register_forward_hook(hook))

    def begin_pass(self) -> None:
        """Know that another forward pass begins."""

    def settle(self) -> None:
        """Know that the first iteration has shown what it shows."""

    def before_step(self) -> None:
        """Know that an optimizer is about to step."""

    def measure(self) -> None:
        """Know that the iteration has ended."""

    def forget(self) -> None:
        """Forget the iteration: its numbers stay."""

    def detach(self) -> None:
        """See no more."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def rows(self, before: int) -> list[dict[str, Any]]:
        """Return the frames of the iterations kept below `before`, oldest first."""
        return [
            {
                "iteration": iteration,
                "rows": [
                    {"module": name, "class": kind, "output": _pair(pair)}
                    for name, kind, pair in found
                    if pair.numel()
                ],
            }
            for iteration, found in self._kept
            if iteration < before and found
        ]


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


class _Answer:
    """A hook that notes the range of what a module answers."""

    def __init__(self, found: list[tuple[str, str, Tensor]], name: str):
        self._found, self._name = found, name

    def __call__(self, module: nn.Module, given: Any, output: Any) -> None:
        if len(self._found) < MODULES_SEEN and torch.is_grad_enabled() and not looked_at():
            self._found.append((self._name, class_name(module), _range(output)))


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
            self._found.append((self._name, module, [_range(each) for each in parts]))


@torch.no_grad()
def _range(value: Any) -> Tensor:
    """Return the smallest and the largest absolute number (2,); nothing where there is none."""
    tensor = next((each for each in seen.floating(value) if each.numel()), None)
    if tensor is None or hasattr(tensor, "to_local"):
        return torch.empty(0)
    return torch.stack(torch.aminmax(tensor.detach().abs())).float()


def _pair(pair: Tensor) -> list[float | str]:
    return [_plain(float(each)) for each in pair]


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else ("nan" if math.isnan(value) else "inf")
