"""The training loop: batches in, updates out, and an observer called after each iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradlab.layerstack import LayerStack
from gradlab.nn.clipping import Clip
from gradlab.nn.losses import Loss
from gradlab.nn.mlp import MLP
from gradlab.nn.optimizers import Optimizer
from gradlab.nn.penalties import Penalty
from gradlab.nn.schedules import Schedule
from gradlab.nn.workspace import Workspace

Array = np.ndarray


@dataclass(frozen=True)
class Step:
    """One iteration, as the observer gets it after its update.

    Arrays are the engine's own buffers: measure or copy them, and never keep them.

    Attributes
    ----------
    iteration : int
        From 0.
    model : MLP
        Its gradients are this step's, its parameters those AFTER the update.
    work : Workspace
        z, h, u, phi'(z) and delta of this step's batch.
    weights_before, biases_before, scales_before, shifts_before : LayerStack
        The parameters the forward pass used.
    loss : ndarray (S,) or ()
        The batch's mean loss before the update.
    learning_rate : float
    validation : tuple of ndarray, optional
        `(loss, accuracy)` on the held-out data before the update, each (S,) or (), accuracy None
        for a regression; None off its cadence.
    last : bool
        Whether it is the last iteration asked for.
    clipped_norm : ndarray (S,) or (), optional
        Norm of the whole gradient after clipping, where there is any; the model's gradients are
        those before.
    second_moments : LayerStack, optional
        v of the weights, where the optimizer has one; `second_moment_scale` makes it v_hat.
    """

    iteration: int
    model: MLP
    work: Workspace
    weights_before: LayerStack
    biases_before: LayerStack
    scales_before: LayerStack
    shifts_before: LayerStack
    loss: Array
    learning_rate: float
    validation: tuple[Array, Array | None] | None
    last: bool
    clipped_norm: Array | None = None
    second_moments: LayerStack | None = None
    second_moment_scale: float = 1.0


class Observer(Protocol):
    """Whoever wants to know: the loop knows nothing of recording."""

    def observe(self, step: Step) -> bool:
        """Take in one iteration; return True to be shown the PREVIOUS one again by `revisit`."""
        ...

    def revisit(self, step: Step) -> None:
        """Take in the previous iteration, recomputed exactly from its parameters and batch."""
        ...


class BatchOrder:
    """Which examples make each batch.

    Each seed has a fresh permutation for each epoch, cut into whole batches.

    A batch that an epoch cannot fill takes its remainder from the next one, so that every batch has
    the same size and every example is seen once an epoch.
    """

    def __init__(self, examples: int, batch_size: int, seeds: list[int], stacked: bool):
        self._examples, self._batch_size, self._stacked = examples, batch_size, stacked
        self._rngs = [
            np.random.default_rng([seed, 1]) for seed in seeds
        ]  # apart from the weights' stream
        self._queue, self._next = np.empty((len(seeds), 0), np.intp), 0

    def take(self) -> Array:
        """Return the next batch's example numbers: (S, B) with replicates, else (B,)."""
        while self._queue.shape[1] - self._next < self._batch_size:
            epoch = np.stack([rng.permutation(self._examples) for rng in self._rngs])
            self._queue = np.concatenate([self._queue[:, self._next :], epoch], axis=1)
            self._next = 0
        batch = self._queue[:, self._next : self._next + self._batch_size]
        self._next += self._batch_size
        return batch if self._stacked else batch[0]


