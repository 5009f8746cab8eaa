"""What goes through the modules: hooks that stay for one iteration, and what they measure.

A module that computes z = h W + b is seen in three places: what it reads (h), what it answers (z),
and the gradients that arrive at the two, delta = dLoss/dz and u = dLoss/dh, its own share of it. A
plain Linear's node in the graph shows both; before any other module the input is passed through an
alias, so that a skip connection beside it does not add its gradient. Nothing is kept of a call
whose gradient never comes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure import statistics
from gradlab.adapters.torch.measure.host_signals import STACKED
from gradlab.adapters.torch.measure.meter import Meter
from gradlab.adapters.torch.modules import CONVOLUTIONS, replaced, tensors_of
from gradlab.adapters.torch.observe import graph
from gradlab.adapters.torch.observe.call import Call
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.linears import Linears
from gradlab.adapters.torch.observe.product import products
from gradlab.adapters.torch.observe.wiring import Wiring

# Forward passes whose gradients are waited for; of more, such as a rollout's, the oldest go.
PASSES_KEPT = 32


class Signals:
    """Watches the modules that hold weight matrices: an `Observer`."""

    def __init__(self, wiring: Wiring, ledger: Ledger, guard: Guard):
        self._wiring, self._guard = wiring, guard
        self._meter = Meter(wiring, ledger)
        self._handles: list[Any] = []
        self._linears = Linears(wiring.modules, guard, self._after_linear)
        self._attached = False
        self._calls: list[Call] = []
        self._open: dict[int, list[Call]] = defaultdict(list)
        self._producers = graph.Producers(wiring.matrices)
        self._packed = False
        self._began: dict[int, int] = {}  # by module: the sequence number at which its call began
        self._pass = 0  # forward passes of the model so far

    def attach(self, iteration: int) -> None:
        """Hang the hooks for one iteration; those that hang there from the last one stay."""
        self._meter.iteration = iteration
        if self._attached:
            return
        self._attached = True
        self._linears.attach()
        for number, module in enumerate(self._wiring.modules):
            if isinstance(module, nn.Module) and number not in self._linears:
                before, after = self._guard(self._before), self._guard(self._after)
                self._handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
                self._handles.append(module.register_forward_hook(after, with_kwargs=True))
        self._hang_owners()

    def before_step(self) -> None:
        """Nothing is to be done: what is measured has been seen."""

    def settle(self) -> None:
        """Nothing more is needed: `Wiring` knows the order."""

    def _hang_owners(self) -> None:
        """Watch the modules whose products are seen in the graph alone."""
        for owner, wanted in self._wiring.owners():
            before = self._guard(partial(self._before_owner, id(owner)))
            after = self._guard(partial(self._after_owner, id(owner), wanted))
            self._handles.append(owner.register_forward_pre_hook(before))
            self._handles.append(owner.register_forward_hook(after))

    def _before_owner(self, key: int, module: nn.Module, arguments: Any) -> None:
        self._began[key] = torch.autograd._get_sequence_nr()  # pyright: ignore[reportPrivateImportUsage]

    def _after_owner(
        self, key: int, wanted: dict[int, int], module: nn.Module, arguments: Any, output: Any
    ) -> None:
        """See the products that a module has made by itself, each at its node in the graph."""
        start = self._began.pop(key, None)
        answers = [each for each in tensors_of(output) if each.requires_grad]
        if start is None or not torch.is_grad_enabled():
            self._wiring.meet_all(wanted.values(), start)  # it leaves no node, and was called
            return
        self._packed = self._packed or graph.saves_elsewhere()
        for product in products(answers, start, wanted):
            number = wanted[id(product.parameter)]
            self._wiring.meet(number, product.node._sequence_nr())
            if product.other is None:
                continue
            read = None if self._packed else product.read
            call = Call(number, None if read is None else read.detach(), self._pass)
            if read is not None and read.requires_grad:
                self._wiring.trace(call, read, self._producers, self._packed)
            self._producers[product.node] = number
            self._calls.append(call)
            both = self._guard(partial(self._got_both, call, product.other))
            product.node.register_hook(both)

    def detach(self) -> None:
        """Take all hooks away, and forget what was not measured."""
        self._attached = False
        self._linears.detach()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.forget()

    def forget(self) -> None:
        """Forget what was not measured; gradients that come later for it are nobody's."""
        for call in self._calls:
            call.let_go()
        self._calls, self._open, self._packed = [], defaultdict(list), False
        self._producers.clear()

    def begin_pass(self) -> None:
        """Know that another forward pass begins.

        Earlier graphs are let go, but for the gradients still to come.
        """
        self._producers.clear()
        self._pass += 1
        kept = []
        for call in self._calls:
            if call.begun > self._pass - PASSES_KEPT or call.delta is not None:
                kept.append(call)
            else:
                call.let_go()
        self._calls = kept

    def _after_linear(
        self, number: int, module: nn.Module, arguments: tuple[Any, ...], z: Tensor
    ) -> None:
        """See a call of a plain Linear afterwards.

        One hook, and one more at its node in the graph.
        """
        if module is not self._wiring.modules[number]:
            return  # a replica of DataParallel's
        self._wiring.meet(number)
        if not (z.requires_grad and torch.is_grad_enabled()):
            return
        found = graph.of_linear(z) if len(arguments) == 1 else None
        if found is None:
            # Somebody's hook, or a kernel of another kind: an alias will tell from the next time on
            self._linears.without(number)
        read = arguments[0] if arguments else None
        call = Call(number, None if read is None else read.detach(), self._pass)
        self._packed = self._packed or graph.saves_elsewhere()
        if read is not None and read.requires_grad:
            self._wiring.trace(call, read, self._producers, self._packed)
        elif read is not None and not self._wiring.settled:
            self._wiring.inputs.look_at_features(number, read)
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
        """Whether a gradient belongs to the loss and to a call that is still to be measured.

        Inside `autograd.grad(create_graph=True)` it is not: what it is used for, a penalty, adds to
        G and not to p. Nor is p whole where a graph is gone through again after a large signal was
        measured.
        """
        if not self._attached:
            return False
        if call.begun < 0 or torch.is_grad_enabled() or call.shown:
            self._meter.doubt(call.module)
            return False
        return True

    def _answered(self, call: Call, z: Tensor) -> None:
        if self._wiring.inputs.batch_size is None:
            self._wiring.inputs.look(call.read, z.detach())
        if z.ndim > 2:
            self._wiring.several_rows.add(call.module)
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
        number = self._wiring.number_of(module)
        if number < 0:
            return None  # a replica of DataParallel's
        self._wiring.meet(number)
        read = next(tensors_of((arguments, keywords)), None)
        call = Call(number, None if read is None else read.detach(), self._pass)
        self._open[number].append(call)
        self._packed = self._packed or graph.saves_elsewhere()
        if read is None or not (torch.is_grad_enabled() and read.requires_grad):
            return None
        self._wiring.trace(call, read, self._producers, self._packed)
        if not any(read is each for each in (*arguments, *keywords.values())):
            return None  # deep inside a list, say
        call.awaits = True
        alias = read.view_as(read)
        alias.register_hook(self._guard(partial(self._got_back, call)))
        return replaced(arguments, keywords, read, alias)

    def _after(self, module: nn.Module, arguments: Any, keywords: Any, output: Any) -> None:
        number = self._wiring.number_of(module)
        if number < 0 or not self._open[number]:
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
        # A module that was called twice is measured twice: in a stack each is once.
        times: Counter[int] = Counter()
        for call in self._calls:
            if call.delta is None or call.shown:
                continue
            times[call.module] += 1
            read, z, delta, back = call.read, call.z, call.delta, call.back
            shapes = (
                None if read is None else (read.shape, read.dtype),
                None if z is None else (z.shape, z.dtype),
                (delta.shape, delta.dtype),
                None if back is None else (back.shape, back.dtype),
            )
            kinds[self._kind(call), shapes, times[call.module]].append(call)
        self._meter.along_loops([call for each in kinds.values() for call in each])
        for calls in kinds.values():
            self._of_calls(calls)
        self._calls = [
            call for call in self._calls if not call.shown
        ]  # gradients of some may be still to come

    def _kind(self, call: Call) -> Any:
        module = self._wiring.modules[call.module]
        if isinstance(module, CONVOLUTIONS):
            return type(module), module.kernel_size, module.stride, module.padding, module.dilation
        return type(module)

    @torch.no_grad()
    def _of_calls(self, calls: list[Call]) -> None:
        """Measure calls of one kind."""
        if calls[0].delta is not None and calls[0].delta.numel():
            self._meter.of_calls(calls)
        for call in calls:
            call.done()


def _added(total: Tensor | None, gradient: Tensor) -> Tensor:
    """Add up what arrives at one call, when a graph is gone through twice."""
    return gradient if total is None else total + gradient


def _small(tensor: Tensor) -> int:
    """How many entries a signal may have that waits to be measured with others."""
    return STACKED if tensor.device.type == "cpu" else statistics.SMALL
