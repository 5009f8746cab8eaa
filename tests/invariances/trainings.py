"""Small PyTorch trainings, healthy and faulty, and changes that must not change a verdict.

A change leaves alone what is learned: the same steps in other words. `train(member, change)`
applies one; each field of `Change` says what it does.
"""

from __future__ import annotations

import functools
import itertools
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import gradlab
from gradlab.adapters.torch import watch
from gradlab.diagnosis import diagnose
from gradlab.run import Run

ITERATIONS, BATCH, WIDTH = 120, 32, 24
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True)
class Member:
    """One training on the digits.

    Attributes
    ----------
    name : str
    expected : tuple of str
        Codes of root causes, one of which must be found; empty: healthy.
    depth : int
        Hidden layers.
    activation : str
    gain : float
        Of He's initialization for relu, Glorot's else.
    bias : float
        Every bias's first value.
    optimizer : str
        "sgd" or "adam".
    rate, decay, momentum, epsilon : float
    clip : float
        The largest norm of a gradient; 0 means any.
    frozen : int
        The hidden layer, from 1, that the optimizer is not given; 0 means none.
    softmax : bool
        Whether a softmax stands before the cross-entropy.
    """

    name: str
    expected: tuple[str, ...] = ()
    depth: int = 2
    activation: str = "relu"
    gain: float = 1.0
    bias: float = 0.0
    optimizer: str = "sgd"
    rate: float = 0.1
    decay: float = 0.0
    momentum: float = 0.0
    epsilon: float = 1e-8
    clip: float = 0.0
    frozen: int = 0
    softmax: bool = False


MEMBERS = (
    Member("relu"),
    Member("tanh with momentum and decay", activation="tanh", momentum=0.9, rate=0.03, decay=1e-3),
    Member("relu with adam", optimizer="adam", rate=0.003),
    Member("relu with clipping", clip=1.0),
    Member("sigmoid 6", ("GL101",), depth=6, activation="sigmoid"),
    Member("relu 6 at gain 4", ("GL102",), depth=6, gain=4.0, rate=0.02),
    Member("a bias of -10", ("GL201",), bias=-10.0),
    Member("a rate of 1e-5", ("GL302", "GL402"), rate=1e-5),
    Member("a layer outside the optimizer", (), frozen=2),
    Member("softmax before cross-entropy", ("GL106",), softmax=True, rate=0.01),
    Member("adam at 1", ("GL304",), optimizer="adam", rate=1.0),
    Member("an epsilon of 100", ("GL312", "GL306"), optimizer="adam", rate=0.003, epsilon=100.0),
    Member("clipping to 1e-6", ("GL312",), clip=1e-6),
)


@dataclass(frozen=True)
class Change:
    """What is done otherwise, and must not matter.

    Attributes
    ----------
    scale : float
        The loss is multiplied by it, and what depends on its size along: the rate is divided by it
        (SGD; coupled decay and clipping are multiplied), or epsilon is multiplied (Adam).
    permuted : bool
        The units of every hidden layer are put in another order.
    identity : bool
        An nn.Identity stands before every activation.
    renamed : bool
        The modules have other names.
    wrapped : bool
        The model is a part of another one.
    parts : int
        Each batch is split, and the gradients of its parts are added up.
    every : int or None
        The cadence of the costly statistics.
    dtype : torch.dtype
    """

    scale: float = 1.0
    permuted: bool = False
    identity: bool = False
    renamed: bool = False
    wrapped: bool = False
    parts: int = 1
    every: int | None = None
    dtype: torch.dtype = torch.float32


AS_IT_IS = Change()


