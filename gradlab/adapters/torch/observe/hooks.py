"""Hooks that stay where they were hung: a copy of a module, or what is saved of it, has hooks that do nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Hook:
    """A hook that is neither copied nor pickled along with its module."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._call(*arguments, **keywords)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return ignored

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return _nothing, ()


def ignored(*arguments: Any, **keywords: Any) -> None:
    """Do nothing: what is left of a hook in a copy."""


def _nothing() -> Callable[..., None]:
    return ignored


def untouchable() -> bool:
    """Whether tensors are no ordinary ones now: traced, compiled, or inside a transform such as vmap."""
    inside: Any = getattr(torch._C, "_functorch", None)
    transformed = inside is not None and inside.peek_interpreter_stack() is not None
    jit: Any = torch.jit
    return transformed or torch.compiler.is_compiling() or jit.is_tracing()
