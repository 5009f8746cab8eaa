"""Two functions of PyTorch are wrapped while something is watched.

What they do leaves no other trace.

Clipping scales the gradients before the optimizer's hook sees them; a GradScaler that meets an
infinity does not call the optimizer at all. Both are put back when the last watch ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor


class Listener(Protocol):
    """What is told."""

    def clipping(self, parameters: list[Tensor]) -> None:
        """Gradients of these parameters are about to be clipped."""
        ...

    def clipped(self, parameters: list[Tensor]) -> None:
        """They were."""
        ...

    def scaled_step(self, optimizer: Any, scale: Tensor | None, step: Callable[[], Any]) -> Any:
        """A GradScaler is about to step an optimizer: call `step` and return what it returns."""
        ...


_listeners: list[Listener] = []
_originals: list[tuple[Any, str, Any, Any]] = []


def listen(listener: Listener) -> None:
    """Tell `listener` of clippings and scaled steps from now on."""
    if not _listeners:
        _wrap_all()
    _listeners.append(listener)


def leave(listener: Listener) -> bool:
    """Tell it no more, and return whether it was told.

    With the last one, PyTorch's own functions are put back.
    """
    if listener not in _listeners:
        return False
    _listeners.remove(listener)
    if not _listeners:
        for place, name, original, ours in reversed(_originals):
            if getattr(place, name) is ours:  # else somebody has wrapped it again, and calls ours
                setattr(place, name, original)
        _originals.clear()
    return True


def _wrap_all() -> None:
    utils, module = torch.nn.utils, torch.nn.utils.clip_grad
    # The function inside: whoever imported clip_grad_norm_ by name calls it all the same.
    inner = "_clip_grads_with_norm_"
    _wrap(module, inner if hasattr(module, inner) else "clip_grad_norm_", _clipping)
    for place in (utils, module):
        _wrap(place, "clip_grad_value_", _clipping)
    if hasattr(utils, "clip_grads_with_norm_"):  # the same function by its public name
        _wrap(utils, "clip_grads_with_norm_", _clipping)
    if not hasattr(module, inner):
        _wrap(utils, "clip_grad_norm_", _clipping)
    _wrap(torch.amp.GradScaler, "step", _scaled_step)


def _wrap(place: Any, name: str, wrapper: Callable[..., Any]) -> None:
    original = getattr(place, name)
    ours = _method(original, wrapper)
    _originals.append((place, name, original, ours))
    setattr(place, name, ours)


def _method(original: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(*arguments: Any, **keywords: Any) -> Any:
        return wrapper(original, *arguments, **keywords)

    return method


def _clipping(
    original: Callable[..., Any], parameters: Tensor | Iterable[Tensor], *rest: Any, **keywords: Any
) -> Any:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for listener in tuple(_listeners):
        listener.clipping(parameters)
    result = original(parameters, *rest, **keywords)
    for listener in tuple(_listeners):
        listener.clipped(parameters)
    return result


def _scaled_step(
    original: Callable[..., Any], scaler: Any, optimizer: Any, *rest: Any, **keywords: Any
) -> Any:
    scale = getattr(scaler, "_scale", None)

    def step() -> Any:
        return original(scaler, optimizer, *rest, **keywords)

    for listener in tuple(_listeners):
        step = functools.partial(listener.scaled_step, optimizer, scale, step)
    return step()
