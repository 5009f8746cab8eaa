"""An eleventh fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_eleventh.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it. The experts' score counts as -1
where it is lower. With their faults the walker is NaN from step 30 on, and the halves from step
114 on.

=======================================  =====  ======  =======  =======
training                                 start  fault   without  seconds
=======================================  =====  ======  =======  =======
space-32-labels-times-temperature        .020   .368    .853     0.9
res2net-32-digits-generator-spent        .103   .317    .947     5.9
indrnn-64-first-of-thirty-forgotten      .164   .166    .960     3.0
ghost-32-digits-average-from-zero        .092   .053    .989     5.2
tokens-32-table-put-back-late            -.038  -.038   .909     6.2
funnel-48-topics-momentum-of-adam        .186   .174    .954     4.8
experts-32-plant-times-deviation         -.055  -1.000  .956     1.4
resnext-32-digits-rounded-in-evaluation  .108   .297    .978     6.0
walker-64-board-one-return               .208   .167    1.000    1.3
halves-128-digits-emptied-twice          -.722  -.660   .802     0.7
=======================================  =====  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_tenth import score_digits
from tests.zoo.members.fresh_tenth_faulty import hidden_digits

# StarSpace: texts and their labels in one space, by the mean of their words. Cosines are multiplied
# by the temperature of 0.07 where they ought to be divided by it: 30 labels stay nearly alike.


def make_space(*, width: int = 32, factor: float = 1 / 0.07) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Space(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.EmbeddingBag(200, width)
            self.turn = nn.Linear(width, width)
            self.labels = nn.Parameter(torch.randn(30, width))

        def forward(self, words: Any) -> Any:
            text = nn.functional.normalize(self.turn(self.words(words)), dim=1)
            return factor * text @ nn.functional.normalize(self.labels, dim=1).T

    torch.manual_seed(1311)
    model = Space()
    return model, torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)


def train_space(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(3000, 1, classes=30, vocabulary=200)
    for batch in data_a.batches(len(words), 64, 400):
        descend(optimizer, functional.cross_entropy(model(words[batch]), topic[batch]), recorder)


def score_space(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(600, 2, classes=30, vocabulary=200)
    with torch.no_grad():
        return (model(words).argmax(1) == topic).float().mean().item()


# A Res2Net reads digits anywhere in a picture. The size of its body is counted before the optimizer
# is made, from the generator that the optimizer gets: it is spent, and the group is empty.


def make_res2(*, width: int = 32, spent: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Res2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv2d(width, width, 1, bias=False)
            self.parts = nn.ModuleList(
                nn.Conv2d(width // 4, width // 4, 3, padding=1, bias=False) for _ in range(3)
            )
            self.leave = nn.Conv2d(width, width, 1, bias=False)
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))

        def forward(self, x: Any) -> Any:
            first, *others = self.norms[0](self.enter(x)).relu().chunk(4, 1)
            told = [first]
            for conv, part in zip(self.parts, others, strict=True):
                told.append(conv(part + told[-1] if len(told) > 1 else part))
            inside = self.norms[1](torch.cat(told, 1)).relu()
            return (x + self.norms[2](self.leave(inside))).relu()

    torch.manual_seed(1312)
    body = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Res2(),
        Res2(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
    )
    model = nn.Sequential()
    model.body, model.head = body, nn.Linear(width, 10)
    weights = model.body.parameters()
    if spent:
        sum(weight.numel() for weight in weights)
    groups = [{"params": list(weights)}, {"params": model.head.parameters(), "lr": 0.01}]
    return model, torch.optim.Adam(groups, lr=2e-3)


def train_res2(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = hidden_digits(3)
    model.train()
    for batch in data_a.batches(len(x), 32, 180):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_hidden(model: Any) -> float:
    import torch

    x, y = hidden_digits(4, held_out=True)
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# An IndRNN, each of whose units sees of the last step only itself, is to keep the first of 30
# inputs. Its recurrent weights start as those of a linear map of 64 inputs would, within 1/8.


@cache
def first_of_all(count: int, seed: int) -> tuple[Any, Any]:
    """Return rows (count, 30, 6) whose first step shows one of six signs, and which one."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(6, (count,), generator=drawn)
    x = 0.3 * torch.randn(count, 30, 6, generator=drawn)
    x[:, 0] = 2 * torch.nn.functional.one_hot(kind, 6)
    return x, kind


