"""Losses on the net's linear output ("logits"), averaged over the batch.

`value(logits, target)` returns the loss of each example; `gradient(logits, target, out)` writes dLoss/dlogits of the
batch's MEAN loss. Arrays are (..., B, n_out); a leading replicate axis broadcasts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError, DataError, is_number, one_of
from gradlab.nn import regression
from gradlab.nn.settings import Setting, check

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
        `together(logits, target, out)` writes the gradient and returns the loss of each example, where that saves work.
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
                    f"loss={self.name!r} needs class numbers, one integer an example, but the targets are "
                    f"{target.dtype} of shape {target.shape}; use loss='squared_error' for regression"
                )
            self._check_classes(target, n_out)
        elif integer and n_out > 1:
            raise DataError(
                f"loss={self.name!r} with {n_out} outputs needs {n_out} real targets an example, but the data hold "
                "class numbers; use loss='cross_entropy' for classification"
            )
        elif (target.shape[1] if target.ndim == 2 else 1) != n_out:
            columns = target.shape[1] if target.ndim == 2 else 1
            raise DataError(
                f"loss={self.name!r} needs one output a target column, but the net has {n_out} outputs and the data "
                f"{columns} target column{'s' if columns > 1 else ''}"
            )

    def _check_classes(self, target: Array, n_out: int) -> None:
        if self.binary and n_out != 1:
            raise DataError(
                f"loss={self.name!r} needs a net of one output, but this one has {n_out}; use loss='cross_entropy' "
                "for one output a class"
            )
        classes = 2 if self.binary else n_out
        if target.size and (target.min() < 0 or target.max() >= classes):
            remedy = "use loss='cross_entropy'" if self.binary else f"give the net {target.max() + 1} outputs"
            raise DataError(
                f"loss={self.name!r} with {n_out} output{'s' * (n_out > 1)} needs labels 0 to {classes - 1}, but the "
                f"data hold labels {target.min()} to {target.max()}; {remedy}"
            )


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)  # e^x cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _cross_entropy(logits: Array, target: Array) -> Array:
    """-ln softmax(logits)[target]."""
    return -np.take_along_axis(_log_softmax(logits), target[..., None], axis=-1)[..., 0]


def _cross_entropy_together(logits: Array, target: Array, out: Array) -> Array:
    """Write the gradient; return -ln softmax(logits)[target]: the exponentials serve both."""
    np.subtract(logits, logits.max(axis=-1, keepdims=True), out=out)  # e^x cannot overflow
    flat = out.reshape(-1, out.shape[-1])
    wanted = np.arange(len(flat)), target.reshape(-1)
    logit = flat[wanted]
    np.exp(out, out=out)
    total = np.add.reduce(out, axis=-1, keepdims=True)
    out /= total  # softmax(z) ...
    flat[wanted] -= 1  # ... minus one-hot(y) ...
    out /= out.shape[-2]  # ... over B: the gradient of the mean
    return np.log(total[..., 0]) - logit.reshape(target.shape)


def _cross_entropy_gradient(logits: Array, target: Array, out: Array) -> None:
    _cross_entropy_together(logits, target, out)


def _class_entropy(target: Array) -> float:
    """The entropy of the class frequencies: the best constant prediction is the frequencies themselves."""
    return _weighted_entropy(np.bincount(target) / len(target))


def _weighted_entropy(mass: Array) -> float:
    """min over distributions p of -sum_c mass_c ln p_c, which p = mass / sum(mass) attains."""
    mass = mass[mass > 0]
    return float(-(mass * np.log(mass / mass.sum())).sum())


def _targets(weights: Array, smoothing: float, target: Array) -> Array:
    """What -ln softmax is multiplied with: w_c ((1 - s) [c = y] + s / C), PyTorch's label smoothing with weights."""
    classes = len(weights)
    return weights * ((1 - smoothing) * np.eye(classes, dtype=weights.dtype)[target] + smoothing / classes)


def _soft_cross_entropy(weights: Array, smoothing: float, logits: Array, target: Array) -> Array:
    wanted = _targets(weights.astype(logits.dtype), smoothing, target)
    return -(wanted * _log_softmax(logits)).sum(axis=-1)


def _soft_cross_entropy_gradient(weights: Array, smoothing: float, logits: Array, target: Array, out: Array) -> None:
    wanted = _targets(weights.astype(logits.dtype), smoothing, target)
    np.exp(_log_softmax(logits), out=out)
    out *= wanted.sum(axis=-1, keepdims=True)  # softmax(z) sum(t) - t
    out -= wanted
    out /= out.shape[-2]


def _soft_entropy(weights: Array, smoothing: float, target: Array) -> float:
    return _weighted_entropy(_targets(weights, smoothing, target).mean(axis=0))


def _binary_cross_entropy(weights: Array, logits: Array, target: Array) -> Array:
    """Weighted ln(1 + e^-z) for class 1 and ln(1 + e^z) for class 0, written so that e^x cannot overflow."""
    z = logits[..., 0]
    return weights.astype(z.dtype)[target] * (np.maximum(z, 0) - target * z + np.log1p(np.exp(-np.abs(z))))


