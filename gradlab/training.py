"""`train`: the built-in engine on a data set, recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from gradlab.datasets import Data
from gradlab.errors import ArgumentError, whole
from gradlab.nn import clipping, losses, optimizers, schedules
from gradlab.nn.loop import Step, Trainer
from gradlab.nn.losses import Loss
from gradlab.nn.mlp import MLP
from gradlab.nn.penalties import Penalty
from gradlab.recorder import Recorder
from gradlab.run import Run

Array = np.ndarray

CALIBRATED_ON = 256  # training examples, for initializers that need data


def train(
    model: MLP,
    data: Data,
    *,
    loss: str = "cross_entropy",
    optimizer: str = "sgd",
    learning_rate: float = 0.03,
    batch_size: int = 64,
    iterations: int = 500,
    schedule: str = "constant",
    clip: str | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    class_weights: str | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    name: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    every: int | None = None,
    weights: int = 50,
    validate_every: int = 50,
    on_step: Callable[[Step], None] | None = None,
) -> Run:
    """Train `model` in place and return the Run: every layer's statistics at every iteration.

    A run whose weights are no longer finite in any replicate stops there; its status says so.

    Parameters
    ----------
    model : MLP
    data : Data
        What `gradlab.datasets` returns.
    loss : str
        For class numbers: "cross_entropy" (one output a class), "binary_cross_entropy" or "perceptron" (classes 0 and
        1, one output); for real targets: "squared_error", "mean_absolute_error" or "huber".
    optimizer : str
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam" or "adamw", with settings where they are to differ
        from PyTorch's defaults, such as "adam:beta1=0.8:epsilon=1e-6"; see `gradlab.nn.optimizers`.
    learning_rate : float
        Above 0.
    batch_size : int
        Examples a mini-batch; at most the number of training examples, which makes it gradient descent.
    iterations : int
        Updates, 0 or more.
    schedule : str
        What becomes of the learning rate: "constant", "step:every=100", "exponential:factor=0.999" or "cosine", each
        with a linear `warmup` of so many iterations, such as "cosine:end=0.01:warmup=50"; see `gradlab.nn.schedules`.
    clip : str, optional
        "norm:most=X" or "value:most=X": the gradients of a seed, taken together, are clipped before the update; what is
        recorded are those before, and their norm afterwards; see `gradlab.nn.clipping`.
    l1, l2 : float
        Penalties on the weights, 0 or more: l2/2 ||W||^2 shrinks them, l1 ||W||_1 makes some exactly 0; see
        `gradlab.nn.penalties`. The recorded loss and gradients are the data's alone.
    class_weights : "balanced" or sequence of float, optional
        How much each class's examples count, on average 1; "balanced": every class as much as the others.
    label_smoothing : float
        Share of the target that is spread over all classes, 0 or more and below 1.
    name : str, optional
        Of the run; made from the configuration by default.
    out : path, optional
        Folder to record to, readable while the training runs. None: kept as long as the Run is.
    overwrite : bool
        Replace a run that already lies in `out`.
    every, weights : int
        As for `Recorder`.
    validate_every : int
        Cadence of the loss and accuracy on the held-out part of the data; the last iteration is always among them.
    on_step : callable, optional
        Called with the `gradlab.nn.loop.Step` of each iteration after it was recorded; copy what you keep of it.

    Raises
    ------
    ArgumentError, DataError, RunError
        An argument outside its range, data that do not fit the model or the loss, a folder that cannot be written.
    """
    _check_kinds(model, data)
    criterion = losses.get(loss)
    _check(model, data, criterion, batch_size, iterations, validate_every)
    criterion = losses.adapted(loss, data.y_train, class_weights=class_weights, label_smoothing=label_smoothing)
    penalty = Penalty(l1, l2)
    updater = optimizers.create(optimizer, learning_rate)
    plan = schedules.create(schedule, iterations)
    limiter = None if clip is None else clipping.create(clip, model.replicates)
    config = _config(
        model, data, criterion, optimizer=optimizer, learning_rate=learning_rate, batch_size=batch_size,
        iterations=iterations, loss=loss, schedule=schedule, clip=clip, l1=penalty.l1, l2=penalty.l2,
        class_weights=class_weights if isinstance(class_weights, str | None) else [*class_weights],
        label_smoothing=label_smoothing,
    )  # fmt: skip
    recorder = Recorder(
        _layers(model),
        name=name or f"{model.activation.name}-{model.init}-depth{config['depth']}",
        config=config,
        provenance={"data_fingerprint": data.fingerprint},
        replicates=model.replicates,
        out=out,
        overwrite=overwrite,
        every=every,
        weights=weights,
        seed=model.seed,
    )
    if model.init == "lsuv" and not model.calibrated:
        model.calibrate(data.x_train[:CALIBRATED_ON])
    with recorder, threadpool_limits(1, "blas"):  # more BLAS threads make these small products slower, not faster
        trainer = Trainer(model, data.x_train, data.y_train, criterion, updater, batch_size, plan, limiter, penalty)
        ran = trainer.fit(iterations, _Observer(recorder, on_step), _Validator(data, criterion), validate_every)
        if ran < iterations:
            recorder.close(f"stopped at iteration {ran - 1}: no finite weights were left")
    return recorder.run


class _Observer:
    """Hands what the loop tells to the recorder, by the recorder's names."""

    def __init__(self, recorder: Recorder, on_step: Callable[[Step], None] | None):
        self._recorder, self._on_step = recorder, on_step

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
        self._recorder.revisit(**self._tensors(step))

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
            "products": work.block.products if work.block else None,
        }


