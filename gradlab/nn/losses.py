"""Losses on the net's linear output ("logits"), averaged over the batch.

`value(logits, target)` returns the loss of each example; `gradient(logits, target, out)` writes
dLoss/dlogits of the batch's MEAN loss. Arrays are (..., B, n_out); a leading replicate axis
broadcasts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError, DataError, is_number, one_of, shown
from gradlab.kinds import is_listed
from gradlab.nn import classification, regression
from gradlab.ranges import FRACTION

Array = np.ndarray


@dataclass(frozen=True)
class Loss:
    """One loss function.

    Attributes
    ----------
    name : str
        The name users type.
    classification : bool
        Whether targets are class numbers, so that accuracy is defined.
    value : callable
        `value(logits (..., B, n_out), target)` -> (..., B), one example's loss each.
    gradient : callable
        `gradient(logits, target, out)` writes d(mean loss)/d(logits) into `out` (..., B, n_out).
    constant : callable
        `constant(target)` -> float, the loss of the best constant prediction on all of `target`.
    together : callable, optional
        `together(logits, target, out)` writes the gradient and returns the loss of each example,
        where that saves work.
    binary : bool
        Whether the classes are 0 and 1 and the net has one output, z: class 1 where z > 0.
    """

    name: str
    classification: bool
    value: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array, Array], None]
    constant: Callable[[Array], float]
    binary: bool = False
    together: Callable[[Array, Array, Array], Array] | None = None

    def step(self, logits: Array, target: Array, out: Array) -> Array:
        """Write d(mean loss)/d(logits) into `out`; return the batch's mean loss (...)."""
        if self.together is not None:
            values = self.together(logits, target, out)
        else:
            values = self.value(logits, target)
            self.gradient(logits, target, out)
        return np.add.reduce(values, axis=-1) / values.shape[-1]

    def decide(self, logits: Array) -> Array:
        """Return the class numbers (..., B) that logits (..., B, n_out) stand for."""
        return (logits[..., 0] > 0).astype(np.intp) if self.binary else logits.argmax(axis=-1)

    def check_targets(self, target: Array, n_out: int) -> None:
        """Raise DataError unless `target` fits this loss and a net of `n_out` outputs."""
        integer = np.issubdtype(target.dtype, np.integer)
        if self.classification:
            if not integer or target.ndim != 1:
                raise DataError(
                    f"loss={self.name!r} needs class numbers, one integer an example, but the "
                    f"targets are {target.dtype} of shape {target.shape}; use loss='squared_error' "
                    "for regression"
                )
            self._check_classes(target, n_out)
        elif integer and n_out > 1:
            raise DataError(
                f"loss={self.name!r} with {n_out} outputs needs {n_out} real targets an example, "
                "but the data hold class numbers; use loss='cross_entropy' for classification"
            )
        elif (target.shape[1] if target.ndim == 2 else 1) != n_out:
            columns = target.shape[1] if target.ndim == 2 else 1
            raise DataError(
                f"loss={self.name!r} needs one output a target column, but the net has {n_out} "
                f"outputs and the data {columns} target column{'s' if columns > 1 else ''}"
            )

    def _check_classes(self, target: Array, n_out: int) -> None:
        if self.binary and n_out != 1:
            raise DataError(
                f"loss={self.name!r} needs a net of one output, but this one has {n_out}; use "
                "loss='cross_entropy' for one output a class"
            )
        classes = 2 if self.binary else n_out
        if target.size and (target.min() < 0 or target.max() >= classes):
            remedy = (
                "use loss='cross_entropy'"
                if self.binary
                else f"give the net {target.max() + 1} outputs"
            )
            raise DataError(
                f"loss={self.name!r} with {n_out} output{'s' * (n_out > 1)} needs labels 0 to "
                f"{classes - 1}, but the data hold labels {target.min()} to {target.max()}; "
                f"{remedy}"
            )


