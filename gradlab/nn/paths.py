"""A derivative as the course writes it: the sum over all paths from a weight to the loss, factor by factor.

    dL/dw^l_ij = sum over paths of  dL/dz^L * ... * phi'(z^l_j) * o^{l-1}_i

A path leaves unit j of layer l and takes one unit of every later layer. Backpropagation computes the same sum without
writing any factor down twice (Rumelhart, Hinton & Williams 1986); `derivative` compares the two.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError, whole
from gradlab.nn import losses
from gradlab.nn.mlp import MLP

Array = np.ndarray

MOST_PATHS = 100_000


@dataclass(frozen=True)
class Factor:
    """One factor of a path: its name in the course's notation, what it is made of, and its value."""

    name: str
    formula: str
    value: float

    def __str__(self) -> str:
        """Name, formula and value on one line."""
        return f"{self.name} = {self.formula} = {self.value:.6g}"


@dataclass(frozen=True)
class Path:
    """One way from the weight to the loss.

    Attributes
    ----------
    units : tuple of int
        The unit it takes in each layer, from the weight's own to the last, counted from 1.
    factors : tuple of Factor
        From the loss back to the weight.
    """

    units: tuple[int, ...]
    factors: tuple[Factor, ...]

    @property
    def value(self) -> float:
        """The product of the factors."""
        return math.prod(factor.value for factor in self.factors)


@dataclass(frozen=True)
class PathSum:
    """dL/dw^l_ij, as the sum over its paths and as backpropagation gives it."""

    name: str
    paths: tuple[Path, ...]
    backprop: float

    @property
    def value(self) -> float:
        """The sum of all paths."""
        return math.fsum(path.value for path in self.paths)

    def __str__(self) -> str:
        """Every path with its factors, and the sum."""
        lines = [f"{self.name}, {len(self.paths)} path{'s' if len(self.paths) > 1 else ''}"]
        for number, path in enumerate(self.paths, 1):
            lines += ["", f"path {number}, by units {' -> '.join(map(str, path.units))}"]
            lines += [f"  {factor}" for factor in path.factors]
            product = " x ".join(f"{factor.value:.4g}" for factor in path.factors)
            lines.append(f"  product: {product} = {path.value:.6g}")
        terms = " + ".join(f"{path.value:.6g}" for path in self.paths)
        return "\n".join(
            [*lines, "", f"{self.name} = {terms} = {self.value:.6g}  (backpropagation: {self.backprop:.6g})"]
        )


def count(sizes: Sequence[int], layer: int) -> int:
    """Return how many paths lead from a weight of `layer` to the loss: the product of the later layers' widths."""
    return math.prod(sizes[layer + 1 :])


def derivative(
    model: MLP, x: Array, y: Array | float, *, layer: int, row: int, column: int, loss: str = "squared_error"
) -> PathSum:
    """Return dL/dw^l_ij of one example as the explicit sum over its paths.

    Parameters
    ----------
    model : MLP
        Plain: without replicates, norm, skip connections or dropout.
    x : ndarray (n_0,)
        One input.
    y : ndarray (n_L,), float or int
        Its target, as the loss takes it.
    layer, row, column : int
        l, i and j of w^l_ij: from unit i of layer l-1 to unit j of layer l, each counted from 1.
    loss : str
        Of `gradlab.nn.losses`.

    Returns
    -------
    PathSum

    Raises
    ------
    ArgumentError
        A model that is not plain, a weight it does not have, an input of another length, or more than 100,000 paths.
    """
    _check(model, x, layer, row, column)
    work, gradient = _backprop(model, x, y, loss)
    last = len(model.weights)
    later = [range(1, model.sizes[k] + 1) for k in range(layer + 1, last + 1)]
    paths = [
        Path((column, *units), _factors(model, work, layer, row, (column, *units)))
        for units in itertools.product(*later)
    ]
    name = f"∂L/∂w{_up(layer)}{_down(row, column)}"
    return PathSum(name, tuple(paths), float(gradient[layer - 1][row - 1, column - 1]))


def _backprop(model: MLP, x: Array, y: Array | float, loss: str):
    criterion, work = losses.get(loss), model.workspace(1)
    work.batch[...] = np.asarray(x, model.dtype)[None]
    logits = model.forward(work)
    target = np.asarray(y)[None]
    criterion.check_targets(target, model.sizes[-1])
    criterion.gradient(logits, target, work.deltas[-1])
    model.backward(work)
    return work, model.weight_gradients


def _factors(model: MLP, work, layer: int, row: int, units: tuple[int, ...]) -> tuple[Factor, ...]:
    """The factors of one path, from the loss back to the weight."""
    last, end = len(model.weights), units[-1]
    out = f"z{_up(last)}{_down(end)}"
    factors = [Factor(f"∂L/∂{out}", "slope of the loss", float(work.deltas[-1][0, end - 1]))]
    for k in range(last, layer, -1):
        above, below = units[k - layer], units[k - layer - 1]
        weight = float(model.weights[k - 1][below - 1, above - 1])
        slope = float(work.slopes[k - 2][0, below - 1])
        here, there = f"{_up(k)}{_down(above)}", f"{_up(k - 1)}{_down(below)}"
        factors.append(Factor(f"∂z{here}/∂o{there}", f"w{_up(k)}{_down(below, above)}", weight))
        factors.append(Factor(f"∂o{there}/∂z{there}", f"φ′(z{there})", slope))
    read = f"o{_up(layer - 1)}{_down(row)}" if layer > 1 else f"x{_down(row)}"
    own = f"{_up(layer)}{_down(units[0])}"
    weight = f"w{_up(layer)}{_down(row, units[0])}"
    factors.append(Factor(f"∂z{own}/∂{weight}", read, float(work.inputs[layer - 1][0, row - 1])))
    return tuple(factors)


def _check(model: MLP, x: Array, layer: int, row: int, column: int) -> None:
    if model.replicates is not None or model.block:
        raise ArgumentError("model must be a plain net: one seed (replicates=None), no norm, residual or dropout")
    if np.shape(x) != (model.sizes[0],):
        raise ArgumentError(f"x has shape {np.shape(x)}, but the net reads one example of ({model.sizes[0]},)")
    for name, value, most in (
        ("layer", layer, len(model.weights)),
        ("row", row, model.sizes[layer - 1] if 1 <= layer <= len(model.weights) else 1),
        ("column", column, model.sizes[layer] if 1 <= layer <= len(model.weights) else 1),
    ):
        whole(name, value, 1)
        if value > most:
            raise ArgumentError(f"{name}={value!r} must be 1 to {most} in a net of sizes {list(model.sizes)}")
    if count(model.sizes, layer) > MOST_PATHS:
        raise ArgumentError(
            f"a weight of layer {layer} has {count(model.sizes, layer):,} paths to the loss, more than {MOST_PATHS:,}; "
            "take a smaller net, a later layer, or backpropagation, which needs none of them"
        )


def _up(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _down(*numbers: int) -> str:
    separator = "" if max(numbers) < 10 else ","
    return separator.join(str(number) for number in numbers).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
