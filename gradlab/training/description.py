"""What the record of a training says of the net, its options and its data."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from gradlab.datasets import Data
from gradlab.nn import optimizers
from gradlab.nn.losses import Loss
from gradlab.nn.mlp import MLP
from gradlab.nn.modifiers import Modifiers
from gradlab.options import TrainingOptions

Array = np.ndarray

ALWAYS = ("learning_rate", "batch_size", "iterations")
"""Options that a record states even where they have their defaults."""
ELSEWHERE = ("loss", "optimizer", "histograms")
"""Options that stand at places of their own."""


def configuration(
    model: MLP, data: Data, criterion: Loss, options: TrainingOptions
) -> dict[str, Any]:
    """Return the configuration of a run: `run.config`."""
    hidden = model.sizes[1:-1]
    optimizer, hyperparameters = optimizers.describe(options.optimizer)
    return {
        "activation": model.activation.name,
        "depth": len(hidden),
        "width": hidden[0] if hidden else 0,
        "init": model.init,
        "gain": model.gain,
        "optimizer": optimizer,
        **hyperparameters,
        **{name: getattr(options, name) for name in ALWAYS},
        "seeds": len(model.seeds),
        "seed": model.seed,
        "loss": criterion.name,
        **_unusual(options, ALWAYS + ELSEWHERE),
        **_unusual(model.modifiers),
        "dtype": model.dtype.name,
        "sizes": list(model.sizes),
        "data": data.name,
        "input_rms": float(np.sqrt(np.mean(np.square(data.x_train, dtype=np.float64)))),
        **_target_scale(data),
        "input_correlation": _mean_cosine(data.x_train),
        "baseline_loss": criterion.constant(data.y_train),
    }


def _unusual(options: TrainingOptions | Modifiers, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the options that do not have their defaults, as JSON can hold them."""
    values = {
        each.name: getattr(options, each.name)
        for each in fields(options)
        if each.name not in without and getattr(options, each.name) != each.default
    }
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def _mean_cosine(x: Array) -> float:
    """Return the mean cosine between two different examples.

    How alike inputs are decides how many units stay silent.
    """
    length = np.sqrt(np.vecdot(x, x))
    unit = x[length > 0] / length[length > 0, None]
    n = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - n) / (n * (n - 1))) if n > 1 else 0.0


def layers(model: MLP) -> list[dict[str, Any]]:
    """Return the rows of `run.layers`."""
    last = len(model.sizes) - 2
    return [
        {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "activation": "identity" if layer == last else model.activation.name,
            "slope_bound": 1.0 if layer == last else model.activation.slope_bound,
        }
        for layer, (fan_in, fan_out) in enumerate(
            zip(model.sizes[:-1], model.sizes[1:], strict=True)
        )
    ]


def blocks(model: MLP) -> list[dict[str, Any]]:
    """Return the rows of `run.blocks`: each layer that is added to the one before it is a block."""
    norm = "none" if model.modifiers.norm is None else "before"
    return [
        {"block": f"hidden{number}", "kind": "residual", "layers": [number], "norm": norm}
        for number, skips in enumerate(model.skips, 1)
        if skips
    ]


def _target_scale(data: Data) -> dict[str, float]:
    """Return root mean square and mean of a regression's targets; nothing for classes."""
    targets = np.asarray(data.y_train)
    if not np.issubdtype(targets.dtype, np.floating):
        return {}
    squares = np.mean(np.square(targets, dtype=np.float64))
    return {"target_rms": float(np.sqrt(squares)), "target_mean": float(targets.mean())}
