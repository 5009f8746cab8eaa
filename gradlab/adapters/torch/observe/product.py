"""What a parameter is used for, as the graph of its module's forward pass shows it.

A linear map is known by what it computes, a product of a parameter with what comes in, and not by
the name of its class: that finds other libraries' layers, fused and grouped projections, and
`x @ self.w`, and tells a class token or a table of positions from a weight matrix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gradlab.adapters.torch.observe.nodes import ADDITION

NODES_SEEN = 20_000  # of one module
# What a parameter may go through on its way into a product, and which of them turn it.
TURNS = {"TBackward0", "TransposeBackward0", "TransposeBackward1", "PermuteBackward0"}
VIEWS = TURNS | {
    "ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "ExpandBackward0",
    "UnsqueezeBackward0", "SqueezeBackward1", "SelectBackward0", "SliceBackward0",
    "SplitBackward0", "UnbindBackward0", "ToCopyBackward0", "CloneBackward0", "AliasBackward0",
    "MulBackward0", "WeightNormInterfaceBackward0", "NativeDropoutBackward0",
}  # fmt: skip
FACTORS = {  # of a product of two: which inputs of the node they are, and how it saves them
    "AddmmBackward0": ((1, "mat1"), (2, "mat2")),
    "MmBackward0": ((0, "self"), (1, "mat2")),
    "BmmBackward0": ((0, "self"), (1, "mat2")),
    "BaddbmmBackward0": ((1, "batch1"), (2, "batch2")),
    "MvBackward0": ((1, "vec"), (0, "self")),
}
CONVOLUTION = "ConvolutionBackward0"
# What uses a parameter entry by entry, or looks rows of it up: it multiplies nothing as a matrix.
ENTRY_BY_ENTRY = VIEWS | {
    "AddBackward0", "SubBackward0", "DivBackward0", "CatBackward0", "StackBackward0",
    "RepeatBackward0", "IndexBackward0", "IndexSelectBackward0", "EmbeddingBackward0",
    "SigmoidBackward0", "ExpBackward0", "NegBackward0", "SoftplusBackward0", "TanhBackward0",
    "AddcmulBackward0", "WhereBackward0", "SumBackward1", "MeanBackward1",
    "UpsampleBicubic2DBackward0", "UpsampleBilinear2DBackward0",
}  # fmt: skip


@dataclass(frozen=True)
class Product:
    """A place where a parameter multiplies what comes in.

    Attributes
    ----------
    node : autograd node
    parameter : nn.Parameter
    transposed : bool
        Whether it is kept as (fan_out, fan_in).
    other : int or None
        Which of the node's inputs is what comes in; None where that is not known.
    saved : str
        The name under which the node keeps what comes in.
    """

    node: Any
    parameter: nn.Parameter
    transposed: bool
    other: int | None = None
    saved: str = ""

    @property
    def read(self) -> Tensor | None:
        """What comes in, as the node keeps it; None where it keeps none."""
        try:
            found = getattr(self.node, f"_saved_{self.saved}", None)
        except RuntimeError:  # freed already
            return None
        return found if isinstance(found, Tensor) else None


def products(roots: Sequence[Tensor], start: int, wanted: Collection[int]) -> list[Product]:
    """Return the products of parameters (by id) made since `start`, in order."""
    found = [product for node in _nodes(roots, start) for product in product_of(node, wanted)]
    return sorted(found, key=lambda product: product.node._sequence_nr())


def _nodes(roots: Sequence[Tensor], start: int) -> Iterator[Any]:
    """Yield the nodes behind some answers that were made since `start`."""
    waiting: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = set(waiting)
    while waiting and len(seen) < NODES_SEEN:
        node = waiting.pop()
        if hasattr(node, "variable") or node._sequence_nr() < start:
            continue
        yield node
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)


def consumers(roots: Sequence[Tensor], start: int, wanted: Collection[int]) -> dict[int, set[str]]:
    """Return by parameter's id the kinds of nodes that read it, but for mere views."""
    found: dict[int, set[str]] = {}
    for node in _nodes(roots, start):
        if type(node).__name__ in VIEWS - {"MulBackward0"}:
            continue
        for below, _ in node.next_functions:
            parameter, _ = _behind(below)
            if parameter is not None and id(parameter) in wanted:
                found.setdefault(id(parameter), set()).add(type(node).__name__)
    return found


def product_of(node: Any, wanted: Collection[int]) -> Iterator[Product]:
    """Yield the products of parameters (by id) that a node computes."""
    kind = type(node).__name__
    if kind == CONVOLUTION:
        parameter, _ = _behind(node.next_functions[1][0])
        if parameter is not None and id(parameter) in wanted:
            yield Product(node, parameter, not node._saved_transposed)
    for place, (index, _) in enumerate(FACTORS.get(kind, ())):
        parameter, turned = _behind(node.next_functions[index][0])
        if parameter is None or id(parameter) not in wanted:
            continue
        if place == 1:  # x W: the parameter as it stands is (fan_in, fan_out)
            other, saved = FACTORS[kind][0]
            yield Product(node, parameter, turned, other, saved)
        else:  # W x
            yield Product(node, parameter, not turned)


def _behind(node: Any) -> tuple[nn.Parameter | None, bool]:
    """Return the parameter behind an input of a product, and whether it was transposed."""
    turned = False
    for _ in range(12):
        if node is None:
            return None, turned
        if hasattr(node, "variable"):
            variable = node.variable
            return (variable if isinstance(variable, nn.Parameter) else None), turned
        if type(node).__name__ not in VIEWS:
            return None, turned
        turned ^= type(node).__name__ in TURNS
        below = [each for each, _ in node.next_functions if each is not None]
        if len(below) > 1:  # a scale, or the norm of the weights: of parameters, the largest
            if not all(hasattr(each, "variable") for each in below):
                return None, turned
            below.sort(key=lambda each: -each.variable.numel())
        node = below[0] if below else None
    return None, turned


def ends_in(node: Any, product: Any) -> bool:
    """Whether an answer is that of a product, but for a bias and its shape."""
    for _ in range(6):
        if node is product:
            return True
        if type(node).__name__ not in VIEWS | {ADDITION}:
            return False
        below = [each for each, _ in node.next_functions if each is not None]
        signals = [each for each in below if _behind(each)[0] is None]
        if len(signals) != 1:
            return False
        node = signals[0]
    return False