class _Validator:
    """Loss and accuracy on the held-out data; a regression has none, and it is NaN where logits are not finite."""

    def __init__(self, data: Data, loss: Loss):
        self._x, self._y, self._loss = data.x_test, data.y_test, loss

    def __call__(self, model: MLP) -> tuple[Array, Array | None]:
        logits = model.predict(self._x)
        target = self._y
        if model.replicates is not None:
            target = np.broadcast_to(target, (model.replicates, *target.shape))
        value = self._loss.value(logits, target).mean(axis=-1)
        if not self._loss.classification:
            return value, None
        accuracy = (self._loss.decide(logits) == target).mean(axis=-1)
        return value, np.where(np.isfinite(logits).all(axis=(-1, -2)), accuracy, np.nan)


# Options that a record states only where they are not these.
USUAL = {
    "schedule": "constant", "clip": None, "l1": 0.0, "l2": 0.0, "class_weights": None, "label_smoothing": 0.0,
    "norm": None, "residual": None, "dropout": 0.0,
}  # fmt: skip


def _config(model: MLP, data: Data, criterion: Loss, *, optimizer: str, loss: str, **options: Any) -> dict[str, Any]:
    """Return what the record says of the net, its training and its data."""
    hidden, name_and_settings = model.sizes[1:-1], optimizers.describe(optimizer)
    block = {"norm": model.block.norm, "residual": model.block.residual, "dropout": model.block.dropout}
    return {
        "activation": model.activation.name,
        "depth": len(hidden),
        "width": hidden[0] if hidden else 0,
        "init": model.init,
        "gain": model.gain,
        "optimizer": name_and_settings[0],
        **name_and_settings[1],
        **{name: options.pop(name) for name in ("learning_rate", "batch_size", "iterations")},
        "seeds": len(model.seeds),
        "seed": model.seed,
        "loss": loss,
        **{name: value for name, value in (options | block).items() if value != USUAL[name]},
        "dtype": model.dtype.name,
        "sizes": list(model.sizes),
        "data": data.name,
        "input_rms": float(np.sqrt(np.mean(np.square(data.x_train, dtype=np.float64)))),
        "input_correlation": _mean_cosine(data.x_train),
        "baseline_loss": criterion.constant(data.y_train),
    }


def _mean_cosine(x: Array) -> float:
    """Mean cosine between two different examples: how alike inputs are decides how many units stay silent."""
    length = np.sqrt(np.vecdot(x, x))
    unit = x[length > 0] / length[length > 0, None]
    n = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - n) / (n * (n - 1))) if n > 1 else 0.0


def _layers(model: MLP) -> list[dict[str, Any]]:
    last = len(model.sizes) - 2
    return [
        {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "activation": "identity" if layer == last else model.activation.name,
            "slope_bound": 1.0 if layer == last else model.activation.slope_bound,
        }
        for layer, (fan_in, fan_out) in enumerate(zip(model.sizes[:-1], model.sizes[1:], strict=True))
    ]


def _check_kinds(model: object, data: object) -> None:
    if not isinstance(model, MLP):
        raise ArgumentError(
            f"model is a {type(model).__name__} and must be a gradlab.MLP; a loop of your own feeds a gradlab.Recorder"
        )
    if not isinstance(data, Data):
        raise ArgumentError(
            f"data is a {type(data).__name__} and must be a Data; make one of arrays x and y by "
            "gradlab.datasets.split('mine', x, y, seed=0)"
        )


def _check(model: MLP, data: Data, loss: Loss, batch_size: int, iterations: int, validate_every: int) -> None:
    examples, features = data.x_train.shape
    if features != model.sizes[0]:
        raise ArgumentError(
            f"data {data.name!r} has {features} features, but the net reads {model.sizes[0]}; "
            f"make it MLP([{features}, ...])"
        )
    loss.check_targets(np.concatenate([data.y_train, data.y_test]), model.sizes[-1])
    for argument, value in (("iterations", iterations), ("validate_every", validate_every), ("batch_size", batch_size)):
        whole(argument, value, 0 if argument == "iterations" else 1)
    if model.block.norm == "batch" and batch_size == 1:
        raise ArgumentError("batch_size=1 leaves BatchNorm nothing to average over; use 2 or more, or norm='layer'")
    if batch_size > examples:
        raise ArgumentError(f"batch_size={batch_size!r} must be 1 to {examples}, the number of training examples")
