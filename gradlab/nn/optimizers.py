"""Optimizers: one pass over the flat parameter buffer a step, all layers and replicates at once.

Written `NAME[:KEY=VALUE ...]`, such as "adam" or "momentum:momentum=0.95". g = dLoss/dw, eta the
learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from gradlab.nn import hyperparameters
from gradlab.nn.hyperparameters import Hyperparameter
from gradlab.ranges import ABOVE_0, AT_LEAST_0, FRACTION

Array = np.ndarray

# Entries updated at a time: they stay in the cache from the first line of a formula to the last.
CHUNK = 1 << 16


class Optimizer(Protocol):
    """What the training loop asks of an optimizer.

    Attributes
    ----------
    learning_rate : float
        eta of the next step; a schedule sets it.
    second_moment : ndarray (P,), optional
        v, where the optimizer divides by its root.
    second_moment_scale : float
        What v is to be multiplied with to be v_hat.
    """

    learning_rate: float
    second_moment: Array | None
    second_moment_scale: float

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        ...


class _Chunked:
    """Keeps state arrays as long as the parameters, and scratch memory for one chunk of them."""

    states: tuple[str, ...] = ()
    scratch = 1
    second_moment: Array | None = None
    second_moment_scale = 1.0

    def __init__(self, learning_rate: float):
        self.learning_rate = learning_rate
        self._scratch: list[Array] = []

    def _chunks(self, parameters: Array, gradients: Array) -> Iterator[list[Array]]:
        """Yield parameters, gradients, every state and every scratch array, a chunk at a time."""
        if not self._scratch:
            self._scratch = [
                np.empty(min(CHUNK, parameters.size), parameters.dtype) for _ in range(self.scratch)
            ]
            for name in self.states:
                setattr(self, name, np.zeros_like(parameters))
        whole = [parameters, gradients, *(getattr(self, name) for name in self.states)]
        for start in range(0, parameters.size, CHUNK):
            parts = [array[start : start + CHUNK] for array in whole]
            yield [*parts, *(array[: parts[0].size] for array in self._scratch)]


class SGD(_Chunked):
    """Stochastic gradient descent, w <- w - eta g (Robbins & Monro 1951)."""

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        for w, g, update in self._chunks(parameters, gradients):
            np.multiply(g, self.learning_rate, out=update)
            w -= update


class Momentum(_Chunked):
    """Heavy ball, v <- mu v + g, w <- w - eta v (Polyak 1964), PyTorch's scaling of it.

    Parameters
    ----------
    learning_rate : float
    momentum : float
        mu, 0 or more and below 1.
    """

    states = ("velocity",)
    velocity: Array

    def __init__(self, learning_rate: float, momentum: float = 0.9):
        super().__init__(learning_rate)
        self.momentum = momentum

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        for w, g, v, update in self._chunks(parameters, gradients):
            v *= self.momentum
            v += g
            np.multiply(v, self.learning_rate, out=update)
            w -= update


class Nesterov(Momentum):
    """Nesterov's momentum, v <- mu v + g, w <- w - eta (g + mu v).

    Sutskever et al. 2013, as in PyTorch.
    """

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        for w, g, v, update in self._chunks(parameters, gradients):
            v *= self.momentum
            v += g
            np.multiply(v, self.momentum, out=update)
            update += g
            update *= self.learning_rate
            w -= update


class AdaGrad(_Chunked):
    """AdaGrad, v <- v + g^2, w <- w - eta g / (sqrt(v) + epsilon) (Duchi et al. 2011)."""

    states = ("second_moment",)
    scratch = 2

    def __init__(self, learning_rate: float, epsilon: float = 1e-10):
        super().__init__(learning_rate)
        self.epsilon = epsilon

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        for w, g, v, update, root in self._chunks(parameters, gradients):
            self._accumulate(v, g, update)
            np.sqrt(v, out=root)
            root += self.epsilon
            np.multiply(g, self.learning_rate, out=update)
            update /= root
            w -= update

    def _accumulate(self, v: Array, g: Array, scratch: Array) -> None:
        v += np.square(g, out=scratch)


class RMSprop(AdaGrad):
    """RMSprop, v <- rho v + (1 - rho) g^2, w <- w - eta g / (sqrt(v) + epsilon).

    Tieleman & Hinton 2012.
    """

    def __init__(self, learning_rate: float, decay: float = 0.99, epsilon: float = 1e-8):
        super().__init__(learning_rate, epsilon)
        self.decay = decay

    def _accumulate(self, v: Array, g: Array, scratch: Array) -> None:
        v *= self.decay
        np.square(g, out=scratch)
        scratch *= 1 - self.decay
        v += scratch


class Adam(_Chunked):
    """Adam (Kingma & Ba 2015, algorithm 1).

    m <- beta1 m + (1 - beta1) g        m_hat = m / (1 - beta1^t)
    v <- beta2 v + (1 - beta2) g^2      v_hat = v / (1 - beta2^t)
    w <- w - eta m_hat / (sqrt(v_hat) + epsilon)
    """

    states = ("first_moment", "second_moment")
    scratch = 2

    def __init__(
        self, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ):
        super().__init__(learning_rate)
        self.beta1, self.beta2, self.epsilon, self.steps = beta1, beta2, epsilon, 0

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        self.steps += 1
        rate = self.learning_rate / (1 - self.beta1**self.steps)
        self.second_moment_scale = 1 / (1 - self.beta2**self.steps)
        for w, g, m, v, update, root in self._chunks(parameters, gradients):
            m *= self.beta1
            m += np.multiply(g, 1 - self.beta1, out=update)
            v *= self.beta2
            np.square(g, out=update)
            v += np.multiply(update, 1 - self.beta2, out=update)
            np.multiply(v, self.second_moment_scale, out=root)
            np.sqrt(root, out=root)
            root += self.epsilon
            np.multiply(m, rate, out=update)
            update /= root
            w -= update


class AdamW(Adam):
    """Adam with decoupled weight decay: first w <- w - eta lambda w, then Adam.

    Loshchilov & Hutter 2019.

    It shrinks every parameter, biases too, as PyTorch's does.
    """

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon)
        self.weight_decay = weight_decay

    def step(self, parameters: Array, gradients: Array) -> None:
        """Update `parameters` (P,) in place from `gradients` (P,)."""
        parameters *= 1 - self.learning_rate * self.weight_decay
        super().step(parameters, gradients)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


_MOMENTUM = {"momentum": Hyperparameter(0.9, FRACTION)}
_ADAM = {
    "beta1": Hyperparameter(0.9, FRACTION),
    "beta2": Hyperparameter(0.999, FRACTION),
    "epsilon": Hyperparameter(1e-8, ABOVE_0),
}
HYPERPARAMETERS: dict[str, dict[str, Hyperparameter]] = {
    "sgd": {},
    "momentum": _MOMENTUM,
    "nesterov": _MOMENTUM,
    "adagrad": {"epsilon": Hyperparameter(1e-10, ABOVE_0)},
    "rmsprop": {
        "decay": Hyperparameter(0.99, FRACTION),
        "epsilon": Hyperparameter(1e-8, ABOVE_0),
    },
    "adam": _ADAM,
    "adamw": {"weight_decay": Hyperparameter(0.01, AT_LEAST_0), **_ADAM},
}


def describe(text: str) -> tuple[str, dict[str, float | None]]:
    """Read `NAME[:KEY=VALUE ...]`; return name and hyperparameters, or raise ArgumentError."""
    return hyperparameters.parse("optimizer", text, HYPERPARAMETERS)


def create(text: str, learning_rate: float) -> Optimizer:
    """Return the optimizer that `text` names.

    Parameters
    ----------
    text : str
        A name, with hyperparameters where they differ from PyTorch's defaults: "sgd",
        "momentum:momentum=0.95", "adam:beta1=0.8:epsilon=1e-6".
    learning_rate : float
        eta > 0.

    Raises
    ------
    ArgumentError
        An unknown name or hyperparameter, a value outside its range, or a rate that is not above 0.
    """
    name, values = describe(text)
    return OPTIMIZERS[name](ABOVE_0.check("learning_rate", learning_rate), **values)
