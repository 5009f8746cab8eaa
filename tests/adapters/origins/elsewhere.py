"""Planted non-finite numbers that no line of the model makes: updates, and data.

Each is a training of `STEPS` steps that breaks at the step `BROKEN`, or in the update before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.adapters.origins.nets import CLASSES, ROWS, Blocks, batch

BROKEN, STEPS = 7, 8


class Training:
    """A net that trains, and what goes wrong with it: what the origin has to name."""

    OPERATION = ""
    MODULE = ""  # or the parameter's name, or the argument's

    def __init__(self, mask: str = "where"):
        torch.manual_seed(0)
        self.model = self.net(mask)
        self.optimizer = self.optimizer_of(self.model)

    def net(self, mask: str) -> nn.Module:
        return Blocks(mask, _Nothing())

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), 1e-3)

    def loss(self, step: int) -> Tensor:
        x, y, _ = batch(step, False)
        return F.cross_entropy(self.model(x, torch.tensor(0.0)), y)

    def step(self, step: int) -> Tensor:
        loss = self.loss(step)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class _Nothing(nn.Module):
    def forward(self, h, on):
        return h * 0


# -- in the update ---------------------------------------------------------------------------------


class AdamWithoutEpsilon(Training):
    """Adam divides 0 by 0: the gradient was always 0, and epsilon is 0."""

    OPERATION, MODULE = "update", "unused"

    def net(self, mask):
        model = super().net(mask)
        model.unused = nn.Parameter(torch.ones(3))
        return model

    def optimizer_of(self, model):
        others = [each for each in model.parameters() if each is not model.unused]
        return torch.optim.Adam([{"params": others}, {"params": [model.unused]}], 1e-3)

    def loss(self, step):
        return super().loss(step) + (self.model.unused * 0).sum()  # pyright: ignore

    def step(self, step):
        loss = self.loss(step)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.param_groups[1]["eps"] = 0.0 if step == BROKEN - 1 else 1e-8
        self.optimizer.step()  # <- here
        return loss


class HalfPrecisionAdam(Training):
    """In float16, second moments of small gradients are 0, and so is an epsilon of 1e-8."""

    OPERATION, MODULE = "update", "weight"

    def net(self, mask):
        return nn.Linear(4, CLASSES).half()

    def optimizer_of(self, model):
        return torch.optim.Adam(model.parameters(), 1e-3, eps=1e-3, foreach=False)

    def step(self, step):
        x, y, _ = batch(step, False)
        small = step == BROKEN - 1
        loss = F.cross_entropy(self.model(x[:, 0].half()).float(), y) * (1e-5 if small else 1.0)
        self.optimizer.zero_grad()
        loss.backward()
        if small:
            self.optimizer.state.clear()
            self.optimizer.param_groups[0]["eps"] = 1e-8
        self.optimizer.step()  # <- here
        return loss


class InfiniteRate(Training):
    """A schedule divides by 0."""

    OPERATION, MODULE = "update", "embed.weight"

    def step(self, step):
        loss = self.loss(step)
        self.optimizer.zero_grad()
        loss.backward()
        if step == BROKEN - 1:
            self.optimizer.param_groups[0]["lr"] = float("inf")
        self.optimizer.step()  # <- here
        return loss


class HugeDecay(Training):
    """Weight decay times rate is far above 2: every step flips the weights and grows them."""

    OPERATION, MODULE = "update", "embed.weight"

    def optimizer_of(self, model):
        return torch.optim.SGD(model.parameters(), 1e-3)

    def step(self, step):
        loss = self.loss(step)
        self.optimizer.zero_grad()
        loss.backward()
        if step == BROKEN - 1:
            self.optimizer.param_groups[0]["weight_decay"] = 3e38
            self.optimizer.param_groups[0]["lr"] = 1e3
        self.optimizer.step()  # <- here
        return loss


class _Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.std = nn.Linear(4, 3), nn.Parameter(torch.full((3,), 0.5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(x), self.std.expand(len(x), 3)


class ParameterBelowZero(Training):
    """A policy's `std`, a parameter without a bound, goes below 0; its logarithm is NaN."""

    OPERATION, MODULE = r"\blog\b", "std"

    def net(self, mask):
        return _Policy()

    def step(self, step):
        mean, std = self.model(batch(step, False)[0][:, 0])
        if step == BROKEN - 1:
            self.optimizer.param_groups[0]["lr"] = 0.8
        loss = torch.log(std).mean() + ((0.3 - mean) ** 2 / 2).mean()  # <- here
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


UPDATE = (AdamWithoutEpsilon, HalfPrecisionAdam, InfiniteRate, HugeDecay, ParameterBelowZero)


# -- in the data -----------------------------------------------------------------------------------


class NanInInput(Training):
    OPERATION, MODULE, INDEX = "input", "x", (3, 2, 1)

    def step(self, step):
        x, y, on = batch(step, False)
        if step == BROKEN:
            x[3, 2, 1] = float("nan")
        loss = F.cross_entropy(self.model(x, on), y)  # <- here
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class InfinityInInput(Training):
    OPERATION, MODULE, INDEX = "input", "x", (4, 0, 2)

    def step(self, step):
        x, y, on = batch(step, False)
        if step == BROKEN:
            x[4, 0, 2] = float("inf")
        loss = F.cross_entropy(self.model(x=x, on=on), y)  # <- here
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class NanInTarget(Training):
    OPERATION, MODULE = "target", ""

    def step(self, step):
        x, y, on = batch(step, False)
        target = F.one_hot(y, CLASSES).float()
        if step == BROKEN:
            target[2, 1] = float("nan")
        loss = F.mse_loss(self.model(x, on), target)  # <- here
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class NanInWeights(Training):
    OPERATION, MODULE = "target", ""

    def step(self, step):
        x, y, on = batch(step, False)
        weight = torch.ones(ROWS)
        if step == BROKEN:
            weight[5] = float("nan")
        error = F.cross_entropy(self.model(x, on), y, reduction="none")
        loss = (error * weight).mean()  # <- here
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class HugeInput(Training):
    """A missing value was coded as 1e38: the first layer's product overflows."""

    OPERATION, MODULE = r"mm\b|linear|matmul", "embed"

    def net(self, mask):
        model = super().net(mask)
        nn.init.constant_(model.embed.weight, 3.0)
        return model

    def step(self, step):
        x, y, on = batch(step, False)
        if step == BROKEN:
            x[1, 3] = 3e38
        loss = F.cross_entropy(self.model(x, on), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


DATA = (NanInInput, InfinityInInput, NanInTarget, NanInWeights, HugeInput)
