"""A fifth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_fifth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

==============================  ======  ======  =======
training                        start   end     seconds
==============================  ======  ======  =======
perceiver-48-digits             .103    .834    3.0
process-64-sines                -.003   .941    2.3
wav2vec2-32-frozen-filters      .193    .997    2.2
pointer-32-longer-rows          .208    .764    3.0
deepar-32-counts                -.674   .818    2.9
binary-128-digits               .116    .914    0.5
lightgcn-16-tastes              .525    .877    0.4
poolformer-32-digits            .108    .884    2.3
teacher-32-digits-forty-labels  .118    .804    2.7
equilibrium-96-digits           .038    .942    0.4
==============================  ======  ======  =======
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fourth import descend


def stack(*widths: int) -> Any:
    """Return linear maps with relu between them."""
    from torch import nn

    layers: list[Any] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train_digits(
    model: Any, optimizer: Any, recorder: Any, *, steps: int = 200, size: int = 64
) -> None:
    """Train a classifier of digits with cross-entropy."""
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    model.train()
    for batch in data_a.batches(len(x), size, steps):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_digits(model: Any) -> float:
    from tests.zoo import data_a, data_c

    return data_c.accuracy(model, *data_a.digits()[2:])


# Perceiver: four learned rows that start near 0 look at 64 pixels twice, with one set of weights.


def make_perceiver(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Perceiver(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.randn(64, 15))
            self.latents = nn.Parameter(0.02 * torch.randn(4, width))
            self.norm = nn.LayerNorm(width)
            self.look = nn.MultiheadAttention(width, 4, kdim=16, vdim=16, batch_first=True)
            self.think = nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            self.head = nn.Linear(width, 10)

        def forward(self, images: Any) -> Any:
            pixels = images.flatten(1)[..., None]
            seen = torch.cat([pixels, self.place.expand(len(pixels), -1, -1)], 2)
            z = self.latents.expand(len(pixels), -1, -1)
            for _ in range(2):
                z = z + self.look(self.norm(z), seen, seen, need_weights=False)[0]
                z = self.think(z)
            return self.head(z.mean(1))

    torch.manual_seed(701)
    model = Perceiver()
    return model, torch.optim.AdamW(model.parameters(), lr=4e-3)


def train_perceiver(model: Any, optimizer: Any, recorder: Any) -> None:
    train_digits(model, optimizer, recorder, steps=220, size=32)


# Conditional neural process: a negative log-density that crosses 0.


def sines(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return places and heights (count, 30, 1) of sine waves, each of its own height and phase."""
    import torch

    x = 4 * torch.rand(count, 30, 1, generator=drawn) - 2
    height = 0.5 + torch.rand(count, 1, 1, generator=drawn)
    phase = 3.1416 * torch.rand(count, 1, 1, generator=drawn)
    return x, height * torch.sin(2 * x + phase)


