"""Ten fresh trainings and the same ten with a fault each, labelled before gradlab saw them."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member


def explained(predicted: Any, target: Any) -> float:
    """Return the share of the targets' variance that is explained."""
    left = (predicted - target).square().mean()
    return 1.0 - (left / target.var(unbiased=False)).item()


# A hypernetwork: one sine wave a task, whose network's weights another network writes.


@cache
def waves(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return task numbers (count,), places (count, 1) and heights (count, 1) of 12 sine waves."""
    import torch

    drawn = torch.Generator().manual_seed(7)
    phase = 6.28 * torch.rand(12, generator=drawn)
    height = 0.5 + torch.rand(12, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    task = torch.randint(12, (count,), generator=drawn)
    x = 4 * torch.rand(count, 1, generator=drawn) - 2
    y = height[task, None] * torch.sin(1.5 * x + phase[task, None])
    return task, x, y + 0.05 * torch.randn(count, 1, generator=drawn)


def make_hypernetwork(*, wrapped: bool = False) -> tuple[Any, Any]:
    """Build it; `wrapped` makes new parameters of the written weights, which cuts the graph."""
    import torch
    from torch import nn

    class Hypernetwork(nn.Module):
        def __init__(self, width: int = 16) -> None:
            super().__init__()
            self.width = width
            self.task = nn.Embedding(12, 16)
            self.writer = nn.Sequential(
                nn.Linear(16, 64),
                nn.ReLU(),
                nn.Linear(64, 3 * width + 1),
            )

        def forward(self, task: Any, x: Any) -> Any:
            written = self.writer(self.task(task))
            if wrapped:
                written = nn.Parameter(written)
            sizes = [self.width, self.width, self.width, 1]
            first, shift, second, constant = written.split(sizes, 1)
            hidden = torch.tanh(3 * first * x + shift)
            return (hidden * second).sum(1, keepdim=True) + constant

    torch.manual_seed(301)
    model = Hypernetwork()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_hypernetwork(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    task, x, y = waves(4000, 1)
    for batch in data_c.batches(len(y), 64, 400):
        optimizer.zero_grad()
        loss = functional.mse_loss(model(task[batch], x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_hypernetwork(model: Any) -> float:
    import torch

    task, x, y = waves(500, 2)
    with torch.no_grad():
        return explained(model(task, x), y)


# ALBERT: one layer shared by all blocks.


def make_albert() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import AlbertConfig, AlbertForSequenceClassification

    torch.manual_seed(302)
    config = AlbertConfig(
        vocab_size=60,
        embedding_size=32,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        num_labels=6,
    )
    model = AlbertForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_albert(model: Any, optimizer: Any, recorder: Any, *, warm_up: int = 20) -> None:
    """Warm the rate up over so many steps and then keep it."""
    from transformers import get_constant_schedule_with_warmup

    from tests.zoo import data_a

    x, y = data_a.topics(2000, seed=1, spread=1.5)
    schedule = get_constant_schedule_with_warmup(optimizer, num_warmup_steps=warm_up)
    model.train()
    for batch in data_a.batches(len(y), 32, 180):
        loss = model(input_ids=x[batch], labels=y[batch]).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recorder.log(loss=loss.item())


def score_albert(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, seed=2, spread=1.5)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y).float().mean().item()


# DeepSets: the logarithm of the chance that a set of parts holds.


@cache
def parts(count: int, seed: int) -> tuple[Any, Any]:
    """Return sets (count, 10, 3) of parts and the log-chance (count,) that all hold."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    middle = torch.randn(count, 1, 3, generator=drawn)
    x = middle + torch.randn(count, 10, 3, generator=drawn)
    load = x[..., 0] + 0.5 * x[..., 1].abs() - 0.5 * x[..., 2]
    return x, torch.nn.functional.logsigmoid(1.5 - load).sum(1) / 5


def make_sets(*, last_relu: bool = False) -> tuple[Any, Any]:
    """Build it; with `last_relu` the last layer of the stack gets a relu too."""
    import torch
    from torch import nn

    def stack(*widths: int, relu_at_end: bool = True) -> Any:
        layers: list[Any] = []
        for index in range(1, len(widths)):
            layers.append(nn.Linear(widths[index - 1], widths[index]))
            if relu_at_end or index < len(widths) - 1:
                layers.append(nn.ReLU())
        return nn.Sequential(*layers)

    class DeepSets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each = stack(3, 64, 64)
            self.all = stack(64, 64, 1, relu_at_end=last_relu)

        def forward(self, x: Any) -> Any:
            return self.all(self.each(x).mean(1)).squeeze(1)

    torch.manual_seed(303)
    model = DeepSets()
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3)


