"""A fourteenth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

The faults are those that forums and public bug reports show most often. Each function's defaults
are the training without the fault. The ten without one are in fresh_fourteenth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it. The scores of loads and sales
count as -1 where they are lower. With its fault the plain convolutional net has a loss of 520,000
at first, and NaN at the third step; the sessions' net takes none of its 400 steps.

=============================================  ======  ======  =======  =======
training                                       start   fault   without  seconds
=============================================  ======  ======  =======  =======
entities-64-customers-cross-entropy-of-one     .368    .404    .921     0.7
lstm-48-loads-in-megawatts                     .001    -1.000  .987     3.3
convolutions-16-digits-normal-start            .113    .086    .977     1.4
painter-16-digits-rate-of-sgd                  -1.702  -.001   .461     6.7
cbam-12-digits-thawed-without-optimizer        .108    .315    .975     3.5
niser-48-sessions-float16-epsilon              .035    .035    1.000    1.6
gpt1-48-chains-warm-up-by-epoch                .050    .069    .509     6.8
stepwise-40-records-state-thrown-away          .163    .205    .927     3.8
chebnet-32-quarters-penalty-without-factor     .161    .167    .967     1.7
nhits-64-sales-brackets-of-zero-grad           .056    -.061   .977     1.6
=============================================  ======  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourteenth import ordered
from tests.zoo.members.fresh_fourth import descend

# Who will leave? Entity embeddings for categories beside numbers. CrossEntropyLoss is given the one
# output and labels as a column of floats: the logarithm of a softmax of one is 0 for all.


KINDS = (12, 7, 4)


@cache
def customers(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return three categories (n, 3) and eight numbers (n, 8) of customers, and who left (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(171)
    weight = [torch.randn(size, generator=drawn) for size in KINDS]
    drawn = torch.Generator().manual_seed(seed)
    kinds = torch.stack([torch.randint(size, (count,), generator=drawn) for size in KINDS], 1)
    x = torch.randn(count, 8, generator=drawn)
    logit = sum(each[kinds[:, i]] for i, each in enumerate(weight))
    logit = logit + 2 * x[:, 0] * x[:, 1] + 1.5 * (2 * x[:, 2]).sin() - x[:, 3]
    left = torch.rand(count, generator=drawn) < (1.5 * logit).sigmoid()
    return kinds, x, left.float()[:, None]


def make_customers(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Customers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(size, 4) for size in KINDS)
            self.norm = nn.BatchNorm1d(8)
            self.body = nn.Sequential(
                nn.Linear(20, width),
                nn.ReLU(),
                nn.BatchNorm1d(width),
                nn.Dropout(0.1),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.BatchNorm1d(width),
                nn.Linear(width, 1),
            )

        def forward(self, kinds: Any, x: Any) -> Any:
            parts = [table(kinds[:, i]) for i, table in enumerate(self.tables)]
            return self.body(torch.cat([*parts, self.norm(x)], 1))

    torch.manual_seed(1611)
    model = Customers()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_customers(model: Any, optimizer: Any, recorder: Any, *, kinds: bool = False) -> None:
    from torch import nn

    from tests.zoo import data_a

    criterion = nn.CrossEntropyLoss() if kinds else nn.BCEWithLogitsLoss()
    category, x, left = customers(4000, 1)
    model.train()
    for batch in data_a.batches(len(x), 64, 400):
        descend(optimizer, criterion(model(category[batch], x[batch]), left[batch]), recorder)


def score_customers(model: Any) -> float:
    """Return how often one who left is rated above one who stayed."""
    import torch

    category, x, left = customers(1000, 2)
    model.eval()
    with torch.no_grad():
        return ordered(model(category, x)[:, 0], left[:, 0])


# An LSTM foretells the load of a grid from the last day. Loads go in and are asked for as they
# come, in megawatts near 30,000.


@cache
def megawatts(count: int, seed: int, *, raw: bool) -> tuple[Any, Any]:
    """Return loads in 24 hours (n, 24, 1), and in the next (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    begin = 168 * torch.rand(count, 1, generator=drawn)
    t = begin + torch.arange(25)
    day = (2 * torch.pi * t / 24).sin() + 0.5 * (4 * torch.pi * t / 24 + 1).sin()
    level = torch.randn(count, 1, generator=drawn) + 0.5 * (2 * torch.pi * t / 168).sin()
    load = day + level + 0.1 * torch.randn(count, 25, generator=drawn)
    load = (30000 + 4000 * load if raw else load)[..., None]
    return load[:, :24], load[:, 24]


def make_megawatts(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Megawatts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(1, width, num_layers=2, batch_first=True)
            self.read = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            return self.read(self.lstm(x)[0][:, -1])

    torch.manual_seed(1612)
    model = Megawatts()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_megawatts(model: Any, optimizer: Any, recorder: Any, *, raw: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = megawatts(2000, 1, raw=raw)
    for batch in data_a.batches(len(x), 64, 300):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_megawatts(model: Any, *, raw: bool = False) -> float:
    """Return how much of new loads is explained, and -1 where it is less."""
    import torch

    x, y = megawatts(500, 2, raw=raw)
    with torch.no_grad():
        return max(-1.0, explained(model(x), y))


# A plain convolutional net, whose weights are drawn with nn.init.normal_ and its deviation of 1:
# each layer makes the signal some eight times larger.


def make_standard(*, width: int = 16, normal: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def start(module: Any) -> None:
        if not isinstance(module, nn.Conv2d | nn.Linear):
            return
        if normal:
            nn.init.normal_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)

    torch.manual_seed(1613)
    layers: list[Any] = []
    for inputs in (1, width, width, width, width):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
    layers.insert(4, nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * width, 64), nn.ReLU())
    model.append(nn.Linear(64, 10))
    model.apply(start)
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


def train_standard(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    images, labels, _, _ = data_a.digits()
    for batch in data_a.batches(len(images), 64, 200):
        told = model(images[batch])
        descend(optimizer, functional.cross_entropy(told, labels[batch]), recorder)


def score_standard(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    _, _, images, labels = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


# A context encoder paints what is missing from a digit. Its learning rate of 0.1 comes from a
# recipe for SGD; Adam takes it.


def make_painter(*, width: int = 16, rate: float = 2e-3) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1614)
    model = nn.Sequential(
        nn.Conv2d(2, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(4 * width, 6 * width, 2),
        nn.ReLU(),
        nn.ConvTranspose2d(6 * width, 4 * width, 2),
        nn.ReLU(),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(width, 1, 3, padding=1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=rate)


def torn(images: Any, drawn: Any) -> tuple[Any, Any]:
    """Return images (n, 1, 8, 8) with a hole of 3 x 3 each, and where it is: (n, 2, 8, 8)."""
    import torch

    down, right = torch.randint(1, 5, (2, len(images), 1, 1), generator=drawn)
    row, column = torch.arange(8)[:, None], torch.arange(8)
    hole = (row >= down) & (row < down + 3) & (column >= right) & (column < right + 3)
    hole = hole[:, None]
    return torch.cat([images.masked_fill(hole, 0), hole.float()], 1), hole


def train_painter(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    images, _, _, _ = data_a.digits()
    drawn = torch.Generator().manual_seed(172)
    for batch in data_a.batches(len(images), 64, 400):
        x, hole = torn(images[batch], drawn)
        loss = functional.mse_loss(model(x)[hole], images[batch][hole])
        descend(optimizer, loss, recorder)


def score_painter(model: Any) -> float:
    """Return how much of what is missing is explained."""
    import torch

    from tests.zoo import data_a

    _, _, images, _ = data_a.digits()
    x, hole = torn(images, torch.Generator().manual_seed(173))
    with torch.no_grad():
        return explained(model(x)[hole], images[hole])


# A body that has learned whether a digit stands on its head gets a new head for ten kinds. The body
# is frozen at first. When it thaws, the optimizer, which was made of what had a gradient then, is
# not told.


def make_thawed(*, width: int = 12) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Attended(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.map = nn.Conv2d(inputs, width, 3, padding=1)
            self.norm = nn.GroupNorm(4, width)
            self.which, self.where = stack(width, 8, width), nn.Conv2d(2, 1, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = self.norm(self.map(x)).relu()
            which = self.which(x.mean((2, 3))) + self.which(x.amax((2, 3)))
            x = x * which.sigmoid()[:, :, None, None]
            where = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
            return x * self.where(where).sigmoid()

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                Attended(1), nn.MaxPool2d(2), Attended(width), Attended(width)
            )
            self.head = nn.Linear(width, 2)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x).amax((2, 3)))

    torch.manual_seed(1615)
    model = Classifier()
    learn_to_stand(model)
    model.head = nn.Linear(width, 10)
    for weight in model.body.parameters():
        weight.requires_grad = False
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return model, torch.optim.Adam(trained, lr=5e-3)


def learn_to_stand(model: Any) -> None:
    """Train a net for two kinds in 60 steps: whether digits stand on their heads."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    images, _, _, _ = data_a.digits()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    drawn = torch.Generator().manual_seed(174)
    for batch in data_a.batches(len(images), 32, 60):
        turned = torch.randint(2, (32,), generator=drawn)
        x = images[batch]
        x = torch.where(turned[:, None, None, None] == 1, x.flip(2, 3), x)
        optimizer.zero_grad()
        functional.cross_entropy(model(x), turned).backward()
        optimizer.step()


def train_thawed(model: Any, optimizer: Any, recorder: Any, *, told: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    images, labels, _, _ = data_a.digits()
    for step, batch in enumerate(data_a.batches(len(images), 48, 300)):
        if step == 40:
            for weight in model.body.parameters():
                weight.requires_grad = True
            if told:
                optimizer.add_param_group({"params": list(model.body.parameters())})
        loss = functional.cross_entropy(model(images[batch]), labels[batch])
        descend(optimizer, loss, recorder)


# What will be bought next in a session? Vectors of things are brought to length 1 in float16. The
# row for filling is 0, and so are the 1e-8 that ought to save it: 0 / 0.


@cache
def sessions(count: int, seed: int) -> tuple[Any, Any]:
    """Return six things of 1..80 each (n, 6), filled with 0 at the left, and the next one (n,)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    place = torch.randint(80, (count,), generator=drawn)
    way = torch.randint(1, 4, (count,), generator=drawn)
    rows = (place[:, None] + way[:, None] * torch.arange(7)) % 80 + 1
    length = torch.randint(3, 7, (count, 1), generator=drawn)
    past = rows[:, :6].masked_fill(torch.arange(6) < 6 - length, 0)
    return past, rows[:, 6]


def make_sessions(*, width: int = 48, least: float = 1e-4) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sessions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.things = nn.Embedding(81, width, padding_idx=0)
            self.reader = nn.GRU(width, width, batch_first=True)
            self.query = nn.Linear(width, width, bias=False)
            self.key = nn.Linear(width, width, bias=False)

        def forward(self, past: Any) -> Any:
            state = self.reader(self.things(past))[1][0]
            with torch.autocast("cpu", torch.float16):
                query, key = self.query(state), self.key(self.things.weight)
                query = query / (query.norm(dim=1, keepdim=True) + least)
                key = key / (key.norm(dim=1, keepdim=True) + least)
                return 12 * (query @ key.T).float()[:, 1:]

    torch.manual_seed(1616)
    model = Sessions()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_sessions(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    past, following = sessions(3000, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for batch in data_a.batches(len(past), 64, 400):
        loss = functional.cross_entropy(model(past[batch]), following[batch] - 1)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        recorder.log(loss=loss.item())


def score_sessions(model: Any) -> float:
    """Return how often the thing that comes next is rated highest."""
    import torch

    past, following = sessions(600, 2)
    with torch.no_grad():
        return (model(past).argmax(1) == following - 1).float().mean().item()


# The first GPT learns a language of 32 words. Its warm-up is counted in steps, but the schedule is
# stepped once an epoch: the rate is 0 in the first of three, and a fiftieth in the last.


def make_gpt(*, width: int = 48) -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    import torch
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    torch.manual_seed(1617)
    config = OpenAIGPTConfig(vocab_size=32, n_positions=24, n_embd=width, n_layer=2, n_head=4)
    model = OpenAIGPTLMHeadModel(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_gpt(model: Any, optimizer: Any, recorder: Any, *, by_epoch: bool = False) -> None:
    from transformers import get_linear_schedule_with_warmup

    from tests.zoo import data_a

    words = data_a.chains(3200, 24, 1)
    schedule = get_linear_schedule_with_warmup(optimizer, 100, 300)
    model.train()
    for step, batch in enumerate(data_a.batches(len(words), 32, 300)):
        loss = model(input_ids=words[batch], labels=words[batch]).loss
        descend(optimizer, loss, recorder)
        if not by_epoch or step % 100 == 99:
            schedule.step()


def score_gpt(model: Any) -> float:
    """Return how often the next word is foretold."""
    import torch

    from tests.zoo import data_a

    words = data_a.chains(200, 24, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits[:, :-1].argmax(2)
    return (told == words[:, 1:]).float().mean().item()


# Which of five faults has a machine? It shows in the first third of the record. The LSTM is run
# step by step, and the state that it returns is thrown away, not given back to it.


@cache
def records(count: int, seed: int) -> tuple[Any, Any]:
    """Return twenty readings of six sensors (n, 20, 6), and the fault, of five."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    fault = torch.randint(5, (count,), generator=drawn)
    x = 0.7 * torch.randn(count, 20, 6, generator=drawn)
    shown = torch.nn.functional.one_hot(fault, 6).float()
    x[:, 2:8] += 1.5 * shown[:, None]
    return x, fault


def make_records(*, width: int = 40, kept: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Records(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(6, width, batch_first=True)
            self.read = nn.Linear(width, 5)

        def forward(self, x: Any) -> Any:
            out, state = self.lstm(x[:, :1])
            for time in range(1, x.shape[1]):
                now = x[:, time : time + 1]
                if kept:
                    out, state = self.lstm(now, state)
                else:
                    out, _ = self.lstm(now)
            return self.read(out[:, -1])

    torch.manual_seed(1618)
    model = Records()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_records(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, fault = records(2000, 1)
    for batch in data_a.batches(len(x), 64, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), fault[batch]), recorder)


def score_records(model: Any) -> float:
    import torch

    x, fault = records(600, 2)
    with torch.no_grad():
        return (model(x).argmax(1) == fault).float().mean().item()


# A ChebNet tells which of six quarters people live in. To keep weights small, the lengths of all of
# them are added to the loss; the factor that they ought to have is forgotten.


@cache
def quarters() -> tuple[Any, Any, Any]:
    """Return facts of 720 people (n, 12), who knows whom, both ways (2, m), and quarters."""
    import torch

    drawn = torch.Generator().manual_seed(175)
    kind = torch.arange(720) % 6
    x = 1.2 * torch.randn(6, 12, generator=drawn)[kind] / 2
    x = x + torch.randn(720, 12, generator=drawn)
    chance = torch.where(kind[:, None] == kind, 0.05, 0.004)
    edges = (torch.rand(720, 720, generator=drawn) < chance).triu(1).nonzero().T
    return x, torch.cat([edges, edges.flip(0)], 1), kind


def make_quarters(*, width: int = 32) -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    import torch
    from torch import nn
    from torch_geometric.nn import ChebConv

    class Quarters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = ChebConv(12, width, K=3), ChebConv(width, width, K=3)
            self.read = nn.Linear(width, 6)

        def forward(self, x: Any, edges: Any) -> Any:
            x = self.first(x, edges).relu()
            return self.read(self.second(x, edges).relu())

    torch.manual_seed(1619)
    model = Quarters()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_quarters(model: Any, optimizer: Any, recorder: Any, *, factor: float = 1e-3) -> None:
    from torch.nn import functional

    x, edges, kind = quarters()
    model.train()
    for _ in range(200):
        told = model(x, edges)
        lengths = sum(weight.norm() for weight in model.parameters())
        loss = functional.cross_entropy(told[:360], kind[:360]) + factor * lengths
        descend(optimizer, loss, recorder)


def score_quarters(model: Any) -> float:
    """Return the share of other people whose quarter is told rightly."""
    import torch

    x, edges, kind = quarters()
    model.eval()
    with torch.no_grad():
        return (model(x, edges).argmax(1) == kind)[360:].float().mean().item()


# N-HiTS foretells what a shop sells: three blocks, each of which looks at what the last has left,
# at a pace of its own. The brackets of zero_grad are forgotten: it is named, and never called.


@cache
def sales(count: int, seed: int) -> tuple[Any, Any]:
    """Return standardized sales on 48 days (n, 48), and on the next 12."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    t = 500 * torch.rand(count, 1, generator=drawn) + torch.arange(60)
    week = (2 * torch.pi * t / 7).sin() + 0.5 * (4 * torch.pi * t / 7).cos()
    slow = torch.randn(count, 1, generator=drawn)
    slow = slow + 0.02 * torch.randn(count, 1, generator=drawn) * torch.arange(60)
    month = 0.7 * (2 * torch.pi * t / 30 + slow).sin()
    y = (week + slow + month + 0.2 * torch.randn(count, 60, generator=drawn)) / 1.5
    return y[:, :48], y[:, 48:]


def make_sales(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, pace: int) -> None:
            super().__init__()
            self.pool = nn.MaxPool1d(pace)
            self.ahead = max(1, 12 // pace)
            self.body = stack(48 // pace, width, width, 48 // pace + self.ahead)

        def forward(self, x: Any) -> tuple[Any, Any]:
            told = self.body(self.pool(x[:, None])[:, 0])[:, None]
            back, on = told[..., : -self.ahead], told[..., -self.ahead :]
            back = nn.functional.interpolate(back, 48, mode="linear")[:, 0]
            return back, nn.functional.interpolate(on, 12, mode="linear")[:, 0]

    class Sales(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Block(pace) for pace in (8, 4, 1))

        def forward(self, x: Any) -> Any:
            ahead = 0
            for block in self.blocks:
                back, on = block(x)
                x, ahead = x - back, ahead + on
            return ahead

    torch.manual_seed(1620)
    model = Sales()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_sales(model: Any, optimizer: Any, recorder: Any, *, called: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = sales(2000, 1)
    for batch in data_a.batches(len(x), 64, 400):
        loss = functional.mse_loss(model(x[batch]), y[batch])
        empty = optimizer.zero_grad
        if called:
            empty()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_sales(model: Any) -> float:
    """Return how much of new sales is explained, and -1 where it is less."""
    import torch

    x, y = sales(500, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(x), y))


MEMBERS = [
    Member(
        name="fresh14-entities-64-customers-cross-entropy-of-one",
        family="entity embeddings",
        make=make_customers,
        train=partial(train_customers, kinds=True),
        score=score_customers,
        learned=0.7,
        fault="CrossEntropyLoss on a single output: the logarithm of a softmax of one is 0",
        root=("GL106", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh14-lstm-48-loads-in-megawatts",
        family="LSTM",
        make=make_megawatts,
        train=partial(train_megawatts, raw=True),
        score=partial(score_megawatts, raw=True),
        learned=0.7,
        fault="loads near 30,000 megawatts are neither scaled as inputs nor as targets",
        root=("GL404",),
        symptoms=(
            "GL101",
            "GL102",
            "GL103",
            "GL107",
            "GL202",
            "GL203",
            "GL302",
            "GL303",
            "GL304",
            "GL401",
            "GL402",
        ),
    ),
    Member(
        name="fresh14-convolutions-16-digits-normal-start",
        family="plain convolutions",
        make=partial(make_standard, normal=True),
        train=train_standard,
        score=score_standard,
        learned=0.7,
        fault="nn.init.normal_ with its deviation of 1: each layer makes the signal far larger",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL103", "GL201", "GL303", "GL304", "GL401", "GL402", "GL404"),
    ),
    Member(
        name="fresh14-painter-16-digits-rate-of-sgd",
        family="context encoder",
        make=partial(make_painter, rate=0.1),
        train=train_painter,
        score=score_painter,
        learned=0.25,
        fault="Adam at a learning rate of 0.1, which is one for SGD",
        root=("GL303", "GL304", "GL401"),
        symptoms=(
            "GL001",
            "GL101",
            "GL102",
            "GL103",
            "GL105",
            "GL201",
            "GL202",
            "GL203",
            "GL302",
            "GL402",
        ),
    ),
    Member(
        name="fresh14-cbam-12-digits-thawed-without-optimizer",
        family="CBAM",
        make=make_thawed,
        train=partial(train_thawed, told=False),
        score=score_standard,
        learned=0.8,
        fault="the body thaws after 40 steps, but the optimizer has only what trained before",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="body",
    ),
    Member(
        name="fresh14-niser-48-sessions-float16-epsilon",
        family="GRU4Rec",
        make=partial(make_sessions, least=1e-8),
        train=train_sessions,
        score=score_sessions,
        learned=0.6,
        fault="1e-8 is 0 in float16: the filling's gradient is NaN, and GradScaler skips all steps",
        root=("GL307", "GL001"),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh14-gpt1-48-chains-warm-up-by-epoch",
        family="GPT",
        make=make_gpt,
        train=partial(train_gpt, by_epoch=True),
        score=score_gpt,
        learned=0.4,
        fault="a warm-up of 100 steps is stepped once an epoch: the rate stays near 0",
        root=("GL312", "GL302"),
        symptoms=("GL402",),
        needs=("transformers",),
    ),
    Member(
        name="fresh14-stepwise-40-records-state-thrown-away",
        family="LSTM step by step",
        make=partial(make_records, kept=False),
        train=train_records,
        score=score_records,
        learned=0.7,
        fault="the LSTM's state is not given back to it: each step starts from 0",
        root=("GL107", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh14-chebnet-32-quarters-penalty-without-factor",
        family="ChebNet",
        make=make_quarters,
        train=partial(train_quarters, factor=1.0),
        score=score_quarters,
        learned=0.6,
        fault="the lengths of all weights are added to the loss without a factor",
        root=("GL309",),
        symptoms=("GL101", "GL104", "GL105", "GL201", "GL302", "GL402"),
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh14-nhits-64-sales-brackets-of-zero-grad",
        family="N-HiTS",
        make=make_sales,
        train=partial(train_sales, called=False),
        score=score_sales,
        learned=0.6,
        fault="zero_grad without brackets is not called: gradients add up",
        root=("GL104",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
    ),
]