class Trainer:
    """Trains one model on one data set; `fit` is the loop, the rest is what it says."""

    def __init__(
        self,
        model: MLP,
        x: Array,
        y: Array,
        loss: Loss,
        optimizer: Optimizer,
        batch_size: int,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
        penalty: Penalty | None = None,
    ):
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self._x = np.ascontiguousarray(x, model.dtype)
        self._y = y if loss.classification else np.ascontiguousarray(y, model.dtype)
        self._work = model.workspace(batch_size)
        self._order = BatchOrder(
            len(x), batch_size, model.seeds, stacked=model.replicates is not None
        )
        # Two generations of parameters: the ones before this update, and the ones before the last.
        self._before = [_Generation(model) for _ in range(2)]
        self._schedule, self._base_rate = schedule, optimizer.learning_rate
        self._clip, self._penalty = clip, penalty or Penalty()
        # What the optimizer gets: the recorded gradients themselves, or a copy where something is
        # done to them.
        changed = clip is not None or self._penalty.l2 > 0
        self._used = np.empty_like(model.gradients) if changed else model.gradients
        self._used_parts = model.views(self._used)
        self._moments: LayerStack | None = None

    def fit(
        self,
        iterations: int,
        observer: Observer,
        validate: Callable[[MLP], tuple[Array, Array | None]] | None = None,
        validate_every: int = 50,
    ) -> int:
        """Run `iterations` updates and return how many ran.

        They are fewer only where the weights of every replicate are not finite.

        NaN weights never come back, so what follows would only repeat NaN.
        """
        previous: tuple[Step, Array] | None = None
        with np.errstate(all="ignore"):  # overflow and NaN are data here, recorded and judged
            for iteration in range(iterations):
                batch = self._order.take()
                loss = self._compute(batch, iteration)
                self.model.settle(self._work)
                last = iteration == iterations - 1
                due = iteration % validate_every == 0 or last
                validation = validate(self.model) if validate is not None and due else None
                step = self._update(iteration, loss, validation, last)
                if observer.observe(step) and previous is not None:
                    self._show_again(observer, *previous)
                previous = step, batch
                if not np.isfinite(loss).any() and self._lost():
                    return iteration + 1
        return iterations

    def _update(
        self, iteration: int, loss: Array, validation: tuple[Array, Array | None] | None, last: bool
    ) -> Step:
        """Clip, add the penalties, step, and tell what happened."""
        model, optimizer, before = self.model, self.optimizer, self._before[iteration % 2]
        np.copyto(before.flat, model.parameters)
        if self._schedule is not None:
            optimizer.learning_rate = self._base_rate * self._schedule(iteration)
        clipped_norm = None
        if self._used is not model.gradients:
            np.copyto(self._used, model.gradients)
        if self._clip is not None:
            clipped_norm = self._clip(self._used_parts)
        if self._penalty.l2:
            self._penalty.add_gradient(model.weights.flat, self._used_parts[0].flat)
        optimizer.step(model.parameters, self._used)
        if self._penalty.l1:
            self._penalty.shrink(model.weights.flat, optimizer.learning_rate)
        if self._moments is None and optimizer.second_moment is not None:
            self._moments = model.views(optimizer.second_moment)[0]
        return Step(
            iteration=iteration,
            model=model,
            work=self._work,
            weights_before=before.weights,
            biases_before=before.biases,
            scales_before=before.scales,
            shifts_before=before.shifts,
            loss=loss,
            learning_rate=optimizer.learning_rate,
            validation=validation,
            last=last,
            clipped_norm=clipped_norm,
            second_moments=self._moments,
            second_moment_scale=optimizer.second_moment_scale,
        )

    def _compute(self, batch: Array, iteration: int) -> Array:
        """Run one batch forwards and backwards; return its mean loss, (S,) or ().

        The gradients are left in the model.
        """
        work, target = self._work, self._y[batch]
        np.take(
            self._x, batch, axis=0, out=work.batch, mode="clip"
        )  # 'clip' writes straight into `out`
        self.model.draw_masks(work, iteration)
        logits = self.model.forward(work)
        loss = self.loss.step(logits, target, work.deltas[-1])
        self.model.backward(work)
        return loss

    def _show_again(self, observer: Observer, step: Step, batch: Array) -> None:
        """Recompute `step` from the parameters it had, show it, and put today's parameters back."""
        today = self.model.parameters.copy()
        np.copyto(self.model.parameters, self._before[step.iteration % 2].flat)
        self._compute(batch, step.iteration)
        observer.revisit(step)
        np.copyto(self.model.parameters, today)

    def _lost(self) -> bool:
        weights = self.model.weights
        stacked = [weight.reshape(self.model.replicates or 1, -1) for weight in weights]
        finite = np.stack([np.isfinite(weight).all(axis=1) for weight in stacked]).all(axis=0)
        return not finite.any()


class _Generation:
    """A copy of a model's parameters, and the views that name them."""

    def __init__(self, model: MLP):
        self.flat = np.empty_like(model.parameters)
        self.weights, self.biases, self.scales, self.shifts = model.views(self.flat)
