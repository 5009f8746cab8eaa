"""ConvNeXt of torchvision with its LayerScale of 1e-6; a guard that skips nearly every step."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("torchvision", "sklearn")


def make() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    torch.manual_seed(0)
    blocks = [CNBlockConfig(32, 64, 2), CNBlockConfig(64, 128, 2), CNBlockConfig(128, None, 2)]
    model = ConvNeXt(blocks, stochastic_depth_prob=0.05, num_classes=10)
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)


def train(model: Any, optimizer: Any, recorder: Any, *, guard: float = 1000.0) -> None:
    """Skip the step where the gradient's norm stands above `guard`, as many training scripts do."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(32, channels=3)
    for number, batch in enumerate(data_b.batches(len(y), 32, 400)):
        loss = F.cross_entropy(model(x[batch]), y[batch]) / 2
        loss.backward()
        if number % 2 == 0:
            continue
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm) and norm < guard:
            optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss.item() * 2)


def score(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(32, channels=3)
    return data_b.accuracy(model, x, y)


MEMBERS = [
    Member(
        name="convnext-layerscale-adamw",
        family="ConvNeXt",
        make=make,
        train=train,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="convnext-guard-skips-steps",
        family="ConvNeXt",
        make=make,
        train=partial(train, guard=0.5),
        score=score,
        learned=0.7,
        fault="a guard skips nearly all steps",
        root=("GL307",),
        symptoms=("GL402", "GL302"),
        counterpart="convnext-layerscale-adamw",
        needs=NEEDS,
    ),
]
