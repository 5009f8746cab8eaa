"""A ninth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_ninth and fresh_ninth_pictures.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it. The tree's points are NaN from
step 27 on with its fault, and score 0; of the focal net's 220 steps, 6 are taken.

======================================  ======  =======  =======  =======
training                                start   fault    without  seconds
======================================  ======  =======  =======  =======
roformer-48-pairs-steep-sigmoid         .789    .789     .991     4.5
disc-5-tree-beyond-the-rim              .575    .000     .979     0.5
langevin-64-digits-noise-of-the-mean    -2.293  -10.000  -.331    0.2
transfer-16-stripes-weight-data         .135    .137     .700     3.0
snn-64-cells-raw-counts                 .158    .140     1.000    0.3
hearer-16-decibels-only-in-training     .108    .190     .934     1.4
elman-48-letters-sigmoid                .112    .128     1.000    0.9
focalnet-32-digits-guard-sees-scaled    .086    .517     .950     3.6
beats-64-demands-factors-multiplied     -.022   .223     .971     0.9
edsr-16-edges-added-twice               -1.000  -1.000   .376     5.4
======================================  ======  =======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# RoFormer of transformers: are two texts about the same thing? The cosine less a half, divided by a
# temperature of 0.01, goes through a sigmoid to BCELoss. Untrained, all cosines are near 1: the
# sigmoid of 45 is 1 for each pair, the loss is 100 for each wrong one, and no gradient comes
# through. Without the fault the temperature is 0.1.


def make_roformer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch import nn
    from transformers import RoFormerConfig, RoFormerModel

    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = RoFormerConfig(
                vocab_size=60,
                embedding_size=48,
                hidden_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=96,
                max_position_embeddings=40,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
            self.trunk = RoFormerModel(config)

        def embed(self, words: Any) -> Any:
            x = self.trunk(input_ids=words).last_hidden_state.mean(1)
            return nn.functional.normalize(x, dim=1)

        def forward(self, one: Any, two: Any) -> Any:
            return (self.embed(one) * self.embed(two)).sum(1)

    torch.manual_seed(1121)
    model = Twins()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def pairs_of_texts(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return two texts (count, 24) each and whether they have the same topic, half of the time."""
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(4 * count, seed)
    drawn = torch.Generator().manual_seed(seed)
    order = topic.argsort(stable=True)
    same = torch.rand(count, generator=drawn) < 0.5
    one = torch.randint(4 * count, (count,), generator=drawn)
    start = (topic[order] < topic[one][:, None]).sum(1)
    many = (topic == topic[one][:, None]).sum(1)
    alike = order[start + (many * torch.rand(count, generator=drawn)).long()]
    two = torch.where(same, alike, torch.randint(4 * count, (count,), generator=drawn))
    return words[one], words[two], (topic[one] == topic[two]).float()


def train_roformer(model: Any, optimizer: Any, recorder: Any, *, temperature: float = 0.1) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    one, two, same = pairs_of_texts(1200, 1)
    model.train()
    for batch in data_a.batches(len(same), 24, 150):
        logits = (model(one[batch], two[batch]) - 0.5) / temperature
        descend(optimizer, functional.binary_cross_entropy(logits.sigmoid(), same[batch]), recorder)


def score_roformer(model: Any) -> float:
    """Return how often a pair of the same topic gets more than one of two topics."""
    import torch

    one, two, same = pairs_of_texts(500, 2)
    model.eval()
    with torch.no_grad():
        told = model(one, two)
    return (told[same > 0][:, None] > told[same == 0]).float().mean().item()


# A tree is laid into the Poincare disc. Adam's steps take points beyond its rim, where a distance
# is the inverse hyperbolic cosine of less than 1. Without the fault they are put back after each
# step.


@cache
def family_tree() -> Any:
    """Return who descends from whom (n, 2) in a tree of 121, three children each."""
    import torch

    pairs = []
    for member in range(1, 121):
        above = member
        while above:
            above = (above - 1) // 3
            pairs.append((member, above))
    return torch.tensor(pairs)


