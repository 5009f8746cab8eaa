"""Training without a record, for experiments that train dozens of nets or time the steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

import gradlab
from gradlab.datasets import Data
from gradlab.nn import losses, optimizers, schedules
from gradlab.nn.loop import Step, Trainer
from gradlab.nn.penalties import Penalty


class _Ear:
    """Hears of every step, and asks for none again."""

    def __init__(self, on_step: Callable[[Step], None] | None):
        self._on_step = on_step

    def observe(self, step: Step) -> bool:
        if self._on_step is not None:
            self._on_step(step)
        return False

    def revisit(self, step: Step) -> None:
        raise AssertionError("nothing was asked for")


def fit(
    model: gradlab.MLP,
    data: Data,
    *,
    loss: str = "squared_error",
    optimizer: str = "sgd",
    learning_rate: float,
    batch_size: int,
    iterations: int,
    schedule: str = "constant",
    penalty: Penalty | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> None:
    """Train `model` in place."""
    with threadpool_limits(1, "blas"):
        trainer = Trainer(
            model,
            data.x_train,
            data.y_train,
            losses.get(loss),
            optimizers.create(optimizer, learning_rate),
            batch_size,
            schedules.create(schedule, iterations),
            None,
            penalty,
        )
        trainer.fit(iterations, _Ear(on_step))


def error(model: gradlab.MLP, x: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error of one net on points (n, d)."""
    return float(np.mean((model.predict(x)[:, 0] - y) ** 2))
