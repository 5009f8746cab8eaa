"""A forward pass that is run once more and leaves no trace: what would leave one is refused.

Modes, buffers and random generators are put back. An operation that would write into weights or
data is stopped before it writes. Modules may keep what they like in Python; where a pass has
changed it, it is put back, and no other is run.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradlab.adapters.torch.observe import module_state
from gradlab.adapters.torch.observe.hooks import Hook
from gradlab.adapters.torch.observe.module_state import Refused, State, every_tensor, of_library

_MESSAGES = {"c10d", "_c10d_functional", "fsdp"}  # operations that wait for other processes


def reason_against(model: nn.Module) -> str | None:
    """Return why a model cannot be run again without a trace, as far as can be seen beforehand."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_get_fsdp_state"):
            return f"{name or 'the model'} is scripted or sharded"
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values()):
            if not isinstance(hook, Hook) and not of_library(hook):
                return f"{name or 'the model'} has a hook of its own"
    if any(type(parameter) not in (nn.Parameter, Tensor) for parameter in model.parameters()):
        return "parameters are of a kind of their own"
    return None


@contextmanager
def without_trace(
    model: nn.Module, given: Iterable[Any], earlier: Iterable[tuple[nn.Module, str, Tensor]] = ()
) -> Iterator[None]:
    """Run what is inside in evaluation mode, without gradients, and put everything back.

    Parameters
    ----------
    given : iterable
        What the pass reads: nothing may write into tensors in it.
    earlier : iterable of (module, name, Tensor)
        What buffers hold meanwhile.

    Raises
    ------
    Refused
        Something would have left a trace; where a module keeps a state of its own, after that was
        put back.
    """
    modules = list(model.modules())
    before = {module: module_state.state_of(module, modules) for module in modules}
    given = list(given)
    module_state.look(given, module_state.Budget(modules), trusted=False)  # a cache would grow
    kept = [state.tensors for state in before.values()]
    protected = {_storage(each) for each in (*model.parameters(), *every_tensor([given, kept]))}
    changed: list[nn.Module] = []
    try:
        with (
            generators(model),
            buffers(modules, earlier),
            _modes(modules),
            no_hooks(modules),
            torch.no_grad(),
            _NoWrites(protected),
        ):
            yield
    finally:
        for module in modules:
            if _differs(before[module], module, modules):
                changed.append(module)
                before[module].restore(module)
    if changed:
        raise Refused(f"{type(changed[0]).__name__} keeps a state of its own")


def _differs(before: State, module: nn.Module, modules: list[nn.Module]) -> bool:
    try:
        return before.picture != module_state.state_of(module, modules).picture
    except Refused:  # something new, of an unknown kind
        return True


class _NoWrites(TorchDispatchMode):
    """Stops what writes into a protected tensor, draws from a generator, or waits for others."""

    def __init__(self, protected: set[int]):
        super().__init__()
        self._protected = protected
        self._writes: dict[Any, list[tuple[int, str]]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace in _MESSAGES or kwargs.get("generator") is not None:
            raise Refused(f"{func} acts outside the model")
        for index, name in self._writes_of(func):
            written = args[index] if index < len(args) else kwargs.get(name)
            if any(_storage(each) in self._protected for each in every_tensor(written)):
                raise Refused(f"{func} writes into weights or data")
        return func(*args, **kwargs)

    def _writes_of(self, func: Any) -> list[tuple[int, str]]:
        if func not in self._writes:
            self._writes[func] = [
                (index, argument.name)
                for index, argument in enumerate(func._schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            ]
        return self._writes[func]


@contextmanager
def generators(model: nn.Module) -> Iterator[None]:
    """Put PyTorch's, NumPy's and Python's random generators back."""
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    states = [(device, torch.cuda.get_rng_state(device)) for device in devices]
    of_torch, of_numpy, of_python = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        for device, state in states:
            torch.cuda.set_rng_state(state, device)
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


@contextmanager
def buffers(
    modules: list[nn.Module], earlier: Iterable[tuple[nn.Module, str, Tensor]] = ()
) -> Iterator[None]:
    """Put buffers back, those too that were replaced; one that nobody wrote to is left alone.

    Meanwhile, those named hold an earlier value.
    """
    kept = [dict(module._buffers) for module in modules]
    values = {
        id(buffer): (buffer, buffer._version, buffer.detach().clone())
        for buffers in kept
        for buffer in buffers.values()
        if buffer is not None
    }
    try:
        for module, name, value in earlier:
            now = module._buffers.get(name)
            if now is not None and now.shape == value.shape:
                now.data.copy_(value)  # uncounted, as below
        yield
    finally:
        with torch.no_grad():
            for buffer, version, value in values.values():
                if buffer._version != version:
                    buffer.copy_(value)
                elif not torch.equal(buffer, value):  # batch norm's kernels write uncounted
                    buffer.data.copy_(value)  # nor is this counted: autograd may hold it
        for module, buffers in zip(modules, kept, strict=True):
            if not _identical(module._buffers, buffers):
                module._buffers.clear()
                module._buffers.update(buffers)


@contextmanager
def _modes(modules: list[nn.Module]) -> Iterator[None]:
    """Set evaluation mode: the flag alone, since somebody's own `eval()` may do more."""
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


@contextmanager
def no_hooks(modules: list[nn.Module]) -> Iterator[None]:
    """Take gradlab's own hooks away meanwhile; the others make weights, as PyTorch's do."""
    kept = [
        (hooks, list(hooks.items()))
        for module in modules
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
        if any(isinstance(hook, Hook) for hook in hooks.values())
    ]
    try:
        for hooks, _ in kept:
            for number in [number for number, hook in hooks.items() if isinstance(hook, Hook)]:
                del hooks[number]
        yield
    finally:
        for hooks, items in kept:
            hooks.clear()
            hooks.update(items)


def _storage(tensor: Tensor) -> int:
    """Return what two tensors share that write into the same memory."""
    try:
        return tensor.untyped_storage()._cdata
    except (RuntimeError, NotImplementedError):  # sparse: no storage
        return id(tensor)


def _identical(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(first[name] is second[name] for name in first)
