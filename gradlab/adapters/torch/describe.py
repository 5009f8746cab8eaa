"""What a model and its optimizers say of themselves, in the words of the engine's config."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch.modules import class_name
from gradlab.adapters.torch.observe.stream import Stream
from gradlab.adapters.torch.observe.wiring import Wiring
from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.origin.lookout import Lookout
from gradlab.adapters.torch.rows import Row
from gradlab.adapters.torch.structure import Structure
from gradlab.run import ADDITION, Run


def config(
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    layers: Sequence[dict[str, Any]],
    wiring: Wiring,
    counts: dict[str, int],
    processes: int,
) -> dict[str, Any]:
    """Return what rules and reports want to know of a training."""
    settings = optimizers[0].param_groups[0]
    applied = Counter(
        layer["activation"] for layer in layers[:-1] if layer["activation"] != "identity"
    )
    inputs = wiring.inputs
    known: dict[str, Any] = {
        "framework": "torch",
        "model": class_name(model),
        "activation": applied.most_common(1)[0][0] if applied else "identity",
        "depth": len(layers) - 1,
        "width": Counter(layer["fan_out"] for layer in layers).most_common(1)[0][0],
        "parameters": counts,
        "optimizer": optimizer_name(optimizers[0]),
        "learning_rate": finite(_own_rate(settings)),
        "batch_size": None if inputs.batch_size is None else inputs.batch_size * processes,
        "seeds": 1,
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
    }
    known["epsilon"] = finite(settings.get("eps"))  # Adafactor's is a pair, and none of Adam's kind
    known["weight_decay"] = finite(settings.get("weight_decay")) or None
    rates = [finite(_own_rate(group)) for each in optimizers for group in each.param_groups]
    if len(set(rates)) > 1:
        known["learning_rates"] = rates
    if len(optimizers) > 1:
        known["optimizers"] = len(optimizers)
    if processes > 1:
        known["processes"] = processes
    if inputs.correlation is not None:
        known |= {"input_correlation": inputs.correlation, "input_rms": inputs.rms}
    known["sequence_shape"] = inputs.sequence and list(inputs.sequence)
    known["positions"] = inputs.positions
    known["input_feature"] = largest_feature(model, wiring)
    known |= _parts(model)
    return {name: value for name, value in known.items() if value is not None}


def _parts(model: nn.Module) -> dict[str, Any]:
    """Return what norms and dropouts of a model say of themselves; None where there are none."""
    modules = list(model.modules())
    averaging = [each for each in modules if getattr(each, "running_mean", None) is not None]
    norms = [each for each in averaging if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    dropping = [each.p for each in modules if isinstance(each, nn.modules.dropout._DropoutNd)]
    return {
        "running_averages": bool(averaging),
        "norm_momentum": max((float(each.momentum or 0) for each in norms), default=None),
        "dropout": max(map(float, dropping), default=0.0) or None,
    }


def largest_feature(model: nn.Module, wiring: Wiring) -> dict[str, Any] | None:
    """Describe the largest feature that a linear map reads off the data, and name that map."""
    found = wiring.inputs.feature
    if found is None:
        return None
    reader = wiring.modules[found.module]
    path = next((name for name, module in model.named_modules() if module is reader), "")
    facts = {"layer": path, "feature": found.number, "features": found.of}
    return facts | {"rms": found.rms, "others_rms": found.others_rms}


def _own_rate(group: dict[str, Any]) -> Any:
    """Return the rate that an optimizer was made with; a schedule may have set another by now."""
    return group.get("initial_lr", group.get("lr"))


def counts(
    model: nn.Module, held: Sequence[nn.Parameter], without_gradient: Sequence[nn.Parameter]
) -> dict[str, int]:
    """Count the entries of parameters.

    Those that are trainable, frozen, trainable but in no optimizer (`held` are those in one), and
    those that an optimizer holds and the first backward pass has given no gradient.
    """
    every = list(model.parameters())
    inside = {id(parameter) for parameter in held}
    trainable = [parameter for parameter in every if parameter.requires_grad]
    parts = {
        "trainable": trainable,
        "frozen": [parameter for parameter in every if not parameter.requires_grad],
        "without_optimizer": [each for each in trainable if id(each) not in inside],
        "without_gradient": without_gradient,
    }
    return {name: sum(each.numel() for each in part) for name, part in parts.items()}


def blocks(stream: Stream, structure: Structure, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Describe the blocks, in the order in which data meet them, then the additions inside them.

    An addition is named after what its branch's weights have in common: "blocks.3.attn".
    """
    numbers = {row.name: number for number, row in enumerate(rows, 1)}
    described: list[dict[str, Any]] = []
    for number, count in stream.rows:
        block = stream.blocks[number]
        inside = [row.name for row in rows if structure.block_of(row.path) == block.path]
        norm = stream.norms.get(number, "")
        known = {"block": block.path, "path": block.path, "kind": block.kind, "norm": norm}
        if count:
            roles = sorted(
                (each for each in stream.branches[number, count]),
                key=lambda role: numbers.get(f"{block.path}.{role}", 0),
            )
            path = _common(roles)
            inside = [name for role in roles if (name := f"{block.path}.{role}") in numbers]
            taken = {each["block"] for each in described}
            label = f"{block.path}.{path or f'addition{count}'}"
            label = f"{label}.{count}" if label in taken else label
            known = {"block": label, "path": block.path, "kind": ADDITION}
        described.append({**known, "layers": [numbers[name] for name in inside]})
    return described


