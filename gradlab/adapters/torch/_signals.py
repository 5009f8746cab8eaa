"""What goes through the modules: hooks that hang on them for one iteration, and what is measured of it.

A module that computes z = h W + b is seen in three places: what it reads (h), what it answers (z), and the gradients
that arrive at the two, delta = dLoss/dz and u = dLoss/dh, its own share of it: the input is passed through an alias, so
that a skip connection beside it does not add its gradient. Nothing is kept of a call whose gradient never comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab import activations
from gradlab.adapters.torch import _graph, _statistics
from gradlab.adapters.torch._ledger import Ledger
from gradlab.adapters.torch._rows import CONVOLUTIONS, LOOKUPS, as_rows, channels_second, reads_rows, tensors_of

Array = np.ndarray


class Call:
    """One call of one module, from its input to the gradients that come back."""

    __slots__ = ("applied", "awaits", "back", "delta", "module", "read", "shown", "z")

    def __init__(self, module: int, read: Tensor | None):
        self.module, self.read = module, read
        self.z: Tensor | None = None
        self.delta: Tensor | None = None
        self.back: Tensor | None = None
        self.applied: dict[int, _graph.Applied] = {}  # to the outputs of the modules that `read` comes from
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
        flat = _statistics.wide(read).reshape(len(read), -1).double()
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
    feeds : set of (int, int)
        Pairs (lower, upper) of modules: the input of the upper comes from the lower, nothing with weights between.
    """

    def __init__(self, modules: Sequence[nn.Module], ledger: Ledger):
        self.modules = list(modules)
        self._numbers = {id(module): number for number, module in enumerate(self.modules)}
        self._ledger, self._iteration = ledger, 0
        self._handles: list[Any] = []
        self._calls: list[Call] = []
        self._open: dict[int, list[Call]] = defaultdict(list)
        self._producers: dict[Any, int] = {}
        self._packed = False
        self._order: list[int] = []  # modules by number, as data first met them
        self._rank: dict[int, int] = {}
        self._settled = False
        self.activations: dict[int, str] = {}
        self.feeds: set[tuple[int, int]] = set()
        self._straight: set[tuple[int, int]] = set()  # those with nothing but an activation between
        self.inputs = Inputs()

    def attach(self, iteration: int) -> None:
        """Hang the hooks for one iteration."""
        self._iteration = iteration
        if not self._handles:
            for module in self.modules:
                self._handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
                self._handles.append(module.register_forward_hook(self._after, with_kwargs=True))

    def detach(self) -> None:
        """Take all hooks away, and forget what was not measured."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._calls, self._open, self._producers, self._packed = [], defaultdict(list), {}, False

    def _before(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        number = self._numbers[id(module)]
        if not self._settled and number not in self._rank:
            self._rank[number] = len(self._order)
            self._order.append(number)
        if torch.compiler.is_compiling():
            return None
        read = next(tensors_of((arguments, keywords)), None)
        call = Call(number, None if read is None else read.detach())
        self._open[number].append(call)
        self._packed = self._packed or _graph.saves_elsewhere()
        if read is None or not (torch.is_grad_enabled() and read.requires_grad):
            return None
        self._trace(call, read)
        if not any(read is each for each in (*arguments, *keywords.values())):
            return None  # deep inside a list, say
        call.awaits = True
        alias = read.view_as(read)
        alias.register_hook(lambda gradient: self._got_back(call, gradient))
        return _replaced(arguments, keywords, read, alias)

    def _trace(self, call: Call, read: Tensor) -> None:
        """Find out which modules an input comes from, and what was applied to their answers on the way."""
        if read.grad_fn is None:
            return
        for source in _graph.sources(read, self._producers):
            pair = source.module, call.module
            self.feeds.add(pair)
            if source.plain:
                self._straight.add(pair)
            if source.node is None or self._packed:
                continue
            applied = _graph.applied(source.node)
            if applied is not None:
                call.applied[source.module] = applied
                if source.module not in self.activations or self._next(source.module) == call.module:
                    self.activations[source.module] = applied.name

    def _next(self, number: int) -> int | None:
        """The module that was met after this one."""
        place = self._rank.get(number, len(self._order)) + 1
        return self._order[place] if place < len(self._order) else None

    def number_of(self, module: nn.Module) -> int:
        """The number of a module; -1 where it is not watched."""
        return self._numbers.get(id(module), -1)

    def is_plain(self, lower: int, upper: int) -> bool:
        """Whether delta of the lower module is u phi' of the upper: no skip, no norm, and nobody else that reads it."""
        readers = {reader for source, reader in self.feeds if source == lower}
        return (lower, upper) in self._straight and readers == {upper}

    def settle(self) -> list[nn.Module]:
        """Fix the order of the modules after the first iteration, and return those that were met."""
        self._settled = True
        return [self.modules[number] for number in self._order]

    def _after(self, module: nn.Module, arguments: Any, keywords: Any, output: Any) -> None:
        number = self._numbers[id(module)]
        if not self._open[number]:
            return
        call = self._open[number].pop()
        z = next(tensors_of(output), None)
        if z is None or not (torch.is_grad_enabled() and z.requires_grad):
            return
        self.inputs.look(call.read, z.detach())
        self._producers[z.grad_fn] = number
        if z.numel() > _statistics.SMALL:
            self._of_answers([call], z.detach()[None])  # at once: autograd may not keep it, and so should nobody
        else:
            call.z = z.detach()
        self._calls.append(call)
        z.register_hook(lambda gradient: self._got_delta(call, gradient))

    def _got_delta(self, call: Call, gradient: Tensor) -> None:
        call.delta = gradient.detach()
        if gradient.numel() > _statistics.SMALL and not call.awaits:
            self._of_calls([call])

    def _got_back(self, call: Call, gradient: Tensor) -> None:
        call.back = gradient.detach()
        if call.delta is not None and max(call.delta.numel(), gradient.numel()) > _statistics.SMALL:
            self._of_calls([call])

    @torch.no_grad()
    def measure(self) -> None:
        """Measure all calls whose gradients came; those of one kind and shape together."""
        kinds: dict[Any, list[Call]] = defaultdict(list)
        for call in self._calls:
            if call.delta is None or call.shown:
                continue
            shapes = tuple(
                None if t is None else (t.shape, t.dtype) for t in (call.read, call.z, call.delta, call.back)
            )
            kinds[self._kind(call), shapes].append(call)
        for calls in kinds.values():
            self._of_calls(calls)
        self._calls = []

    def _kind(self, call: Call) -> Any:
        module = self.modules[call.module]
        if isinstance(module, CONVOLUTIONS):
            return type(module), module.kernel_size, module.stride, module.padding, module.dilation
        return type(module)

    @torch.no_grad()
    def _of_calls(self, calls: list[Call]) -> None:
        """Measure calls of one kind, stacked: (k, rows, units)."""
        module = self.modules[calls[0].module]
        second = channels_second(module)
        put, places = self._put, np.array([call.module for call in calls], np.intp)
        if calls[0].z is not None:
            self._of_answers(calls, torch.stack([call.z for call in calls if call.z is not None]))
        delta = _stack([call.delta for call in calls], second)
        delta_rows = _statistics.row_norms(delta)
        put("delta_norm", places, torch.linalg.vector_norm(delta_rows, dim=-1))
        put("delta_bad", places, _statistics.nonfinite_count(delta))
        read_rows = None
        if calls[0].read is not None:
            read = _stack([call.read for call in calls], second)
            read_rows = self._of_inputs(places, read)
        per_example = self._per_example(module, calls, delta_rows, read_rows)
        if per_example is not None:
            put("per_example", places, per_example)
        if calls[0].back is not None:
            back = _stack([call.back for call in calls], second)
            put("back_norm", places, _statistics.whole_norms(back))
        self._of_slopes(calls)
        for call in calls:
            call.read = call.z = call.delta = call.back = None
            call.applied, call.shown = {}, True

    def _of_inputs(self, places: Array, read: Tensor) -> Tensor:
        rows = _statistics.row_norms(read)
        self._moments("read", places, read, torch.linalg.vector_norm(rows, dim=-1))
        return rows

    def _of_answers(self, calls: list[Call], z: Tensor) -> None:
        """Measure z; as activations only where no next layer reads them, or none is known to yet."""
        places = np.array([call.module for call in calls], np.intp)
        rows = as_rows(_statistics.wide(z), channels_second(self.modules[calls[0].module]))
        self._put("z_bad", places, _statistics.nonfinite_count(rows))
        if any(not self._is_read(call.module) for call in calls):
            self._moments("z", places, rows, _statistics.whole_norms(rows))

    def _is_read(self, number: int) -> bool:
        following = self._next(number)
        return following is not None and (number, following) in self.feeds

    def _moments(self, name: str, places: Array, stack: Tensor, norm: Tensor) -> None:
        mean, n = stack.mean(dim=(1, 2)), stack[0].numel()
        self._put(f"{name}_norm", places, norm)
        self._put(f"{name}_deviation", places, _statistics.deviation(stack, mean) * n**0.5)
        mean = mean.double()
        self._put(f"{name}_sum", places, n * mean)
        self._put(f"{name}_squares", places, n * mean * mean)
        self._count(f"{name}_n", places, n)

    def _per_example(self, module: nn.Module, calls: list[Call], delta: Tensor, read: Tensor | None) -> Tensor | None:
        """Return sum_i ||B delta_i|| ||h_i|| / B, which is p of the batch's mean loss; of sequences a bound.

        An example of several rows t has G_i = sum_t h_t^T delta_t, and ||G_i|| <= sum_t ||h_t|| ||delta_t||.
        """
        if reads_rows(module) and read is not None:
            return torch.linalg.vecdot(delta, read)
        if isinstance(module, LOOKUPS):
            return delta.sum(dim=-1)  # what is looked up is read as a row of one 1
        if isinstance(module, CONVOLUTIONS) and calls[0].read is not None:
            patches = [_patch_norms(module, call.read) for call in calls if call.read is not None]
            return torch.stack([(rows * norms).sum() for rows, norms in zip(delta, patches, strict=True)])
        return None

    def _of_slopes(self, calls: list[Call]) -> None:
        """Measure phi' of what was applied to the modules that these calls read from, and ||u phi'||."""
        kinds: dict[Any, list[tuple[int, _graph.Applied, Call]]] = defaultdict(list)
        for call in calls:
            for source, applied in call.applied.items():
                if self._next(source) == call.module or (source, self._next(source)) not in self.feeds:
                    shape = None if call.back is None else call.back.shape
                    second = channels_second(self.modules[source])
                    kinds[applied.key, shape, second].append((source, applied, call))
        for (_, _, second), found in kinds.items():
            places = np.array([source for source, *_ in found], np.intp)
            whole = torch.stack([_statistics.wide(applied.saved.detach()) for _, applied, _ in found])
            slope = found[0][1].slope(whole)
            rows = as_rows(slope, second)
            self._put("slope_norm", places, _statistics.whole_norms(rows))
            self._count("slope_n", places, slope[0].numel())
            self._put("dead", places, _statistics.dead_fraction(rows))
            bound = activations.get(found[0][1].name).slope_bound
            self._put("saturated", places, _statistics.saturated_fraction(rows, bound))
            backs = [call.back for *_, call in found if call.back is not None]
            plain = self._settled and all(self.is_plain(source, call.module) for source, _, call in found)
            if not plain and len(backs) == len(found) and backs[0].numel() == slope[0].numel():
                product = torch.stack([_statistics.wide(back) for back in backs]).reshape(len(found), 1, -1)
                self._put("product_norm", places, _statistics.whole_norms(product * slope.reshape(len(found), 1, -1)))

    def _put(self, name: str, places: Array, values: Tensor) -> None:
        self._ledger.put(self._iteration, "modules", (name,), places, values)

    def _count(self, name: str, places: Array, count: int) -> None:
        self._put(name, places, torch.full((len(places),), float(count), dtype=torch.float64))


def _stack(tensors: Sequence[Tensor | None], second: bool) -> Tensor:
    return as_rows(_statistics.wide(torch.stack([tensor for tensor in tensors if tensor is not None])), second)


def _patch_norms(module: Any, read: Tensor) -> Tensor:
    """Return the norm of what each output position of a convolution reads, (examples * positions,)."""
    spatial = read.ndim - 2
    squares = _statistics.wide(read).square().sum(dim=1, keepdim=True)
    ones = torch.ones((1, 1, *module.kernel_size), dtype=squares.dtype, device=squares.device)
    convolve = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)[spatial - 1]
    sums = convolve(squares, ones, None, module.stride, module.padding, module.dilation)
    return sums.clamp(min=0).sqrt().double().reshape(-1)


def _replaced(arguments: tuple[Any, ...], keywords: dict[str, Any], old: Tensor, new: Tensor) -> Any:
    """Return the arguments of a call with one tensor replaced."""
    replaced = tuple(new if each is old else each for each in arguments)
    return replaced, {key: new if each is old else each for key, each in keywords.items()}
