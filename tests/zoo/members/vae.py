"""Variational autoencoders: a plain one by hand, and AutoencoderKL of diffusers."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

SPREAD = 0.141  # variance of the digits' pixels around the mean digit's value over all pixels


def make_plain() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU())
            self.mean = nn.Linear(128, 8)
            self.log_variance = nn.Linear(128, 8)
            self.decoder = nn.Sequential(
                nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid()
            )

        def forward(self, x: Any) -> Any:
            hidden = self.encoder(x)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            return self.decoder(code), mean, log_variance

    torch.manual_seed(0)
    model = Autoencoder()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_plain(model: Any, optimizer: Any, recorder: Any, *, by_hand: bool = False) -> None:
    """Minimize the summed cross-entropy of the pixels plus the divergence from the prior, per example."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(standardize=False)
    x = x.flatten(1)
    for batch in data_b.batches(len(y), 64, 400):
        output, mean, log_variance = model(x[batch])
        if by_hand:
            target = (x[batch] > 0.5).float()
            likelihood = target * torch.log(output) + (1 - target) * torch.log(1 - output)
            distance = -likelihood.sum()
        else:
            target = (x[batch] > 0.5).float()
            distance = F.binary_cross_entropy(output, target, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        loss = (distance + divergence) / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_plain(model: Any) -> float:
    """Return the share of held-out pixels, black or white, that the reconstruction gets right."""
    import torch

    from tests.zoo import data_b

    _, _, x, _ = data_b.digits(standardize=False)
    x = x.flatten(1)
    with torch.no_grad():
        output = model(x)[0]
    if not output.isfinite().all():
        return 0.0
    return ((output > 0.5) == (x > 0.5)).float().mean().item()


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
    for batch in data_b.batches(len(y), 32, 150):
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
    return max(explained, -1.0) if explained == explained else -1.0


MEMBERS = [
    Member(
        name="vae-128-adam",
        family="VAE",
        make=make_plain,
        train=train_plain,
        score=score_plain,
        learned=0.87,
        needs=("sklearn",),
        fast=True,
    ),
    Member(
        name="vae-128-log-of-zero",
        family="VAE",
        make=make_plain,
        train=partial(train_plain, by_hand=True),
        score=score_plain,
        learned=0.87,
        fault="NaN from log(0)",
        root=("GL001",),
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