def _common(names: Sequence[str]) -> str:
    """Return what the names of a branch's weights have in common, or the first and the last one."""
    parts = [name.split(".") for name in names]
    shared = []
    for together in zip(*parts, strict=False):
        if len(set(together)) > 1:
            break
        shared.append(together[0])
    if shared or not names:
        return ".".join(shared)
    return f"{names[0]}-{names[-1]}"


def told(options: WatchOptions) -> dict[str, Any]:
    """Return what the user has said of a training; it goes before what is read off the model."""
    known: dict[str, Any] = {"objective": options.objective}
    if options.baseline_loss is not None:
        known["baseline_loss"] = float(options.baseline_loss)
    return {**known, **(options.config or {})}


def finite(value: Any) -> float | None:
    """Return a setting of an optimizer as a finite number.

    None where it is none (a pair, a function, None, NaN).
    """
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return number if math.isfinite(number) else None


def optimizer_name(optimizer: torch.optim.Optimizer) -> str:
    """Return the engine's name of an optimizer.

    "sgd", "momentum", "nesterov", "adam", "adamw", ...
    """
    settings = optimizer.param_groups[0]
    if isinstance(optimizer, torch.optim.SGD) and settings.get("momentum"):
        return "nesterov" if settings.get("nesterov") else "momentum"
    return type(optimizer).__name__.lower()


def last_words(run: Run | None, iteration: int) -> str:
    """Return the diagnosis of a training that was stopped."""
    stopped = f"stopped at iteration {iteration}, before a non-finite gradient reached the weights"
    if run is None:
        return f"{stopped}; the process of rank 0 holds the record"
    # The one place where an adapter needs a verdict: in an exception's text.
    from gradlab.diagnosis import diagnose

    return f"{stopped}\n{diagnose(run)}"


def nothing_recorded(optimizer: torch.optim.Optimizer, lookout: Lookout, *, told: bool) -> str:
    """Say why a record holds no iteration: no step was taken; `told`: some were skipped."""
    name = type(optimizer).__name__
    if not told:
        return (
            f"{name} never stepped inside the watch, so nothing was recorded; call "
            "optimizer.step() of the very optimizer that was given"
        )
    if not lookout.skips:
        return (
            f"{name} never stepped inside the watch, though there were losses and gradients; call "
            "optimizer.step() of the very optimizer that was given"
        )
    origin = lookout.skip_origin
    found = "" if origin is None else f"; first non-finite: {origin}"
    return f"all {lookout.skips} steps of {name} were skipped, so no iteration was recorded{found}"
