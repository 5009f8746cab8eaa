"""Which modules are running."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from gradlab.adapters.torch.modules import class_name, clean


class Modules:
    """The modules that are running, innermost last, and the last one with weights that began."""

    def __init__(self) -> None:
        self.stack: list[str] = []
        self.last = ""

    @property
    def innermost(self) -> str:
        """The innermost module that is running; "" outside of all."""
        return self.stack[-1] if self.stack else ""

    @contextlib.contextmanager
    def follow(
        self, model: nn.Module, knows: Callable[[str, nn.Module], None] | None = None
    ) -> Iterator[None]:
        """Follow which modules are running; tell `knows` of each that begins, by its name."""
        handles = []
        for name, module in model.named_modules():
            label = clean(name) or class_name(module)
            weighs = any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
            before, after = _Begins(self, label, weighs, clean(name), knows), _Ends(self)
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(after, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@dataclass(eq=False)
class _Begins:
    modules: Modules
    label: str
    weighs: bool
    name: str
    knows: Callable[[str, nn.Module], None] | None

    def __call__(self, module: nn.Module, *_: Any) -> None:
        self.modules.stack.append(self.label)
        if self.weighs:
            self.modules.last = self.label
        if self.knows is not None:
            self.knows(self.name, module)


@dataclass(eq=False)
class _Ends:
    modules: Modules

    def __call__(self, *_: Any) -> None:
        if self.modules.stack:
            self.modules.stack.pop()
