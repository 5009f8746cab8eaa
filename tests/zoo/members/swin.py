"""Swin of timm with checkpointing; a schedule meant for epochs that is stepped at every batch."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("timm", "torchvision", "sklearn")


def make() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.swin_transformer import SwinTransformer

    torch.manual_seed(0)
    model = SwinTransformer(
        img_size=16,
        patch_size=2,
        in_chans=1,
        num_classes=10,
        embed_dim=32,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=4,
    )
    model.set_grad_checkpointing(True)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)


def train(model: Any, optimizer: Any, recorder: Any, *, each_batch: bool = False) -> None:
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(16)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.85)
    model.train()
    for number, batch in enumerate(data_b.batches(len(y), 32, 300), start=1):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        if each_batch or number % 60 == 0:
            schedule.step()
        recorder.log(loss=loss.item())


def score(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(16)
    return data_b.accuracy(model, x, y)


MEMBERS = [
    Member(
        name="swin-32-checkpointing-adamw",
        family="Swin",
        make=make,
        train=train,
        score=score,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="swin-32-schedule-stepped-each-batch",
        family="Swin",
        make=make,
        train=partial(train, each_batch=True),
        score=score,
        learned=0.6,
        fault="exhausted schedule",
        root=("GL312",),
        symptoms=("GL402", "GL302"),
        counterpart="swin-32-checkpointing-adamw",
        needs=NEEDS,
    ),
]