def _binary_cross_entropy_gradient(weights: Array, logits: Array, target: Array, out: Array) -> None:
    z = logits[..., 0]
    e = np.exp(-np.abs(z))
    sigma = np.where(z >= 0, 1, e) / (1 + e)
    out[..., 0] = weights.astype(z.dtype)[target] * (sigma - target) / z.shape[-1]  # w (sigma(z) - y) / B


def _binary_entropy(weights: Array, target: Array) -> float:
    return _weighted_entropy(weights * np.bincount(target, minlength=2) / len(target))


def _perceptron(logits: Array, target: Array) -> Array:
    """max(0, -y z) with y = -1 or 1 (Rosenblatt 1958, as a loss)."""
    return np.maximum(0, -(2 * target - 1) * logits[..., 0])


def _perceptron_gradient(logits: Array, target: Array, out: Array) -> None:
    """-y where y z <= 0: z = 0 counts as a mistake, or a net whose weights are 0 would never learn."""
    y = (2 * target - 1).astype(logits.dtype)
    out[..., 0] = np.where(y * logits[..., 0] <= 0, -y, 0) / target.shape[-1]


def _rarer_class(target: Array) -> float:
    """The share of the rarer class: what always saying the other one costs, with z = 1 or -1."""
    return float(np.bincount(target, minlength=2).min() / len(target))


_EVEN = np.ones(2)
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            True,
            _cross_entropy,
            _cross_entropy_gradient,
            _class_entropy,
            together=_cross_entropy_together,
        ),
        Loss(
            "binary_cross_entropy",
            True,
            functools.partial(_binary_cross_entropy, _EVEN),
            functools.partial(_binary_cross_entropy_gradient, _EVEN),
            functools.partial(_binary_entropy, _EVEN),
            binary=True,
        ),
        Loss("perceptron", True, _perceptron, _perceptron_gradient, _rarer_class, binary=True),
        *(Loss(name, False, *functions) for name, functions in regression.LOSSES.items()),
    )
}


def get(name: str) -> Loss:
    """Return the loss called `name`; raise ArgumentError naming the known ones otherwise."""
    one_of("loss", name, LOSSES)
    return LOSSES[name]


def adapted(
    name: str, target: Array, *, class_weights: str | Sequence[float] | None = None, label_smoothing: float = 0.0
) -> Loss:
    """Return a loss for these training targets, with class weights and label smoothing where they are wanted.

    Parameters
    ----------
    name : str
    target : ndarray (n,)
    class_weights : "balanced" or sequence of float, optional
        One weight a class, multiplied to its examples' losses and scaled so that their mean over `target` is 1;
        "balanced": in inverse proportion to the class's frequency.
    label_smoothing : float
        s, from 0 to below 1: the target is 1 - s + s/C for the example's class and s/C for the C - 1 others (Szegedy et
        al. 2016, section 7).

    Raises
    ------
    ArgumentError
        A loss without classes, a number of weights that is not that of the classes, a value out of range.
    """
    loss = get(name)
    check("label_smoothing", label_smoothing, Setting(0, 0, 1, open_most=True))
    if class_weights is None and not label_smoothing:
        return loss
    if name not in ("cross_entropy", "binary_cross_entropy"):
        what = "label_smoothing" if class_weights is None else "class_weights"
        raise ArgumentError(f"{what} is for loss='cross_entropy' and 'binary_cross_entropy', not for {name!r}")
    if label_smoothing and loss.binary:
        raise ArgumentError("label_smoothing is for loss='cross_entropy'; use it with one output a class")
    weights = _weights(class_weights, target, 2 if loss.binary else None)
    if loss.binary:
        return Loss(
            name,
            True,
            functools.partial(_binary_cross_entropy, weights),
            functools.partial(_binary_cross_entropy_gradient, weights),
            functools.partial(_binary_entropy, weights),
            binary=True,
        )
    return Loss(
        name,
        True,
        functools.partial(_soft_cross_entropy, weights, label_smoothing),
        functools.partial(_soft_cross_entropy_gradient, weights, label_smoothing),
        functools.partial(_soft_entropy, weights, label_smoothing),
    )


def _weights(given: str | Sequence[float] | None, target: Array, classes: int | None) -> Array:
    """Return the weight of each class, with a mean of 1 over the examples."""
    counts = np.bincount(target, minlength=classes or 0)
    if given is None:
        weights = np.ones(len(counts))
    elif isinstance(given, str) and given == "balanced":
        weights = np.where(counts > 0, 1 / np.maximum(counts, 1), 1.0)
    else:
        values = list(given) if isinstance(given, Iterable) else []
        weights = np.array([float(value) if is_number(value) else np.nan for value in values])
    if weights.shape != counts.shape or not (weights > 0).all():  # NaN is not above 0 either
        raise ArgumentError(
            f"class_weights={given!r} must be 'balanced' or {len(counts)} finite numbers above 0, one a class"
        )
    return weights * counts.sum() / (weights * counts).sum()
