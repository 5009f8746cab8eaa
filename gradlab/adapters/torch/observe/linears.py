"""The modules that are a plain Linear: one hook each, put back for every iteration measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from gradlab.adapters.torch.modules import Site
from gradlab.adapters.torch.observe.hooks import ForwardHooks, Guard


class Linears:
    """Hooks on the calls of every plain Linear.

    Parameters
    ----------
    modules : sequence of (nn.Module or Site)
    guard : Guard
    after : callable
        What is called after each call: with the module's number, and what a forward hook is given.
    """

    def __init__(
        self, modules: Sequence[nn.Module | Site], guard: Guard, after: Callable[..., Any]
    ):
        self._modules, self._guard, self._after = modules, guard, after
        self._numbers = {n for n, module in enumerate(modules) if type(module) is nn.Linear}
        self._hooks: ForwardHooks | None = None
        self._fewer = False

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def attach(self) -> None:
        """Hang the hooks."""
        if self._hooks is None:
            after = {n: self._guard(partial(self._after, n)) for n in sorted(self._numbers)}
            modules = [(n, each) for n, each in enumerate(self._modules) if n in after]
            self._hooks = ForwardHooks(
                [(each, after[n]) for n, each in modules if isinstance(each, nn.Module)]
            )
        self._hooks.attach()

    def detach(self) -> None:
        """Take them away."""
        if self._hooks is not None:
            self._hooks.detach()
        if self._fewer:
            self._hooks, self._fewer = None, False

    def without(self, number: int) -> None:
        """Hang none on a module from the next time on: its node is that of another operation."""
        self._fewer = self._fewer or number in self._numbers
        self._numbers.discard(number)
