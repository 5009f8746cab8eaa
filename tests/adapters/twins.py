"""The built-in engine's training, once more in PyTorch, step by step.

PyTorch computes forward and backward by itself; only dLoss/dlogits and what the optimizer did are
the engine's, so that every loss, optimizer, schedule and penalty is covered, and no rounding of one
feeds the other.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn

import gradlab
from gradlab.adapters.torch import watch
from gradlab.nn.loop import Step

ACTIVATIONS = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class Twin(nn.Module):
    """The engine's MLP, skip connections, norms and dropout included."""

    def __init__(self, model: gradlab.MLP):
        super().__init__()
        dtype = torch.from_numpy(np.zeros(1, model.dtype)).dtype
        sizes, block = model.sizes, model.modifiers
        self.layers = nn.ModuleList(
            nn.Linear(i, o, dtype=dtype) for i, o in itertools.pairwise(sizes)
        )
        norm = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}.get(block.norm or "")
        self.norms = nn.ModuleList(norm(n, dtype=dtype) for n in sizes[1:-1]) if norm else None
        self.activation = ACTIVATIONS[model.activation.name]()
        self.skips, self.branch = model.skips, block.branch
        self.masks: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stream = None
        for number, layer in enumerate(self.layers[:-1]):
            z = layer(x)
            stream = stream + self.branch * z if stream is not None and self.skips[number] else z
            n = stream if self.norms is None else self.norms[number](stream)
            x = self.activation(n)
            if self.masks:
                x = x * self.masks[number]
        return self.layers[-1](x)

    def load(self, weights, biases, scales, shifts) -> None:
        with torch.no_grad():
            for layer, weight, bias in zip(self.layers, weights, biases, strict=True):
                layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
                layer.bias.copy_(torch.from_numpy(bias[0]))
            for norm, scale, shift in zip(
                self.norms or (), scales, shifts, strict=bool(self.norms)
            ):
                norm.weight.copy_(torch.from_numpy(scale[0]))
                norm.bias.copy_(torch.from_numpy(shift[0]))


class Replayed(torch.optim.Optimizer):
    """An optimizer that does what another one did."""

    def __init__(self, twin: Twin, learning_rate: float):
        super().__init__(twin.parameters(), {"lr": learning_rate})
        self._twin = twin
        self.target: Step | None = None

    def step(self, closure=None):
        step = self.target
        self.param_groups[0]["lr"] = step.learning_rate
        self._twin.load(step.model.weights, step.model.biases, step.model.scales, step.model.shifts)
        for layer, moment in zip(
            self._twin.layers, step.second_moments or (), strict=step.second_moments is not None
        ):
            self.state[layer.weight]["square_avg"] = torch.from_numpy(
                moment.T * step.second_moment_scale
            )


def train(
    model: gradlab.MLP, data, *, watching: dict | None = None, **training
) -> tuple[gradlab.Run, gradlab.Run]:
    """Train in the engine and in its twin; return both Runs, with the engine's config."""
    torch.set_num_threads(1)
    twin = Twin(model)
    optimizer = Replayed(twin, training.get("learning_rate", 0.03))
    clip, _, most = (training.get("clip") or "").partition(":most=")
    recorder = watch(twin, optimizer, **({"every": 1} | (watching or {})))

    def follow(step: Step) -> None:
        twin.load(step.weights_before, step.biases_before, step.scales_before, step.shifts_before)
        if step.work.modified is not None and step.model.modifiers.dropout:
            twin.masks = [torch.from_numpy(mask.copy()) for mask in step.work.modified.masks]
        optimizer.zero_grad()
        logits = twin(torch.from_numpy(step.work.batch.copy()))
        logits.backward(torch.from_numpy(step.work.deltas[-1].copy()))
        if clip == "norm":
            nn.utils.clip_grad_norm_(twin.parameters(), float(most))
        elif clip == "value":
            nn.utils.clip_grad_value_(twin.parameters(), float(most))
        optimizer.target = step
        optimizer.step()
        names = "validation_loss", "validation_accuracy"
        validation = {
            n: float(v) for n, v in zip(names, step.validation or (), strict=False) if v is not None
        }
        recorder.log(loss=float(step.loss), **validation)

    with recorder:
        run = gradlab.train(model, data, on_step=follow, every=1, **training)
    ours = recorder.run
    config = {**ours.config, **run.config}
    layers = ours.layers.to_dict("records")
    whole = gradlab.Run(ours.name, config, ours.provenance, layers, 1, ours._source)
    return run, whole.matrices
