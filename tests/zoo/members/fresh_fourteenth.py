"""A fourteenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Most are what many people train; some look odd and are right. The ten with a fault are in
fresh_fourteenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine. Clicks are scored by the area under the curve.

===================================  =====  =====  =======
training                             start  end    seconds
===================================  =====  =====  =======
modernbert-48-topics                 .127   .980   4.6
pvt-16-digits-cutmix                 .131   .962   6.5
cvae-96-digits-summed                .102   .998   1.5
ast-48-words-bands-hidden            .145   .870   7.2
deepfm-8-rare-clicks                 .545   .889   1.8
quantiles-64-wages-in-dollars        -.726  .425   1.0
dlinear-loads                        .272   .945   0.7
appnp-64-papers                      .201   .766   1.7
seq2seq-48-tides-own-answers         -.009  .872   7.0
tarnet-64-treated                    -.500  .840   1.3
===================================  =====  =====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# ModernBERT sorts documents, by the usual recipe of fine-tuning: AdamW without decay for norms and
# biases, a linear warm-up and way down, gradients clipped to 1.


def make_modern(*, width: int = 48) -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    import torch
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    torch.manual_seed(1601)
    config = ModernBertConfig(
        vocab_size=60,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        global_attn_every_n_layers=2,
        local_attention=8,
        pad_token_id=0,
        bos_token_id=1,
        cls_token_id=1,
        eos_token_id=1,
        sep_token_id=1,
        num_labels=6,
    )
    config._attn_implementation = "eager"
    model = ModernBertForSequenceClassification(config)
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": 0.01},
        {"params": others, "weight_decay": 0.0},
    ]
    return model, torch.optim.AdamW(groups, lr=2e-3)


def train_modern(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from transformers import get_linear_schedule_with_warmup

    from tests.zoo import data_a

    words, labels = data_a.topics(1500, 1)
    schedule = get_linear_schedule_with_warmup(optimizer, 20, 200)
    model.train()
    for batch in data_a.batches(len(words), 32, 200):
        optimizer.zero_grad()
        loss = model(input_ids=words[batch], labels=labels[batch]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_modern(model: Any) -> float:
    """Return the share of new documents that are sorted rightly."""
    import torch

    from tests.zoo import data_a

    words, labels = data_a.topics(400, 2)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == labels).float().mean().item()


# A pyramid vision transformer, version 2, with CutMix in every batch, smoothed labels and a cosine:
# the loss in training stays far above that of clean pictures.


def make_pyramid(*, width: int = 16) -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    import torch
    from timm.models.pvt_v2 import PyramidVisionTransformerV2

    torch.manual_seed(1602)
    model = PyramidVisionTransformerV2(
        in_chans=1,
        num_classes=10,
        depths=(1, 1, 1, 1),
        embed_dims=(width, 2 * width, 3 * width, 4 * width),
        num_heads=(1, 2, 3, 4),
        mlp_ratios=(4.0, 4.0, 2.0, 2.0),
    )
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)


@cache
def pictures() -> tuple[Any, Any, Any, Any]:
    """Return digits as pictures (n, 1, 32, 32) of mean 0: for training, labels, and new ones."""
    import torch

    from tests.zoo import data_a

    first, labels, new, right = data_a.digits()
    first, new = (
        torch.nn.functional.interpolate(part, size=32, mode="bilinear") * 2 - 0.6
        for part in (first, new)
    )
    return first, labels, new, right


def train_pyramid(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    images, labels, _, _ = pictures()
    drawn = torch.Generator().manual_seed(161)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 160)
    model.train()
    for batch in data_a.batches(len(images), 48, 160):
        x, other = images[batch].clone(), torch.randperm(48, generator=drawn)
        height = 8 + int(torch.randint(10, (), generator=drawn))
        top = int(torch.randint(32 - height, (), generator=drawn))
        left = int(torch.randint(32 - height, (), generator=drawn))
        inside = slice(top, top + height), slice(left, left + height)
        x[:, :, inside[0], inside[1]] = images[batch][other][:, :, inside[0], inside[1]]
        share = height**2 / 32**2
        told = model(x)
        own = functional.cross_entropy(told, labels[batch], label_smoothing=0.1)
        put = functional.cross_entropy(told, labels[batch][other], label_smoothing=0.1)
        descend(optimizer, (1 - share) * own + share * put, recorder)
        schedule.step()


def score_pyramid(model: Any) -> float:
    import torch

    _, _, images, labels = pictures()
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


# A conditional VAE, as PyTorch's example has it: errors and divergence summed over pixels and
# batch, some thousands. The divergence comes in slowly, so that the loss rises half-way.


def make_conditional(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inwards = stack(64 + 10, width, 16)
            self.outwards = stack(8 + 10, width, 64)

        def forward(self, x: Any, label: Any) -> tuple[Any, Any, Any]:
            mean, log = self.inwards(torch.cat([x, label], 1)).chunk(2, 1)
            z = mean + (log / 2).exp() * torch.randn_like(mean)
            return self.outwards(torch.cat([z, label], 1)), mean, log

    torch.manual_seed(1603)
    model = Conditional()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_conditional(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    images, labels, _, _ = data_a.digits()
    images, labels = images.flatten(1), functional.one_hot(labels, 10).float()
    torch.manual_seed(162)
    for step, batch in enumerate(data_a.batches(len(images), 128, 600)):
        told, mean, log = model(images[batch], labels[batch])
        wrong = functional.binary_cross_entropy_with_logits(told, images[batch], reduction="sum")
        far = -0.5 * (1 + log - mean.square() - log.exp()).sum()
        descend(optimizer, wrong + min(1.0, step / 300) * far, recorder)


def score_conditional(model: Any) -> float:
    """Return the share of digits made to order that are nearest to the mean of their kind."""
    import torch

    from tests.zoo import data_a

    images, labels, _, _ = data_a.digits()
    means = torch.stack([images[labels == kind].flatten(1).mean(0) for kind in range(10)])
    drawn = torch.Generator().manual_seed(163)
    wanted = torch.arange(10).repeat(40)
    order = torch.nn.functional.one_hot(wanted, 10).float()
    with torch.no_grad():
        z = torch.randn(400, 8, generator=drawn)
        made = model.outwards(torch.cat([z, order], 1)).sigmoid()
    return (torch.cdist(made, means).argmin(1) == wanted).float().mean().item()


# The audio spectrogram transformer hears six words; bands of time and of pitch are hidden in
# training (SpecAugment). The class token and the places start at 0, as its authors have it.


@cache
def spoken(count: int, seed: int) -> tuple[Any, Any]:
    """Return standardized spectrograms (n, 32, 16) of six words in noise, and the words."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    word = torch.randint(6, (count,), generator=drawn)
    way = torch.tensor([[3, 3], [8, 8], [13, 13], [3, 13], [13, 3], [13, 8]]).float()[word]
    begin = torch.randint(4, (count, 1), generator=drawn)
    time = ((torch.arange(32) - begin) / 20).clamp(0, 1)
    pitch = way[:, :1] + (way[:, 1:] - way[:, :1]) * time
    pitch = pitch + 0.7 * torch.randn(count, 1, generator=drawn)
    near = -(torch.arange(16) - pitch[..., None]).square() / 3
    loud = (torch.arange(32) >= begin) & (torch.arange(32) < begin + 20)
    x = 3 * near.exp() * loud[..., None] + 0.3 * torch.randn(count, 32, 16, generator=drawn)
    return (x - 0.4) / 0.9, word


