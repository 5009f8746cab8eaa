"""What the autograd graph shows: the layer a signal comes from, and the activation on its way.

A functional activation leaves no module to hook. Its node in the graph does: `ReluBackward0` and
its kin hold the tensor from which the slope follows, and lead back to the layer whose output they
were given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradlab.activations import SELU_SCALE
from gradlab.adapters.torch.observe.nodes import ADDITION, is_parameter
from gradlab.adapters.torch.observe.product import FACTORS, product_of

NODES_SEEN = 64  # of the graph behind one input: past a block, and not down a whole residual stream
# all inputs of a module go through one: n comes out where n went in
FSDP_NODE = "RegisterPostBackwardFunctionBackward"

aten = torch.ops.aten


@dataclass(frozen=True)
class Applied:
    """An activation as the graph holds it.

    Its name, settings, and the tensor that its slope follows from.
    """

    name: str
    settings: tuple[Any, ...]
    saved: Tensor

    @property
    def key(self) -> tuple[Any, ...]:
        """What two of them must share to be computed in one call."""
        return self.name, self.settings, tuple(self.saved.shape), self.saved.dtype

    def slope(self, saved: Tensor) -> Tensor:
        """Return phi' from `saved`, this activation's or several of its kin stacked."""
        return _SLOPES[self.name](saved, *self.settings)


@dataclass(frozen=True)
class Source:
    """A layer that an input comes from.

    Its number, what was applied to its output, and whether nothing else was.
    """

    module: int
    node: Any
    plain: bool


class Producers(dict[Any, int]):
    """By node of the graph: the number of the module, or of the matrix, whose answer it is.

    Parameters
    ----------
    matrices : mapping of int to int
        Numbers of matrices by parameter's id, whose products are known when they are met.
    """

    def __init__(self, matrices: Mapping[int, int]):
        super().__init__()
        self._matrices = matrices

    def number(self, node: Any) -> int | None:
        """Return the number of a node's module or matrix; None where it is nobody's answer."""
        known = self.get(node)
        if known is None and self._matrices and type(node).__name__ in FACTORS:
            made = next(product_of(node, self._matrices), None)
            known = None if made is None else self._matrices[id(made.parameter)]
            if known is not None:
                self[node] = known
        return known


def sources(read: Tensor, producers: Producers) -> list[Source]:
    """Walk the graph behind an input, breadth first, and return the nearest layers on every way."""
    found: dict[int, Source] = {}
    start: tuple[Any, int] = read.grad_fn, read.output_nr
    queue: deque[tuple[Any, int, Any, bool]] = deque([(*start, None, True)])
    seen = {start}
    while queue and len(seen) < NODES_SEEN:
        here, output, activation, plain = queue.popleft()
        parents = here.next_functions
        module = producers.number(here)
        if module is not None:
            found.setdefault(module, Source(module, activation, plain))
            continue
        if type(here).__name__ in _READERS:
            activation, plain = here, plain and activation is None
        elif type(here).__name__ == FSDP_NODE:
            parents = parents[output : output + 1]
        elif type(here).__name__ == ADDITION and any(map(_is_bias, parents)):
            pass
        elif type(here).__name__ not in ("AliasBackward0", "DetachBackward0"):
            plain = False
        for parent in parents:
            if parent[0] is not None and parent not in seen:
                seen.add(parent)
                queue.append((*parent, activation, plain))
    return list(found.values())


def _is_bias(edge: Any) -> bool:
    return is_parameter(edge[0])


def applied(node: Any) -> Applied | None:
    """Read an activation from its node; None where autograd has packed its tensors away."""
    try:
        return _READERS[type(node).__name__](node)
    except (
        RuntimeError,
        AttributeError,
    ):  # freed, changed in place since, or another release's names
        return None


def name_of(node: Any) -> str | None:
    """Return the name of an activation without its tensors, which may be packed away."""
    name = _NAMES.get(type(node).__name__)
    return "selu" if name == "elu" and _is_selu(node) else name


def of_linear(z: Tensor) -> tuple[Any, int] | None:
    """Return the node that computed z = h W + b, and which of its inputs is h.

    None where another one did.
    """
    node = z.grad_fn
    if type(node).__name__ in _RESHAPED:
        node = node.next_functions[0][0]  # pyright: ignore[reportOptionalMemberAccess]
    index = _LINEAR.get(type(node).__name__)
    return None if index is None else (node, index)


def saves_elsewhere() -> bool:
    """Whether saved tensors are packed away now (checkpointing, offloading).

    To read one would unpack it.
    """
    inside: Any = torch._C
    top = getattr(inside._autograd, "_top_saved_tensors_default_hooks", None)
    return top is not None and top(False) is not None


def _elu(node: Any, saved: Tensor, is_result: bool) -> Applied:
    settings = node._saved_alpha, node._saved_scale, node._saved_input_scale, is_result
    return Applied("selu" if _is_selu(node) else "elu", settings, saved)


def _is_selu(node: Any) -> bool:
    """Whether an elu is PyTorch's selu: the same function with other settings."""
    return abs(float(node._saved_scale) - SELU_SCALE) < 1e-6