def make_process(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Process(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = stack(2, width, width, width)
            self.teller = stack(width + 1, width, width, 2)

        def forward(self, x: Any, y: Any, asked: Any) -> tuple[Any, Any]:
            read = self.reader(torch.cat([x, y], 2)).mean(1, keepdim=True)
            told = self.teller(torch.cat([read.expand(-1, asked.shape[1], -1), asked], 2))
            mean, spread = told.chunk(2, 2)
            return mean, 0.02 + nn.functional.softplus(spread)

    torch.manual_seed(702)
    model = Process()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_process(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(71)
    for _ in range(500):
        x, y = sines(32, drawn)
        known = int(torch.randint(5, 16, (1,), generator=drawn))
        mean, spread = model(x[:, :known], y[:, :known], x)
        loss = -torch.distributions.Normal(mean, spread).log_prob(y).mean()
        descend(optimizer, loss, recorder)


def score_process(model: Any) -> float:
    import torch

    x, y = sines(200, torch.Generator().manual_seed(72))
    with torch.no_grad():
        mean, _ = model(x[:, :15], y[:, :15], x[:, 15:])
    return explained(mean, y[:, 15:])


# Wav2Vec2 of transformers: the filters are frozen, as its own freeze_feature_encoder does.


@cache
def chirps(count: int, seed: int) -> tuple[Any, Any]:
    """Return sounds (count, 400) and whether each rises, falls, stays or trembles."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 1, 400)
    kind = torch.randint(4, (count,), generator=drawn)
    start = 100 + 60 * torch.rand(count, 1, generator=drawn)
    change = torch.tensor([80.0, -80.0, 0.0, 0.0])[kind, None]
    tremble = torch.tensor([0.0, 0.0, 0.0, 4.0])[kind, None]
    phase = 6.2832 * torch.rand(count, 1, generator=drawn)
    angle = start * time + change * time**2 / 2 + tremble * torch.sin(40 * time) + phase
    return torch.sin(angle) + 0.1 * torch.randn(count, 400, generator=drawn), kind


def make_wav2vec() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    torch.manual_seed(703)
    config = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32, 32),
        conv_stride=(5, 4),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        apply_spec_augment=False,
        layerdrop=0.0,
        classifier_proj_size=32,
        num_labels=4,
    )
    model = Wav2Vec2ForSequenceClassification(config)
    model.freeze_feature_encoder()
    learning = [p for p in model.parameters() if p.requires_grad]
    return model, torch.optim.AdamW(learning, lr=3e-3)


def train_wav2vec(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    x, kind = chirps(800, 1)
    model.train()
    for batch in data_a.batches(len(x), 16, 150):
        descend(optimizer, model(x[batch], labels=kind[batch]).loss, recorder)


def score_wav2vec(model: Any) -> float:
    import torch

    x, kind = chirps(300, 2)
    model.eval()
    with torch.no_grad():
        return (model(x).logits.argmax(1) == kind).float().mean().item()


# Pointer network: it points at the second largest number; the rows become longer, and so the loss
# rises at each stage.


def make_pointer(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Pointer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = nn.GRU(1, width, batch_first=True, bidirectional=True)
            self.key = nn.Linear(2 * width, width, bias=False)
            self.query = nn.Linear(2 * width, width)
            self.score = nn.Linear(width, 1, bias=False)

        def forward(self, rows: Any) -> Any:
            states, last = self.reader(rows[..., None])
            query = self.query(torch.cat([last[0], last[1]], 1))[:, None]
            return self.score(torch.tanh(self.key(states) + query))[..., 0]

    torch.manual_seed(704)
    model = Pointer()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_pointer(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(73)
    for length in (4, 7, 11, 16):
        for _ in range(100):
            rows = torch.rand(64, length, generator=drawn)
            target = rows.topk(2, 1).indices[:, 1]
            descend(optimizer, functional.cross_entropy(model(rows), target), recorder)


def score_pointer(model: Any) -> float:
    """Return how often it points at the right one of sixteen."""
    import torch

    rows = torch.rand(500, 16, generator=torch.Generator().manual_seed(74))
    with torch.no_grad():
        return (model(rows).argmax(1) == rows.topk(2, 1).indices[:, 1]).float().mean().item()


# DeepAR with counts: the Poisson loss, which leaves its constant away, lies near -250.


@cache
def sales(count: int, seed: int) -> Any:
    """Return series (count, 36) of counts with a week in them; some sell ten times as much."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    level = 40 * torch.exp(0.8 * torch.randn(count, 1, generator=drawn))
    phase = 6.2832 * torch.rand(count, 1, generator=drawn)
    wave = torch.sin(6.2832 * torch.arange(36.0) / 7 + phase)
    return torch.poisson(level * torch.exp(0.6 * wave), generator=drawn)


def make_deepar(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class DeepAR(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.states = nn.GRU(1, width, batch_first=True)
            self.rate = nn.Linear(width, 1)

        def forward(self, counts: Any) -> Any:
            level = 1 + counts[:, :7].mean(1, keepdim=True)
            states, _ = self.states((counts / level)[..., None])
            return level * nn.functional.softplus(self.rate(states))[..., 0]

    torch.manual_seed(705)
    model = DeepAR()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_deepar(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    counts = sales(600, 1)
    for batch in data_a.batches(len(counts), 32, 250):
        rate = model(counts[batch, :-1])
        loss = functional.poisson_nll_loss(rate, counts[batch, 1:], log_input=False)
        descend(optimizer, loss, recorder)


def score_deepar(model: Any) -> float:
    """Return the share of the variance within a series that is told, from the eighth day on."""
    import torch

    counts = sales(200, 2)
    level = 1 + counts[:, :7].mean(1, keepdim=True)
    with torch.no_grad():
        rate = model(counts[:, :-1])
    return explained((rate / level)[:, 7:], (counts[:, 1:] / level)[:, 7:])


# BinaryConnect: signs are used for weights, and the weights behind them are kept within 1.


def make_binary(*, width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Signs(nn.Linear):
        def forward(self, x: Any) -> Any:
            signs = self.weight + (self.weight.sign() - self.weight).detach()
            return nn.functional.linear(x, signs)

    torch.manual_seed(706)
    layers: list[Any] = [nn.Flatten()]
    for fan_in, fan_out in ((64, width), (width, width), (width, 10)):
        layers += [Signs(fan_in, fan_out, bias=False), nn.BatchNorm1d(fan_out), nn.Hardtanh()]
    model = nn.Sequential(*layers[:-1])
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def train_binary(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    for batch in data_a.batches(len(x), 64, 300):
        descend(optimizer, nn.functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        with torch.no_grad():
            for layer in model:
                if isinstance(layer, nn.Linear):
                    layer.weight.clamp_(-1, 1)


# LightGCN: nothing is learned but one table; its loss starts at ln 2 and stays there for a while.


@cache
def tastes() -> tuple[Any, Any, Any]:
    """Return which of 80 things 150 people like (0 or 1): training, held out; and the chances."""
    import torch

    drawn = torch.Generator().manual_seed(75)
    people = torch.randn(150, 4, generator=drawn)
    things = torch.randn(80, 4, generator=drawn)
    chance = (1.5 * people @ things.T - 3).sigmoid()
    likes = torch.rand(150, 80, generator=drawn) < chance
    kept = torch.rand(150, 80, generator=drawn) < 0.75
    return (likes & kept).float(), (likes & ~kept).float(), chance


def make_lightgcn(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class LightGCN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            likes = tastes()[0]
            across = likes / (likes.sum(1, keepdim=True) * likes.sum(0)).clamp(min=1).sqrt()
            edges = torch.zeros(230, 230)
            edges[:150, 150:] = across
            edges[150:, :150] = across.T
            self.register_buffer("edges", edges.to_sparse())
            self.table = nn.Embedding(230, width)
            nn.init.normal_(self.table.weight, std=0.01)

        def forward(self) -> Any:
            x = self.table.weight
            total = x
            for _ in range(2):
                x = torch.sparse.mm(self.edges, x)
                total = total + x
            return total / 3

    torch.manual_seed(707)
    model = LightGCN()
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def train_lightgcn(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(76)
    likes = tastes()[0]
    pairs = likes.nonzero()
    for _ in range(250):
        person, liked = pairs[torch.randint(len(pairs), (256,), generator=drawn)].T
        other = torch.randint(80, (256,), generator=drawn)
        told = model()
        better = (told[person] * (told[150 + liked] - told[150 + other])).sum(1)
        descend(optimizer, functional.softplus(-better).mean(), recorder)


def score_lightgcn(model: Any) -> float:
    """Return how often a held-out thing that is liked stands above one that is not."""
    import torch

    seen, hidden, _ = tastes()
    with torch.no_grad():
        told = model()
    told = told[:150] @ told[150:].T
    right = count = 0.0
    for person in range(150):
        liked = told[person][hidden[person] == 1]
        other = told[person][(hidden[person] == 0) & (seen[person] == 0)]
        right += (liked[:, None] > other).float().sum().item()
        count += len(liked) * len(other)
    return right / count


# PoolFormer of transformers: its branches start at 1e-5, and a tenth of them is dropped.


def make_poolformer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch import nn
    from transformers import PoolFormerConfig, PoolFormerForImageClassification

    class Logits(nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return self.inner(x).logits

    torch.manual_seed(708)
    config = PoolFormerConfig(
        num_channels=1,
        depths=[2, 2],
        hidden_sizes=[32, 64],
        patch_sizes=[3, 3],
        strides=[2, 2],
        padding=[1, 1],
        num_encoder_blocks=2,
        mlp_ratio=2.0,
        drop_path_rate=0.1,
        layer_scale_init_value=1e-5,
        num_labels=10,
    )
    model = Logits(PoolFormerForImageClassification(config))
    return model, torch.optim.AdamW(model.parameters(), lr=4e-3)


def train_poolformer(model: Any, optimizer: Any, recorder: Any) -> None:
    train_digits(model, optimizer, recorder, steps=120, size=32)


# Mean teacher: forty labels, and a consistency whose weight grows to 20, so that the loss rises.


def make_student() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(709)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(512, 10),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_student(model: Any, optimizer: Any, recorder: Any) -> None:
    from copy import deepcopy

    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    drawn = torch.Generator().manual_seed(77)
    teacher = deepcopy(model).requires_grad_(False)
    model.train()
    for step, batch in enumerate(data_a.batches(len(x), 64, 220)):
        weight = 20 * min(1.0, step / 150) ** 2
        first, second = (
            x[batch] + 0.3 * torch.randn(64, 1, 8, 8, generator=drawn) for _ in range(2)
        )
        told = functional.cross_entropy(model(x[:40]), y[:40])
        agreed = (model(first).softmax(1) - teacher(second).softmax(1)).square().sum(1).mean()
        descend(optimizer, told + weight * agreed, recorder)
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 0.03)


# Deep equilibrium net: the fixed point is sought without gradient, and one more step has one.


def make_equilibrium(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Equilibrium(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(64, width)
            self.again = nn.Linear(width, width, bias=False)
            self.leave = nn.Linear(width, 10)
            nn.init.orthogonal_(self.again.weight, gain=0.5)

        def forward(self, images: Any) -> Any:
            pushed = self.enter(images.flatten(1))
            z = torch.zeros_like(pushed)
            with torch.no_grad():
                for _ in range(20):
                    z = torch.tanh(self.again(z) + pushed)
            return self.leave(torch.tanh(self.again(z) + pushed))

    torch.manual_seed(710)
    model = Equilibrium()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


MEMBERS = [
    Member(
        name="fresh5-perceiver-48-digits",
        family="Perceiver",
        make=make_perceiver,
        train=train_perceiver,
        score=score_digits,
        learned=0.6,
    ),
    Member(
        name="fresh5-process-64-sines",
        family="neural process",
        make=make_process,
        train=train_process,
        score=score_process,
        learned=0.7,
    ),
    Member(
        name="fresh5-wav2vec2-32-frozen-filters",
        family="Wav2Vec2",
        make=make_wav2vec,
        train=train_wav2vec,
        score=score_wav2vec,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh5-pointer-32-longer-rows",
        family="pointer network",
        make=make_pointer,
        train=train_pointer,
        score=score_pointer,
        learned=0.5,
    ),
    Member(
        name="fresh5-deepar-32-counts",
        family="DeepAR",
        make=make_deepar,
        train=train_deepar,
        score=score_deepar,
        learned=0.5,
    ),
    Member(
        name="fresh5-binary-128-digits",
        family="BinaryConnect",
        make=make_binary,
        train=train_binary,
        score=score_digits,
        learned=0.8,
    ),
    Member(
        name="fresh5-lightgcn-16-tastes",
        family="LightGCN",
        make=make_lightgcn,
        train=train_lightgcn,
        score=score_lightgcn,
        learned=0.75,
    ),
    Member(
        name="fresh5-poolformer-32-digits",
        family="PoolFormer",
        make=make_poolformer,
        train=train_poolformer,
        score=score_digits,
        learned=0.8,
        needs=("transformers",),
    ),
    Member(
        name="fresh5-teacher-32-digits-forty-labels",
        family="mean teacher",
        make=make_student,
        train=train_student,
        score=score_digits,
        learned=0.7,
    ),
    Member(
        name="fresh5-equilibrium-96-digits",
        family="deep equilibrium",
        make=make_equilibrium,
        train=train_digits,
        score=score_digits,
        learned=0.8,
    ),
]
