"""Losses on the net's linear output ("logits"), averaged over the batch.

`value(logits, target)` returns the loss of each example; `gradient(logits, target, out)` writes dLoss/dlogits of the
batch's MEAN loss. Arrays are (..., B, n_out); a leading replicate axis broadcasts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradlab.errors import DataError, one_of

Array = np.ndarray


@dataclass(frozen=True)
class Loss:
    """One loss function.

    Attributes
    ----------
    name : str
        The name users type.
    classification : bool
        Whether targets are class numbers 0..n_out-1, so that accuracy is defined.
    value : callable
        `value(logits (..., B, n_out), target)` -> (..., B), one example's loss each.
    gradient : callable
        `gradient(logits, target, out)` writes d(mean loss)/d(logits) into `out` (..., B, n_out).
    constant : callable
        `constant(target)` -> float, the loss of the best constant prediction on all of `target`.
    """

    name: str
    classification: bool
    value: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array, Array], None]
    constant: Callable[[Array], float]

    def check_targets(self, target: Array, n_out: int) -> None:
        """Raise DataError unless `target` fits this loss and a net of `n_out` outputs."""
        integer = np.issubdtype(target.dtype, np.integer)
        if self.classification:
            if not integer or target.ndim != 1:
                raise DataError(
                    f"loss={self.name!r} needs class numbers, one integer an example, but the targets are "
                    f"{target.dtype} of shape {target.shape}; use loss='squared_error' for regression"
                )
            if target.size and (target.min() < 0 or target.max() >= n_out):
                raise DataError(
                    f"loss={self.name!r} with {n_out} outputs needs labels 0 to {n_out - 1}, but the data hold "
                    f"labels {target.min()} to {target.max()}; give the net {target.max() + 1} outputs"
                )
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


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)  # e^x cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _cross_entropy(logits: Array, target: Array) -> Array:
    """-ln softmax(logits)[target]."""
    return -np.take_along_axis(_log_softmax(logits), target[..., None], axis=-1)[..., 0]


def _cross_entropy_gradient(logits: Array, target: Array, out: Array) -> None:
    np.subtract(logits, logits.max(axis=-1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=-1, keepdims=True)  # softmax(z) ...
    flat = out.reshape(-1, out.shape[-1])
    flat[np.arange(len(flat)), target.reshape(-1)] -= 1  # ... minus one-hot(y) ...
    out /= out.shape[-2]  # ... over B: the gradient of the mean


def _class_entropy(target: Array) -> float:
    """The entropy of the class frequencies: the best constant prediction is the frequencies themselves."""
    frequency = np.bincount(target) / len(target)
    frequency = frequency[frequency > 0]
    return float(-(frequency * np.log(frequency)).sum())


def _columns(logits: Array, target: Array) -> Array:
    return target.reshape(logits.shape)


def _squared_error(logits: Array, target: Array) -> Array:
    """Mean over outputs of (prediction - y)^2: PyTorch's MSELoss, one example at a time."""
    return np.square(logits - _columns(logits, target)).mean(axis=-1)


def _squared_error_gradient(logits: Array, target: Array, out: Array) -> None:
    np.subtract(logits, _columns(logits, target), out=out)
    out *= 2 / (out.shape[-1] * out.shape[-2])


def _target_variance(target: Array) -> float:
    """The mean of the target columns' variances: the best constant prediction is their mean."""
    return float(np.asarray(target, np.float64).reshape(len(target), -1).var(axis=0).mean())


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("cross_entropy", True, _cross_entropy, _cross_entropy_gradient, _class_entropy),
        Loss("squared_error", False, _squared_error, _squared_error_gradient, _target_variance),
    )
}


def get(name: str) -> Loss:
    """Return the loss called `name`; raise ArgumentError naming the known ones otherwise."""
    one_of("loss", name, LOSSES)
    return LOSSES[name]
