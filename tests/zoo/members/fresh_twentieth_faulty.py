"""A twentieth fresh batch, labelled before gradlab saw it: ten trainings with a fault.

The faults are those of forums and code reviews, in the form in which most people write them; the
ten without a fault are in fresh_twentieth.

Scores without gradlab, on a CPU: with the fault, and of the same training without it; seconds of
one core, with the fault.

===================================  ======  =======  =======
training                             faulty  without  seconds
===================================  ======  =======  =======
gestures-32-relu-behind-the-answers  .295    .942     0.9
bank-16-customers-unscaled           .500    .843     0.3
turner-64-letters-decoder-alone      .007    .825     1.8
mnasnet-16-digits-momentum-of-days   .096    .972     1.4
activities-48-a-tenth-each-epoch     .252    1.000    1.3
nin-32-digits-rate-for-norms         .086    .962     1.3
ages-16-faces-row-against-column     .034    .986     1.1
residual-16-digits-norms-taken-out   .086    .919     2.1
agent-64-jobs-entropy-of-0           -.013   .977     0.4
exercise-64-spirals-step-added       .346    .968     0.2
===================================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_seventeenth_faulty import accuracy, classify

# A fully convolutional net for time series tells ten kinds of gestures apart. Its layers are added
# in a loop, which puts a relu behind the last one as well: the answers to cross-entropy.


@cache
def waves(count: int, seed: int, *, kinds: int = 10) -> tuple[Any, Any]:
    """Return readings of three sensors (count, 3, 40), and which of ten gestures they are."""
    import torch

    drawn = torch.Generator().manual_seed(2020)
    shape = torch.randn(kinds, 3, 10, generator=drawn)
    shape = torch.nn.functional.interpolate(shape, size=40, mode="linear")
    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(kinds, (count,), generator=drawn)
    late = torch.randint(8, (count, 1, 1), generator=drawn)
    places = (torch.arange(40) - late) % 40
    x = shape[kind].gather(2, places.expand(count, 3, 40))
    return x + 0.8 * torch.randn(x.shape, generator=drawn), kind


def make_gestures(*, width: int = 32, last: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Gestures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv1d(3, width, 7, padding=3),
                nn.ReLU(),
                nn.Conv1d(width, width, 5, padding=2),
                nn.ReLU(),
                nn.Conv1d(width, width, 3, padding=1),
                nn.ReLU(),
            )
            layers: list[Any] = []
            for inputs, outputs in ((width, 64), (64, 64), (64, 10)):
                layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            self.head = nn.Sequential(*layers if last else layers[:-1])

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x).mean(2))

    torch.manual_seed(2021)
    model = Gestures()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_gestures(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, waves(2000, 1), size=32, steps=300)


def score_gestures(model: Any) -> float:
    return accuracy(model, *waves(600, 2))


# The tutorial of customers who leave their bank, without its StandardScaler: balances and salaries
# near 100,000 beside ages and numbers of accounts.


@cache
def customers(count: int, seed: int, *, scaled: bool = True) -> tuple[Any, Any]:
    """Return eight columns of a bank (count, 8), and who leaves (count, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=drawn)
    chance = 1.5 * x[:, 1] - x[:, 2] + x[:, 3] * x[:, 5] + 0.7 * x[:, 0] - 0.7 * x[:, 6].abs()
    leaves = torch.rand(count, generator=drawn) < (1.5 * chance).sigmoid()
    if not scaled:
        middle = torch.tensor([650.0, 39.0, 5.0, 76_000.0, 1.5, 0.7, 0.5, 100_000.0])
        spread = torch.tensor([96.0, 10.0, 2.9, 32_000.0, 0.6, 0.4, 0.5, 37_000.0])
        x = middle + spread * x
    return x, leaves.float()[:, None]


