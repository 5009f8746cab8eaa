"""Compiled code calls no hooks: where modules are measured, a compiled model runs uncompiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.modules import compiled_in_place


class Eager:
    """Lets a model, or the compiled parts of it, run uncompiled for a while."""

    def __init__(self, model: nn.Module):
        self._compiled = compiled_inside(model)
        self._stance: Any = None

    def enter(self) -> None:
        """Run what is compiled uncompiled from now on."""
        if self._compiled and self._stance is None:
            self._stance = torch.compiler.set_stance("force_eager")
            self._stance.__enter__()

    def leave(self) -> None:
        """Run it compiled again."""
        if self._stance is not None:
            self._stance.__exit__(None, None, None)
            self._stance = None


class AroundCompiled:
    """Calls a forward pre-hook and a forward hook around a module that was compiled in place.

    A hook of the module's own would be compiled along with it. What PyTorch holds of such a module
    is neither copied nor pickled.
    """

    def __init__(self, module: nn.Module, before: Callable[..., Any], after: Callable[..., Any]):
        self._module = module
        self._compiled: Any = module._compiled_call_impl

        def call(*arguments: Any, **keywords: Any) -> Any:
            if torch.compiler.is_compiling():
                return self._compiled(*arguments, **keywords)
            before(module, arguments, keywords)
            output = self._compiled(*arguments, **keywords)
            after(module, arguments, output)
            return output

        self._call = call
        module._compiled_call_impl = call

    def remove(self) -> None:
        """Put back what was there, unless it was compiled anew."""
        if self._module._compiled_call_impl is self._call:
            self._module._compiled_call_impl = self._compiled


def compiled_inside(model: nn.Module) -> bool:
    """Whether `torch.compile` was applied to a model or to a part of it."""
    return any(
        hasattr(module, "_orig_mod") or compiled_in_place(module) for module in model.modules()
    )
