"""Everything random, as it was before the first trial: so that trials differ by the change alone.

These are the generators of PyTorch, NumPy and Python, and those that `make` and `train` hold in
their closures, defaults and globals: of a DataLoader, its sampler, a `torch.Generator`, a NumPy
`Generator` or a `random.Random`.
"""

from __future__ import annotations

import copy
import functools
import inspect
import random
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

DEEPEST = 4  # containers and objects within each other
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
OPAQUE = (type, ModuleType, torch.Tensor)
MOST = 64  # items of a container that are looked through


class Beginning:
    """The states of all generators at one moment, and the way back to it."""

    def __init__(self, functions: Iterable[Callable[..., Any]]):
        self._python = random.getstate()
        self._numpy = np.random.get_state()  # noqa: NPY002
        self._torch = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        self._own = [(each, _state(each)) for each in _generators(functions)]

    def restore(self) -> None:
        """Put every generator back."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.set_rng_state(self._torch)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)
        for generator, state in self._own:
            _put_back(generator, state)


def _generators(functions: Iterable[Callable[..., Any]]) -> list[Any]:
    """Return the generators that functions hold, each once."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    for function in functions:
        for value in _held(function):
            for each in _inside(value, 0, seen):
                found.setdefault(id(each), each)
    return list(found.values())


def _held(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield what a function can reach: closure, defaults, the globals that it names, its object."""
    if isinstance(function, functools.partial):
        yield from (*function.args, *function.keywords.values())
        yield from _held(function.func)
        return
    if inspect.ismethod(function):
        yield function.__self__
        function = function.__func__
    if not inspect.isfunction(function):
        yield function
        return
    reached = inspect.getclosurevars(function)
    yield from (*reached.nonlocals.values(), *reached.globals.values())
    yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())


def _inside(value: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    """Yield the generators in a value: itself, in containers, loaders and objects' attributes."""
    if depth > DEEPEST or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, GENERATORS):
        yield value
    elif isinstance(value, DataLoader):
        held = (value.generator, value.sampler, value.batch_sampler, value.dataset)
        for each in held:
            yield from _inside(each, depth + 1, seen)
    elif inspect.isfunction(value) or inspect.ismethod(value):
        for each in _held(value):
            yield from _inside(each, depth + 1, seen)
    elif isinstance(value, dict):
        for each in list(value.values())[:MOST]:
            yield from _inside(each, depth + 1, seen)
    elif isinstance(value, (list, tuple, set)):
        for each in list(value)[:MOST]:
            yield from _inside(each, depth + 1, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, OPAQUE):
        for each in list(vars(value).values())[:MOST]:
            yield from _inside(each, depth + 1, seen)


def _state(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return copy.deepcopy(generator.bit_generator.state)
    return generator.get_state() if hasattr(generator, "get_state") else generator.getstate()


def _put_back(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = copy.deepcopy(state)
    elif hasattr(generator, "set_state"):
        generator.set_state(state)
    else:
        generator.setstate(state)
