"""Whether a view has put the numbers of one axis under the name of another."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

VIEWS = ("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0")
CLASS_AXIS = ("cross_entropy", "nll_loss")  # takes axis 1 of three or more for the classes


def misread_shape(name: str, answer: Tensor) -> tuple[int, ...] | None:
    """Return the shape that answers had before a view took the last axis for the classes' one.

    Numbers keep their order in a view: from (N, positions, C) to (N, C, positions) it does not
    exchange the axes, as a transpose does, but cuts the row of numbers anew, and no class stays
    what it was. None where no such view was made.
    """
    if name not in CLASS_AXIS or answer.ndim < 3:
        return None
    node: Any = answer.grad_fn
    if node is not None and node.name() in ("LogSoftmaxBackward0", "SoftmaxBackward0"):
        node = node.next_functions[0][0]
    if node is None:
        return None
    shape, after = _viewed(node), tuple(answer.shape)
    if shape != (after[0], *after[2:], after[1]) or shape == after:
        return None
    earlier = node.next_functions[0][0]
    if earlier is not None and _viewed(earlier) == (after[0], math.prod(after[1:])):
        return None  # each number has weights of its own: any order is as good
    return shape


def _viewed(node: Any) -> tuple[int, ...]:
    """Return the shape before a view; none where a node is no view."""
    if node.name() not in VIEWS:
        return ()
    return tuple(int(each) for each in getattr(node, "_saved_self_sym_sizes", ()))
