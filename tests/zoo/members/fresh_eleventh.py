"""An eleventh fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_eleventh_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine. The noisy picture itself explains .518 of the clean one.

====================================  ======  ====  =======
training                              start   end   seconds
====================================  ======  ====  =======
gptj-48-turns-answers-only            .089    .997  7.8
radiance-64-flatland                  .019    .991  2.9
prior-16-one-noisy-picture            -.663   .828  1.8
echo-200-swings-frozen-pool           -.149   .703  4.7
successor-64-ring-from-zero           -1.085  .978  2.5
gumbel-128-digits-cooled              -.259   .648  3.9
mine-64-shared-information            .002    .929  2.4
rgcn-32-relations-two-bases           .213    .884  1.4
stochastic-64-digits-blocks-left-out  .106    .983  4.1
pruned-256-digits-a-tenth-left        .058    .981  1.2
====================================  ======  ====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_tenth import score_digits, swings

# GPT-J of transformers turns rows of numbers round. Only the second half counts: the labels of the
# question are -100, and most of what the net says is never compared with anything.


def make_gptj() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GPTJConfig, GPTJForCausalLM

    torch.manual_seed(1301)
    config = GPTJConfig(
        vocab_size=12,
        n_positions=32,
        n_embd=48,
        n_layer=2,
        n_head=4,
        rotary_dim=8,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPTJForCausalLM(config)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def turned(count: int, drawn: Any) -> Any:
    """Return rows (count, 11) of five numbers, a 10, and the five the other way round."""
    import torch

    row = torch.randint(10, (count, 5), generator=drawn)
    return torch.cat([row, torch.full((count, 1), 10), row.flip(1)], 1)


def train_gptj(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(111)
    model.train()
    for _ in range(350):
        words = turned(32, drawn)
        labels = words.clone()
        labels[:, :6] = -100
        descend(optimizer, model(input_ids=words, labels=labels).loss, recorder)


def score_gptj(model: Any) -> float:
    """Return how often a number of the answer is foretold."""
    import torch

    words = turned(300, torch.Generator().manual_seed(112))
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits[:, 5:-1].argmax(2)
    return (told == words[:, 6:]).float().mean().item()


# A radiance field of a flat world: pictures of one line each from cameras around four discs. Most
# of the space is empty, where the density goes to 0 and no colour gets a gradient any more.


@cache
def rays(cameras: int, seed: int) -> tuple[Any, Any]:
    """Return points along rays (n, 32, 2) and the colours (n, 3) that they lead to."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    angle = 6.2832 * torch.rand(cameras, 1, generator=drawn)
    eye = 2.5 * torch.cat([angle.cos(), angle.sin()], 1)
    spread = torch.linspace(-0.4, 0.4, 48)
    way = angle + 3.1416 + spread
    far = torch.linspace(1.2, 3.8, 32)
    way = torch.stack([way.cos(), way.sin()], 2)
    points = eye[:, None, None] + far[:, None] * way[:, :, None]
    return points.flatten(0, 1), rendered(*world(points.flatten(0, 1)))


def world(points: Any) -> tuple[Any, Any]:
    """Return the density (...) and colour (..., 3) of four discs at points (..., 2)."""
    import torch

    middle = torch.tensor([[0.5, 0.4], [-0.5, 0.3], [0.1, -0.6], [-0.4, -0.4]])
    colour = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.1, 0.2, 0.9], [0.9, 0.8, 0.1]])
    far = (points[..., None, :] - middle).square().sum(-1).sqrt()
    inside = ((0.3 - far) / 0.05).sigmoid()
    return 15 * inside.sum(-1), inside @ colour / (inside.sum(-1, keepdim=True) + 1e-6)


def rendered(density: Any, colour: Any) -> Any:
    """Return the colours (n, 3) of rays, from 32 points on each."""
    import torch

    passed = (-density * 2.6 / 31).exp()
    left = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1].cumprod(1)], 1)
    return (((1 - passed) * left)[..., None] * colour).sum(1)


