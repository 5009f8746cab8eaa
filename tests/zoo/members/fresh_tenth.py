"""A tenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_tenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine.

==================================  =====  =====  =======
training                            start  end    seconds
==================================  =====  =====  =======
convit-48-digits-wrong-labels       .125   .792   4.8
falcon-64-repeats-after-a-plateau   .060   1.000  6.8
foreteller-32-swings-summed         .029   .548   2.9
distributional-64-grid              -.398  .917   1.2
kernel-48-ridges-all-at-once        .167   .935   0.9
glove-12-themes-adagrad             .158   1.000  0.4
squeezed-24-digits-warm-restarts    .106   .978   3.7
deep-graph-32-twenty-labels         .202   .900   8.7
prototypes-32-signs-anew-each-step  .587   .815   2.8
robust-24-digits-moved-against-it   .038   .688   4.7
==================================  =====  =====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# ConViT of timm: attention that starts as a convolution would, by gates that start at 1; RMSprop
# with smoothed labels and a third of all answers wrong: the loss stays near the ln 10 of guessing.


def make_convit() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.convit import ConVit

    torch.manual_seed(1221)
    model = ConVit(
        img_size=8,
        patch_size=2,
        in_chans=1,
        num_classes=10,
        embed_dim=12,
        depth=3,
        num_heads=4,
        mlp_ratio=2.0,
        local_up_to_layer=2,
    )
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, momentum=0.5)


def train_convit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    drawn = torch.Generator().manual_seed(91)
    wrong = torch.rand(len(y), generator=drawn) < 0.33
    y = torch.where(wrong, torch.randint(10, y.shape, generator=drawn), y)
    model.train()
    for batch in data_b.batches(len(y), 32, 320):
        loss = functional.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.1)
        descend(optimizer, loss, recorder)


def score_digits(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    return data_b.accuracy(model, x, y)


# Falcon of transformers learns to repeat: sentences of words by chance, said twice. The loss falls
# to the plateau of guessing and leaves it only when the second half is found to be the first.


def make_falcon() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import FalconConfig, FalconForCausalLM

    torch.manual_seed(1222)
    config = FalconConfig(
        vocab_size=16,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        multi_query=True,
        parallel_attn=True,
        max_position_embeddings=32,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = FalconForCausalLM(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98))


def train_falcon(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(92)
    model.train()
    for _ in range(450):
        words = torch.randint(16, (32, 10), generator=drawn).repeat(1, 2)
        descend(optimizer, model(input_ids=words, labels=words).loss, recorder)


def score_falcon(model: Any) -> float:
    """Return how often a word of the second half is foretold."""
    import torch

    words = torch.randint(16, (200, 10), generator=torch.Generator().manual_seed(93)).repeat(1, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits[:, 10:-1].argmax(2)
    return (told == words[:, 11:]).float().mean().item()


# Contrastive predictive coding: a GRU tells what comes later apart from what comes in other rows.
# The loss is a sum over four distances, near 4 ln 24 at first, and it can never come to 0.


@cache
def swings(count: int, seed: int) -> tuple[Any, Any]:
    """Return noisy signals (count, 16, 8), 16 pieces of 8, and the kind of swing of each, of 5."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(5, (count,), generator=drawn)
    speed = torch.tensor([0.15, 0.25, 0.4, 0.6, 0.9])[kind, None]
    speed = speed * (1 + 0.1 * torch.randn(count, 1, generator=drawn))
    phase = 6.2832 * torch.rand(count, 2, 1, generator=drawn)
    time = torch.arange(128.0)
    x = (speed * time + phase[:, 0]).sin() + 0.5 * (2 * speed * time + phase[:, 1]).sin()
    return (x + 0.2 * torch.randn(x.shape, generator=drawn)).view(count, 16, 8), kind


