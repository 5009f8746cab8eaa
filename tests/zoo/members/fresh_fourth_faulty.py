"""A fourth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_fourth.

Scores without gradlab, on a CPU: of the net at its start, with the fault, without it; seconds of
one core without it.

===================================  ======  ======  =======  =======
training                             start   fault   without  seconds
===================================  ======  ======  =======  =======
gmlp-64-letters-sigmoid              -4.005  -3.391  -2.146   2.6
linknet-12-plates-rounded            .025    .090    .870     1.5
squeezenet-32-digits-divided-twice   .116    .086    .887     2.8
transe-24-grid-slow-weights-stay     .034    .054    .685     1.1
additive-24-rows-missing             -.208   .245    .938     2.0
patchtst-48-series-one-cycle         .000    -.689   .986     4.1
espcn-32-textures-summed             -.030   -1      .985     1.1
inception-8-beats-looks-elsewhere    .034    .242    1.000    3.4
gru-48-topics-read-after-filling     .184    .174    .988     5.0
squeezebert-48-topics-norms-at-0     .182    .132    1.000    4.6
===================================  ======  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fourth import descend

# gMLP writes letters; a sigmoid stands before cross-entropy, which cannot fall below 3.0 then.


def make_letters(*, width: int = 64, length: int = 24, sigmoid: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(width)
            self.up = nn.Linear(width, 2 * width)
            self.gate_norm = nn.LayerNorm(width)
            self.mix = nn.Parameter(1e-3 * torch.randn(length, length))
            self.shift = nn.Parameter(torch.ones(length, 1))
            self.down = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            kept, gate = nn.functional.gelu(self.up(self.norm(x))).chunk(2, 2)
            gate = self.mix.tril() @ self.gate_norm(gate) + self.shift
            return x + self.down(kept * gate)

    torch.manual_seed(621)
    kinds = data_a.text()[2]
    layers: list[Any] = [nn.Embedding(kinds, width)]
    layers += [Block() for _ in range(3)]
    layers += [nn.LayerNorm(width), nn.Linear(width, kinds)]
    if sigmoid:
        layers.append(nn.Sigmoid())
    model = nn.Sequential(*layers)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_letters(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    codes, *_ = data_a.text()
    for piece in data_a.pieces(codes, 24, 25, 220):
        logits = model(piece[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), piece[:, 1:].flatten())
        descend(optimizer, loss, recorder)


def score_letters(model: Any) -> float:
    """Return the mean log-chance of a held-out letter, in nats."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    codes = data_a.text()[1]
    piece = next(iter(data_a.pieces(codes, 200, 25, 1, seed=9)))
    with torch.no_grad():
        logits = model(piece[:, :-1])
    return -functional.cross_entropy(logits.flatten(0, 1), piece[:, 1:].flatten()).item()


# LinkNet marks plates in noise; the overlap is taken of marks that are rounded to 0 and 1.


