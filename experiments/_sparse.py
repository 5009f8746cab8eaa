"""One neuron, 20 features, of which 5 matter: which of its weights a penalty makes exactly 0."""

from __future__ import annotations

import numpy as np

import gradlab
from experiments import _bare
from gradlab.datasets import Data
from gradlab.nn.penalties import Penalty


def problem() -> Data:
    """20 features, of which 5 matter."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 20))
    y = x[:, :5] @ np.array([2.0, -1.5, 1.0, 0.8, -0.5]) + 0.3 * rng.normal(size=100)
    return Data("5 of 20", x, y, x, y)


def proximal_fit(l1: float) -> np.ndarray:
    """One neuron trained with the proximal step; its 20 weights."""
    data = problem()
    model = gradlab.MLP([20, 1], "identity", dtype="float64")
    _bare.fit(
        model, data, learning_rate=0.1, batch_size=100, iterations=400, penalty=Penalty(l1, 0)
    )
    return model.weights[0][:, 0].copy()


def subgradient_fit(l1: float) -> np.ndarray:
    """The same with the subgradient l1 sign(w) added to the gradient: what one would try first."""
    data, w, b = problem(), np.full(20, 0.1), 0.0
    for _ in range(400):
        wrong = data.x_train @ w + b - data.y_train
        w, b = (
            w - 0.1 * (2 * data.x_train.T @ wrong / 100 + l1 * np.sign(w)),
            b - 0.1 * 2 * wrong.mean(),
        )
    return w
