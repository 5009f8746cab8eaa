"""Buffers that stop being finite, such as the averages of a BatchNorm.

A batch that holds an infinity spoils them even where its step is skipped; training goes on without
a trace of it, since only evaluation uses them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import clean
from gradlab.adapters.torch.origin.answer import Origin

SMALL = 1 << 14  # entries: a look at them costs next to nothing
_REAL = torch.float16, torch.bfloat16, torch.float32, torch.float64
_State = tuple[weakref.ref[Tensor], int]


@dataclass(frozen=True)
class Spoilt:
    """A buffer that was found not to be finite, at the iteration at which it was looked at."""

    iteration: int
    origin: Origin


class Buffers:
    """Looks at the small buffers, and at those that were written to since the last look.

    A buffer counts where it holds NaN or +infinity and did not when it was first met: what is
    infinite from the start is meant so, and so is -infinity, which masks are made of.
    """

    def __init__(self, model: nn.Module):
        self._holders = [
            (f"{name}." if name else "", module)
            for name, module in ((clean(path), each) for path, each in model.named_modules())
            if module._buffers
        ]
        self._after = _last_with_weights(model)
        self._states: dict[str, _State] = {}
        self._shapes: dict[str, torch.Size] = {}
        self._meant: set[str] = set()
        self._asked: list[tuple[int, list[str], Tensor]] = []

    def look(self, iteration: int) -> Tensor | None:
        """Return how many of them count; None where none was looked at.

        On a device, nothing is waited for, but for a buffer that is met for the first time.
        """
        written = dict(self._written())
        new = [name for name in written if self._shapes.get(name) != written[name].shape]
        if new:
            flags = _flags([written[name] for name in new]).tolist()
            self._meant |= {name for name, flag in zip(new, flags, strict=True) if flag}
            self._meant -= {name for name, flag in zip(new, flags, strict=True) if not flag}
            self._shapes |= {name: written[name].shape for name in new}
        names = [name for name in written if name not in self._meant and name not in new]
        if not names:
            return None
        flags = _flags([written[name] for name in names])
        self._asked.append((iteration, names, flags))
        return flags.sum()

    def spoilt(self, *, waits: bool = False) -> Spoilt | None:
        """Return the first that was found since the last call.

        On a device only where `waits` says so, since the answer is waited for.
        """
        asked = self._asked
        if not waits and any(each.device.type != "cpu" for *_, each in asked):
            return None
        self._asked = []
        for iteration, names, flags in asked:
            found = [n for n, flag in zip(names, flags.tolist(), strict=True) if flag]
            if found:
                return Spoilt(iteration, self._origin(found))
        return None

    def _written(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers that are small, or others than at the last look."""
        for holder, module in self._holders:
            for name, buffer in module._buffers.items():
                path = holder + name
                if _holds_numbers(buffer) and not _is_as_before(buffer, self._states.get(path)):
                    self._states[path] = weakref.ref(buffer), _version(buffer)
                    yield path, buffer.detach()

    def _origin(self, found: list[str]) -> Origin:
        first = found[0]
        module = first.rpartition(".")[0]
        several = f"buffers {first} and {len(found) - 1} more are" if found[1:] else ""
        return Origin(
            "buffer", module, "forward", "NaN or infinity", after=self._after.get(module, ""),
            key="buffer", why=f"{several or f'buffer {first} is'} not finite",
        )  # fmt: skip


def _holds_numbers(buffer: Any) -> TypeGuard[Tensor]:
    """Whether it can be looked at: not what is sparse, spread over processes, or not there yet."""
    if type(buffer) is not Tensor or buffer.layout != torch.strided or buffer.is_meta:
        return False
    return buffer.dtype in _REAL and buffer.numel() > 0


def _is_as_before(buffer: Tensor, state: _State | None) -> bool:
    """Whether it is the same tensor, and nobody wrote to it.

    Of an inference tensor nobody knows, nor does PyTorch count what a batch norm writes into its
    averages; those are small.
    """
    if state is None or buffer.is_inference() or buffer.numel() <= SMALL:
        return False
    held, version = state
    return held() is buffer and version == buffer._version


def _version(buffer: Tensor) -> int:
    return 0 if buffer.is_inference() else buffer._version


def _flags(tensors: list[Tensor]) -> Tensor:
    """Return for each whether it holds NaN or +infinity: then its maximum is not below that."""
    device = tensors[0].device
    if all(each.device.type == "cpu" and each.numel() <= SMALL for each in tensors):
        largest = torch.cat([each.reshape(-1) for each in tensors]).max()
        if largest < math.inf:  # one look at all of them, since nearly always nothing is wrong
            return torch.zeros(len(tensors), dtype=torch.bool)
    return ~(torch.stack([each.max().to(device) for each in tensors]) < math.inf)


def _last_with_weights(model: nn.Module) -> dict[str, str]:
    """Return, by module, the last one up to it that has a weight matrix: whose layer that is."""
    last, found = "", {}
    for name, module in model.named_modules():
        if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False)):
            last = clean(name)
        found[clean(name)] = last
    return found
