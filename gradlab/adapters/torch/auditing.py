"""`audit(model, batch, criterion)`: a model judged by one forward and backward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.watcher import Watch
from gradlab.diagnosis import Diagnosis, diagnose
from gradlab.errors import ArgumentError

# Rules that can judge a single pass.
AT_INIT = (
    "GL001",
    "GL101",
    "GL102",
    "GL105",
    "GL106",
    "GL201",
    "GL202",
    "GL203",
    "GL404",
)
ONE_PASS = {"GL105": {"least": 1}}  # nothing else will come


def audit(
    model: nn.Module,
    batch: Any,
    criterion: Callable[..., Tensor] | None = None,
    *,
    blocks: str | Sequence[str] | None = None,
) -> Diagnosis:
    """Judge a model before anyone trains it: one forward and one backward pass on one batch.

    A copy is run: the model, its gradients and buffers, and the random generators stay as they are.

    Parameters
    ----------
    model : nn.Module
        In the mode in which it will be trained, on the device of the batch.
    batch : (inputs, targets), or a mapping
        `inputs` are what the model is called with: a tensor, a tuple of arguments or a mapping of
        keywords. A mapping by itself is given to the model as keywords, targets included, as
        transformers' models want it.
    criterion : callable, optional
        (the model's answer, targets) -> loss, such as `nn.CrossEntropyLoss()`. None: the model's
        answer is the loss, or has it as `.loss`.
    blocks : str or sequence of str, optional
        Paths of the repeated blocks, as for `watch`.

    Returns
    -------
    Diagnosis
        Of the rules that can judge a single pass: GL001, GL101, GL102, GL105, GL106, GL201, GL202,
        GL203, GL404.

    Raises
    ------
    ArgumentError
        The batch or the criterion does not fit, the loss is no single number that depends on the
        model, no parameter asks for a gradient, or the model cannot be copied.
    """
    subject = _copied(model)
    inputs, targets = _parts(batch, criterion)
    trained = [each for each in subject.parameters() if each.requires_grad]
    if not trained:
        raise ArgumentError(
            f"no parameter of {type(model).__name__} asks for a gradient; unfreeze what is to "
            "learn: parameter.requires_grad_(True)"
        )
    optimizer = torch.optim.SGD(trained, lr=0.0)
    options = WatchOptions(name=type(model).__name__, every=1, blocks=blocks, on_nonfinite="trace")
    devices = sorted({each.device.index for each in trained if each.device.type == "cuda"})
    with (
        torch.random.fork_rng(devices),
        torch.enable_grad(),
        Watch(subject, [optimizer], options) as recorder,
    ):
        optimizer.zero_grad()
        loss = _loss(subject, inputs, targets, criterion)
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)
    return diagnose(recorder.run, select=AT_INIT, limits=ONE_PASS)


def _copied(model: nn.Module) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"model is a {type(model).__name__}; give the torch.nn.Module that is to be trained"
        )
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ArgumentError(
            f"model {type(model).__name__} cannot be copied ({error}); audit it before it is "
            "wrapped, compiled or run"
        ) from error


def _parts(batch: Any, criterion: Callable[..., Tensor] | None) -> tuple[Any, Any]:
    """Return what the model is called with, and the targets."""
    if criterion is not None and not callable(criterion):
        raise ArgumentError(
            f"criterion is a {type(criterion).__name__}; give a function of (answer, targets), "
            "such as nn.CrossEntropyLoss()"
        )
    if criterion is None:
        return batch, None
    if isinstance(batch, Sequence) and len(batch) == 2:
        return batch[0], batch[1]
    raise ArgumentError(
        f"batch is a {type(batch).__name__}; with a criterion, give (inputs, targets)"
    )


def _loss(
    model: nn.Module, inputs: Any, targets: Any, criterion: Callable[..., Tensor] | None
) -> Tensor:
    answer = _called(model, inputs)
    if criterion is not None:
        loss = criterion(answer, targets)
    else:
        loss = answer if isinstance(answer, Tensor) else getattr(answer, "loss", None)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shown = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        wanted = "the criterion" if criterion is not None else "the model (its answer's .loss)"
        raise ArgumentError(f"the loss is {shown}; {wanted} must return a single number")
    if not loss.requires_grad:
        raise ArgumentError(
            "the loss does not depend on any parameter that asks for a gradient; look for "
            "detach(), no_grad() or .item() on the way to it"
        )
    return loss


def _called(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(inputs)
