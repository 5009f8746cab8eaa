"""Hooks that stay where they were hung.

A copy of a module, or what is saved of it, has hooks that do nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradlab.errors import NonFiniteError


class Guard:
    """Keeps faults of the recording out of the training.

    The first one is handed to `failed`, and nothing is raised.

    Errors that are meant for the user's loop (`NonFiniteError`) pass.

    Attributes
    ----------
    failed : callable
        What is called with the exception.
    """

    def __init__(self, failed: Callable[[Exception], None]):
        self.failed = failed

    def __call__(self, call: Callable[..., Any]) -> Hook:
        """Return a hook that makes this call."""
        return Hook(call, self)


class Hook:
    """A hook that is never copied or pickled with its module, and never raises."""

    __slots__ = ("_call", "_guard")

    def __init__(self, call: Callable[..., Any], guard: Guard):
        self._call, self._guard = call, guard

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Make the call; where it fails, tell the guard and return nothing."""
        try:
            return self._call(*arguments, **keywords)
        except NonFiniteError:
            raise
        except Exception as error:  # whatever it is: a training must not die of its record
            self._guard.failed(error)
            return None

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return ignored

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return _nothing, ()


def ignored(*arguments: Any, **keywords: Any) -> None:
    """Do nothing: what is left of a hook in a copy."""


def _nothing() -> Callable[..., None]:
    return ignored


def untouchable() -> bool:
    """Whether tensors are no ordinary ones now.

    Traced, compiled, or inside a transform such as vmap.
    """
    inside: Any = getattr(torch._C, "_functorch", None)
    transformed = inside is not None and inside.peek_interpreter_stack() is not None
    jit: Any = torch.jit
    return transformed or torch.compiler.is_compiling() or jit.is_tracing()
