"""Variational autoencoders: a plain one by hand, and AutoencoderKL of diffusers."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_plain() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU())
            self.mean = nn.Linear(128, 8)
            self.log_variance = nn.Linear(128, 8)
            self.decoder = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 64))

        def forward(self, x: Any) -> Any:
            hidden = self.encoder(x)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            return self.decoder(code), mean, log_variance

    torch.manual_seed(0)
    model = Autoencoder()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_plain(model: Any, optimizer: Any, recorder: Any, *, scale: float = 1.0) -> None:
    """Minimize the pixels' cross-entropy plus the divergence from the prior, per example."""
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(standardize=False)
    x = x.flatten(1) * scale
    for batch in data_b.batches(len(y), 64, 400):
        output, mean, log_variance = model(x[batch])
        distance = F.binary_cross_entropy_with_logits(output, x[batch], reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        loss = (distance + divergence) / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_plain(model: Any, *, scale: float = 1.0) -> float:
    """Return the share of the held-out digits' variance that the reconstruction explains."""
    import torch

    from tests.zoo import data_b

    _, _, x, _ = data_b.digits(standardize=False)
    x = x.flatten(1)
    with torch.no_grad():
        output = model(x * scale)[0].sigmoid()
    usual = (x - x.mean(0)).square().mean()
    explained = 1.0 - ((output - x).square().mean() / usual).item()
    return explained if explained == explained else -1.0


def make_kl(*, maximize: bool = False) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from diffusers import AutoencoderKL

    torch.manual_seed(1)
    model = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(16, 32),
        latent_channels=4,
        norm_num_groups=8,
        sample_size=8,
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-3, maximize=maximize)


def train_kl(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    for batch in data_b.batches(len(y), 32, 80):
        posterior = model.encode(x[batch]).latent_dist
        output = model.decode(posterior.sample()).sample
        loss = F.mse_loss(output, x[batch]) + 1e-3 * posterior.kl().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_kl(model: Any) -> float:
    """Return the share of the held-out digits' variance that the reconstruction explains."""
    import torch

    from tests.zoo import data_b

    _, _, x, _ = data_b.digits()
    with torch.no_grad():
        output = model.decode(model.encode(x).latent_dist.mode()).sample
    explained = 1.0 - ((output - x).square().mean() / x.var()).item()
    return explained if explained == explained else -1.0


MEMBERS = [
    Member(
        name="vae-128-adam",
        family="VAE",
        make=make_plain,
        train=train_plain,
        score=score_plain,
        learned=0.3,
        needs=("sklearn",),
        fast=True,
    ),
    Member(
        name="vae-128-pixels-to-16",
        family="VAE",
        make=make_plain,
        train=partial(train_plain, scale=16.0),
        score=partial(score_plain, scale=16.0),
        learned=0.3,
        fault="pixels of 0..16 as inputs and targets",
        root=("GL404",),
        symptoms=("GL001", "GL203", "GL304", "GL106"),
        counterpart="vae-128-adam",
        needs=("sklearn",),
        fast=True,
    ),
    Member(
        name="autoencoder-kl-16-adam",
        family="AutoencoderKL",
        make=make_kl,
        train=train_kl,
        score=score_kl,
        learned=0.5,
        needs=("diffusers", "sklearn"),
    ),
    Member(
        name="autoencoder-kl-16-maximize",
        family="AutoencoderKL",
        make=partial(make_kl, maximize=True),
        train=train_kl,
        score=score_kl,
        learned=0.5,
        fault="gradient ascent",
        root=("GL310",),
        symptoms=("GL001", "GL102", "GL203", "GL303", "GL401", "GL402"),
        counterpart="autoencoder-kl-16-adam",
        needs=("diffusers", "sklearn"),
    ),
]