class Wrapped(nn.Module):
    """A model that hands its input on to another one."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


@functools.cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = gradlab.datasets.digits(seed=0)
    return torch.tensor(data.x_train), torch.tensor(data.y_train)


def build(member: Member, change: Change) -> tuple[nn.Module, list[nn.Linear]]:
    """Return the model and its linear layers, nearest the input first."""
    torch.manual_seed(0)
    sizes = [64, *[WIDTH] * member.depth, 10]
    layers = [nn.Linear(n, m) for n, m in itertools.pairwise(sizes)]
    for layer in layers[:-1]:
        _draw(layer, member)
    if change.permuted:
        _permute(layers)
    parts: list[tuple[str, nn.Module]] = []
    for number, layer in enumerate(layers[:-1]):
        parts.append((f"linear{number}", layer))
        if change.identity:
            parts.append((f"nothing{number}", nn.Identity()))
        parts.append((f"activation{number}", ACTIVATIONS[member.activation]()))
    parts.append(("head", layers[-1]))
    if change.renamed:
        parts = [(f"part_{name[::-1]}", module) for name, module in parts]
    model: nn.Module = nn.Sequential(OrderedDict(parts)).to(change.dtype)
    return (Wrapped(model) if change.wrapped else model), layers


def _draw(layer: nn.Linear, member: Member) -> None:
    if member.activation == "relu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    else:
        nn.init.xavier_normal_(layer.weight)
    with torch.no_grad():
        layer.weight *= member.gain
        layer.bias.fill_(member.bias)


def _permute(layers: list[nn.Linear]) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for layer, after in itertools.pairwise(layers):
            order = torch.randperm(layer.out_features, generator=generator)
            layer.weight.copy_(layer.weight[order].clone())
            layer.bias.copy_(layer.bias[order].clone())
            after.weight.copy_(after.weight[:, order].clone())


def optimizer_of(
    member: Member, change: Change, model: nn.Module, layers: list[nn.Linear]
) -> torch.optim.Optimizer:
    left_out = {id(p) for p in layers[member.frozen - 1].parameters()} if member.frozen else set()
    given = [p for p in model.parameters() if id(p) not in left_out]
    if member.optimizer == "adam":
        return torch.optim.Adam(given, lr=member.rate, eps=member.epsilon * change.scale)
    return torch.optim.SGD(
        given,
        lr=member.rate / change.scale,
        momentum=member.momentum,
        weight_decay=member.decay * change.scale,
    )


def train(member: Member, change: Change = AS_IT_IS) -> Run:
    """Train a member, changed, and return its record."""
    model, layers = build(member, change)
    optimizer = optimizer_of(member, change, model, layers)
    x, y = digits()
    batches = torch.Generator().manual_seed(3)
    with watch(model, optimizer, name=member.name, every=change.every) as recorder:
        for _ in range(ITERATIONS):
            rows = torch.randint(len(x), (BATCH,), generator=batches)
            total = 0.0
            for part in rows.chunk(change.parts):
                answers = model(x[part].to(change.dtype))
                if member.softmax:
                    answers = F.softmax(answers, dim=1)
                loss = change.scale * F.cross_entropy(answers, y[part]) / change.parts
                loss.backward()
                total += float(loss.detach())
            if member.clip:
                nn.utils.clip_grad_norm_(model.parameters(), member.clip * change.scale)
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=total)
    return recorder.run


@functools.cache
def unchanged(member: Member) -> Run:
    return train(member)


def verdict(run: Run) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return the root causes that are more than notes: code, severity and layers, worst first."""
    return sorted((each.rule, each.severity, each.layers) for each in diagnose(run).faults)


def relogged(run: Run, offset: float) -> Run:
    """Return the record of a user who logs the loss with a constant added to it."""
    steps = {
        name: np.ma.array(run.step(name), mask=~run.step_recorded(name))
        for name in run.steps.columns
        if name not in ("iteration", "replicate", "nonfinite_phase")
        and run.step_recorded(name).any()
    }
    steps["loss"] = steps["loss"] + offset
    steps["nonfinite_phase"] = run.step("nonfinite_phase")
    return Run.from_arrays(
        {name: run[name] for name in run.columns},
        steps=steps,
        layers=run.layers.to_dict("records"),
        name=run.name,
        config=run.config,
        provenance=run.provenance,
        recorded={name: run.recorded(name) for name in run.columns},
        output_stage=list(run.output_stage.itertuples(index=False, name=None)),
    )


def changed(**fields) -> Change:
    return replace(AS_IT_IS, **fields)
