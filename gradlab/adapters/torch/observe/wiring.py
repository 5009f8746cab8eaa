"""`Wiring`: how the modules follow each other, as the first iteration shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from gradlab.adapters.torch.observe import graph
from gradlab.adapters.torch.observe.call import Call
from gradlab.adapters.torch.observe.inputs import Inputs


class Wiring:
    """Knows the modules that hold weights, and which reads the answers of which.

    Attributes
    ----------
    modules : list of nn.Module
    settled : bool
        Whether the first iteration is over.
    activations : dict of int to str
        By module: the activation that its output goes through.
    several_rows : set of int
        Modules that answer several rows for one example: positions of a sequence, or of an image.
    feeds : set of (int, int)
        Pairs (lower, upper) of modules: the input of the upper comes from the lower, nothing with
        weights between.
    inputs : Inputs
    """

    def __init__(self, modules: Sequence[nn.Module]):
        self.modules = list(modules)
        self.settled = False
        self.activations: dict[int, str] = {}
        self.several_rows: set[int] = set()
        self.feeds: set[tuple[int, int]] = set()
        self.inputs = Inputs()
        self._numbers = {id(module): number for number, module in enumerate(self.modules)}
        self._order: list[int] = []  # modules by number, as data first met them
        self._rank: dict[int, int] = {}
        self._straight: set[tuple[int, int]] = set()  # those with nothing but an activation between
        self._plain: dict[tuple[int, int], bool] = {}
        self._links: dict[
            int, tuple[type, int]
        ] = {}  # by module: the activation and module it reads
        self._read: set[int] = set()  # modules known to be read by the one met after them

    def number_of(self, module: nn.Module) -> int:
        """The number of a module; -1 where it is not watched."""
        return self._numbers.get(id(module), -1)

    @property
    def first(self) -> int | None:
        """The module that data met first."""
        return self._order[0] if self._order else None

    def meet(self, number: int) -> None:
        """Know that data have met a module."""
        if not self.settled and number not in self._rank:
            self._rank[number] = len(self._order)
            self._order.append(number)

    def settle(self) -> list[nn.Module]:
        """Fix the order of the modules after the first iteration, and return those that were met."""
        self.settled = True
        return [self.modules[number] for number in self._order]

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

    def trace(self, call: Call, read: Tensor, producers: dict[Any, int], packed: bool) -> None:
        """Find out which modules an input comes from, and what was applied on the way.

        `producers` tells which module's answer a node of the graph is; `packed`: saved tensors are
        packed away, and must not be read.
        """
        node = read.grad_fn
        if node is None:
            return
        kind, lower = self._links.get(call.module, (None, -1))
        if type(node) is kind and not packed and producers.get(node.next_functions[0][0]) == lower:
            applied = graph.applied(node)  # as last time: an activation, and what it was applied to
            if applied is not None:
                call.applied[lower] = applied
            return
        found = graph.sources(read, producers)
        if self.settled and len(found) == 1 and found[0].plain and found[0].node is node:
            self._links[call.module] = type(node), found[0].module
        for source in found:
            self._note(call, source, packed)

    def _note(self, call: Call, source: graph.Source, packed: bool) -> None:
        pair = source.module, call.module
        self.feeds.add(pair)
        if source.plain:
            self._straight.add(pair)
        if source.node is None or packed:
            return
        applied = graph.applied(source.node)
        if applied is None:
            return
        call.applied[source.module] = applied
        if source.module not in self.activations or self.next(source.module) == call.module:
            self.activations[source.module] = applied.name
