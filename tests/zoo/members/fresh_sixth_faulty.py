"""A sixth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_sixth.

Scores without gradlab, on a CPU: of the net at its start, with the fault, without it; seconds of
one core without it.

======================================  ======  =======  =======  =======
training                                start   fault    without  seconds
======================================  ======  =======  =======  =======
ranker-64-hinge-margin-below-0          .438    .438     .949     0.6
m5-24-sounds-sixteen-bits               .190    .220     1.000    1.6
made-60-curves-rate-below-0             -7.813  -50.000  -3.410   0.8
lenet-300-digits-pruned-each-step       .101    .144     .977     0.3
cells-16-digits-best-way-in-evaluation  .103    .408     .872     6.1
recaller-48-letters-detached-each-step  .242    .272     1.000    2.8
xlnet-48-topics-optimizer-of-another    .168    .168     .935     3.4
efficientnet-16-digits-best-only        .097    .131     .906     5.9
hourglass-16-points-lr-decay            .295    .562     .975     2.5
graphconv-32-friends-added              .250    .250     1.000    1.6
======================================  ======  =======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh_fifth import score_digits, stack, train_digits
from tests.zoo.members.fresh_fourth import descend

# A ranker of documents with a hinge; the margin has the wrong sign, and the loss is 0 at the start.


@cache
def searches(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return what is asked (count, 6), a document that fits better, and one that fits worse."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    asked = torch.randn(count, 6, generator=drawn)
    pair = torch.randn(2, count, 6, generator=drawn)
    fit = (asked * pair).sum(2)
    better = (fit[0] > fit[1])[:, None]
    return asked, torch.where(better, *pair), torch.where(better, pair[1], pair[0])


def make_ranker(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(821)
    model = stack(12, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_ranker(model: Any, optimizer: Any, recorder: Any, *, margin: float = 1.0) -> None:
    import torch

    from tests.zoo import data_a

    asked, better, worse = searches(6000, 1)
    for batch in data_a.batches(len(asked), 64, 400):
        above = model(torch.cat([asked[batch], better[batch]], 1))
        below = model(torch.cat([asked[batch], worse[batch]], 1))
        descend(optimizer, torch.relu(below - above + margin).mean(), recorder)


def score_ranker(model: Any) -> float:
    """Return how often the better document stands above the worse."""
    import torch

    asked, better, worse = searches(1000, 2)
    with torch.no_grad():
        above = model(torch.cat([asked, better], 1))
        return (above > model(torch.cat([asked, worse], 1))).float().mean().item()


# M5 on sounds; the samples are whole numbers of sixteen bits, as files hold them.


@cache
def recordings(count: int, seed: int) -> tuple[Any, Any]:
    """Return sounds (count, 1, 512) of -32,768 to 32,767 and which of five instruments plays."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(5, (count,), generator=drawn)
    overtones = torch.rand(5, 6, generator=torch.Generator().manual_seed(91)) ** 2
    pitch = 8 + 12 * torch.rand(count, 1, 1, generator=drawn)
    phase = 6.2832 * torch.rand(count, 6, 1, generator=drawn)
    number = torch.arange(1.0, 7.0)[:, None]
    angle = 6.2832 * pitch * number * torch.linspace(0, 1, 512) + phase
    sound = (overtones[kind][..., None] * torch.sin(angle)).sum(1)
    sound = sound + 0.05 * torch.randn(count, 512, generator=drawn)
    return (8000 * sound).round().clamp(-32768, 32767)[:, None], kind


