"""A seventeenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Most follow a tutorial or a library's example; the ten with a fault are in
fresh_seventeenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

====================================  ======  =======  =======
training                              start   end      seconds
====================================  ======  =======  =======
names-64-one-at-a-time                .214    .682     1.6
news-64-rate-of-5                     .251    1.000    0.4
translator-64-additive-attention      .041    .935     4.7
neo-48-sentences-in-pieces            .035    .855     4.0
pvt-48-digits-one-cycle               .055    .965     4.4
appnp-64-papers                       .219    .910     1.4
bandit-64-rare-clicks                 .029    .936     1.0
dlinear-48-loads                      .404    .987     0.4
cvae-96-digits-summed                 -1.451  .623     1.9
tuned-24-turned-digits                .081    .977     1.4
====================================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend, foretold

# The tutorial of names: a plain recurrent net reads one name at a time, a batch of one, by SGD.
# Single losses say little.


@cache
def names(count: int, seed: int) -> tuple[Any, Any]:
    """Return names of seven letters of 16 (count, 7), and which of 5 languages they are of."""
    import torch

    habits = 3 * torch.randn(5, 16, 16, generator=torch.Generator().manual_seed(1701))
    drawn = torch.Generator().manual_seed(seed)
    language = torch.randint(5, (count,), generator=drawn)
    letters = [torch.randint(16, (count,), generator=drawn)]
    for _ in range(6):
        chances = habits[language, letters[-1]].softmax(1)
        letters.append(torch.multinomial(chances, 1, generator=drawn)[:, 0])
    return torch.stack(letters, 1), language


def make_names(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(16, width)
            self.read = nn.Linear(width, 5)

        def forward(self, letters: Any) -> Any:
            hot = nn.functional.one_hot(letters.T, 16).float()
            return self.read(self.rnn(hot)[1][0]).log_softmax(1)

    torch.manual_seed(1702)
    model = Names()
    return model, torch.optim.SGD(model.parameters(), lr=0.02)


def train_names(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    letters, language = names(2500, 1)
    for row in range(2500):
        told = model(letters[row : row + 1])
        descend(optimizer, functional.nll_loss(told, language[row : row + 1]), recorder)


def score_names(model: Any) -> float:
    import torch

    letters, language = names(500, 2)
    with torch.no_grad():
        return (model(letters).argmax(1) == language).float().mean().item()


# The tutorial of news: an EmbeddingBag, SGD at a rate of 5, gradients clipped to a norm of 0.1.


@cache
def news(count: int, seed: int, *, topics: int = 4) -> tuple[Any, Any]:
    """Return texts of 30 words of 300 (count, 30), and their topics."""
    import torch

    habits = torch.randn(topics, 300, generator=torch.Generator().manual_seed(1703)).softmax(1)
    drawn = torch.Generator().manual_seed(seed)
    topic = torch.randint(topics, (count,), generator=drawn)
    return torch.multinomial(habits[topic], 30, True, generator=drawn), topic


def make_news(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class News(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.EmbeddingBag(300, width)
            self.fc = nn.Linear(width, 4)
            for each in (self.embedding.weight, self.fc.weight):
                nn.init.uniform_(each, -0.5, 0.5)
            nn.init.zeros_(self.fc.bias)

        def forward(self, words: Any) -> Any:
            return self.fc(self.embedding(words))

    torch.manual_seed(1704)
    model = News()
    return model, torch.optim.SGD(model.parameters(), lr=5.0)


def train_news(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = news(4000, 1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    for step, batch in enumerate(data_a.batches(4000, 64, 500)):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(words[batch]), topic[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        recorder.log(loss=loss.item())
        if step == 400:
            scheduler.step()


def score_news(model: Any) -> float:
    import torch

    words, topic = news(800, 2)
    with torch.no_grad():
        return (model(words).argmax(1) == topic).float().mean().item()


# The tutorial of translation: a GRU writes what another has read, by additive attention, with the
# right word before as its input. Rows come out backwards and exchanged.


@cache
def tongues(count: int, seed: int) -> tuple[Any, Any]:
    """Return sentences of six words of 3..22 (count, 6), and their translations."""
    import torch

    known = torch.randperm(20, generator=torch.Generator().manual_seed(1705))
    said = torch.randint(20, (count, 6), generator=torch.Generator().manual_seed(seed))
    return said + 3, known[said].flip(1) + 3


def make_translator(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(23, width), nn.Embedding(23, width)
            self.encoder = nn.GRU(width, width, batch_first=True)
            self.decoder = nn.GRUCell(2 * width, width)
            self.wa, self.ua = nn.Linear(width, width), nn.Linear(width, width)
            self.va = nn.Linear(width, 1)
            self.out, self.dropout = nn.Linear(width, 23), nn.Dropout(0.1)

        def forward(self, said: Any, wanted: Any = None) -> Any:
            keys, last = self.encoder(self.dropout(self.source(said)))
            state, word = last[0], torch.ones(len(said), dtype=torch.long)
            told = []
            for place in range(6):
                scores = self.va((self.wa(state)[:, None] + self.ua(keys)).tanh())
                context = (scores.softmax(1) * keys).sum(1)
                word = self.dropout(self.target(word))
                state = self.decoder(torch.cat([word, context], 1), state)
                told.append(self.out(state))
                word = told[-1].argmax(1) if wanted is None else wanted[:, place]
            return torch.stack(told, 1)

    torch.manual_seed(1706)
    model = Translator()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_translator(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    said, wanted = tongues(4000, 1)
    model.train()
    for batch in data_a.batches(4000, 64, 400):
        told = model(said[batch], wanted[batch])
        descend(optimizer, functional.cross_entropy(told.mT, wanted[batch]), recorder)


def score_translator(model: Any) -> float:
    """Return the share of words that are right where the net hears its own words."""
    import torch

    said, wanted = tongues(400, 2)
    model.eval()
    with torch.no_grad():
        return (model(said).argmax(2) == wanted).float().mean().item()


# GPT-Neo of transformers in the usual loop of pretraining: tied words, AdamW with decay for
# matrices alone, warm-up and cosine, four pieces to a step, clipped to 1.


@cache
def sentences(count: int, seed: int, *, back: int = 1, size: int = 24) -> Any:
    """Return rows (count, 24) in which 85 of 100 words follow from the one `back` places before."""
    import torch

    follows = torch.randperm(size, generator=torch.Generator().manual_seed(1707))
    drawn = torch.Generator().manual_seed(seed)
    words = list(torch.randint(size, (back, count), generator=drawn))
    for _ in range(24 - back):
        other = torch.randint(size, (count,), generator=drawn)
        usual = torch.rand(count, generator=drawn) < 0.85
        words.append(torch.where(usual, follows[words[-back]], other))
    return torch.stack(words, 1)


def make_neo() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    torch.manual_seed(1708)
    model = GPTNeoForCausalLM(
        GPTNeoConfig(
            vocab_size=24,
            max_position_embeddings=32,
            hidden_size=48,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            window_size=8,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    matrices = [each for each in model.parameters() if each.ndim > 1]
    vectors = [each for each in model.parameters() if each.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": 0.1},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return model, torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))


def train_neo(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup

    from tests.zoo import data_a

    words = sentences(3000, 1)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 15, 150)
    model.train()
    for batch in data_a.batches(3000, 32, 150):
        optimizer.zero_grad()
        total = 0.0
        for piece in words[batch].chunk(4):
            loss = model(input_ids=piece, labels=piece).loss / 4
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        recorder.log(loss=total)


def score_neo(model: Any) -> float:
    return foretold(model, sentences(200, 2))


# The Pyramid Vision Transformer of transformers, with label smoothing and stochastic depth.


def make_pvt() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import PvtConfig, PvtForImageClassification

    torch.manual_seed(1709)
    model = PvtForImageClassification(
        PvtConfig(
            image_size=16,
            num_channels=1,
            num_encoder_blocks=2,
            depths=[2, 2],
            hidden_sizes=[24, 48],
            patch_sizes=[4, 2],
            strides=[4, 2],
            num_attention_heads=[1, 3],
            sequence_reduction_ratios=[2, 1],
            mlp_ratios=[2, 2],
            drop_path_rate=0.1,
            num_labels=10,
        )
    )
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)


def train_pvt(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    x = functional.interpolate(x, scale_factor=2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=300)
    model.train()
    for batch in data_a.batches(len(y), 48, 300):
        told = model(pixel_values=x[batch]).logits
        loss = functional.cross_entropy(told, y[batch], label_smoothing=0.1)
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_pvt(model: Any) -> float:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        told = model(pixel_values=functional.interpolate(x, scale_factor=2)).logits
    return (told.argmax(1) == y).float().mean().item()


# APPNP as its authors have it: half of the inputs are dropped, ten rounds of propagation, and few
# labels, which are learnt by heart.


@cache
def papers() -> tuple[Any, Any, Any, Any]:
    """Return words of 600 papers (n, 80), their topics (n,), citations (2, m), and who is known."""
    import torch

    drawn = torch.Generator().manual_seed(1710)
    topic = torch.randint(5, (600,), generator=drawn)
    habit = torch.rand(5, 80, generator=drawn) < 0.2
    chance = torch.where(habit[topic], 0.2, 0.05)
    words = (torch.rand(600, 80, generator=drawn) < chance).float()
    same = topic[:, None] == topic
    links = torch.rand(600, 600, generator=drawn) < torch.where(same, 0.03, 0.0015)
    links = (links | links.T).triu(1)
    edges = links.nonzero().T
    return words, topic, torch.cat([edges, edges.flip(0)], 1), torch.arange(600) < 120


def make_appnp(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric.nn import APPNP  # pyright: ignore[reportMissingImports]

    class Papers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(80, width), nn.Linear(width, 5)
            self.propagate = APPNP(10, 0.1, dropout=0.2)

        def forward(self, x: Any, edges: Any) -> Any:
            x = nn.functional.dropout(x, 0.5, self.training)
            x = nn.functional.dropout(self.first(x).relu(), 0.5, self.training)
            return self.propagate(self.second(x), edges)

    torch.manual_seed(1711)
    model = Papers()
    return model, torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-3)


def train_appnp(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    words, topic, edges, known = papers()
    model.train()
    for _ in range(150):
        told = model(words, edges)[known]
        descend(optimizer, functional.cross_entropy(told, topic[known]), recorder)


def score_appnp(model: Any) -> float:
    import torch

    words, topic, edges, known = papers()
    model.eval()
    with torch.no_grad():
        right = model(words, edges).argmax(1) == topic
    return right[~known].float().mean().item()


# A contextual bandit: which of six offers does a visitor click on? Clicks are rare and by chance:
# the loss stays close to that of a constant answer, and the choices are nearly the best.


def clicked(visitor: Any) -> Any:
    """Return the chance (n, 6) that visitors (n, 8) click on each offer."""
    import torch

    taste = torch.randn(8, 6, generator=torch.Generator().manual_seed(1712))
    return 0.02 + 0.28 * (visitor @ taste - 1).sigmoid()


def make_bandit(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1713)
    model = stack(8, width, width, 6)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_bandit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(1714)
    for step in range(800):
        visitor = torch.randn(128, 8, generator=drawn)
        told = model(visitor)
        wild = torch.rand(128, generator=drawn) < max(0.1, 1 - step / 300)
        anyhow = torch.randint(6, (128,), generator=drawn)
        offer = torch.where(wild, anyhow, told.argmax(1))[:, None]
        chance = clicked(visitor).gather(1, offer)
        click = (torch.rand(128, 1, generator=drawn) < chance).float()
        loss = functional.binary_cross_entropy_with_logits(told.gather(1, offer), click)
        descend(optimizer, loss, recorder)


def score_bandit(model: Any) -> float:
    """Return the clicks above those of chance over the most that can be had."""
    import torch

    visitor = torch.randn(2000, 8, generator=torch.Generator().manual_seed(1715))
    chance = clicked(visitor)
    with torch.no_grad():
        had = chance.gather(1, model(visitor).argmax(1)[:, None]).mean()
    return ((had - chance.mean()) / (chance.amax(1).mean() - chance.mean())).item()


# DLinear: a moving average and what is left of a series, each continued by one linear map, whose
# weights start alike, at one over the length, as the authors have it.


@cache
def loads(count: int, seed: int) -> tuple[Any, Any]:
    """Return 48 hours of loads (count, 48), and the 24 after them (count, 24)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    hour = torch.arange(72.0) + torch.randint(24, (count, 1), generator=drawn)
    height = 0.5 + torch.rand(count, 1, generator=drawn)
    slope = 0.02 * torch.randn(count, 1, generator=drawn)
    day = (hour * 6.2832 / 24).sin() + 0.5 * (hour * 6.2832 / 12).cos()
    y = height * day + slope * torch.arange(72.0)
    y = y + 0.15 * torch.randn(count, 72, generator=drawn)
    return y[:, :48], y[:, 48:]


