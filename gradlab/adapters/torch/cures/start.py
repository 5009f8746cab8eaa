"""Changes of how a model starts: its weights, biases and activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.cures.around import Option, Stage
from gradlab.adapters.torch.cures.rows import counted, is_drawn, parameter_name, rows_of
from gradlab.rules import Remedy
from gradlab.rules.expressions import expression, weight_of
from gradlab.run import Run


def initialize(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Draw the weights of the layers named anew; then of all."""
    rows = rows_of(remedy, run)
    scheme = str(remedy.parameters.get("scheme") or "he_normal")
    gain = float(remedy.parameters.get("gain", 1.0))
    draw, call = SCHEMES.get(scheme, SCHEMES["he_normal"])
    names = [parameter_name(run, row) for row in rows]

    def apply(stage: Stage) -> None:
        known = dict(stage.model.named_parameters())
        with torch.no_grad():
            for name in names:
                weight = known.get(name)
                if weight is not None and weight.dim() >= 2:
                    draw(weight)
                    weight.mul_(gain)

    first = call.format(weight=weight_of(run, rows[0]) if rows else "module.weight")
    line = first if len(rows) == 1 else f"{first}, and so the other {len(rows) - 1}"
    yield f"{scheme} in {counted(len(rows))}", line, apply
    every = [row for row in range(1, run.matrices.shape[2] + 1) if is_drawn(run, row)]
    if len(every) > len(rows):
        wider = Remedy(remedy.action, remedy.words, {**remedy.parameters, "layers": every})
        yield from list(initialize(wider, run))[:1]


def zero_biases(remedy: Remedy, run: Run) -> Iterator[Option]:
    """Start the biases of the layers named at 0."""
    rows = rows_of(remedy, run)
    names = [parameter_name(run, row).removesuffix("weight") + "bias" for row in rows]

    def apply(stage: Stage) -> None:
        known = dict(stage.model.named_parameters())
        for name in names:
            if name in known:
                nn.init.zeros_(known[name])

    line = f"nn.init.zeros_({expression(names[0])})" if names else "nn.init.zeros_(module.bias)"
    yield "biases 0", line, apply


def open_forget_gates(remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Start an LSTM's forget gates open."""
    value = float(remedy.parameters.get("bias", 2.0))

    def apply(stage: Stage) -> None:
        with torch.no_grad():
            for name, bias in stage.model.named_parameters():
                if ".bias_ih_l" in f".{name}" and bias.numel() % 4 == 0:
                    hidden = bias.numel() // 4
                    bias[hidden : 2 * hidden].fill_(value)

    yield f"forget bias {value:g}", remedy.words.partition("open: ")[2] or remedy.words, apply


def _orthogonal(weight: Tensor) -> None:
    """Make each square part of a recurrent matrix orthogonal; else the whole."""
    out, fan_in = weight.shape[0], weight[0].numel()
    parts = weight.split(fan_in) if out % fan_in == 0 else [weight]
    for part in parts:
        nn.init.orthogonal_(part)


SCHEMES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "he_normal": (
        lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        'nn.init.kaiming_normal_({weight}, nonlinearity="relu")',
    ),
    "glorot_normal": (nn.init.xavier_normal_, "nn.init.xavier_normal_({weight})"),
    "orthogonal": (_orthogonal, "nn.init.orthogonal_({weight})"),
}


def use_activation(remedy: Remedy, _run: Run) -> Iterator[Option]:
    """Put another activation in the place of those that are modules."""
    name = str(remedy.parameters.get("activation", ""))
    if name not in MODULES:
        return
    old = (nn.Sigmoid, nn.Tanh) if name in ("relu", "tanh") else (nn.ReLU,)
    made, written = MODULES[name]

    def apply(stage: Stage) -> None:
        for parent in list(stage.model.modules()):
            for key, child in list(parent.named_children()):
                if isinstance(child, old):
                    setattr(parent, key, made())

    yield name, f"{written} in the place of {old[0].__name__}", apply


MODULES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "relu": (nn.ReLU, "nn.ReLU()"),
    "leaky_relu": (lambda: nn.LeakyReLU(0.1), "nn.LeakyReLU(0.1)"),
    "elu": (nn.ELU, "nn.ELU()"),
    "tanh": (nn.Tanh, "nn.Tanh()"),
}
