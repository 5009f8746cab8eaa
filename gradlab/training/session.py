"""`train`: the built-in engine on a data set, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from gradlab.datasets import Data
from gradlab.errors import ArgumentError
from gradlab.kinds import CALLBACK, FLAG, PATH, TEXT, of_kinds
from gradlab.live import lookout
from gradlab.nn import clipping, losses, optimizers, schedules
from gradlab.nn.loop import Step, Trainer
from gradlab.nn.losses import Loss
from gradlab.nn.mlp import MLP
from gradlab.nn.penalties import Penalty
from gradlab.options import TrainingOptions, given, takes
from gradlab.ranges import COUNT
from gradlab.recorder import Recorder
from gradlab.run import Run
from gradlab.training.description import blocks, configuration, layers
from gradlab.training.observer import RecordingObserver, Validator

if TYPE_CHECKING:
    from gradlab.rules import Finding

CALIBRATED_ON = 256  # training examples, for initializers that need data


@takes(TrainingOptions)
@of_kinds(name=TEXT.or_none, out=PATH.or_none, on_step=CALLBACK.or_none, overwrite=FLAG)
def train(
    model: MLP,
    data: Data,
    *,
    name: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    every: int | None = None,
    weights: int = 50,
    validate_every: int = 50,
    on_step: Callable[[Step], None] | None = None,
    on_finding: str | Callable[[Finding], Any] | None = "print",
    **options: Any,
) -> Run:
    """Train `model` in place and return the Run: every layer's statistics at every iteration.

    A run whose weights are no longer finite in any replicate stops there; its status says so.

    Parameters
    ----------
    model : MLP
    data : Data
        What `gradlab.datasets` returns.
    {options}
    name : str, optional
        Of the run; made from the configuration by default.
    out : path, optional
        Folder to record to, readable while the training runs. None: kept as long as the Run is.
    overwrite : bool
        Replace a run that already lies in `out`.
    every, weights : int
        As for `Recorder`.
    validate_every : int
        Iterations from one measurement of loss and accuracy on the held-out part of the data to
        the next; the last iteration is always measured.
    on_step : callable, optional
        Called with the `gradlab.nn.loop.Step` of each iteration after it was recorded; copy what
        you keep of it.
    on_finding : "print", "raise", callable or None
        What to do the moment a root cause appears while it trains: print one line, raise
        FindingError (at an error), or call a function with the Finding. None: nothing is judged.

    Returns
    -------
    Run

    Raises
    ------
    ArgumentError, DataError, RunError
        An argument outside its range, data that do not fit the model or the loss, a folder that
        cannot be written.
    FindingError
        With on_finding="raise".
    """
    _check_kinds(model, data)
    validate_every = int(COUNT.check("validate_every", validate_every))
    watching = lookout(on_finding)
    asked = given(TrainingOptions, options, "a training")
    asked = replace(asked, loss=losses.or_default(asked.loss, data.task))
    criterion = _criterion(model, data, asked)
    trainer = _trainer(model, data, criterion, asked)
    config = configuration(model, data, criterion, asked)
    recorder = Recorder(
        layers(model),
        name=name or f"{model.activation.name}-{model.init}-depth{config['depth']}",
        config=config,
        provenance={"data_fingerprint": data.fingerprint},
        replicates=model.replicates,
        out=out,
        overwrite=overwrite,
        every=every,
        weights=weights,
        seed=model.seed,
        blocks=blocks(model),
        histograms=asked.histograms,
    )
    if watching is not None:
        recorder.listen(watching)
    if model.init == "lsuv" and not model.calibrated:
        model.calibrate(data.x_train[:CALIBRATED_ON])
    # More BLAS threads make these small products slower, not faster.
    with recorder, threadpool_limits(1, "blas"):
        observer = RecordingObserver(recorder, on_step)
        validator = Validator(data, criterion)
        ran = trainer.fit(asked.iterations, observer, validator, validate_every)
        if ran < asked.iterations:
            recorder.close(f"stopped at iteration {ran - 1}: no finite weights were left")
    return recorder.run


def _criterion(model: MLP, data: Data, options: TrainingOptions) -> Loss:
    """Return the loss with its options, which fits model, data and batch."""
    loss = losses.get(losses.or_default(options.loss, data.task))
    _check_fit(model, data, loss, options.batch_size)
    return losses.adapted(
        loss.name,
        data.y_train,
        class_weights=options.class_weights,
        label_smoothing=options.label_smoothing,
    )


def _trainer(model: MLP, data: Data, criterion: Loss, options: TrainingOptions) -> Trainer:
    return Trainer(
        model,
        data.x_train,
        data.y_train,
        criterion,
        optimizers.create(options.optimizer, options.learning_rate),
        options.batch_size,
        schedules.create(options.schedule, options.iterations),
        None if options.clip is None else clipping.create(options.clip, model.replicates),
        Penalty(options.l1, options.l2),
    )


def _check_kinds(model: object, data: object) -> None:
    if not isinstance(model, MLP):
        raise ArgumentError(
            f"model is a {type(model).__name__} and must be a gradlab.MLP; a loop of your own "
            "feeds a gradlab.Recorder"
        )
    if not isinstance(data, Data):
        raise ArgumentError(
            f"data is a {type(data).__name__} and must be a Data; make one of arrays x and y by "
            "gradlab.datasets.split('mine', x, y, seed=0)"
        )


def _check_fit(model: MLP, data: Data, loss: Loss, batch_size: int) -> None:
    """Raise ArgumentError or DataError where model, data, loss and batch do not fit each other."""
    examples, features = data.x_train.shape
    if features != model.sizes[0]:
        raise ArgumentError(
            f"data {data.name!r} has {features} features, but the net reads {model.sizes[0]}; "
            f"make it MLP([{features}, ...])"
        )
    loss.check_targets(np.concatenate([data.y_train, data.y_test]), model.sizes[-1])
    if model.modifiers.norm == "batch" and batch_size == 1:
        raise ArgumentError(
            "batch_size=1 leaves BatchNorm nothing to average over; use 2 or more, or norm='layer'"
        )
    if batch_size > examples:
        raise ArgumentError(
            f"batch_size={batch_size!r} must be 1 to {examples}, the number of training examples"
        )
