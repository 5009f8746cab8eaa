"""Where the norms of a residual block stand, read off the graph of its forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradlab.adapters.torch.observe.additions import NODES_SEEN, PRODUCTS, VIEWS, Addition, Edge

BEFORE, AFTER, NONE, OTHER = "before", "after", "none", ""
NORMS = ("Norm", "Rsqrt")  # part of the name of a node: fused norms, and those written by hand


def placement(root: Edge, found: Sequence[Addition]) -> str:
    """Return where the norms of a block stand.

    Parameters
    ----------
    root : (node, int)
        The block's answer.
    found : sequence of Addition
        Those of the block, the first one first.

    Returns
    -------
    str
        "before": between the stream and the first weights of every branch. "after": behind the
        sum. "none": nowhere. "": something else stands behind the sum (an activation), a branch
        ends in a norm, or its branches differ.
    """
    last = found[-1].node
    behind = set() if root[0] is last else _names([root[0]], {last})
    if _has_norm(behind):
        return AFTER
    if behind - VIEWS:
        return OTHER
    kinds = {_branch(addition) for addition in found}
    return kinds.pop() if len(kinds) == 1 else OTHER


def _branch(addition: Addition) -> str:
    """Return whether the norm of one branch stands before its weights, or nowhere."""
    start = [addition.node.next_functions[1 - addition.skip][0]]
    if _has_norm(_names(start, set(), at_products=True)):
        return OTHER
    stream = {node.next_functions[index][0] for node, index in addition.branch_reads}
    return BEFORE if _has_norm(_names(start, stream)) else NONE


def _names(start: Iterable[Any], stops: set[Any], *, at_products: bool = False) -> set[str]:
    """Return the names of the nodes on the way back from `start` to `stops`, without these."""
    waiting = list(start)
    seen = set(waiting)
    names: set[str] = set()
    while waiting and len(seen) < NODES_SEEN:
        node = waiting.pop()
        name = type(node).__name__
        if at_products and name in PRODUCTS:
            continue
        names.add(name)
        for below, _ in node.next_functions:
            if below is not None and below not in seen and below not in stops:
                seen.add(below)
                waiting.append(below)
    return names


def _has_norm(names: Iterable[str]) -> bool:
    return any(word in name for name in names for word in NORMS)
