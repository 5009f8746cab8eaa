"""UNet2DModel of diffusers predicts the noise in digits; once, the noise of another draw."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("diffusers", "sklearn")


def make() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    model = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=16,
        norm_num_groups=8,
    )
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)


def noised(x: Any, noise: Any, moments: Any) -> Any:
    """Return the digits after the noise of DDPM's linear schedule at the given moments."""
    import torch

    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)[moments].view(-1, 1, 1, 1)
    return kept.sqrt() * x + (1 - kept).sqrt() * noise


def train(model: Any, optimizer: Any, recorder: Any, *, drawn_anew: bool = False) -> None:
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.05, total_iters=15)
    for batch in data_b.batches(len(y), 32, 100):
        clean = x[batch]
        noise = torch.randn_like(clean)
        moments = torch.randint(0, 1000, (len(batch),))
        predicted = model(noised(clean, noise, moments), moments).sample
        if drawn_anew:
            noise = torch.randn_like(clean)
        loss = F.mse_loss(predicted, noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warm_up.step()
        recorder.log(loss=loss.item())


def score(model: Any) -> float:
    """Return the share of the held-out digits' noise that is explained."""
    import torch

    from tests.zoo import data_b

    _, _, x, _ = data_b.digits()
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(x.shape, generator=generator)
    moments = torch.randint(0, 1000, (len(x),), generator=generator)
    with torch.no_grad():
        predicted = model(noised(x, noise, moments), moments).sample
    return 1.0 - (predicted - noise).square().mean().item()


MEMBERS = [
    Member(
        name="ddpm-unet-32-adamw",
        family="diffusion U-Net",
        make=make,
        train=train,
        score=score,
        learned=0.5,
        needs=NEEDS,
    ),
    Member(
        name="ddpm-unet-32-noise-drawn-anew",
        family="diffusion U-Net",
        make=make,
        train=partial(train, drawn_anew=True),
        score=score,
        learned=0.5,
        fault="target unrelated to the input",
        root=("GL402",),
        counterpart="ddpm-unet-32-adamw",
        needs=NEEDS,
    ),
]