def make_m5(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(822)
    model = nn.Sequential(
        nn.Conv1d(1, width, 20, stride=4),
        nn.ReLU(),
        nn.Conv1d(width, width, 5, stride=2),
        nn.ReLU(),
        nn.Conv1d(width, 2 * width, 5, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 5),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_m5(model: Any, optimizer: Any, recorder: Any, *, unit: float = 8000.0) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    sounds, kind = recordings(1000, 1)
    for batch in data_a.batches(len(sounds), 32, 300):
        told = model(sounds[batch] / unit)
        descend(optimizer, functional.cross_entropy(told, kind[batch]), recorder)


def score_m5(model: Any, *, unit: float = 8000.0) -> float:
    from tests.zoo import data_c

    sounds, kind = recordings(400, 2)
    return data_c.accuracy(model, sounds / unit, kind)


# MADE, a density; the rate falls in a line to 0 at step 150 of 400, and goes on below 0.


def curved(count: int, drawn: Any) -> Any:
    """Return points (count, 6), each number of which bends the next one."""
    import torch

    columns = [torch.randn(count, generator=drawn)]
    for _ in range(5):
        noise = 0.3 * torch.randn(count, generator=drawn)
        columns.append(torch.sin(2 * columns[-1]) + noise)
    return torch.stack(columns, 1)


def make_made(*, width: int = 60) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Masked(nn.Linear):
        def __init__(self, before: Any, after: Any, *, strict: bool = False) -> None:
            super().__init__(len(before), len(after))
            allowed = after[:, None] > before if strict else after[:, None] >= before
            self.register_buffer("allowed", allowed.float())

        def forward(self, x: Any) -> Any:
            return nn.functional.linear(x, self.weight * self.allowed, self.bias)

    torch.manual_seed(823)
    places = torch.arange(6)
    hidden = torch.arange(width) % 5
    model = nn.Sequential(
        Masked(places, hidden),
        nn.ReLU(),
        Masked(hidden, hidden),
        nn.ReLU(),
        Masked(hidden, places.repeat(2), strict=True),
    )
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def surprise(model: Any, x: Any) -> Any:
    """Return the negative log-density of each point, in nats."""
    mean, log_spread = model(x).chunk(2, 1)
    log_spread = log_spread.clamp(-5, 5)
    return (((x - mean) / log_spread.exp()) ** 2 / 2 + log_spread + 0.919).sum(1)


def train_made(model: Any, optimizer: Any, recorder: Any, *, planned: int = 400) -> None:
    import torch

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / planned)
    drawn = torch.Generator().manual_seed(92)
    for _ in range(400):
        descend(optimizer, surprise(model, curved(64, drawn)).mean(), recorder)
        scheduler.step()


def score_made(model: Any) -> float:
    """Return the mean log-density of new points, at least -50."""
    import torch

    with torch.no_grad():
        x = curved(1000, torch.Generator().manual_seed(93))
        return max(-50.0, -surprise(model, x).mean().item())


# LeNet-300-100 is pruned while it learns; the tenth that goes at the end of an epoch goes in every
# step.


def make_lenet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(824)
    model = nn.Sequential(nn.Flatten(), stack(64, 300, 100, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_lenet(model: Any, optimizer: Any, recorder: Any, *, every: int = 22) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    masks = [torch.ones_like(layer.weight) for layer in layers]
    for step, batch in enumerate(data_a.batches(len(x), 64, 220)):
        descend(optimizer, nn.functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        with torch.no_grad():
            for layer, mask in zip(layers, masks, strict=True):
                if (step + 1) % every == 0:
                    left = layer.weight[mask > 0].abs()
                    mask[layer.weight.abs() < left.quantile(0.1)] = 0
                layer.weight.mul_(mask)


# A cell of an architecture search: operations are mixed in training; in evaluation, the best one
# alone is taken.


def make_cells(*, width: int = 16, discrete: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ways = nn.ModuleList(
                [
                    nn.Conv2d(width, width, 3, padding=1),
                    nn.Conv2d(width, width, 1),
                    nn.AvgPool2d(3, 1, 1),
                    nn.Conv2d(width, width, 3, padding=2, dilation=2),
                ]
            )
            self.choice = nn.Parameter(1e-3 * torch.randn(4))

        def forward(self, x: Any) -> Any:
            if discrete and not self.training:
                return torch.relu(self.ways[int(self.choice.argmax())](x))
            shares = self.choice.softmax(0)
            mixed = [share * way(x) for share, way in zip(shares, self.ways, strict=True)]
            return torch.relu(sum(mixed))

    torch.manual_seed(825)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        Cell(),
        Cell(),
        nn.MaxPool2d(2),
        Cell(),
        Cell(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


# The first of sixteen letters is to be said at the end; the state is detached in every step.


def first_letters(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return rows (count, 16): a letter 0..3, then letters 4..9; and the first one of each."""
    import torch

    rows = torch.randint(4, 10, (count, 16), generator=drawn)
    rows[:, 0] = torch.randint(4, (count,), generator=drawn)
    return rows, rows[:, 0]


def make_recaller(*, width: int = 48, detached: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Recaller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(10, 16)
            self.cell = nn.GRUCell(16, width)
            self.head = nn.Linear(width, 4)

        def forward(self, rows: Any) -> Any:
            state = torch.zeros(len(rows), width)
            for x in self.letters(rows).unbind(1):
                if detached:
                    state = state.detach()
                state = self.cell(x, state)
            return self.head(state)

    torch.manual_seed(826)
    model = Recaller()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_recaller(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(94)
    for _ in range(350):
        rows, first = first_letters(64, drawn)
        descend(optimizer, functional.cross_entropy(model(rows), first), recorder)


def score_recaller(model: Any) -> float:
    import torch

    rows, first = first_letters(500, torch.Generator().manual_seed(95))
    with torch.no_grad():
        return (model(rows).argmax(1) == first).float().mean().item()


# XLNet of transformers in a cross-validation: the optimizer was made once, for the model of which
# each fold takes a copy.


def make_xlnet(*, copied: bool = False) -> tuple[Any, Any]:
    from copy import deepcopy

    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import XLNetConfig, XLNetForSequenceClassification

    torch.manual_seed(827)
    config = XLNetConfig(
        vocab_size=60,
        d_model=48,
        n_layer=2,
        n_head=4,
        d_inner=96,
        num_labels=6,
        pad_token_id=0,
        dropout=0.0,
        summary_last_dropout=0.0,
    )
    model = XLNetForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    return (deepcopy(model) if copied else model), optimizer


def train_xlnet(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(800, 1)
    model.train()
    for batch in data_a.batches(len(words), 32, 150):
        model.zero_grad()
        loss = model(input_ids=words[batch], labels=topic[batch]).loss
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_xlnet(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(400, 2)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == topic).float().mean().item()


# EfficientNet of timm; a step is taken only where the batch's loss is lower than the lowest so far,
# as one keeps the best state: after some lucky batches none is.


def make_efficientnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    import timm

    torch.manual_seed(828)
    model = timm.create_model("test_efficientnet", num_classes=10, in_chans=1)
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)


def train_efficientnet(
    model: Any, optimizer: Any, recorder: Any, *, best_only: bool = False
) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(16)
    lowest = float("inf")
    model.train()
    for batch in data_b.batches(len(y), 16, 250):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        value = loss.item()
        optimizer.zero_grad()
        loss.backward()
        if not best_only or value < lowest:
            optimizer.step()
            lowest = value
        recorder.log(loss=value)


def score_efficientnet(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *data_b.digits(16)[2:])


# An hourglass finds two points as heat; Adagrad's lr_decay is taken for a factor like 0.96, but the
# rate is divided by 1 + 0.96 times the number of steps.


@cache
def points(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return pictures (count, 1, 16, 16) of a bright and a dark dot, their heat and places."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    place = torch.randint(2, 14, (count, 2, 2), generator=drawn)
    grid = torch.arange(16)
    away = (grid[:, None] - place[..., 0, None, None]) ** 2
    away = away + (grid - place[..., 1, None, None]) ** 2
    heat = torch.exp(-away / 4.0)
    picture = heat[:, :1] - heat[:, 1:] + 0.3 * torch.randn(count, 1, 16, 16, generator=drawn)
    return picture, heat, place


def make_hourglass(*, width: int = 16, decay: float = 0.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Hourglass(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv2d(1, width, 3, padding=1)
            self.down = nn.ModuleList(nn.Conv2d(width, width, 3, 2, 1) for _ in range(3))
            self.up = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
            self.leave = nn.Conv2d(width, 2, 1)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.enter(x))
            kept = []
            for down in self.down:
                kept.append(x)
                x = torch.relu(down(x))
            for up in self.up:
                x = kept.pop() + torch.relu(up(nn.functional.interpolate(x, scale_factor=2)))
            return self.leave(x)

    torch.manual_seed(829)
    model = Hourglass()
    return model, torch.optim.Adagrad(model.parameters(), lr=1e-2, lr_decay=decay)


def train_hourglass(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    pictures, heat, _ = points(800, 1)
    for batch in data_a.batches(len(pictures), 32, 200):
        descend(optimizer, functional.mse_loss(model(pictures[batch]), heat[batch]), recorder)


def score_hourglass(model: Any) -> float:
    """Return how often the hottest pixel is within one pixel of the point."""
    import torch

    pictures, _, place = points(300, 2)
    with torch.no_grad():
        hottest = model(pictures).flatten(2).argmax(2)
    told = torch.stack([hottest // 16, hottest % 16], 2)
    return ((told - place).abs().amax(2) <= 1).float().mean().item()


# GraphConv of PyTorch Geometric, five layers over people with some forty friends each, whose
# messages are added up and not averaged.


@cache
def friends() -> tuple[Any, Any, Any]:
    """Return features (300, 8), pairs of friends (2, n) and the group of each, 0..3."""
    import torch

    drawn = torch.Generator().manual_seed(96)
    group = torch.arange(300) % 4
    alike = group[:, None] == group
    chance = torch.where(alike, 0.4, 0.05)
    linked = (torch.rand(300, 300, generator=drawn) < chance).triu(1)
    linked = linked | linked.T
    middle = torch.randn(4, 8, generator=drawn)
    return middle[group] + 1.5 * torch.randn(300, 8, generator=drawn), linked.nonzero().T, group


def make_graphconv(*, width: int = 32, aggr: str = "mean") -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torch import nn
    from torch_geometric.nn import GraphConv

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [8] + [width] * 4
            self.layers = nn.ModuleList(GraphConv(n, width, aggr=aggr) for n in sizes)
            self.head = nn.Linear(width, 4)

        def forward(self, x: Any, edges: Any) -> Any:
            for layer in self.layers:
                x = torch.relu(layer(x, edges))
            return self.head(x)

    torch.manual_seed(830)
    model = Net()
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


def train_graphconv(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, edges, group = friends()
    for _ in range(150):
        told = model(x, edges)[:200]
        descend(optimizer, functional.cross_entropy(told, group[:200]), recorder)


def score_graphconv(model: Any) -> float:
    import torch

    x, edges, group = friends()
    with torch.no_grad():
        return (model(x, edges).argmax(1) == group)[200:].float().mean().item()


MEMBERS = [
    Member(
        name="fresh6-ranker-64-hinge-margin-below-0",
        family="pairwise ranker",
        make=make_ranker,
        train=partial(train_ranker, margin=-1.0),
        score=score_ranker,
        learned=0.8,
        fault="the hinge's margin has the wrong sign: the loss is 0 from the start",
        root=("GL106", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh6-m5-24-sounds-sixteen-bits",
        family="M5",
        make=make_m5,
        train=partial(train_m5, unit=1.0),
        score=partial(score_m5, unit=1.0),
        learned=0.7,
        fault="sounds go in as whole numbers of sixteen bits, up to 32,767",
        root=("GL404",),
        symptoms=(
            "GL001",
            "GL101",
            "GL102",
            "GL103",
            "GL105",
            "GL201",
            "GL203",
            "GL302",
            "GL303",
            "GL304",
            "GL401",
            "GL402",
        ),
    ),
    Member(
        name="fresh6-made-60-curves-rate-below-0",
        family="MADE",
        make=make_made,
        train=partial(train_made, planned=150),
        score=score_made,
        learned=-5.0,
        fault="the rate falls in a line to 0 at step 150 of 400, and goes on below 0",
        root=("GL310",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh6-lenet-300-digits-pruned-each-step",
        family="LeNet-300-100",
        make=make_lenet,
        train=partial(train_lenet, every=1),
        score=score_digits,
        learned=0.7,
        fault="a tenth of the weights is pruned in each step and not in each epoch",
        root=("GL308",),
        symptoms=("GL101", "GL105", "GL201", "GL302", "GL402"),
    ),
    Member(
        name="fresh6-cells-16-digits-best-way-in-evaluation",
        family="architecture search",
        make=partial(make_cells, discrete=True),
        train=train_digits,
        score=score_digits,
        learned=0.65,
        fault="mixed operations in training, only the best one in evaluation",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh6-recaller-48-letters-detached-each-step",
        family="GRU cell",
        make=partial(make_recaller, detached=True),
        train=train_recaller,
        score=score_recaller,
        learned=0.7,
        fault="the state is detached in each step: no gradient goes back in time",
        root=("GL107", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh6-xlnet-48-topics-optimizer-of-another",
        family="XLNet",
        make=partial(make_xlnet, copied=True),
        train=train_xlnet,
        score=score_xlnet,
        learned=0.6,
        fault="the optimizer holds the model that was copied, and not the copy",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh6-efficientnet-16-digits-best-only",
        family="EfficientNet",
        make=make_efficientnet,
        train=partial(train_efficientnet, best_only=True),
        score=score_efficientnet,
        learned=0.7,
        fault="a step is taken only where a batch's loss is the lowest so far",
        root=("GL307",),
        symptoms=("GL302", "GL402"),
        needs=("timm",),
    ),
    Member(
        name="fresh6-hourglass-16-points-lr-decay",
        family="hourglass",
        make=partial(make_hourglass, decay=0.96),
        train=train_hourglass,
        score=score_hourglass,
        learned=0.85,
        fault="Adagrad's lr_decay=0.96 divides the rate by the number of steps",
        root=("GL312", "GL302"),
        symptoms=("GL402",),
    ),
    Member(
        name="fresh6-graphconv-32-friends-added",
        family="GraphConv",
        make=partial(make_graphconv, aggr="add"),
        train=train_graphconv,
        score=score_graphconv,
        learned=0.6,
        fault="messages of forty friends are added up in each of five layers, not averaged",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL201", "GL303", "GL304", "GL401", "GL402"),
        needs=("torch_geometric",),
    ),
]
