"""Plain loops over plain nets: deep relu, two classes, SIREN, autoencoder, batches of one."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_deep(start: str = "he", rate: float = 5e-4, half: bool = False) -> tuple[Any, Any]:
    """Build a deep relu net: He's start, PyTorch's own, or biases so low that relu is silent."""
    import torch
    from torch import nn

    width = 64
    depth = 20
    torch.manual_seed(50)
    maps = [nn.Linear(width, width) for _ in range(depth - 1)]
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU())
    for each in maps:
        model.extend([each, nn.ReLU()])
    model.append(nn.Linear(width, 10))
    for each in [model[0], *maps]:
        if start != "default":
            nn.init.kaiming_normal_(each.weight, nonlinearity="relu")
            nn.init.zeros_(each.bias)
    if start == "low bias":
        nn.init.constant_(maps[depth // 2].bias, -20.0)
    if half:
        model.bfloat16()
    return model, torch.optim.Adam(model.parameters(), lr=rate)


def train_deep(model: Any, optimizer: Any, recorder: Any, steps: int = 300) -> None:
    from torch import nn

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    x = x.to(next(model.parameters()).dtype)
    criterion = nn.CrossEntropyLoss()
    for batch in data_c.batches(len(x), 64, steps):
        loss = criterion(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_digits(model: Any) -> float:
    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    x = x.to(next(model.parameters()).dtype)
    return data_c.accuracy(model, x, y)


def make_single(width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(51)
    model = nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10), nn.Softmax(dim=1))
    return model, torch.optim.SGD(model.parameters(), lr=0.02)


def train_single(model: Any, optimizer: Any, recorder: Any, keep: float = 0.0) -> None:
    """Train on batches of one; `keep` pulls the weights back into a box after each step."""
    import torch

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    for batch in data_c.batches(len(x), 1, 1000):
        chance = model(x[batch])
        loss = -torch.log(chance[0, y[batch[0]]] + 1e-9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if keep:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.clamp_(-keep, keep)
        recorder.log(loss=loss.item())


def make_two(last: str = "sigmoid", width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(52)
    ends = {"sigmoid": nn.Sigmoid(), "softmax": nn.Softmax(dim=1)}
    model = nn.Sequential(
        nn.Linear(30, width),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(width, 1),
        ends[last],
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def tumours() -> tuple[Any, Any, Any, Any]:
    import torch
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(x, dtype=torch.float32)[order]
    y = torch.tensor(y, dtype=torch.float32)[order]
    x = (x - x[:400].mean(0)) / x[:400].std(0)
    return x[:400], y[:400], x[400:], y[400:]


def train_two(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch import nn

    from tests.zoo import data_c

    x, y, *_ = tumours()
    criterion = nn.BCELoss()
    model.train()
    for batch in data_c.batches(len(x), 16, 300):
        optimizer.zero_grad()
        loss = criterion(model(x[batch])[:, 0], y[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_two(model: Any) -> float:
    import torch

    *_, x, y = tumours()
    model.eval()
    with torch.no_grad():
        return ((model(x)[:, 0] > 0.5).float() == y).float().mean().item()


def make_siren(width: int = 64, factor: float = 30.0) -> tuple[Any, Any]:
    """Build a SIREN as its paper does: the sine of 30 times a linear map, and its own start."""
    import torch
    from torch import nn

    class Sine(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.sin(factor * x)

    torch.manual_seed(53)
    maps = [
        nn.Linear(2, width),
        nn.Linear(width, width),
        nn.Linear(width, width),
        nn.Linear(width, 1),
    ]
    for count, each in enumerate(maps):
        bound = 0.5 if count == 0 else math.sqrt(6 / width) / factor
        nn.init.uniform_(each.weight, -bound, bound)
    model = nn.Sequential(maps[0], Sine(), maps[1], Sine(), maps[2], Sine(), maps[3])
    return model, torch.optim.Adam(model.parameters(), lr=1e-4)


def picture() -> tuple[Any, Any]:
    import torch

    axis = torch.linspace(-1, 1, 32)
    place = torch.cartesian_prod(axis, axis)
    disc = torch.sign(place.norm(dim=1, keepdim=True) - 0.6)
    value = torch.sin(9 * place[:, :1] * place[:, 1:]) + 0.5 * disc
    return place, value / 1.2


def train_siren(model: Any, optimizer: Any, recorder: Any, factor: float = 0.995) -> None:
    """Multiply the learning rate by `factor` after each step."""
    import torch

    place, value = picture()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, factor)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (model(place) - value).square().mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss)


def score_siren(model: Any) -> float:
    """Return the share of the picture's variance that is drawn."""
    import torch

    place, value = picture()
    with torch.no_grad():
        return (1 - (model(place) - value).square().mean() / value.var()).item()


