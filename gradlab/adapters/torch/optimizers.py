"""What is around an optimizer: the wrappers of trainers, and the hooks of its step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

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