def make_bank(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(2022)
    model = stack(8, width, width, 1)
    model.append(nn.Sigmoid())
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_bank(model: Any, optimizer: Any, recorder: Any, *, scaled: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, leaves = customers(3000, 1, scaled=scaled)
    for batch in data_a.batches(3000, 32, 500):
        loss = functional.binary_cross_entropy(model(x[batch]), leaves[batch])
        descend(optimizer, loss, recorder)


def score_bank(model: Any, *, scaled: bool = True) -> float:
    """Return the mean of both kinds' accuracies."""
    import torch

    x, leaves = customers(1000, 2, scaled=scaled)
    with torch.no_grad():
        right = (model(x) > 0.5) == (leaves > 0.5)
    return (right[leaves > 0.5].float().mean() + right[leaves < 0.5].float().mean()).item() / 2


# A sequence-to-sequence net of two LSTMs turns rows of letters round. The optimizer was given the
# decoder's parameters, and the encoder's were forgotten.


def make_turner(*, width: int = 64, both: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(12, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)

        def forward(self, letters: Any) -> Any:
            return self.lstm(self.embedding(letters))[1]

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(12, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.fc = nn.Linear(width, 12)

        def forward(self, before: Any, state: Any) -> Any:
            return self.fc(self.lstm(self.embedding(before), state)[0])

    class Turner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = Encoder(), Decoder()

        def forward(self, letters: Any, before: Any) -> Any:
            return self.decoder(before, self.encoder(letters))

    torch.manual_seed(2023)
    model = Turner()
    trained = model.parameters() if both else model.decoder.parameters()
    return model, torch.optim.Adam(trained, lr=5e-3)


@cache
def turned(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return rows of letters 2..11 (count, 8), the same turned round, and what comes before."""
    import torch

    letters = torch.randint(2, 12, (count, 8), generator=torch.Generator().manual_seed(seed))
    wanted = letters.flip(1)
    before = torch.cat([torch.ones(count, 1, dtype=torch.long), wanted[:, :-1]], 1)
    return letters, wanted, before


def train_turner(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    letters, wanted, before = turned(8000, 1)
    for batch in data_a.batches(8000, 64, 400):
        told = model(letters[batch], before[batch])
        descend(optimizer, functional.cross_entropy(told.mT, wanted[batch]), recorder)


def score_turner(model: Any) -> float:
    """Return the share of rows of which each letter is told right, after the right ones."""
    import torch

    letters, wanted, before = turned(400, 2)
    with torch.no_grad():
        return (model(letters, before).argmax(2) == wanted).all(1).float().mean().item()


# Blocks of MnasNet on digits. BatchNorm's momentum is torchvision's for this net, 1 - 0.9997, for
# a training of days: after a short one the averages are still those of the start.


def make_mnasnet(*, width: int = 16, momentum: float = 0.1) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def convolution(inputs: int, outputs: int, size: int, groups: int = 1) -> list[Any]:
        inner = nn.Conv2d(inputs, outputs, size, 1, size // 2, groups=groups, bias=False)
        return [inner, nn.BatchNorm2d(outputs, momentum=momentum)]

    class Inverted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            wide = 3 * width
            self.layers = nn.Sequential(
                *convolution(width, wide, 1),
                nn.ReLU(),
                *convolution(wide, wide, 3, wide),
                nn.ReLU(),
                *convolution(wide, width, 1),
            )

        def forward(self, x: Any) -> Any:
            return x + self.layers(x)

    torch.manual_seed(2024)
    stem = [*convolution(1, width, 3), nn.ReLU(), nn.MaxPool2d(2)]
    top = [*convolution(width, 64, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*stem, Inverted(), Inverted(), Inverted(), *top, nn.Linear(64, 10))
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_mnasnet(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    classify(model, optimizer, recorder, data_a.digits()[:2], size=32, steps=200)


def score_mnasnet(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.digits()[2:])


# An LSTM tells six activities of people who wear a phone. StepLR(optimizer, 1) is stepped after
# each of fifteen epochs; its gamma was left at 0.1, as it comes.


@cache
def activities(count: int, seed: int) -> tuple[Any, Any]:
    """Return readings (count, 30, 6), and which of 6 activities they are of."""
    import torch

    drawn = torch.Generator().manual_seed(2025)
    pace = 0.3 + torch.rand(6, 1, 6, generator=drawn)
    strength = torch.randn(6, 1, 6, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(6, (count,), generator=drawn)
    start = 6.28 * torch.rand(count, 1, 6, generator=drawn)
    time = torch.arange(30.0)[None, :, None]
    x = strength[kind] * (pace[kind] * time + start).sin() + 0.3 * strength[kind]
    return x + 0.5 * torch.randn(x.shape, generator=drawn), kind


def make_activities(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Activities(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(6, width, 2, batch_first=True, dropout=0.2)
            self.fc = nn.Linear(width, 6)

        def forward(self, x: Any) -> Any:
            return self.fc(self.lstm(x)[0][:, -1])

    torch.manual_seed(2026)
    model = Activities()
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_activities(model: Any, optimizer: Any, recorder: Any, *, gamma: float = 0.9) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, kind = activities(640, 1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma)
    model.train()
    for step, batch in enumerate(data_a.batches(640, 32, 300)):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), kind[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())
        if step % 20 == 19:
            scheduler.step()


def score_activities(model: Any) -> float:
    return accuracy(model, *activities(600, 2))


# Network in network, plain convolutions without norms, by SGD at the rate of 0.1 of the recipe for
# ResNets.


def make_network(*, width: int = 32, rate: float = 0.1) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def block(inputs: int, outputs: int) -> list[Any]:
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1),
            nn.ReLU(),
        ]

    torch.manual_seed(2027)
    layers = [*block(1, width), nn.MaxPool2d(2), *block(width, 2 * width), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(2 * width, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*layers)
    for each in model.parameters():
        if each.ndim > 1:
            nn.init.kaiming_normal_(each, nonlinearity="relu")
        else:
            nn.init.zeros_(each)
    return model, torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4)


def train_network(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    x = (x - x.mean()) / x.std()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 250)
    model.train()
    for batch in data_a.batches(len(y), 32, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        scheduler.step()


def score_network(model: Any) -> float:
    from tests.zoo import data_a

    seen, _, x, y = data_a.digits()
    return accuracy(model, (x - seen.mean()) / seen.std(), y)


# A convolutional net tells the age of faces, standardized. Its answers are (batch, 1) and the ages
# (batch,): MSELoss takes each answer with each age.


@cache
def faces(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (count, 1, 16, 16), and the standardized ages (count,)."""
    import torch

    looks = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(2028))
    drawn = torch.Generator().manual_seed(seed)
    age = torch.randn(count, generator=drawn)
    marks = torch.stack([age.sin(), age, (2 * age).cos()], 1)
    x = torch.einsum("ck,khw->chw", marks, looks)
    return (x + torch.randn(x.shape, generator=drawn))[:, None], age


def make_ages(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(2029)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * width, 64),
        nn.ReLU(),
        nn.Linear(64, 1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_ages(model: Any, optimizer: Any, recorder: Any, *, column: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, age = faces(2000, 1)
    model.train()
    for batch in data_a.batches(2000, 32, 200):
        wanted = age[batch, None] if column else age[batch]
        descend(optimizer, functional.mse_loss(model(x[batch]), wanted), recorder)


def score_ages(model: Any) -> float:
    import torch

    x, age = faces(500, 2)
    model.eval()
    with torch.no_grad():
        return max(-1.0, explained(model(x)[:, 0], age))


# A residual net of twenty blocks on digits, from which the BatchNorms were taken out: the stream
# doubles its square in each block.


def make_residual(*, width: int = 16, norms: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def norm() -> Any:
        return nn.BatchNorm2d(width) if norms else nn.Identity()

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1), norm()
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1), norm()

        def forward(self, x: Any) -> Any:
            inner = self.bn1(self.conv1(x)).relu()
            return (x + self.bn2(self.conv2(inner))).relu()

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 2, 1), norm(), nn.ReLU())
            self.blocks = nn.Sequential(*[Block() for _ in range(20)])
            self.fc = nn.Linear(width, 10)
            for each in self.modules():
                if isinstance(each, nn.Conv2d):
                    nn.init.kaiming_normal_(each.weight, nonlinearity="relu")

        def forward(self, x: Any) -> Any:
            return self.fc(self.blocks(self.stem(x)).mean((2, 3)))

    torch.manual_seed(2030)
    model = Residual()
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


def train_residual(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    classify(model, optimizer, recorder, data_a.digits()[:2], size=32, steps=120)


def score_residual(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.digits()[2:])


# An agent chooses among eight jobs, of which some cannot be had: their answers are minus infinity.
# The entropy is written by hand, and 0 times the logarithm of 0 is NaN.


@cache
def jobs(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return what is seen (count, 8), what each job pays (count, 8), and which can be had."""
    import torch

    worth = torch.randn(8, 8, generator=torch.Generator().manual_seed(2031))
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=drawn)
    had = torch.rand(count, 8, generator=drawn) < 0.6
    had[:, 0] = True
    return x, (x @ worth).tanh(), had


def make_agent(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(2032)
    model = stack(8, width, width, 8)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_agent(model: Any, optimizer: Any, recorder: Any, *, floor: float = 1e-8) -> None:
    import torch

    from tests.zoo import data_a

    x, pay, had = jobs(6000, 1)
    for batch in data_a.batches(6000, 64, 400):
        told = model(x[batch]).masked_fill(~had[batch], float("-inf"))
        chances = told.softmax(1)
        with torch.no_grad():
            sane = chances.nan_to_num(0.125)
            job = torch.multinomial(sane, 1)
            reward = pay[batch].gather(1, job)
            reward = reward - (sane * pay[batch]).sum(1, keepdim=True)
        taken = chances.gather(1, job).clamp(min=1e-8).log()
        entropy = -(chances * (chances + floor).log()).sum(1)
        descend(optimizer, -(reward * taken).mean() - 0.01 * entropy.mean(), recorder)


def score_agent(model: Any) -> float:
    """Return the mean pay of the jobs taken, as a share of the best ones'."""
    import torch

    x, pay, had = jobs(1000, 2)
    with torch.no_grad():
        told = model(x).nan_to_num(0.0).masked_fill(~had, float("-inf"))
    best = pay.masked_fill(~had, float("-inf")).amax(1).mean()
    return (pay.gather(1, told.argmax(1, keepdim=True)).mean() / best).item()


# SGD with momentum as an exercise of a course, on two spirals. The step is added to the weights,
# and not taken from them.


@cache
def spirals(count: int, seed: int) -> tuple[Any, Any]:
    """Return points (count, 2) on one of three arms, and which arm."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    arm = torch.randint(3, (count,), generator=drawn)
    out = torch.rand(count, generator=drawn)
    angle = 4 * out + 2.0944 * arm + 0.15 * torch.randn(count, generator=drawn)
    return 2 * torch.stack([out * angle.cos(), out * angle.sin()], 1), arm


def make_exercise(*, width: int = 64, sign: float = -1.0) -> tuple[Any, Any]:
    import torch

    class Exercise(torch.optim.Optimizer):
        def __init__(self, parameters: Any, lr: float, momentum: float) -> None:
            super().__init__(parameters, {"lr": lr, "momentum": momentum})

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                for each in group["params"]:
                    speed = self.state[each].setdefault("speed", torch.zeros_like(each))
                    speed.mul_(group["momentum"]).add_(each.grad)
                    each.add_(speed, alpha=sign * group["lr"])

    torch.manual_seed(2033)
    model = stack(2, width, width, 3)
    return model, Exercise(model.parameters(), 0.02, 0.9)


def train_exercise(model: Any, optimizer: Any, recorder: Any) -> None:
    classify(model, optimizer, recorder, spirals(1000, 1), size=50, steps=400)


def score_exercise(model: Any) -> float:
    return accuracy(model, *spirals(500, 2))


MEMBERS = [
    Member(
        name="fresh20-gestures-32-relu-behind-the-answers",
        family="fully convolutional net for time series",
        make=partial(make_gestures, last=True),
        train=train_gestures,
        score=score_gestures,
        learned=0.7,
        fault="a loop puts a relu behind the last layer as well, before cross-entropy",
        root=("GL106", "GL201"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh20-bank-16-customers-unscaled",
        family="MLP for a table",
        make=make_bank,
        train=partial(train_bank, scaled=False),
        score=partial(score_bank, scaled=False),
        learned=0.72,
        fault="balances and salaries near 100,000 go in as they are, without StandardScaler",
        root=("GL404",),
        symptoms=(
            "GL101",
            "GL102",
            "GL105",
            "GL106",
            "GL201",
            "GL202",
            "GL203",
            "GL302",
            "GL303",
            "GL304",
            "GL402",
        ),
    ),
    Member(
        name="fresh20-turner-64-letters-decoder-alone",
        family="LSTM encoder and decoder",
        make=partial(make_turner, both=False),
        train=train_turner,
        score=score_turner,
        learned=0.5,
        fault="the optimizer was given the decoder's parameters alone",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh20-mnasnet-16-digits-momentum-of-days",
        family="MnasNet",
        make=partial(make_mnasnet, momentum=3e-4),
        train=train_mnasnet,
        score=score_mnasnet,
        learned=0.6,
        fault="BatchNorm's momentum of 0.0003: its averages stay near those of the start",
        root=("GL405",),
        symptoms=("GL403",),
        needs=("sklearn",),
    ),
    Member(
        name="fresh20-activities-48-a-tenth-each-epoch",
        family="LSTM for activities",
        make=make_activities,
        train=partial(train_activities, gamma=0.1),
        score=score_activities,
        learned=0.7,
        fault="StepLR after each of fifteen epochs with gamma left at 0.1: no rate is left",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh20-nin-32-digits-rate-for-norms",
        family="network in network",
        make=make_network,
        train=train_network,
        score=score_network,
        learned=0.6,
        fault="SGD at 0.1, the rate of nets with BatchNorm, for plain convolutions",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL101", "GL102", "GL103", "GL201", "GL203", "GL302", "GL309", "GL402"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh20-ages-16-faces-row-against-column",
        family="convolutional net for a number",
        make=make_ages,
        train=partial(train_ages, column=False),
        score=score_ages,
        learned=0.5,
        fault="answers (n, 1) against ages (n,): MSELoss takes each with each",
        root=("GL402",),
        symptoms=("GL302", "GL403"),
    ),
    Member(
        name="fresh20-residual-16-digits-norms-taken-out",
        family="residual net",
        make=partial(make_residual, norms=False),
        train=train_residual,
        score=score_residual,
        learned=0.6,
        fault="twenty residual blocks without their BatchNorms: the stream grows in each",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL103", "GL201", "GL303", "GL304", "GL401", "GL402", "GL404"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh20-agent-64-jobs-entropy-of-0",
        family="policy gradient with masks",
        make=make_agent,
        train=partial(train_agent, floor=0.0),
        score=score_agent,
        learned=0.7,
        fault="the entropy of masked answers by hand: 0 times the logarithm of 0",
        root=("GL001",),
        symptoms=("GL103", "GL302", "GL402"),
    ),
    Member(
        name="fresh20-exercise-64-spirals-step-added",
        family="MLP, an optimizer by hand",
        make=partial(make_exercise, sign=1.0),
        train=train_exercise,
        score=score_exercise,
        learned=0.7,
        fault="an optimizer by hand adds its step to the weights: the loss is climbed",
        root=("GL310",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
    ),
]