def apart(u: Any, v: Any) -> Any:
    """Return the hyperbolic distance of points of the unit ball, over the last axis."""
    far = (u - v).square().sum(-1)
    left = (1 - u.square().sum(-1)) * (1 - v.square().sum(-1))
    return (1 + 2 * far / left + 1e-7).acosh()


def make_disc() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1122)
    model = nn.Embedding(121, 5)
    nn.init.uniform_(model.weight, -0.1, 0.1)
    return model, torch.optim.Adam(model.parameters(), lr=0.02)


def train_disc(model: Any, optimizer: Any, recorder: Any, *, put_back: bool = True) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    pairs = family_tree()
    drawn = torch.Generator().manual_seed(71)
    for batch in data_a.batches(len(pairs), 32, 400):
        member, above = model(pairs[batch]).unbind(1)
        others = model(torch.randint(121, (32, 10), generator=drawn))
        near = apart(member, above)[:, None]
        far = apart(member[:, None], others)
        logits = -torch.cat([near, far], 1)
        descend(optimizer, functional.cross_entropy(logits, torch.zeros(32).long()), recorder)
        if put_back:
            with torch.no_grad():
                length = model.weight.norm(dim=1, keepdim=True)
                model.weight.div_((length / 0.99).clamp(min=1))


def score_disc(model: Any) -> float:
    """Return how often an ancestor is nearer than one who is none; NaN counts as never."""
    import torch

    related = torch.zeros(121, 121, dtype=torch.bool)
    member, above = family_tree().T
    related[member, above] = True
    related[above, member] = True
    related.fill_diagonal_(True)
    with torch.no_grad():
        far = apart(model.weight[:, None], model.weight)
    right = [
        (far[i, far_above] < far[i, ~related[i]]).float().mean()
        for i, far_above in zip(member, above, strict=True)
    ]
    return torch.stack(right).mean().item()


# Stochastic gradient Langevin dynamics: to each step belongs noise, which is to be drawn for the
# sum over 1,437 examples and is drawn for their mean: it is 38 times too large.


def make_langevin(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1123)
    model = stack(64, width, width, 10)
    return model, torch.optim.SGD(model.parameters(), lr=0.02)


def train_langevin(model: Any, optimizer: Any, recorder: Any, *, examples: int = 1437) -> None:
    """Train for 400 steps; `examples` is for how many the noise is drawn."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    x = x.flatten(1)
    torch.manual_seed(1124)
    for batch in data_b.batches(len(y), 32, 400):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn_like(parameter)
                parameter.add_(noise, alpha=(2 * 0.02 / examples) ** 0.5)


def score_langevin(model: Any) -> float:
    """Return the mean logarithm of the chance of the right digit, at least -10."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    with torch.no_grad():
        return max(-10.0, -functional.cross_entropy(model(x.flatten(1)), y).item())


# Big Transfer's nets standardize the weights of their convolutions; here it is done to weight.data,
# which autograd does not see, so that no convolution gets a gradient.


