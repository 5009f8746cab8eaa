"""ViT of transformers on digits: AdamW in one cycle, SGD with mixup."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "sklearn")


def make_vit(*, width: int = 64, layers: int = 3, spread: float = 0.02, seed: int = 0) -> Any:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        num_labels=10,
        initializer_range=spread,
    )
    return ViTForImageClassification(config)


def make_adamw() -> tuple[Any, Any]:
    import torch

    model = make_vit()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)


def make_momentum() -> tuple[Any, Any]:
    import torch

    model = make_vit(width=48, layers=2, spread=0.1, seed=1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


def train_adamw(model: Any, optimizer: Any, recorder: Any, *, bound: float | None = None) -> None:
    """`bound`: weights are clamped after each step, as in the critic of a Wasserstein GAN."""
    import torch

    from tests.zoo import data_a

    steps = 220
    x, y, _, _ = data_a.digits()
    x = (x - 0.5) / 0.5
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=2e-3,
        total_steps=steps,
        pct_start=0.15,
    )
    model.train()
    for chosen in data_a.batches(len(y), 64, steps):
        optimizer.zero_grad()
        loss = model(pixel_values=x[chosen], labels=y[chosen]).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        if bound is not None:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.clamp_(-bound, bound)
        recorder.log(loss=loss.item())


def train_mixup(model: Any, optimizer: Any, recorder: Any, *, longest: float = 1.0) -> None:
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_a

    x, y, _, _ = data_a.digits()
    x = (x - 0.5) / 0.5
    targets = F.one_hot(y, 10).float()
    drawn = data_a.generator(3)
    model.train()
    for chosen in data_a.batches(len(y), 32, 320):
        share = 0.3 * torch.rand((), generator=drawn)
        images = torch.lerp(x[chosen], x[chosen].roll(1, 0), share)
        wanted = torch.lerp(targets[chosen], targets[chosen].roll(1, 0), share)
        loss = F.cross_entropy(model(pixel_values=images).logits, wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), longest)
        optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss)


def score(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    _, _, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        found = model(pixel_values=(x - 0.5) / 0.5).logits.argmax(-1)
    return (found == y).float().mean().item()


MEMBERS = [
    Member(
        name="hf-vit-64-digits-onecycle",
        family="ViT",
        make=make_adamw,
        train=train_adamw,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="hf-vit-64-weights-clamped",
        family="ViT",
        make=make_adamw,
        train=partial(train_adamw, bound=0.01),
        score=score,
        learned=0.7,
        fault="weights clamped after each step",
        root=("GL308",),
        symptoms=("GL101", "GL402"),
        counterpart="hf-vit-64-digits-onecycle",
        needs=NEEDS,
    ),
    Member(
        name="hf-vit-48-digits-mixup",
        family="ViT",
        make=make_momentum,
        train=train_mixup,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="hf-vit-48-digits-clipped-to-nothing",
        family="ViT",
        make=make_momentum,
        train=partial(train_mixup, longest=1e-6),
        score=score,
        learned=0.7,
        fault="clipping at 1e-6",
        root=("GL312",),
        symptoms=("GL301", "GL302", "GL402"),
        counterpart="hf-vit-48-digits-mixup",
        needs=NEEDS,
    ),
]
