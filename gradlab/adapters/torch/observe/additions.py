"""Where a residual stream is added to: found in the graph of one block's forward pass.

From the block's answer backwards, the stream is what no weights multiply. At an addition it comes
from two sides, which part at a fork: the skip, with fewer products of weights on its way (none, or
one where the shape changes), and the branch.

Nodes are told apart by their sequence numbers, which grow as a forward pass goes on: what was made
before the block began is its input.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from gradlab.adapters.torch.observe.nodes import ADDITION, is_leaf, is_parameter, kind

PRODUCTS = {
    "AddmmBackward0", "MmBackward0", "BmmBackward0", "BaddbmmBackward0", "ConvolutionBackward0",
    "LinearBackward0", "MkldnnConvolutionBackward0", "MkldnnRnnLayerBackward0",
    "CudnnRnnBackward0", "ThnnFusedLstmCellBackward0", "GroupedMmBackward0", "MvBackward0",
}  # fmt: skip
VIEWS = {
    "TBackward0", "TransposeBackward0", "PermuteBackward0", "ViewBackward0", "SelectBackward0",
    "ToCopyBackward0", "ExpandBackward0", "UnsqueezeBackward0", "AliasBackward0",
}  # fmt: skip
NODES_SEEN = 20_000  # of one block; larger ones are not looked through

Edge = tuple[Any, int]  # a node, and which of its outputs


@dataclass(frozen=True)
class Addition:
    """One addition of a branch to the stream.

    Attributes
    ----------
    node : autograd node
    skip : int
        Which of the node's two inputs is the skip.
    identity : bool
        Whether the skip is the stream itself, unchanged.
    branch_reads, skip_reads : tuple of (node, int)
        Who reads the stream at the fork, and as which input: on the branch, and on the skip where
        that is no identity.
    parameters : tuple of nn.Parameter
        The weights on the branch.
    """

    node: Any
    skip: int
    identity: bool
    branch_reads: tuple[Edge, ...]
    skip_reads: tuple[Edge, ...]
    parameters: tuple[nn.Parameter, ...]


def additions(root: Edge, start: int) -> list[Addition]:
    """Return the additions on the stream that ends at `root`, the first one first.

    `start` is the sequence number at which the block began.
    """
    found: list[Addition] = []
    here: Edge | None = root
    while here is not None and _is_inside(here[0], start):
        node = here[0]
        if kind(node) == ADDITION and len(list(_signals(node))) == 2:
            addition, here = _split(node, start)
            if addition is None:
                break
            found.append(addition)
        else:
            here = _before(node, start)
    return found[::-1]


def _is_inside(node: Any, start: int) -> bool:
    return not is_leaf(node) and node._sequence_nr() >= start


def _order(node: Any) -> int:
    """Return a number that grows as the forward pass goes on; leaves were there before."""
    return -1 if is_leaf(node) else node._sequence_nr()


def _signals(node: Any) -> Iterator[tuple[int, Edge]]:
    """Yield the inputs of a node that are no parameters, with their numbers."""
    for index, edge in enumerate(node.next_functions):
        if edge[0] is not None and not is_parameter(edge[0]):
            yield index, edge


def _before(node: Any, start: int) -> Edge | None:
    """Return what the stream was in front of a node: the one edge that all of its inputs come from.

    None where weights multiply it on the way.
    """
    waiting: dict[Edge, None] = {}
    heap: list[tuple[int, int, Edge]] = []

    def expand(of: Any) -> bool:
        if kind(of) in PRODUCTS:
            return False
        for _, edge in _signals(of):
            if edge not in waiting:
                waiting[edge] = None
                heapq.heappush(heap, (-_order(edge[0]), len(waiting), edge))
        return True

    if not expand(node):
        return None
    while heap:
        if len(heap) == 1:
            return heap[0][2]
        *_, edge = heapq.heappop(heap)
        if not _is_inside(edge[0], start) or len(waiting) > NODES_SEEN or not expand(edge[0]):
            return None
    return None


@dataclass
class _Reached:
    """How an edge is reached from the two sides of an addition.

    Attributes
    ----------
    products : dict of int to int
        By side: the fewest products on the way.
    reads : list of (int, Edge)
        Who reads it: side, node, and as which of its inputs.
    """

    products: dict[int, int] = field(default_factory=dict)
    reads: list[tuple[int, Edge]] = field(default_factory=list)


class _Sides:
    """Goes back from both sides of an addition, the newest node first, until they meet."""

    def __init__(self, node: Any, start: int):
        self._start = start
        self._heap: list[tuple[int, int, Edge]] = []
        self.reached: dict[Edge, _Reached] = {}
        self.weights: dict[int, list[nn.Parameter]] = {0: [], 1: []}
        self.inputs: list[tuple[int, Edge]] = list(_signals(node))
        for side, (index, edge) in enumerate(self.inputs):
            self._reach(edge, side, 0, (node, index))

    def _reach(self, edge: Edge, side: int, products: int, reader: Edge) -> None:
        if edge not in self.reached:
            self.reached[edge] = _Reached()
            heapq.heappush(self._heap, (-_order(edge[0]), len(self.reached), edge))
        known = self.reached[edge]
        known.products[side] = min(products, known.products.get(side, products))
        known.reads.append((side, reader))

    def fork(self) -> Edge | None:
        """Return the newest edge that both sides come from."""
        while self._heap and len(self.reached) < NODES_SEEN:
            *_, edge = heapq.heappop(self._heap)
            known = self.reached[edge]
            if len(known.products) == 2:
                return edge
            if _is_inside(edge[0], self._start):
                self._expand(edge[0], known)
        return None

    def _expand(self, node: Any, known: _Reached) -> None:
        passed = kind(node) in PRODUCTS
        for side, products in known.products.items():
            for index, edge in _signals(node):
                self._reach(edge, side, products + passed, (node, index))
            self.weights[side] += [p for below, _ in node.next_functions for p in _weights(below)]


def _weights(node: Any, depth: int = 3) -> Iterator[nn.Parameter]:
    """Yield the parameter behind a node, looking through a few views of it (a transposition)."""
    if node is None:
        return
    if is_parameter(node):
        yield node.variable
    elif depth and kind(node) in VIEWS:
        yield from _weights(node.next_functions[0][0], depth - 1)


def _split(node: Any, start: int) -> tuple[Addition | None, Edge | None]:
    """Split an addition into skip and branch; return where the stream goes on, too."""
    sides = _Sides(node, start)
    fork = sides.fork()
    if fork is None:
        return None, None
    products = sides.reached[fork].products
    skip = 0 if products[0] < products[1] else 1
    branch = 1 - skip
    index, edge = sides.inputs[skip]
    identity = edge == fork
    if products[branch] <= products[skip] or products[skip] > 1:
        return None, None  # two branches, and no stream
    if products[skip] == 1 and _is_inside(fork[0], start):
        return None, None  # a projection inside a branch, such as an adapter's: the stream is not
    reads = sides.reached[fork].reads
    addition = Addition(
        node,
        index,
        identity,
        tuple(reader for side, reader in reads if side == branch),
        () if identity else tuple(reader for side, reader in reads if side == skip),
        tuple(dict.fromkeys(reversed(sides.weights[branch]))),
    )
    return addition, edge
