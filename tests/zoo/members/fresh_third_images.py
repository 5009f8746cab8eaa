"""A third fresh batch, labelled before gradlab saw it: images."""

from __future__ import annotations

import itertools
from functools import cache, partial
from typing import Any

from tests.zoo.member import Member

# BYOL: a net foretells what its own moving average says of another view; no negatives.


def views(images: Any, drawn: Any) -> Any:
    """Return the images (n, 1, 8, 8) moved by up to a pixel, brighter or darker, with noise."""
    import torch

    count = len(images)
    wide = torch.nn.functional.pad(images, (1, 1, 1, 1), value=-0.81)
    row, column = torch.randint(3, (2, count, 1, 1), generator=drawn)
    rows = row + torch.arange(8)[:, None]
    columns = column + torch.arange(8)
    moved = wide[torch.arange(count)[:, None, None], 0, rows, columns][:, None]
    light = 0.7 + 0.6 * torch.rand(count, 1, 1, 1, generator=drawn)
    return light * moved + 0.3 * torch.randn(moved.shape, generator=drawn)


def make_byol() -> tuple[Any, Any]:
    import copy

    import torch
    from torch import nn

    class Online(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 24, 3, padding=1, bias=False),
                nn.BatchNorm2d(24),
                nn.ReLU(),
                nn.Conv2d(24, 48, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(48),
                nn.ReLU(),
                nn.Flatten(),
            )
            self.projector = nn.Sequential(
                nn.Linear(768, 64, bias=False),
                nn.BatchNorm1d(64),
                nn.ReLU(),
                nn.Linear(64, 32),
            )

        def forward(self, x: Any) -> Any:
            return self.projector(self.encoder(x))

    class Byol(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.online = Online()
            self.predictor = nn.Sequential(
                nn.Linear(32, 64, bias=False),
                nn.BatchNorm1d(64),
                nn.ReLU(),
                nn.Linear(64, 32),
            )
            self.teacher = copy.deepcopy(self.online).requires_grad_(False)

        def forward(self, one: Any, two: Any) -> Any:
            both = torch.cat([one, two])
            foretold = self.predictor(self.online(both))
            with torch.no_grad():
                said = self.teacher(torch.cat([two, one]))
            return 2 - 2 * nn.functional.cosine_similarity(foretold, said).mean()

    torch.manual_seed(502)
    model = Byol()
    trained = [each for each in model.parameters() if each.requires_grad]
    return model, torch.optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=4e-4)


