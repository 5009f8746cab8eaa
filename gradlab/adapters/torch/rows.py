"""Which parameters become layers of a Run.

One row a weight matrix, in the order in which data meet them, then one row a vector: a bias, the
scale of a norm, a bare parameter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from gradlab import activations
from gradlab.adapters.torch.modules import (
    LOOKUPS,
    PRODUCTS,
    TRANSPOSED,
    Site,
    class_name,
    clean,
    is_scripted,
    is_seen,
)
from gradlab.adapters.torch.structure import Structure
from gradlab.errors import ArgumentError
from gradlab.run import VECTOR


@dataclass(frozen=True)
class Row:
    """One parameter, and the module that computes with it.

    Attributes
    ----------
    name : str
        As `model.named_modules()` has it, with the parameter's name where that says more.
    path, key : str
        The path of the module that holds it, and its name there.
    owner : nn.Module
        The module that holds it.
    module : nn.Module
        The module whose answer is that of these weights; the owner, but for an attention layer's
        output projection, which is called as a function.
    parameter : nn.Parameter
    kind : str
        "vector", "embedding", or the owner's class.
    transposed : bool
        Whether the parameter, as `flat_shape` shows it, is (fan_out, fan_in), as PyTorch's Linear
        and Conv keep it.
    """

    name: str
    path: str
    key: str
    owner: nn.Module
    module: nn.Module
    parameter: nn.Parameter
    kind: str
    transposed: bool

    @property
    def is_matrix(self) -> bool:
        """Whether it multiplies what comes in, or is looked up."""
        return self.kind != VECTOR

    @property
    def fans(self) -> tuple[int, int]:
        """(fan_in, fan_out)."""
        first, second = flat_shape(self.parameter)
        return (second, first) if self.transposed else (first, second)

    @property
    def learns(self) -> bool:
        """Whether it is not frozen."""
        return self.parameter.requires_grad

    def as_matrix(self, transposed: bool) -> Row:
        """Return the row of a parameter that is found to multiply what comes in."""
        name = self.path or class_name(self.owner) if self.key == "weight" else self.name
        return replace(self, name=name, kind=class_name(self.owner), transposed=transposed)

    def as_vector(self) -> Row:
        """Return the row of a parameter that is found to multiply nothing."""
        name = f"{self.path}.{self.key}".lstrip(".")
        return replace(self, name=name, kind=VECTOR, transposed=False)

    def describe(self, activation: str | None, structure: Structure) -> dict[str, Any]:
        """Return what a Recorder wants to know of the layer."""
        fan_in, fan_out = self.fans
        known = activation in activations.ACTIVATIONS
        return {
            "name": self.name,
            "kind": self.kind,
            "activation": activation if self.is_matrix else "identity",
            "fan_in": fan_in,
            "fan_out": fan_out,
            "parameters": self.parameter.numel(),
            "path": self.path,
            "block": structure.block_of(self.path),
            "role": structure.role_of(self.name),
            "owner": class_name(self.owner),
            "slope_bound": activations.get(activation).slope_bound
            if known and activation
            else None,
        }


def flat_shape(parameter: Tensor) -> tuple[int, int]:
    """Return the shape of a parameter as a matrix: its first axis against all others.

    A vector is one row.
    """
    shape = parameter.shape
    if len(shape) < 2:
        return 1, max(1, math.prod(shape))
    return shape[0], math.prod(shape[1:])


def find_rows(model: nn.Module) -> list[Row]:
    """Return a row for each parameter of each module, in the order of definition.

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
            f"model {class_name(model)} has no parameters; give the module that is trained"
        )
    for name, _, key, parameter in owned:
        _check(f"{name or class_name(model)}.{key}", parameter)
    # A layer of no units has nothing to measure, and complex numbers are left out.
    owned = [each for each in owned if each[3].numel() and not each[3].is_complex()]
    if not owned:
        raise ArgumentError(
            f"every parameter of model {class_name(model)} is empty or complex; there is nothing "
            "that gradlab measures"
        )
    matrices = Counter(id(module) for _, module, _, parameter in owned if parameter.ndim > 1)
    # Attention calls its output projection as a function, not as a module: what it answers is the
    # attention's answer.
    attention: dict[int, nn.Module] = {
        id(module.out_proj): module
        for _, module in named
        if isinstance(module, nn.MultiheadAttention)
    }
    rows = [
        _row(name, key, module, attention.get(id(module), module), parameter, matrices)
        for name, module, key, parameter in owned
    ]
    if any(row.is_matrix for row in rows):
        return rows
    return [replace(row, kind=class_name(row.owner)) for row in rows]  # it is shown as it is


