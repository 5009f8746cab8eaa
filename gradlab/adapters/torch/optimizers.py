"""What is around an optimizer: the wrappers of trainers, and the hooks of its step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Optimizer = torch.optim.Optimizer


def innermost(optimizer: Any) -> Any:
    """Return the optimizer inside what Accelerate and Lightning wrap around it."""
    for name in ("optimizer", "_optimizer"):
        inner = getattr(optimizer, name, None)
        if isinstance(inner, Optimizer) and inner is not optimizer:
            return innermost(inner)
    return optimizer


def with_closure(method: Callable[[int, bool], None], number: int) -> Callable[..., None]:
    """Return a hook of an optimizer's step that tells whether the step was given a closure."""

    def hook(optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        second = arguments[1] if len(arguments) > 1 else None  # the first is the optimizer
        method(number, keywords.get("closure", second) is not None)

    return hook


def rate_of(optimizer: Any) -> Tensor | float | None:
    """Return the learning rate of the step just made, or None where that is no number.

    Some optimizers have none, compute it, or call a function. Adagrad divides its own by
    1 + (steps - 1) lr_decay.
    """
    group = optimizer.param_groups[0]
    rate, decay = group.get("lr"), group.get("lr_decay")
    if isinstance(rate, bool) or not isinstance(rate, (int, float, Tensor)):
        return None
    if isinstance(rate, Tensor) and rate.numel() != 1:
        return None
    if isinstance(decay, (int, float)) and decay:
        steps = next((optimizer.state.get(each, {}).get("step") for each in group["params"]), None)
        if steps is not None:
            return rate / (1 + (float(steps) - 1) * decay)
    return rate


def lets_skip(optimizer: Any) -> bool:
    """Whether a GradScaler lets a fused optimizer skip this step, whose hooks are called."""
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)
