"""The residual stream: its size and its gradient at each block's output, and what branches add.

At an addition x + f(x) the gradient g of the sum goes back two ways: by the skip (s = g, where that
is an identity) and through the branch (b, at what f reads). The gradient at x is s + b.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.adapters.torch.distributed import Ranks
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.modules import clean, is_scripted, tensors_of
from gradlab.adapters.torch.numbers import OF_BLOCKS
from gradlab.adapters.torch.observe.additions import Addition, additions
from gradlab.adapters.torch.observe.hooks import Guard
from gradlab.adapters.torch.observe.lengths import Length, inner, length
from gradlab.adapters.torch.observe.norms import placement
from gradlab.adapters.torch.structure import Block

Array = np.ndarray
Place = tuple[int, int]  # number of a block, and of an addition in it from 1; 0 is the block


@dataclass
class Halves:
    """The gradients of skip and branch of one addition, while they come in.

    Attributes
    ----------
    missing : int
        How many of the readers' gradients are still to come.
    """

    missing: int
    skip: Tensor | None = None
    branch: Tensor | None = None


class Stream:
    """Watches the repeated blocks: an `Observer`.

    Parameters
    ----------
    blocks : sequence of Block
    ledger : Ledger
    ranks : Ranks
    guard : Guard

    Attributes
    ----------
    order : list of int
        The blocks by number, as data first met them.
    branches : dict of (int, int) to tuple of str
        By block and addition (from 1): the matrices on the branch, by their names in the block.
    norms : dict of int to str
        By block: where its norms stand, as `norms.placement` says.
    """

    def __init__(self, blocks: Sequence[Block], ledger: Ledger, ranks: Ranks, guard: Guard):
        self._ranks = ranks
        self.blocks = [block for block in blocks if not is_scripted(block.module)]
        self._ledger, self._guard = ledger, guard
        self._handles: list[Any] = []
        self._open: dict[int, int] = {}  # by block: the sequence number at which it began
        self._read: dict[int, list[weakref.ref[Tensor]]] = defaultdict(list)
        self._found: list[tuple[Place, str, Length]] = []
        self._iteration, self._attached = 0, False
        self._places: dict[Place, Array] | None = None
        self.order: list[int] = []
        self.branches: dict[Place, tuple[str, ...]] = {}
        self.norms: dict[int, str] = {}
        self._named: dict[int, dict[int, str]] = {}  # by block: its parameters' names by id

    @property
    def rows(self) -> list[Place]:
        """The blocks as data met them, then the additions inside them."""
        met = [*self.order, *(n for n in range(len(self.blocks)) if n not in self.order)]
        rank = {number: place for place, number in enumerate(met)}
        inside = sorted(self.branches, key=lambda place: (rank[place[0]], place[1]))
        return [*((number, 0) for number in met), *inside]

    def attach(self, iteration: int) -> None:
        """Hang hooks on the blocks."""
        self._iteration, self._attached = iteration, True
        if self._handles or self._places == {}:
            return
        for number, block in enumerate(self.blocks):
            before = self._guard(partial(self._before, number))
            after = self._guard(partial(self._after, number))
            module = block.module
            self._handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            self._handles.append(module.register_forward_hook(after))

    def begin_pass(self) -> None:
        """Know that another forward pass begins."""
        self._read.clear()

    def before_step(self) -> None:
        """Nothing is to be done: what is measured has been seen."""

    def settle(self) -> None:
        """Fix the blocks' order and their additions, and make the table that they need."""
        if self._ranks.size > 1 and self.blocks:  # the processes' tables must be of one shape
            everyone = self._ranks.gathered((self.order, [*self.branches]))
            self.order = next((order for order, _ in filter(None, everyone) if order), self.order)
            for place in (each for _, places in filter(None, everyone) for each in places):
                self.branches.setdefault(place, ())  # a branch that another process alone has met
        rows = self.rows if self.branches else []  # without additions there is no stream
        self._places = {place: np.array([n], np.intp) for n, place in enumerate(rows)}
        if rows:
            self._ledger.table("blocks", OF_BLOCKS, len(self.rows))

    def measure(self) -> None:
        """Put what was found into the ledger, once its table is made."""
        if self._places is None:
            return
        for place, name, value in self._found:
            if place in self._places:
                self._ledger.put(self._iteration, "blocks", (name,), self._places[place], value)
        self._found.clear()

    def forget(self) -> None:
        """Forget what was not measured."""
        self._read.clear()
        self._found.clear()
        self._open.clear()

    def detach(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._attached = False
        self.forget()

    # -- what PyTorch calls

    def _before(self, number: int, module: nn.Module, arguments: Any, keywords: Any) -> None:
        if module is not self.blocks[number].module:
            return
        if self._places is None and number not in self._named:
            # Now, since FSDP shows the whole parameters to a forward pass alone.
            parameters = module.named_parameters()
            self._named[number] = {id(each): clean(name) for name, each in parameters}
        self._open[number] = torch.autograd._get_sequence_nr()  # pyright: ignore[reportPrivateImportUsage]
        x = next(tensors_of((arguments, keywords)), None)
        if x is None or not x.requires_grad or not torch.is_grad_enabled():
            return
        if any(known() is x for known in self._read[number]):
            return  # checkpointing computes the block again from the same tensor
        self._read[number].append(weakref.ref(x))
        x.register_hook(self._guard(partial(self._got, (number, 0), "in_norm")))

    def _after(self, number: int, module: nn.Module, arguments: Any, output: Any) -> None:
        start = self._open.pop(number, None)
        if start is None:
            return
        if self._places is None and number not in self.order:
            self.order.append(number)
        y = next(tensors_of(output), None)
        if y is None or not y.requires_grad or y.grad_fn is None:
            return
        place = number, 0
        self._note(place, "stream_norm", length(y.detach()))
        self._note(place, "stream_n", np.array([float(y.numel())]))
        y.register_hook(self._guard(partial(self._got, place, "out_norm")))
        root = y.grad_fn, y.output_nr
        found = additions(root, start)
        if found and self._places is None:
            self.norms.setdefault(number, placement(root, found))
        for count, addition in enumerate(found, 1):
            self._follow((number, count), addition)

    def _follow(self, place: Place, addition: Addition) -> None:
        """Hang hooks where the gradients of skip and branch arrive."""
        if self._places is None:
            named = self._named[place[0]]
            weights = [p for p in addition.parameters if p.ndim > 1 and id(p) in named]
            names = [named[id(each)].removesuffix(".weight") for each in weights]
            self.branches.setdefault(place, tuple(names))
        elif place not in self._places:
            return
        readers = (*addition.branch_reads, *addition.skip_reads)
        halves = Halves(len(readers) + 1)
        at_sum = partial(self._at_sum, place, halves, addition)
        addition.node.register_hook(self._guard(at_sum))
        for which, reads in (("branch", addition.branch_reads), ("skip", addition.skip_reads)):
            for node, index in reads:
                reader = partial(self._at_reader, place, halves, which, index)
                node.register_hook(self._guard(reader))

    def _at_sum(
        self, place: Place, halves: Halves, addition: Addition, inputs: Any, outputs: Any
    ) -> None:
        if not self._counts() or outputs[0] is None:
            return
        self._note(place, "out_norm", length(outputs[0]))
        if addition.identity:
            halves.skip = inputs[addition.skip]
        self._came(place, halves)

    def _at_reader(
        self, place: Place, halves: Halves, which: str, index: int, inputs: Any, outputs: Any
    ) -> None:
        if not self._counts():
            return
        gradient = inputs[index]
        if gradient is not None:
            known = getattr(halves, which)
            setattr(halves, which, gradient if known is None else known + gradient)
        self._came(place, halves)

    @torch.no_grad()
    def _came(self, place: Place, halves: Halves) -> None:
        halves.missing -= 1
        if halves.missing or halves.skip is None or halves.branch is None:
            return
        skip, branch = halves.skip.detach(), halves.branch.detach()
        halves.skip = halves.branch = None
        values = {
            "skip_norm": length(skip),
            "branch_norm": length(branch),
            "branch_inner": inner(skip, branch),
        }
        for name, value in values.items():
            self._note(place, name, value)
            self._note((place[0], 0), name, value)  # pooled over the block's additions

    def _got(self, place: Place, name: str, gradient: Tensor) -> None:
        if self._counts():
            self._note(place, name, length(gradient.detach()))

    def _counts(self) -> bool:
        """Whether a gradient that arrives is one of the loss, in an iteration that is measured."""
        return self._attached and not torch.is_grad_enabled()

    def _note(self, place: Place, name: str, value: Length) -> None:
        self._found.append((place, name, value))
