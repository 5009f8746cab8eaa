"""MobileNetV3 of timm: RMSprop, label noise; a BatchNorm momentum of another convention."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("timm", "torchvision", "sklearn")


def make(*, momentum: float = 0.1) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    import timm

    torch.manual_seed(0)
    model = timm.create_model(
        "mobilenetv3_small_050",
        num_classes=10,
        in_chans=1,
        bn_momentum=momentum,
    )
    optimizer = torch.optim.RMSprop(
        model.parameters(),
        lr=2e-3,
        alpha=0.9,
        momentum=0.9,
        eps=1e-3,
        weight_decay=1e-5,
    )
    return model, optimizer


def train(model: Any, optimizer: Any, recorder: Any, *, noise: float = 0.0) -> None:
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, x_test, y_test = data_b.digits(32)
    generator = torch.Generator().manual_seed(6)
    wrong = torch.rand(len(y), generator=generator) < noise
    y = torch.where(wrong, torch.randint(10, y.shape, generator=generator), y)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=70, gamma=0.5)
    for number, batch in enumerate(data_b.batches(len(y), 32, 220)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())
        if number % 40 == 39:
            model.eval()
            with torch.no_grad():
                validation = F.cross_entropy(model(x_test), y_test)
            model.train()
            recorder.log(validation_loss=validation)


def score(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(32)
    return data_b.accuracy(model, x, y)


MEMBERS = [
    Member(
        name="mobilenet-v3-rmsprop",
        family="MobileNet",
        make=make,
        train=train,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="mobilenet-v3-label-noise",
        family="MobileNet",
        make=make,
        train=partial(train, noise=0.2),
        score=score,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="mobilenet-v3-batchnorm-momentum",
        family="MobileNet",
        make=partial(make, momentum=0.001),
        train=train,
        score=score,
        learned=0.7,
        fault="BatchNorm momentum 0.001: wrong statistics in evaluation",
        root=("GL405",),
        symptoms=("GL403",),
        counterpart="mobilenet-v3-rmsprop",
        needs=NEEDS,
    ),
]