def make_dlinear() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class DLinear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seasonal, self.trend = nn.Linear(48, 24), nn.Linear(48, 24)
            for each in (self.seasonal, self.trend):
                nn.init.constant_(each.weight, 1 / 48)

        def forward(self, x: Any) -> Any:
            padded = torch.cat([x[:, :1].expand(-1, 12), x, x[:, -1:].expand(-1, 12)], 1)
            trend = padded.unfold(1, 25, 1).mean(2)
            return self.seasonal(x - trend) + self.trend(trend)

    torch.manual_seed(1716)
    model = DLinear()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_dlinear(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    past, then = loads(3000, 1)
    for batch in data_a.batches(3000, 32, 600):
        descend(optimizer, functional.mse_loss(model(past[batch]), then[batch]), recorder)


def score_dlinear(model: Any) -> float:
    import torch

    past, then = loads(500, 2)
    with torch.no_grad():
        return explained(model(past), then)


# A conditional VAE with the loss of PyTorch's example: sums over pixels and pictures, in thousands.


def make_cvae(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Pictures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = stack(74, width, 16), stack(18, width, 64)

        def forward(self, x: Any, y: Any) -> tuple[Any, Any, Any]:
            label = nn.functional.one_hot(y, 10).float()
            mean, log = self.encoder(torch.cat([x.flatten(1), label], 1)).chunk(2, 1)
            code = mean + (log / 2).exp() * torch.randn_like(mean) if self.training else mean
            return self.decoder(torch.cat([code, label], 1)).sigmoid(), mean, log

    torch.manual_seed(1717)
    model = Pictures()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_cvae(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    model.train()
    for batch in data_a.batches(len(y), 128, 1000):
        told, mean, log = model(x[batch], y[batch])
        loss = functional.binary_cross_entropy(told, x[batch].flatten(1), reduction="sum")
        loss = loss - 0.5 * (1 + log - mean.square() - log.exp()).sum()
        descend(optimizer, loss, recorder)


def score_cvae(model: Any) -> float:
    """Return how much of held-out pictures is explained; the label alone explains .414 of it."""
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        told, _, _ = model(x, y)
    middle = x.flatten(1).mean(0)
    return explained(told - middle, x.flatten(1) - middle)


# Fine-tuning as it is taught: a net that knows upright digits learns turned and inverted ones, its
# BatchNorm kept in evaluation mode, the body at a twentieth of the new head's small rate.


def make_tuned(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    def block(inputs: int, outputs: int) -> list[Any]:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

    torch.manual_seed(1718)
    body = nn.Sequential(*block(1, width), nn.MaxPool2d(2), *block(width, 2 * width), nn.Flatten())
    model = nn.Sequential(body, nn.Linear(32 * width, 10))
    x, y, *_ = data_a.digits()
    before = torch.optim.Adam(model.parameters(), lr=2e-3)
    for batch in data_a.batches(len(y), 64, 120):
        before.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        before.step()
    before.zero_grad()
    model[1] = nn.Linear(32 * width, 10)
    groups = [
        {"params": list(body.parameters()), "lr": 2e-5},
        {"params": list(model[1].parameters()), "lr": 4e-4},
    ]
    return model, torch.optim.AdamW(groups)


def train_tuned(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    x = 1 - x.rot90(1, (2, 3))
    model.eval()
    for batch in data_a.batches(len(y), 48, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_tuned(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(1 - x.rot90(1, (2, 3))).argmax(1) == y).float().mean().item()


MEMBERS = [
    Member(
        name="fresh17-names-64-one-at-a-time",
        family="name classifier",
        make=make_names,
        train=train_names,
        score=score_names,
        learned=0.5,
    ),
    Member(
        name="fresh17-news-64-rate-of-5",
        family="EmbeddingBag",
        make=make_news,
        train=train_news,
        score=score_news,
        learned=0.8,
    ),
    Member(
        name="fresh17-translator-64-additive-attention",
        family="GRU translator",
        make=make_translator,
        train=train_translator,
        score=score_translator,
        learned=0.8,
    ),
    Member(
        name="fresh17-neo-48-sentences-in-pieces",
        family="GPT-Neo",
        make=make_neo,
        train=train_neo,
        score=score_neo,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh17-pvt-48-digits-one-cycle",
        family="Pyramid Vision Transformer",
        make=make_pvt,
        train=train_pvt,
        score=score_pvt,
        learned=0.8,
        needs=("transformers",),
    ),
    Member(
        name="fresh17-appnp-64-papers",
        family="APPNP",
        make=make_appnp,
        train=train_appnp,
        score=score_appnp,
        learned=0.6,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh17-bandit-64-rare-clicks",
        family="contextual bandit",
        make=make_bandit,
        train=train_bandit,
        score=score_bandit,
        learned=0.6,
    ),
    Member(
        name="fresh17-dlinear-48-loads",
        family="DLinear",
        make=make_dlinear,
        train=train_dlinear,
        score=score_dlinear,
        learned=0.8,
    ),
    Member(
        name="fresh17-cvae-96-digits-summed",
        family="conditional VAE",
        make=make_cvae,
        train=train_cvae,
        score=score_cvae,
        learned=0.5,
    ),
    Member(
        name="fresh17-tuned-24-turned-digits",
        family="fine-tuned net",
        make=make_tuned,
        train=train_tuned,
        score=score_tuned,
        learned=0.8,
    ),
]
