"""What nodes of autograd's graph are, by the names of their types."""

from __future__ import annotations

from typing import Any

from torch import nn

ADDITION = "AddBackward0"
LEAF = "AccumulateGrad"  # what stands for a tensor that no operation made


def kind(node: Any) -> str:
    """Return the name of a node's type."""
    return type(node).__name__


def is_leaf(node: Any) -> bool:
    """Whether a node stands for a tensor that no operation made: a gradient is kept there."""
    return kind(node) == LEAF


def is_parameter(node: Any) -> bool:
    """Whether a node stands for a parameter."""
    return is_leaf(node) and isinstance(node.variable, nn.Parameter)
