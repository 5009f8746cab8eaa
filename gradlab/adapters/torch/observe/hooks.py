"""Hooks that stay where they were hung.

A copy of a module, or what is saved of it, has hooks that do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from gradlab.errors import NonFiniteError


class Guard:
    """Keeps faults of the recording out of the training.

    The first one is handed to `failed`, and nothing is raised.

    Errors that are meant for the user's loop (`NonFiniteError`, and `meant`) pass.

    Attributes
    ----------
    failed : callable
        What is called with the exception.
    meant : Exception or None
        An exception that is meant for the user's loop.
    """

    def __init__(self, failed: Callable[[Exception], None]):
        self.failed = failed
        self.meant: Exception | None = None

    def pass_on(self, error: Exception | None) -> None:
        """Raise an exception that is meant for the user's loop; nothing where there is none."""
        self.meant = error
        if error is not None:
            raise error

    def __call__(self, call: Callable[..., Any]) -> Hook:
        """Return a hook that makes this call."""
        return Hook(call, self)


class Hook:
    """A hook that is never copied or pickled with its module, and never raises."""

    __slots__ = ("_call", "_guard")

    def __init__(self, call: Callable[..., Any], guard: Guard):
        self._call, self._guard = call, guard

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Make the call, of ordinary tensors; where it fails, tell the guard and return nothing."""
        if untouchable():
            return None
        try:
            return self._call(*arguments, **keywords)
        except NonFiniteError:
            raise
        except Exception as error:  # whatever it is: a training must not die of its record
            if error is self._guard.meant:
                raise
            self._guard.failed(error)
            return None

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return ignored

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return _nothing, ()


class ForwardHooks:
    """Hooks on the forward passes of modules, hung again and again.

    To register one takes several times as long as to put it back under the number that it had.

    Parameters
    ----------
    hooks : sequence of (nn.Module, Hook)
    """

    def __init__(self, hooks: Sequence[tuple[nn.Module, Hook]] = ()):
        self._hooks = hooks
        self._handles: list[RemovableHandle] = []
        self._hang = False

    def attach(self) -> None:
        """Hang them, behind what hangs there by now."""
        if self._hang:
            return
        self._hang = True
        known = all(
            handle.hooks_dict_ref() is module._forward_hooks
            for (module, _), handle in zip(self._hooks, self._handles, strict=False)
        )
        if self._handles and known:
            for (module, hook), handle in zip(self._hooks, self._handles, strict=True):
                module._forward_hooks[handle.id] = hook
        else:
            self._handles = [module.register_forward_hook(hook) for module, hook in self._hooks]

    def detach(self) -> None:
        """Take them away."""
        if self._hang:
            self._hang = False
            for handle in self._handles:
                handle.remove()


def ignored(*arguments: Any, **keywords: Any) -> None:
    """Do nothing: what is left of a hook in a copy."""


def _nothing() -> Callable[..., None]:
    return ignored


_functorch: Any = getattr(torch._C, "_functorch", None)
_transform: Callable[[], Any] = getattr(_functorch, "peek_interpreter_stack", lambda: None)
_is_traced: Callable[[], bool] = getattr(torch._C, "_is_tracing", lambda: False)
_is_compiled = torch.compiler.is_compiling


def untouchable() -> bool:
    """Whether tensors are no ordinary ones now.

    Traced, compiled, or inside a transform such as vmap. It is asked at every call of a hook.
    """
    return _transform() is not None or _is_compiled() or _is_traced()
