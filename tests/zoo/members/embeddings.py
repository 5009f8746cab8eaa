"""Embeddings: a recommender with sparse rows, triplets of digits, and two tasks with one body."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_recommender(width: int = 32, start: float = 0.1, rate: float = 0.02) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Recommender(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.user = nn.Embedding(300, width, sparse=True)
            self.item = nn.Embedding(200, width, sparse=True)
            self.user_bias = nn.Embedding(300, 1, sparse=True)
            self.item_bias = nn.Embedding(200, 1, sparse=True)
            for each in (self.user, self.item):
                nn.init.normal_(each.weight, std=start)
            for each in (self.user_bias, self.item_bias):
                nn.init.zeros_(each.weight)

        def forward(self, user: Any, item: Any) -> Any:
            score = (self.user(user) * self.item(item)).sum(1)
            return score + self.user_bias(user)[:, 0] + self.item_bias(item)[:, 0]

    torch.manual_seed(70)
    model = Recommender()
    return model, torch.optim.SparseAdam(model.parameters(), lr=rate)


def ratings() -> tuple[Any, Any, Any]:
    """Return users, items and standardized ratings of rank 3 with noise, in random order."""
    import torch

    generator = torch.Generator().manual_seed(71)
    taste = torch.randn(300, 3, generator=generator)
    kind = torch.randn(200, 3, generator=generator)
    order = torch.randperm(300 * 200, generator=generator)[:24_000]
    user = order // 200
    item = order % 200
    rating = (taste[user] * kind[item]).sum(1) + 0.5 * torch.randn(len(order), generator=generator)
    return user, item, (rating - rating.mean()) / rating.std()


def train_recommender(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch import nn

    from tests.zoo import data_c

    user, item, rating = ratings()
    criterion = nn.MSELoss()
    for batch in data_c.batches(20_000, 256, 400):
        optimizer.zero_grad()
        loss = criterion(model(user[batch], item[batch]), rating[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_recommender(model: Any) -> float:
    """Return the share of the held-out ratings' variance that is explained."""
    import torch

    user, item, rating = (each[20_000:] for each in ratings())
    with torch.no_grad():
        return (1 - (model(user, item) - rating).square().mean() / rating.var()).item()


def make_triplets(width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(72)
    model = nn.Sequential(
        nn.Linear(64, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, 16),
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_triplets(model: Any, optimizer: Any, recorder: Any, floor: float = 1e-6) -> None:
    """Anchor and positive may be the same image; without a `floor` the root has no slope there."""
    import torch

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    rows = [torch.nonzero(y == label)[:, 0] for label in range(10)]
    generator = torch.Generator().manual_seed(73)
    model.train()
    for anchor in data_c.batches(len(x), 64, 200):
        alike = [rows[label] for label in y[anchor].tolist()]
        picks = [each[torch.randint(len(each), (), generator=generator)] for each in alike]
        positive = torch.stack(picks)
        negative = torch.randint(len(x), (64,), generator=generator)
        mine, same, other = model(torch.cat((x[anchor], x[positive], x[negative]))).chunk(3)
        near = ((mine - same).square().sum(1) + floor).sqrt()
        far = ((mine - other).square().sum(1) + floor).sqrt()
        apart = (y[anchor] != y[negative]).float()
        loss = ((near - far + 1.0).relu() * apart).sum() / apart.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_triplets(model: Any) -> float:
    """Return the accuracy of the nearest class mean in the embedding."""
    import torch

    from tests.zoo import data_c

    x, y, held_x, held_y = data_c.digits()
    model.eval()
    with torch.no_grad():
        embedded = model(x)
        centres = torch.stack([embedded[y == label].mean(0) for label in range(10)])
        return (torch.cdist(model(held_x), centres).argmin(1) == held_y).float().mean().item()


def make_tasks(width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tasks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(64, width),
                nn.Mish(),
                nn.Linear(width, width),
                nn.Mish(),
            )
            self.digit = nn.Linear(width, 10)
            self.ink = nn.Sequential(nn.Linear(width, 32), nn.Mish(), nn.Linear(32, 1))

        def forward(self, x: Any) -> Any:
            hidden = self.body(x)
            return self.digit(hidden), self.ink(hidden)[:, 0]

    torch.manual_seed(74)
    model = Tasks()
    return model, torch.optim.Adamax(model.parameters(), lr=5e-3)


def ink(x: Any) -> Any:
    """Return how much darker the upper half is than the lower one."""
    return (x[:, :32].sum(1) - x[:, 32:].sum(1)) / 2.5


def train_tasks(model: Any, optimizer: Any, recorder: Any, as_number: bool = False) -> None:
    """With `as_number`, the second loss is added as a Python number, which carries no gradient."""
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    for batch in data_c.batches(len(x), 32, 300):
        digit, dark = model(x[batch])
        second = functional.mse_loss(dark, ink(x[batch]))
        if as_number:
            second = second.item()
        loss = functional.cross_entropy(digit, y[batch]) + 0.5 * second
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_tasks(model: Any) -> float:
    """Return the worse of the digits' accuracy and the explained share of the second target."""
    import torch

    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    with torch.no_grad():
        digit, dark = model(x)
    accuracy = (digit.argmax(1) == y).float().mean()
    explained = 1 - (dark - ink(x)).square().mean() / ink(x).var()
    return min(accuracy.item(), explained.item())


RATINGS = {
    "family": "matrix factorization",
    "train": train_recommender,
    "score": score_recommender,
    "learned": 0.4,
}
TRIPLETS = {"family": "triplet net", "make": make_triplets, "score": score_triplets, "learned": 0.9}
TASKS = {
    "family": "multi-task net",
    "make": make_tasks,
    "score": score_tasks,
    "learned": 0.75,
    "fast": True,
}

MEMBERS = [
    Member(name="factorization-32-sparse", make=make_recommender, fast=True, **RATINGS),
    Member(
        name="factorization-32-start-at-zero",
        make=partial(make_recommender, start=0.0),
        fault="both factors of a product start at 0",
        root=("GL305", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
        where="user|item",
        counterpart="factorization-32-sparse",
        fast=True,
        **RATINGS,
    ),
    Member(name="triplet-128-digits", train=train_triplets, **TRIPLETS),
    Member(
        name="triplet-128-digits-root-of-0",
        train=partial(train_triplets, floor=0.0),
        fault="square root at 0 has an infinite slope",
        root=("GL001",),
        counterpart="triplet-128-digits",
        **TRIPLETS,
    ),
    Member(name="tasks-96-digits-adamax", train=train_tasks, **TASKS),
    Member(
        name="tasks-96-digits-second-loss-as-number",
        train=partial(train_tasks, as_number=True),
        fault="the second task's loss is added as a number",
        root=("GL105",),
        symptoms=("GL302",),
        where="ink",
        counterpart="tasks-96-digits-adamax",
        **TASKS,
    ),
]
