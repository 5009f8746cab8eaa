"""What goes through the modules: hooks that hang on them for one iteration, and what is measured of it.
 A module that computes z = h W + b is seen in three places: what it reads (h), what it answers (z),
and the gradients that arrive at the two, delta = dLoss/dz and u = dLoss/dh, its own share of it. A
plain Linear's node in the graph shows both; before any other module the input is passed through an
alias, so that a skip connection beside it does not add its gradient. Nothing is kept of a call
whose gradient never comes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.measure.host_signals import STACKED
from gradlab.adapters.torch.measure.meter import Meter
from gradlab.adapters.torch.observe import graph
from gradlab.adapters.torch.observe.hooks import Guard, untouchable
from gradlab.adapters.torch.rows import CONVOLUTIONS, tensors_of

# forward passes whose gradients are waited for; of more, such as a rollout's, the oldest are let go
PASSES_KEPT = 32


class Call:
    """One call of one module, from its input to the gradients that come back."""

    __slots__ = ("applied", "awaits", "back", "begun", "delta", "module", "read", "shown", "z")

    def __init__(self, module: int, read: Tensor | None, begun: int):
        self.module, self.read = module, read
        self.begun = begun  # the forward pass it belongs to
        self.z: Tensor | None = None
        self.delta: Tensor | None = None
        self.back: Tensor | None = None
        self.applied: dict[
            int, graph.Applied
        ] = {}  # to the outputs of the modules that `read` comes from
        self.awaits = False  # whether the gradient of what it read will come too
        self.shown = False  # whether it was measured already


@dataclass
class Inputs:
    """What the first call shows of the data.

    Attributes
    ----------
    batch_size : int or None
    rms, correlation : float or None
        Root mean square of the entries; mean cosine between two examples.
    """

    batch_size: int | None = None
    rms: float | None = None
    correlation: float | None = None

    def look(self, read: Tensor | None, z: Tensor) -> None:
        """Learn from what the first module reads, or answers where it looks something up."""
        shown = z if read is None else read
        if self.batch_size is not None or not shown.ndim:
            return
        self.batch_size = len(shown)
        if read is None:
            return
        flat = statistics.wide(read).reshape(len(read), -1).double()
        if not bool(flat.isfinite().all()):
            return  # a broken batch says nothing of the data
        self.rms = float(flat.square().mean().sqrt())
        length = torch.linalg.vector_norm(flat, dim=1)
        unit, n = flat[length > 0] / length[length > 0, None], int((length > 0).sum())
        if n > 1:
            self.correlation = float((unit.sum(dim=0).square().sum() - n) / (n * (n - 1)))


class Signals:
    """Watches the modules that hold weight matrices.

    Attributes
    ----------
    modules : list of nn.Module
        In the order in which data first met them, once an iteration has been seen.
    activations : dict of int to str
        By module: the activation that its output goes through.
    several_rows : set of int
        Modules that answer several rows for one example: positions of a sequence, or of an image.
    feeds : set of (int, int)
        Pairs (lower, upper) of modules: the input of the upper comes from the lower, nothing with
        weights between.
    """

    def __init__(self, modules: Sequence[nn.Module], ledger: Ledger, guard: Guard):
        self._guard = guard
        self.modules = list(modules)
        self._numbers = {id(module): number for number, module in enumerate(self.modules)}
        self._meter = Meter(self, ledger)
        self._handles: list[Any] = []
        self._calls: list[Call] = []
        self._open: dict[int, list[Call]] = defaultdict(list)
        self._producers: dict[Any, int] = {}
        self._packed = False
        self._pass = 0  # forward passes of the model so far
        self._links: dict[
            int, tuple[type, int]
        ] = {}  # by module: the activation that it reads, and of which module
        self._read: set[int] = (
            set()
        )  # modules whose answer is known to be read by the one that was met after them
        self._unlike: set[int] = (
            set()
        )  # modules whose node in the graph is not that of a plain Linear
        self._order: list[int] = []  # modules by number, as data first met them
        self._rank: dict[int, int] = {}
        self.settled = False
        self.activations: dict[int, str] = {}
        self.feeds: set[tuple[int, int]] = set()
        self._straight: set[tuple[int, int]] = set()  # those with nothing but an activation between
        self._plain: dict[tuple[int, int], bool] = {}
        self.inputs = Inputs()
        self.several_rows: set[int] = set()

    def attach(self, iteration: int) -> None:
        """Hang the hooks for one iteration; those that hang there from the last one stay."""
        self._meter.iteration = iteration
        if not self._handles:
            for number, module in enumerate(self.modules):
                if type(module) is nn.Linear and number not in self._unlike:
                    self._handles.append(
                        module.register_forward_hook(
                            self._guard(partial(self._after_linear, number))
                        )
                    )
                else:
                    self._handles.append(
                        module.register_forward_pre_hook(
                            self._guard(self._before), with_kwargs=True
                        )
                    )
                    self._handles.append(
                        module.register_forward_hook(self._guard(self._after), with_kwargs=True)
                    )

    def detach(self) -> None:
        """Take all hooks away, and forget what was not measured."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.forget()

    def forget(self) -> None:
        """Forget what was not measured; gradients that come later for it are nobody's."""
        for call in self._calls:
            self._let_go(call)
        self._calls, self._open, self._producers, self._packed = [], defaultdict(list), {}, False

    def begin_pass(self) -> None:
        """Know that another forward pass begins.

        Earlier graphs are let go, but for the gradients still to come.
        """
        self._producers = {}
        self._pass += 1
        kept = []
        for call in self._calls:
            if call.begun > self._pass - PASSES_KEPT or call.delta is not None:
                kept.append(call)
            else:
                self._let_go(call)
        self._calls = kept

    @staticmethod
    def _let_go(call: Call) -> None:
        call.read = call.z = call.delta = call.back = None
        call.applied, call.shown, call.begun = {}, True, -1

    def _meet(self, number: int) -> None:
        if not self.settled and number not in self._rank:
            self._rank[number] = len(self._order)
            self._order.append(number)

    def _after_linear(
        self, number: int, module: nn.Module, arguments: tuple[Any, ...], z: Tensor
    ) -> None:
        """See a call of a plain Linear afterwards.

        One hook, and one more at its node in the graph.
        """
        if module is not self.modules[number] or untouchable():
            return  # a replica of DataParallel's
        self._meet(number)
        if not (z.requires_grad and torch.is_grad_enabled()):
            return
        found = graph.of_linear(z) if len(arguments) == 1 else None
        if (
            found is None
            # somebody's hook, or a kernel of another kind: an alias will tell, from the next time on
        ):
            self._unlike.add(number)
        read = arguments[0] if arguments else None
        call = Call(number, None if read is None else read.detach(), self._pass)
        self._packed = self._packed or graph.saves_elsewhere()
        if read is not None and read.requires_grad:
            self._trace(call, read)
        self._answered(call, z)
        if found is None:
            z.register_hook(self._guard(partial(self._got_delta, call)))
        else:
            node, index = found
            node.register_hook(self._guard(partial(self._got_both, call, index)))

    def _got_both(
        self, call: Call, index: int, at_inputs: tuple[Any, ...], at_outputs: tuple[Any, ...]
    ) -> None:
        if at_outputs[0] is None or not self._counts(call):
            return
        delta, back = at_outputs[0].detach(), at_inputs[index]
        call.delta, size = _added(call.delta, delta), delta.numel()
        if back is not None:
            call.back, size = _added(call.back, back.detach()), max(size, back.numel())
        if size > _small(delta):
            self._of_calls([call])

    def _counts(self, call: Call) -> bool:
        """Whether a gradient that arrives is one of the loss, of a call that is still to be measured.

        Inside `autograd.grad(create_graph=True)` it is not: what it is used for, a penalty, adds to
        G and not to p. Nor is p whole where a graph is gone through again after a large signal was
        measured.
        """
        if untouchable() or not self._handles:
            return False
        if call.begun < 0 or torch.is_grad_enabled() or call.shown:
            self._meter.doubt(call.module)
            return False
        return True

    def _answered(self, call: Call, z: Tensor) -> None:
        if self.inputs.batch_size is None:
            self.inputs.look(call.read, z.detach())
        if z.ndim > 2:
            self.several_rows.add(call.module)
        self._producers[z.grad_fn] = call.module
        if z.numel() > _small(z):
            self._meter.of_answers(
                [call], [z.detach()]
            )  # at once: autograd may not keep it, and so should nobody
        else:
            call.z = z.detach().clone()  # small; and a mask or a skip may be written into z itself
        self._calls.append(call)

    def _before(
        self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        number = self._numbers.get(id(module))
        if number is None or untouchable():
            return None  # a replica of DataParallel's
        self._meet(number)
        read = next(tensors_of((arguments, keywords)), None)
        call = Call(number, None if read is None else read.detach(), self._pass)
        self._open[number].append(call)
        self._packed = self._packed or graph.saves_elsewhere()
        if read is None or not (torch.is_grad_enabled() and read.requires_grad):
            return None
        self._trace(call, read)
        if not any(read is each for each in (*arguments, *keywords.values())):
            return None  # deep inside a list, say
        call.awaits = True
        alias = read.view_as(read)
        alias.register_hook(self._guard(partial(self._got_back, call)))
        return _replaced(arguments, keywords, read, alias)

    def _trace(self, call: Call, read: Tensor) -> None:
        """Find out which modules an input comes from, and what was applied to their answers on the way."""
        if read.grad_fn is None:
            return
        node = read.grad_fn
        kind, lower = self._links.get(call.module, (None, -1))
        if (
            type(node) is kind
            and not self._packed
            and self._producers.get(node.next_functions[0][0]) == lower
        ):
            applied = graph.applied(node)  # as last time: an activation, and what it was applied to
            if applied is not None:
                call.applied[lower] = applied
            return
        found = graph.sources(read, self._producers)
        if self.settled and len(found) == 1 and found[0].plain and found[0].node is node:
            self._links[call.module] = type(node), found[0].module
        for source in found:
            pair = source.module, call.module
            self.feeds.add(pair)
            if source.plain:
                self._straight.add(pair)
            if source.node is None or self._packed:
                continue
            applied = graph.applied(source.node)
            if applied is not None:
                call.applied[source.module] = applied
                if source.module not in self.activations or self.next(source.module) == call.module:
                    self.activations[source.module] = applied.name

    def next(self, number: int) -> int | None:
        """The module that was met after this one."""
        place = self._rank.get(number, len(self._order)) + 1
        return self._order[place] if place < len(self._order) else None

    def is_read(self, number: int) -> bool:
        """Whether the module that was met after this one reads its answer."""
        if self.settled and number in self._read:
            return True
        following = self.next(number)
        found = following is not None and (number, following) in self.feeds
        if found and self.settled:
            self._read.add(number)
        return found

    def number_of(self, module: nn.Module) -> int:
        """The number of a module; -1 where it is not watched."""
        return self._numbers.get(id(module), -1)

    def is_plain(self, lower: int, upper: int) -> bool:
        """Whether delta of the lower module is u phi' of the upper.

        No skip, no norm, and nobody else that reads it.
        """
        if not self.settled:
            return self._is_plain(lower, upper)
        pair = lower, upper
        if pair not in self._plain:
            self._plain[pair] = self._is_plain(lower, upper)
        return self._plain[pair]

    def _is_plain(self, lower: int, upper: int) -> bool:
        readers = {reader for source, reader in self.feeds if source == lower}
        return (lower, upper) in self._straight and readers == {upper}

    def settle(self) -> list[nn.Module]:
        """Fix the order of the modules after the first iteration, and return those that were met."""
        self.settled = True
        return [self.modules[number] for number in self._order]

    def _after(self, module: nn.Module, arguments: Any, keywords: Any, output: Any) -> None:
        number = self._numbers.get(id(module))
        if number is None or not self._open[number]:
            return
        call = self._open[number].pop()
        z = next(tensors_of(output), None)
        if z is None or not (torch.is_grad_enabled() and z.requires_grad):
            return
        self._answered(call, z)
        z.register_hook(self._guard(partial(self._got_delta, call)))

    def _got_delta(self, call: Call, gradient: Tensor) -> None:
        if not self._counts(call):
            return
        call.delta = _added(call.delta, gradient.detach())
        if gradient.numel() > _small(gradient) and not call.awaits:
            self._of_calls([call])

    def _got_back(self, call: Call, gradient: Tensor) -> None:
        if not self._counts(call):
            return
        call.back = _added(call.back, gradient.detach())
        if call.delta is not None and max(call.delta.numel(), gradient.numel()) > _small(gradient):
            self._of_calls([call])

    @torch.no_grad()
    def measure(self) -> None:
        """Measure all calls whose gradients came; those of one kind and shape together."""
        kinds: dict[Any, list[Call]] = defaultdict(list)
        times: Counter[int] = (
            Counter()
        )  # a module that was called twice is measured twice: in a stack each is once
        for call in self._calls:
            if call.delta is None or call.shown:
                continue
            times[call.module] += 1
            shapes = tuple(
                None if t is None else (t.shape, t.dtype)
                for t in (call.read, call.z, call.delta, call.back)
            )
            kinds[self._kind(call), shapes, times[call.module]].append(call)
        for calls in kinds.values():
            self._of_calls(calls)
        self._calls = [
            call for call in self._calls if not call.shown
        ]  # gradients of some may be still to come

    def _kind(self, call: Call) -> Any:
        module = self.modules[call.module]
        if isinstance(module, CONVOLUTIONS):
            return type(module), module.kernel_size, module.stride, module.padding, module.dilation
        return type(module)

    @torch.no_grad()
    def _of_calls(self, calls: list[Call]) -> None:
        """Measure calls of one kind."""
        if calls[0].delta is not None and calls[0].delta.numel():
            self._meter.of_calls(calls)
        for call in calls:
            call.read = call.z = call.delta = call.back = None
            call.applied, call.shown = {}, True


def _replaced(
    arguments: tuple[Any, ...], keywords: dict[str, Any], old: Tensor, new: Tensor
) -> Any:
    """Return the arguments of a call with one tensor replaced."""
    replaced = tuple(new if each is old else each for each in arguments)
    return replaced, {key: new if each is old else each for key, each in keywords.items()}


def _added(total: Tensor | None, gradient: Tensor) -> Tensor:
    """Add up what arrives at one call, when a graph is gone through twice."""
    return gradient if total is None else total + gradient


def _small(tensor: Tensor) -> int:
    """How many entries a signal may have that waits to be measured with others."""
    return STACKED if tensor.device.type == "cpu" else statistics.SMALL
