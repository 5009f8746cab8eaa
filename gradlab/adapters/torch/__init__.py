"""Watch a PyTorch training: the built-in engine's record and verdicts, in two lines.

    with watch(model, optimizer, out="runs/mine") as recorder:
        for x, y in loader:
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    print(gradlab.diagnose(recorder.run))

Gradient norms are taken at every step, all else at iterations 0-9 and then at every 10th, when
hooks hang on the modules; the model's numbers are those of an unwatched one.

`audit(model, (x, y), criterion)` judges a model before anyone trains it.

`fix(make, train)` tries the remedies of the verdict, and names the smallest change that cures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.auditing import audit
from gradlab.adapters.torch.cures import fix
from gradlab.adapters.torch.options import WatchOptions, taking_options
from gradlab.adapters.torch.sharding import reshard
from gradlab.adapters.torch.watcher import Watch
from gradlab.errors import ArgumentError, suggest

__all__ = ["Watch", "WatchOptions", "audit", "fix", "watch"]

Optimizer = torch.optim.Optimizer


@taking_options
def watch(model: nn.Module, optimizer: Optimizer | Sequence[Optimizer], **options: Any) -> Watch:
    """Record a PyTorch training inside a `with` block.

    Parameters
    ----------
    model : nn.Module
        As it is trained: plain, compiled, or in DistributedDataParallel or FSDP.
    optimizer : Optimizer, or several
        One iteration of the record is one step of each of them.
    {options}

    Returns
    -------
    Watch
        For `with`: `log(loss=loss)`, `run`, `snapshot()`, `trace(function)`.

    Raises
    ------
    ArgumentError
        The model has no parameters, an optimizer holds none of them, or the model is being watched
        already.
    RunError
        `out` holds a run already, or cannot be written to.
    NonFiniteError
        With on_nonfinite="stop", from `optimizer.step()`.

    Warns
    -----
    RuntimeWarning
        The record could not be continued (a full disk, say): the training goes on, and the record
        says so.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"model is a {type(model).__name__}; give the torch.nn.Module that is trained"
        )
    known = [each.name for each in fields(WatchOptions)]
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ArgumentError(f"watch has no option {unknown[0]!r}; {suggest(unknown[0], known)}")
    reshard(model)
    return Watch(model, _checked(model, optimizer), WatchOptions(**options))


def _checked(model: nn.Module, optimizer: Any) -> list[Optimizer]:
    """Return the optimizers as a list; raise ArgumentError where they cannot train this model."""
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else optimizer
    if not isinstance(optimizers, Sequence) or not optimizers or isinstance(optimizers, str):
        raise ArgumentError(
            f"optimizer is a {type(optimizer).__name__}; give a torch.optim.Optimizer, or a list "
            "of them"
        )
    if next(model.parameters(), None) is None:
        raise ArgumentError(
            f"model {type(model).__name__} has no parameters; give the module that is trained"
        )
    held = {id(parameter) for parameter in model.parameters()}
    for each in optimizers:
        if not isinstance(each, Optimizer):
            raise ArgumentError(
                f"optimizer holds a {type(each).__name__}; give torch.optim.Optimizer objects"
            )
        if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
            continue  # which says so itself
        if held.isdisjoint(id(p) for group in each.param_groups for p in group["params"]):
            raise ArgumentError(
                f"{type(each).__name__} holds none of the parameters of {type(model).__name__}; "
                "give the optimizer that was made with model.parameters(), after the model was "
                "moved or wrapped"
            )
    if len({id(each) for each in optimizers}) < len(optimizers):
        raise ArgumentError("optimizer holds one of them twice; give each once")
    return list(optimizers)
