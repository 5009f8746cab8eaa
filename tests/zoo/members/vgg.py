"""VGG and AlexNet of torchvision with replaced classifiers: deep relu nets without norms."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("torchvision", "sklearn")
WIDTHS = [16, 16, "M", 32, 32, "M", 64, 64, 64, "M", 96, 96, 96, "M", 96, 96, 96, "M"]


def make_vgg(*, init_weights: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torchvision.models.vgg import VGG, make_layers

    torch.manual_seed(0)
    features = make_layers(WIDTHS)
    features[0] = nn.Conv2d(1, 16, 3, padding=1)
    model = VGG(features, num_classes=10, init_weights=False)
    model.avgpool = nn.AdaptiveAvgPool2d(1)
    model.classifier = nn.Sequential(
        nn.Linear(96, 96),
        nn.ReLU(True),
        nn.Dropout(0.3),
        nn.Linear(96, 10),
    )
    if init_weights:
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)


def train_vgg(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(32)
    criterion = nn.CrossEntropyLoss()
    for batch in data_b.batches(len(y), 32, 180):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_vgg(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(32)
    return data_b.accuracy(model, x, y)


def make_alexnet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torchvision.models import AlexNet

    torch.manual_seed(1)
    model = AlexNet(num_classes=10)
    model.avgpool = nn.Identity()
    model.classifier = nn.Sequential(
        nn.Dropout(0.2),
        nn.Linear(256, 128),
        nn.ReLU(inplace=True),
        nn.Linear(128, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


def train_alexnet(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    scale: float = 0.0,
    twice: bool = False,
) -> None:
    import torch.nn.functional as F

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(63, channels=3, standardize=not scale)
    x = x * scale if scale else x
    for batch in data_b.batches(len(y), 32, 190, seed=1):
        output = model(x[batch])
        loss = F.cross_entropy(output.softmax(1) if twice else output, y[batch])
        recorder.log(loss=loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def score_alexnet(model: Any, *, scale: float = 0.0) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(63, channels=3, standardize=not scale)
    return data_b.accuracy(model, x * scale if scale else x, y)


MEMBERS = [
    Member(
        name="vgg16-narrow-he-sgd",
        family="VGG",
        make=make_vgg,
        train=train_vgg,
        score=score_vgg,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="vgg16-narrow-default-init",
        family="VGG",
        make=partial(make_vgg, init_weights=False),
        train=train_vgg,
        score=score_vgg,
        learned=0.7,
        fault="default init of a deep relu net",
        root=("GL101",),
        symptoms=("GL402", "GL302"),
        where="features|classifier",
        counterpart="vgg16-narrow-he-sgd",
        needs=NEEDS,
    ),
    Member(
        name="alexnet-sgd",
        family="AlexNet",
        make=make_alexnet,
        train=train_alexnet,
        score=score_alexnet,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="alexnet-inputs-to-255",
        family="AlexNet",
        make=make_alexnet,
        train=partial(train_alexnet, scale=255.0),
        score=partial(score_alexnet, scale=255.0),
        learned=0.7,
        fault="inputs of 0..255",
        root=("GL404",),
        symptoms=("GL102", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402", "GL001"),
        counterpart="alexnet-sgd",
        needs=NEEDS,
    ),
    Member(
        name="alexnet-softmax-twice",
        family="AlexNet",
        make=make_alexnet,
        train=partial(train_alexnet, twice=True),
        score=score_alexnet,
        learned=0.7,
        fault="softmax before cross-entropy",
        root=("GL106",),
        symptoms=("GL402", "GL101"),
        counterpart="alexnet-sgd",
        needs=NEEDS,
    ),
]