def make_foreteller(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Foreteller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, width))
            self.memory = nn.GRU(width, width, batch_first=True)
            self.later = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(4))

        def forward(self, x: Any) -> tuple[Any, Any]:
            codes = self.encoder(x)
            return codes, self.memory(codes)[0]

    torch.manual_seed(1223)
    model = Foreteller()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_foreteller(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, _ = swings(2000, 1)
    drawn = torch.Generator().manual_seed(94)
    for batch in data_a.batches(len(x), 24, 600):
        codes, known = model(x[batch])
        now = int(torch.randint(6, 12, (), generator=drawn))
        total = torch.zeros(())
        for ahead, later in enumerate(model.later, 1):
            alike = later(known[:, now]) @ codes[:, now + ahead].T
            total = total + functional.cross_entropy(alike, torch.arange(24))
        descend(optimizer, total, recorder)


def score_foreteller(model: Any) -> float:
    """Return how often the next piece is found among those of 23 other rows."""
    import torch

    x, _ = swings(480, 2)
    right = []
    with torch.no_grad():
        codes, known = model(x)
        for rows in torch.arange(480).view(20, 24):
            alike = model.later[0](known[rows, 9]) @ codes[rows, 10].T
            right.append((alike.argmax(1) == torch.arange(24)).float().mean())
    return torch.stack(right).mean().item()


# C51: the distribution of what can still be earned, from steps that somebody else took on a grid.
# The loss is a cross-entropy with what a target net says, which moves every 40 steps: it hardly
# falls.


def walked(place: Any, way: Any) -> tuple[Any, Any, Any]:
    """Return where a step on the grid of 6 x 6 leads, what it earns, and whether it is the last."""
    import torch

    moves = torch.tensor([[0, 1], [1, 0], [0, -1], [-1, 0]])
    there = (torch.stack([place // 6, place % 6], 1) + moves[way]).clamp(0, 5)
    there = there[:, 0] * 6 + there[:, 1]
    swamp = torch.isin(there, torch.tensor([8, 14, 20, 27, 28]))
    done = there == 35
    return there, torch.where(done, 1.0, torch.where(swamp, -0.5, -0.02)), done


def make_distributional(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1224)
    model = stack(36, width, width, 4 * 31)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3, eps=3e-4)


def values(model: Any, place: Any) -> Any:
    """Return the logarithms of chances (n, 4, 31) of what can be earned, from -2 to 1."""
    import torch

    seen = torch.nn.functional.one_hot(place, 36).float()
    return model(seen).view(-1, 4, 31).log_softmax(2)


def train_distributional(model: Any, optimizer: Any, recorder: Any) -> None:
    from copy import deepcopy

    import torch

    drawn = torch.Generator().manual_seed(95)
    support = torch.linspace(-2, 1, 31)
    target = deepcopy(model)
    for step in range(600):
        if step % 40 == 0:
            target.load_state_dict(model.state_dict())
        place = torch.randint(35, (64,), generator=drawn)
        way = torch.randint(4, (64,), generator=drawn)
        there, earned, done = walked(place, way)
        with torch.no_grad():
            chances = values(target, there).exp()
            best = (chances @ support).argmax(1)
            chances = chances[torch.arange(64), best]
            worth = earned[:, None] + 0.97 * (~done)[:, None] * support
            index = ((worth.clamp(-2, 1) + 2) * 10)[..., None]
            share = (1 - (index - torch.arange(31)).abs()).clamp(min=0)
            wanted = (chances[..., None] * share).sum(1)
        told = values(model, place)[torch.arange(64), way]
        loss = -(wanted * told).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_distributional(model: Any) -> float:
    """Return what the best ways earn in 20 steps from any place, on average."""
    import torch

    support = torch.linspace(-2, 1, 31)
    place, total, left = torch.arange(35), torch.zeros(35), torch.ones(35)
    with torch.no_grad():
        for _ in range(20):
            way = (values(model, place).exp() @ support).argmax(1)
            place, earned, done = walked(place, way)
            total += left * earned
            left = left * (~done)
            place = torch.where(place == 35, 0, place)
    return total.mean().item()


# A Gaussian process on a net's features: all 160 points at once, by the logarithm of their density,
# which goes below 0. The kernel's length, size and noise are single numbers with a rate of theirs.


@cache
def ridges(count: int, seed: int) -> tuple[Any, Any]:
    """Return points (count, 6), and heights (count,) that depend on two directions alone."""
    import torch

    drawn = torch.Generator().manual_seed(96)
    ways = torch.randn(6, 2, generator=drawn) / 6**0.5
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=drawn)
    one, two = (x @ ways).unbind(1)
    height = (3 * one).sin() + (two > 0).float() * 1.5 - 0.75
    return x, height + 0.05 * torch.randn(count, generator=drawn)


def make_kernel(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Kernel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(6, width),
                nn.Tanh(),
                nn.Linear(width, width),
                nn.Tanh(),
                nn.Linear(width, 2),
            )
            self.log_length = nn.Parameter(torch.zeros(()))
            self.log_size = nn.Parameter(torch.zeros(()))
            self.log_noise = nn.Parameter(torch.tensor(-2.0))

        def forward(self, one: Any, two: Any) -> Any:
            one, two = self.net(one), self.net(two)
            far = (one[:, None] - two).square().sum(2)
            return self.log_size.exp() * torch.exp(-0.5 * far / self.log_length.exp())

        def own(self, x: Any) -> Any:
            """Return the lower triangle of the points' covariance with noise."""
            noise = self.log_noise.exp() + 1e-4
            return torch.linalg.cholesky(self(x, x) + noise * torch.eye(len(x)))

    torch.manual_seed(1225)
    model = Kernel()
    groups = [
        {"params": model.net.parameters(), "weight_decay": 1e-4},
        {"params": [model.log_length, model.log_size, model.log_noise], "lr": 0.02},
    ]
    return model, torch.optim.AdamW(groups, lr=3e-3, weight_decay=0.0)


def train_kernel(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    x, y = ridges(160, 1)
    for _ in range(300):
        lower = model.own(x)
        half = torch.linalg.solve_triangular(lower, y[:, None], upper=False)
        loss = half.square().sum() / 2 + lower.diagonal().log().sum()
        descend(optimizer, loss / len(y), recorder)


def score_kernel(model: Any) -> float:
    import torch

    (x, y), (x_new, y_new) = ridges(160, 1), ridges(400, 2)
    with torch.no_grad():
        solved = torch.cholesky_solve(y[:, None], model.own(x))
        return explained((model(x_new, x) @ solved)[:, 0], y_new)


# GloVe: words of two tables whose product is the logarithm of how often they meet; a weighted sum
# of squared errors that is in the hundreds, by Adagrad, which slows down by itself.


@cache
def met() -> tuple[Any, Any, Any]:
    """Return pairs of 120 words (n, 2), how often they met (n,), and each word's theme of 6."""
    import torch

    drawn = torch.Generator().manual_seed(98)
    theme = torch.arange(120) % 6
    common = (0.8 * torch.randn(120, generator=drawn)).exp()
    often = common[:, None] * common * torch.where(theme[:, None] == theme, 4.0, 1.0)
    counts = torch.poisson(3 * often, generator=drawn)
    pairs = counts.nonzero()
    return pairs, counts[pairs[:, 0], pairs[:, 1]], theme


def make_glove(*, width: int = 12) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Glove(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.contexts = nn.Embedding(120, width), nn.Embedding(120, width)
            self.word_bias, self.context_bias = nn.Embedding(120, 1), nn.Embedding(120, 1)
            tables: list[Any] = list(self.children())
            for table in tables:
                nn.init.uniform_(table.weight, -0.5 / width, 0.5 / width)

        def forward(self, pairs: Any) -> Any:
            one, two = pairs.unbind(1)
            alike = (self.words(one) * self.contexts(two)).sum(1)
            return alike + self.word_bias(one)[:, 0] + self.context_bias(two)[:, 0]

    torch.manual_seed(1227)
    model = Glove()
    return model, torch.optim.Adagrad(model.parameters(), lr=0.05)


def train_glove(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    pairs, counts, _ = met()
    weight = (counts / 20).clamp(max=1) ** 0.75
    for batch in data_a.batches(len(pairs), 512, 600):
        missed = (model(pairs[batch]) - counts[batch].log()).square()
        descend(optimizer, (weight[batch] * missed).sum(), recorder)


def score_glove(model: Any) -> float:
    """Return how often the word with the most alike direction is of the same theme."""
    import torch

    *_, theme = met()
    with torch.no_grad():
        words = torch.nn.functional.normalize(model.words.weight + model.contexts.weight, dim=1)
        alike = words @ words.T
    alike.fill_diagonal_(-2)
    return (theme[alike.argmax(1)] == theme).float().mean().item()


# A squeeze-and-excitation net by SGD with warm restarts: the rate jumps from 0 to 0.1 every sixty
# steps, and the loss with it. Of each picture a square is blotted out.


def make_squeezed(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
            )
            last: Any = self.body[-1]
            nn.init.zeros_(last.weight)
            self.weigh = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(width, width // 4, 1),
                nn.ReLU(),
                nn.Conv2d(width // 4, width, 1),
                nn.Sigmoid(),
            )

        def forward(self, x: Any) -> Any:
            added = self.body(x)
            return (x + added * self.weigh(added)).relu()

    torch.manual_seed(1228)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        *(Block() for _ in range(3)),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)


def train_squeezed(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    drawn = torch.Generator().manual_seed(99)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 60)
    model.train()
    for batch in data_b.batches(len(y), 32, 240):
        down, right = torch.randint(6, (2, len(batch), 1, 1, 1), generator=drawn)
        rows, columns = torch.arange(8)[:, None] - down, torch.arange(8) - right
        blotted = (rows >= 0) & (rows < 3) & (columns >= 0) & (columns < 3)
        descend(
            optimizer,
            functional.cross_entropy(model(x[batch].masked_fill(blotted, 0.0)), y[batch]),
            recorder,
        )
        scheduler.step()


# GCNII of torch_geometric, sixteen layers: twenty labels a class of 600 nodes, dropout of 0.6, and
# a weight decay of 0.01 on all its convolutions, as its authors take it.


@cache
def communities() -> tuple[Any, Any, Any]:
    """Return features (600, 40) of little use alone, edges (2, n), and communities, of 5."""
    import torch

    drawn = torch.Generator().manual_seed(100)
    kind = torch.randint(5, (600,), generator=drawn)
    chance = torch.where(kind[:, None] == kind, 0.04, 0.004)
    joined = (torch.rand(600, 600, generator=drawn) < chance).triu(1)
    x = 0.35 * torch.randn(5, 40, generator=drawn)[kind] + torch.randn(600, 40, generator=drawn)
    edges = joined.nonzero().T
    return x, torch.cat([edges, edges.flip(0)], 1), kind


def make_deep_graph(*, width: int = 32, depth: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch_geometric.nn import GCN2Conv

    class Gcn2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Linear(40, width), nn.Linear(width, 5)
            self.convs = nn.ModuleList(
                GCN2Conv(width, 0.1, 0.5, layer) for layer in range(1, depth + 1)
            )

        def forward(self, x: Any, edges: Any) -> Any:
            dropped = nn.functional.dropout
            x = start = self.enter(dropped(x, 0.6, self.training)).relu()
            for conv in self.convs:
                x = conv(dropped(x, 0.6, self.training), start, edges).relu()
            return self.leave(dropped(x, 0.6, self.training))

    torch.manual_seed(1229)
    model = Gcn2()
    groups = [
        {"params": model.convs.parameters(), "weight_decay": 0.01},
        {"params": [*model.enter.parameters(), *model.leave.parameters()], "weight_decay": 5e-4},
    ]
    return model, torch.optim.Adam(groups, lr=0.01)


def train_deep_graph(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, edges, kind = communities()
    model.train()
    for _ in range(180):
        loss = functional.cross_entropy(model(x, edges)[:100], kind[:100])
        descend(optimizer, loss, recorder)


def score_deep_graph(model: Any) -> float:
    import torch

    x, edges, kind = communities()
    model.eval()
    with torch.no_grad():
        told = model(x, edges).argmax(1)
    return (told[100:] == kind[100:]).float().mean().item()


# Prototypes of five kinds from two examples each, anew in each step: the logits are minus squared
# distances, and the loss of a step is near 0 or above 0.4, as its kinds are easy or hard.


@cache
def signs(held_out: bool) -> Any:
    """Return forty kinds of signs (40, 12, 1, 12, 12), twelve drawings each; others, if asked."""
    import torch

    drawn = torch.Generator().manual_seed(102 if held_out else 101)
    line = torch.linspace(-1, 1, 12)
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), 2)
    ends = 1.6 * torch.rand(40, 1, 3, 2, 2, generator=drawn) - 0.8
    ends = ends + 0.08 * torch.randn(40, 12, 3, 2, 2, generator=drawn)
    step = torch.linspace(0, 1, 8)[:, None]
    points = ends[..., 0, None, :] * step + ends[..., 1, None, :] * (1 - step)
    points = points.flatten(2, 3)[:, :, None, None]
    far = (grid[None, None, :, :, None] - points).square().sum(-1).amin(-1)
    x = torch.exp(-far / 0.015)
    return (x + 0.4 * torch.randn(x.shape, generator=drawn))[:, :, None]


def make_prototypes(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1230)
    layers: list[Any] = []
    for fan_in in (1, width, width):
        layers += [
            nn.Conv2d(fan_in, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
        ]
    model = nn.Sequential(*layers, nn.Flatten())
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def episode(model: Any, kinds: Any, drawn: Any) -> tuple[Any, Any]:
    """Return minus squared distances (25, 5) of drawings to prototypes, and whose they are."""
    import torch

    chosen = torch.randperm(len(kinds), generator=drawn)[:5]
    order = torch.randperm(12, generator=drawn)[:7]
    x = kinds[chosen][:, order]
    codes = model(x.flatten(0, 1)).unflatten(0, (5, 7))
    far = torch.cdist(codes[:, 2:].flatten(0, 1), codes[:, :2].mean(1)).square()
    return -far, torch.arange(5).repeat_interleave(5)


def train_prototypes(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(103)
    model.train()
    for _ in range(300):
        descend(optimizer, functional.cross_entropy(*episode(model, signs(False), drawn)), recorder)


def score_prototypes(model: Any) -> float:
    """Return how often a drawing of a kind never seen before is given to its own prototype."""
    import torch

    drawn = torch.Generator().manual_seed(104)
    model.eval()
    right = []
    with torch.no_grad():
        for _ in range(60):
            told, own = episode(model, signs(True), drawn)
            right.append((told.argmax(1) == own).float().mean())
    return torch.stack(right).mean().item()


# Adversarial training: each batch is first moved, in five steps, to where its loss is the highest.
# It stays at that of guessing for a while, and high for long.


def make_robust(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1231)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * width, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


def moved(model: Any, x: Any, y: Any, *, reach: float = 0.15, steps: int = 5) -> Any:
    """Return digits of 0..1 that were moved by up to `reach` a pixel, uphill the loss."""
    import torch
    from torch.nn import functional

    away = torch.zeros_like(x)
    for _ in range(steps):
        away.requires_grad_()
        loss = functional.cross_entropy(model((x + away).clamp(0, 1)), y)
        (slope,) = torch.autograd.grad(loss, away)
        away = (away.detach() + reach / 3 * slope.sign()).clamp(-reach, reach)
    return (x + away).clamp(0, 1)


def train_robust(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    for batch in data_a.batches(len(y), 32, 350):
        worst = moved(model, x[batch], y[batch])
        descend(optimizer, functional.cross_entropy(model(worst), y[batch]), recorder)


def score_robust(model: Any) -> float:
    """Return how often a digit is read that was moved against the net."""
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    worst = moved(model, x, y)
    with torch.no_grad():
        return (model(worst).argmax(1) == y).float().mean().item()


MEMBERS = [
    Member(
        name="fresh10-convit-48-digits-wrong-labels",
        family="ConViT",
        make=make_convit,
        train=train_convit,
        score=score_digits,
        learned=0.5,
        needs=("timm",),
    ),
    Member(
        name="fresh10-falcon-64-repeats-after-a-plateau",
        family="Falcon",
        make=make_falcon,
        train=train_falcon,
        score=score_falcon,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh10-foreteller-32-swings-summed",
        family="contrastive predictive coding",
        make=make_foreteller,
        train=train_foreteller,
        score=score_foreteller,
        learned=0.3,
    ),
    Member(
        name="fresh10-distributional-64-grid",
        family="C51",
        make=make_distributional,
        train=train_distributional,
        score=score_distributional,
        learned=0.5,
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh10-kernel-48-ridges-all-at-once",
        family="deep kernel learning",
        make=make_kernel,
        train=train_kernel,
        score=score_kernel,
        learned=0.6,
    ),
    Member(
        name="fresh10-glove-12-themes-adagrad",
        family="GloVe",
        make=make_glove,
        train=train_glove,
        score=score_glove,
        learned=0.7,
    ),
    Member(
        name="fresh10-squeezed-24-digits-warm-restarts",
        family="squeeze-and-excitation",
        make=make_squeezed,
        train=train_squeezed,
        score=score_digits,
        learned=0.8,
    ),
    Member(
        name="fresh10-deep-graph-32-twenty-labels",
        family="GCNII",
        make=make_deep_graph,
        train=train_deep_graph,
        score=score_deep_graph,
        learned=0.6,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh10-prototypes-32-signs-anew-each-step",
        family="prototypical net",
        make=make_prototypes,
        train=train_prototypes,
        score=score_prototypes,
        learned=0.7,
    ),
    Member(
        name="fresh10-robust-24-digits-moved-against-it",
        family="adversarial training",
        make=make_robust,
        train=train_robust,
        score=score_robust,
        learned=0.4,
    ),
]
