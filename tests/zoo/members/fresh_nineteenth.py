"""A nineteenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Most follow a tutorial or a library's example; the ten with a fault are in
fresh_nineteenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

====================================  ======  =======  =======
training                              start   end      seconds
====================================  ======  =======  =======
olmo-48-sentences-autocast            .039    .853     6.1
marian-48-turned-round                .056    .996     5.6
googlenet-8-digits-two-heads          .108    .985     5.9
frauds-32-rebuilt                     .514    1.000    1.6
diabetes-32-half-noise                .025    .450     0.8
catch-64-actor-critic                 .200    1.000    1.9
citations-32-attention                .256    .923     2.0
crnn-32-three-digits                  .000    .963     5.7
bitfit-48-groups                      .125    .940     5.3
listnet-64-queries                    .526    .998     0.6
====================================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend, foretold
from tests.zoo.members.fresh_seventeenth import papers, sentences

# OLMo2 of transformers, as its authors train it: norms after the branches, AdamW with decay,
# warm-up and cosine, clipped to 1, in bfloat16 by autocast.


def make_olmo() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import Olmo2Config, Olmo2ForCausalLM

    torch.manual_seed(1901)
    model = Olmo2ForCausalLM(
        Olmo2Config(
            vocab_size=24,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=32,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    return model, torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), eps=1e-8)


def train_olmo(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup

    from tests.zoo import data_a

    words = sentences(3000, 1)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 10, 100)
    model.train()
    for batch in data_a.batches(3000, 24, 100):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=words[batch], labels=words[batch]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        recorder.log(loss=loss.item())


def score_olmo(model: Any) -> float:
    return foretold(model, sentences(200, 2))


# Marian of transformers, an encoder and a decoder with tied words: rows are to be turned round.


def make_marian() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(1902)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=14,
            d_model=48,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=96,
            decoder_ffn_dim=96,
            max_position_embeddings=16,
            dropout=0.0,
            scale_embedding=True,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            forced_eos_token_id=None,
        )
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-9)


@cache
def turned(count: int, seed: int) -> tuple[Any, Any]:
    """Return rows of six numbers of 2..13 (count, 6), and the same backwards."""
    from tests.zoo import data_a

    rows = data_a.numbers(count, 6, seed, values=12) + 2
    return rows, rows.flip(1)


def train_marian(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    rows, wanted = turned(6000, 1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 40))
    model.train()
    for batch in data_a.batches(6000, 64, 250):
        descend(optimizer, model(input_ids=rows[batch], labels=wanted[batch]).loss, recorder)
        scheduler.step()


def score_marian(model: Any) -> float:
    """Return the share of words that are right, each foretold from the right ones before it."""
    import torch

    rows, wanted = turned(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=rows, labels=wanted).logits.argmax(2)
    return (told == wanted).float().mean().item()


# GoogLeNet in small: four branches a block, a second head half-way whose loss counts three tenths,
# Nesterov's momentum, and two drops of the rate.


def make_googlenet(*, width: int = 8) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def conv(inputs: int, outputs: int, size: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    class Inception(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.one = conv(inputs, width, 1)
            self.three = nn.Sequential(conv(inputs, width, 1), conv(width, width, 3))
            self.five = nn.Sequential(conv(inputs, width // 2, 1), conv(width // 2, width, 5))
            self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(inputs, width, 1))

        def forward(self, x: Any) -> Any:
            return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)

    class GoogLeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = conv(1, 2 * width, 3)
            self.low, self.high = Inception(2 * width), Inception(4 * width)
            self.aux = nn.Sequential(
                nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, 10)
            )
            self.head = nn.Sequential(
                nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.4), nn.Linear(16 * width, 10)
            )

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = self.low(self.stem(x))
            return self.head(self.high(nn.functional.max_pool2d(x, 2))), self.aux(x)

    torch.manual_seed(1903)
    model = GoogLeNet()
    return model, torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    )


def train_googlenet(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [120, 170], gamma=0.1)
    model.train()
    for batch in data_a.batches(len(y), 32, 200):
        told, aside = model(x[batch])
        loss = functional.cross_entropy(told, y[batch])
        loss = loss + 0.3 * functional.cross_entropy(aside, y[batch])
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_googlenet(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(x)[0].argmax(1) == y).float().mean().item()


# Frauds by an autoencoder, which sees only honest payments: a fraud is what it cannot rebuild.


@cache
def payments(count: int, seed: int, *, fraud: bool = False) -> Any:
    """Return payments (count, 20) of five causes; a fraud's columns come from different ones."""
    import torch

    mixing = torch.randn(5, 20, generator=torch.Generator().manual_seed(1904)) / 5**0.5
    drawn = torch.Generator().manual_seed(seed)
    x = 2 * (torch.randn(count, 5, generator=drawn) @ mixing).tanh()
    x = x + 0.1 * torch.randn(count, 20, generator=drawn)
    if fraud:
        order = torch.rand(count, 20, generator=drawn).argsort(0)
        x = x.gather(0, order)
    return x


