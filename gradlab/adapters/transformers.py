"""Watch a Hugging Face training: `Trainer(..., callbacks=[GradlabCallback(out="runs/mine")])`."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers import TrainingArguments as Arguments

from gradlab.adapters.torch import Watch, watch
from gradlab.errors import RunError
from gradlab.run import Run

__all__ = ["GradlabCallback"]


class GradlabCallback(TrainerCallback):
    """Records what `Trainer.train` does, by `gradlab.adapters.torch.watch`.

    The Trainer clips gradients before it calls `on_pre_optimizer_step`. `grad_norm` is nevertheless
    the norm before: it is taken as the clipping begins; what clipping leaves is
    `clipped_grad_norm`.

    The loss is that of the model's output as the Trainer uses it: divided by the number of
    micro-batches or of tokens, and summed. Where the Trainer computes another one (label smoothing,
    `compute_loss_func`), it is the mean that the Trainer logs, at every `logging_steps`-th step.

    Parameters
    ----------
    out : path, optional
        As for `watch`.
    **watching
        What else `watch` takes: `every=`, `on_nonfinite="stop"`, `baseline_loss=`, ...

    Attributes
    ----------
    recorder : Watch or None
        Of the training that runs, or has run last.
    """

    def __init__(self, out: Any = None, **watching: Any):
        self.recorder: Watch | None = None
        self._watching = {"out": out, **watching}
        self._handle: Any = None
        self._scaler: Any = None
        self._own_loss = False  # whether the loss of the model's output is what is trained on

    @property
    def run(self) -> Run:
        """The Run of the training that runs, or has run last.

        Raises
        ------
        RunError
            Nothing was trained yet, or this process does not hold the record.
        """
        if self.recorder is None:
            raise RunError("nothing was recorded yet: call Trainer.train with this callback first")
        return self.recorder.run

    def close(self) -> None:
        """End the recording.

        `on_train_end` does it, but no Trainer calls that when an exception ends it.
        """
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self.recorder is not None and self.recorder.iterations:
            self.recorder.close()
        elif self.recorder is not None:
            self.recorder.__exit__(RuntimeError)

    def on_train_begin(
        self, args: Arguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin; the optimizer exists, and the model is where it is trained."""
        self.close()
        model, optimizer = kwargs["model"], kwargs["optimizer"]
        config = {
            "gradient_accumulation": args.gradient_accumulation_steps,
            **self._watching.get("config", {}),
        }
        options = {"distributed": args.world_size > 1, **self._watching, "config": config}
        self.recorder = recorder = watch(model, optimizer, **options)
        recorder.__enter__()
        self._scaler = getattr(optimizer, "scaler", None)
        self._handle = model.register_forward_hook(self._take_loss)

    def on_log(
        self, args: Arguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log the Trainer's mean where the model's own loss is not what is trained on."""
        loss = kwargs.get("logs", {}).get("loss")
        if self.recorder is not None and loss is not None and not self._own_loss:
            self.recorder.log(loss=loss)

    def on_evaluate(
        self, args: Arguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log what the evaluation has given."""
        metrics = kwargs.get("metrics", {})
        if self.recorder is not None and self._handle is not None:
            given = {
                name: metrics.get(f"eval_{name.removeprefix('validation_')}")
                for name in _VALIDATION
            }
            self.recorder.log(**given)

    def on_train_end(
        self, args: Arguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End."""
        self.close()

    def _take_loss(self, module: Any, arguments: Any, output: Any) -> None:
        """Wait for the gradient of the output's loss.

        It tells by what the Trainer has multiplied it.
        """
        loss = output.get("loss") if isinstance(output, dict) else None
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return
        value = loss.detach()

        def log(factor: Tensor) -> None:
            scale = getattr(self._scaler, "_scale", None)  # of half precision
            self._own_loss = True
            if self.recorder is not None:
                self.recorder.log(loss=value * factor if scale is None else value * factor / scale)

        loss.register_hook(log)


_VALIDATION = ("validation_loss", "validation_accuracy")
