"""An eighteenth fresh batch, labelled before gradlab saw it: ten trainings with a fault.

The faults are those of forums and code reviews, in the form in which most people write them; the
ten without a fault are in fresh_eighteenth.

Scores without gradlab, on a CPU: with the fault, and of the same training without it; seconds of
one core, with the fault. A score of -1 stands for -1 or lower, or for NaN.

====================================  ======  =======  =======
training                              faulty  without  seconds
====================================  ======  =======  =======
deeplab-24-plates-softmax-in-forward  .088    .658     2.3
diabetes-32-as-loaded                 -1.000  .473     0.1
layers-64-digits-in-a-list            .161    .924     0.2
bigbird-48-topics-steps-of-one-epoch  .183    .773     2.6
tutorial-48-clipped-before-backward   .041    .855     2.1
ship-32-ages-missing                  .500    .874     0.3
states-32-topics-viewed               .177    .970     3.4
scratch-64-averages-not-kept          .220    .998     0.5
hand-100-wines-rand                   .310    .948     0.1
graphs-32-atoms-zero-grad-forgotten   -.098   .979     1.5
====================================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_seventeenth_faulty import accuracy, classify

# DeepLab marks eight kinds of plates in pictures. Its forward ends in a softmax over the kinds, and
# CrossEntropyLoss takes another one. The rate falls as in the paper.


@cache
def plates(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (count, 3, 24, 24), and the kind of each pixel: 0 nothing, 1..8 a plate."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = 0.5 * torch.randn(count, 3, 24, 24, generator=drawn)
    colours = torch.cartesian_prod(*3 * [torch.tensor([-1.5, 1.5])])
    marks = torch.zeros(count, 24, 24, dtype=torch.long)
    corner = torch.randint(16, (count, 2, 2), generator=drawn).tolist()
    kind = torch.randint(1, 9, (count, 2), generator=drawn).tolist()
    for row in range(count):
        for (top, left), each in zip(corner[row], kind[row], strict=True):
            place = (row, slice(top, top + 8), slice(left, left + 8))
            marks[place] = each
            x[row, :, top : top + 8, left : left + 8] = colours[each - 1, :, None, None]
    return x + 0.3 * torch.randn(x.shape, generator=drawn), marks


def make_deeplab(*, width: int = 24, softmax: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def convolution(inputs: int, outputs: int, size: int, apart: int = 1, step: int = 1) -> Any:
        padding = apart * (size // 2)
        inner = nn.Conv2d(inputs, outputs, size, step, padding, dilation=apart, bias=False)
        return nn.Sequential(inner, nn.BatchNorm2d(outputs), nn.ReLU())

    class DeepLab(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential(
                convolution(3, width, 3),
                convolution(width, width, 3, step=2),
                convolution(width, width, 3, apart=2),
            )
            self.pyramid = nn.ModuleList(
                [convolution(width, width, 1)]
                + [convolution(width, width, 3, apart=apart) for apart in (2, 3)]
            )
            self.project = convolution(3 * width, width, 1)
            self.classifier = nn.Conv2d(width, 9, 1)

        def forward(self, x: Any) -> Any:
            deep = self.backbone(x)
            deep = self.project(torch.cat([each(deep) for each in self.pyramid], 1))
            x = nn.functional.interpolate(self.classifier(deep), scale_factor=2, mode="bilinear")
            return x.softmax(1) if softmax else x

    torch.manual_seed(1821)
    model = DeepLab()
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)


def train_deeplab(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, marks = plates(400, 1)
    scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, 250, power=0.9)
    model.train()
    for batch in data_a.batches(400, 8, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), marks[batch]), recorder)
        scheduler.step()


def score_deeplab(model: Any) -> float:
    """Return the mean over the kinds of intersection over union."""
    import torch

    x, marks = plates(60, 2)
    model.eval()
    with torch.no_grad():
        told = model(x).argmax(1)
    shares = []
    for kind in range(9):
        both = ((told == kind) & (marks == kind)).sum()
        shares.append(both / ((told == kind) | (marks == kind)).sum().clamp(min=1))
    return torch.stack(shares).mean().item()


# The diabetes of scikit-learn as load_diabetes returns it: inputs near 0.05, and targets of 25 to
# 346 as they are.


@cache
def diabetes(*, scaled: bool = True) -> list[Any]:
    """Return ten measurements (n, 10) and the illness (n, 1), for training and held out."""
    import torch
    from sklearn.datasets import load_diabetes

    features, illness = load_diabetes(return_X_y=True)
    order = torch.randperm(442, generator=torch.Generator().manual_seed(1822))
    x = torch.tensor(features, dtype=torch.float32)[order]
    y = torch.tensor(illness, dtype=torch.float32)[order, None]
    if scaled:
        x = (x - x[:340].mean(0)) / x[:340].std(0)
        y = (y - y[:340].mean()) / y[:340].std()
    return [x[:340], y[:340], x[340:], y[340:]]


def make_diabetes(*, width: int = 32) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1823)
    model = stack(10, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_diabetes(model: Any, optimizer: Any, recorder: Any, *, scaled: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = diabetes(scaled=scaled)
    for batch in data_a.batches(340, 32, 300):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_diabetes(model: Any, *, scaled: bool = True) -> float:
    import torch

    _, _, x, y = diabetes(scaled=scaled)
    with torch.no_grad():
        return max(-1.0, explained(model(x), y))


# A net of as many layers as its user asks for. They are kept in a list of Python, which registers
# none: the optimizer has only the head.


def make_layers(*, width: int = 64, listed: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Layers(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            sizes = [64] + depth * [width]
            layers = [nn.Linear(*pair) for pair in pairwise(sizes)]
            self.layers = layers if listed else nn.ModuleList(layers)
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            x = x.flatten(1)
            for layer in self.layers:
                x = nn.functional.relu(layer(x))
            return self.head(x)

    torch.manual_seed(1824)
    model = Layers(4)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_layers(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    classify(model, optimizer, recorder, data_a.digits()[:2], size=32, steps=300)


def score_layers(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.digits()[2:])


# BigBird of transformers on topics. The schedule is told len(loader) steps: it is over after the
# first of ten epochs.


def make_bigbird() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BigBirdConfig, BigBirdForSequenceClassification

    torch.manual_seed(1825)
    sizes = BigBirdConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
        attention_type="original_full",
        num_labels=6,
        sep_token_id=2,
    )
    model = BigBirdForSequenceClassification(sizes)
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def train_bigbird(model: Any, optimizer: Any, recorder: Any, *, epochs: int = 10) -> None:
    import torch
    from transformers import get_linear_schedule_with_warmup

    from tests.zoo import data_a

    words, topic = data_a.topics(640, 1)
    steps = 20 * epochs
    scheduler = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    for batch in data_a.batches(640, 32, 200):
        optimizer.zero_grad()
        loss = model(input_ids=words[batch], labels=topic[batch]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        recorder.log(loss=loss.item())


def score_bigbird(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(300, 2)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == topic).float().mean().item()


# PyTorch's tutorial of nn.TransformerEncoder as a language model: SGD at a rate of 5, which needs
# its clipping to a norm of 0.5. Here the gradients are clipped before they are there.


def make_tutorial(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tutorial(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(24, width)
            self.places = nn.Parameter(0.1 * torch.randn(24, width))
            layer = nn.TransformerEncoderLayer(width, 4, width, 0.1, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.linear = nn.Linear(width, 24)
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            nn.init.uniform_(self.linear.weight, -0.1, 0.1)
            nn.init.zeros_(self.linear.bias)

        def forward(self, words: Any) -> Any:
            length = words.shape[1]
            x = self.embedding(words) * width**0.5 + self.places[:length]
            mask = nn.Transformer.generate_square_subsequent_mask(length)
            return self.linear(self.encoder(x, mask=mask, is_causal=True))

    torch.manual_seed(1826)
    model = Tutorial()
    return model, torch.optim.SGD(model.parameters(), lr=5.0)


def train_tutorial(model: Any, optimizer: Any, recorder: Any, *, early: bool = False) -> None:
    import torch

    from tests.zoo import data_a
    from tests.zoo.members.fresh_seventeenth import sentences

    words = sentences(3000, 1)
    parameters = list(model.parameters())
    model.train()
    for batch in data_a.batches(3000, 20, 300):
        told = model(words[batch, :-1])
        loss = torch.nn.functional.cross_entropy(told.mT, words[batch, 1:])
        optimizer.zero_grad()
        if early:
            torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        loss.backward()
        if not early:
            torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_tutorial(model: Any) -> float:
    import torch

    from tests.zoo.members.fresh_seventeenth import sentences

    words = sentences(200, 2)
    model.eval()
    with torch.no_grad():
        told = model(words[:, :-1]).argmax(2)
    return (told == words[:, 1:]).float().mean().item()


# Who is saved from the ship? One age in five is missing in the table, and goes in as pandas reads
# it: NaN.


@cache
def passengers(count: int, seed: int, *, filled: bool = True) -> tuple[Any, Any]:
    """Return age, fare, class, sex and family (count, 5), and who is saved (count, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=drawn)
    x[:, 3] = (x[:, 3] > 0).float()
    chance = 3 * x[:, 3] - 1.5 + x[:, 1] - x[:, 2] - 0.5 * x[:, 0] - 0.5 * x[:, 4].square() + 0.5
    saved = torch.rand(count, generator=drawn) < (1.5 * chance).sigmoid()
    missing = torch.rand(count, generator=drawn) < 0.2
    x[missing, 0] = 0.0 if filled else float("nan")
    return x, saved.float()[:, None]


