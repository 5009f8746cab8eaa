"""Densities: a mixture density network, a normalizing flow, a regression with its variance."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tests.zoo.member import Member


def branches(count: int, seed: int) -> tuple[Any, Any]:
    """Return inputs (count, 1), and targets of two branches that cross."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, generator=generator) * 2 - 1
    side = torch.randint(2, (count, 1), generator=generator) * 2 - 1
    return x, 20 * side * (1.0 + x) + 2 * torch.randn(count, 1, generator=generator)


def make_mixture(width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(1, width),
                nn.Tanh(),
                nn.Linear(width, width),
                nn.Tanh(),
            )
            self.weight = nn.Linear(width, 4)
            self.mean = nn.Linear(width, 4)
            self.log_std = nn.Linear(width, 4)
            with torch.no_grad():
                self.mean.bias.copy_(torch.linspace(-20, 20, 4))

        def forward(self, x: Any) -> Any:
            hidden = self.body(x)
            return self.weight(hidden), self.mean(hidden), self.log_std(hidden)

    torch.manual_seed(40)
    model = Mixture()
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def mixture_loss(model: Any, x: Any, y: Any) -> Any:
    import torch

    weight, mean, log_std = model(x)
    each = weight.log_softmax(1) - log_std - 0.5 * ((y - mean) / log_std.exp()) ** 2
    return 0.5 * math.log(2 * math.pi) - torch.logsumexp(each, 1).mean()


def underflowing_loss(model: Any, x: Any, y: Any) -> Any:
    """Return the same as the logarithm of a sum of densities: log(0) far from every mean."""
    weight, mean, log_std = model(x)
    std = log_std.exp()
    density = (-0.5 * ((y - mean) / std) ** 2).exp() / (std * math.sqrt(2 * math.pi))
    return -(weight.softmax(1) * density).sum(1).log().mean()


def train_mixture(model: Any, optimizer: Any, recorder: Any, criterion: Any = mixture_loss) -> None:
    from tests.zoo import data_c

    x, y = branches(2000, 41)
    for batch in data_c.batches(len(x), 100, 400):
        loss = criterion(model, x[batch], y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_mixture(model: Any) -> float:
    """Return the mean log density of held-out targets (one Gaussian for all: -4.6)."""
    import torch

    with torch.no_grad():
        return -mixture_loss(model, *branches(1000, 42)).item()


def moons(count: int, seed: int) -> Any:
    import torch
    from sklearn.datasets import make_moons

    x, _ = make_moons(count, noise=0.05, random_state=seed)
    x = torch.tensor(x, dtype=torch.float32)
    return (x - torch.tensor([0.5, 0.25])) / torch.tensor([0.87, 0.5])


def make_flow(width: int = 64, decay: float = 1e-4) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Coupling(nn.Module):
        def __init__(self, flip: bool) -> None:
            super().__init__()
            self.flip = flip
            self.net = nn.Sequential(
                nn.Linear(1, width),
                nn.LeakyReLU(),
                nn.Linear(width, width),
                nn.LeakyReLU(),
                nn.Linear(width, 2),
            )

        def forward(self, x: Any) -> Any:
            kept, moved = x.flip(1).chunk(2, 1) if self.flip else x.chunk(2, 1)
            scale, shift = self.net(kept).chunk(2, 1)
            scale = 2 * torch.tanh(scale / 2)
            return torch.cat((kept, moved * scale.exp() + shift), 1), scale[:, 0]

    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.couplings = nn.ModuleList(Coupling(flip=True) for _ in range(6))

        def forward(self, x: Any) -> Any:
            volume = torch.zeros(len(x))
            for coupling in self.couplings:
                x, log_scale = coupling(x)
                volume = volume + log_scale
            return -0.5 * x.square().sum(1) - math.log(2 * math.pi) + volume

    torch.manual_seed(43)
    model = Flow()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=decay)


def train_flow(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_c

    x = moons(2000, 44)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    for batch in data_c.batches(len(x), 128, 400):
        loss = -model(x[batch]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_flow(model: Any) -> float:
    """Return the mean log density of held-out points (one Gaussian: about -2.6)."""
    import torch

    with torch.no_grad():
        return model(moons(1000, 45)).mean().item()


def make_variance(width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Regression(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(10, width),
                nn.SiLU(),
                nn.Dropout(0.05),
                nn.Linear(width, width),
                nn.SiLU(),
            )
            self.mean = nn.Linear(width, 1)
            self.spread = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            hidden = self.body(x)
            return self.mean(hidden)[:, 0], nn.functional.softplus(self.spread(hidden))[:, 0]

    torch.manual_seed(46)
    model = Regression()
    return model, torch.optim.RAdam(model.parameters(), lr=3e-3)


def friedman(count: int, seed: int) -> tuple[Any, Any]:
    """Return Friedman's first regression problem, standardized; its small noise: losses below 0."""
    import torch
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(count, noise=0.3, random_state=seed)
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    return 2 * x - 1, (y - 14.4) / 4.9


def train_variance(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_c

    x, y = friedman(3000, 47)
    held_x, held_y = friedman(300, 48)
    criterion = nn.GaussianNLLLoss()
    for count, batch in enumerate(data_c.batches(len(x), 64, 400)):
        model.train()
        optimizer.zero_grad()
        mean, variance = model(x[batch])
        loss = criterion(mean, y[batch], variance)
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)
        if count % 50 == 49:
            model.eval()
            with torch.no_grad():
                mean, variance = model(held_x)
                recorder.log(validation_loss=criterion(mean, held_y, variance))


def score_variance(model: Any) -> float:
    """Return the share of the held-out variance that the mean explains."""
    import torch

    x, y = friedman(1000, 49)
    model.eval()
    with torch.no_grad():
        return (1 - (model(x)[0] - y).square().mean() / y.var()).item()


MIXTURE = {
    "family": "mixture density network",
    "make": make_mixture,
    "score": score_mixture,
    "learned": -3.6,
}
FLOW = {"family": "normalizing flow", "train": train_flow, "score": score_flow, "learned": -2.2}

MEMBERS = [
    Member(name="mixture-64-branches", train=train_mixture, **MIXTURE),
    Member(
        name="mixture-64-branches-log-0",
        train=partial(train_mixture, criterion=underflowing_loss),
        fault="logarithm of a density that underflows to 0",
        root=("GL001",),
        counterpart="mixture-64-branches",
        **MIXTURE,
    ),
    Member(name="flow-64-moons-adamw", make=make_flow, **FLOW),
    Member(
        name="flow-64-moons-decay-10",
        make=partial(make_flow, decay=10.0),
        fault="weight decay of 10",
        root=("GL309",),
        symptoms=("GL101", "GL402"),
        counterpart="flow-64-moons-adamw",
        **FLOW,
    ),
    Member(
        name="variance-128-friedman-radam",
        family="Gaussian regression",
        make=make_variance,
        train=train_variance,
        score=score_variance,
        learned=0.75,
    ),
]
