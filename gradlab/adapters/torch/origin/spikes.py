"""Gradients that spike, and the batches they came from.

In main memory a norm is there at once. On a GPU, to ask for it would wait for the device: it is
copied while the device computes on, and looked at in a later step, once it has arrived. Until then
the batch is held as it is, and no byte of it is copied.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.adapters.torch.origin.batch import NONFINITE, SPIKED, Batch, Batches, rows_at_fault
from gradlab.adapters.torch.origin.trace import Forward

SPIKE, SETTLE = 10.0, 20  # times the running mean of the log norm, after so many iterations
RISEN = 2.0  # times that mean: no longer calm
MEMORY = 0.05  # of the running mean: the weight of the newest norm
HELD, HELD_BYTES = (
    8,
    256 << 20,
)  # batches whose norms are on their way; beyond, the oldest is let go

Norm = np.ndarray | Tensor


class Spikes:
    """Tells norms that are far above those before them, and keeps their batches.

    Parameters
    ----------
    batches : Batches
    late : bool
        Whether norms are looked at when they have arrived, since they lie on a GPU.

    Attributes
    ----------
    over : bool
        Whether a norm has arrived that is not finite: what follows is an effect.
    finite : bool
        Whether the norms taken last that lie in main memory are all known to be finite.
    """

    def __init__(self, batches: Batches, *, late: bool):
        self._batches, self._late, self.over = batches, late, False
        self.finite = False
        self._means: dict[int, _Mean] = defaultdict(_Mean)
        self._waiting: deque[_Held] = deque()

    def take(
        self, iteration: int, optimizer: int, calls: Sequence[Forward], norms: Sequence[Norm]
    ) -> bool:
        """Take the norms of the gradients of one optimizer; return whether a batch was kept."""
        self.finite = False
        if self.over or not norms:
            return False
        if self._late:
            batch = Batch(iteration, SPIKED, tuple(calls))
            self._waiting.append(_Held(optimizer, batch, batch.size, Arriving(norms)))
            kept = self.arrived()
            while len(self._waiting) > HELD or self._bytes > HELD_BYTES:
                self._waiting.popleft()
            return kept
        squares = [float(each @ each) for each in norms if isinstance(each, np.ndarray)]
        self.finite = math.isfinite(sum(squares))
        if not squares or not self._means[optimizer].spikes(math.sqrt(sum(squares))):
            return False
        self._batches.add(Batch(iteration, SPIKED, tuple(calls)))
        return True

    def arrived(self, *, waits: bool = False) -> bool:
        """Look at the norms that have arrived, or wait for all; return whether a batch was kept."""
        before = self._batches.all
        while self._waiting and not self.over and (waits or self._waiting[0].norm.is_here):
            held = self._waiting.popleft()
            self._look(held.optimizer, held.batch, held.norm.value)
        if self.over:
            self._waiting.clear()
        return self._batches.all is not before

    @property
    def calm(self) -> bool:
        """Whether no optimizer's newest norm was far larger than those before."""
        return all(each.calm for each in self._means.values())

    @property
    def _bytes(self) -> int:
        """How many bytes wait."""
        return sum(each.size for each in self._waiting)

    def _look(self, optimizer: int, batch: Batch, norm: float) -> None:
        if any(call.changed for call in batch.calls):
            return  # its memory holds another batch by now
        if math.isfinite(norm):
            if self._means[optimizer].spikes(norm):
                self._batches.add(batch)
            return
        self.over = True
        rows = tuple(rows_at_fault(batch.calls))
        self._batches.add(Batch(batch.iteration, NONFINITE, batch.calls, rows))


@dataclass
class _Mean:
    """The running mean of the logarithm of the norms."""

    value: float = 0.0
    count: int = 0
    calm: bool = False  # whether the newest norm was no larger than those before

    def spikes(self, norm: float) -> bool:
        """Whether a norm is far above those before it."""
        if not (norm > 0 and math.isfinite(norm)):
            self.calm = norm == 0
            return False
        log = math.log(norm)
        self.calm = self.count > 0 and log < self.value + math.log(RISEN)
        high = self.count >= SETTLE and log > self.value + math.log(SPIKE)
        weight = max(MEMORY, 1 / (self.count + 1))
        self.value += weight * (log - self.value)
        self.count += 1
        return high


class Arriving:
    """The norm of several norms, on its way to main memory."""

    def __init__(self, norms: Sequence[Norm]):
        by_device: dict[torch.device, list[Tensor]] = defaultdict(list)
        for each in map(torch.as_tensor, norms):
            by_device[each.device].append(each.detach().reshape(-1))
        self._copies: list[Tensor] = []
        self._marks: list[Any] = []
        for device, tensors in by_device.items():
            norm = torch.linalg.vector_norm(torch.cat(tensors))
            copy = torch.empty((), dtype=norm.dtype, pin_memory=device.type == "cuda")
            self._copies.append(copy.copy_(norm, non_blocking=True))
            self._marks.append(mark(device))

    @property
    def is_here(self) -> bool:
        """Whether it has arrived; nothing is waited for."""
        return all(each.query() for each in self._marks)

    @property
    def value(self) -> float:
        """The norm; it is waited for."""
        for each in self._marks:
            each.synchronize()
        return math.hypot(*(float(each) for each in self._copies))


@dataclass(frozen=True, eq=False)
class _Held:
    optimizer: int
    batch: Batch
    size: int
    norm: Arriving


def mark(device: torch.device) -> Any:
    """Return what tells whether a device has come as far as this call."""
    if device.type != "cuda":
        return _Passed()
    with torch.cuda.device(device):
        event = torch.cuda.Event()
        event.record()
    return event


class _Passed:
    """Main memory never lags behind."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass
