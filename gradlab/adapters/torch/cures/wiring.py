"""Changes of who is trained, and of what goes into the model and the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from gradlab.adapters.torch.cures import around
from gradlab.adapters.torch.cures.around import Option, Stage, Standardizer, Unscaled, with_answer
from gradlab.rules import Remedy
from gradlab.run import Run

SQUARED = ("mse_loss",)  # criteria that grow with the square of the units


def unfreeze(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Let all parameters ask for gradients, and hand them to the optimizer."""

    def apply(stage: Stage) -> None:
        for parameter in stage.model.parameters():
            if parameter.is_floating_point():
                parameter.requires_grad_(True)
        _add_missing(stage)

    yield "unfrozen", "model.requires_grad_(True), before the optimizer is made", apply


def add_to_optimizer(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Hand the optimizer the parameters that none holds."""
    line = "optimizer = ...(model.parameters(), ...), once the model is whole"
    yield "all parameters in the optimizer", line, _add_missing


def _add_missing(stage: Stage) -> None:
    """Give the first optimizer those trainable parameters that none holds."""
    held = {
        id(each)
        for optimizer in stage.optimizers
        for group in optimizer.param_groups
        for each in group["params"]
    }
    missing = [
        each for each in stage.model.parameters() if each.requires_grad and id(each) not in held
    ]
    if missing:
        stage.optimizers[0].add_param_group({"params": missing})


def standardize_inputs(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Standardize what the model is given."""
    line = "x = (x - x_train.mean(0)) / x_train.std(0)"
    yield "inputs standardized", line, lambda stage: stage.before_model(Standardizer())


def standardize_targets(_remedy: Remedy, run: Run) -> Iterator[Option]:
    """Let the model answer in the targets' units, and learn as if they were standardized."""
    rms, mean = (_last(run, name) for name in ("target_rms", "target_mean"))
    deviation = math.sqrt(max(0.0, rms**2 - mean**2)) or rms
    if not 0 < deviation < math.inf:
        return
    degree = 2 if _criterion(run) in SQUARED else 1

    def unscaled(answer: Tensor) -> Any:
        return Unscaled.apply(answer, mean, deviation, degree)

    yield (
        "targets standardized",
        f"y = (y - {mean:.3g}) / {deviation:.3g}",
        lambda stage: stage.behind_model(lambda output: with_answer(output, unscaled)),
    )


def _criterion(run: Run) -> str:
    """Return the name of the criterion that was seen, such as "mse_loss"; empty if none was."""
    known = run.config.get("criterion")
    return str(known.get("name", "")) if isinstance(known, dict) else str(known or "")


def _last(run: Run, name: str) -> float:
    values = run.step(name)[:, 0]
    known = values[values == values]
    return float(known[-1]) if len(known) else math.nan


def remove_operation(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Take back what stands between the last layer and the loss."""
    operation = str(remedy.parameters.get("operation", ""))
    if operation.startswith(("softmax", "log_softmax")) or _criterion(run) == "cross_entropy":
        line = "leave out the softmax: cross_entropy takes logits"
        yield "no softmax before the loss", line, around.without_softmax
    if operation.startswith("sigmoid"):
        line = "leave out the sigmoid: the loss takes logits"
        yield "no sigmoid before the loss", line, around.without_sigmoid
    if operation and not operation.startswith(("softmax", "log_softmax")):
        line = f"leave out the {operation} at the end of the model"
        yield (
            f"no {operation} at the end",
            line,
            lambda stage: around.without_last(stage, operation),
        )


def match_shapes(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Give the criterion targets of the answers' shape."""
    yield (
        "targets in the answers' shape",
        "criterion(model(x), y.view_as(model(x)))",
        (around.same_shapes),
    )


def norm_momentum(remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Let BatchNorm's running averages move as usual."""
    value = float(remedy.parameters.get("momentum", 0.1))

    def apply(stage: Stage) -> None:
        for module in stage.model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.momentum = value

    yield f"norm momentum {value:g}", f"nn.BatchNorm2d(..., momentum={value:g})", apply
