"""What modules are called, what they compute, and the tensors that go through them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LOOKUPS = (nn.Embedding, nn.EmbeddingBag)
# Classes of PyTorch whose parameters with several axes all multiply what comes in.
PRODUCTS = (
    nn.Linear,
    nn.Bilinear,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.RNNCellBase,
    *CONVOLUTIONS,
    *TRANSPOSED,
    *LOOKUPS,
)


@dataclass(frozen=True, eq=False)
class Site:
    """A matrix that its module multiplies by hand: seen at its product, and not at the module.

    Attributes
    ----------
    owner : nn.Module
    parameter : nn.Parameter
    """

    owner: nn.Module
    parameter: nn.Parameter


def clean(name: str) -> str:
    """Return a module's name without the wrappers of torch.compile, DDP and checkpointing."""
    parts = [
        p
        for p in name.split(".")
        if p not in ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
    ]
    return ".".join(parts)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside DataParallel, DistributedDataParallel and torch.compile."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(model, wrappers):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # pyright: ignore[reportAssignmentType]
        else:
            return model


def class_name(module: nn.Module) -> str:
    """Return the name of a module's class.

    FSDP makes one of its own for each that it shards, and names it FSDP...
    """
    fsdp = hasattr(module, "_get_fsdp_state")
    return type(module).__name__.removeprefix("FSDP") if fsdp else type(module).__name__


def reads_rows(module: nn.Module | Site) -> bool:
    """Whether a module computes z = h W + b row by row.

    ||G_i|| is then ||delta_i|| ||h_i||, or bounded by a sum of such products.
    """
    return isinstance(module, (nn.Linear, Site)) or class_name(module) == "Conv1D"


def channels_second(module: nn.Module | Site) -> bool:
    """Whether tensors are (examples, channels, positions ...), as convolutions have them."""
    return isinstance(module, (*CONVOLUTIONS, *TRANSPOSED))


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors in what a module got or gave back.

    A tensor, tuple, list, or dict.
    """
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_of(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors_of(each)


def examples_in(value: Any) -> int:
    """Return how many examples a model is given: the length of its first tensor; else 0."""
    if isinstance(value, Tensor):
        return value.shape[0] if value.ndim else 0
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return 0
    for each in value:  # not by a generator: it is asked in every forward pass
        count = examples_in(each)
        if count:
            return count
    return 0


def numbers_in(value: Any) -> Tensor | None:
    """Return the first tensor of real numbers that a model is given, or None."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() and value.numel() else None
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return None
    return next((found for each in value if (found := numbers_in(each)) is not None), None)


def replaced(arguments: tuple[Any, ...], keywords: dict[str, Any], old: Tensor, new: Tensor) -> Any:
    """Return the arguments of a call with one tensor replaced."""
    replaced = tuple(new if each is old else each for each in arguments)
    return replaced, {key: new if each is old else each for key, each in keywords.items()}


def as_rows(stack: Tensor, second: bool) -> Tensor:
    """Return signals of k calls (k, ...) as (k, rows, units): all other axes become rows.

    `second`: the units are the axis after the examples', as in convolutions; else they are the
    last.
    """
    if stack.ndim < 3:  # no examples' axis
        return stack.reshape(len(stack), 1, -1)
    if second and stack.ndim > 3:
        stack = stack.movedim(2, -1)
    return stack.flatten(1, -2)


def is_seen(module: nn.Module) -> bool:
    """Whether a module's answer is that of its weights.

    It has no modules inside, or is an attention layer.
    """
    if is_scripted(module):
        return False
    return isinstance(module, nn.MultiheadAttention) or next(module.children(), None) is None


def compiled_in_place(module: nn.Module) -> bool:
    """Whether a module was compiled by `module.compile()`: its hooks are compiled along with it."""
    return getattr(module, "_compiled_call_impl", None) is not None


def is_scripted(module: nn.Module) -> bool:
    """Whether a module is TorchScript's, which calls no hooks."""
    return isinstance(module, torch.jit.ScriptModule)


def takes_lasting_hooks(module: nn.Module) -> bool:
    """Whether a hook that stays is called in every forward pass, and changes nothing.

    In a module that was compiled in place it would be compiled along.
    """
    return not is_scripted(module) and not compiled_in_place(module)
