"""Embeddings by contrast: SimCLR, a pair of towers as in CLIP, and triplets."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("sklearn",)


def make_simclr() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 16, 128),
        nn.ReLU(),
        nn.Linear(128, 32),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


def altered(x: Any, generator: Any = None) -> Any:
    """Change the contrast, cut out a band of rows, and add noise."""
    import torch

    contrast = 0.5 + torch.rand(len(x), 1, 1, 1, generator=generator)
    first = torch.randint(0, 7, (len(x), 1, 1, 1), generator=generator)
    rows = torch.arange(8).view(1, 1, 8, 1)
    cut = (rows >= first) & (rows < first + 2)
    noise = 0.3 * torch.randn(x.shape, generator=generator)
    return (x * contrast + noise).masked_fill(cut, 0.0)


def train_simclr(model: Any, optimizer: Any, recorder: Any, *, most: float = 1.0) -> None:
    """Minimize NT-Xent over two views of each digit."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=150)
    for batch in data_b.batches(len(y), 64, 150):
        both = torch.cat([altered(x[batch]), altered(x[batch])])
        code = F.normalize(model(both), dim=1)
        likeness = code @ code.T / 0.2
        likeness = likeness.masked_fill(torch.eye(len(code), dtype=torch.bool), -1e9)
        partner = torch.arange(len(code)).roll(len(batch))
        loss = F.cross_entropy(likeness, partner)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), most)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_simclr(model: Any) -> float:
    """Return how often the nearest of 360 altered digits is the same digit altered otherwise."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    _, _, x, _ = data_b.digits()
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        first = F.normalize(model(altered(x, generator)), dim=1)
        second = F.normalize(model(altered(x, generator)), dim=1)
    return ((first @ second.T).argmax(1) == torch.arange(len(x))).float().mean().item()


def make_towers() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = nn.Sequential(
                nn.Linear(64, 128),
                nn.GELU(),
                nn.LayerNorm(128),
                nn.Linear(128, 48),
            )
            self.words = nn.Embedding(12, 48)
            self.reader = nn.GRU(48, 48, batch_first=True)
            self.log_scale = nn.Parameter(torch.tensor(2.66))

        def forward(self, x: Any, text: Any) -> Any:
            images = nn.functional.normalize(self.image(x), dim=-1)
            texts = nn.functional.normalize(self.reader(self.words(text))[1][0], dim=-1)
            return self.log_scale.exp() * images @ texts.T

    torch.manual_seed(1)
    model = Towers()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)


def captions(y: Any) -> Any:
    """Write each label as four tokens: beginning, the digit, whether it is odd, end."""
    import torch

    return torch.stack([torch.full_like(y, 10), y, y % 2, torch.full_like(y, 11)], dim=1)


def train_towers(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    x = x.flatten(1)
    for batch in data_b.batches(len(y), 32, 250, seed=1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(x[batch], captions(y[batch])).float()
        target = torch.arange(len(batch))
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            model.log_scale.clamp_(0.0, 4.6)
        recorder.log(loss=loss.item())


def score_towers(model: Any) -> float:
    """Return the accuracy of choosing the caption of one of ten digits."""
    import torch

    from tests.zoo import data_b

    _, _, x, y = data_b.digits()
    with torch.no_grad():
        logits = model(x.flatten(1), captions(torch.arange(10)))
    return (logits.argmax(1) == y).float().mean().item()


def make_triplet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Linear(128, 2),
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_triplet(model: Any, optimizer: Any, recorder: Any, *, floor: float = 1e-12) -> None:
    """Pull the farthest of the same digit closer than the nearest of another, in every batch."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    x = x.flatten(1)
    for batch in data_b.batches(len(y), 64, 600, seed=2):
        code = model(x[batch])
        squared = (code[:, None] - code[None]).square().sum(-1)
        distance = squared.clamp(min=floor).sqrt() if floor else squared.sqrt()
        same = y[batch][:, None] == y[batch][None]
        farthest = torch.where(same, distance, 0.0).amax(1)
        nearest = torch.where(same, 1e3, distance).amin(1)
        loss = F.softplus(farthest - nearest).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_triplet(model: Any) -> float:
    """Return how often the nearest training digit, by its two-dimensional code, is the same."""
    import torch

    from tests.zoo import data_b

    x, y, x_test, y_test = data_b.digits()
    model.eval()
    with torch.no_grad():
        code, code_test = model(x.flatten(1)), model(x_test.flatten(1))
    model.train()
    if not code.isfinite().all():
        return 0.0
    return (y[torch.cdist(code_test, code).argmin(1)] == y_test).float().mean().item()


MEMBERS = [
    Member(
        name="simclr-64-sgd-cosine",
        family="SimCLR",
        make=make_simclr,
        train=train_simclr,
        score=score_simclr,
        learned=0.35,
        needs=NEEDS,
    ),
    Member(
        name="simclr-64-clipped-to-nothing",
        family="SimCLR",
        make=make_simclr,
        train=partial(train_simclr, most=1e-5),
        score=score_simclr,
        learned=0.35,
        fault="gradients clipped to a norm of 1e-5",
        root=("GL312",),
        symptoms=("GL402", "GL302"),
        counterpart="simclr-64-sgd-cosine",
        needs=NEEDS,
    ),
    Member(
        name="clip-towers-48-bf16-autocast",
        family="CLIP",
        make=make_towers,
        train=train_towers,
        score=score_towers,
        learned=0.7,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="triplet-256-adam",
        family="triplets",
        make=make_triplet,
        train=train_triplet,
        score=score_triplet,
        learned=0.6,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="triplet-256-root-of-zero",
        family="triplets",
        make=make_triplet,
        train=partial(train_triplet, floor=0.0),
        score=score_triplet,
        learned=0.6,
        fault="NaN from the gradient of sqrt(0)",
        root=("GL001",),
        counterpart="triplet-256-adam",
        needs=NEEDS,
        fast=True,
    ),
]
