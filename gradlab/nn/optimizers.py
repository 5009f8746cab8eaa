"""Optimizers: one pass over the flat parameter buffer a step, all layers and replicates at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gradlab.errors import ArgumentError, one_of

Array = np.ndarray

CHUNK = 1 << 15  # entries updated at a time: they stay in the cache between the product and the difference


class Optimizer(Protocol):
    """What the training loop asks of an optimizer."""

    learning_rate: float

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        ...


class SGD:
    """Stochastic gradient descent, W <- W - eta dLoss/dW (Robbins & Monro 1951).

    Parameters
    ----------
    learning_rate : float
        eta > 0.
    """

    def __init__(self, learning_rate: float):
        self.learning_rate = learning_rate
        self._update: Array | None = None  # one chunk's worth

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        if self._update is None:
            self._update = np.empty(CHUNK, gradients.dtype)
        for start in range(0, parameters.size, CHUNK):
            part = slice(start, start + CHUNK)
            update = np.multiply(gradients[part], self.learning_rate, out=self._update[: gradients[part].size])
            np.subtract(parameters[part], update, out=parameters[part])


OPTIMIZERS = {"sgd": SGD}


def create(name: str, learning_rate: float) -> Optimizer:
    """Return the optimizer called `name`; raise ArgumentError for an unknown name or a rate that is not above 0."""
    one_of("optimizer", name, OPTIMIZERS)
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ArgumentError(f"learning_rate={learning_rate!r} must be a finite number above 0; try 0.03")
    return OPTIMIZERS[name](float(learning_rate))
