"""A backward pass is made once more, and every node looked at: which derivative was not finite.

A node is to blame where what came to it was finite and what left it was not, and only where that
reaches a parameter: what a mask or a branch takes away on the way harms nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.observe.nodes import is_leaf
from gradlab.adapters.torch.origin import births, places, reasons, saved, seen
from gradlab.adapters.torch.origin.answer import Origin
from gradlab.adapters.torch.origin.births import Done
from gradlab.adapters.torch.origin.places import Place
from gradlab.adapters.torch.origin.seen import Seen


@dataclass(eq=False)
class Passed:
    """What went through a node."""

    node: Any
    order: int
    bad_into: list[bool]  # by edge downwards: what left it
    bad_from: bool  # what came to it
    came: Seen | None
    index: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(eq=False)
class Walk:
    """The nodes of a graph that are looked at while autograd goes through them."""

    passed: dict[Any, Passed] = field(default_factory=dict)
    handles: list[Any] = field(default_factory=list)

    def hang(self, node: Any) -> None:
        """Look at a node."""

        def hook(left: Sequence[Tensor | None], came: Sequence[Tensor | None]) -> None:
            with torch.no_grad():
                self._note(node, left, came)

        self.handles.append(node.register_hook(hook))

    def _note(
        self, node: Any, left: Sequence[Tensor | None], came: Sequence[Tensor | None]
    ) -> None:
        bad_into = [each is not None and not seen.is_finite(each) for each in left]
        bad_from = any(each is not None and not seen.is_finite(each) for each in came)
        passed = Passed(node, len(self.passed), bad_into, bad_from, None)
        if any(bad_into) and not bad_from:
            wrong = next(each for each, bad in zip(left, bad_into, strict=True) if bad)
            assert wrong is not None
            arrived = next((each for each in came if each is not None), None)
            passed.came = None if arrived is None else seen.look(arrived)
            passed.index = seen.first_bad(wrong) or ()
            passed.rows = tuple(seen.bad_rows(wrong)[:64])
        self.passed[node] = passed

    def blamed(self) -> Passed | None:
        """Return the first node to blame among those whose fault reaches a leaf."""
        above: dict[Any, list[Passed]] = {}
        reached: list[Passed] = []
        for passed in self.passed.values():
            edges = zip(passed.bad_into, passed.node.next_functions, strict=False)
            for bad, (below, _) in edges:
                if not bad or below is None:
                    continue
                if below in self.passed:
                    above.setdefault(below, []).append(passed)
                else:
                    reached.append(passed)  # a leaf, or what was not looked at
        found: list[Passed] = []
        known: set[Any] = set()
        while reached:
            passed = reached.pop()
            if passed.node in known:
                continue
            known.add(passed.node)
            if not passed.bad_from:
                found.append(passed)
            reached += above.get(passed.node, [])
        return min(found, key=lambda each: each.order, default=None)

    def remove(self) -> None:
        """Look no more."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()


def of_backward(
    outputs: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    leaves: Sequence[Tensor],
    by_node: Mapping[int, Done],
    *,
    unpacks: bool = True,
) -> Origin | None:
    """Go backward from `outputs`, and return the derivative that was not finite, or None.

    Parameters
    ----------
    outputs, gradients : sequences of Tensor
        Where to begin, and with which gradient; None is 1.
    leaves : sequence of Tensor
        The parameters.
    by_node : mapping of int to Done
        The operation of each node, by sequence number.
    unpacks : bool
        Whether what a node has kept may be asked for: under checkpointing it is computed again,
        for which a model in shards needs all of its processes.
    """
    walk = Walk()
    try:
        for node in nodes_below([each.grad_fn for each in outputs]):
            walk.hang(node)
        torch.autograd.grad(outputs, leaves, gradients, retain_graph=True, allow_unused=True)
        blamed = walk.blamed()
    finally:
        walk.remove()
    return None if blamed is None else origin_of(blamed, by_node, unpacks)


def nodes_below(tops: Sequence[Any]) -> list[Any]:
    """Return every node of a graph but the leaves."""
    found: dict[Any, None] = {}
    queue = [top for top in tops if top is not None]
    while queue:
        node = queue.pop()
        if node in found or is_leaf(node):
            continue
        found[node] = None
        queue += [below for below, _ in node.next_functions if below is not None]
    return list(found)


def leaves_below(tops: Sequence[Any]) -> list[Tensor]:
    """Return the tensors that a graph ends at, whose gradients would be kept."""
    edges = {below for node in nodes_below(tops) for below, _ in node.next_functions}
    return [below.variable for below in edges if below is not None and is_leaf(below)]


def origin_of(blamed: Passed, by_node: Mapping[int, Done], unpacks: bool = True) -> Origin:
    """Return the origin that a node to blame tells; see `of_backward`."""
    node = blamed.node
    done = by_node.get(node._sequence_nr())
    if done is not None and done.birth is not None:  # its input was infinite, behind a `where`
        return births.origin_of(done.birth, "backward")
    custom = isinstance(node, torch.autograd.function.BackwardCFunction)
    given = _given(node) if unpacks else ([] if done is None else done.given)
    name = type(node).__name__ if custom or done is None else done.operation
    frames = () if done is None else done.frames
    if custom:
        frames = frames[1:]  # below it, the function's own forward
    place = places.place(frames)
    reason = reasons.of_derivative(type(node).__name__, given, blamed.came)
    if custom:
        reason = reasons.Reason("custom", "its own backward returns what is not finite")
    return Origin(
        operation=name,
        module="" if done is None else done.module,
        phase="backward",
        inputs=" and ".join(str(each) for each in given[:2]) or "what it keeps to itself",
        after="" if done is None else done.after,
        place=place,
        caller=places.caller(frames),
        index=blamed.index,
        why=reason.words,
        key=reason.key,
        source=_source(done, place),
        rows=blamed.rows,
    )


def _source(done: Done | None, place: Place | None) -> str:
    if done is None or not done.given:
        return ""
    return births.source_of(births.extreme_of(done.given), place)


def _given(node: Any) -> list[Seen]:
    """Return what a node has kept of the numbers that it was given; else of its result."""
    kept = saved.saved_by(node)
    given = {name: each for name, each in kept.items() if name != "result"} or kept
    return [seen.look(each) for each in given.values()]