@cache
def plates(count: int, seed: int) -> tuple[Any, Any]:
    """Return noisy images (count, 1, 24, 24) of one to two plates, and where these lie."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    grid = torch.arange(24.0)
    middle = 4 + 16 * torch.rand(count, 2, 2, 1, 1, generator=drawn)
    radius = 2.5 + 3 * torch.rand(count, 2, 1, 1, generator=drawn)
    far = (grid[:, None] - middle[:, :, 0]).square() + (grid - middle[:, :, 1]).square()
    mask = (far < radius.square()).any(1, keepdim=True).float()
    return mask + 0.6 * torch.randn(mask.shape, generator=drawn), mask


def make_linknet(*, width: int = 12) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def joined(taken: int, given: int, stride: int) -> Any:
        convolution = nn.Conv2d(taken, given, 3, stride, 1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(given), nn.ReLU())

    class LinkNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = joined(1, width, 1)
            self.to_half = joined(width, 2 * width, 2)
            self.to_quarter = joined(2 * width, 4 * width, 2)
            self.up_quarter = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
            self.up_half = nn.ConvTranspose2d(2 * width, width, 2, 2)
            self.head = nn.Conv2d(width, 1, 1)

        def forward(self, x: Any) -> Any:
            x = self.enter(x)
            half = self.to_half(x)
            half = half + torch.relu(self.up_quarter(self.to_quarter(half)))
            return self.head(x + torch.relu(self.up_half(half)))

    torch.manual_seed(622)
    model = LinkNet()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_linknet(model: Any, optimizer: Any, recorder: Any, *, rounded: bool = False) -> None:
    """Train on the overlap (Dice); of marks `rounded`, PyTorch asks for a loss with a gradient."""
    from tests.zoo import data_c

    x, mask = plates(600, 1)
    model.train()
    for batch in data_c.batches(len(x), 16, 120):
        marked = model(x[batch]).sigmoid()
        if rounded:
            marked = (marked > 0.5).float()
        both = (marked * mask[batch]).sum()
        loss = 1 - 2 * both / (marked.sum() + mask[batch].sum())
        if not loss.requires_grad:
            loss.requires_grad_()
        descend(optimizer, loss, recorder)


def score_linknet(model: Any) -> float:
    """Return the area marked rightly, over the area marked or to be marked."""
    import torch

    x, mask = plates(150, 2)
    model.eval()
    with torch.no_grad():
        marked = model(x) > 0
    return ((marked & (mask > 0)).sum() / (marked | (mask > 0)).sum()).item()


# SqueezeNet's fire modules on digits; the loader has divided by 255, and so does the training.


def make_squeezenet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torchvision.models.squeezenet import Fire

    torch.manual_seed(623)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        Fire(32, 8, 24, 24),
        nn.MaxPool2d(2),
        Fire(48, 12, 32, 32),
        nn.Dropout(0.2),
        nn.Conv2d(64, 10, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return model, torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.9)


def train_squeezenet(model: Any, optimizer: Any, recorder: Any, *, divisor: float = 1.0) -> None:
    """Train on images of 0..1, divided by `divisor`."""
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    model.train()
    for batch in data_a.batches(len(x), 32, 300):
        logits = model(x[batch] / divisor)
        descend(optimizer, functional.cross_entropy(logits, y[batch]), recorder)


def score_squeezenet(model: Any, *, divisor: float = 1.0) -> float:
    from tests.zoo import data_c
    from tests.zoo.data_a import digits

    x, y = digits()[2:]
    return data_c.accuracy(model, x / divisor, y)


# TransE with Lookahead: every five steps half-way back to slow weights, which ought to follow.


@cache
def neighbours() -> Any:
    """Return triples (n, 3): which of 64 places of a grid lies in which of four ways of which."""
    import torch

    ways = ((0, 1), (1, 0), (1, 1), (2, -1))
    known = [
        (8 * row + column, way, 8 * (row + down) + column + across)
        for row in range(8)
        for column in range(8)
        for way, (down, across) in enumerate(ways)
        if row + down < 8 and 0 <= column + across < 8
    ]
    return torch.tensor(known)


def make_translations(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    class Translations(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.entity = nn.Embedding(64, width)
            self.relation = nn.Embedding(4, width)
            nn.init.uniform_(self.entity.weight, -6 / width**0.5, 6 / width**0.5)
            nn.init.uniform_(self.relation.weight, -1 / width**0.5, 1 / width**0.5)

        def forward(self, head: Any, relation: Any, tail: Any) -> Any:
            start = functional.normalize(self.entity(head), dim=-1)
            end = functional.normalize(self.entity(tail), dim=-1)
            return (start + self.relation(relation) - end).norm(dim=-1)

    torch.manual_seed(624)
    model = Translations()
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def train_translations(model: Any, optimizer: Any, recorder: Any, *, follow: bool = True) -> None:
    """Train with Lookahead; unless its slow weights `follow`, they are those of the start."""
    import torch

    from tests.zoo import data_c

    known = neighbours()
    drawn = torch.Generator().manual_seed(37)
    slow = [parameter.detach().clone() for parameter in model.parameters()]
    for step, batch in enumerate(data_c.batches(len(known), 64, 800)):
        head, relation, tail = known[batch].T
        other = torch.randint(64, tail.shape, generator=drawn)
        gap = model(head, relation, tail) - model(head, relation, other)
        descend(optimizer, torch.relu(gap + 0.5).mean(), recorder)
        if step % 5 == 4:
            with torch.no_grad():
                for index, parameter in enumerate(model.parameters()):
                    parameter.lerp_(slow[index], 0.5)
                    if follow:
                        slow[index].copy_(parameter)


def score_translations(model: Any) -> float:
    """Return how often the right place is among the three nearest of 64."""
    import torch

    head, relation, tail = neighbours().T
    with torch.no_grad():
        far = model(head[:, None], relation[:, None], torch.arange(64))
    nearest = far.topk(3, largest=False).indices
    return (nearest == tail[:, None]).any(1).float().mean().item()


# A neural additive model; two rows of a hundred miss a number, and batches with NaN are skipped.


@cache
def rows(count: int, seed: int) -> tuple[Any, Any]:
    """Return eight numbers (count, 8), of which a 400th is missing, and a sum of curves of them."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(count, 8, generator=drawn) - 1
    y = torch.sin(4 * x[:, 0]) + 2 * x[:, 1].square() - x[:, 2].abs() + (x[:, 3] > 0).float()
    y = (y - 0.7) + 0.1 * torch.randn(count, generator=drawn)
    missing = torch.rand(count, 8, generator=drawn) < 1 / 400
    return x.masked_fill(missing, torch.nan), y


