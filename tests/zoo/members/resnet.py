"""ResNets of torchvision for small images: SGD with cosine, mixup with zero gammas, a new head."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("torchvision", "sklearn")


def small_resnet(blocks: list[int], **options: Any) -> Any:
    from torch import nn

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, blocks, num_classes=10, **options)
    model.conv1 = nn.Conv2d(1, 64, 3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def make_resnet18() -> tuple[Any, Any]:
    import torch

    torch.manual_seed(0)
    model = small_resnet([2, 2, 2, 2])
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=0.05,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=True,
    )
    return model, optimizer


def train_cosine(model: Any, optimizer: Any, recorder: Any, *, shuffled: bool = False) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    if shuffled:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(5))]
    steps = 70
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    model.train()
    for batch in data_b.batches(len(y), 32, steps):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits()
    return data_b.accuracy(model, x, y)


def make_zero_gamma() -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1)
    model = small_resnet([1, 1, 1, 1], zero_init_residual=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    return model, optimizer


def train_mixup(model: Any, optimizer: Any, recorder: Any) -> None:
    import numpy as np
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    random = np.random.default_rng(2)
    for batch in data_b.batches(len(y), 32, 80, seed=2):
        share = random.beta(0.4, 0.4)
        partner = batch[torch.randperm(len(batch))]
        logits = model(share * x[batch] + (1 - share) * x[partner])
        loss = share * F.cross_entropy(logits, y[batch])
        loss = loss + (1 - share) * F.cross_entropy(logits, y[partner])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss)


def make_new_head(*, optimizer_first: bool = False) -> tuple[Any, Any]:
    """Train a ResNet on the digits 0 to 4, freeze it, and give it a new head for 5 to 9."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from tests.zoo import data_b

    torch.manual_seed(3)
    model = small_resnet([1, 1, 1, 1])
    x, y, _, _ = data_b.digits()
    x, y = x[y < 5], y[y < 5]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for batch in data_b.batches(len(y), 32, 40, seed=3):
        optimizer.zero_grad()
        F.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    optimizer.zero_grad()
    for parameter in model.parameters():
        parameter.requires_grad = False
    if optimizer_first:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.fc = nn.Linear(model.fc.in_features, 5)
    if not optimizer_first:
        optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.05, momentum=0.9)
    return model, optimizer


def train_new_head(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits()
    x, y = x[y >= 5], y[y >= 5] - 5
    for batch in data_b.batches(len(y), 32, 100, seed=4):
        loss = F.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_new_head(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits()
    return data_b.accuracy(model, x[y >= 5], y[y >= 5] - 5)


MEMBERS = [
    Member(
        name="resnet18-sgd-cosine",
        family="ResNet",
        make=make_resnet18,
        train=train_cosine,
        score=score,
        learned=0.8,
        needs=NEEDS,
    ),
    Member(
        name="resnet18-labels-shuffled",
        family="ResNet",
        make=make_resnet18,
        train=partial(train_cosine, shuffled=True),
        score=score,
        learned=0.8,
        fault="labels shuffled",
        root=("GL402",),
        symptoms=("GL403",),
        counterpart="resnet18-sgd-cosine",
        needs=NEEDS,
    ),
    Member(
        name="resnet10-zero-gamma-mixup",
        family="ResNet",
        make=make_zero_gamma,
        train=train_mixup,
        score=score,
        learned=0.8,
        needs=NEEDS,
    ),
    Member(
        name="resnet10-frozen-new-head",
        family="ResNet",
        make=make_new_head,
        train=train_new_head,
        score=score_new_head,
        learned=0.75,
        needs=NEEDS,
    ),
    Member(
        name="resnet10-head-replaced-after-optimizer",
        family="ResNet",
        make=partial(make_new_head, optimizer_first=True),
        train=train_new_head,
        score=score_new_head,
        learned=0.75,
        fault="parameters not in the optimizer",
        root=("GL105",),
        symptoms=("GL402", "GL302"),
        where="fc",
        counterpart="resnet10-frozen-new-head",
        needs=NEEDS,
    ),
]
