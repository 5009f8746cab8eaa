"""A small net, a batch, and the loop that a user writes, watched or not."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

import gradlab
from gradlab.adapters.torch import watch


def mlp(*sizes: int, activation=nn.Tanh, dtype=torch.float64) -> nn.Sequential:
    parts: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        parts += [nn.Linear(fan_in, fan_out, dtype=dtype), activation()]
    return nn.Sequential(*parts[:-1])


def batch(n: int = 16, features: int = 6, classes: int = 3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(n, features, generator=generator, dtype=dtype),
        torch.randint(0, classes, (n,), generator=generator),
    )


def train(model, optimizer, steps=12, recorder=None, data=None, loss=F.cross_entropy):
    """A user's loop; returns the losses."""
    x, y = data or batch()
    losses = []
    for _ in range(steps):
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        if recorder is not None:
            recorder.log(loss=value)
        losses.append(float(value.detach()))
    return losses


def watched(model, optimizer, steps=12, data=None, loss=F.cross_entropy, **options) -> gradlab.Run:
    """Train and return the run of the weight matrices."""
    with watch(model, optimizer, **options) as recorder:
        train(model, optimizer, steps, recorder, data, loss)
    return recorder.run.matrices
