"""Watch a Lightning training: `Trainer(callbacks=[GradlabCallback(out="runs/mine")])`."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torch.optim import Optimizer

from gradlab.adapters.torch import Watch, watch
from gradlab.errors import RunError
from gradlab.run import Run

__all__ = ["GradlabCallback"]


class GradlabCallback(pl.Callback):
    """Records what `Trainer.fit` does, by `gradlab.adapters.torch.watch`.

    Gradients are taken in `on_before_optimizer_step`: accumulated over all micro-batches, and
    before they are clipped; the norm after clipping is recorded beside it. The loss is what
    `backward` is called on.

    Parameters
    ----------
    out : path, optional
        As for `watch`.
    validation_loss, validation_accuracy : str
        Under which names `validation_step` logs them.
    **watching
        What else `watch` takes: `every=`, `on_nonfinite="stop"`, `baseline_loss=`, ...

    Attributes
    ----------
    recorder : Watch or None
        Of the training that runs, or has run last.
    """

    def __init__(
        self,
        out: Any = None,
        *,
        validation_loss: str = "val_loss",
        validation_accuracy: str = "val_acc",
        **watching: Any,
    ):
        self.recorder: Watch | None = None
        self._names = {
            "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy,
        }
        self._watching = {"out": out, **watching}

    @property
    def run(self) -> Run:
        """The Run of the training that runs, or has run last.

        Raises
        ------
        RunError
            Nothing was trained yet, or this process does not hold the record.
        """
        if self.recorder is None:
            raise RunError("nothing was recorded yet: call Trainer.fit with this callback first")
        return self.recorder.run

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin; optimizers exist, and the model is where it is trained."""
        model = trainer.strategy.model
        config = {
            "gradient_accumulation": trainer.accumulate_grad_batches,
            **self._watching.get("config", {}),
        }
        together = trainer.world_size > 1
        options = {"distributed": together, **self._watching, "config": config}
        self.recorder = recorder = watch(
            pl_module if model is None else model, trainer.optimizers, **options
        )
        recorder.__enter__()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Tell that a forward pass is to come.

        `training_step` need not call the model as a whole.
        """
        if self.recorder is not None:
            self.recorder.forward_begins()

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        """Log the loss, which is divided by the number of micro-batches already."""
        if self.recorder is not None:
            scale = getattr(getattr(trainer.precision_plugin, "scaler", None), "_scale", None)
            self.recorder.log(
                loss=loss if scale is None else loss.detach() / scale
            )  # 16-mixed has scaled it already

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Take the gradients.

        This runs in the closure that Lightning gives to the optimizer, after `backward`.
        """
        if self.recorder is not None:
            self.recorder.gradients_ready(optimizer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what validation has given."""
        if self.recorder is not None:
            given = {name: trainer.callback_metrics.get(key) for name, key in self._names.items()}
            self.recorder.log(**given)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End."""
        if self.recorder is not None:
            self.recorder.close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """End, and keep what was recorded."""
        if self.recorder is not None:
            self.recorder.__exit__(type(exception), exception, exception.__traceback__)