def make_frauds() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1905)
    model = nn.Sequential(
        nn.Linear(20, 32),
        nn.Tanh(),
        nn.Linear(32, 5),
        nn.Tanh(),
        nn.Linear(5, 32),
        nn.Tanh(),
        nn.Linear(32, 20),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-6)


def train_frauds(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x = payments(3000, 1)
    for batch in data_a.batches(3000, 64, 800):
        descend(optimizer, functional.mse_loss(model(x[batch]), x[batch]), recorder)


def score_frauds(model: Any) -> float:
    """Return how often a fraud is rebuilt worse than an honest payment."""
    import torch

    honest, fraud = payments(400, 2), payments(400, 3, fraud=True)
    with torch.no_grad():
        errors = [(model(x) - x).square().mean(1) for x in (honest, fraud)]
    return (errors[1][:, None] > errors[0]).float().mean().item()


# The diabetes data of scikit-learn with Huber's loss: half of the target is noise, so that the loss
# soon stays where it is.


@cache
def patients() -> list[Any]:
    """Return standardized features (n, 10) and targets (n, 1), for training and held out."""
    import torch
    from sklearn.datasets import load_diabetes

    features, targets = load_diabetes(return_X_y=True)
    order = torch.randperm(442, generator=torch.Generator().manual_seed(1906))
    x = torch.tensor(features, dtype=torch.float32)[order]
    y = torch.tensor(targets, dtype=torch.float32)[order, None]
    x, y = ((rows - rows[:300].mean(0)) / rows[:300].std(0) for rows in (x, y))
    return [x[:300], y[:300], x[300:], y[300:]]


def make_diabetes(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1907)
    one, two = nn.Linear(10, width), nn.Linear(width, width)
    model = nn.Sequential(
        one, nn.ReLU(), nn.Dropout(0.3), two, nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 1)
    )
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def train_diabetes(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = patients()
    model.train()
    for batch in data_a.batches(300, 16, 500):
        descend(optimizer, functional.huber_loss(model(x[batch]), y[batch]), recorder)


def score_diabetes(model: Any) -> float:
    import torch

    _, _, x, y = patients()
    model.eval()
    with torch.no_grad():
        return explained(model(x), y)


# Advantage actor-critic on Catch: a ball falls through five columns, and a paddle is to be there.
# RMSprop, a bonus for entropy, gradients clipped to 0.5, as its authors have it.


def seen(row: Any, ball: Any, paddle: Any) -> Any:
    """Return where ball and paddle are, as what the net reads (n, 15)."""
    import torch
    from torch.nn.functional import one_hot

    height = one_hot(torch.full_like(ball, row), 5)
    return torch.cat([height, one_hot(ball, 5), one_hot(paddle, 5)], 1).float()


def make_catch(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Player(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(15, width), nn.Tanh())
            self.actor, self.critic = nn.Linear(width, 3), nn.Linear(width, 1)

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = self.body(x)
            return self.actor(x), self.critic(x)[:, 0]

    torch.manual_seed(1908)
    model = Player()
    return model, torch.optim.RMSprop(model.parameters(), lr=3e-3, alpha=0.99, eps=1e-5)


def train_catch(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.distributions import Categorical

    drawn = torch.Generator().manual_seed(1909)
    torch.manual_seed(1910)
    for _ in range(300):
        ball = torch.randint(5, (32,), generator=drawn)
        paddle = torch.randint(5, (32,), generator=drawn)
        chances, values, entropies = [], [], []
        for row in range(4):
            logits, value = model(seen(row, ball, paddle))
            chosen = Categorical(logits=logits)
            action = chosen.sample()
            paddle = (paddle + action - 1).clamp(0, 4)
            chances.append(chosen.log_prob(action))
            values.append(value)
            entropies.append(chosen.entropy())
        reward = torch.where(ball == paddle, 1.0, -1.0)
        returns = torch.stack([reward * 0.99**late for late in (3, 2, 1, 0)])
        advantage = returns - torch.stack(values)
        loss = -(torch.stack(chances) * advantage.detach()).mean()
        loss = loss + 0.5 * advantage.square().mean() - 0.01 * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_catch(model: Any) -> float:
    """Return how often the ball is caught, from each pair of places."""
    import torch

    ball = torch.arange(5).repeat(5)
    paddle = torch.arange(5).repeat_interleave(5)
    with torch.no_grad():
        for row in range(4):
            action = model(seen(row, ball, paddle))[0].argmax(1)
            paddle = (paddle + action - 1).clamp(0, 4)
    return (ball == paddle).float().mean().item()


# TransformerConv of torch_geometric: attention along citations, few labels, much dropout.


def make_citations(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric.nn import TransformerConv  # pyright: ignore[reportMissingImports]

    class Citations(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = TransformerConv(80, width, heads=2, dropout=0.3)
            self.norm = nn.LayerNorm(2 * width)
            self.second = TransformerConv(2 * width, 5, heads=2, concat=False, beta=True)

        def forward(self, x: Any, edges: Any) -> Any:
            x = self.norm(self.first(x, edges)).relu()
            x = nn.functional.dropout(x, 0.5, self.training)
            return self.second(x, edges)

    torch.manual_seed(1911)
    model = Citations()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=5e-4)


def train_citations(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    words, topic, edges, known = papers()
    model.train()
    for _ in range(120):
        told = model(words, edges)[known]
        descend(optimizer, functional.cross_entropy(told, topic[known]), recorder)


def score_citations(model: Any) -> float:
    import torch

    words, topic, edges, known = papers()
    model.eval()
    with torch.no_grad():
        right = model(words, edges).argmax(1) == topic
    return right[~known].float().mean().item()


# A CRNN reads three digits in a row, by CTC: at first it says nothing but blanks, on a plateau.


@cache
def numerals(count: int, seed: int, *, held: bool = False) -> tuple[Any, Any]:
    """Return pictures of three digits (count, 1, 8, 24), and what they are, 1..10 (count, 3)."""
    import torch

    from tests.zoo import data_a

    x, y = data_a.digits()[2:] if held else data_a.digits()[:2]
    chosen = torch.randint(len(y), (count, 3), generator=torch.Generator().manual_seed(seed))
    return torch.cat([x[chosen[:, place]] for place in range(3)], 3), y[chosen] + 1


def make_crnn(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class CRNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(
                nn.Conv2d(1, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(width, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            self.gru = nn.GRU(4 * width, width, bidirectional=True)
            self.out = nn.Linear(2 * width, 11)

        def forward(self, x: Any) -> Any:
            x = self.conv(x).flatten(1, 2).permute(2, 0, 1)
            return self.out(self.gru(x)[0]).log_softmax(2)

    torch.manual_seed(1912)
    model = CRNN()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_crnn(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_a

    x, y = numerals(2000, 1)
    criterion = nn.CTCLoss(zero_infinity=True)
    model.train()
    for batch in data_a.batches(2000, 32, 250):
        told = model(x[batch])
        lengths = torch.full((32,), 12), torch.full((32,), 3)
        optimizer.zero_grad()
        loss = criterion(told, y[batch], *lengths)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_crnn(model: Any) -> float:
    """Return the share of pictures all digits of which are read, by the best path."""
    import torch

    x, y = numerals(300, 2, held=True)
    model.eval()
    with torch.no_grad():
        paths = model(x).argmax(2).T.tolist()
    right = 0
    for path, wanted in zip(paths, y.tolist(), strict=True):
        before = [0, *path[:-1]]
        read = [each for each, last in zip(path, before, strict=True) if each not in (0, last)]
        right += read == wanted
    return right / len(y)


# BitFit: a BERT that knows six topics learns to tell three groups of them. Only its biases and a
# new head are trained.


def make_bitfit() -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1913)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=60,
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=24,
            num_labels=6,  # pyright: ignore[reportCallIssue]
        )
    )
    words, topic = data_a.topics(2000, 1, spread=1.2)
    before = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for batch in data_a.batches(2000, 32, 80):
        before.zero_grad()
        model(input_ids=words[batch], labels=topic[batch]).loss.backward()
        before.step()
    before.zero_grad()
    model.classifier, model.num_labels = nn.Linear(48, 3), 3
    model.config.num_labels = 3
    for name, each in model.named_parameters():
        each.requires_grad_(name.endswith("bias") or name.startswith("classifier"))
    trained = [each for each in model.parameters() if each.requires_grad]
    return model, torch.optim.AdamW(trained, lr=2e-3)


@cache
def groups(count: int, seed: int) -> tuple[Any, Any]:
    """Return documents, and which of three groups their topics are of."""
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(count, seed, spread=1.2)
    return words, torch.tensor([0, 2, 1, 1, 0, 2])[topic]


def train_bitfit(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, group = groups(1500, 3)
    model.train()
    for batch in data_a.batches(1500, 32, 150):
        descend(optimizer, model(input_ids=words[batch], labels=group[batch]).loss, recorder)


def score_bitfit(model: Any) -> float:
    import torch

    words, group = groups(400, 4)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == group).float().mean().item()


# ListNet: ten documents of a query are put in order by the cross-entropy of two softmaxes. Nearly
# all of the loss is the wanted softmax's own entropy, so that it hardly falls.


@cache
def queries(count: int, seed: int) -> tuple[Any, Any]:
    """Return ten documents a query (count, 10, 12), and how relevant they are (count, 10)."""
    import torch

    fixed = torch.Generator().manual_seed(1914)
    one, two = torch.randn(12, generator=fixed), torch.randn(12, generator=fixed)
    x = torch.randn(count, 10, 12, generator=torch.Generator().manual_seed(seed))
    hidden = x @ one / 3 + (x @ two / 3).abs()
    return x, (1 + hidden).round().clamp(0, 4)


def make_listnet(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1915)
    model = stack(12, width, width // 2, 1)
    return model, torch.optim.Adagrad(model.parameters(), lr=0.02)


def train_listnet(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, relevant = queries(1500, 1)
    for batch in data_a.batches(1500, 16, 500):
        scores = model(x[batch])[..., 0]
        wanted = (relevant[batch] / 2).softmax(1)
        descend(optimizer, functional.cross_entropy(scores, wanted), recorder)


def score_listnet(model: Any) -> float:
    """Return the share of pairs of a query that are in the right order."""
    import torch

    x, relevant = queries(300, 2)
    with torch.no_grad():
        scores = model(x)[..., 0]
    above = relevant[:, :, None] > relevant[:, None]
    return (scores[:, :, None] > scores[:, None])[above].float().mean().item()


MEMBERS = [
    Member(
        name="fresh19-olmo-48-sentences-autocast",
        family="OLMo2",
        make=make_olmo,
        train=train_olmo,
        score=score_olmo,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh19-marian-48-turned-round",
        family="Marian",
        make=make_marian,
        train=train_marian,
        score=score_marian,
        learned=0.8,
        needs=("transformers",),
    ),
    Member(
        name="fresh19-googlenet-8-digits-two-heads",
        family="GoogLeNet",
        make=make_googlenet,
        train=train_googlenet,
        score=score_googlenet,
        learned=0.85,
    ),
    Member(
        name="fresh19-frauds-32-rebuilt",
        family="autoencoder for anomalies",
        make=make_frauds,
        train=train_frauds,
        score=score_frauds,
        learned=0.8,
    ),
    Member(
        name="fresh19-diabetes-32-half-noise",
        family="MLP, Huber",
        make=make_diabetes,
        train=train_diabetes,
        score=score_diabetes,
        learned=0.3,
    ),
    Member(
        name="fresh19-catch-64-actor-critic",
        family="A2C",
        make=make_catch,
        train=train_catch,
        score=score_catch,
        learned=0.8,
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh19-citations-32-attention",
        family="TransformerConv",
        make=make_citations,
        train=train_citations,
        score=score_citations,
        learned=0.6,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh19-crnn-32-three-digits",
        family="CRNN",
        make=make_crnn,
        train=train_crnn,
        score=score_crnn,
        learned=0.7,
    ),
    Member(
        name="fresh19-bitfit-48-groups",
        family="BitFit",
        make=make_bitfit,
        train=train_bitfit,
        score=score_bitfit,
        learned=0.75,
        needs=("transformers",),
    ),
    Member(
        name="fresh19-listnet-64-queries",
        family="ListNet",
        make=make_listnet,
        train=train_listnet,
        score=score_listnet,
        learned=0.8,
    ),
]
