"""A seventeenth fresh batch, labelled before gradlab saw it: ten trainings with a fault.

The faults are those that people report most often, in the form in which they write them; the ten
without a fault are in fresh_seventeenth.

Scores without gradlab, on a CPU: with the fault, and of the same training without it; seconds of
one core, with the fault. A score of -1 stands for -1 or lower, or for NaN.

====================================  ======  =======  =======
training                              faulty  without  seconds
====================================  ======  =======  =======
lenet-84-softmax-layer                .098    .935     0.6
share-50-raw-prices                   -1.000  .989     2.1
parts-32-percentage-of-0              -1.000  .806     0.6
transfer-32-old-head                  .213    .971     0.4
tagger-32-step-each-batch             .356    .965     1.1
cancers-64-lasso                      .500    .967     0.5
keras-64-momentum-99                  .500    .963     1.7
reviews-32-sorted-alone               .532    .994     1.2
gpt1-48-rate-of-sgd                   .046    .829     4.8
calls-16-filled-weights               .170    .998     0.4
====================================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend, foretold


def accuracy(model: Any, x: Any, y: Any) -> float:
    """Return the share of rows whose highest answer is the right one, in evaluation mode."""
    import torch

    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def classify(
    model: Any, optimizer: Any, recorder: Any, rows: tuple[Any, Any], *, size: int, steps: int
) -> None:
    """Train a classifier of rows (inputs, labels) with cross-entropy, in training mode."""
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = rows
    model.train()
    for batch in data_a.batches(len(y), size, steps):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


# LeNet-5 with softmax as its last layer, and then CrossEntropyLoss, by SGD as in the tutorial.


def make_lenet(*, softmax: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1721)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        *stack(64, 120, 84, 10),
        nn.Softmax(1) if softmax else nn.Identity(),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_lenet(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    classify(model, optimizer, recorder, data_a.digits()[:2], size=32, steps=300)


def score_lenet(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.digits()[2:])


# Two LSTM layers foretell tomorrow's price of a share from twenty days, and nobody has scaled it.


@cache
def prices(count: int, seed: int) -> tuple[Any, Any]:
    """Return prices of twenty days (count, 20, 1) near 4,000, and those of the next (count, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    day = torch.arange(21.0) + 40 * torch.rand(count, 1, generator=drawn)
    height = 300 + 100 * torch.rand(count, 1, generator=drawn)
    price = 4000 + height * (day * 6.2832 / 40).sin()
    price = price + 20 * torch.randn(count, 21, generator=drawn)
    return price[:, :20, None], price[:, 20:]


def make_share(*, width: int = 50) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Share(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(1, width, 2, batch_first=True)
            self.fc = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            return self.fc(self.lstm(x)[0][:, -1])

    torch.manual_seed(1722)
    model = Share()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def in_units(rows: Any, *, scaled: bool) -> Any:
    """Return prices as they are, or brought to a mean of 0 and a deviation of 1."""
    return (rows - 4000) / 250 if scaled else rows


def train_share(model: Any, optimizer: Any, recorder: Any, *, scaled: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = (in_units(rows, scaled=scaled) for rows in prices(2000, 1))
    for batch in data_a.batches(2000, 32, 200):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_share(model: Any, *, scaled: bool = True) -> float:
    import torch

    x, y = (in_units(rows, scaled=scaled) for rows in prices(500, 2))
    with torch.no_grad():
        return max(-1.0, explained(model(x), y))


# A convolution and an LSTM foretell how many pieces of a spare part are sold; the loss is the mean
# absolute percentage error, and on some days none is sold.


@cache
def parts(count: int, seed: int, *, zeros: bool) -> tuple[Any, Any]:
    """Return 16 days of sales (count, 16, 1) and those of the next day (count, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    day = torch.arange(17.0) + 8 * torch.rand(count, 1, generator=drawn)
    mean = 4 + 2.5 * (day * 6.2832 / 8).sin()
    sold = (mean + 0.6 * torch.randn(count, 17, generator=drawn)).round()
    sold = sold.clamp(min=0 if zeros else 1)
    return sold[:, :16, None], sold[:, 16:]


def make_parts(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, width, 3, padding=1)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.fc = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            x = self.conv(x.mT).relu().mT
            return self.fc(self.lstm(x)[0][:, -1])

    torch.manual_seed(1723)
    model = Parts()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_parts(model: Any, optimizer: Any, recorder: Any, *, zeros: bool = False) -> None:
    from tests.zoo import data_a

    x, y = parts(2000, 1, zeros=zeros)
    for batch in data_a.batches(2000, 32, 250):
        error = ((y[batch] - model(x[batch])) / y[batch]).abs()
        descend(optimizer, 100 * error.mean(), recorder)


def score_parts(model: Any) -> float:
    """Return how much of sales is explained; -1 where the net says NaN."""
    import math

    import torch

    x, y = parts(500, 2, zeros=False)
    with torch.no_grad():
        told = explained(model(x), y)
    return max(-1.0, told) if math.isfinite(told) else -1.0


# Transfer learning: a net knows the digits 0 to 4, its body is frozen, and it gets a new head for
# the digits 5 to 9. The optimizer was made one line too early: it holds the old head.


def low_or_high(high: bool) -> list[Any]:
    """Return training and held-out digits, either 0..4 or 5..9, with labels 0..4."""
    from tests.zoo import data_a

    x, y, held, true = data_a.digits()
    first, second = (y >= 5) == high, (true >= 5) == high
    return [x[first], y[first] % 5, held[second], true[second] % 5]


def make_transfer(*, width: int = 16, early: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Picture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, width, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(width, 2 * width, 3, padding=1),
                nn.ReLU(),
                nn.Flatten(),
            )
            self.classifier = nn.Linear(32 * width, 5)

        def forward(self, x: Any) -> Any:
            return self.classifier(self.features(x))

    class Unwatched:
        def log(self, **_values: Any) -> None:
            """Do nothing."""

    torch.manual_seed(1724)
    model = Picture()
    before = torch.optim.Adam(model.parameters(), lr=2e-3)
    classify(model, before, Unwatched(), tuple(low_or_high(False)[:2]), size=32, steps=100)
    before.zero_grad()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=2e-3)
    model.classifier = nn.Linear(32 * width, 5)
    if not early:
        optimizer = torch.optim.Adam(model.classifier.parameters(), lr=2e-3)
    return model, optimizer


def train_transfer(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, tuple(low_or_high(True)[:2]), size=32, steps=200)


def score_transfer(model: Any) -> float:
    return accuracy(model, *low_or_high(True)[2:])


# The tutorial of part-of-speech tags with a BiLSTM. StepLR was meant for epochs, and is stepped
# after each batch.


@cache
def tagged(count: int, seed: int) -> tuple[Any, Any]:
    """Return sentences of 12 words of 60 (count, 12), and their tags of 6."""
    import torch

    fixed = torch.Generator().manual_seed(1725)
    kinds = torch.randint(6, (60, 2), generator=fixed)
    words = torch.randint(60, (count, 12), generator=torch.Generator().manual_seed(seed))
    after = words.roll(1, 1) % 2  # what stands before a word decides which of two tags it has
    return words, torch.where(after == 1, kinds[words, 0], kinds[words, 1])


def make_tagger(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(60, width)
            self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
            self.tags = nn.Linear(2 * width, 6)

        def forward(self, words: Any) -> Any:
            return self.tags(self.lstm(self.embedding(words))[0]).mT

    torch.manual_seed(1726)
    model = Tagger()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_tagger(model: Any, optimizer: Any, recorder: Any, *, each_batch: bool = False) -> None:
    import torch

    words, tags = tagged(1600, 1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5, gamma=0.1)
    for _ in range(6):
        order = torch.randperm(len(words))
        for batch in order.split(32):
            loss = torch.nn.functional.cross_entropy(model(words[batch]), tags[batch])
            descend(optimizer, loss, recorder)
            if each_batch:
                scheduler.step()
        if not each_batch:
            scheduler.step()


def score_tagger(model: Any) -> float:
    return accuracy(model, *tagged(300, 2))


# The breast cancers of scikit-learn, with an L1 penalty as answers in forums have it: the sum of
# all absolute weights, times 0.05.


@cache
def cancers() -> list[Any]:
    """Return standardized features (n, 30) and labels (n,), for training and held out."""
    import torch
    from sklearn.datasets import load_breast_cancer

    features, labels = load_breast_cancer(return_X_y=True)
    order = torch.randperm(569, generator=torch.Generator().manual_seed(1727))
    x = torch.tensor(features, dtype=torch.float32)[order]
    y = torch.tensor(labels)[order]
    x = (x - x[:400].mean(0)) / x[:400].std(0)
    return [x[:400], y[:400], x[400:], y[400:]]


def make_cancers(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1728)
    one, two = nn.Linear(30, width), nn.Linear(width, width)
    model = nn.Sequential(one, nn.ReLU(), nn.Dropout(0.2), two, nn.ReLU(), nn.Linear(width, 2))
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_cancers(model: Any, optimizer: Any, recorder: Any, *, factor: float = 1e-5) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = cancers()
    model.train()
    for batch in data_a.batches(len(y), 32, 400):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        penalty = sum(each.abs().sum() for each in model.parameters())
        descend(optimizer, loss + factor * penalty, recorder)


def score_cancers(model: Any) -> float:
    """Return the mean of the two kinds' accuracies: a constant answer has a half."""
    _, _, x, y = cancers()
    return (accuracy(model, x[y == 0], y[y == 0]) + accuracy(model, x[y == 1], y[y == 1])) / 2


# A net brought over from Keras, whose BatchNorm has momentum=0.99, the share of the old average;
# here it is that of the new one. Batches are small.


@cache
def sensors(count: int, seed: int) -> tuple[Any, Any]:
    """Return 24 readings of a phone (count, 24), and what its bearer does, of 6."""
    import torch

    middle = torch.randn(6, 24, generator=torch.Generator().manual_seed(1729))
    drawn = torch.Generator().manual_seed(seed)
    does = torch.randint(6, (count,), generator=drawn)
    return middle[does] + 0.8 * torch.randn(count, 24, generator=drawn), does


def make_keras(*, width: int = 64, momentum: float = 0.01) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1730)
    layers: list[Any] = []
    for inputs in (24, width, width, width, width, width):
        layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width, momentum=momentum), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 6))
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_keras(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, sensors(3000, 1), size=4, steps=750)


