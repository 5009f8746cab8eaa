"""A derivative as the course writes it: the sum over all paths from a weight to the loss.

    dL/dw^l_ij = sum over paths of  dL/dz^L * ... * phi'(z^l_j) * o^{l-1}_i

A path leaves unit j of layer l and takes one unit of every later layer. Backpropagation computes
the same sum without writing any factor down twice (Rumelhart, Hinton & Williams 1986); `derivative`
compares the two.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError, DataError
from gradlab.nn import losses
from gradlab.nn.mlp import MLP
from gradlab.nn.notation import subscript, superscript
from gradlab.nn.workspace import Workspace
from gradlab.ranges import COUNT

Array = np.ndarray

MOST_PATHS = 100_000
SHOWN_PATHS = 4  # of a sum that is printed
WIDTH = 96  # columns


@dataclass(frozen=True)
class Factor:
    """One factor of a path.

    Its name in the course's notation, what it is made of, and its values (B,), by example.
    """

    name: str
    formula: str
    values: Array

    @property
    def value(self) -> float:
        """That of the first example."""
        return float(self.values[0])

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
    def products(self) -> Array:
        """The product of the factors, (B,), one an example."""
        with np.errstate(
            all="ignore"
        ):  # a net that overflows gives inf or NaN, as it does everywhere else
            return np.prod([factor.values for factor in self.factors], axis=0)

    @property
    def value(self) -> float:
        """The product of the factors, averaged over the batch."""
        return float(self.products.mean())


@dataclass(frozen=True)
class PathSum:
    """dL/dw^l_ij, as the sum over its paths and as backpropagation gives it.

    Attributes
    ----------
    name : str
    paths : tuple of Path
    backprop : float
        The same derivative by backpropagation, of the batch's mean loss.
    examples : int
        In the batch, B.
    """

    name: str
    paths: tuple[Path, ...]
    backprop: float
    examples: int = 1

    @property
    def value(self) -> float:
        """The sum of all paths, averaged over the batch."""
        return sum(path.value for path in self.paths)

    def __str__(self) -> str:
        """Write the first paths, the factors of the first example, and the sum.

        Lines have at most 96 columns.
        """
        many = f", example 1 of {self.examples}" if self.examples > 1 else ""
        lines = [f"{self.name}, {_plural(len(self.paths), 'path')}{many}"]
        for number, path in enumerate(self.paths[:SHOWN_PATHS], 1):
            lines += ["", *_wrap(f"path {number}, by units {' -> '.join(map(str, path.units))}")]
            lines += [f"  {factor}" for factor in path.factors]
            product = " x ".join(f"{factor.value:.4g}" for factor in path.factors)
            lines += _wrap(f"  product: {product} = {path.products[0]:.6g}")
        products = [float(path.products[0]) for path in self.paths]
        terms = [f"{product:.6g}" for product in products[:SHOWN_PATHS]]
        if rest := products[SHOWN_PATHS:]:
            lines += ["", f"... and {_plural(len(rest), 'more path')}, together {sum(rest):.6g}"]
            terms.append(f"{sum(rest):.6g}")
        shown = "" if len(terms) == 1 else f"{' + '.join(terms)} = "
        lines += ["", *_wrap(f"{self.name} = {shown}{sum(products):.6g}")]
        if self.examples > 1:
            lines.append(f"mean over {self.examples} examples: {self.value:.6g}")
        return "\n".join([*lines, f"backpropagation: {self.backprop:.6g}"])


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count(sizes: Sequence[int], layer: int) -> int:
    """Return how many paths lead from a weight of `layer` to the loss.

    It is the product of the later layers' widths.
    """
    return math.prod(sizes[layer + 1 :])


def derivative(
    model: MLP,
    x: Array,
    y: Array | float,
    *,
    layer: int,
    row: int,
    column: int,
    loss: str = "squared_error",
) -> PathSum:
    """Return dL/dw^l_ij as the explicit sum over its paths.

    That of a batch is the mean of its examples' derivatives.

    The model stays as it is, its gradients too.

    Parameters
    ----------
    model : MLP
        Plain: without replicates, norm, skip connections or dropout.
    x : ndarray (n_0,) or (B, n_0)
        One input, or a batch.
    y : ndarray (n_L,), float or int; ndarray (B, n_L) or (B,) for a batch
        The target, as the loss takes it.
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
        A model that is not plain, a weight it does not have, an input of another length, or more
        than 100,000 paths.
    DataError
        Targets that do not fit the loss or the batch, or values that are not finite.
    """
    _check(model, x, layer, row, column)
    work, gradient = _backprop(model, *_batch(model, x, y, loss), loss)
    last = len(model.weights)
    later = [range(1, model.sizes[k] + 1) for k in range(layer + 1, last + 1)]
    paths = [
        Path((column, *units), _factors(model, work, layer, row, (column, *units)))
        for units in itertools.product(*later)
    ]
    name = f"∂L/∂w{superscript(layer)}{subscript(row, column)}"
    return PathSum(
        name, tuple(paths), float(gradient[layer - 1][row - 1, column - 1]), len(work.batch)
    )


def _batch(model: MLP, x: Array, y: Array | float, loss: str) -> tuple[Array, Array]:
    """Return inputs (B, n_0) and targets as a batch; DataError where they do not fit."""
    one = np.ndim(x) == 1
    inputs, target = _numbers("x", x), _numbers("y", y)
    if one:
        inputs, target = inputs[None], target[None]
    if target.shape[:1] != (len(inputs),):
        raise DataError(
            f"y has shape {np.shape(y)}, but x holds {len(inputs)} examples; give one target an "
            "example"
        )
    losses.get(loss).check_targets(target, model.sizes[-1])
    return inputs, target


def _numbers(name: str, values: Array | float) -> Array:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise DataError(
            f"{name} must hold finite numbers; it holds text, objects, NaN or infinite values"
        )
    return array


def _backprop(model: MLP, inputs: Array, target: Array, loss: str) -> tuple[Workspace, list[Array]]:
    """Return the arrays of a forward and backward pass, and dLoss/dW_l.

    The model's own gradients are put back.
    """
    work, kept = Workspace(model, len(inputs)), model.gradients.copy()
    work.batch[...] = inputs
    losses.get(loss).gradient(model.forward(work), target, work.deltas[-1])
    model.backward(work)
    gradient = [each.copy() for each in model.weight_gradients]
    model.gradients[...] = kept
    return work, gradient


def _factors(model: MLP, work, layer: int, row: int, units: tuple[int, ...]) -> tuple[Factor, ...]:
    """The factors of one path, from the loss back to the weight."""
    last, end = len(model.weights), units[-1]
    out = f"z{superscript(last)}{subscript(end)}"
    # work.deltas are of the batch's mean loss: times B, each example's own.
    factors = [
        Factor(
            f"∂L/∂{out}", "slope of the loss", _wide(work.deltas[-1][:, end - 1]) * len(work.batch)
        )
    ]
    for k in range(last, layer, -1):
        above, below = units[k - layer], units[k - layer - 1]
        weight = np.full(len(work.batch), model.weights[k - 1][below - 1, above - 1], np.float64)
        slope = _wide(work.slopes[k - 2][:, below - 1])
        here, there = (
            f"{superscript(k)}{subscript(above)}",
            f"{superscript(k - 1)}{subscript(below)}",
        )
        factors.append(
            Factor(f"∂z{here}/∂o{there}", f"w{superscript(k)}{subscript(below, above)}", weight)
        )
        factors.append(Factor(f"∂o{there}/∂z{there}", f"φ′(z{there})", slope))
    read = f"o{superscript(layer - 1)}{subscript(row)}" if layer > 1 else f"x{subscript(row)}"
    own = f"{superscript(layer)}{subscript(units[0])}"
    weight = f"w{superscript(layer)}{subscript(row, units[0])}"
    factors.append(Factor(f"∂z{own}/∂{weight}", read, _wide(work.inputs[layer - 1][:, row - 1])))
    return tuple(factors)


def _wide(values: Array) -> Array:
    return values.astype(np.float64)


def _check(model: MLP, x: Array, layer: int, row: int, column: int) -> None:
    if model.replicates is not None or model.modifiers:
        raise ArgumentError(
            "model must be a plain net: one seed (replicates=None), no norm, residual or dropout"
        )
    if np.ndim(x) not in (1, 2) or np.shape(x)[-1] != model.sizes[0] or np.size(x) == 0:
        raise ArgumentError(
            f"x has shape {np.shape(x)}, but the net reads one example of ({model.sizes[0]},) or a "
            f"batch of (examples, {model.sizes[0]})"
        )
    _check_number("layer", layer, len(model.weights), model)
    _check_number("row", row, model.sizes[layer - 1], model)
    _check_number("column", column, model.sizes[layer], model)
    if count(model.sizes, layer) > MOST_PATHS:
        raise ArgumentError(
            f"a weight of layer {layer} has {count(model.sizes, layer):,} paths to the loss, more "
            f"than {MOST_PATHS:,}; take a smaller net, a later layer, or backpropagation, which "
            "needs none of them"
        )


def _check_number(name: str, value: int, most: int, model: MLP) -> None:
    value = int(COUNT.check(name, value))
    if value > most:
        raise ArgumentError(
            f"{name}={value!r} must be 1 to {most} in a net of sizes {list(model.sizes)}"
        )