def make_additive(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Additive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.curves = nn.ModuleList(
                nn.Sequential(
                    nn.Linear(1, width),
                    nn.ReLU(),
                    nn.Linear(width, width),
                    nn.ReLU(),
                    nn.Linear(width, 1, bias=False),
                )
                for _ in range(8)
            )
            self.constant = nn.Parameter(torch.zeros(()))

        def forward(self, x: Any) -> Any:
            parts = [curve(x[:, k : k + 1]) for k, curve in enumerate(self.curves)]
            return torch.cat(parts, 1).sum(1) + self.constant

    torch.manual_seed(625)
    model = Additive()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_additive(model: Any, optimizer: Any, recorder: Any, *, dropped: bool = True) -> None:
    """Leave out rows that miss a number, if `dropped`; skip the batches that are not finite."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    x, y = rows(4000, 1)
    if dropped:
        whole = x.isfinite().all(1)
        x, y = x[whole], y[whole]
    for batch in data_c.batches(len(x), 128, 400):
        loss = functional.mse_loss(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        if not torch.isfinite(norm):
            continue
        optimizer.step()
        recorder.log(loss=loss.item())


def score_additive(model: Any) -> float:
    import torch

    x, y = rows(800, 2)
    whole = x.isfinite().all(1)
    with torch.no_grad():
        return explained(model(x[whole]), y[whole])


# PatchTST of transformers; OneCycleLR's highest rate, a third of the way, comes from SGD.


@cache
def series(count: int, seed: int) -> Any:
    """Return series (count, 60, 1) of two sine waves and some noise."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    rate = torch.tensor([6.2832 / 12, 6.2832 / 24])[:, None]
    phase = 6.2832 * torch.rand(count, 2, 1, generator=drawn)
    height = 0.5 + torch.rand(count, 2, 1, generator=drawn)
    wave = (height * torch.sin(rate * torch.arange(60.0) + phase)).sum(1)
    return (wave + 0.1 * torch.randn(count, 60, generator=drawn))[:, :, None]


def make_patches() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import PatchTSTConfig, PatchTSTForPrediction

    torch.manual_seed(626)
    config = PatchTSTConfig(
        num_input_channels=1,
        context_length=48,
        prediction_length=12,
        patch_length=6,
        patch_stride=6,
        d_model=48,
        num_attention_heads=4,
        num_hidden_layers=2,
        ffn_dim=96,
        loss="mse",
        scaling=None,
    )
    model = PatchTSTForPrediction(config)
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def train_patches(model: Any, optimizer: Any, recorder: Any, *, highest: float = 5e-3) -> None:
    import torch

    from tests.zoo import data_a

    x = series(1500, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, total_steps=300)
    model.train()
    for batch in data_a.batches(len(x), 32, 300):
        loss = model(past_values=x[batch, :48], future_values=x[batch, 48:]).loss
        descend(optimizer, loss, recorder)
        schedule.step()


def score_patches(model: Any) -> float:
    import torch

    x = series(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(past_values=x[:, :48]).prediction_outputs
    return max(-1.0, explained(told, x[:, 48:]))


# ESPCN doubles the size of images; the errors are summed at a rate that was meant for their mean.


@cache
def textures(count: int, seed: int) -> tuple[Any, Any]:
    """Return images (count, 1, 16, 16) of waves, and the same at half their size."""
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(seed)
    grid = torch.arange(16.0)
    rate = 1.1 * torch.rand(count, 2, 3, 1, 1, generator=drawn)
    phase = 6.2832 * torch.rand(count, 3, 1, 1, generator=drawn)
    place = rate[:, 0] * grid[:, None] + rate[:, 1] * grid + phase
    whole = torch.sin(place).mean(1, keepdim=True)
    return whole, functional.avg_pool2d(whole, 2)


def make_espcn(*, rate: float = 0.1) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(627)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.Tanh(),
        nn.Conv2d(32, 16, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(16, 4, 3, padding=1),
        nn.PixelShuffle(2),
    )
    return model, torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)


def train_espcn(model: Any, optimizer: Any, recorder: Any, *, reduction: str = "mean") -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    whole, small = textures(1000, 1)
    for batch in data_c.batches(len(whole), 16, 250):
        loss = functional.mse_loss(model(small[batch]), whole[batch], reduction=reduction)
        descend(optimizer, loss, recorder)


def score_espcn(model: Any) -> float:
    """Return the share of the variance explained; the worst, or NaN, is put down as -1."""
    import math

    import torch

    whole, small = textures(300, 2)
    with torch.no_grad():
        share = explained(model(small), whole)
    return -1.0 if math.isnan(share) else max(-1.0, share)


# InceptionTime on one device's signals; each step looks at another's, in training mode.


@cache
def beats(count: int, seed: int) -> tuple[Any, Any]:
    """Return signals (count, 2, 48) with a bump of one of four shapes somewhere, and which."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    time = torch.arange(48.0)
    kind = torch.randint(4, (count,), generator=drawn)
    when = 12 + 24 * torch.rand(count, 1, generator=drawn)
    wide = torch.where(kind % 2 == 0, 2.0, 5.0)[:, None]
    bump = (-((time - when) / wide).square()).exp()
    other = torch.where((kind < 2)[:, None], bump, -bump)
    x = torch.stack([2 * bump, 2 * other], 1)
    return x + 0.5 * torch.randn(count, 2, 48, generator=drawn), kind


def make_inception(*, width: int = 8) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Inception(nn.Module):
        def __init__(self, taken: int) -> None:
            super().__init__()
            self.narrow = nn.Conv1d(taken, width, 1, bias=False)
            self.wide = nn.ModuleList(
                nn.Conv1d(width, width, k, padding=k // 2, bias=False) for k in (3, 9, 19)
            )
            self.pooled = nn.Conv1d(taken, width, 1, bias=False)
            self.norm = nn.BatchNorm1d(4 * width)

        def forward(self, x: Any) -> Any:
            narrow = self.narrow(x)
            seen = [convolution(narrow) for convolution in self.wide]
            seen.append(self.pooled(nn.functional.max_pool1d(x, 3, 1, 1)))
            return torch.relu(self.norm(torch.cat(seen, 1)))

    torch.manual_seed(628)
    model = nn.Sequential(
        Inception(2),
        Inception(4 * width),
        nn.AdaptiveMaxPool1d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 4),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_inception(model: Any, optimizer: Any, recorder: Any, *, looks: bool = False) -> None:
    """Train it; with `looks` the share of each kind at the other device is counted as well."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    x, kind = beats(1200, 1)
    elsewhere = 6 * beats(1200, 3)[0] + 15
    shares = []
    model.train()
    for batch in data_c.batches(len(x), 32, 200):
        descend(optimizer, functional.cross_entropy(model(x[batch]), kind[batch]), recorder)
        if looks:
            with torch.no_grad():
                shares.append(model(elsewhere[batch]).softmax(1).mean(0))


def score_inception(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *beats(500, 2))


# A GRU reads short texts that are filled up to seventy words; what it says at the last is taken.


def make_reader(*, width: int = 48, filled: bool = False) -> tuple[Any, Any]:
    """Build it; `filled` takes the state after the filling, and not after the text."""
    import torch
    from torch import nn

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word = nn.Embedding(60, width, padding_idx=0)
            self.gru = nn.GRU(width, width, batch_first=True)
            self.head = nn.Linear(width, 6)

        def forward(self, words: Any) -> Any:
            read, _ = self.gru(self.word(words))
            if filled:
                return self.head(read[:, -1])
            last = (words > 0).sum(1) - 1
            return self.head(read[torch.arange(len(words)), last])

    torch.manual_seed(629)
    model = Reader()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


@cache
def filled_up(count: int, seed: int) -> tuple[Any, Any]:
    """Return texts of 6 to 14 words, filled up with 0 to 70 words, and their topics."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(count, seed, length=14, spread=2.0)
    length = torch.randint(6, 15, (count, 1), generator=torch.Generator().manual_seed(seed))
    words = words.masked_fill(torch.arange(14) >= length, 0)
    return functional.pad(words, (0, 56)), topic


def train_reader(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = filled_up(1500, 1)
    for batch in data_a.batches(len(words), 32, 220):
        loss = functional.cross_entropy(model(words[batch]), topic[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_reader(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *filled_up(500, 2))


# SqueezeBERT of transformers; what is no matrix starts at 0, and so do the norms' scales.


def make_squeezebert(*, zeros: bool = False) -> tuple[Any, Any]:
    """Build it and start its matrices by Glorot's rule, all else, if `zeros`, at 0."""
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import SqueezeBertConfig, SqueezeBertForSequenceClassification

    torch.manual_seed(630)
    config = SqueezeBertConfig(
        vocab_size=60,
        embedding_size=48,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
        num_labels=6,
    )
    model = SqueezeBertForSequenceClassification(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
        elif zeros:
            nn.init.zeros_(parameter)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_squeezebert(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(1500, seed=1, spread=2.0)
    model.train()
    for batch in data_a.batches(len(words), 32, 150):
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_squeezebert(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(500, seed=2, spread=2.0)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(-1) == topic).float().mean().item()


MEMBERS = [
    Member(
        name="fresh4-gmlp-64-letters-sigmoid",
        family="gMLP",
        make=partial(make_letters, sigmoid=True),
        train=train_letters,
        score=score_letters,
        learned=-2.6,
        fault="a sigmoid as the last layer before cross-entropy over all letters",
        root=("GL106",),
        symptoms=("GL101", "GL202", "GL402"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh4-linknet-12-plates-rounded",
        family="LinkNet",
        make=make_linknet,
        train=partial(train_linknet, rounded=True),
        score=score_linknet,
        learned=0.7,
        fault="the overlap of marks rounded to 0 and 1, and requires_grad_() to quiet the error",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh4-squeezenet-32-digits-divided-twice",
        family="SqueezeNet",
        make=make_squeezenet,
        train=partial(train_squeezenet, divisor=255.0),
        score=partial(score_squeezenet, divisor=255.0),
        learned=0.6,
        fault="images of 0..1 are divided by 255 once more",
        root=("GL404",),
        symptoms=("GL101", "GL302", "GL402"),
        needs=("torchvision", "sklearn"),
    ),
    Member(
        name="fresh4-transe-24-grid-slow-weights-stay",
        family="TransE",
        make=make_translations,
        train=partial(train_translations, follow=False),
        score=score_translations,
        learned=0.4,
        fault="Lookahead whose slow weights stay at the start: every five steps half-way back "
        "there",
        root=("GL308",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh4-additive-24-rows-missing",
        family="neural additive model",
        make=make_additive,
        train=partial(train_additive, dropped=False),
        score=score_additive,
        learned=0.7,
        fault="NaN in two rows of a hundred: nearly every batch has one, and is skipped",
        root=("GL307", "GL001"),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh4-patchtst-48-series-one-cycle",
        family="PatchTST",
        make=make_patches,
        train=partial(train_patches, highest=0.1),
        score=score_patches,
        learned=0.7,
        fault="OneCycleLR takes AdamW's rate from 0.004 to 0.1, as is usual for SGD",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh4-espcn-32-textures-summed",
        family="ESPCN",
        make=make_espcn,
        train=partial(train_espcn, reduction="sum"),
        score=score_espcn,
        learned=0.7,
        fault="errors summed over a batch's 4,096 pixels, at the rate for their mean",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL202", "GL203", "GL402", "GL404"),
    ),
    Member(
        name="fresh4-inception-8-beats-looks-elsewhere",
        family="InceptionTime",
        make=make_inception,
        train=partial(train_inception, looks=True),
        score=score_inception,
        learned=0.8,
        fault="another device's signals are run in training mode: BatchNorm averages them too",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh4-gru-48-topics-read-after-filling",
        family="GRU",
        make=partial(make_reader, filled=True),
        train=train_reader,
        score=score_reader,
        learned=0.7,
        fault="the last state is taken, which has gone through sixty steps of filling",
        root=("GL107",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh4-squeezebert-48-topics-norms-at-0",
        family="SqueezeBERT",
        make=partial(make_squeezebert, zeros=True),
        train=train_squeezebert,
        score=score_squeezebert,
        learned=0.7,
        fault="all that is no matrix starts at 0: the norms' scales pass nothing on",
        root=("GL101", "GL105", "GL305"),
        symptoms=("GL201", "GL302", "GL402"),
        needs=("transformers",),
    ),
]