def make_radiance(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Radiance(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = stack(18, width, width, 4)

        def forward(self, points: Any) -> Any:
            waves = [points]
            for octave in range(4):
                turned_points = 2**octave * points
                waves += [turned_points.sin(), turned_points.cos()]
            told = self.net(torch.cat(waves, -1))
            return rendered(nn.functional.softplus(told[..., 0]), told[..., 1:].sigmoid())

    torch.manual_seed(1302)
    model = Radiance()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_radiance(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    points, colours = rays(60, 1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.995)
    for batch in data_a.batches(len(points), 96, 300):
        descend(optimizer, functional.mse_loss(model(points[batch]), colours[batch]), recorder)
        scheduler.step()


def score_radiance(model: Any) -> float:
    import torch

    points, colours = rays(12, 2)
    with torch.no_grad():
        return explained(model(points), colours)


# Deep image prior: a convolutional net with noise as its only input, which never changes, learns
# one noisy picture: batches of 1, no second example, and a loss that ought not to come to 0.


@cache
def noisy_picture() -> tuple[Any, Any]:
    """Return a clean picture (1, 1, 32, 32) and the same with noise."""
    import torch

    line = torch.linspace(-1, 1, 32)
    down, right = torch.meshgrid(line, line, indexing="ij")
    clean = ((right - 0.3).square() + (down + 0.2).square() < 0.25).float()
    clean = clean + 0.5 * (right + down > 0.4) + 0.3 * (3 * right).sin()
    clean = clean[None, None]
    return clean, clean + 0.4 * torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(113)
    )


def make_prior(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Prior(nn.Module):
        noise: Any

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("noise", 0.1 * torch.randn(1, width, 8, 8))
            layers: list[Any] = []
            for _ in range(2):
                layers += [
                    nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
                    nn.BatchNorm2d(width),
                    nn.LeakyReLU(0.2),
                    nn.Upsample(scale_factor=2, mode="bilinear"),
                ]
            self.body = nn.Sequential(
                *layers,
                nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 1),
            )

        def forward(self) -> Any:
            return self.body(self.noise)

    torch.manual_seed(1303)
    model = Prior()
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def train_prior(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    _, noisy = noisy_picture()
    model.train()
    for _ in range(250):
        descend(optimizer, functional.mse_loss(model(), noisy), recorder)


def score_prior(model: Any) -> float:
    """Return how much of the clean picture is explained; the noisy one explains about a half."""
    import torch

    clean, _ = noisy_picture()
    model.train()
    with torch.no_grad():
        return explained(model(), clean)


# An echo state network: the recurrent part is drawn by chance and frozen, 40,000 weights, and only
# the map that reads it is learned.


def make_echo(*, width: int = 200) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Echo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.RNN(1, width, batch_first=True, bias=False)
            within: Any = self.pool.weight_hh_l0
            with torch.no_grad():
                within.normal_()
                within.mul_(0.95 / torch.linalg.eigvals(within).abs().max())
                self.pool.weight_ih_l0.uniform_(-0.5, 0.5)
            self.pool.requires_grad_(False)
            self.read = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            return self.read(self.pool(x)[0])

    torch.manual_seed(1304)
    model = Echo()
    return model, torch.optim.Adam(model.read.parameters(), lr=0.01)


def train_echo(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x = swings(800, 11)[0].flatten(1)[..., None]
    for batch in data_a.batches(len(x), 16, 300):
        told = model(x[batch, :-1])[:, 20:]
        descend(optimizer, functional.mse_loss(told, x[batch, 21:]), recorder)


def score_echo(model: Any) -> float:
    """Return how much of what comes in the next step is explained."""
    import torch

    x = swings(200, 12)[0].flatten(1)[..., None]
    with torch.no_grad():
        return explained(model(x[:, :-1])[:, 20:], x[:, 21:])


# Successor features of a walk on a ring, by temporal differences: the last map starts at 0, the
# targets grow as the net learns, and the loss rises for long after its first fall.


def make_successor(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1305)
    model = stack(20, width, width, 20)
    nn.init.zeros_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_successor(model: Any, optimizer: Any, recorder: Any) -> None:
    from copy import deepcopy

    import torch

    drawn = torch.Generator().manual_seed(115)
    seen = torch.eye(20)
    target = deepcopy(model)
    for step in range(700):
        if step % 25 == 0:
            target.load_state_dict(model.state_dict())
        place = torch.randint(20, (64,), generator=drawn)
        there = (place + torch.where(torch.rand(64, generator=drawn) < 0.7, 1, -1)) % 20
        with torch.no_grad():
            wanted = seen[place] + 0.9 * target(seen[there])
        loss = (model(seen[place]) - wanted).square().sum(1).mean()
        descend(optimizer, loss, recorder)


def score_successor(model: Any) -> float:
    """Return how much is explained of how often each place will be seen from each other one."""
    import torch

    seen = torch.eye(20)
    moves = 0.7 * seen.roll(1, 1) + 0.3 * seen.roll(-1, 1)
    with torch.no_grad():
        return explained(model(seen), torch.linalg.inv(seen - 0.9 * moves))


# A VAE with discrete codes: samples by Gumbel's noise, at a temperature that falls from 1 to 0.3.
# The loss is summed over pixels and codes, and its gradients become noisier to the end.


def make_gumbel(*, width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Gumbel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = stack(64, width, 96), stack(96, width, 64)

        def forward(self, x: Any, temperature: float) -> tuple[Any, Any]:
            logits = self.encoder(x).unflatten(1, (12, 8))
            codes = nn.functional.gumbel_softmax(logits, temperature, dim=2)
            return self.decoder(codes.flatten(1)), logits

    torch.manual_seed(1306)
    model = Gumbel()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_gumbel(model: Any, optimizer: Any, recorder: Any) -> None:
    from math import log

    from torch.nn import functional

    from tests.zoo import data_a

    x = data_a.digits()[0].flatten(1)
    for step, batch in enumerate(data_a.batches(len(x), 64, 500)):
        told, logits = model(x[batch], max(0.3, 0.997**step))
        chances = logits.softmax(2)
        apart = (chances * (logits.log_softmax(2) + log(8))).sum()
        missed = functional.binary_cross_entropy_with_logits(told, x[batch], reduction="sum")
        descend(optimizer, (missed + apart) / len(batch), recorder)


def score_gumbel(model: Any) -> float:
    """Return how much of the pixels is explained by the likeliest codes."""
    import torch

    x = data_pixels()
    with torch.no_grad():
        codes = model.encoder(x).unflatten(1, (12, 8)).argmax(2)
        told = model.decoder(torch.nn.functional.one_hot(codes, 8).float().flatten(1))
    return explained(told.sigmoid(), x)


def data_pixels() -> Any:
    """Return held-out digits as rows of pixels (n, 64)."""
    from tests.zoo import data_a

    return data_a.digits()[2].flatten(1)


# MINE: how much two vectors tell of each other, as the largest lower bound that a net can reach.
# The loss is minus the bound: it starts at 0, is negative ever after, and is a difference of means.


def related(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return two vectors of four (count, 4), of which each pair of numbers correlates by 0.8."""
    import torch

    x = torch.randn(count, 4, generator=drawn)
    return x, 0.8 * x + 0.6 * torch.randn(count, 4, generator=drawn)


def bound(model: Any, x: Any, y: Any) -> Any:
    """Return Donsker's and Varadhan's lower bound on the information that x and y share."""
    import math

    import torch

    apart = model(torch.cat([x, y.roll(1, 0)], 1)).flatten()
    return model(torch.cat([x, y], 1)).mean() - apart.logsumexp(0) + math.log(len(x))


def make_mine(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1307)
    model = stack(8, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_mine(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(116)
    for _ in range(700):
        descend(optimizer, -bound(model, *related(256, drawn)), recorder)


def score_mine(model: Any) -> float:
    """Return the bound over the true information, 2.04 nats."""
    import torch

    with torch.no_grad():
        return bound(model, *related(8000, torch.Generator().manual_seed(117))).item() / 2.0433


# R-GCN of torch_geometric: the kinds of 400 things from four relations between them, with two
# bases for all four, all things at once, and labels for 80.


@cache
def relations() -> tuple[Any, Any, Any, Any]:
    """Return features (400, 16), edges (2, n), their relations (n,), and kinds, of 4."""
    import torch

    drawn = torch.Generator().manual_seed(118)
    kind = torch.randint(4, (400,), generator=drawn)
    one, two = torch.randint(400, (2, 30000), generator=drawn)
    relation = torch.randint(4, (30000,), generator=drawn)
    fits = (kind[one] + relation) % 4 == kind[two]
    kept = torch.rand(30000, generator=drawn) < torch.where(fits, 0.4, 0.01)
    x = 0.3 * torch.randn(4, 16, generator=drawn)[kind] + torch.randn(400, 16, generator=drawn)
    return x, torch.stack([one, two])[:, kept], relation[kept], kind


def make_rgcn(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch_geometric.nn import RGCNConv

    class Rgcn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = RGCNConv(16, width, 4, num_bases=2)
            self.second = RGCNConv(width, 4, 4, num_bases=2)

        def forward(self, x: Any, edges: Any, relation: Any) -> Any:
            x = nn.functional.dropout(self.first(x, edges, relation).relu(), 0.3, self.training)
            return self.second(x, edges, relation)

    torch.manual_seed(1308)
    model = Rgcn()
    return model, torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)


def train_rgcn(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, edges, relation, kind = relations()
    model.train()
    for _ in range(120):
        told = model(x, edges, relation)
        descend(optimizer, functional.cross_entropy(told[:80], kind[:80]), recorder)


def score_rgcn(model: Any) -> float:
    import torch

    x, edges, relation, kind = relations()
    model.eval()
    with torch.no_grad():
        told = model(x, edges, relation).argmax(1)
    return (told[80:] == kind[80:]).float().mean().item()


# Stochastic depth: of twelve blocks a third is left out in each step, the last ones more often
# than not, and gets no gradient then.


def make_stochastic(*, width: int = 64, depth: int = 12) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Stochastic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Linear(64, width), nn.Linear(width, 10)
            self.blocks = nn.ModuleList(
                nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, 2 * width),
                    nn.GELU(),
                    nn.Linear(2 * width, width),
                )
                for _ in range(depth)
            )
            self.chance = torch.Generator().manual_seed(119)

        def forward(self, x: Any) -> Any:
            x = self.enter(x.flatten(1))
            for number, block in enumerate(self.blocks):
                kept = 1 - 0.65 * number / (depth - 1)
                if not self.training:
                    x = x + kept * block(x)
                elif torch.rand((), generator=self.chance) < kept:
                    x = x + block(x)
            return self.leave(x)

    torch.manual_seed(1309)
    model = Stochastic()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def train_stochastic(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 32, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


# Nine tenths of all weights are pruned before the first step, by torch.nn.utils.prune: masks that
# never change, and a gradient of 0 for all that they hide.


def make_pruned(*, width: int = 256) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn.utils import prune

    torch.manual_seed(1310)
    model = nn.Sequential(nn.Flatten(), *stack(64, width, width, width, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            prune.random_unstructured(layer, "weight", amount=0.9)
            with torch.no_grad():
                layer.weight_orig.mul_(10**0.5)
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


MEMBERS = [
    Member(
        name="fresh11-gptj-48-turns-answers-only",
        family="GPT-J",
        make=make_gptj,
        train=train_gptj,
        score=score_gptj,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh11-radiance-64-flatland",
        family="radiance field",
        make=make_radiance,
        train=train_radiance,
        score=score_radiance,
        learned=0.8,
    ),
    Member(
        name="fresh11-prior-16-one-noisy-picture",
        family="deep image prior",
        make=make_prior,
        train=train_prior,
        score=score_prior,
        learned=0.7,
    ),
    Member(
        name="fresh11-echo-200-swings-frozen-pool",
        family="echo state network",
        make=make_echo,
        train=train_echo,
        score=score_echo,
        learned=0.5,
    ),
    Member(
        name="fresh11-successor-64-ring-from-zero",
        family="successor features",
        make=make_successor,
        train=train_successor,
        score=score_successor,
        learned=0.8,
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh11-gumbel-128-digits-cooled",
        family="discrete VAE",
        make=make_gumbel,
        train=train_gumbel,
        score=score_gumbel,
        learned=0.5,
    ),
    Member(
        name="fresh11-mine-64-shared-information",
        family="mutual information estimator",
        make=make_mine,
        train=train_mine,
        score=score_mine,
        learned=0.6,
    ),
    Member(
        name="fresh11-rgcn-32-relations-two-bases",
        family="R-GCN",
        make=make_rgcn,
        train=train_rgcn,
        score=score_rgcn,
        learned=0.7,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh11-stochastic-64-digits-blocks-left-out",
        family="stochastic depth",
        make=make_stochastic,
        train=train_stochastic,
        score=score_digits,
        learned=0.8,
    ),
    Member(
        name="fresh11-pruned-256-digits-a-tenth-left",
        family="sparse net",
        make=make_pruned,
        train=train_stochastic,
        score=score_digits,
        learned=0.8,
    ),
]