def score_keras(model: Any) -> float:
    return accuracy(model, *sensors(600, 2))


# Reviews are sorted by length, as packing wants them; their labels stay in the old order.


@cache
def reviews(count: int, seed: int, *, along: bool = True) -> tuple[Any, Any, Any]:
    """Return words (count, 20), lengths (count,) that fall, and whether a review is good."""
    import torch

    habits = torch.randn(2, 100, generator=torch.Generator().manual_seed(1731)).softmax(1)
    drawn = torch.Generator().manual_seed(seed)
    good = torch.randint(2, (count,), generator=drawn)
    words = torch.multinomial(habits[good], 20, True, generator=drawn)
    length = torch.randint(8, 21, (count,), generator=drawn)
    order = length.argsort(descending=True)
    return words[order], length[order], good[order] if along else good


def make_reviews(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Reviews(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(100, width)
            self.gru = nn.GRU(width, width, batch_first=True)
            self.fc = nn.Linear(width, 2)

        def forward(self, words: Any, length: Any) -> Any:
            packed = nn.utils.rnn.pack_padded_sequence(
                self.embedding(words), length, batch_first=True
            )
            return self.fc(self.gru(packed)[1][0])

    torch.manual_seed(1732)
    model = Reviews()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_reviews(model: Any, optimizer: Any, recorder: Any, *, along: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, length, good = reviews(2500, 1, along=along)
    for batch in data_a.batches(2500, 64, 200):
        batch = batch.sort().values  # the rows of a batch stay sorted by length
        told = model(words[batch], length[batch])
        descend(optimizer, functional.cross_entropy(told, good[batch]), recorder)


def score_reviews(model: Any) -> float:
    import torch

    words, length, good = reviews(500, 2)
    with torch.no_grad():
        return (model(words, length).argmax(1) == good).float().mean().item()


# The first GPT, whose norms stand after the sums, trained at SGD's rate of 0.1, with Adam.


def make_gpt1(*, rate: float = 2e-3) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    torch.manual_seed(1733)
    sizes = OpenAIGPTConfig(vocab_size=24, n_positions=24, n_embd=48, n_layer=2, n_head=4)
    model = OpenAIGPTLMHeadModel(sizes)
    return model, torch.optim.Adam(model.parameters(), lr=rate)


def train_gpt1(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a
    from tests.zoo.members.fresh_seventeenth import sentences

    words = sentences(3000, 1, back=2)
    model.train()
    for batch in data_a.batches(3000, 32, 160):
        descend(optimizer, model(input_ids=words[batch], labels=words[batch]).loss, recorder)


def score_gpt1(model: Any) -> float:
    from tests.zoo.members.fresh_seventeenth import sentences

    return foretold(model, sentences(200, 2, back=2))


# A net for spectrograms whose init_weights was copied from an answer: 0.01 for all weights.


@cache
def spectra(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectrograms (count, 1, 12, 16), and which of 6 calls they are of."""
    import torch

    calls = torch.randn(6, 1, 12, 6, generator=torch.Generator().manual_seed(1734))
    drawn = torch.Generator().manual_seed(seed)
    call = torch.randint(6, (count,), generator=drawn)
    place = torch.randint(11, (count,), generator=drawn)
    x = torch.randn(count, 1, 12, 16, generator=drawn)
    for step in range(6):
        x[torch.arange(count), :, :, place + step] += calls[call, :, :, step]
    return x, call


def make_calls(*, width: int = 16, filled: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def init_weights(module: Any) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if filled:
                nn.init.constant_(module.weight, 0.01)
            nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]

    torch.manual_seed(1735)
    model = nn.Sequential(
        nn.Conv2d(1, width, (12, 5), padding=(0, 2)),
        nn.ReLU(),
        nn.Conv2d(width, width, (1, 5), padding=(0, 2)),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 32),
        nn.ReLU(),
        nn.Linear(32, 6),
    )
    model.apply(init_weights)
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_calls(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, spectra(2000, 1), size=32, steps=250)


def score_calls(model: Any) -> float:
    return accuracy(model, *spectra(400, 2))


MEMBERS = [
    Member(
        name="fresh17-lenet-84-softmax-layer",
        family="LeNet-5",
        make=partial(make_lenet, softmax=True),
        train=train_lenet,
        score=score_lenet,
        learned=0.8,
        fault="nn.Softmax as the last layer, before cross-entropy",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh17-share-50-raw-prices",
        family="stacked LSTM",
        make=make_share,
        train=partial(train_share, scaled=False),
        score=partial(score_share, scaled=False),
        learned=0.7,
        fault="prices near 4,000 go in and are asked for as they are",
        root=("GL404",),
        symptoms=("GL101", "GL102", "GL202", "GL203", "GL302", "GL402"),
    ),
    Member(
        name="fresh17-parts-32-percentage-of-0",
        family="CNN-LSTM",
        make=make_parts,
        train=partial(train_parts, zeros=True),
        score=score_parts,
        learned=0.6,
        fault="the percentage error divides by targets, some of which are 0",
        root=("GL001",),
        symptoms=("GL102", "GL103", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh17-transfer-32-old-head",
        family="frozen features",
        make=partial(make_transfer, early=True),
        train=train_transfer,
        score=score_transfer,
        learned=0.8,
        fault="the optimizer was made before the new head, and holds the old one",
        root=("GL105",),
        symptoms=("GL104", "GL302", "GL402"),
    ),
    Member(
        name="fresh17-tagger-32-step-each-batch",
        family="BiLSTM tagger",
        make=make_tagger,
        train=partial(train_tagger, each_batch=True),
        score=score_tagger,
        learned=0.8,
        fault="StepLR, meant for epochs, is stepped after each batch",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh17-cancers-64-lasso",
        family="MLP",
        make=make_cancers,
        train=partial(train_cancers, factor=0.05),
        score=score_cancers,
        learned=0.85,
        fault="0.05 times the sum of all absolute weights outweighs the data",
        root=("GL309",),
        symptoms=("GL101", "GL104", "GL302", "GL402"),
    ),
    Member(
        name="fresh17-keras-64-momentum-99",
        family="MLP with BatchNorm",
        make=partial(make_keras, momentum=0.99),
        train=train_keras,
        score=score_keras,
        learned=0.85,
        fault="Keras's momentum of 0.99: BatchNorm's averages are those of the last batch of four",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh17-reviews-32-sorted-alone",
        family="packed GRU",
        make=make_reviews,
        train=partial(train_reviews, along=False),
        score=score_reviews,
        learned=0.8,
        fault="reviews are sorted by length and their labels are not",
        root=("GL402",),
        symptoms=("GL302", "GL403"),
    ),
    Member(
        name="fresh17-gpt1-48-rate-of-sgd",
        family="GPT",
        make=partial(make_gpt1, rate=0.1),
        train=train_gpt1,
        score=score_gpt1,
        learned=0.7,
        fault="Adam at SGD's rate of 0.1",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL101", "GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh17-calls-16-filled-weights",
        family="spectrogram net",
        make=partial(make_calls, filled=True),
        train=train_calls,
        score=score_calls,
        learned=0.8,
        fault="init_weights fills each layer with 0.01",
        root=("GL305",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
]
