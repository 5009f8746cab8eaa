"""The ranges of what modules answered in the iterations that were measured last.

Small answers in main memory wait until the forward pass has ended and are measured together: by
itself, each would cost three calls of PyTorch.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import class_name
from gradlab.adapters.torch.observe.hooks import ForwardHooks, Guard
from gradlab.adapters.torch.observe.loss_side import looked_at
from gradlab.adapters.torch.observe.spacing import is_due
from gradlab.adapters.torch.origin.frames import MODULES_SEEN, modules_of, plain, range_of

ITERATIONS_KEPT = 3  # that were measured in full, before the one that broke
# While gradients are calm, what is known may be as old as a share of the training, and at most so
# many iterations.
ALL_UNTIL, SHARE, OLDEST = 10, 5, 50
SMALL = 1 << 14  # entries: larger answers are measured at once, and not kept for it
TOGETHER = 1 << 16  # entries that are measured by one call: they stay in a core's cache
BUFFERS_KEPT = 16  # sequences of every length have shapes of their own
_FORMATS = torch.float32, torch.float64  # what NumPy computes with

Range = Any  # a pair: the smallest and the largest absolute number; empty where there is none


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
        modules = modules_of(model) if looks else []
        self._names = [(name, class_name(module)) for name, module in modules]
        self._hooks = ForwardHooks(
            [(module, guard(_Answer(self, number))) for number, (_, module) in enumerate(modules)]
        )
        self._kept: deque[tuple[int, list[tuple[int, Range]]]] = deque(maxlen=ITERATIONS_KEPT)
        self._found: list[tuple[int, Range]] = []  # of the iteration at hand, in call order
        self._waiting: list[tuple[int, Tensor, int]] = []  # place in `_found`, answer, version
        self._written_over: set[int] = set()  # modules whose answers are changed in place
        self._buffers: dict[Any, tuple[Tensor, np.ndarray]] = {}
        self._scratch = _Scratch()
        self.calm = False  # whether the newest gradient was no larger than those before

    def attach(self, iteration: int) -> None:
        """Begin to see an iteration, where it is time."""
        if not self._names:
            return
        self.flush()
        if not self._due(iteration):
            self._hooks.detach()
            return
        self._found = []
        self._kept.append((iteration, self._found))
        self._hooks.attach()

    def _due(self, iteration: int) -> bool:
        """Whether what is known is too old: what is large now was growing before, mostly."""
        if iteration <= ALL_UNTIL or not self.calm or not self._kept:
            return True
        return is_due(iteration, self._kept[-1][0], share=SHARE, most=OLDEST)

    def begin_pass(self) -> None:
        """Know that another forward pass begins."""
        self.flush()

    def settle(self) -> None:
        """Know that the first iteration has shown what it shows."""

    def before_step(self) -> None:
        """Know that an optimizer is about to step."""
        self.flush()

    def measure(self) -> None:
        """Know that the iteration has ended."""
        self.flush()

    def forget(self) -> None:
        """Forget the iteration: its numbers stay."""

    def detach(self) -> None:
        """See no more."""
        self._hooks.detach()
        self.flush()

    def answered(self, number: int, output: Any) -> None:
        """Note what a module answers."""
        if len(self._found) >= MODULES_SEEN:
            return
        plain_tensor = (
            type(output) is Tensor
            and output.numel() > 0
            and output.dtype in _FORMATS
            and output.is_cpu
            and output.layout == torch.strided
        )
        if not plain_tensor:
            self._found.append((number, range_of(output)))
            return
        if output.numel() > SMALL or number in self._written_over:
            self._found.append((number, self._range_on_host(output)))
            return
        self._waiting.append((len(self._found), output.detach(), output._version))
        self._found.append((number, ()))

    def _range_on_host(self, output: Tensor) -> Range:
        """Return what `range_of` does, some times as fast: a piece at a time, in a core's cache."""
        tensor = output.detach()
        if not tensor.is_contiguous():
            return range_of(output)
        array = tensor.numpy().reshape(-1)
        scratch = self._scratch[array.dtype]
        lows, highs = [], []
        for start in range(0, len(array), TOGETHER):
            part = array[start : start + TOGETHER]
            size = np.abs(part, out=scratch[: len(part)])
            lows.append(size.min())
            highs.append(size.max())
        return float(np.min(lows)), float(np.max(highs))

    def flush(self) -> None:
        """Measure what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        alike: dict[Any, list[tuple[int, Tensor]]] = defaultdict(list)
        for place, tensor, version in waiting:
            if tensor._version != version:  # this time it is too late
                self._written_over.add(self._found[place][0])
            else:
                alike[tensor.dtype, tensor.shape].append((place, tensor))
        for key, found in alike.items():
            most = max(1, TOGETHER // found[0][1].numel())
            for start in range(0, len(found), most):
                self._measure(key, found[start : start + most])

    @torch.no_grad()
    def _measure(self, key: Any, found: Sequence[tuple[int, Tensor]]) -> None:
        """Measure answers of one format and shape."""
        key = (*key, len(found))
        if key not in self._buffers:
            if len(self._buffers) >= BUFFERS_KEPT:
                self._buffers.clear()
            buffer = torch.empty((len(found), *key[1]), dtype=key[0])
            self._buffers[key] = buffer, buffer.numpy().reshape(len(found), -1)
        buffer, array = self._buffers[key]
        torch.stack([tensor for _, tensor in found], out=buffer)
        np.abs(array, out=array)
        lows, highs = array.min(axis=1).tolist(), array.max(axis=1).tolist()
        for (place, _), low, high in zip(found, lows, highs, strict=True):
            self._found[place] = self._found[place][0], (low, high)

    def rows(self, before: int) -> list[dict[str, Any]]:
        """Return the frames of the iterations kept below `before`, oldest first."""
        self.flush()
        return [
            {"iteration": iteration, "rows": [self._row(*each) for each in found if len(each[1])]}
            for iteration, found in self._kept
            if iteration < before and found
        ]

    def _row(self, number: int, pair: Range) -> dict[str, Any]:
        name, kind = self._names[number]
        return {"module": name, "class": kind, "output": plain(pair)}


class _Scratch(dict[np.dtype, np.ndarray]):
    """Room for the absolute numbers of one piece, by format, made when it is first asked for."""

    def __missing__(self, dtype: np.dtype) -> np.ndarray:
        self[dtype] = np.empty(TOGETHER, dtype)
        return self[dtype]


class _Answer:
    """A hook that notes the range of what a module answers."""

    def __init__(self, frames: LastFrames, number: int):
        self._frames, self._number = frames, number

    def __call__(self, module: nn.Module, given: Any, output: Any) -> None:
        if torch.is_grad_enabled() and not looked_at():
            self._frames.answered(self._number, output)