@cache
def stripes(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (count, 1, 20, 20) of two crossing stripes in noise, and their angle of 8."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    line = torch.linspace(-1, 1, 20)
    turn = 3.1416 * torch.rand(count, 1, 1, generator=drawn)
    kind = torch.randint(8, (count,), generator=drawn)
    x = 0.6 * torch.randn(count, 20, 20, generator=drawn)
    for angle in (turn, turn + 3.1416 / 18 * (1 + kind[:, None, None])):
        phase = 6.2832 * torch.rand(count, 1, 1, generator=drawn)
        x = x + (9 * (angle.cos() * line + angle.sin() * line[:, None]) + phase).cos()
    return x[:, None], kind


def make_transfer(*, width: int = 16, seen: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Standardized(nn.Conv2d):
        def forward(self, input: Any) -> Any:
            weight = self.weight if seen else self.weight.data
            spread, mean = torch.var_mean(weight, (1, 2, 3), keepdim=True)
            weight = (weight - mean) / (spread * weight[0].numel() + 1e-4).sqrt()
            return nn.functional.conv2d(input, weight, self.bias, self.stride, self.padding)

    class Block(nn.Module):
        def __init__(self, fan_in: int, fan_out: int) -> None:
            super().__init__()
            self.norm1 = nn.GroupNorm(4, fan_in)
            self.conv1 = Standardized(fan_in, fan_out, 3, 2, 1, bias=False)
            self.norm2 = nn.GroupNorm(4, fan_out)
            self.conv2 = Standardized(fan_out, fan_out, 3, 1, 1, bias=False)
            self.short = Standardized(fan_in, fan_out, 1, 2, bias=False)

        def forward(self, x: Any) -> Any:
            x = self.norm1(x).relu()
            return self.short(x) + self.conv2(self.norm2(self.conv1(x)).relu())

    torch.manual_seed(1125)
    model = nn.Sequential(
        Standardized(1, width, 5, 1, 2, bias=False),
        Block(width, width),
        Block(width, 2 * width),
        nn.GroupNorm(4, 2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 8),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_transfer(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, kind = stripes(4000, 1)
    for batch in data_a.batches(len(x), 32, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), kind[batch]), recorder)


def score_transfer(model: Any) -> float:
    import torch

    x, kind = stripes(600, 2)
    with torch.no_grad():
        return (model(x).argmax(1) == kind).float().mean().item()


# A self-normalizing net tells kinds of cells by how often each gene was read. The numbers go in as
# they were counted, up to some tens of thousands, and not as logarithms of their share.


@cache
def cells(count: int, seed: int) -> tuple[Any, Any]:
    """Return how often each of 200 genes was read (count, 200), and the cells' kinds, of 6."""
    import torch

    drawn = torch.Generator().manual_seed(72)
    common = 1.8 * torch.randn(200, generator=drawn)
    marks = 0.35 * torch.randn(6, 200, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(6, (count,), generator=drawn)
    depth = (9.5 + 0.6 * torch.randn(count, 1, generator=drawn)).exp()
    noise = 0.5 * torch.randn(count, 200, generator=drawn)
    share = (common + marks[kind] + noise).softmax(1)
    return torch.poisson(depth * share, generator=drawn), kind


def make_snn(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1126)
    layers: list[Any] = []
    for fan_in, fan_out in ((200, width), (width, width), (width, width)):
        layers += [nn.Linear(fan_in, fan_out), nn.SELU(), nn.AlphaDropout(0.05)]
    model = nn.Sequential(*layers, nn.Linear(width, 6))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)
    return model, torch.optim.SGD(model.parameters(), lr=3e-3, momentum=0.9)


def prepared(counts: Any, *, logarithm: bool) -> Any:
    """Return counts as they are, or the logarithm of their share of 10,000."""
    return (1e4 * counts / counts.sum(1, keepdim=True)).log1p() if logarithm else counts


def train_snn(model: Any, optimizer: Any, recorder: Any, *, logarithm: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    counts, kind = cells(3000, 1)
    x = prepared(counts, logarithm=logarithm)
    model.train()
    for batch in data_a.batches(len(x), 64, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), kind[batch]), recorder)


def score_snn(model: Any, *, logarithm: bool = True) -> float:
    import torch

    counts, kind = cells(600, 2)
    model.eval()
    with torch.no_grad():
        told = model(prepared(counts, logarithm=logarithm)).nan_to_num()
    return (told.argmax(1) == kind).float().mean().item()


# A net hears which of eight words was said. What it does to spectra in training, hiding stripes of
# them, stands in the model together with what brings decibels near -60 to a mean of 0, and both are
# left out in evaluation. Without the fault the latter is always done.


@cache
def spoken(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectra (count, 1, 24, 32) in decibels, and which of eight words each is."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    word = torch.randint(8, (count,), generator=drawn)
    height = torch.arange(24.0)[:, None]
    time = torch.linspace(-0.5, 0.5, 32) + 0.2 * (torch.rand(count, 1, 1, generator=drawn) - 0.5)
    decibels = -65 + 5 * torch.randn(count, 24, 32, generator=drawn)
    decibels = decibels + 5 * torch.randn(count, 1, 1, generator=drawn)
    for low, bend in ((6, (word % 4 - 1.5) * 6), (16, (word // 4 - 0.5) * 10)):
        track = low + 2 * torch.randn(count, 1, 1, generator=drawn) + bend[:, None, None] * time
        decibels = decibels + 18 * torch.exp(-(((height - track) / 1.5) ** 2))
    return decibels[:, None], word


def make_hearer(*, width: int = 16, always: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Hearer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(1, width, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(2 * width, 2 * width, 3, padding=1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Dropout(0.2),
                nn.Linear(96 * width, 8),
            )

        def hidden(self, x: Any) -> Any:
            """Return spectra with a stripe of three heights and one of four times set to 0."""
            x = x.clone()
            low, first = int(torch.randint(22, ())), int(torch.randint(29, ()))
            x[:, :, low : low + 3] = 0
            x[..., first : first + 4] = 0
            return x

        def forward(self, x: Any) -> Any:
            if self.training:
                x = self.hidden((x + 62) / 8)
            elif always:
                x = (x + 62) / 8
            return self.net(x)

    torch.manual_seed(1127)
    model = Hearer()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_hearer(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, word = spoken(1500, 1)
    model.train()
    for batch in data_a.batches(len(x), 32, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), word[batch]), recorder)


def score_hearer(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *spoken(500, 2))


# An Elman net, written by hand, says at the end which of eight letters came first of twelve. Its
# state goes through a sigmoid and not through tanh: each step of time lets a quarter back at most.


def make_elman(*, width: int = 48, sigmoid: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Elman(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Embedding(8, width)
            self.carry = nn.Linear(width, width)
            self.leave = nn.Linear(width, 8)
            nn.init.orthogonal_(self.carry.weight)
            nn.init.normal_(self.enter.weight, std=0.5)

        def forward(self, letters: Any) -> Any:
            state = torch.zeros(len(letters), width)
            for letter in letters.T:
                state = self.enter(letter) + self.carry(state)
                state = state.sigmoid() if sigmoid else state.tanh()
            return self.leave(state)

    torch.manual_seed(1128)
    model = Elman()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_elman(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    letters = data_a.numbers(4000, 12, 1, values=8)
    for batch in data_a.batches(len(letters), 64, 400):
        loss = functional.cross_entropy(model(letters[batch]), letters[batch, 0])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_elman(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    letters = data_a.numbers(600, 12, 2, values=8)
    with torch.no_grad():
        return (model(letters).argmax(1) == letters[:, 0]).float().mean().item()


# FocalNet of timm under autocast with a scaler: a guard leaves out a step where the gradient's norm
# is above 20, but it looks at gradients that are still multiplied by the scaler's factor, which
# doubles after six steps: from then on none is taken.


def make_focalnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.focalnet import FocalNet

    torch.manual_seed(1129)
    model = FocalNet(
        in_chans=1,
        num_classes=10,
        embed_dim=32,
        depths=(1, 1),
        focal_levels=(2, 2),
        focal_windows=(3, 3),
        mlp_ratio=2,
    )
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)


def train_focalnet(model: Any, optimizer: Any, recorder: Any, *, unscaled: bool = True) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(16)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=6)
    model.train()
    for batch in data_b.batches(len(y), 32, 220):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(model(x[batch]).float(), y[batch])
        scaler.scale(loss).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
        if norm < 20:
            scaler.step(optimizer)
            scaler.update()
        elif unscaled:
            scaler.update()
        recorder.log(loss=loss.item())


def score_focalnet(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *data_b.digits(16)[2:])


# N-BEATS foretells twelve steps of a series. Its schedule is written for LambdaLR and given to
# MultiplicativeLR, which multiplies the rate by all factors so far: after fifty steps it is gone.


@cache
def demands(count: int, seed: int) -> tuple[Any, Any]:
    """Return series of 36 steps (count, 36) with a trend and a season of 12, and 12 more."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    time = torch.arange(48.0)
    level, trend, size = torch.randn(3, count, 1, generator=drawn)
    phase = 6.2832 * torch.rand(count, 2, generator=drawn)
    season = (6.2832 * time / 12 + phase[:, :1]).sin()
    season = season + 0.5 * (6.2832 * time / 6 + phase[:, 1:]).sin()
    rows = level + trend * (time - 24) / 24 + (1 + 0.3 * size) * season
    rows = rows + 0.15 * torch.randn(count, 48, generator=drawn)
    return rows[:, :36], rows[:, 36:]


def make_beats(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Beats(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(stack(36, width, width, width, 48) for _ in range(4))

        def forward(self, x: Any) -> Any:
            told = torch.zeros(len(x), 12)
            for block in self.blocks:
                back, ahead = block(x).split([36, 12], 1)
                x, told = x - back, told + ahead
            return told

    torch.manual_seed(1130)
    model = Beats()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_beats(model: Any, optimizer: Any, recorder: Any, *, schedule: str = "LambdaLR") -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    seen, then = demands(2000, 1)
    scheduler = getattr(torch.optim.lr_scheduler, schedule)(optimizer, lambda step: 0.98**step)
    for batch in data_a.batches(len(seen), 32, 300):
        descend(optimizer, functional.smooth_l1_loss(model(seen[batch]), then[batch]), recorder)
        scheduler.step()


def score_beats(model: Any) -> float:
    import torch

    seen, then = demands(400, 2)
    with torch.no_grad():
        return explained(model(seen), then)


# EDSR sharpens pictures: sixteen residual blocks without any norm. Each adds its input already, and
# the loop over them adds it once more: the stream doubles sixteen times.


@cache
def fine_pictures(count: int, seed: int) -> tuple[Any, Any]:
    """Return small pictures (count, 1, 8, 8) and what they were before (count, 1, 16, 16)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    line = torch.linspace(-1, 1, 16)
    x = torch.zeros(count, 16, 16)
    for _ in range(2):
        angle = 6.2832 * torch.rand(count, 1, 1, generator=drawn)
        shift = 0.8 * torch.rand(count, 1, 1, generator=drawn) - 0.4
        side = angle.cos() * line + angle.sin() * line[:, None] - shift
        x = x + (side > 0) * (0.5 + 0.5 * torch.rand(count, 1, 1, generator=drawn))
    x = (x - x.mean((1, 2), keepdim=True))[:, None]
    return torch.nn.functional.avg_pool2d(x, 2), x


def make_edsr(*, width: int = 16, twice: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(width, width, 3, padding=1)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return x + self.conv2(self.conv1(x).relu())

    class Edsr(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv2d(1, width, 3, padding=1)
            self.blocks = nn.ModuleList(Block() for _ in range(16))
            self.leave = nn.Conv2d(width, 4, 3, padding=1)

        def forward(self, small: Any) -> Any:
            x = self.enter(small)
            for block in self.blocks:
                x = x + block(x) if twice else block(x)
            wide = nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
            return wide + nn.functional.pixel_shuffle(self.leave(x), 2)

    torch.manual_seed(1131)
    model = Edsr()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_edsr(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    small, fine = fine_pictures(1500, 1)
    for batch in data_a.batches(len(small), 16, 250):
        descend(optimizer, functional.l1_loss(model(small[batch]), fine[batch]), recorder)


def score_edsr(model: Any) -> float:
    """Return the share of what blurring took away that is told, at least -1."""
    import torch

    small, fine = fine_pictures(300, 2)
    wide = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        left = (model(small) - fine).square().mean() / (wide - fine).square().mean()
    return max(-1.0, 1 - left.item())


MEMBERS = [
    Member(
        name="fresh9-roformer-48-pairs-steep-sigmoid",
        family="RoFormer",
        make=make_roformer,
        train=partial(train_roformer, temperature=0.01),
        score=score_roformer,
        learned=0.9,
        fault="a temperature of 0.01 before a sigmoid, which is then 1 for every pair",
        root=("GL106", "GL105"),
        symptoms=("GL101", "GL202", "GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh9-disc-5-tree-beyond-the-rim",
        family="Poincare embedding",
        make=make_disc,
        train=partial(train_disc, put_back=False),
        score=score_disc,
        learned=0.8,
        fault="points leave the disc, and the inverse hyperbolic cosine of less than 1 is NaN",
        root=("GL001",),
        symptoms=("GL102", "GL103", "GL303", "GL304"),
    ),
    Member(
        name="fresh9-langevin-64-digits-noise-of-the-mean",
        family="Langevin dynamics",
        make=make_langevin,
        train=partial(train_langevin, examples=1),
        score=score_langevin,
        learned=-1.0,
        fault="noise is added to the weights in each step, 38 times larger than it ought to be",
        root=("GL308",),
        symptoms=("GL102", "GL103", "GL201", "GL203", "GL302", "GL303", "GL401", "GL402"),
    ),
    Member(
        name="fresh9-transfer-16-stripes-weight-data",
        family="Big Transfer",
        make=partial(make_transfer, seen=False),
        train=train_transfer,
        score=score_transfer,
        learned=0.45,
        fault="weights are standardized through weight.data: no convolution gets a gradient",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="conv|short|^0",
    ),
    Member(
        name="fresh9-snn-64-cells-raw-counts",
        family="self-normalizing net",
        make=make_snn,
        train=partial(train_snn, logarithm=False),
        score=partial(score_snn, logarithm=False),
        learned=0.7,
        fault="counts up to tens of thousands as inputs, and not their logarithms",
        root=("GL404",),
        symptoms=(
            *("GL001", "GL102", "GL103", "GL201", "GL202", "GL203"),
            *("GL302", "GL303", "GL304", "GL401", "GL402"),
        ),
    ),
    Member(
        name="fresh9-hearer-16-decibels-only-in-training",
        family="keyword spotter",
        make=partial(make_hearer, always=False),
        train=train_hearer,
        score=score_hearer,
        learned=0.7,
        fault="decibels are brought to a mean of 0 in training alone, as part of augmentation",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh9-elman-48-letters-sigmoid",
        family="Elman net",
        make=partial(make_elman, sigmoid=True),
        train=train_elman,
        score=score_elman,
        learned=0.6,
        fault="the state goes through a sigmoid in each step of time",
        root=("GL107", "GL101"),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh9-focalnet-32-digits-guard-sees-scaled",
        family="FocalNet",
        make=make_focalnet,
        train=partial(train_focalnet, unscaled=False),
        score=score_focalnet,
        learned=0.8,
        fault="a guard skips steps by the norm of gradients that are still scaled: nearly all",
        root=("GL307",),
        symptoms=("GL302", "GL402"),
        needs=("timm",),
    ),
    Member(
        name="fresh9-beats-64-demands-factors-multiplied",
        family="N-BEATS",
        make=make_beats,
        train=partial(train_beats, schedule="MultiplicativeLR"),
        score=score_beats,
        learned=0.7,
        fault="MultiplicativeLR gets factors that were meant for LambdaLR: the rate is soon gone",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh9-edsr-16-edges-added-twice",
        family="EDSR",
        make=partial(make_edsr, twice=True),
        train=train_edsr,
        score=score_edsr,
        learned=0.2,
        fault="the sum with a block's input is taken twice: the stream doubles in each of sixteen",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL303", "GL304", "GL401", "GL402"),
    ),
]
