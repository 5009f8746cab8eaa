"""The heads of a net: where answers are given, the way there from the loss, and from there down.

A head's answer is what a criterion was given, or what the model returned to a loss written by hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.observe import stage_graph
from gradlab.adapters.torch.observe.criterion import Call
from gradlab.adapters.torch.observe.gradient_norms import GradientNorms
from gradlab.adapters.torch.observe.nodes import is_leaf
from gradlab.adapters.torch.observe.stage_graph import NODES_SEEN, Maps, Region

MARK = "gradlab"  # in a node's own dictionary, which keeps nothing alive but lives with the node
UNKNOWN = "unknown"
IN_LOSS = "loss: "  # before the names of operations between what was answered and the loss
BY_HAND = "by hand"  # instead of a criterion's task
OPERATIONS_NAMED = 4  # of one link

Place = tuple[Any, int]  # an output of a node
Row = tuple[str, Tensor, Tensor]  # operation, and the squared norms below and above it


@dataclass(frozen=True, eq=False)
class Mark:
    """That an output of a node is something.

    Attributes
    ----------
    owner : object
        Who says so.
    what : str
        The "answer" or the "result" of a call; or what a model "returned", a "loss" perhaps.
    """

    owner: Any
    what: str
    output: int
    call: Call | None = None


@dataclass
class Head:
    """One head.

    Attributes
    ----------
    key : object
        What is the same for the same head in another backward pass.
    answers : list of (node, int)
    stage : Region or None
        From the answers down to the last trainable maps; None where it cannot be seen.
    loss : Region or None
        From the loss down to the criterion's result, or, without a criterion, to the answers.
    call, result
        Of the criterion, if there is one.
    """

    key: Any
    answers: list[Place]
    stage: Region | None
    loss: Region | None
    call: Call | None = None
    result: Place | None = None

    @property
    def maps(self) -> tuple[Any, ...]:
        """The last trainable maps; none where they are hidden."""
        return () if self.stage is None else self.stage.bottoms

    def nodes(self) -> list[Any]:
        """Return the nodes whose gradients are needed."""
        found = [node for node, _ in self.answers]
        if self.result is not None:
            found.append(self.result[0])
        for region in (self.stage, self.loss):
            if region is not None:
                found += region.bottoms
                for link in region.links:
                    found += [*link.above, *link.below]
        return found

    def rows(self, norms: GradientNorms) -> list[Row]:
        """Return what every operation does to the gradient, from the maps to the loss."""
        answers = norms.total(self.answers)
        unknown = torch.full((), torch.nan, dtype=torch.float64)
        rows: list[Row] = []
        if self.stage is None or not self.maps:
            rows.append((UNKNOWN, unknown, unknown))
        else:
            rows += _of_region(self.stage, norms, "", above=answers)
        below = answers
        if self.result is not None and self.call is not None:
            below = norms.total([self.result])
            rows.append((IN_LOSS + self.call.name, answers, below))
        if self.loss is None:
            rows.append((IN_LOSS + UNKNOWN, unknown, unknown))
        else:
            rows += _of_region(self.loss, norms, IN_LOSS, below=below)
        return rows


def find_marks(tops: Sequence[Any], owner: Any, past_returned: bool) -> list[tuple[Any, Mark]]:
    """Return the marks that the gradient meets on its way from the loss down to the answers.

    Parameters
    ----------
    past_returned : bool
        Whether to go on below what the model returned: where it called a criterion itself.
    """
    found: list[tuple[Any, Mark]] = []
    queue, seen = deque(dict.fromkeys(tops)), set(tops)
    while queue and len(seen) < NODES_SEEN:
        node = queue.popleft()
        marks = [mark for mark in node.metadata.get(MARK, ()) if mark.owner is owner]
        found += [(node, mark) for mark in marks]
        kinds = {mark.what for mark in marks}
        if "answer" in kinds or ("returned" in kinds and not past_returned):
            continue
        for parent in stage_graph.parents(node):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    return found


def find_heads(
    tops: Sequence[Any], marks: Sequence[tuple[Any, Mark]], owned: set[int], maps: Maps
) -> list[Head]:
    """Return the heads below a loss: those of criteria, or else the one of a loss by hand.

    Parameters
    ----------
    owned : set of int
        Ids of the parameters that are watched: a criterion that trains none of them is another
        model's. Of none, all count.
    maps : Maps
    """
    results = {mark.call: (node, mark.output) for node, mark in marks if mark.what == "result"}
    heads = [
        _of_call(tops, mark.call, (node, mark.output), results[mark.call], maps)
        for node, mark in marks
        if mark.what == "answer" and mark.call is not None and mark.call in results
    ]
    if results:
        return [head for head in heads if _trains(head, owned)]
    returned = [(node, mark.output) for node, mark in marks if mark.what == "returned"]
    if not returned:
        return []
    nodes = {node for node, _ in returned}
    loss = stage_graph.region(tops, lambda node: node in nodes)
    met = nodes if loss is None else set(loss.bottoms)
    answers = [place for place in returned if place[0] in met]
    stage = _to_maps([node for node, _ in answers], maps)
    if stage is not None and stage.bottoms:  # a bare parameter that is answered leads to no map
        answers = [place for place in answers if place[0] in stage.tops]
    return [Head(BY_HAND, answers, stage, loss)]


def _of_call(tops: Sequence[Any], call: Call, answer: Place, result: Place, maps: Maps) -> Head:
    stage = _to_maps([answer[0]], maps)
    last = () if stage is None else stage.bottoms
    call.heads = frozenset([number for node in last for number in maps.parameters_of(node)])
    loss = stage_graph.region(tops, lambda node: node is result[0])
    return Head(call.task, [answer], stage, loss, call, result)


def _trains(head: Head, owned: set[int]) -> bool:
    """Whether the gradient gets to one of these parameters, as far as can be seen."""
    assert head.call is not None
    if not owned or head.stage is None or not head.call.heads.isdisjoint(owned):
        return True
    queue = deque(node for node, _ in head.answers)
    seen = set(queue)
    while queue:
        node = queue.popleft()
        if is_leaf(node) and id(node.variable) in owned:
            return True
        for parent in stage_graph.parents(node):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    return False


def _to_maps(nodes: Iterable[Any], maps: Maps) -> Region | None:
    return stage_graph.region(nodes, lambda node: bool(maps.parameters_of(node)))


def _of_region(
    region: Region,
    norms: GradientNorms,
    prefix: str,
    above: Tensor | None = None,
    below: Tensor | None = None,
) -> list[Row]:
    """Return the operations of a region.

    `above` and `below`: the squared norms at its two ends, where single outputs of the nodes are
    meant.
    """
    rows = []
    for link in region.links:
        at_bottom = below is not None and link.below == region.bottoms
        at_top = above is not None and link.above == region.tops
        row = (
            prefix + _joined(link.operations),
            below if at_bottom else norms.total((node, None) for node in link.below),
            above if at_top else norms.total((node, None) for node in link.above),
        )
        rows.append(row)
    return rows


def _joined(operations: tuple[str, ...]) -> str:
    names = list(dict.fromkeys(operations))
    if len(names) > OPERATIONS_NAMED:
        names = names[: OPERATIONS_NAMED - 1]
        return ", ".join(names) + f" and {len(set(operations)) - len(names)} more"
    return ", ".join(names)