_RESHAPED = {"ViewBackward0", "UnsafeViewBackward0"}  # sequences are computed as one long batch
_LINEAR = {"AddmmBackward0": 1, "MmBackward0": 0}  # b + h W, and h W

_READERS: dict[str, Callable[[Any], Applied]] = {
    "ReluBackward0": lambda node: Applied("relu", (), node._saved_result),
    "TanhBackward0": lambda node: Applied("tanh", (), node._saved_result),
    "SigmoidBackward0": lambda node: Applied("sigmoid", (), node._saved_result),
    "GeluBackward0": lambda node: Applied("gelu", (node._saved_approximate,), node._saved_self),
    "SiluBackward0": lambda node: Applied("silu", (), node._saved_self),
    "EluBackward0": lambda node: _elu(node, node._saved_self, False),
    "EluBackward1": lambda node: _elu(node, node._saved_result, True),  # computed in place
    "LeakyReluBackward0": lambda node: Applied(
        "leaky_relu", (float(node._saved_negative_slope),), node._saved_self
    ),
    "LeakyReluBackward1": lambda node: Applied(
        "leaky_relu", (float(node._saved_negative_slope),), node._saved_result
    ),
    "SoftplusBackward0": lambda node: Applied(
        "softplus", (float(node._saved_beta), float(node._saved_threshold)), node._saved_self
    ),
}

_NAMES = {
    "ReluBackward0": "relu",
    "TanhBackward0": "tanh",
    "SigmoidBackward0": "sigmoid",
    "GeluBackward0": "gelu",
    "SiluBackward0": "silu",
    "EluBackward0": "elu",
    "EluBackward1": "elu",
    "LeakyReluBackward0": "leaky_relu",
    "LeakyReluBackward1": "leaky_relu",
    "SoftplusBackward0": "softplus",
}

_SLOPES: dict[str, Callable[..., Tensor]] = {
    "relu": lambda h: (h > 0).to(h.dtype),
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h - h * h,
    "gelu": lambda z, approximate: aten.gelu_backward(
        torch.ones_like(z), z, approximate=approximate
    ),
    "silu": lambda z: aten.silu_backward(torch.ones_like(z), z),
    "elu": lambda z, *settings: aten.elu_backward(torch.ones_like(z), *settings, z),
    "selu": lambda z, *settings: aten.elu_backward(torch.ones_like(z), *settings, z),
    "leaky_relu": lambda z, slope: torch.where(
        z > 0, torch.ones_like(z), torch.full_like(z, slope)
    ),
    "softplus": lambda z, beta, threshold: aten.softplus_backward(
        torch.ones_like(z), z, beta, threshold
    ),
}
