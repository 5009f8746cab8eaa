"""Losses for class numbers, their gradients, and what the best constant prediction loses.

`*_gradient` writes the gradient of the batch's mean loss into `out`; `target` holds class numbers.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)  # e^x cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(logits: Array, target: Array) -> Array:
    """-ln softmax(logits)[target]."""
    return -np.take_along_axis(_log_softmax(logits), target[..., None], axis=-1)[..., 0]


def cross_entropy_together(logits: Array, target: Array, out: Array) -> Array:
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


def cross_entropy_gradient(logits: Array, target: Array, out: Array) -> None:
    """Write (softmax(logits) - one-hot(target)) / B."""
    cross_entropy_together(logits, target, out)


def class_entropy(target: Array) -> float:
    """Return the entropy of the class frequencies, which are the best constant prediction."""
    return _weighted_entropy(np.bincount(target) / len(target))


def _weighted_entropy(mass: Array) -> float:
    """min over distributions p of -sum_c mass_c ln p_c, which p = mass / sum(mass) attains."""
    mass = mass[mass > 0]
    return float(-(mass * np.log(mass / mass.sum())).sum())


def _targets(weights: Array, smoothing: float, target: Array) -> Array:
    """Return w_c ((1 - s) [c = y] + s / C), the factors of -ln softmax (as in PyTorch)."""
    classes = len(weights)
    return weights * (
        (1 - smoothing) * np.eye(classes, dtype=weights.dtype)[target] + smoothing / classes
    )


def soft_cross_entropy(weights: Array, smoothing: float, logits: Array, target: Array) -> Array:
    """Cross-entropy with class weights and label smoothing."""
    wanted = _targets(weights.astype(logits.dtype), smoothing, target)
    return -(wanted * _log_softmax(logits)).sum(axis=-1)


def soft_cross_entropy_gradient(
    weights: Array, smoothing: float, logits: Array, target: Array, out: Array
) -> None:
    """Write the gradient of `soft_cross_entropy`."""
    wanted = _targets(weights.astype(logits.dtype), smoothing, target)
    np.exp(_log_softmax(logits), out=out)
    out *= wanted.sum(axis=-1, keepdims=True)  # softmax(z) sum(t) - t
    out -= wanted
    out /= out.shape[-2]


def soft_entropy(weights: Array, smoothing: float, target: Array) -> float:
    """Return the loss of the best constant prediction by `soft_cross_entropy`."""
    return _weighted_entropy(_targets(weights, smoothing, target).mean(axis=0))


def binary_cross_entropy(weights: Array, logits: Array, target: Array) -> Array:
    """Weighted ln(1 + e^-z) for class 1 and ln(1 + e^z) for class 0; e^x cannot overflow."""
    z = logits[..., 0]
    return weights.astype(z.dtype)[target] * (
        np.maximum(z, 0) - target * z + np.log1p(np.exp(-np.abs(z)))
    )


def binary_cross_entropy_gradient(weights: Array, logits: Array, target: Array, out: Array) -> None:
    """Write the gradient of `binary_cross_entropy`."""
    z = logits[..., 0]
    e = np.exp(-np.abs(z))
    sigma = np.where(z >= 0, 1, e) / (1 + e)
    # W (sigma(z) - y) / B.
    out[..., 0] = weights.astype(z.dtype)[target] * (sigma - target) / z.shape[-1]


def binary_entropy(weights: Array, target: Array) -> float:
    """Return the loss of the best constant prediction by `binary_cross_entropy`."""
    return _weighted_entropy(weights * np.bincount(target, minlength=2) / len(target))


def perceptron(logits: Array, target: Array) -> Array:
    """max(0, -y z) with y = -1 or 1 (Rosenblatt 1958, as a loss)."""
    return np.maximum(0, -(2 * target - 1) * logits[..., 0])


def perceptron_gradient(logits: Array, target: Array, out: Array) -> None:
    """Write -y where y z <= 0: z = 0 is a mistake, or a net of weights 0 would never learn."""
    y = (2 * target - 1).astype(logits.dtype)
    out[..., 0] = np.where(y * logits[..., 0] <= 0, -y, 0) / target.shape[-1]


def rarer_class(target: Array) -> float:
    """The share of the rarer class: what always saying the other one costs, with z = 1 or -1."""
    return float(np.bincount(target, minlength=2).min() / len(target))
