"""MLP-Mixer of timm: small batches with AdamW; an epsilon of 1 from another recipe."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("timm", "torchvision", "sklearn")


def make(*, epsilon: float = 1e-8) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.mlp_mixer import MlpMixer

    torch.manual_seed(0)
    model = MlpMixer(
        num_classes=10,
        img_size=16,
        in_chans=1,
        patch_size=4,
        num_blocks=4,
        embed_dim=64,
    )
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3, eps=epsilon, weight_decay=0.01)


def train(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(16)
    for batch in data_b.batches(len(y), 8, 350):
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss.detach())


def score(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(16)
    return data_b.accuracy(model, x, y)


MEMBERS = [
    Member(
        name="mlp-mixer-64-adamw-batch-8",
        family="MLP-Mixer",
        make=make,
        train=train,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="mlp-mixer-64-epsilon-1",
        family="MLP-Mixer",
        make=partial(make, epsilon=1.0),
        train=train,
        score=score,
        learned=0.7,
        fault="epsilon 1 in Adam",
        root=("GL306", "GL312"),
        symptoms=("GL402", "GL302"),
        counterpart="mlp-mixer-64-adamw-batch-8",
        needs=NEEDS,
    ),
]
