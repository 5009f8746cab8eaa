"""A nineteenth fresh batch, labelled before gradlab saw it: ten trainings with a fault.

The faults are those that forums and code reviews show most often, in their usual form; the ten
without a fault are in fresh_nineteenth.

Scores without gradlab, on a CPU: with the fault, and of the same training without it; seconds of
one core, with the fault. A score of -1 stands for -1 or lower. The scans' training has a score of
.956 where BatchNorm stays in training mode.

====================================  ======  =======  =======
training                              faulty  without  seconds
====================================  ======  =======  =======
chatbot-16-softmax-in-forward         .144    .910     1.4
insurance-64-dollars                  -1.000  .978     3.7
scans-12-batch-of-one                 .339    .885     0.8
blocks-48-python-list                 .121    .829     1.9
energy-40-broadcast                   .052    .975     2.5
megatron-48-hundredfold-rate          .183    .995     4.3
phone-32-exponential-each-batch       .360    .965     1.2
ship-32-missing-ages                  .500    .896     0.3
clubs-32-zeros                        .233    1.000    0.4
topics-32-minus-nll                   .005    .993     0.7
====================================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_seventeenth import sentences
from tests.zoo.members.fresh_seventeenth_faulty import accuracy, classify

# The tutorial of chatbots: a bag of words, three linear maps, 16 units, and intents; its forward
# ends in softmax, and the loss is cross-entropy.


@cache
def intents(count: int, seed: int) -> tuple[Any, Any]:
    """Return bags of words of 80 (count, 80), and which of 12 intents they have."""
    import torch

    habits = (1.5 * torch.randn(12, 80, generator=torch.Generator().manual_seed(1921))).softmax(1)
    drawn = torch.Generator().manual_seed(seed)
    intent = torch.randint(12, (count,), generator=drawn)
    words = torch.multinomial(habits[intent], 10, True, generator=drawn)
    return torch.zeros(count, 80).scatter(1, words, 1.0), intent


def make_chatbot(*, width: int = 16, softmax: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Chatbot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1 = nn.Linear(80, width)
            self.l2 = nn.Linear(width, width)
            self.l3 = nn.Linear(width, 12)

        def forward(self, x: Any) -> Any:
            x = self.l2(self.l1(x).relu()).relu()
            x = self.l3(x)
            return x.softmax(1) if softmax else x

    torch.manual_seed(1922)
    model = Chatbot()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def train_chatbot(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, intents(3000, 1), size=16, steps=600)


def score_chatbot(model: Any) -> float:
    return accuracy(model, *intents(500, 2))


# What an insurance pays in a year, in dollars: the features are standardized, the target is not.


@cache
def insured(count: int, seed: int) -> tuple[Any, Any]:
    """Return standardized age, weight, children, smoking (count, 4), and dollars (count, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    age = 18 + 46 * torch.rand(count, generator=drawn)
    mass = 30 + 6 * torch.randn(count, generator=drawn)
    children = torch.randint(5, (count,), generator=drawn).float()
    smokes = (torch.rand(count, generator=drawn) < 0.3).float()
    dollars = 3000 + 250 * (age - 18) + 500 * children
    dollars = dollars + smokes * (15000 + 12000 * (mass > 30))
    dollars = (dollars + 1000 * torch.randn(count, generator=drawn))[:, None]
    columns = [(age - 41) / 13, (mass - 30) / 6, (children - 2) / 1.4, (smokes - 0.3) / 0.46]
    return torch.stack(columns, 1), dollars


def make_insurance(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1923)
    model = stack(4, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def paid(dollars: Any, *, scaled: bool) -> Any:
    """Return dollars as they are, or with a mean of 0 and a deviation of 1."""
    return (dollars - 16000) / 12000 if scaled else dollars


def train_insurance(model: Any, optimizer: Any, recorder: Any, *, scaled: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, dollars = insured(2000, 1)
    y = paid(dollars, scaled=scaled)
    for batch in data_a.batches(2000, 32, 500):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_insurance(model: Any, *, scaled: bool = True) -> float:
    import torch

    x, dollars = insured(500, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(x), paid(dollars, scaled=scaled)))


# Organs in scans: convolutions with BatchNorm, and large pictures, so that a batch is of one. Each
# scanner has its own brightness and contrast, which a batch's own average takes out.


@cache
def scans(count: int, seed: int) -> tuple[Any, Any]:
    """Return scans (count, 1, 16, 16), and where their organ is (count, 16, 16), 0 or 1."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    places = torch.arange(16.0)
    middle = 4 + 8 * torch.rand(count, 2, 1, 1, generator=drawn)
    radius = 3 + 2 * torch.rand(count, 1, 1, generator=drawn)
    down, along = places[:, None] - middle[:, 0], places - middle[:, 1]
    organ = (down.square() + along.square() < radius.square()).long()
    x = organ + 0.4 * torch.randn(count, 16, 16, generator=drawn)
    contrast = (0.8 * torch.randn(count, 1, 1, generator=drawn)).exp()
    brightness = 3 * torch.randn(count, 1, 1, generator=drawn)
    return (contrast * x + brightness)[:, None], organ


def make_scans(*, width: int = 12) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def block(inputs: int, outputs: int) -> list[Any]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    torch.manual_seed(1924)
    model = nn.Sequential(
        *block(1, width),
        *block(width, 2 * width),
        *block(2 * width, 2 * width),
        *block(2 * width, width),
        nn.Conv2d(width, 2, 1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_scans(model: Any, optimizer: Any, recorder: Any, *, size: int = 1) -> None:
    classify(model, optimizer, recorder, scans(400, 1), size=size, steps=300)


def score_scans(model: Any) -> float:
    """Return the overlap of organs, twice what is common over the sum, in evaluation mode."""
    import torch

    x, organ = scans(100, 2)
    model.eval()
    with torch.no_grad():
        told = model(x).argmax(1)
    return (2 * (told * organ).sum() / (told + organ).sum()).item()


# A small GPT of nn.TransformerEncoderLayer, whose blocks are in a Python list, not a ModuleList.


def make_blocks(*, width: int = 48, plain: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(24, width), nn.Embedding(24, width)
            blocks = [
                nn.TransformerEncoderLayer(
                    width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
                )
                for _ in range(2)
            ]
            self.blocks = blocks if plain else nn.ModuleList(blocks)
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 24)

        def forward(self, words: Any) -> Any:
            length = words.shape[1]
            mask = nn.Transformer.generate_square_subsequent_mask(length)
            x = self.words(words) + self.places(torch.arange(length))
            for block in self.blocks:
                x = block(x, src_mask=mask, is_causal=True)
            return self.head(self.norm(x))

    torch.manual_seed(1925)
    model = Language()
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_blocks(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words = sentences(3000, 1, back=2)
    for batch in data_a.batches(3000, 32, 180):
        told = model(words[batch, :-1]).mT
        descend(optimizer, functional.cross_entropy(told, words[batch, 1:]), recorder)


def score_blocks(model: Any) -> float:
    import torch

    words = sentences(200, 2, back=2)
    model.eval()
    with torch.no_grad():
        told = model(words[:, :-1]).argmax(2)
    return (told == words[:, 1:]).float().mean().item()


# A GRU foretells the demand for energy; it answers (N, 1), targets are (N,), and both are broadcast
# to (N, N).


@cache
def demand(count: int, seed: int) -> tuple[Any, Any]:
    """Return 24 hours of demand (count, 24, 1), and the next hour's (count,)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    hour = torch.arange(25.0) + 24 * torch.rand(count, 1, generator=drawn)
    height = 0.6 + 0.8 * torch.rand(count, 1, generator=drawn)
    y = height * (hour * 6.2832 / 24).sin() + 0.4 * (hour * 6.2832 / 6).cos()
    y = 1.4 * y + 0.1 * torch.randn(count, 25, generator=drawn)
    return y[:, :24, None], y[:, 24]


def make_energy(*, width: int = 40) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Energy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(1, width, batch_first=True)
            self.fc = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            return self.fc(self.gru(x)[0][:, -1])

    torch.manual_seed(1926)
    model = Energy()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_energy(model: Any, optimizer: Any, recorder: Any, *, squeezed: bool = True) -> None:
    from torch import nn

    from tests.zoo import data_a

    criterion = nn.MSELoss()
    x, y = demand(2000, 1)
    for batch in data_a.batches(2000, 32, 250):
        told = model(x[batch])
        descend(optimizer, criterion(told.squeeze(1) if squeezed else told, y[batch]), recorder)


def score_energy(model: Any) -> float:
    import torch

    x, y = demand(500, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(x)[:, 0], y))


# MegatronBERT of transformers, trained with AdamW at 5e-2 where 5e-4 was meant.


def make_megatron(*, rate: float = 5e-4) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import MegatronBertConfig, MegatronBertForSequenceClassification

    torch.manual_seed(1927)
    sizes = MegatronBertConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=24,
        num_labels=6,  # pyright: ignore[reportCallIssue]
    )
    model = MegatronBertForSequenceClassification(sizes)
    return model, torch.optim.AdamW(model.parameters(), lr=rate)


