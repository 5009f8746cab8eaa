"""Which modules behave differently in evaluation mode."""

from __future__ import annotations

from typing import Any

from torch import nn


def knows_two_modes(module: nn.Module) -> bool:
    """Whether a module's class, or what it holds, lets it compute something else in evaluation."""
    kinds = nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd
    if isinstance(module, kinds) or "StochasticDepth" in type(module).__name__:
        return True
    return any("drop" in name for name in vars(module)) or _asks_for_mode(module)


def _asks_for_mode(module: nn.Module) -> bool:
    """Whether a class of the user's own looks at `self.training` in its forward method."""
    kind = type(module)
    # Not by getattr: the forward of a ScriptModule raises where it is looked at on the class.
    forward = next(
        (vars(each)["forward"] for each in kind.__mro__ if "forward" in vars(each)), None
    )
    code = getattr(forward, "__code__", None)
    own = not kind.__module__.startswith("torch.")
    return own and code is not None and "training" in code.co_names


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
    shares = [value for name, value in vars(module).items() if "drop" in name]
    if any(isinstance(value, (int, float, nn.Module)) for value in shares):
        return any(_positive(value) for value in shares)  # a module is asked for itself
    return _asks_for_mode(module)


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