def left_out(model: nn.Module) -> list[str]:
    """Return the names of the parameters that are not measured: those of complex numbers."""
    return [clean(name) for name, each in model.named_parameters() if each.is_complex()]


def _check(name: str, parameter: Tensor) -> None:
    if parameter.device.type == "mps":
        raise ArgumentError(
            f"{name} is on a device without float64 (mps), where gradlab does not measure; watch "
            "parameters on a CPU or a CUDA device"
        )
    if nn.parameter.is_lazy(parameter):
        raise ArgumentError(
            f"{name} has no shape yet; run a batch through the model before watching"
        )


def _row(
    path: str,
    key: str,
    owner: nn.Module,
    module: nn.Module,
    parameter: nn.Parameter,
    matrices: Mapping[int, int],
) -> Row:
    """Make the row of a parameter, as far as its module's class and its shape tell what it is."""
    alone = key == "weight" and matrices[id(owner)] == 1
    name = f"{path}.{key}".lstrip(".")
    row = Row(name, path, key, owner, module, parameter, VECTOR, False)
    if not _looks_like_a_matrix(owner, key, parameter):
        return row
    kind = "embedding" if isinstance(owner, LOOKUPS) else class_name(owner)
    # Linear and Conv keep (out, in, ...); lookups, transposed convolutions and Hugging Face's
    # Conv1D (in, out, ...).
    straight = isinstance(owner, (*LOOKUPS, *TRANSPOSED)) or class_name(owner) == "Conv1D"
    label = (path or class_name(owner)) if alone else name
    return replace(row, name=label, kind=kind, transposed=not straight)


def _looks_like_a_matrix(owner: nn.Module, key: str, parameter: Tensor) -> bool:
    """Whether a parameter probably multiplies what comes in; the graph knows better."""
    if parameter.ndim < 2 or isinstance(owner, (nn.LayerNorm, nn.RMSNorm)) or "bias" in key:
        return False
    if isinstance(owner, PRODUCTS) or "weight" in key:
        return True
    return min(parameter.shape) > 1  # a class token or a table of positions has an axis of one


def ordered(rows: Sequence[Row], met: Sequence[nn.Module | Site]) -> list[Row]:
    """Sort matrices by when data first `met` them, or their module; vectors come after them.

    Matrices that data never met come first, in the order of definition, and so are vectors.
    """
    keys = [each.parameter if isinstance(each, Site) else each for each in met]
    rank = {id(each): number for number, each in reversed(list(enumerate(keys)))}

    def place(row: Row) -> tuple[bool, int]:
        if not row.is_matrix:
            return True, 0
        return False, rank.get(id(row.parameter), rank.get(id(row.module), -1))

    return sorted(rows, key=place)


def sites(rows: Sequence[Row]) -> list[nn.Module | Site]:
    """Return where the signals of matrices are seen.

    At their module, where its answer is that of one matrix or its class is one of PyTorch's own;
    else at each product.
    """
    found: dict[int, nn.Module | Site] = {}
    several = Counter(id(row.owner) for row in rows if row.is_matrix)
    for row in rows:
        known = isinstance(row.owner, PRODUCTS) or several[id(row.owner)] == 1
        if row.is_matrix and is_seen(row.module) and known:
            found[id(row.module)] = row.module
        elif (
            row.parameter.ndim > 1
            and not is_scripted(row.owner)
            and not isinstance(row.owner, PRODUCTS)
        ):
            found[id(row.parameter)] = Site(row.owner, row.parameter)
    return list(found.values())
