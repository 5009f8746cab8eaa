"""Which modules behave differently in evaluation mode."""

from __future__ import annotations

from typing import Any

from torch import nn


def knows_two_modes(module: nn.Module) -> bool:
    """Whether a module's class, or what it holds, lets it compute something else in evaluation."""
    kinds = nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd
    if isinstance(module, kinds) or "StochasticDepth" in type(module).__name__:
        return True
    return any("drop" in name for name in vars(module))


def behaves_differently(module: nn.Module) -> bool:
    """Whether a module that is in training mode computes something else in evaluation mode."""
    if not module.training:
        return False
    if isinstance(module, nn.modules.batchnorm._NormBase):  # batch and instance norms
        return module.running_mean is not None
    if (
        isinstance(module, nn.modules.dropout._DropoutNd)
        or "StochasticDepth" in type(module).__name__
    ):
        return _positive(getattr(module, "p", None))
    return any("drop" in name and _positive(value) for name, value in vars(module).items())


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
