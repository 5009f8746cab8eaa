"""Four trainings on pictures of the ninth fresh batch, without a fault; fresh_ninth tells more."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# A neural cellular automaton grows a digit out of one cell: what it adds starts at 0, each cell
# acts half of the time, and each parameter's gradient is divided by its own length.


@cache
def grown() -> Any:
    """Return what is to grow (2, 12, 12): a digit's ink and where it is."""
    import torch

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    ink = torch.nn.functional.pad(x[y == 3][0, 0], (2, 2, 2, 2))
    return torch.stack([ink, (ink > 0.2).float()])


def make_automaton(*, channels: int = 8, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Automaton(nn.Module):
        looks: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            slope = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
            itself = torch.zeros(3, 3)
            itself[1, 1] = 1
            looks = torch.stack([itself, slope, slope.T])
            self.register_buffer("looks", looks[:, None].repeat(channels, 1, 1, 1))
            self.think = nn.Conv2d(3 * channels, width, 1)
            self.act = nn.Conv2d(width, channels, 1, bias=False)
            nn.init.zeros_(self.act.weight)

        def alive(self, x: Any) -> Any:
            return nn.functional.max_pool2d(x[:, 1:2], 3, 1, 1) > 0.1

        def forward(self, x: Any, steps: int) -> Any:
            for _ in range(steps):
                before = self.alive(x)
                seen = nn.functional.conv2d(x, self.looks, padding=1, groups=channels)
                change = self.act(self.think(seen).relu())
                x = x + change * (torch.rand(len(x), 1, 12, 12) < 0.5)
                x = x * (before & self.alive(x))
            return x

    torch.manual_seed(1103)
    model = Automaton()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def one_cell(count: int, *, channels: int = 8) -> Any:
    """Return worlds (count, channels, 12, 12) with one living cell."""
    import torch

    worlds = torch.zeros(count, channels, 12, 12)
    worlds[:, 1:, 6, 6] = 1
    return worlds


def train_automaton(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    torch.manual_seed(1104)
    pool = one_cell(48)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [200], gamma=0.3)
    for _ in range(280):
        chosen = torch.randperm(48)[:6]
        worlds = pool[chosen]
        worst = (worlds[:, :2] - grown()).square().flatten(1).mean(1).argmax()
        worlds[worst] = one_cell(1)[0]
        worlds = model(worlds, int(torch.randint(16, 25, ())))
        loss = (worlds[:, :2] - grown()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            parameter.grad /= parameter.grad.norm() + 1e-8
        optimizer.step()
        scheduler.step()
        pool[chosen] = worlds.detach()
        recorder.log(loss=loss.item())


def score_automaton(model: Any) -> float:
    """Return the share of the digit's variance that has grown after 22 steps, at least -1."""
    import torch

    torch.manual_seed(1105)
    with torch.no_grad():
        worlds = model(one_cell(16), 22)[:, :2]
    return max(-1.0, explained(worlds, grown().expand_as(worlds)))


# ArcFace: which of forty people is it? Cosines times 30, with an angle of 0.5 to the wrong side:
# the loss starts near 23, far above the ln 40 of guessing, and is still above it in the end.


@cache
def faces(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (count, 1, 16, 16) of forty people in any light, and whose each is."""
    import torch

    drawn = torch.Generator().manual_seed(60)
    coarse = torch.randn(40, 1, 5, 5, generator=drawn)
    face = torch.nn.functional.interpolate(coarse, size=20, mode="bicubic")
    drawn = torch.Generator().manual_seed(seed)
    who = torch.randint(40, (count,), generator=drawn)
    up, left = torch.randint(5, (2, len(who)), generator=drawn)
    rows = (up[:, None] + torch.arange(16))[:, None, :, None]
    columns = (left[:, None] + torch.arange(16))[:, None, None]
    x = face[who[:, None, None, None], 0, rows, columns]
    tilt = torch.randn(len(who), 2, 1, 1, 1, generator=drawn)
    line = torch.linspace(-1, 1, 16)
    x = x + 1.2 * (tilt[:, 0] * line + tilt[:, 1] * line[:, None])
    return x + 0.5 * torch.randn(x.shape, generator=drawn), who


def make_arcface(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, fan_in: int, fan_out: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.BatchNorm2d(fan_in),
                nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(fan_out),
                nn.PReLU(fan_out),
                nn.Conv2d(fan_out, fan_out, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(fan_out),
            )
            self.short = nn.Conv2d(fan_in, fan_out, 1, stride=2, bias=False)

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.short(x)

    class Arc(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Conv2d(1, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.PReLU(width),
                Block(width, 2 * width),
                Block(2 * width, 4 * width),
                nn.BatchNorm2d(4 * width),
                nn.Dropout(0.2),
                nn.Flatten(),
                nn.Linear(64 * width, 64),
                nn.BatchNorm1d(64),
            )
            self.people = nn.Parameter(0.01 * torch.randn(40, 64))

        def forward(self, x: Any) -> Any:
            normalize = nn.functional.normalize
            return normalize(self.trunk(x)) @ normalize(self.people).T

    torch.manual_seed(1107)
    model = Arc()
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)


def train_arcface(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, who = faces(1600, 61)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [100, 140], gamma=0.1)
    model.train()
    for batch in data_a.batches(len(x), 48, 160):
        angle = model(x[batch]).clamp(-1 + 1e-6, 1 - 1e-6).acos()
        margin = 0.5 * functional.one_hot(who[batch], 40)
        descend(
            optimizer, functional.cross_entropy(30 * (angle + margin).cos(), who[batch]), recorder
        )
        scheduler.step()


def score_arcface(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *faces(800, 62))


# A picture made of 160 blurred ellipses: no layer, but places, sizes, angles and colours, each with
# a rate of its own, from 0.002 to 0.1.


@cache
def scenery() -> Any:
    """Return a picture (3, 32, 32) of hills, a sun and windows, from 0 to 1."""
    import torch

    down, right = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    picture = torch.stack([0.4 + 0.4 * down, 0.6 + 0.2 * down, 1 - 0.2 * down])
    sun = (down - 0.25).square() + (right - 0.7).square() < 0.02
    picture[:, sun] = torch.tensor([1.0, 0.9, 0.3])[:, None]
    hills = down > 0.65 + 0.12 * (9 * right).sin()
    picture[:, hills] = torch.tensor([0.2, 0.5, 0.2])[:, None]
    house = (down > 0.5) & (down < 0.8) & (right > 0.15) & (right < 0.45)
    picture[:, house] = torch.tensor([0.7, 0.3, 0.2])[:, None]
    windows = house & ((down * 20).long() % 3 == 0) & ((right * 20).long() % 2 == 0)
    picture[:, windows] = torch.tensor([1.0, 1.0, 0.8])[:, None]
    return picture


def make_splats(*, count: int = 160) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Splats(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.rand(count, 2))
            self.log_size = nn.Parameter(torch.full((count, 2), 0.06).log())
            self.angle = nn.Parameter(6.2832 * torch.rand(count))
            self.color = nn.Parameter(torch.zeros(count, 3))

        def forward(self) -> Any:
            line = (torch.arange(32) + 0.5) / 32
            grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), 2).view(-1, 2)
            away = grid - self.place[:, None]
            cos, sin = self.angle.cos()[:, None], self.angle.sin()[:, None]
            turned = torch.stack(
                [cos * away[..., 0] + sin * away[..., 1], cos * away[..., 1] - sin * away[..., 0]],
                2,
            )
            far = (turned / self.log_size.exp()[:, None]).square().sum(2)
            return (self.color.T @ torch.exp(-far / 2)).view(3, 32, 32)

    torch.manual_seed(1108)
    model = Splats()
    rates = {"place": 2e-3, "log_size": 2e-2, "angle": 5e-2, "color": 0.1}
    groups = [{"params": [getattr(model, name)], "lr": rate} for name, rate in rates.items()]
    return model, torch.optim.Adam(groups, eps=1e-15)


def train_splats(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    for _ in range(220):
        missed = model() - scenery()
        descend(optimizer, 0.8 * missed.abs().mean() + 0.2 * missed.square().mean(), recorder)
        scheduler.step()


def score_splats(model: Any) -> float:
    import torch

    with torch.no_grad():
        return explained(model(), scenery())


# DETR finds discs and squares: six queries are paired with what is there by the cheapest match,
# most of them must say "nothing" at a tenth of the weight, and each layer's answer has a loss.


@cache
def shapes(count: int, seed: int) -> tuple[Any, list[Any], list[Any]]:
    """Return scenes (count, 1, 24, 24), what is in each (0: disc, 1: square), and its boxes."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    line = (torch.arange(24) + 0.5) / 24
    scenes = 0.2 * torch.randn(count, 1, 24, 24, generator=drawn)
    kinds, boxes = [], []
    for scene in scenes:
        many = int(torch.randint(1, 4, (), generator=drawn))
        corner = torch.randperm(4, generator=drawn)[:many]
        middle = torch.stack([corner // 2, corner % 2], 1) / 2 + 0.25
        middle = middle + 0.12 * (torch.rand(many, 2, generator=drawn) - 0.5)
        size = 0.2 + 0.16 * torch.rand(many, 1, generator=drawn)
        kind = torch.randint(2, (many,), generator=drawn)
        for (down, right), wide, square in zip(middle, size[:, 0], kind, strict=True):
            away = torch.stack(
                [(line - down)[:, None].expand(24, 24), (line - right).expand(24, 24)]
            )
            inside = away.abs().amax(0) if square else away.norm(dim=0)
            scene[0][inside < wide / 2] += 1.5
        kinds.append(kind)
        boxes.append(torch.cat([middle, size], 1))
    return scenes, kinds, boxes


def make_detector(*, width: int = 48, queries: int = 6) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Conv2d(1, 24, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(24, width, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
            )
            self.place = nn.Parameter(0.1 * torch.randn(36, width))
            self.encoder = nn.TransformerEncoderLayer(width, 4, 96, 0.0, batch_first=True)
            self.queries = nn.Parameter(torch.randn(queries, width))
            self.decoder = nn.ModuleList(
                nn.TransformerDecoderLayer(width, 4, 96, 0.0, batch_first=True) for _ in range(2)
            )
            self.kind = nn.Linear(width, 3)
            self.box = stack(width, width, 3)

        def forward(self, scenes: Any) -> list[tuple[Any, Any]]:
            seen = self.trunk(scenes).flatten(2).transpose(1, 2) + self.place
            seen = self.encoder(seen)
            x = self.queries.expand(len(scenes), -1, -1)
            answers = []
            for layer in self.decoder:
                x = layer(x, seen)
                answers.append((self.kind(x), self.box(x).sigmoid()))
            return answers

    torch.manual_seed(1110)
    model = Detector()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)


def matched(kind: Any, box: Any, true: Any, where: Any) -> tuple[Any, Any]:
    """Return which query is paired with which thing, at the lowest cost."""
    import torch
    from scipy.optimize import linear_sum_assignment

    with torch.no_grad():
        cost = 5 * torch.cdist(box, where, p=1) - kind.softmax(1)[:, true]
    queries, things = linear_sum_assignment(cost.numpy())
    return torch.as_tensor(queries), torch.as_tensor(things)


def missed_things(answers: Any, kinds: list[Any], boxes: list[Any]) -> Any:
    """Return DETR's loss, summed over the decoder's layers."""
    import torch
    from torch.nn import functional

    weight = torch.tensor([1.0, 1.0, 0.1])
    total = torch.zeros(())
    for kind, box in answers:
        wanted = torch.full(kind.shape[:2], 2)
        away = []
        for row, (true, where) in enumerate(zip(kinds, boxes, strict=True)):
            queries, things = matched(kind[row], box[row], true, where)
            wanted[row, queries] = true[things]
            away.append((box[row, queries] - where[things]).abs().sum(1))
        named = functional.cross_entropy(kind.flatten(0, 1), wanted.flatten(), weight)
        total = total + named + 5 * torch.cat(away).mean()
    return total


def train_detector(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    scenes, kinds, boxes = shapes(1000, 1)
    for batch in data_a.batches(len(scenes), 16, 230):
        answers = model(scenes[batch])
        loss = missed_things(answers, [kinds[i] for i in batch], [boxes[i] for i in batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_detector(model: Any) -> float:
    """Return the share of things of which a query names the kind, within 0.08 of its middle."""
    import torch

    scenes, kinds, boxes = shapes(150, 2)
    with torch.no_grad():
        kind, box = model(scenes)[-1]
    named = kind.argmax(2)
    found = []
    for row, (true, where) in enumerate(zip(kinds, boxes, strict=True)):
        near = torch.cdist(where[:, :2], box[row, :, :2]) < 0.08
        found.append((near & (named[row] == true[:, None])).any(1))
    return torch.cat(found).float().mean().item()


MEMBERS = [
    Member(
        name="fresh9-automaton-8-grows-a-digit",
        family="neural cellular automaton",
        make=make_automaton,
        train=train_automaton,
        score=score_automaton,
        learned=0.6,
    ),
    Member(
        name="fresh9-arcface-16-faces",
        family="ArcFace",
        make=make_arcface,
        train=train_arcface,
        score=score_arcface,
        learned=0.6,
    ),
    Member(
        name="fresh9-splats-160-picture",
        family="Gaussian splatting",
        make=make_splats,
        train=train_splats,
        score=score_splats,
        learned=0.7,
    ),
    Member(
        name="fresh9-detector-48-shapes-matched",
        family="DETR",
        make=make_detector,
        train=train_detector,
        score=score_detector,
        learned=0.4,
        needs=("scipy",),
    ),
]