def train_megatron(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(2000, 1, spread=1.5)
    model.train()
    for batch in data_a.batches(2000, 32, 150):
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_megatron(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(400, 2, spread=1.5)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == topic).float().mean().item()


# What a phone's bearer does, by convolutions over time and SGD. ExponentialLR with 0.9 was meant
# for epochs, and its step stands inside the loop over batches.


@cache
def motions(count: int, seed: int) -> tuple[Any, Any]:
    """Return 32 readings of 3 axes (count, 3, 32), and which of 6 activities they are."""
    import torch

    fixed = torch.Generator().manual_seed(1928)
    pace = 0.3 + 1.2 * torch.rand(6, 3, generator=fixed)
    height = 0.4 + torch.rand(6, 3, generator=fixed)
    drawn = torch.Generator().manual_seed(seed)
    does = torch.randint(6, (count,), generator=drawn)
    phase = 6.2832 * torch.rand(count, 3, 1, generator=drawn)
    x = height[does][..., None] * (pace[does][..., None] * torch.arange(32.0) + phase).sin()
    return x + 0.3 * torch.randn(count, 3, 32, generator=drawn), does


def make_phone(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1929)
    model = nn.Sequential(
        nn.Conv1d(3, width, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(width, width, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(width, 6),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_phone(model: Any, optimizer: Any, recorder: Any, *, inside: bool = False) -> None:
    import torch
    from torch.nn import functional

    x, does = motions(1600, 1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    for _ in range(8):
        for batch in torch.randperm(len(x)).split(32):
            descend(optimizer, functional.cross_entropy(model(x[batch]), does[batch]), recorder)
            if inside:
                scheduler.step()
        if not inside:
            scheduler.step()


def score_phone(model: Any) -> float:
    return accuracy(model, *motions(400, 2))


# Who survives a shipwreck? A fifth of the ages are missing, and stay NaN on the way from the table
# to the net.


@cache
def passengers(count: int, seed: int, *, filled: bool) -> tuple[Any, Any]:
    """Return class, sex, age, fare and family (count, 5), and who survived (count,)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=drawn)
    hope = 2 * x[:, 1] - x[:, 0] - x[:, 2].abs() + 0.5 * x[:, 3] + 0.8
    survived = (hope + 0.5 * torch.randn(count, generator=drawn) > 0).long()
    missing = torch.rand(count, generator=drawn) < 0.2
    x[missing, 2] = 0.0 if filled else float("nan")
    return x, survived


def make_ship(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1930)
    one, two = nn.Linear(5, width), nn.Linear(width, width)
    model = nn.Sequential(one, nn.ReLU(), nn.Dropout(0.1), two, nn.ReLU(), nn.Linear(width, 2))
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_ship(model: Any, optimizer: Any, recorder: Any, *, filled: bool = True) -> None:
    rows = passengers(900, 1, filled=filled)
    classify(model, optimizer, recorder, rows, size=32, steps=250)


def score_ship(model: Any) -> float:
    """Return the mean of the two kinds' accuracies: a constant answer has a half."""
    x, y = passengers(500, 2, filled=True)
    return (accuracy(model, x[y == 0], y[y == 0]) + accuracy(model, x[y == 1], y[y == 1])) / 2


# Graph convolutions by hand: nn.Parameter(torch.zeros(...)), and the reset that was to draw the
# weights is never called.


@cache
def clubs() -> tuple[Any, Any, Any, Any]:
    """Return features (400, 24), averages over friends (400, 400), clubs, and who is known."""
    import torch

    drawn = torch.Generator().manual_seed(1931)
    club = torch.randint(4, (400,), generator=drawn)
    habit = torch.randn(4, 24, generator=drawn)
    x = 0.5 * habit[club] + torch.randn(400, 24, generator=drawn)
    same = club[:, None] == club
    friends = torch.rand(400, 400, generator=drawn) < torch.where(same, 0.05, 0.005)
    links = (friends | friends.T).float() + torch.eye(400)
    root = links.sum(1).rsqrt()
    return x, root[:, None] * links * root, club, torch.arange(400) < 160


def make_clubs(*, width: int = 32, reset: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class GraphConvolution(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(inputs, outputs))
            self.bias = nn.Parameter(torch.zeros(outputs))
            if reset:
                self.reset_parameters()

        def reset_parameters(self) -> None:
            nn.init.xavier_uniform_(self.weight)

        def forward(self, x: Any, average: Any) -> Any:
            return average @ (x @ self.weight) + self.bias

    class Clubs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gc1 = GraphConvolution(24, width)
            self.gc2 = GraphConvolution(width, 4)

        def forward(self, x: Any, average: Any) -> Any:
            x = self.gc1(x, average).relu()
            return self.gc2(nn.functional.dropout(x, 0.5, self.training), average)

    torch.manual_seed(1932)
    model = Clubs()
    return model, torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)


def train_clubs(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, average, club, known = clubs()
    model.train()
    for _ in range(200):
        told = model(x, average)[known]
        descend(optimizer, functional.cross_entropy(told, club[known]), recorder)


def score_clubs(model: Any) -> float:
    import torch

    x, average, club, known = clubs()
    model.eval()
    with torch.no_grad():
        right = model(x, average).argmax(1) == club
    return right[~known].float().mean().item()


# Topics by an LSTM and log_softmax. The loss is written as -F.nll_loss, which has its minus
# already.


def make_topics(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Topics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(60, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.fc = nn.Linear(width, 6)

        def forward(self, words: Any) -> Any:
            return self.fc(self.lstm(self.embedding(words))[0].mean(1)).log_softmax(1)

    torch.manual_seed(1933)
    model = Topics()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_topics(model: Any, optimizer: Any, recorder: Any, *, sign: int = 1) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(2000, 1, spread=1.5)
    for batch in data_a.batches(2000, 32, 200):
        loss = sign * functional.nll_loss(model(words[batch]), topic[batch])
        descend(optimizer, loss, recorder)


def score_topics(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.topics(400, 2, spread=1.5))


MEMBERS = [
    Member(
        name="fresh19-chatbot-16-softmax-in-forward",
        family="bag-of-words MLP",
        make=partial(make_chatbot, softmax=True),
        train=train_chatbot,
        score=score_chatbot,
        learned=0.75,
        fault="forward ends in softmax, and cross-entropy takes it once more",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh19-insurance-64-dollars",
        family="MLP",
        make=make_insurance,
        train=partial(train_insurance, scaled=False),
        score=partial(score_insurance, scaled=False),
        learned=0.7,
        fault="features are standardized, and targets are dollars, near 16,000",
        root=("GL404",),
        symptoms=("GL101", "GL102", "GL103", "GL202", "GL203", "GL302", "GL402"),
    ),
    Member(
        name="fresh19-scans-12-batch-of-one",
        family="convolutions with BatchNorm",
        make=make_scans,
        train=train_scans,
        score=score_scans,
        learned=0.7,
        fault="BatchNorm with a batch of one: each scan has its own average in training alone",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh19-blocks-48-python-list",
        family="nn.TransformerEncoderLayer, causal",
        make=partial(make_blocks, plain=True),
        train=train_blocks,
        score=score_blocks,
        learned=0.6,
        fault="blocks are in a Python list, not a ModuleList: no optimizer has them",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh19-energy-40-broadcast",
        family="GRU",
        make=make_energy,
        train=partial(train_energy, squeezed=False),
        score=score_energy,
        learned=0.7,
        fault="answers (N, 1) against targets (N,): both are broadcast to (N, N)",
        root=("GL402",),
        symptoms=("GL101", "GL302"),
    ),
    Member(
        name="fresh19-megatron-48-hundredfold-rate",
        family="MegatronBERT",
        make=partial(make_megatron, rate=5e-2),
        train=train_megatron,
        score=score_megatron,
        learned=0.7,
        fault="AdamW at 5e-2 where 5e-4 was meant",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL101", "GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh19-phone-32-exponential-each-batch",
        family="CNN over time",
        make=make_phone,
        train=partial(train_phone, inside=True),
        score=score_phone,
        learned=0.8,
        fault="ExponentialLR, meant for epochs, is stepped after each batch",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh19-ship-32-missing-ages",
        family="net for tables",
        make=make_ship,
        train=partial(train_ship, filled=False),
        score=score_ship,
        learned=0.75,
        fault="a fifth of the ages are NaN, and go in",
        root=("GL001",),
        symptoms=("GL402",),
    ),
    Member(
        name="fresh19-clubs-32-zeros",
        family="GCN by hand",
        make=partial(make_clubs, reset=False),
        train=train_clubs,
        score=score_clubs,
        learned=0.7,
        fault="both layers start with weights of 0, for their reset is never called",
        root=("GL305", "GL105"),
        symptoms=("GL101", "GL201", "GL302", "GL402"),
    ),
    Member(
        name="fresh19-topics-32-minus-nll",
        family="LSTM",
        make=make_topics,
        train=partial(train_topics, sign=-1),
        score=score_topics,
        learned=0.7,
        fault="-F.nll_loss, which has its minus already: the loss is climbed",
        root=("GL310",),
        symptoms=("GL102", "GL103", "GL303", "GL304", "GL401", "GL402"),
    ),
]