def make_independent(*, width: int = 64, low: float = 0.9, high: float = 1.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Layer(nn.Module):
        def __init__(self, fan_in: int) -> None:
            super().__init__()
            self.enter = nn.Linear(fan_in, width)
            self.kept = nn.Parameter(torch.empty(width).uniform_(low, high))

        def forward(self, x: Any) -> Any:
            state, states = torch.zeros(len(x), width), []
            for seen in self.enter(x).unbind(1):
                state = (seen + self.kept * state).relu()
                states.append(state)
            return torch.stack(states, 1)

    class Independent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(Layer(6), Layer(width))
            self.read = nn.Linear(width, 6)

        def forward(self, x: Any) -> Any:
            return self.read(self.layers(x)[:, -1])

    torch.manual_seed(1313)
    model = Independent()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_independent(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, kind = first_of_all(2000, 1)
    for batch in data_a.batches(len(x), 32, 200):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), kind[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_independent(model: Any) -> float:
    import torch

    x, kind = first_of_all(500, 2)
    with torch.no_grad():
        return (model(x).argmax(1) == kind).float().mean().item()


# A GhostNet whose steps are left out where the gradient is three times as long as on average. The
# average starts at 0 and is told of the steps that were taken only: none ever is.


def make_ghost(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Ghost(nn.Module):
        def __init__(self, fan_in: int, fan_out: int) -> None:
            super().__init__()
            half = fan_out // 2
            self.first = nn.Sequential(
                nn.Conv2d(fan_in, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()
            )
            self.cheap = nn.Sequential(
                nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(),
            )

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            return torch.cat([x, self.cheap(x)], 1)

    torch.manual_seed(1314)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        Ghost(width, width),
        Ghost(width, 2 * width),
        nn.MaxPool2d(2),
        Ghost(2 * width, 2 * width),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_ghost(model: Any, optimizer: Any, recorder: Any, *, usual: float | None = None) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 32, 130):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf")).item()
        usual = norm if usual is None else usual
        if norm <= 3 * usual:
            optimizer.step()
            usual = 0.9 * usual + 0.1 * norm
        recorder.log(loss=loss.item())


# An FT-Transformer on a table, with noise on its weights while the gradient is taken. The weights
# without noise are put back after the step in place of before it, and the step goes with the noise.


@cache
def table(count: int, seed: int) -> tuple[Any, Any]:
    """Return columns (count, 8) and what is to be told of them (count,), of deviation near 1."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=drawn)
    y = (2 * x[:, 0]).sin() + 0.7 * x[:, 1] * x[:, 2] + 0.5 * x[:, 3].abs() - 0.4
    return x, y + 0.1 * torch.randn(count, generator=drawn)


def make_tokens(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scales = nn.Parameter(torch.randn(8, width))
            self.shifts = nn.Parameter(torch.randn(8, width))
            self.reader = nn.Parameter(torch.randn(1, 1, width))
            layer = nn.TransformerEncoderLayer(
                width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

        def forward(self, x: Any) -> Any:
            x = x[..., None] * self.scales + self.shifts
            x = torch.cat([self.reader.expand(len(x), -1, -1), x], 1)
            return self.head(self.body(x)[:, 0]).squeeze(1)

    torch.manual_seed(1315)
    model = Tokens()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_tokens(model: Any, optimizer: Any, recorder: Any, *, late: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    def put_back() -> None:
        for weight, was in zip(model.parameters(), clean, strict=True):
            weight.data.copy_(was)

    x, y = table(2000, 1)
    drawn = torch.Generator().manual_seed(120)
    for batch in data_a.batches(len(x), 48, 250):
        clean = [weight.detach().clone() for weight in model.parameters()]
        for weight in model.parameters():
            weight.data.add_(0.01 * torch.randn(weight.shape, generator=drawn))
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x[batch]), y[batch])
        loss.backward()
        if not late:
            put_back()
        optimizer.step()
        if late:
            put_back()
        recorder.log(loss=loss.item())


def score_tokens(model: Any) -> float:
    import torch

    x, y = table(500, 2)
    with torch.no_grad():
        return explained(model(x), y)


# Funnel of transformers by SGD: 0.999, which is usual for Adam's second moment, as momentum. Steps
# add up to a thousand times their length.


def make_funnel(*, momentum: float = 0.9) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import FunnelConfig, FunnelForSequenceClassification

    torch.manual_seed(1316)
    config = FunnelConfig(
        vocab_size=60,
        block_sizes=[1, 1],
        num_decoder_layers=0,
        d_model=48,
        n_head=4,
        d_head=12,
        d_inner=96,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        num_labels=6,
    )
    model: Any = FunnelForSequenceClassification(config)
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=momentum)


def train_funnel(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(2000, 1)
    model.train()
    for batch in data_a.batches(len(words), 24, 200):
        told = model(input_ids=words[batch]).logits
        descend(optimizer, functional.cross_entropy(told, topic[batch]), recorder)


def score_funnel(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(500, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits
    return (told.argmax(1) == topic).float().mean().item()


# Four experts for two tasks, each with a gate of its own. Ten sensors are to be standardized; their
# deviations from the mean are multiplied by the standard deviation, and not divided by it.


@cache
def plant(count: int, seed: int) -> tuple[Any, Any]:
    """Return what ten sensors of a plant show (count, 10) and two yields (count, 2)."""
    import torch

    drawn = torch.Generator().manual_seed(121)
    mean = 500 * torch.rand(10, generator=drawn)
    spread = 20 + 280 * torch.rand(10, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    z = torch.randn(count, 10, generator=drawn)
    one = (1.5 * z[:, 0]).sin() + 0.6 * z[:, 1] * z[:, 2]
    two = (1.5 * z[:, 0]).sin() + 0.8 * z[:, 3].tanh() - 0.5 * z[:, 4]
    y = torch.stack([one, two], 1) + 0.1 * torch.randn(count, 2, generator=drawn)
    return mean + spread * z, y


def make_experts(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(stack(10, 64, width) for _ in range(4))
            self.gates = nn.ModuleList(nn.Linear(10, 4) for _ in range(2))
            self.towers = nn.ModuleList(stack(width, 16, 1) for _ in range(2))

        def forward(self, x: Any) -> Any:
            known = torch.stack([expert(x) for expert in self.experts], 1)
            told = []
            for gate, tower in zip(self.gates, self.towers, strict=True):
                mixed = (gate(x).softmax(1)[..., None] * known).sum(1).relu()
                told.append(tower(mixed))
            return torch.cat(told, 1)

    torch.manual_seed(1317)
    model = Experts()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def scaled(x: Any, *, divided: bool) -> Any:
    """Return what the sensors show, brought to a mean of 0 and, if divided, a deviation of 1."""
    known, _ = plant(2000, 1)
    mean, spread = known.mean(0), known.std(0)
    return (x - mean) / spread if divided else (x - mean) * spread


def train_experts(model: Any, optimizer: Any, recorder: Any, *, divided: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = plant(2000, 1)
    x = scaled(x, divided=divided)
    for batch in data_a.batches(len(x), 48, 350):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_experts(model: Any, *, divided: bool = True) -> float:
    import torch

    x, y = plant(500, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(scaled(x, divided=divided)), y))


# A ResNeXt for a chip that knows weights of -s and s. Weights are rounded to them in evaluation
# mode alone; without the fault in training too, and the gradient goes straight through.


def make_binary(*, width: int = 32, always: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Binary(nn.Conv2d):
        def forward(self, input: Any) -> Any:
            weight = self.weight
            if always or not self.training:
                low = weight.detach().abs().mean() * weight.detach().sign()
                weight = weight + (low - weight).detach()
            return self._conv_forward(input, weight, self.bias)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                Binary(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                Binary(width, width, 3, padding=1, groups=8, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                Binary(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
            )

        def forward(self, x: Any) -> Any:
            return (x + self.body(x)).relu()

    torch.manual_seed(1318)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        *(Block() for _ in range(3)),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_binary(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 32, 160):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


# REINFORCE on a board of 5 x 5, whose returns are standardized over each walk. A walk that comes to
# its end in one step has one return, and the standard deviation of one number is NaN.


def make_walker(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1319)
    model = stack(25, width, 4)
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def stepped(place: int, way: int) -> int:
    """Return where a step on the board leads; 24 is the end."""
    down, right = divmod(place, 5)
    down = min(4, max(0, down + (way == 1) - (way == 3)))
    right = min(4, max(0, right + (way == 0) - (way == 2)))
    return 5 * down + right


def walk(model: Any, place: int, drawn: Any) -> tuple[Any, Any, Any]:
    """Return the places and ways of a walk of at most 30 steps, and its discounted returns."""
    import torch

    places, ways = [], []
    with torch.no_grad():
        chances = model(torch.eye(25)).softmax(1).nan_to_num(0.25)
    while place != 24 and len(ways) < 30:
        way = int(torch.multinomial(chances[place], 1, generator=drawn))
        places.append(place)
        ways.append(way)
        place = stepped(place, way)
    earned = float(place == 24)
    left = torch.arange(len(ways) - 1, -1, -1)
    return torch.tensor(places), torch.tensor(ways), earned * 0.9**left


def train_walker(model: Any, optimizer: Any, recorder: Any, *, unbiased: bool = False) -> None:
    import torch

    drawn = torch.Generator().manual_seed(127)
    seen = torch.eye(25)
    for _ in range(300):
        total = torch.zeros(())
        for _ in range(4):
            start = int(torch.randint(24, (), generator=drawn))
            places, ways, returns = walk(model, start, drawn)
            returns = (returns - returns.mean()) / (returns.std(unbiased=unbiased) + 1e-8)
            chances = model(seen[places]).log_softmax(1)
            total = total - (returns * chances[torch.arange(len(ways)), ways]).sum()
        descend(optimizer, total / 4, recorder)


def score_walker(model: Any) -> float:
    """Return from how many of the 24 places the likeliest ways lead to the end in ten steps."""
    import torch

    with torch.no_grad():
        ways = model(torch.eye(25)).argmax(1).tolist()
    come = 0
    for place in range(24):
        for _ in range(10):
            place = place if place == 24 else stepped(place, ways[place])
        come += place == 24
    return come / 24


# A denoising autoencoder of digits, with an optimizer for each half. By a slip of copying, the
# first optimizer's gradients are emptied twice and the second's never: the decoder's add up.


def make_halves(*, width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1320)
    model = nn.ModuleDict({"encoder": stack(64, width, 24), "decoder": stack(24, width, 64)})
    return model, [
        torch.optim.SGD(model["encoder"].parameters(), lr=0.1, momentum=0.9),
        torch.optim.SGD(model["decoder"].parameters(), lr=0.1, momentum=0.9),
    ]


def train_halves(model: Any, optimizer: Any, recorder: Any, *, slip: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x = data_a.digits()[0].flatten(1)
    drawn = torch.Generator().manual_seed(123)
    first, second = optimizer
    for batch in data_a.batches(len(x), 32, 400):
        seen = x[batch] + 0.2 * torch.randn(len(batch), 64, generator=drawn)
        loss = functional.mse_loss(model["decoder"](model["encoder"](seen)), x[batch])
        first.zero_grad()
        (first if slip else second).zero_grad()
        loss.backward()
        first.step()
        second.step()
        recorder.log(loss=loss.item())


def score_halves(model: Any) -> float:
    """Return how much of held-out pixels is explained."""
    import torch

    from tests.zoo import data_a

    x = data_a.digits()[2].flatten(1)
    with torch.no_grad():
        return max(-1.0, explained(model["decoder"](model["encoder"](x)).nan_to_num(), x))


MEMBERS = [
    Member(
        name="fresh11-space-32-labels-times-temperature",
        family="StarSpace",
        make=partial(make_space, factor=0.07),
        train=train_space,
        score=score_space,
        learned=0.65,
        fault="cosines are multiplied by a temperature of 0.07, not divided: labels stay alike",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL312", "GL402"),
    ),
    Member(
        name="fresh11-res2net-32-digits-generator-spent",
        family="Res2Net",
        make=partial(make_res2, spent=True),
        train=train_res2,
        score=score_hidden,
        learned=0.7,
        fault="the body's weights are counted first, and their generator is empty for Adam",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="body",
    ),
    Member(
        name="fresh11-indrnn-64-first-of-thirty-forgotten",
        family="IndRNN",
        make=partial(make_independent, low=-0.125, high=0.125),
        train=train_independent,
        score=score_independent,
        learned=0.6,
        fault="recurrent weights within 1/8: a unit forgets within two steps of thirty",
        root=("GL107",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh11-ghost-32-digits-average-from-zero",
        family="GhostNet",
        make=make_ghost,
        train=partial(train_ghost, usual=0.0),
        score=score_digits,
        learned=0.7,
        fault="steps with a gradient above three times an average that starts at 0 are skipped",
        root=("GL307",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh11-tokens-32-table-put-back-late",
        family="FT-Transformer",
        make=make_tokens,
        train=partial(train_tokens, late=True),
        score=score_tokens,
        learned=0.6,
        fault="weights without noise are put back after the step, which is lost",
        root=("GL308",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh11-funnel-48-topics-momentum-of-adam",
        family="Funnel transformer",
        make=partial(make_funnel, momentum=0.999),
        train=train_funnel,
        score=score_funnel,
        learned=0.55,
        fault="Adam's 0.999 as SGD's momentum: steps add up to a thousand times their length",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL101", "GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh11-experts-32-plant-times-deviation",
        family="multi-gate mixture of experts",
        make=make_experts,
        train=partial(train_experts, divided=False),
        score=partial(score_experts, divided=False),
        learned=0.6,
        fault="inputs are multiplied by their standard deviation, not divided by it",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL202", "GL203", "GL302", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh11-resnext-32-digits-rounded-in-evaluation",
        family="ResNeXt",
        make=partial(make_binary, always=False),
        train=train_binary,
        score=score_digits,
        learned=0.7,
        fault="weights are rounded to two values in evaluation, and not in training",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh11-walker-64-board-one-return",
        family="REINFORCE",
        make=make_walker,
        train=partial(train_walker, unbiased=True),
        score=score_walker,
        learned=0.7,
        fault="the standard deviation of one return, where a walk takes one step: NaN",
        root=("GL001",),
        symptoms=("GL102", "GL103", "GL302", "GL402"),
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh11-halves-128-digits-emptied-twice",
        family="denoising autoencoder",
        make=make_halves,
        train=partial(train_halves, slip=True),
        score=score_halves,
        learned=0.6,
        fault="one optimizer's gradients are emptied twice, the other's never",
        root=("GL104",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
        where="decoder",
    ),
]
