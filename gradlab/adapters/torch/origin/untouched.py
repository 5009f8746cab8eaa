"""A model is run again, and nothing is left of it: weights, buffers, generators and modes are put
back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.observe import module_state, replay

States = Sequence[tuple[torch.device, torch.Tensor]]


def states_of_generators(devices: Iterable[torch.device]) -> States:
    """Return the states of PyTorch's generators, in main memory and on GPUs: nothing waits."""
    states = [(torch.device("cpu"), torch.get_rng_state())]
    for device in devices:
        if device.type == "cuda" and not torch.cuda.is_current_stream_capturing():
            states.append((device, torch.cuda.get_rng_state(device)))
    return states


@contextlib.contextmanager
def untouched(model: nn.Module, generators: States = ()) -> Iterator[None]:
    """Run what is inside, and put everything back.

    Gradients, hooks on parameters, buffers, what modules keep in Python, random generators, the
    grad mode, anomaly detection and the exchanged kernels of checkpointing.

    Parameters
    ----------
    generators : sequence of (device, Tensor)
        The states of PyTorch's generators to begin with.
    """
    modules = list(model.modules())
    states = [(module, _state(module, modules)) for module in modules]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    anomaly = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    with (
        replay.generators(model),
        replay.buffers(modules),
        replay.no_hooks(modules),
        _no_hooks_on(model),
    ):
        try:
            for device, state in generators:
                if device.type == "cuda":
                    torch.cuda.set_rng_state(state, device)
                else:
                    torch.set_rng_state(state)
            torch.set_anomaly_enabled(False)
            with torch.enable_grad():
                yield
        finally:
            torch.set_anomaly_enabled(*anomaly)
            for parameter, gradient in gradients:
                if parameter.grad is not gradient:
                    parameter.grad = gradient
            for module, state in states:
                if state is not None:
                    state.restore(module)


def _state(module: nn.Module, modules: list[nn.Module]) -> Any:
    with contextlib.suppress(module_state.Refused, RuntimeError, TypeError):
        return module_state.state_of(module, modules)
    return None


@contextlib.contextmanager
def _no_hooks_on(model: nn.Module) -> Iterator[None]:
    """Take away the user's hooks on parameters meanwhile: they would see a gradient too many."""
    kept = []
    for parameter in model.parameters():
        hooks = parameter._backward_hooks
        if hooks:
            kept.append((hooks, list(hooks.items())))
            hooks.clear()
    try:
        yield
    finally:
        for hooks, items in kept:
            hooks.update(items)