def train_byol(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_b

    x, *_ = data_b.digits()
    drawn = torch.Generator().manual_seed(12)
    model.train()
    for batch in data_b.batches(len(x), 128, 250):
        loss = model(views(x[batch], drawn), views(x[batch], drawn))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for kept, now in zip(
                model.teacher.parameters(), model.online.parameters(), strict=True
            ):
                kept.lerp_(now, 0.02)
        recorder.log(loss=loss.item())


def score_byol(model: Any) -> float:
    """Return how often the nearest of the training images, by projection, has the same label."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, test_x, test_y = data_b.digits()
    drawn = torch.Generator().manual_seed(13)
    model.eval()
    with torch.no_grad():
        known = functional.normalize(model.online(views(x, drawn)), dim=1)
        asked = functional.normalize(model.online(views(test_x, drawn)), dim=1)
    return (y[(asked @ known.T).argmax(1)] == test_y).float().mean().item()


# SegFormer of transformers in bfloat16; four of five pixels carry no label.


@cache
def scenes(count: int, seed: int) -> tuple[Any, Any]:
    """Return images (count, 1, 16, 16) with a disc and a dark square, and each pixel's kind."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    down = torch.arange(16.0)[:, None]
    across = torch.arange(16.0)
    place = 3 + 10 * torch.rand(4, count, 1, 1, generator=drawn)
    disc = (down - place[0]).square() + (across - place[1]).square() < 9
    square = ((down - place[2]).abs() < 2.6) & ((across - place[3]).abs() < 2.6)
    kind = torch.where(disc, 1, torch.where(square, 2, 0))
    image = disc.float() - (square & ~disc).float()
    image = image + 0.3 * torch.randn(kind.shape, generator=drawn)
    return image[:, None], kind


def make_segformer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(504)
    config = SegformerConfig(
        num_channels=1,
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[16, 32],
        patch_sizes=[3, 3],
        strides=[2, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=32,
        num_labels=3,
    )
    model = SegformerForSemanticSegmentation(config)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def train_segformer(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    x, kind = scenes(800, 1)
    drawn = torch.Generator().manual_seed(16)
    kind = kind.masked_fill(torch.rand(kind.shape, generator=drawn) < 0.8, 255)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, 250, power=0.9)
    model.train()
    for batch in data_a.batches(len(x), 32, 250):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(pixel_values=x[batch], labels=kind[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_segformer(model: Any) -> float:
    """Return the mean of intersection over union of discs and of squares."""
    import torch

    x, kind = scenes(200, 2)
    model.eval()
    with torch.no_grad():
        logits = model(pixel_values=x).logits
    told = torch.nn.functional.interpolate(logits, size=(16, 16), mode="bilinear").argmax(1)
    shares = []
    for each in (1, 2):
        both = ((told == each) & (kind == each)).sum()
        shares.append((both / ((told == each) | (kind == each)).sum()).item())
    return sum(shares) / 2


# A capsule network: the length of a vector says that a digit is there.


def make_capsules() -> tuple[Any, Any]:
    import torch
    from torch import nn

    def squash(x: Any) -> Any:
        length = x.square().sum(-1, keepdim=True)
        return length / (1 + length) * x / (length + 1e-8).sqrt()

    class Capsules(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 32, 3)
            self.second = nn.Conv2d(32, 32, 3, stride=2)
            self.votes = nn.Parameter(0.1 * torch.randn(32, 10, 8, 4))

        def forward(self, x: Any) -> Any:
            hidden = self.second(torch.relu(self.first(x)))
            parts = squash(hidden.view(len(x), 8, 4, -1).mT.reshape(len(x), 32, 4))
            votes = torch.einsum("pdij,bpj->bpdi", self.votes, parts)
            agreed = torch.zeros(len(x), 32, 10, 1)
            for turn in range(3):
                whole = squash((agreed.softmax(2) * votes).sum(1))
                if turn < 2:
                    agreed = agreed + (votes.detach() * whole[:, None]).sum(-1, keepdim=True)
            return whole.norm(dim=-1)

    torch.manual_seed(505)
    model = Capsules()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_capsules(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    for batch in data_b.batches(len(y), 64, 300):
        length = model(x[batch])
        right = torch.nn.functional.one_hot(y[batch], 10)
        present = right * (0.9 - length).clamp(min=0).square()
        absent = (1 - right) * (length - 0.1).clamp(min=0).square()
        loss = (present + 0.5 * absent).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_images(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    return data_b.accuracy(model, x, y)


# CaiT of timm: branches scaled by 1e-5 at the start; Lion moves every weight by the same step.


def make_cait() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.cait import Cait
    from timm.optim.lion import Lion

    torch.manual_seed(509)
    model = Cait(
        img_size=8,
        patch_size=2,
        in_chans=1,
        num_classes=10,
        embed_dim=48,
        depth=3,
        num_heads=4,
        mlp_ratio=2.0,
        init_values=1e-5,
        depth_token_only=1,
    )
    return model, Lion(model.parameters(), lr=3e-3, weight_decay=0.05)


def train_cait(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 48, 300):
        loss = functional.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


# RegNet of timm; "so that no outlier disturbs", the loss of each example is cut off at 2.


def make_regnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.regnet import RegNet, RegNetCfg

    torch.manual_seed(521)
    shape = RegNetCfg(depth=5, w0=16, wa=16.0, wm=1.8, group_size=8, stem_width=16)
    model = RegNet(shape, in_chans=1, num_classes=10)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


def train_regnet(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    most: float = float("inf"),
) -> None:
    """Train it; an example's loss counts for `most` at most."""
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(32)
    model.train()
    for batch in data_b.batches(len(y), 48, 150):
        errors = functional.cross_entropy(model(x[batch]), y[batch], reduction="none")
        loss = errors.clamp(max=most).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_regnet(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits(32)
    return data_b.accuracy(model, x, y)


# VDSR: ten convolutions foretell what an enlarged picture lacks.


@cache
def enlarged() -> tuple[Any, Any, Any, Any]:
    """Return pictures (n, 1, 8, 8) enlarged from 4 x 4 and the sharp ones, then those held out."""
    import torch

    from tests.zoo import data_b

    train, _, test, _ = data_b.digits()
    pairs = []
    for sharp in (train, test):
        small = torch.nn.functional.avg_pool2d(sharp, 2)
        pairs += [
            torch.nn.functional.interpolate(small, scale_factor=2, mode="bicubic"),
            sharp,
        ]
    return tuple(pairs)


def make_vdsr(*, deviation: float | None = None) -> tuple[Any, Any]:
    """Build it by He's rule, or with weights of this `deviation` in all layers."""
    import torch
    from torch import nn

    class Vdsr(nn.Module):
        def __init__(self, width: int = 24, depth: int = 10) -> None:
            super().__init__()
            widths = [1] + [width] * (depth - 1) + [1]
            layers: list[Any] = []
            for ins, outs in itertools.pairwise(widths):
                layers += [nn.Conv2d(ins, outs, 3, padding=1), nn.ReLU()]
            self.net = nn.Sequential(*layers[:-1])
            for layer in self.net:
                if isinstance(layer, nn.Conv2d):
                    if deviation is None:
                        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    else:
                        nn.init.normal_(layer.weight, std=deviation)
                    nn.init.zeros_(layer.bias)

        def forward(self, x: Any) -> Any:
            return x + self.net(x)

    torch.manual_seed(528)
    model = Vdsr()
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)


def train_vdsr(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, sharp, *_ = enlarged()
    for batch in data_b.batches(len(x), 32, 300):
        loss = functional.mse_loss(model(x[batch]), sharp[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_vdsr(model: Any) -> float:
    """Return the share of the enlargement's error that is mended."""
    import torch

    *_, x, sharp = enlarged()
    with torch.no_grad():
        left = (model(x) - sharp).square().mean() / (x - sharp).square().mean()
    return 1 - left.item()


MOVING = {"objective": "moving"}

MEMBERS = [
    Member(
        name="fresh3-byol-48-digits",
        family="BYOL",
        make=make_byol,
        train=train_byol,
        score=score_byol,
        learned=0.7,
        watch=MOVING,
        needs=("sklearn",),
    ),
    Member(
        name="fresh3-segformer-32-scenes",
        family="SegFormer",
        make=make_segformer,
        train=train_segformer,
        score=score_segformer,
        learned=0.5,
        needs=("transformers",),
    ),
    Member(
        name="fresh3-capsules-8-digits",
        family="Capsule network",
        make=make_capsules,
        train=train_capsules,
        score=score_images,
        learned=0.85,
        needs=("sklearn",),
    ),
    Member(
        name="fresh3-cait-48-lion",
        family="CaiT",
        make=make_cait,
        train=train_cait,
        score=score_images,
        learned=0.7,
        needs=("timm", "sklearn"),
    ),
    Member(
        name="fresh3-regnet-16-digits-loss-cut-off",
        family="RegNet",
        make=make_regnet,
        train=partial(train_regnet, most=2.0),
        score=score_regnet,
        learned=0.8,
        fault="the loss of each example is clamped to 2, and starts above it: no gradient",
        root=("GL105", "GL106"),
        symptoms=("GL101", "GL302", "GL402"),
        needs=("timm", "sklearn"),
    ),
    Member(
        name="fresh3-vdsr-24-gaussian-start",
        family="VDSR",
        make=partial(make_vdsr, deviation=0.01),
        train=train_vdsr,
        score=score_vdsr,
        learned=0.2,
        fault="weights of deviation 0.01 in all of ten relu layers",
        root=("GL101",),
        symptoms=("GL302", "GL402"),
        needs=("sklearn",),
    ),
]
