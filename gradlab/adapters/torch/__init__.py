"""Watch a PyTorch training: the built-in engine's record and verdicts for any `nn.Module`, in two lines.

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
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.distributed import reshard
from gradlab.adapters.torch.rows import class_name, find_rows, unwrapped
from gradlab.adapters.torch.watcher import Watch
from gradlab.errors import ArgumentError, one_of, whole
from gradlab.run import as_json, storage

__all__ = ["Watch", "watch"]


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    *,
    out: str | Path | None = None,
    name: str | None = None,
    every: int | None = None,
    modules: bool = True,
    updates: bool = True,
    on_nonfinite: str = "trace",
    distributed: bool = False,
    baseline_loss: float | None = None,
    config: Mapping[str, Any] | None = None,
    weights: int = 50,
    seed: int = 0,
    overwrite: bool = False,
) -> Watch:
    """Record a PyTorch training inside a `with` block.

    Parameters
    ----------
    model : nn.Module
        As it is trained: plain, compiled, or in DistributedDataParallel or FSDP.
    optimizer : Optimizer, or several
        One iteration of the record is one step of each of them.
    out : path, optional
        Folder to stream to, new or empty; readable while the training runs, and after a crash.
        None: a temporary one, deleted with the Run.
    name : str, optional
        Of the run; the model's class by default.
    every : int, optional
        Measure weights, updates and modules at every `every`-th iteration instead of at 0-9 and
        every 10th; 1: always.
    modules : bool
        Whether to hang hooks on modules at all; without them activations, deltas and log gains are
        not recorded. A compiled model runs uncompiled in the iterations that are measured, since
        compiled code calls no hooks.
    updates : bool
        Whether to measure actual updates, which keeps two copies of the trained weights.
    on_nonfinite : {"trace", "record", "stop"}
        At the first NaN or infinity in a gradient: "trace" runs the forward pass of that batch
        again, before the optimizer steps, and records which operation broke it (on a CPU; elsewhere
        the look would synchronise in every step); "stop" does so on every device and raises
        NonFiniteError with the diagnosis, the weights still whole; "record" does nothing of the
        kind.
    distributed : bool
        Whether all processes of torch.distributed train this model together. With
        DistributedDataParallel and FSDP that is found out; True is for a model that shows neither:
        a Trainer keeps its wrapped model to itself, a loop may average gradients by its own hand.
        Every process watches; the one of rank 0 writes.
    baseline_loss : float, optional
        Of the best constant prediction, such as ln(classes): without it GL402 cannot tell whether
        anything was learned.
    config : mapping, optional
        More of what was trained and how; it goes before what is read off model and optimizer.
    weights : int
        How many single weights to follow.
    seed : int
        Of that sample.
    overwrite : bool
        Replace a run that already lies in `out`.

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
    optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else optimizer
    if not isinstance(optimizers, Sequence) or not optimizers or isinstance(optimizers, str):
        raise ArgumentError(
            f"optimizer is a {type(optimizer).__name__}; give a torch.optim.Optimizer, or a list of them"
        )
    reshard(model)
    find_rows(unwrapped(model))  # refuses a model without parameters, or with lazy ones
    held = {id(parameter) for parameter in model.parameters()}
    for each in optimizers:
        if not isinstance(each, torch.optim.Optimizer):
            raise ArgumentError(
                f"optimizer holds a {type(each).__name__}; give torch.optim.Optimizer objects"
            )
        if held.isdisjoint(id(p) for group in each.param_groups for p in group["params"]):
            raise ArgumentError(
                f"{type(each).__name__} holds none of the parameters of {type(model).__name__}; give the optimizer "
                "that was made with model.parameters(), after the model was moved or wrapped"
            )
    if every is not None:
        whole("every", every, 1)
    whole("weights", weights, 0)
    whole("seed", seed, 0)
    if out is not None and (not isinstance(out, (str, Path)) or not str(out)):
        raise ArgumentError(f"out={out!r} must be the path of a folder, or None")
    if baseline_loss is not None and not (
        isinstance(baseline_loss, (int, float)) and math.isfinite(baseline_loss)
    ):
        raise ArgumentError(
            f"baseline_loss={baseline_loss!r} must be a finite number, such as ln(classes), or None"
        )
    if len({id(each) for each in optimizers}) < len(optimizers):
        raise ArgumentError("optimizer holds one of them twice; give each once")
    config = as_json("config", dict(config or {}))
    if out is not None:
        storage.check_folder(Path(out), overwrite)
    one_of("on_nonfinite", on_nonfinite, ("trace", "record", "stop"))
    name = name or class_name(unwrapped(model))
    options = {"name": name, "out": out, "weights": weights, "seed": seed, "overwrite": overwrite}
    return Watch(
        model, optimizers, every=every, modules=modules, updates=updates, on_nonfinite=on_nonfinite,
        distributed=distributed, baseline_loss=baseline_loss, options=options, config=config,
    )  # fmt: skip
