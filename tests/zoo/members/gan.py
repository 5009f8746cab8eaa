"""Two-player games on a ring of blobs: a GAN with two optimizers, a WGAN with clipped weights."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def blobs(examples: int, generator: Any = None) -> Any:
    """Draw points from four blobs around (2, 0)."""
    import torch

    corners = torch.tensor([[2.0, 1.0], [2.0, -1.0], [3.0, 0.0], [1.0, 0.0]])
    chosen = torch.randint(4, (examples,), generator=generator)
    return corners[chosen] + 0.15 * torch.randn(examples, 2, generator=generator)


def nets(width: int) -> Any:
    from torch import nn

    return nn.ModuleDict(
        {
            "generator": nn.Sequential(
                nn.Linear(8, width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Linear(width, 2),
            ),
            "critic": nn.Sequential(
                nn.Linear(2, width),
                nn.LeakyReLU(0.2),
                nn.Linear(width, width),
                nn.LeakyReLU(0.2),
                nn.Linear(width, 1),
            ),
        }
    )


def make_gan() -> tuple[Any, Any]:
    import torch

    torch.manual_seed(0)
    model = nets(64)
    players = [
        torch.optim.Adam(model["generator"].parameters(), lr=2e-3, betas=(0.5, 0.999)),
        torch.optim.Adam(model["critic"].parameters(), lr=2e-3, betas=(0.5, 0.999)),
    ]
    return model, players


def train_gan(model: Any, optimizer: Any, recorder: Any, *, detached: bool = False) -> None:
    """Train both players once a round, with the loss that does not saturate."""
    import torch
    from torch import nn

    criterion = nn.BCEWithLogitsLoss()
    generator, critic = model["generator"], model["critic"]
    of_generator, of_critic = optimizer
    real, wrong = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(700):
        fake = generator(torch.randn(64, 8))
        of_critic.zero_grad()
        told = criterion(critic(blobs(64)), real)
        critic_loss = told + criterion(critic(fake.detach()), wrong)
        critic_loss.backward()
        of_critic.step()
        of_generator.zero_grad()
        generator_loss = criterion(critic(fake.detach() if detached else fake), real)
        generator_loss.backward()
        of_generator.step()
        recorder.log(loss=generator_loss.item())


def score(model: Any) -> float:
    """Return minus the sliced Wasserstein distance, averaged over sixteen directions."""
    import math

    import torch

    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        fake = model["generator"](torch.randn(1000, 8, generator=generator))
    angles = torch.arange(16) * math.pi / 16
    directions = torch.stack([angles.cos(), angles.sin()])
    wanted = (blobs(1000, generator) @ directions).sort(0).values
    return -((fake @ directions).sort(0).values - wanted).abs().mean().item()


def make_wgan() -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1)
    model = nets(64)
    players = [
        torch.optim.RMSprop(model["generator"].parameters(), lr=5e-4),
        torch.optim.RMSprop(model["critic"].parameters(), lr=5e-4),
    ]
    return model, players


def train_wgan(model: Any, optimizer: Any, recorder: Any, *, clip_all: bool = False) -> None:
    """Give the critic three steps a round and keep its weights within 0.05 (paper: 0.01)."""
    import torch

    generator, critic = model["generator"], model["critic"]
    of_generator, of_critic = optimizer
    clipped = list(model.parameters() if clip_all else critic.parameters())
    for _ in range(500):
        for _ in range(3):
            fake = generator(torch.randn(64, 8)).detach()
            critic_loss = critic(fake).mean() - critic(blobs(64)).mean()
            of_critic.zero_grad()
            critic_loss.backward()
            of_critic.step()
            with torch.no_grad():
                for parameter in clipped:
                    parameter.clamp_(-0.05, 0.05)
        generator_loss = -critic(generator(torch.randn(64, 8))).mean()
        of_generator.zero_grad()
        generator_loss.backward()
        of_generator.step()
        recorder.log(loss=generator_loss.item())


MOVING = {"objective": "moving"}

MEMBERS = [
    Member(
        name="gan-blobs-64-adam",
        family="GAN",
        make=make_gan,
        train=train_gan,
        score=score,
        learned=-0.35,
        watch=MOVING,
        fast=True,
    ),
    Member(
        name="gan-blobs-64-generator-detached",
        family="GAN",
        make=make_gan,
        train=partial(train_gan, detached=True),
        score=score,
        learned=-0.35,
        fault="detached branch",
        root=("GL105",),
        symptoms=("GL302",),
        where="generator",
        counterpart="gan-blobs-64-adam",
        watch=MOVING,
        fast=True,
    ),
    Member(
        name="wgan-blobs-64-weight-clipping",
        family="WGAN",
        make=make_wgan,
        train=train_wgan,
        score=score,
        learned=-0.35,
        watch=MOVING,
        fast=True,
    ),
    Member(
        name="wgan-blobs-64-generator-clipped-too",
        family="WGAN",
        make=make_wgan,
        train=partial(train_wgan, clip_all=True),
        score=score,
        learned=-0.35,
        fault="weights clamped by user code",
        root=("GL308",),
        where="generator",
        counterpart="wgan-blobs-64-weight-clipping",
        watch=MOVING,
        fast=True,
    ),
]