def make_autoencoder(width: int = 256) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(54)
    model = nn.Sequential(
        nn.Linear(64, width),
        nn.ELU(),
        nn.Linear(width, 16),
        nn.Linear(16, width),
        nn.ELU(),
        nn.Linear(width, 64),
        nn.Sigmoid(),
    )
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_autoencoder(model: Any, optimizer: Any, recorder: Any, brightest: float = 1.0) -> None:
    from torch import nn

    from tests.zoo import data_c

    x = brightest * data_c.digits()[0]
    criterion = nn.MSELoss()
    for batch in data_c.batches(len(x), 128, 250):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), x[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_autoencoder(model: Any, brightest: float = 1.0) -> float:
    """Return the share of the held-out pictures' variance about the mean picture that is drawn."""
    import torch

    from tests.zoo import data_c

    x = brightest * data_c.digits()[2]
    with torch.no_grad():
        return (1 - (model(x) - x).square().sum() / (x - x.mean(0)).square().sum()).item()


DEEP = {
    "family": "MLP",
    "score": score_digits,
    "learned": 0.8,
    "watch": {"baseline_loss": math.log(10)},
}
SINGLE = {"family": "MLP", "make": make_single, "score": score_digits, "learned": 0.7}
TWO = {"family": "MLP", "train": train_two, "score": score_two, "learned": 0.9, "fast": True}
SIREN = {"family": "SIREN", "make": make_siren, "score": score_siren, "learned": 0.8}
AUTO = {"family": "autoencoder", "make": make_autoencoder, "learned": 0.5, "fast": True}

MEMBERS = [
    Member(name="mlp-64-deep-relu-he", make=make_deep, train=train_deep, fast=True, **DEEP),
    Member(
        name="mlp-64-deep-relu-default-start",
        make=partial(make_deep, "default"),
        train=train_deep,
        fault="PyTorch's default start of a deep relu net",
        root=("GL101",),
        symptoms=("GL402",),
        counterpart="mlp-64-deep-relu-he",
        fast=True,
        **DEEP,
    ),
    Member(
        name="mlp-64-deep-relu-low-bias",
        make=partial(make_deep, "low bias"),
        train=train_deep,
        fault="a layer of relu that a bias keeps silent",
        root=("GL201",),
        where="^(22|23)$",
        symptoms=("GL101", "GL105", "GL302", "GL402"),
        counterpart="mlp-64-deep-relu-he",
        fast=True,
        **DEEP,
    ),
    Member(
        name="mlp-64-deep-relu-rate-1e-4",
        make=partial(make_deep, rate=1e-4),
        train=partial(train_deep, steps=600),
        **DEEP,
    ),
    Member(
        name="mlp-64-deep-relu-bfloat16-weights",
        make=partial(make_deep, rate=1e-4, half=True),
        train=partial(train_deep, steps=600),
        fault="weights in bfloat16 at a rate of 1e-4",
        root=("GL301",),
        symptoms=("GL302", "GL402"),
        counterpart="mlp-64-deep-relu-rate-1e-4",
        harmless=True,
        **DEEP,
    ),
    Member(name="mlp-48-batch-1-log-by-hand", train=train_single, fast=True, **SINGLE),
    Member(
        name="mlp-48-batch-1-clamped-weights",
        train=partial(train_single, keep=0.01),
        fault="weights clamped to +-0.01 after each step",
        root=("GL308",),
        symptoms=("GL101", "GL402"),
        counterpart="mlp-48-batch-1-log-by-hand",
        fast=True,
        **SINGLE,
    ),
    Member(name="mlp-32-sigmoid-bce", make=make_two, **TWO),
    Member(
        name="mlp-32-softmax-of-one",
        make=partial(make_two, "softmax"),
        fault="softmax of a single unit",
        root=("GL106",),
        symptoms=("GL101", "GL105", "GL302", "GL402"),
        counterpart="mlp-32-sigmoid-bce",
        **TWO,
    ),
    Member(name="siren-64-picture", train=train_siren, fast=True, **SIREN),
    Member(
        name="siren-64-picture-schedule-exhausted",
        train=partial(train_siren, factor=0.7),
        fault="a schedule that takes the learning rate to nothing within a few steps",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        counterpart="siren-64-picture",
        fast=True,
        **SIREN,
    ),
    Member(name="autoencoder-256-digits", train=train_autoencoder, score=score_autoencoder, **AUTO),
    Member(
        name="autoencoder-256-digits-0-to-255",
        train=partial(train_autoencoder, brightest=255.0),
        score=partial(score_autoencoder, brightest=255.0),
        fault="pixels of 0 to 255 for a sigmoid output",
        root=("GL404", "GL106"),
        symptoms=("GL101", "GL102", "GL202", "GL302", "GL402"),
        counterpart="autoencoder-256-digits",
        **AUTO,
    ),
]
