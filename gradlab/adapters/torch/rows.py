"""Which parts of a model become layers of a Run.

One row a weight matrix, in the order in which data meet them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradlab import activations
from gradlab.errors import ArgumentError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LOOKUPS = (nn.Embedding, nn.EmbeddingBag)


@dataclass(frozen=True)
class Row:
    """One weight matrix W (fan_in, fan_out), and the module that computes with it.

    Attributes
    ----------
    name : str
        As `model.named_modules()` has it, with the parameter's name where a module has several
        matrices.
    module : nn.Module
    parameter : nn.Parameter
    transposed : bool
        Whether the parameter, as `flat` shows it, is (fan_out, fan_in), as PyTorch's Linear and
        Conv keep it.
    """

    name: str
    module: nn.Module
    parameter: nn.Parameter
    transposed: bool
    kind: str

    @property
    def fans(self) -> tuple[int, int]:
        """(fan_in, fan_out)."""
        first, second = flat_shape(self.parameter)
        return (second, first) if self.transposed else (first, second)

    @property
    def learns(self) -> bool:
        """Whether it is not frozen."""
        return self.parameter.requires_grad

    def describe(self, activation: str | None) -> dict[str, Any]:
        """Return what a Recorder wants to know of the layer."""
        fan_in, fan_out = self.fans
        bias = getattr(self.module, "bias", None)
        known = activation in activations.ACTIVATIONS
        return {
            "name": self.name, "kind": self.kind, "activation": activation, "fan_in": fan_in, "fan_out": fan_out,
            "parameters": self.parameter.numel() + (bias.numel() if isinstance(bias, Tensor) else 0),
            "slope_bound": activations.get(activation).slope_bound if known and activation else None,
        }  # fmt: skip


def flat_shape(parameter: Tensor) -> tuple[int, int]:
    """Return the shape of a parameter as a matrix: its first axis against all others.

    A vector is one row.
    """
    shape = parameter.shape
    if len(shape) < 2:
        return 1, max(1, math.prod(shape))
    return shape[0], math.prod(shape[1:])


def clean(name: str) -> str:
    """Return a module's name without what torch.compile, data parallelism and checkpointing wrap around it."""
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


def find_rows(model: nn.Module) -> list[Row]:
    """Return a row for each weight matrix of each module, in the order of definition.

    Raises
    ------
    ArgumentError
        The model has no parameters, or lazy ones that no batch has given a shape yet.
    """
    named = [(clean(name), module) for name, module in model.named_modules()]
    owned = [
        (name, module, key, parameter)
        for name, module in named
        for key, parameter in module.named_parameters(recurse=False)
    ]
    if not owned:
        raise ArgumentError(
            f"model {type(model).__name__} has no parameters; give the module that is trained"
        )
    for name, _, key, parameter in owned:
        if parameter.is_complex() or parameter.device.type == "mps":
            what = "complex" if parameter.is_complex() else "on a device without float64 (mps)"
            raise ArgumentError(
                f"{name or class_name(model)}.{key} is {what}, which gradlab does not measure; watch real parameters "
                "on a CPU or a CUDA device"
            )
        if nn.parameter.is_lazy(parameter):
            raise ArgumentError(
                f"{name or type(model).__name__}.{key} has no shape yet; run a batch through the model before watching"
            )
    owned = [
        each for each in owned if each[3].numel()
    ]  # a layer of no units has nothing to measure
    if not owned:
        raise ArgumentError(
            f"every parameter of model {type(model).__name__} is empty; there is nothing to measure"
        )
    matrices = [
        each for each in owned if each[3].ndim >= 2
    ] or owned  # a model of vectors alone is shown as it is
    attention = {
        id(module.out_proj): module
        for _, module in named
        if isinstance(module, nn.MultiheadAttention)
    }
    several = {id(module) for index, (_, module, _, _) in enumerate(matrices)
               if any(module is other for _, other, _, _ in matrices[:index])}  # fmt: skip
    # Attention calls its output projection as a function, not as a module: what it answers is the
    # attention's answer.
    return [
        _row(name, attention.get(id(module), module), key, parameter, id(module) in several, module)
        for name, module, key, parameter in matrices
    ]


def _row(
    name: str, module: nn.Module, key: str, parameter: nn.Parameter, several: bool, owner: nn.Module
) -> Row:
    own = key == "weight" and not several
    label = (name or class_name(module)) if own else f"{name}.{key}".lstrip(".")
    # Linear and Conv keep (out, in, ...); lookups, transposed convolutions and Hugging Face's
    # Conv1D (in, out, ...)
    straight = (
        isinstance(module, (*LOOKUPS, *TRANSPOSED))
        or class_name(module) == "Conv1D"
        or parameter.ndim < 2
    )
    kind = (
        "embedding" if isinstance(owner, LOOKUPS) else class_name(owner)
    )  # rules know this one kind, by this name
    return Row(label, module, parameter, not straight, kind)


def reads_rows(module: nn.Module) -> bool:
    """Whether a module computes z = h W + b row by row, so that ||G_i|| is ||delta_i|| ||h_i||, or bounded by a sum."""
    return isinstance(module, nn.Linear) or class_name(module) == "Conv1D"


def channels_second(module: nn.Module) -> bool:
    """Whether a module's tensors are (examples, channels, positions ...), as convolutions have them."""
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


def as_rows(stack: Tensor, second: bool) -> Tensor:
    """Return signals of k calls (k, ...) as (k, rows, units): every axis but the units' is one of rows.

    `second`: the units are the axis after the examples', as in convolutions; else they are the
    last.
    """
    if stack.ndim < 3:  # no examples' axis
        return stack.reshape(len(stack), 1, -1)
    if second and stack.ndim > 3:
        stack = stack.movedim(2, -1)
    return stack.flatten(1, -2)


def ordered(rows: Sequence[Row], met: Sequence[nn.Module]) -> list[Row]:
    """Sort rows by when data first `met` their module.

    Those it never met come first, in the order of definition.
    """
    rank = {id(module): number for number, module in reversed(list(enumerate(met)))}
    return sorted(rows, key=lambda row: rank.get(id(row.module), -1))


def is_seen(module: nn.Module) -> bool:
    """Whether a module's answer is that of its weights.

    It has no modules inside, or is an attention layer.
    """
    if isinstance(module, torch.jit.ScriptModule):  # takes no hooks
        return False
    return isinstance(module, nn.MultiheadAttention) or next(module.children(), None) is None
