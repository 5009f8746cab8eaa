"""Steps of other kinds: sharpness-aware, float16 with a scaled loss, reversed gradients."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_classifier(width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(60)
    model = nn.Sequential(
        nn.Linear(64, width),
        nn.LayerNorm(width),
        nn.GELU(),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Linear(width, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_sharpness(model: Any, optimizer: Any, recorder: Any) -> None:
    """Climb by 0.05, take the gradient there, go back, step."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    for batch in data_c.batches(len(x), 64, 200):
        loss = functional.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.1)
        loss.backward()
        with torch.no_grad():
            length = torch.stack([each.grad.norm() for each in model.parameters()]).norm()
            climbs = [each.grad * (0.05 / (length + 1e-12)) for each in model.parameters()]
            for parameter, climb in zip(model.parameters(), climbs, strict=True):
                parameter.add_(climb)
        optimizer.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.1).backward()
        with torch.no_grad():
            for parameter, climb in zip(model.parameters(), climbs, strict=True):
                parameter.sub_(climb)
        optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss.item())


def train_scaled(
    model: Any,
    optimizer: Any,
    recorder: Any,
    scale: float = 2.0**24,
    anew: bool = False,
) -> None:
    """Use float16 with a scaled loss; with `anew`, a new scaler in every step."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    for batch in data_c.batches(len(x), 64, 200):
        if anew:
            scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = functional.cross_entropy(model(x[batch]), y[batch])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        recorder.log(loss=loss)


def score_digits(model: Any) -> float:
    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    return data_c.accuracy(model, x, y)


def make_domains(width: int = 64) -> tuple[Any, Any]:
    """Build a net whose features are to tell the digit but not the domain (DANN)."""
    import torch
    from torch import nn

    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(_context: Any, x: Any) -> Any:
            return x.view_as(x)

        @staticmethod
        def backward(_context: Any, gradient: Any) -> Any:
            return -0.1 * gradient

    class Domains(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Linear(64, width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
            )
            self.label = nn.Linear(width, 10)
            self.domain = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

        def forward(self, x: Any) -> Any:
            hidden = self.features(x)
            return self.label(hidden), self.domain(Reverse.apply(hidden))

    torch.manual_seed(61)
    model = Domains()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_domains(model: Any, optimizer: Any, recorder: Any, wrong: bool = False) -> None:
    """Digits are the source, darker noisy ones the target; `wrong` shuffles the labels."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    if wrong:
        y = y[torch.randperm(len(y))]
    domain = torch.tensor([0] * 64 + [1] * 64)
    for batch in data_c.batches(len(x), 64, 250):
        other = 0.6 * x[torch.randint(len(x), (64,))] + 0.1 * torch.randn(64, 64)
        label, place = model(torch.cat((x[batch], other)))
        loss = functional.cross_entropy(label[:64], y[batch])
        loss = loss + functional.cross_entropy(place, domain)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_domains(model: Any) -> float:
    import torch

    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    generator = torch.Generator().manual_seed(62)
    with torch.no_grad():
        label, _ = model(0.6 * x + 0.1 * torch.randn(x.shape, generator=generator))
    return (label.argmax(1) == y).float().mean().item()


BASELINE = {"baseline_loss": math.log(10)}
CLASSIFIER = {"family": "MLP", "score": score_digits, "watch": BASELINE, "fast": True}
DOMAINS = {
    "family": "DANN",
    "make": make_domains,
    "score": score_domains,
    "learned": 0.8,
    "fast": True,
}

MEMBERS = [
    Member(
        name="mlp-96-sharpness-aware",
        make=make_classifier,
        train=train_sharpness,
        learned=0.9,
        **CLASSIFIER,
    ),
    Member(
        name="mlp-96-float16-scaled",
        make=make_classifier,
        train=train_scaled,
        learned=0.9,
        **CLASSIFIER,
    ),
    Member(
        name="mlp-96-float16-scaled-from-2-to-20",
        make=make_classifier,
        train=partial(train_scaled, scale=2.0**20),
        learned=0.9,
        **CLASSIFIER,
    ),
    Member(
        name="mlp-96-float16-scaler-anew",
        make=make_classifier,
        train=partial(train_scaled, scale=2.0**20, anew=True),
        learned=0.9,
        fault="a new GradScaler in every step: nearly all are skipped",
        root=("GL307",),
        symptoms=("GL302", "GL402", "GL105"),
        counterpart="mlp-96-float16-scaled-from-2-to-20",
        **CLASSIFIER,
    ),
    Member(name="dann-64-digits", train=train_domains, **DOMAINS),
    Member(
        name="dann-64-digits-shuffled-labels",
        train=partial(train_domains, wrong=True),
        fault="labels in another order than their images",
        root=("GL402",),
        counterpart="dann-64-digits",
        **DOMAINS,
    ),
]
