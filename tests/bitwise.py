"""What a PyTorch training leaves behind, to be compared bit for bit with another one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

KINDS_OF_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def state_of(model: nn.Module, optimizers: Iterable[Any]) -> dict[str, Any]:
    """Return weights, buffers, gradients, the states of optimizers and of all generators."""
    tensors = {
        **{f"model {name}": each for name, each in model.state_dict().items()},
        **{f"gradient {name}": each.grad for name, each in model.named_parameters()},
    }
    for number, optimizer in enumerate(optimizers):
        tensors |= {f"optimizer {number} {k}": v for k, v in _leaves(optimizer.state_dict())}
    return {name: _bytes(each) for name, each in tensors.items()} | generators()


def generators() -> dict[str, Any]:
    """Return the states of the generators of PyTorch, NumPy and Python."""
    return {
        "generator of torch": torch.get_rng_state().numpy().tobytes(),
        "generator of numpy": repr(np.random.get_state()),  # noqa: NPY002
        "generator of python": random.getstate(),
    }


def seed(number: int) -> None:
    """Seed the generators of PyTorch, NumPy and Python."""
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Name what is not the same in both."""
    return sorted(
        name for name in {**one, **other} if one.get(name, "absent") != other.get(name, "absent")
    )


def hooks_on(model: nn.Module) -> int:
    """Count the hooks that hang on a model."""
    return sum(len(getattr(each, kind)) for each in model.modules() for kind in KINDS_OF_HOOKS)


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in _leaves(each, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for k, each in enumerate(value) for leaf in _leaves(each, f"{path}.{k}")]
    return [(path, value)]


def _bytes(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return repr(value)
    dense = value.detach().coalesce().to_dense() if value.is_sparse else value.detach()
    flat = dense.contiguous().view(-1)
    return value.dtype, tuple(value.shape), flat.view(torch.uint8).numpy().tobytes()
