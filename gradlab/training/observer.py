"""What observes a training: the recorder, and the loss on held-out data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradlab.datasets import Data
from gradlab.nn.loop import Step
from gradlab.nn.losses import Loss
from gradlab.nn.mlp import MLP
from gradlab.recorder import Recorder
from gradlab.training.stream import block_signals

Array = np.ndarray


class RecordingObserver:
    """Passes each step of the loop on to the recorder, by the recorder's names."""

    def __init__(self, recorder: Recorder, on_step: Callable[[Step], None] | None):
        self._recorder = recorder
        self._on_step = on_step

    def observe(self, step: Step) -> bool:
        """Record one iteration."""
        wanted = self._recorder.record(
            loss=step.loss,
            learning_rate=step.learning_rate,
            validation=step.validation,
            last=step.last,
            weights_after=step.model.weights,
            biases=step.biases_before,
            biases_after=step.model.biases,
            bias_gradients=step.model.bias_gradients,
            clipped_grad_norm=step.clipped_norm,
            second_moments=step.second_moments,
            second_moment_scale=None if step.second_moments is None else step.second_moment_scale,
            block_signals=self._streams(step),
            **self._of_the_net(step),
            **self._tensors(step),
        )
        if self._on_step is not None:
            self._on_step(step)
        return wanted

    @staticmethod
    def _of_the_net(step: Step) -> dict[str, Any]:
        """What only some nets have: the scales and shifts of a norm."""
        model = step.model
        if not len(model.scales):
            return {}
        return {
            "others": [*step.scales_before, *step.shifts_before],
            "others_after": [*model.scales, *model.shifts],
            "other_gradients": [*model.scale_gradients, *model.shift_gradients],
        }

    def revisit(self, step: Step) -> None:
        """Complete the iteration before the last one recorded."""
        streams = block_signals(step) if self._recorder.blocks else None
        self._recorder.revisit(block_signals=streams, **self._tensors(step))

    def _streams(self, step: Step) -> dict[str, Array] | None:
        """Return the numbers of the residual stream, at the costly cadence."""
        if not self._recorder.blocks or not self._recorder.takes_costly(last=step.last):
            return None
        with np.errstate(all="ignore"):
            return block_signals(step)

    @staticmethod
    def _tensors(step: Step) -> dict[str, Any]:
        work = step.work
        return {
            "weights": step.weights_before,
            "gradients": step.model.weight_gradients,
            "batch": work.batch,
            "preactivations": work.preactivations,
            "activations": work.activations,
            "deltas": work.deltas,
            "backs": work.backs,
            "slopes": work.slopes,
            "products": work.modified.products if work.modified else None,
        }


class Validator:
    """Loss and accuracy on the held-out data."""

    def __init__(self, data: Data, loss: Loss):
        self._x = data.x_test
        self._y = data.y_test
        self._loss = loss

    def __call__(self, model: MLP) -> tuple[Array, Array | None]:
        """Return both, (S,) or () each; accuracy is None for a regression, NaN for NaN logits."""
        logits = model.predict(self._x)
        target = self._y
        if model.replicates is not None:
            target = np.broadcast_to(target, (model.replicates, *target.shape))
        value = self._loss.value(logits, target).mean(axis=-1)
        if not self._loss.classification:
            return value, None
        accuracy = (self._loss.decide(logits) == target).mean(axis=-1)
        return value, np.where(np.isfinite(logits).all(axis=(-1, -2)), accuracy, np.nan)
