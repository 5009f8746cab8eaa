"""Time inside one layer: the gradient at the first and the last position of a sequence.

A recurrent layer's gradient at what it reads at position t has come from position t on: where the
loss hangs on the last positions, it shrinks or grows by a factor a step on its way to the first.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.modules import is_scripted, replaced, tensors_of
from gradlab.adapters.torch.numbers import TIME
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.lengths import Length, length
from gradlab.adapters.torch.observe.wiring import Wiring

LEAST_POSITIONS = 4  # of a sequence that says something of a factor a step
CALLS_SEEN = 4096  # of one module in a forward pass


@dataclass
class Position:
    """One call of a module that is called at every position, and the gradient that came to it."""

    length: Length | None = None
    cut: bool = False  # whether the state it was given is the last one's, without its history


class Recurrences:
    """Watches recurrent layers: an `Observer`.

    PyTorch's layers over a whole sequence show the gradient at every position of what they read.
    Cells, and modules that read their own answer of the call before, are followed call by call.
    """

    def __init__(self, wiring: Wiring, ledger: Ledger, guard: Guard):
        self._wiring, self._ledger, self._guard = wiring, ledger, guard
        self._handles: list[Any] = []
        self._once: list[Any] = []  # of those that a first call tells enough
        self._calls: dict[tuple[int, int], list[Position]] = defaultdict(list)
        self._found: list[tuple[int, tuple[Length, Length, Length]]] = []
        self._iteration, self._pass, self._attached, self._hung = 0, 0, False, False
        self._known_feeds = 0  # how many there were when loops were looked for
        self._looped: set[int] = set()  # modules that read their own answer
        self._answered: dict[int, set[int]] = {}  # by cell: where its newest answer lies in memory

    def attach(self, iteration: int) -> None:
        """Hang hooks on recurrent layers."""
        self._iteration, self._attached = iteration, True
        if self._once and self._wiring.inputs.sequence is not None:
            self._take_away(self._once)
        if self._hung and len(self._wiring.feeds) == self._known_feeds:
            return
        self._known_feeds = len(self._wiring.feeds)
        looped = {lower for lower, upper in self._wiring.feeds if lower == upper}
        if self._hung and looped == self._looped:
            return
        self._remove()
        self._hung, self._looped = True, looped
        for number, module in enumerate(self._wiring.modules):
            if isinstance(module, nn.Module) and not is_scripted(module):
                self._hang(number, module)

    def _hang(self, number: int, module: nn.Module) -> None:
        sequence = isinstance(module, nn.RNNBase) and not module.bidirectional
        if sequence or isinstance(module, nn.RNNCellBase):
            hook = self._guard(partial(self._before, number, sequence))
            self._handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
            if not sequence:
                hook = self._guard(partial(self._answers, number))
                self._handles.append(module.register_forward_hook(hook))
        elif isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
            if self._wiring.inputs.sequence is None and not module.batch_first:
                hook = self._guard(self._sees_sequence)
                self._once.append(module.register_forward_pre_hook(hook, with_kwargs=True))
        elif number in self._looped:
            hook = self._guard(partial(self._after, number))
            self._handles.append(module.register_forward_hook(hook))

    def begin_pass(self) -> None:
        """Know that another forward pass begins: its positions are counted anew."""
        self._pass += 1
        self._answered.clear()

    def before_step(self) -> None:
        """Nothing is to be done: what is measured has been seen."""

    def settle(self) -> None:
        """Nothing is fixed: a loop may show itself later."""

    def measure(self) -> None:
        """Put the gradients at the first and last positions into the ledger."""
        for (number, _), calls in self._calls.items():
            known = [call.length for call in calls if call.length is not None]
            if len(calls) >= LEAST_POSITIONS and known and all(call.cut for call in calls[1:]):
                steps = np.array([len(calls) - 1.0])
                self._found.append((number, (0 * known[-1], known[-1], steps)))
                continue
            if len(known) >= LEAST_POSITIONS and len(known) == len(calls):
                self._found.append((number, (known[0], known[-1], np.array([len(known) - 1.0]))))
        self._calls.clear()
        for number, values in self._found:
            place = np.array([number], np.intp)
            for name, value in zip(TIME, values, strict=True):
                self._ledger.put(self._iteration, "modules", (name,), place, value)
        self._found.clear()

    def forget(self) -> None:
        """Forget what was not measured."""
        self._calls.clear()
        self._found.clear()

    def detach(self) -> None:
        """Take all hooks away."""
        self._remove()
        self._attached = False
        self.forget()

    def _remove(self) -> None:
        self._take_away(self._once)
        if not self._handles:
            return  # nothing of this kind is there, and nothing is to be hung again
        self._take_away(self._handles)
        self._hung = False

    def _take_away(self, handles: list[Any]) -> None:
        for handle in handles:
            handle.remove()
        handles.clear()

    # -- what PyTorch calls

    def _before(
        self, number: int, sequence: bool, module: Any, arguments: Any, keywords: Any
    ) -> Any:
        """Pass what a layer reads through an alias that asks for a gradient."""
        read = next(tensors_of((arguments, keywords)), None)
        if read is None or not torch.is_grad_enabled():
            return None
        if not any(read is each for each in (*arguments, *keywords.values())):
            return None  # a packed sequence, say
        alias = read.view_as(read) if read.requires_grad else read.detach().requires_grad_()
        if sequence:
            self._sees_sequence(module, arguments, keywords)
            axis = 1 if module.batch_first and read.ndim == 3 else 0
            if read.shape[axis] < LEAST_POSITIONS:
                return None
            hook: Any = partial(self._got_sequence, number, axis)
        else:
            position = self._position(number)
            position.cut = self._is_cut(number, (*arguments, *keywords.values()))
            hook = partial(self._got, position)
        alias.register_hook(self._guard(hook))
        return replaced(arguments, keywords, read, alias)

    def _sees_sequence(self, module: Any, arguments: Any, keywords: Any) -> None:
        """Keep the shape of a sequence that is read with its times first."""
        read = next(tensors_of((arguments, keywords)), None)
        if module.batch_first or read is None or read.ndim != 3:
            return
        if self._wiring.inputs.sequence is None:
            self._wiring.inputs.sequence = int(read.shape[0]), int(read.shape[1])

    def _after(self, number: int, module: nn.Module, arguments: Any, output: Any) -> None:
        z = next(tensors_of(output), None)
        if z is not None and z.requires_grad and torch.is_grad_enabled():
            z.register_hook(self._guard(partial(self._got, self._position(number))))

    def _is_cut(self, number: int, arguments: tuple[Any, ...]) -> bool:
        """Whether a cell is given what it has just answered, without the graph behind it.

        A view or copy of it counts as long as it lies in the same memory.
        """
        states = [each for each in tensors_of(arguments[1:]) if not each.requires_grad]
        return any(each.data_ptr() in self._answered.get(number, ()) for each in states)

    def _answers(self, number: int, module: Any, arguments: Any, output: Any) -> None:
        """Remember where a cell's newest answer lies."""
        answers = [each for each in tensors_of(output) if each.requires_grad]
        self._answered[number] = {each.data_ptr() for each in answers}

    def _position(self, number: int) -> Position:
        position, calls = Position(), self._calls[number, self._pass]
        if len(calls) < CALLS_SEEN:
            calls.append(position)
        return position

    def _counts(self) -> bool:
        return self._attached and not torch.is_grad_enabled()

    def _got(self, position: Position, gradient: Tensor) -> None:
        if self._counts():
            position.length = length(gradient)

    def _got_sequence(self, number: int, axis: int, gradient: Tensor) -> None:
        if self._counts():
            positions = gradient.shape[axis]
            longest = max(self._wiring.inputs.positions or 0, int(positions))
            self._wiring.inputs.positions = longest
            ends = [length(gradient.select(axis, at)) for at in (0, positions - 1)]
            self._found.append((number, (ends[0], ends[1], np.array([positions - 1.0]))))
