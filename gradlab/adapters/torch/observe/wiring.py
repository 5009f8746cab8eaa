"""`Wiring`: how the modules follow each other, as the first iteration shows it."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.modules import Site
from gradlab.adapters.torch.observe import graph
from gradlab.adapters.torch.observe.call import Call
from gradlab.adapters.torch.observe.inputs import Inputs
from gradlab.adapters.torch.rows import Row


class Wiring:
    """Knows the modules that hold weights, and which reads the answers of which.

    Attributes
    ----------
    modules : list of (nn.Module or Site)
        Those whose answer is that of one matrix, and single matrices of others.
    row_readers : set of int
        Those that are known, whatever their class, to compute z = h W + b row by row.
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

    def __init__(self, modules: Sequence[nn.Module | Site]):
        self.modules = list(modules)
        self.row_readers: set[int] = set()
        self.settled = False
        self.activations: dict[int, str] = {}
        self.several_rows: set[int] = set()
        self.feeds: set[tuple[int, int]] = set()
        self.inputs = Inputs()
        self._numbers = {
            id(each.parameter if isinstance(each, Site) else each): number
            for number, each in enumerate(self.modules)
        }
        self._with_graph: set[int] = set()  # met where gradients are wanted
        self._order: list[int] = []  # modules by number, as data first met them
        self._rank: dict[int, int] = {}
        self._met: list[tuple[int, int, int]] = []  # when, how many before, and which
        self._straight: set[tuple[int, int]] = set()  # those with nothing but an activation between
        self._plain: dict[tuple[int, int], bool] = {}
        self._links: dict[
            int, tuple[type, int]
        ] = {}  # by module: the activation and module it reads
        self._read: set[int] = set()  # modules known to be read by the one met after them
        self._recurs: tuple[int, bool] | None = None  # with how many feeds that was found

    def number_of(self, module: nn.Module) -> int:
        """The number of a module; -1 where it is not watched."""
        return self._numbers.get(id(module), -1)

    def place_of(self, row: Row) -> int:
        """The number under which the signals of a row's matrix are measured; -1 without any."""
        return self._numbers.get(id(row.parameter), self.number_of(row.module))

    def recurs(self) -> bool:
        """Whether a module has a time of its own: a recurrent one, or one that reads its answer."""
        if self._recurs is None or self._recurs[0] != len(self.feeds):
            cells = (nn.RNNBase, nn.RNNCellBase)
            by_itself = any(lower == upper for lower, upper in self.feeds)
            found = by_itself or any(isinstance(each, cells) for each in self.modules)
            self._recurs = len(self.feeds), found
        return self._recurs[1]

    def owners(self) -> list[tuple[nn.Module, dict[int, int]]]:
        """Return the modules that hold sites, and the number of each site by its parameter's id."""
        found: dict[int, tuple[nn.Module, dict[int, int]]] = {}
        for number, each in enumerate(self.modules):
            if isinstance(each, Site):
                _, wanted = found.setdefault(id(each.owner), (each.owner, {}))
                wanted[id(each.parameter)] = number
        return list(found.values())

    @property
    def first(self) -> int | None:
        """The module that data met first."""
        return self._order[0] if self._order else None

    def meet(self, number: int, at: int | None = None) -> None:
        """Know that data have met a module, now or `at` an earlier point of the forward pass."""
        if self.settled:
            return
        if torch.is_grad_enabled():
            self._with_graph.add(number)
        if number in self._rank:
            return
        if at is None:
            at = torch.autograd._get_sequence_nr()  # pyright: ignore[reportPrivateImportUsage]
        bisect.insort(self._met, (at, len(self._met), number))
        self._order = [each for *_, each in self._met]
        self._rank = {each: place for place, each in enumerate(self._order)}

    def meet_all(self, numbers: Iterable[int], at: int | None) -> None:
        """Know that data have met several modules at once; nobody, where no point is known."""
        for number in numbers if at is not None else ():
            self.meet(number, at)

    def called(self, row: Row) -> bool:
        """Whether data met the module of a row's matrix in the first iteration; so of all others,
        of which nobody knows.
        """
        place = self.place_of(row) if row.is_matrix else -1
        return place < 0 or place in self._rank

    def met_without_graph(self, row: Row) -> bool:
        """Whether data met the module of a row's matrix in the first iteration, and never but
        under `no_grad`, which nobody writes by mistake in a net that learns.
        """
        place = self.place_of(row) if row.is_matrix else -1
        return place in self._rank and place not in self._with_graph

    @property
    def matrices(self) -> dict[int, int]:
        """The numbers of single matrices, by parameter's id."""
        found = enumerate(self.modules)
        return {id(each.parameter): n for n, each in found if isinstance(each, Site)}

    def settle(self) -> list[nn.Module | Site]:
        """Fix the order of the modules after the first iteration; return those that were met."""
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

    def trace(self, call: Call, read: Tensor, producers: graph.Producers, packed: bool) -> None:
        """Find out which modules an input comes from, and what was applied on the way.

        `producers` tells which module's answer a node of the graph is; `packed`: saved tensors are
        packed away, and must not be read.
        """
        node = read.grad_fn
        if node is None:
            return
        kind, lower = self._links.get(call.module, (None, -1))
        if (
            type(node) is kind
            and not packed
            and producers.number(node.next_functions[0][0]) == lower
        ):
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
        if source.node is None:
            return
        applied = None if packed else graph.applied(source.node)
        if applied is not None:
            call.applied[source.module] = applied
        name = graph.name_of(source.node)
        nearest = source.module not in self.activations or self.next(source.module) == call.module
        if name is not None and nearest:
            self.activations[source.module] = name
