"""What modules keep in Python beside weights and buffers, and how to put it back."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LIBRARIES = (
    "torch",
    "torchvision",
    "torchaudio",
    "timm",
    "transformers",
    "diffusers",
    "peft",
    "torch_geometric",
)
ENTRIES_READ = 100_000  # of what a module keeps in Python; of more, nobody knows
PLAIN = (
    bool, int, float, complex, str, bytes, type(None), type, torch.dtype, torch.device,
    torch.layout, Enum, FunctionType, BuiltinFunctionType, MethodType, np.generic, partial,
)  # fmt: skip
_KEPT_ELSEWHERE = {"_parameters", "_buffers", "_modules", "training", "_non_persistent_buffers_set"}


class Refused(Exception):
    """A pass would leave a trace."""


class Budget:
    """How much more may be read, and which modules are known."""

    def __init__(self, modules: Iterable[nn.Module]):
        self.left = ENTRIES_READ
        self.modules = {id(module) for module in modules}

    def take(self) -> None:
        """Read one entry more."""
        self.left -= 1
        if self.left < 0:
            raise Refused("the modules keep too much in Python to look through")


class State:
    """What a module keeps in Python: a picture to compare, and what puts it back."""

    def __init__(self, picture: dict[str, Any], attributes: dict[str, Any], tensors: list[Tensor]):
        self.picture, self._attributes, self.tensors = picture, attributes, tensors
        self._contents: list[tuple[Any, Any]] = [
            (value, value.copy())
            for value in attributes.values()
            if isinstance(value, (list, dict, set, deque))
        ]

    def restore(self, module: nn.Module) -> None:
        """Put it back."""
        for container, content in self._contents:
            container.clear()
            if isinstance(container, (list, deque)):
                container.extend(content)
            else:
                container.update(content)
        for name in [
            name for name in module.__dict__ if name not in self._attributes and _is_own(name)
        ]:
            del module.__dict__[name]
        module.__dict__.update(self._attributes)


def state_of(module: nn.Module, modules: list[nn.Module]) -> State:
    """Take the picture of one of the modules of a model.

    Raises
    ------
    Refused
        It keeps something of an unknown kind.
    """
    attributes = {name: value for name, value in module.__dict__.items() if _is_own(name)}
    budget, trusted = Budget(modules), of_library(type(module))
    picture = {name: look(value, budget, trusted) for name, value in attributes.items()}
    return State(picture, attributes, list(every_tensor(list(attributes.values()))))


def _is_own(name: str) -> bool:
    return name not in _KEPT_ELSEWHERE and not name.endswith("_hooks") and "_hooks_" not in name


def look(value: Any, budget: Budget, trusted: bool) -> Any:
    """Return a picture of a value that is equal as long as the value is the same.

    Raises
    ------
    Refused
        Nobody can tell what the value is: a generator, a file, a connection.
    """
    budget.take()
    if isinstance(value, PLAIN) or value is Ellipsis:
        return type(value), value if value == value else "nan"
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, nn.Module):
        if id(value) not in budget.modules:
            raise Refused(f"{type(value).__name__} is kept where its mode cannot be set")
        return id(value)
    if isinstance(value, dict):
        return id(value), [
            (look(k, budget, trusted), look(v, budget, trusted)) for k, v in value.items()
        ]
    if isinstance(value, (list, tuple, deque)):
        return None if isinstance(value, tuple) else id(value), [
            look(each, budget, trusted) for each in value
        ]
    if isinstance(value, (set, frozenset)):
        return id(value), len(value), sorted(map(repr, value))
    if isinstance(value, np.ndarray):
        return id(value), hash(value.tobytes())
    if dataclasses.is_dataclass(value) or isinstance(value, (SimpleNamespace, Namespace)):
        return id(value), [
            (name, look(each, budget, trusted)) for name, each in vars(value).items()
        ]
    if trusted or of_library(type(value)):
        if isinstance(value, torch.Generator):
            return id(value), hash(value.get_state().numpy().tobytes())
        if "Cache" in type(value).__name__:
            raise Refused(f"a {type(value).__name__} would go on")
        return id(value)
    raise Refused(f"nobody knows what a {type(value).__name__} keeps")


def of_library(value: Any) -> bool:
    """Whether something comes from a library whose modules keep no state of their own in a pass."""
    kind = value if isinstance(value, (type, FunctionType)) else type(value)
    return str(getattr(kind, "__module__", "")).split(".")[0] in LIBRARIES


def every_tensor(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in what a model is given or keeps, of whatever kind their numbers are."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from every_tensor(each)
    elif isinstance(value, (list, tuple, deque, set)):
        for each in value:
            yield from every_tensor(each)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from every_tensor(vars(value))
    elif hasattr(value, "__dict__") and of_library(value) and not isinstance(value, nn.Module):
        yield from (each for each in vars(value).values() if isinstance(each, Tensor))
