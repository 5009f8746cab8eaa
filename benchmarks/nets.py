"""The nets that the benchmarks train, on one thread each: gradlab's, PyTorch's, and the matrix products alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

import gradlab
from gradlab.nn import losses, optimizers
from gradlab.nn.loop import Step, Trainer

RATE = 0.01


class Silent:
    """An observer that wants to know nothing."""

    def observe(self, step: Step) -> bool:
        """Take nothing in."""
        return False

    def revisit(self, step: Step) -> None:
        """Never called."""


def sizes(depth: int, width: int) -> list[int]:
    """Return the units of a net of `depth` hidden layers on the digits."""
    return [64] + [width] * depth + [10]


def trainer(depth: int, width: int, batch: int, replicates: int | None = None) -> Trainer:
    """Return gradlab's bare training: tanh, SGD, float32."""
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP(sizes(depth, width), activation="tanh", init="glorot_normal", replicates=replicates)
    sgd = optimizers.create("sgd", RATE)
    return Trainer(model, data.x_train, data.y_train, losses.get("cross_entropy"), sgd, batch)


def products(depth: int, width: int, batch: int, replicates: int | None = None) -> Callable[[], None]:
    """Return a function that does the matrix products of one step, and nothing else.

    Forward h W, backward h^T delta for every layer and delta W^T for every layer but the first; each with buffers of
    its own, as in training: A^T A would take another, faster routine.
    """
    lead = () if replicates is None else (replicates,)
    rng = np.random.default_rng(0)
    units = sizes(depth, width)

    def made(*shape: int) -> np.ndarray:
        return rng.normal(size=(*lead, *shape)).astype(np.float32)

    weights = [made(n, m) for n, m in pairwise(units)]
    inputs, deltas = [made(batch, n) for n in units[:-1]], [made(batch, m) for m in units[1:]]
    outputs, gradients = [np.empty_like(delta) for delta in deltas], [np.empty_like(w) for w in weights]
    backs = [np.empty_like(h) for h in inputs]
    calls = [(h, w, out) for h, w, out in zip(inputs, weights, outputs, strict=True)]
    calls += [(h.swapaxes(-1, -2), d, g) for h, d, g in zip(inputs, deltas, gradients, strict=True)]
    calls += [(d, w.swapaxes(-1, -2), b) for d, w, b in zip(deltas[1:], weights[1:], backs[1:], strict=True)]

    def step() -> None:
        for a, b, out in calls:
            np.matmul(a, b, out=out)

    return step


def torch_eager(depth: int, width: int, batch: int) -> Callable[[], None]:
    """Return one step of the same net as an `nn.Sequential` in PyTorch's eager mode."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, units = gradlab.datasets.digits(seed=0), sizes(depth, width)
    layers = [part for n, m in pairwise(units) for part in (nn.Linear(n, m), nn.Tanh())]
    model = nn.Sequential(*layers[:-1])
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=RATE), nn.CrossEntropyLoss()
    x = torch.tensor(data.x_train[:batch], dtype=torch.float32)
    y = torch.tensor(data.y_train[:batch], dtype=torch.int64)

    def step() -> None:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()

    return step


def torch_bmm(depth: int, width: int, batch: int, replicates: int) -> Callable[[], None]:
    """Return one step of `replicates` nets at once, as batched products under PyTorch's autograd."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, units = gradlab.datasets.digits(seed=0), sizes(depth, width)
    pairs = list(pairwise(units))
    weights = [(torch.randn(replicates, n, m) * (2 / (n + m)) ** 0.5).requires_grad_() for n, m in pairs]
    biases = [torch.zeros(replicates, 1, m, requires_grad=True) for _, m in pairs]
    x = torch.tensor(data.x_train[:batch], dtype=torch.float32).expand(replicates, -1, -1).contiguous()
    y = torch.tensor(data.y_train[:batch], dtype=torch.int64).repeat(replicates)
    optimizer = torch.optim.SGD([*weights, *biases], lr=RATE)

    def step() -> None:
        optimizer.zero_grad()
        h = x
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            z = torch.baddbmm(bias, h, weight)
            h = torch.tanh(z) if k < len(weights) - 1 else z
        loss = torch.nn.functional.cross_entropy(h.reshape(-1, h.shape[-1]), y, reduction="sum") / batch
        loss.backward()
        optimizer.step()

    return step
