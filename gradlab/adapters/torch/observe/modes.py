"""Which modules behave differently in evaluation mode."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType
from typing import Any

from torch import nn

from gradlab.adapters.torch.observe.module_state import of_library


def knows_two_modes(module: nn.Module) -> bool:
    """Whether a module's class, or what it holds, lets it compute something else in evaluation."""
    kinds = nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd
    if isinstance(module, kinds) or "StochasticDepth" in type(module).__name__:
        return True
    return any("drop" in name for name in vars(module)) or _asks_for_mode(module)


SETTERS = {"__init__", "train", "eval"}  # they set the mode


def _asks_for_mode(module: nn.Module) -> bool:
    """Whether a class of the user's own looks at `self.training` where it computes."""
    return _looks_at_training(type(module))


@functools.cache
def _looks_at_training(kind: type) -> bool:
    """Whether `forward` looks at `training`; of the user's own class, any method it may call."""
    if kind.__module__.startswith("torch."):
        return False
    # Not by getattr: the forward of a ScriptModule raises where it is looked at on the class.
    forward = next((vars(each) for each in kind.__mro__ if "forward" in vars(each)), {})
    found = [forward.get("forward")]
    for each in kind.__mro__:
        if not of_library(each):
            found += [value for name, value in vars(each).items() if name not in SETTERS]
    return any("training" in _names_in(getattr(each, "__code__", None)) for each in found)


def _names_in(code: Any) -> Iterator[str]:
    """Yield the names that code reads, in functions inside it too."""
    if isinstance(code, CodeType):
        yield from code.co_names
        for inside in code.co_consts:
            yield from _names_in(inside)


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
