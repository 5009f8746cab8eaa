"""What autograd's nodes have kept of the numbers that went through them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.origin import reasons, seen
from gradlab.adapters.torch.origin.seen import Seen

SAVED = "_saved_"


@dataclass(eq=False)
class Evaluated:
    """What a node of a loss that is not finite was given, and made."""

    given: dict[str, Seen]
    made: Seen | None


def saved_by(node: Any) -> dict[str, Tensor]:
    """Return the tensors of real numbers that a node has kept, by name."""
    found = {}
    for name in _saved_names(type(node)):
        try:
            value = getattr(node, name)
        except Exception:  # freed, or written over since
            continue
        if isinstance(value, Tensor) and value.is_floating_point():
            found[name.removeprefix(SAVED)] = value.detach()
    return found


_names: dict[type, tuple[str, ...]] = {}


def _saved_names(kind: type) -> tuple[str, ...]:
    if kind not in _names:
        found = tuple(name for name in dir(kind) if name.startswith(SAVED))
        _names[kind] = tuple(name for name in found if "sym" not in name)
    return _names[kind]


def evaluate(node: Any, saved: dict[str, Tensor] | None = None) -> Evaluated:
    """Return what a node was given and made, as far as it has kept that or it can be told."""
    saved = saved_by(node) if saved is None else saved
    name = reasons.short(node.name())
    given = {key: seen.look(value) for key, value in saved.items() if key != "result"}
    result = saved.get("result")
    if result is None:
        result = _computed(node, name, saved)
    made = None if result is None else seen.look(result)
    if made is not None and not made.nan and name in ("softmax", "log_softmax", "logsumexp"):
        made = None  # -inf there is what a mask has left
    return Evaluated(given, made)


def _computed(node: Any, name: str, saved: dict[str, Tensor]) -> Tensor | None:
    """Compute a result again from what a node has kept."""
    first, second = saved.get("self"), saved.get("other")
    if name in ("mean", "nanmean") and getattr(node, "_saved_self_sym_numel", 1) == 0:
        return torch.tensor(math.nan)
    if name in ("div", "true_divide") and second is not None:
        return (torch.ones_like(second) if first is None else first) / second
    if name == "mul" and first is not None and second is not None:
        return first * second
    if name == "pow" and first is not None:
        exponent = saved.get("exponent", getattr(node, "_saved_exponent", None))
        return None if exponent is None else first**exponent
    if name == "mse_loss" and first is not None and "target" in saved:
        return (first - saved["target"]).square()
    function = getattr(torch, name, None)
    if name in _UNARY and function is not None and first is not None:
        return function(first)
    return None


_UNARY = {
    "log", "log2", "log10", "log1p", "acos", "asin", "atan", "acosh", "asinh", "atanh", "sinh",
    "cosh", "tan", "logit", "lgamma", "digamma", "erfinv", "var", "std", "prod", "norm",
    "logsumexp",
}  # fmt: skip