def make_ship(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1827)
    one, two = nn.Linear(5, width), nn.Linear(width, width)
    model = nn.Sequential(
        one,
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Dropout(0.2),
        two,
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_ship(model: Any, optimizer: Any, recorder: Any, *, filled: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, saved = passengers(900, 1, filled=filled)
    model.train()
    for batch in data_a.batches(900, 32, 300):
        loss = functional.binary_cross_entropy_with_logits(model(x[batch]), saved[batch])
        descend(optimizer, loss, recorder)


def score_ship(model: Any) -> float:
    """Return the mean of both kinds' accuracies, where no age is missing."""
    import torch

    x, saved = passengers(600, 2)
    model.eval()
    with torch.no_grad():
        right = (model(x) > 0) == (saved > 0.5)
    return (right[saved > 0.5].float().mean() + right[saved < 0.5].float().mean()).item() / 2


# A bidirectional GRU of two layers judges reviews by its last states, (4, batch, width). They are
# brought to (batch, 4 * width) by view, which mixes the states of different reviews.


def make_states(*, width: int = 32, mixed: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class States(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(60, width)
            self.gru = nn.GRU(width, width, 2, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(4 * width, 6)

        def forward(self, words: Any) -> Any:
            hidden = self.gru(self.embedding(words))[1]
            if not mixed:
                hidden = hidden.transpose(0, 1)
            return self.fc(hidden.reshape(len(words), -1))

    torch.manual_seed(1828)
    model = States()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_states(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    classify(model, optimizer, recorder, data_a.topics(2500, 1), size=32, steps=200)


def score_states(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.topics(300, 2))


# BatchNorm from scratch, as courses ask for it. The moving averages are computed, but never kept:
# in evaluation they are still 0 and 1.


@cache
def engines(count: int, seed: int) -> tuple[Any, Any]:
    """Return 16 positive readings (count, 16), and which of 8 states an engine is in."""
    import torch

    middle = torch.randn(8, 16, generator=torch.Generator().manual_seed(1829))
    drawn = torch.Generator().manual_seed(seed)
    state = torch.randint(8, (count,), generator=drawn)
    return 3 + middle[state] + 0.7 * torch.randn(count, 16, generator=drawn), state


def make_scratch(*, width: int = 64, kept: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gamma, self.beta = (
                nn.Parameter(torch.ones(width)),
                nn.Parameter(torch.zeros(width)),
            )
            self.register_buffer("moving_mean", torch.zeros(width))
            self.register_buffer("moving_variance", torch.ones(width))

        def forward(self, x: Any) -> Any:
            mean, variance = self.moving_mean, self.moving_variance
            if self.training:
                mean, variance = x.mean(0), x.var(0, unbiased=False)
                moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
                moving_variance = 0.9 * self.moving_variance + 0.1 * variance.detach()
                if kept:
                    self.moving_mean, self.moving_variance = moving_mean, moving_variance
            return self.gamma * (x - mean) / (variance + 1e-5).sqrt() + self.beta

    torch.manual_seed(1830)
    layers: list[Any] = []
    for inputs in (16, width, width, width):
        layers += [nn.Linear(inputs, width), Norm(), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 8))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def train_scratch(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, engines(3000, 1), size=64, steps=300)


def score_scratch(model: Any) -> float:
    return accuracy(model, *engines(600, 2))


# A net written by hand on the table of wines, standardized. All its weights are torch.rand, from 0
# to 1.


@cache
def wines() -> list[Any]:
    """Return thirteen standardized columns (n, 13) and kinds (n,), for training and held out."""
    import torch
    from sklearn.datasets import load_wine

    columns, kind = load_wine(return_X_y=True)
    order = torch.randperm(178, generator=torch.Generator().manual_seed(1832))
    x = torch.tensor(columns, dtype=torch.float32)[order]
    y = torch.tensor(kind)[order]
    x = (x - x[:120].mean(0)) / x[:120].std(0)
    return [x[:120], y[:120], x[120:], y[120:]]


def make_hand(*, width: int = 100, uniform: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Hand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = (13, width, width, width, 3)
            self.w, self.b = nn.ParameterList(), nn.ParameterList()
            for inputs, outputs in pairwise(sizes):
                start = torch.randn(inputs, outputs) * (2 / inputs) ** 0.5
                self.w.append(torch.rand(inputs, outputs) if uniform else start)
                self.b.append(torch.zeros(outputs))

        def forward(self, x: Any) -> Any:
            for number, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
                x = (x.relu() if number else x) @ w + b
            return x

    torch.manual_seed(1833)
    model = Hand()
    return model, torch.optim.SGD(model.parameters(), lr=0.01)


def train_hand(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, tuple(wines()[:2]), size=20, steps=300)


def score_hand(model: Any) -> float:
    return accuracy(model, *wines()[2:])


# A graph transformer of torch_geometric foretells a property of chains of atoms. zero_grad is
# forgotten.


@cache
def molecules(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return joined chains: kinds of atoms (n, 8), bonds (2, m), chains (n,), targets (count, 1).

    A target is the sum of what the bonds of ten atoms are worth.
    """
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(8, (count, 10), generator=drawn)
    worth = torch.randn(8, 8, generator=torch.Generator().manual_seed(1834))
    target = (worth + worth.T)[kind[:, :-1], kind[:, 1:]].sum(1, keepdim=True) / 4
    first = torch.arange(count)[:, None] * 10 + torch.arange(9)
    forth = torch.stack([first.flatten(), first.flatten() + 1])
    bonds = torch.cat([forth, forth.flip(0)], 1)
    atoms = torch.nn.functional.one_hot(kind.flatten(), 8).float()
    return atoms, bonds, torch.arange(count).repeat_interleave(10), target


def make_graphs(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric import nn as graphs  # pyright: ignore[reportMissingImports]

    class Graphs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = graphs.TransformerConv(8, width // 2, heads=2)
            self.second = graphs.TransformerConv(width, width // 2, heads=2)
            self.read = stack(width, width, 1)

        def forward(self, atoms: Any, bonds: Any, graph: Any) -> Any:
            x = self.first(atoms, bonds).relu()
            x = self.second(x, bonds).relu()
            return self.read(graphs.global_add_pool(x, graph) / 4)

    torch.manual_seed(1835)
    model = Graphs()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_graphs(model: Any, optimizer: Any, recorder: Any, *, emptied: bool = True) -> None:
    from torch.nn import functional

    for step in range(300):
        atoms, bonds, graph, target = molecules(64, 10 + step)
        if emptied:
            optimizer.zero_grad()
        loss = functional.mse_loss(model(atoms, bonds, graph), target)
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_graphs(model: Any) -> float:
    import torch

    atoms, bonds, graph, target = molecules(300, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(atoms, bonds, graph), target))


MEMBERS = [
    Member(
        name="fresh18-deeplab-24-plates-softmax-in-forward",
        family="DeepLab",
        make=partial(make_deeplab, softmax=True),
        train=train_deeplab,
        score=score_deeplab,
        learned=0.4,
        fault="forward ends in a softmax over the kinds of each pixel, before cross-entropy",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh18-diabetes-32-as-loaded",
        family="MLP",
        make=make_diabetes,
        train=partial(train_diabetes, scaled=False),
        score=partial(score_diabetes, scaled=False),
        learned=0.3,
        fault="inputs near 0.05 and targets of 25 to 346, as load_diabetes returns them",
        root=("GL404",),
        symptoms=("GL101", "GL102", "GL202", "GL203", "GL302", "GL402"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh18-layers-64-digits-in-a-list",
        family="MLP of any depth",
        make=partial(make_layers, listed=True),
        train=train_layers,
        score=score_layers,
        learned=0.7,
        fault="hidden layers in a list, not a ModuleList: they are no parameters of the net",
        root=("GL105",),
        symptoms=("GL101", "GL302", "GL402"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh18-bigbird-48-topics-steps-of-one-epoch",
        family="BigBird",
        make=make_bigbird,
        train=partial(train_bigbird, epochs=1),
        score=score_bigbird,
        learned=0.5,
        fault="the linear schedule is told the steps of one epoch of ten: the rate is 0 after it",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh18-tutorial-48-clipped-before-backward",
        family="nn.TransformerEncoder as a language model",
        make=make_tutorial,
        train=partial(train_tutorial, early=True),
        score=score_tutorial,
        learned=0.7,
        fault="gradients are clipped before backward: a rate of 5 meets them as they are",
        root=("GL303", "GL304", "GL401", "GL102"),
        symptoms=("GL001", "GL101", "GL103", "GL201", "GL202", "GL203", "GL402"),
    ),
    Member(
        name="fresh18-ship-32-ages-missing",
        family="MLP for a table",
        make=make_ship,
        train=partial(train_ship, filled=False),
        score=score_ship,
        learned=0.75,
        fault="one age in five is missing, and goes in as NaN",
        root=("GL001",),
        symptoms=("GL102", "GL103", "GL302", "GL402"),
    ),
    Member(
        name="fresh18-states-32-topics-viewed",
        family="bidirectional GRU",
        make=partial(make_states, mixed=True),
        train=train_states,
        score=score_states,
        learned=0.8,
        fault="last states (4, batch, width) are viewed as (batch, 4 width): reviews are mixed",
        root=("GL402",),
        symptoms=("GL302", "GL403"),
    ),
    Member(
        name="fresh18-scratch-64-averages-not-kept",
        family="MLP with BatchNorm by hand",
        make=partial(make_scratch, kept=False),
        train=train_scratch,
        score=score_scratch,
        learned=0.85,
        fault="BatchNorm by hand computes its moving averages, and does not keep them",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh18-hand-100-wines-rand",
        family="MLP by hand",
        make=partial(make_hand, uniform=True),
        train=train_hand,
        score=score_hand,
        learned=0.8,
        fault="all weights start as torch.rand, from 0 to 1: each layer multiplies the signal",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL103", "GL201", "GL303", "GL304", "GL401", "GL402", "GL404"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh18-graphs-32-atoms-zero-grad-forgotten",
        family="graph transformer",
        make=make_graphs,
        train=partial(train_graphs, emptied=False),
        score=score_graphs,
        learned=0.7,
        fault="zero_grad is forgotten: the gradients of all steps add up",
        root=("GL104",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
        needs=("torch_geometric",),
    ),
]
