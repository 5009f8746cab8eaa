"""The graph between the last trainable map and the loss: where it begins, and where it narrows.

Nodes are autograd's; "down" is the way of the gradient, from the loss towards the parameters.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.observe.nodes import is_leaf, kind

NODES_SEEN = 2048  # of a graph, before it is given up
CHAIN_SEEN = 16  # operations that a parameter may go through before a map uses it

# Operations that compute nothing: a gradient goes through them as it is.
SHAPES = {
    "AliasBackward0", "AsStridedBackward0", "CloneBackward0", "DetachBackward0",
    "PermuteBackward0", "ReshapeAliasBackward0", "SelectBackward0", "SliceBackward0",
    "SplitBackward0", "SplitWithSizesBackward0", "SqueezeBackward0", "SqueezeBackward1",
    "SqueezeBackward2", "TBackward0", "ToCopyBackward0", "TransposeBackward0",
    "TransposeBackward1", "UnbindBackward0", "UnsafeSplitBackward0", "UnsafeViewBackward0",
    "UnsqueezeBackward0", "ViewBackward0", "_DDPSinkBackward",
}  # fmt: skip
# What a mask, say, may do to a parameter before it is used; with data it is a map.
ELEMENTWISE = {
    "AddBackward0", "DivBackward0", "MaskedFillBackward0", "MulBackward0", "SubBackward0",
    "WhereBackward0",
}  # fmt: skip
# They have one parameter in the graph, and read it by data.
LOOKUPS = {
    "EmbeddingBackward0", "EmbeddingBagBackward0", "GatherBackward0", "IndexBackward0",
    "IndexSelectBackward0",
}  # fmt: skip
# maps lie inside of them, unseen
HIDING = {"CheckpointFunctionBackward", "CompiledFunctionBackward"}
NAMES = {
    "addmm": "linear", "mm": "linear", "bmm": "matmul", "baddbmm": "matmul", "native_layer_norm":
    "layer_norm", "native_batch_norm": "batch_norm", "cudnn_batch_norm": "batch_norm",
    "native_group_norm": "group_norm", "clamp_min": "clamp", "clamp_max": "clamp",
    "linalg_vector_norm": "norm", "pow": "power", "div": "divide", "mul": "multiply", "sub":
    "subtract",
}  # fmt: skip


@dataclass(frozen=True)
class Link:
    """A part of the graph that every gradient goes through, between the nodes above and below it.

    The operations are in the order of the forward pass. The gradient of the outputs of `above`
    comes in, that of the outputs of `below` goes out.
    """

    operations: tuple[str, ...]
    above: tuple[Any, ...]
    below: tuple[Any, ...]


@dataclass(frozen=True)
class Region:
    """The nodes on the ways from some nodes down to others."""

    tops: tuple[Any, ...]
    bottoms: tuple[Any, ...]
    children: Mapping[Any, tuple[Any, ...]]

    @cached_property
    def links(self) -> list[Link]:
        """Cut the region wherever all ways meet, from the bottom up.

        Operations that compute nothing join others.
        """
        if set(self.tops) <= set(self.bottoms):
            return []
        cuts = self._cuts()
        result: list[Link] = []
        above: tuple[Any, ...] = self.tops
        pending: list[Any] = [*self.tops] if len(self.tops) == 1 else []
        for inside, node in cuts:
            below = self.bottoms if node is None else (node,)
            pending += inside
            names = tuple(named(each) for each in reversed(pending) if kind(each) not in SHAPES)
            if names or (node is None and result):
                result.append(Link(names, above, below))
                above, pending = below, []
            if node is not None:
                pending.append(node)
        return _without_nameless(result)[::-1]

    def _cuts(self) -> list[tuple[list[Any], Any]]:
        """Return the places where all ways meet, each with the nodes above; None: the bottoms."""
        order = self._ordered()
        bottoms = set(self.bottoms)
        open_to: set[Any] = set(self.tops) - bottoms
        reached_bottom = not bottoms.isdisjoint(self.tops)
        result: list[tuple[list[Any], Any]] = []
        between: list[Any] = []
        for node in order:
            if node in bottoms:
                continue
            alone = open_to == {node} and not reached_bottom
            open_to.discard(node)
            if alone and self.tops != (node,):
                result.append((between, node))
                between = []
            elif self.tops != (node,):
                between.append(node)
            for child in self.children[node]:
                if child in bottoms:
                    reached_bottom = True
                else:
                    open_to.add(child)
        result.append((between, None))
        return result

    def _ordered(self) -> list[Any]:
        """Sort topologically: a node after all that lead to it."""
        waits: dict[Any, int] = {}
        for children in self.children.values():
            for child in children:
                waits[child] = waits.get(child, 0) + 1
        ready = deque(node for node in self.tops if not waits.get(node))
        order: list[Any] = []
        while ready:
            node = ready.popleft()
            order.append(node)
            for child in self.children.get(node, ()):
                waits[child] -= 1
                if not waits[child]:
                    ready.append(child)
        return order


def region(tops: Iterable[Any], is_bottom: Callable[[Any], bool]) -> Region | None:
    """Return what lies between some nodes and the nearest ones below that are asked for.

    None where the graph is too large, or hides a part of itself.
    """
    tops = tuple(dict.fromkeys(tops))
    reached: dict[Any, tuple[Any, ...]] = {}
    bottoms: list[Any] = []
    queue = deque(tops)
    seen = set(tops)
    while queue:
        node = queue.popleft()
        if is_bottom(node):
            bottoms.append(node)
            continue
        if len(seen) > NODES_SEEN or kind(node) in HIDING:
            return None
        reached[node] = tuple(dict.fromkeys(parents(node)))
        for below in reached[node]:
            if below not in seen:
                seen.add(below)
                queue.append(below)
    kept = _leading_to(bottoms, reached)
    children = {
        node: tuple(c for c in below if c in kept)
        for node, below in reached.items()
        if node in kept
    }
    return Region(tuple(top for top in tops if top in kept), tuple(bottoms), children)


def _leading_to(bottoms: Iterable[Any], reached: Mapping[Any, tuple[Any, ...]]) -> set[Any]:
    above: dict[Any, list[Any]] = {}
    for node, below in reached.items():
        for child in below:
            above.setdefault(child, []).append(node)
    kept = set(bottoms)
    queue = deque(kept)
    while queue:
        for node in above.get(queue.popleft(), ()):
            if node not in kept:
                kept.add(node)
                queue.append(node)
    return kept


def _without_nameless(links: list[Link]) -> list[Link]:
    """Join a last link of operations that compute nothing with the one before it."""
    if len(links) > 1 and not links[-1].operations:
        *rest, link, last = links
        return [*rest, Link(link.operations, link.above, last.below)]
    return links


def parents(node: Any) -> Iterator[Any]:
    """Yield the nodes that the gradient goes to next."""
    for parent, _ in node.next_functions:
        if parent is not None:
            yield parent


def parameters_of(node: Any) -> list[int]:
    """Return the ids of the trainable parameters of a map; none where the node is no map.

    A map uses parameters, transformed or not, and data.
    """
    found = [_transformed(parent, CHAIN_SEEN) for parent in parents(node)]
    used = [each for each in found if each is not None]
    if len(used) == len(node.next_functions) and kind(node) not in LOOKUPS:
        return []  # of parameters alone
    return [number for each in used for number in each]


class Maps:
    """Knows the maps that were met, so that what they read is looked into once."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, tuple[int, ...]], list[int]] = {}

    def parameters_of(self, node: Any) -> list[int]:
        """Return what the function of this name does."""
        own = tuple([id(leaf.variable) for leaf in _nearest_leaves(node)])
        known = self._known.get((type(node), own)) if own else None
        if known is None:
            known = parameters_of(node)
            if own and known:
                self._known[type(node), own] = known
        return known