_EVEN = np.ones(2)
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            True,
            classification.cross_entropy,
            classification.cross_entropy_gradient,
            classification.class_entropy,
            together=classification.cross_entropy_together,
        ),
        Loss(
            "binary_cross_entropy",
            True,
            functools.partial(classification.binary_cross_entropy, _EVEN),
            functools.partial(classification.binary_cross_entropy_gradient, _EVEN),
            functools.partial(classification.binary_entropy, _EVEN),
            binary=True,
        ),
        Loss(
            "perceptron",
            True,
            classification.perceptron,
            classification.perceptron_gradient,
            classification.rarer_class,
            binary=True,
        ),
        *(Loss(name, False, *functions) for name, functions in regression.LOSSES.items()),
    )
}


# The loss for each task where none was asked for.
DEFAULTS = {"classification": "cross_entropy", "regression": "squared_error"}


def or_default(loss: str | None, task: str) -> str:
    """Return the name of a loss, or that of the task's usual one where none is named."""
    return loss or DEFAULTS[task]


"""The loss for each task where none was asked for."""


def get(name: str) -> Loss:
    """Return the loss called `name`; raise ArgumentError naming the known ones otherwise."""
    one_of("loss", name, LOSSES)
    return LOSSES[name]


def adapted(
    name: str,
    target: Array,
    *,
    class_weights: str | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Loss:
    """Return a loss for these training targets, with class weights and label smoothing.

    Parameters
    ----------
    name : str
    target : ndarray (n,)
    class_weights : "balanced" or sequence of float, optional
        One weight a class, multiplied to its examples' losses and scaled so that their mean over
        `target` is 1; "balanced": in inverse proportion to the class's frequency.
    label_smoothing : float
        s, from 0 to below 1: the target is 1 - s + s/C for the example's class and s/C for the C -
        1 others (Szegedy et al. 2016, section 7).

    Raises
    ------
    ArgumentError
        A loss without classes, a number of weights that is not that of the classes, a value out of
        range.
    """
    loss = get(name)
    label_smoothing = FRACTION.check("label_smoothing", label_smoothing)
    if class_weights is None and not label_smoothing:
        return loss
    if name not in ("cross_entropy", "binary_cross_entropy"):
        what = "label_smoothing" if class_weights is None else "class_weights"
        raise ArgumentError(
            f"{what} is for loss='cross_entropy' and 'binary_cross_entropy', not for {name!r}"
        )
    if label_smoothing and loss.binary:
        raise ArgumentError(
            "label_smoothing is for loss='cross_entropy'; use it with one output a class"
        )
    weights = _weights(class_weights, target, 2 if loss.binary else None)
    if loss.binary:
        return Loss(
            name,
            True,
            functools.partial(classification.binary_cross_entropy, weights),
            functools.partial(classification.binary_cross_entropy_gradient, weights),
            functools.partial(classification.binary_entropy, weights),
            binary=True,
        )
    return Loss(
        name,
        True,
        functools.partial(classification.soft_cross_entropy, weights, label_smoothing),
        functools.partial(classification.soft_cross_entropy_gradient, weights, label_smoothing),
        functools.partial(classification.soft_entropy, weights, label_smoothing),
    )


def _weights(given: str | Sequence[float] | None, target: Array, classes: int | None) -> Array:
    """Return the weight of each class, with a mean of 1 over the examples."""
    counts = np.bincount(target, minlength=classes or 0)
    if given is None:
        weights = np.ones(len(counts))
    elif isinstance(given, str) and given == "balanced":
        weights = np.where(counts > 0, 1 / np.maximum(counts, 1), 1.0)
    else:
        values = list(given) if is_listed(given) else []
        weights = np.array([float(value) if is_number(value) else np.nan for value in values])
    if weights.shape != counts.shape or not (weights > 0).all():  # NaN is not above 0 either
        raise ArgumentError(
            f"class_weights={shown(given)} must be 'balanced' or {len(counts)} finite numbers "
            "above 0, one a class"
        )
    return weights * counts.sum() / (weights * counts).sum()