def train_sets(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y = parts(3000, 1)
    for batch in data_c.batches(len(y), 50, 300):
        loss = functional.mse_loss(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_sets(model: Any) -> float:
    import torch

    x, y = parts(500, 2)
    with torch.no_grad():
        return explained(model(x), y)


# ConvMixer of timm, with an average of the weights kept beside it.


def make_convmixer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.convmixer import ConvMixer

    torch.manual_seed(304)
    model = ConvMixer(dim=32, depth=3, kernel_size=3, patch_size=1, in_chans=1, num_classes=10)
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)


def train_convmixer(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    written_back: bool = False,
) -> None:
    """Average the weights over time; `written_back` copies that into the model at each step."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    average = [each.detach().clone() for each in model.parameters()]
    model.train()
    for batch in data_b.batches(len(y), 48, 150):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for kept, now in zip(average, model.parameters(), strict=True):
                kept.mul_(0.999).add_(now, alpha=0.001)
                if written_back:
                    now.copy_(kept)
        recorder.log(loss=loss.item())


def score_images(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    return data_b.accuracy(model, x, y)


# A set transformer with a mask of its own over padding.


@cache
def bags(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return bags of up to 7 things (count, 7), their padding, and their number of kinds."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kinds = torch.randint(1, 6, (count, 7), generator=drawn)
    sizes = torch.randint(1, 8, (count,), generator=drawn)
    sizes[torch.rand(count, generator=drawn) < 0.003] = 0
    padding = torch.arange(7) >= sizes[:, None]
    kinds = kinds.masked_fill(padding, 0)
    seen = torch.stack([(kinds == kind).any(1) for kind in range(1, 6)], 1)
    return kinds, padding, seen.sum(1)


def make_set_transformer(*, width: int = 48, heads: int = 4) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(width, width)
            self.key = nn.Linear(width, width)
            self.value = nn.Linear(width, width)
            self.out = nn.Linear(width, width)
            self.norm = nn.LayerNorm(width)
            self.feed = nn.Sequential(nn.Linear(width, 96), nn.ReLU(), nn.Linear(96, width))
            self.last = nn.LayerNorm(width)

        def forward(self, asking: Any, x: Any, padding: Any) -> Any:
            def split(y: Any) -> Any:
                return y.view(len(y), -1, heads, width // heads).transpose(1, 2)

            query = split(self.query(asking))
            key = split(self.key(x))
            value = split(self.value(x))
            match = query @ key.transpose(2, 3) / (width // heads) ** 0.5
            match = match.masked_fill(padding[:, None, None], float("-inf"))
            read = (match.softmax(-1) @ value).transpose(1, 2).flatten(2)
            hidden = self.norm(asking + self.out(read))
            return self.last(hidden + self.feed(hidden))

    class SetTransformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kind = nn.Embedding(6, width, padding_idx=0)
            self.one = Attention()
            self.two = Attention()
            self.seed = nn.Parameter(torch.randn(1, 1, width) * 0.1)
            self.pool = Attention()
            self.head = nn.Linear(width, 6)

        def forward(self, kinds: Any, padding: Any) -> Any:
            x = self.kind(kinds)
            x = self.one(x, x, padding)
            x = self.two(x, x, padding)
            return self.head(self.pool(self.seed.expand(len(x), -1, -1), x, padding)[:, 0])

    torch.manual_seed(305)
    model = SetTransformer()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_set_transformer(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    empty_kept: bool = False,
) -> None:
    """Train on the bags that hold something; with `empty_kept` on all, and softmax has nothing."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    kinds, padding, y = bags(3000, 1)
    if not empty_kept:
        full = ~padding.all(1)
        kinds, padding, y = kinds[full], padding[full], y[full]
    model.train()
    for batch in data_c.batches(len(y), 32, 300, seed=4):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(kinds[batch], padding[batch]), y[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_set_transformer(model: Any) -> float:
    import torch

    kinds, padding, y = bags(600, 2)
    full = ~padding.all(1)
    model.eval()
    with torch.no_grad():
        logits = model(kinds[full], padding[full])
    return (logits.argmax(1) == y[full]).float().mean().item()


# A Kolmogorov-Arnold network: a sum of bumps on every edge.


@cache
def flats(count: int, seed: int, standardized: bool) -> tuple[Any, Any]:
    """Return area, year, distance to the centre in metres, floor; and a standardized rent."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    area = 25 + 125 * torch.rand(count, generator=drawn)
    year = 1900 + 120 * torch.rand(count, generator=drawn)
    distance = 15_000 * torch.rand(count, generator=drawn)
    floor = torch.randint(0, 9, (count,), generator=drawn).float()
    rent = (area - 87) / 36 + torch.cos((year - 1900) / 25)
    rent = rent + 1.2 * torch.exp(-distance / 3000) + 0.1 * (floor - 4) * (area > 90)
    rent = rent + 0.1 * torch.randn(count, generator=drawn)
    x = torch.stack((area, year, distance, floor), 1)
    if standardized:
        middle = torch.tensor([87.5, 1960.0, 7500.0, 4.0])
        x = (x - middle) / torch.tensor([36.0, 35.0, 4330.0, 2.6])
    return x, (rent - 0.36) / 1.25


def make_kan() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Splines(nn.Module):
        def __init__(self, ins: int, outs: int, bumps: int = 8) -> None:
            super().__init__()
            self.register_buffer("places", torch.linspace(-2.0, 2.0, bumps))
            self.bumps = nn.Linear(ins * bumps, outs, bias=False)
            self.base = nn.Linear(ins, outs)

        def forward(self, x: Any) -> Any:
            near = torch.exp(-((x[..., None] - self.places) / 0.57).square())
            return self.bumps(near.flatten(1)) + self.base(nn.functional.silu(x))

    torch.manual_seed(306)
    model = nn.Sequential(Splines(4, 12), Splines(12, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_kan(model: Any, optimizer: Any, recorder: Any, *, standardized: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y = flats(2000, 1, standardized)
    for batch in data_c.batches(len(y), 40, 400):
        optimizer.zero_grad()
        loss = functional.smooth_l1_loss(model(x[batch]).squeeze(1), y[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_kan(model: Any, *, standardized: bool = True) -> float:
    import torch

    x, y = flats(500, 2, standardized)
    with torch.no_grad():
        return explained(model(x).squeeze(1), y)


# A highway network of thirty layers.


def make_highway(*, gate: float = -3.0) -> tuple[Any, Any]:
    """Build it; the bias `gate` says how much of a layer's input is carried past it."""
    import torch
    from torch import nn

    class Highway(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.change = nn.Linear(width, width)
            self.gate = nn.Linear(width, width)
            nn.init.constant_(self.gate.bias, gate)

        def forward(self, x: Any) -> Any:
            open_by = torch.sigmoid(self.gate(x))
            return open_by * torch.relu(self.change(x)) + (1 - open_by) * x

    torch.manual_seed(307)
    blocks = [Highway(40) for _ in range(30)]
    model = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), *blocks, nn.Linear(40, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_highway(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    for batch in data_c.batches(len(y), 50, 250):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_highway(model: Any) -> float:
    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    return data_c.accuracy(model, x, y)


# Matrix factorization with biases.


@cache
def ratings() -> tuple[Any, Any, Any]:
    """Return 6000 users, things and ratings of about 3.5; the last 1000 are held out."""
    import torch

    drawn = torch.Generator().manual_seed(308)
    likes = torch.randn(60, 3, generator=drawn)
    offers = torch.randn(90, 3, generator=drawn)
    kind = 0.4 * torch.randn(60, generator=drawn)
    good = 0.4 * torch.randn(90, generator=drawn)
    user = torch.randint(60, (6000,), generator=drawn)
    thing = torch.randint(90, (6000,), generator=drawn)
    rating = 3.5 + kind[user] + good[thing] + 0.5 * (likes[user] * offers[thing]).sum(1)
    return user, thing, rating + 0.2 * torch.randn(6000, generator=drawn)


def make_factors(*, weight_decay: float = 1e-5) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Factors(nn.Module):
        def __init__(self, rank: int = 6) -> None:
            super().__init__()
            self.user = nn.Embedding(60, rank)
            self.thing = nn.Embedding(90, rank)
            self.kind = nn.Embedding(60, 1)
            self.good = nn.Embedding(90, 1)
            for each in self.children():
                nn.init.normal_(each.weight, std=0.3)

        def forward(self, user: Any, thing: Any) -> Any:
            match = (self.user(user) * self.thing(thing)).sum(1)
            return 3.5 + match + self.kind(user)[:, 0] + self.good(thing)[:, 0]

    torch.manual_seed(309)
    model = Factors()
    return model, torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=weight_decay)


def train_factors(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    user, thing, rating = ratings()
    for batch in data_c.batches(5000, 128, 400):
        optimizer.zero_grad()
        loss = functional.mse_loss(model(user[batch], thing[batch]), rating[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_factors(model: Any) -> float:
    import torch

    user, thing, rating = ratings()
    with torch.no_grad():
        return explained(model(user[5000:], thing[5000:]), rating[5000:])


# Behaviour cloning: which of eight ways an expert goes to reach a goal.


@cache
def ways(count: int, seed: int) -> tuple[Any, Any]:
    """Return where one stands and where the goal is (count, 4), and the expert's way."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(count, 4, generator=drawn) - 1
    angle = torch.atan2(x[:, 3] - x[:, 1], x[:, 2] - x[:, 0])
    return x, (angle / (torch.pi / 4)).round().long() % 8


def make_cloner(*, constant: bool = False) -> tuple[Any, Any]:
    """Build the policy; `constant` starts all weights of each layer at the same number."""
    import torch
    from torch import nn

    torch.manual_seed(310)
    model = nn.Sequential(
        nn.Linear(4, 64),
        nn.Tanh(),
        nn.Linear(64, 64),
        nn.Tanh(),
        nn.Linear(64, 8),
    )
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
            if constant:
                nn.init.constant_(layer.weight, 0.05)
            else:
                nn.init.orthogonal_(layer.weight)
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_cloner(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    steps = 350
    x, y = ways(4000, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for batch in data_c.batches(len(y), 64, steps):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_cloner(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *ways(1000, 2))


# DenseNet of torchvision.


def make_densenet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torchvision.models import DenseNet

    torch.manual_seed(311)
    model = DenseNet(growth_rate=8, block_config=(2, 2, 2), num_init_features=16, num_classes=10)
    rate = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    return model, torch.optim.SGD(model.parameters(), **rate)


def train_densenet(model: Any, optimizer: Any, recorder: Any, *, apart: bool = False) -> None:
    """Shuffle anew in each epoch; `apart`: the images alone, the labels stay as they were."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(32, channels=3)
    drawn = torch.Generator().manual_seed(5)
    model.train()
    for _ in range(5):
        order = torch.randperm(len(y), generator=drawn)
        x = x[order]
        y = y if apart else y[order]
        for images, labels in zip(x.split(48), y.split(48), strict=True):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images), labels, label_smoothing=0.1)
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss.item())


def score_densenet(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits(32, channels=3)
    return data_b.accuracy(model, x, y)


HYPERNETWORK = {
    "family": "Hypernetwork",
    "train": train_hypernetwork,
    "score": score_hypernetwork,
    "learned": 0.8,
}
ALBERT = {
    "family": "ALBERT",
    "make": make_albert,
    "score": score_albert,
    "learned": 0.7,
    "needs": ("transformers", "sklearn"),
}
SETS = {"family": "DeepSets", "train": train_sets, "score": score_sets, "learned": 0.8}
CONVMIXER = {
    "family": "ConvMixer",
    "make": make_convmixer,
    "score": score_images,
    "learned": 0.85,
    "needs": ("timm", "sklearn"),
}
SET_TRANSFORMER = {
    "family": "Set Transformer",
    "make": make_set_transformer,
    "score": score_set_transformer,
    "learned": 0.85,
}
KAN = {"family": "KAN", "make": make_kan, "learned": 0.8}
HIGHWAY = {
    "family": "Highway",
    "train": train_highway,
    "score": score_highway,
    "learned": 0.85,
    "needs": ("sklearn",),
}
FACTORS = {
    "family": "Factorization",
    "train": train_factors,
    "score": score_factors,
    "learned": 0.6,
}
CLONER = {
    "family": "Behaviour cloning",
    "train": train_cloner,
    "score": score_cloner,
    "learned": 0.8,
}
DENSENET = {
    "family": "DenseNet",
    "make": make_densenet,
    "score": score_densenet,
    "learned": 0.85,
    "needs": ("torchvision", "sklearn"),
}

MEMBERS = [
    Member(name="fresh-hypernetwork-waves", make=make_hypernetwork, **HYPERNETWORK),
    Member(
        name="fresh-hypernetwork-waves-parameters-anew",
        make=partial(make_hypernetwork, wrapped=True),
        fault="the written weights are wrapped as new parameters: the writer gets no gradient",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        counterpart="fresh-hypernetwork-waves",
        **HYPERNETWORK,
    ),
    Member(name="fresh-albert-64-topics", train=train_albert, **ALBERT),
    Member(
        name="fresh-albert-64-topics-long-warm-up",
        train=partial(train_albert, warm_up=200_000),
        fault="a warm-up of 200,000 steps in a training of 180",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        counterpart="fresh-albert-64-topics",
        **ALBERT,
    ),
    Member(name="fresh-deepsets-64-chances", make=make_sets, **SETS),
    Member(
        name="fresh-deepsets-64-chances-last-relu",
        make=partial(make_sets, last_relu=True),
        fault="relu on the output of a regression whose targets are negative",
        root=("GL106", "GL201"),
        symptoms=("GL101", "GL105", "GL302", "GL402"),
        counterpart="fresh-deepsets-64-chances",
        **SETS,
    ),
    Member(name="fresh-convmixer-32-average", train=train_convmixer, **CONVMIXER),
    Member(
        name="fresh-convmixer-32-average-written-back",
        train=partial(train_convmixer, written_back=True),
        fault="the moving average of the weights is copied into the model after each step",
        root=("GL308",),
        symptoms=("GL302", "GL312", "GL402"),
        counterpart="fresh-convmixer-32-average",
        **CONVMIXER,
    ),
    Member(name="fresh-set-transformer-48-bags", train=train_set_transformer, **SET_TRANSFORMER),
    Member(
        name="fresh-set-transformer-48-empty-bags",
        train=partial(train_set_transformer, empty_kept=True),
        fault="softmax of nothing but -inf where a bag is empty",
        root=("GL001",),
        counterpart="fresh-set-transformer-48-bags",
        **SET_TRANSFORMER,
    ),
    Member(name="fresh-kan-12-flats", train=train_kan, score=score_kan, **KAN),
    Member(
        name="fresh-kan-12-flats-raw",
        train=partial(train_kan, standardized=False),
        score=partial(score_kan, standardized=False),
        fault="inputs in years and metres, outside the splines' grid",
        root=("GL404",),
        symptoms=(
            "GL001",
            "GL102",
            "GL103",
            "GL201",
            "GL203",
            "GL303",
            "GL304",
            "GL401",
            "GL402",
        ),
        counterpart="fresh-kan-12-flats",
        **KAN,
    ),
    Member(name="fresh-highway-40-digits", make=make_highway, **HIGHWAY),
    Member(
        name="fresh-highway-40-digits-gates-open",
        make=partial(make_highway, gate=3.0),
        fault="the gates' bias has the wrong sign: hardly anything is carried past thirty layers",
        root=("GL101",),
        symptoms=("GL302", "GL402"),
        counterpart="fresh-highway-40-digits",
        **HIGHWAY,
    ),
    Member(name="fresh-factors-6-ratings", make=make_factors, **FACTORS),
    Member(
        name="fresh-factors-6-ratings-weight-decay",
        make=partial(make_factors, weight_decay=0.1),
        fault="weight decay of 0.1, the penalty of a sum of errors, beside a mean of errors",
        root=("GL309",),
        symptoms=("GL101", "GL402"),
        counterpart="fresh-factors-6-ratings",
        **FACTORS,
    ),
    Member(name="fresh-cloner-64-ways", make=make_cloner, **CLONER),
    Member(
        name="fresh-cloner-64-ways-constant-start",
        make=partial(make_cloner, constant=True),
        fault="all weights of a layer start at the same number",
        root=("GL305",),
        symptoms=("GL402",),
        counterpart="fresh-cloner-64-ways",
        **CLONER,
    ),
    Member(name="fresh-densenet-8-digits", train=train_densenet, **DENSENET),
    Member(
        name="fresh-densenet-8-digits-shuffled-apart",
        train=partial(train_densenet, apart=True),
        fault="the images are shuffled in each epoch and their labels are not",
        root=("GL402",),
        counterpart="fresh-densenet-8-digits",
        **DENSENET,
    ),
]