def _nearest_leaves(node: Any) -> list[Any]:
    """Return the leaves that a node reads, transposed or as they are."""
    found = []
    for parent, _ in node.next_functions:
        if parent is not None and kind(parent) == "TBackward0":
            parent = parent.next_functions[0][0]
        if parent is not None and is_leaf(parent):
            found.append(parent)
    return found


def _transformed(node: Any, left: int) -> list[int] | None:
    """Return the parameters that a tensor is made of; None where data are in it."""
    if is_leaf(node):
        variable = node.variable
        return [id(variable)] if isinstance(variable, nn.Parameter) else None
    above = list(parents(node))
    if not left or not above or kind(node) in LOOKUPS:
        return None
    if len(above) < len(node.next_functions) and not _masks(node, above):
        return None
    found: list[int] = []
    for parent in above:
        inside = _transformed(parent, left - 1)
        if inside is None:
            return None
        found += inside
    return found


def _masks(node: Any, above: list[Any]) -> bool:
    """Whether what an operation reads beside the graph changes no shape, as a mask or a number."""
    return kind(node) in ELEMENTWISE and len(above) == 1 and _same_shape(node, above[0])


def _same_shape(node: Any, parent: Any) -> bool:
    """Whether an operation's answer has the shape of what it was given."""
    given = parent.variable if is_leaf(parent) else parent
    shape = given.shape if isinstance(given, torch.Tensor) else given._input_metadata[0].shape
    return tuple(node._input_metadata[0].shape) == tuple(shape)


def named(node: Any) -> str:
    """Return a person's name of an operation; that of a function somebody wrote is not known."""
    name = kind(node)
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return f"unknown ({name.removesuffix('Backward')})"
    name = re.sub(r"Backward\d*$", "", name)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    return NAMES.get(name, name)