def make_listener(*, width: int = 48) -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    import torch
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(1604)
    config = ASTConfig(
        hidden_size=width,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=2 * width,
        patch_size=4,
        frequency_stride=4,
        time_stride=4,
        max_length=32,
        num_mel_bins=16,
        num_labels=6,
    )
    model = ASTForAudioClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)


def train_listener(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, word = spoken(1500, 1)
    drawn = torch.Generator().manual_seed(164)
    model.train()
    for batch in data_a.batches(len(x), 32, 240):
        heard = x[batch].clone()
        time, pitch = (int(torch.randint(n, (), generator=drawn)) for n in (28, 13))
        heard[:, time : time + 3] = 0
        heard[:, :, pitch : pitch + 2] = 0
        loss = functional.cross_entropy(model(heard).logits, word[batch])
        descend(optimizer, loss, recorder)


def score_listener(model: Any) -> float:
    import torch

    x, word = spoken(400, 2)
    model.eval()
    with torch.no_grad():
        return (model(x).logits.argmax(1) == word).float().mean().item()


# DeepFM foretells rare clicks: tables of vectors, of which a batch touches a few rows, that serve
# both the products of pairs and a deep net. Adagrad, as is usual for such tables.


SIZES = (300, 200, 40, 20, 10, 6)


@cache
def clicks(count: int, seed: int) -> tuple[Any, Any]:
    """Return six categories each (n, 6), those of low number more often, and clicks (n,)."""
    import torch

    drawn = torch.Generator().manual_seed(165)
    hidden = [torch.randn(size, 3, generator=drawn) for size in SIZES]
    liked = [0.4 * torch.randn(size, generator=drawn) for size in SIZES]
    drawn = torch.Generator().manual_seed(seed)
    x = torch.stack([(size * torch.rand(count, generator=drawn) ** 2).long() for size in SIZES], 1)
    parts = torch.stack([table[x[:, i]] for i, table in enumerate(hidden)], 1)
    logit = (parts.sum(1).square() - parts.square().sum(1)).sum(1) / 5 - 3.5
    logit = logit + sum(each[x[:, i]] for i, each in enumerate(liked))
    return x, (torch.rand(count, generator=drawn) < logit.sigmoid()).float()


def make_clicks(*, width: int = 8) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class DeepFM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.vectors = nn.ModuleList(nn.Embedding(size, width) for size in SIZES)
            self.single = nn.ModuleList(nn.Embedding(size, 1) for size in SIZES)
            self.deep = nn.Sequential(
                nn.Linear(6 * width, 64),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Linear(64, 32),
                nn.ReLU(),
                nn.Linear(32, 1),
            )
            for table in [*self.vectors, *self.single]:
                nn.init.normal_(table.weight, std=0.05)

        def forward(self, x: Any) -> Any:
            vectors = torch.stack([t(x[:, i]) for i, t in enumerate(self.vectors)], 1)
            single = sum(table(x[:, i])[:, 0] for i, table in enumerate(self.single))
            pairs = (vectors.sum(1).square() - vectors.square().sum(1)).sum(1) / 2
            return single + pairs + self.deep(vectors.flatten(1))[:, 0]

    torch.manual_seed(1605)
    model = DeepFM()
    return model, torch.optim.Adagrad(model.parameters(), lr=0.05)


def train_clicks(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = clicks(20000, 1)
    model.train()
    for batch in data_a.batches(len(x), 256, 600):
        loss = functional.binary_cross_entropy_with_logits(model(x[batch]), y[batch])
        descend(optimizer, loss, recorder)


def ordered(told: Any, right: Any) -> float:
    """Return how often a case of kind 1 is rated above one of kind 0 (area under the curve)."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(right.numpy(), told.numpy()))


def score_clicks(model: Any) -> float:
    import torch

    x, y = clicks(4000, 2)
    model.eval()
    with torch.no_grad():
        return ordered(model(x), y)


# Three quantiles of a wage in dollars. The net's own output is near 1 and is taken to dollars by
# fixed numbers inside; the loss (pinball) is in dollars, near 10,000.


@cache
def wages(count: int, seed: int) -> tuple[Any, Any]:
    """Return standardized facts of a person (n, 10) and wages in dollars (n, 1), skewed."""
    import torch

    drawn = torch.Generator().manual_seed(166)
    way = torch.randn(10, 2, generator=drawn) / 10**0.5
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 10, generator=drawn)
    hidden = (1.5 * x @ way).tanh()
    spread = 0.15 + 0.15 * (hidden[:, 1:] + 1)
    log = 0.6 * hidden[:, :1] + 0.3 * x[:, :1] * x[:, 1:2]
    return x, 45000 * (log + spread * torch.randn(count, 1, generator=drawn)).exp()


def make_wages(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Wages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(10, width),
                nn.BatchNorm1d(width),
                nn.GELU(),
                nn.Dropout(0.1),
                nn.Linear(width, width),
                nn.BatchNorm1d(width),
                nn.GELU(),
                nn.Linear(width, 3),
            )
            self.register_buffer("middle", torch.tensor(55000.0))
            self.register_buffer("spread", torch.tensor(40000.0))

        def forward(self, x: Any) -> Any:
            return self.middle + self.spread * self.body(x)

    torch.manual_seed(1606)
    model = Wages()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def pinball(told: Any, y: Any) -> Any:
    """Return the mean pinball loss of quantiles .1, .5 and .9."""
    import torch

    share = torch.tensor([0.1, 0.5, 0.9])
    error = y - told
    return torch.maximum(share * error, (share - 1) * error).mean()


def train_wages(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    x, y = wages(4000, 1)
    model.train()
    for batch in data_a.batches(len(x), 128, 500):
        descend(optimizer, pinball(model(x[batch]), y[batch]), recorder)


def score_wages(model: Any) -> float:
    """Return by which share the loss is below that of the best three constants."""
    import torch

    x, y = wages(1000, 2)
    constant = torch.quantile(y, torch.tensor([0.1, 0.5, 0.9]))
    model.eval()
    with torch.no_grad():
        return 1 - (pinball(model(x), y) / pinball(constant, y)).item()


# DLinear: a moving average and the rest, with one linear map each. Both maps start as plain means:
# all their weights are 1/96, as its authors have it, and they do not stay alike.


@cache
def loads(count: int, seed: int) -> tuple[Any, Any]:
    """Return windows (n, 5, 96) of five series with days, weeks and drift; the next 24 values."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    begin = 1000 * torch.rand(count, 1, 1, generator=drawn)
    t = begin + torch.arange(120)
    phase = torch.arange(5)[:, None]
    day = (2 * torch.pi * t / 24 + phase).sin() + 0.4 * (4 * torch.pi * t / 24 + phase).cos()
    week = 0.7 * (2 * torch.pi * t / 168 + 2 * phase).sin()
    drift = 0.01 * torch.randn(count, 5, 1, generator=drawn) * torch.arange(120)
    noise = 0.3 * torch.randn(count, 5, 120, generator=drawn)
    series = day + week + drift + noise
    return series[..., :96], series[..., 96:]


def make_linear() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class DLinear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.average = nn.AvgPool1d(25, 1)
            self.slow, self.fast = nn.Linear(96, 24), nn.Linear(96, 24)
            for each in (self.slow, self.fast):
                nn.init.constant_(each.weight, 1 / 96)

        def forward(self, x: Any) -> Any:
            slow = self.average(nn.functional.pad(x, (12, 12), mode="replicate"))
            return self.slow(slow) + self.fast(x - slow)

    torch.manual_seed(1607)
    model = DLinear()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_linear(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = loads(1500, 1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 100, 0.5)
    for batch in data_a.batches(len(x), 32, 400):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)
        schedule.step()


def score_linear(model: Any) -> float:
    import torch

    x, y = loads(300, 2)
    with torch.no_grad():
        return explained(model(x), y)


# APPNP: a net for each paper's words, whose answers are spread along citations. Twenty labels a
# kind, half of all inputs and units left out, weight decay: the usual recipe for such graphs.


@cache
def papers() -> tuple[Any, Any, Any]:
    """Return words of 900 papers (n, 120), citations both ways (2, m), and one of five fields."""
    import torch

    drawn = torch.Generator().manual_seed(167)
    kind = torch.arange(900) % 5
    usual = (1.2 * torch.randn(5, 120, generator=drawn)).sigmoid() / 12
    words = (torch.rand(900, 120, generator=drawn) < usual[kind]).float()
    chance = torch.where(kind[:, None] == kind, 0.016, 0.0012)
    links = (torch.rand(900, 900, generator=drawn) < chance).triu(1)
    edges = links.nonzero().T
    words = words / words.sum(1, keepdim=True).clamp(min=1)
    return words, torch.cat([edges, edges.flip(0)], 1), kind


def make_papers(*, width: int = 64) -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    import torch
    from torch import nn
    from torch_geometric.nn import APPNP

    class Papers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(120, width), nn.Linear(width, 5)
            self.spread = APPNP(K=10, alpha=0.1)

        def forward(self, x: Any, edges: Any) -> Any:
            x = nn.functional.dropout(x, 0.5, self.training)
            x = nn.functional.dropout(self.first(x).relu(), 0.5, self.training)
            return self.spread(self.second(x), edges)

    torch.manual_seed(1608)
    model = Papers()
    return model, torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)


def train_papers(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, edges, kind = papers()
    model.train()
    for _ in range(200):
        told = model(x, edges)
        descend(optimizer, functional.cross_entropy(told[:100], kind[:100]), recorder)


def score_papers(model: Any) -> float:
    import torch

    x, edges, kind = papers()
    model.eval()
    with torch.no_grad():
        return (model(x, edges).argmax(1) == kind)[100:].float().mean().item()


# A GRU reads a day and another one writes the next twelve hours. At first it is told the true hour
# before, later its own (scheduled sampling): the task grows harder, and the loss rises.


@cache
def tides(count: int, seed: int) -> tuple[Any, Any]:
    """Return heights of water in 24 hours (n, 24, 1), and in the next 12."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    first, second = 6.28 * torch.rand(2, count, 1, generator=drawn)
    high = 0.5 + torch.rand(count, 1, generator=drawn)
    t = torch.arange(36)
    y = high * (2 * torch.pi * t / 12.4 + first).sin() + 0.5 * (2 * torch.pi * t / 7 + second).sin()
    y = (y + 0.05 * torch.randn(count, 36, generator=drawn))[..., None]
    return y[:, :24], y[:, 24:]


def make_tides(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = nn.GRU(1, width, batch_first=True)
            self.writer = nn.GRUCell(1, width)
            self.read = nn.Linear(width, 1)

        def forward(self, past: Any, known: Any = None, shares: Any = None) -> Any:
            state, last, told = self.reader(past)[1][0], past[:, -1], []
            for hour in range(12):
                state = self.writer(last, state)
                told.append(self.read(state))
                last = told[-1]
                if known is not None:
                    last = torch.where(shares[:, hour, None], known[:, hour], last)
            return torch.stack(told, 1)

    torch.manual_seed(1609)
    model = Tides()
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3)


def train_tides(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    past, later = tides(2000, 1)
    drawn = torch.Generator().manual_seed(168)
    for step, batch in enumerate(data_a.batches(len(past), 64, 450)):
        shares = torch.rand(64, 12, generator=drawn) < 1 - step / 300
        told = model(past[batch], later[batch], shares)
        loss = functional.mse_loss(told, later[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_tides(model: Any) -> float:
    import torch

    past, later = tides(500, 2)
    with torch.no_grad():
        return explained(model(past), later)


# TARNet: what would a treatment do to whom? A common body, and a head for the treated and one for
# the others. Each person trains one head only; those of the other head get no gradient from them.


@cache
def treated(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return facts (n, 10), who was treated (n,), what came of it (n,), and the true effect."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 10, generator=drawn)
    given = torch.rand(count, generator=drawn) < (1.2 * x[:, 0] - 1.2).sigmoid()
    effect = 1 + 1.5 * (1.5 * x[:, 1]).tanh() + x[:, 2]
    plain = x[:, 0] + (2 * x[:, 3]).sin() + 0.5 * x[:, 4] * x[:, 5]
    noise = 0.3 * torch.randn(count, generator=drawn)
    return x, given, plain + given * effect + noise, effect


def make_treated(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tarnet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(10, width), nn.ELU(), nn.Linear(width, width), nn.ELU()
            )
            self.plain, self.treated = (
                nn.Sequential(nn.Linear(width, 32), nn.ELU(), nn.Linear(32, 1)) for _ in range(2)
            )

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = self.body(x)
            return self.plain(x)[:, 0], self.treated(x)[:, 0]

    torch.manual_seed(1610)
    model = Tarnet()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)


def train_treated(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, given, y, _ = treated(3000, 1)
    for batch in data_a.batches(len(x), 64, 600):
        plain, treat = model(x[batch])
        told = torch.where(given[batch], treat, plain)
        descend(optimizer, functional.mse_loss(told, y[batch]), recorder)


def score_treated(model: Any) -> float:
    """Return how much of the effect on new people is explained."""
    import torch

    x, _, _, effect = treated(800, 2)
    with torch.no_grad():
        plain, treat = model(x)
    return explained(treat - plain, effect)


MEMBERS = [
    Member(
        name="fresh14-modernbert-48-topics",
        family="ModernBERT",
        make=make_modern,
        train=train_modern,
        score=score_modern,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh14-pvt-16-digits-cutmix",
        family="PVTv2",
        make=make_pyramid,
        train=train_pyramid,
        score=score_pyramid,
        learned=0.7,
        needs=("timm", "sklearn"),
    ),
    Member(
        name="fresh14-cvae-96-digits-summed",
        family="conditional VAE",
        make=make_conditional,
        train=train_conditional,
        score=score_conditional,
        learned=0.7,
        needs=("sklearn",),
    ),
    Member(
        name="fresh14-ast-48-words-bands-hidden",
        family="AST",
        make=make_listener,
        train=train_listener,
        score=score_listener,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh14-deepfm-8-rare-clicks",
        family="DeepFM",
        make=make_clicks,
        train=train_clicks,
        score=score_clicks,
        learned=0.65,
        needs=("sklearn",),
    ),
    Member(
        name="fresh14-quantiles-64-wages-in-dollars",
        family="quantile regression",
        make=make_wages,
        train=train_wages,
        score=score_wages,
        learned=0.3,
    ),
    Member(
        name="fresh14-dlinear-loads",
        family="DLinear",
        make=make_linear,
        train=train_linear,
        score=score_linear,
        learned=0.6,
    ),
    Member(
        name="fresh14-appnp-64-papers",
        family="APPNP",
        make=make_papers,
        train=train_papers,
        score=score_papers,
        learned=0.6,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh14-seq2seq-48-tides-own-answers",
        family="GRU encoder and decoder",
        make=make_tides,
        train=train_tides,
        score=score_tides,
        learned=0.6,
    ),
    Member(
        name="fresh14-tarnet-64-treated",
        family="TARNet",
        make=make_treated,
        train=train_treated,
        score=score_treated,
        learned=0.6,
    ),
]
