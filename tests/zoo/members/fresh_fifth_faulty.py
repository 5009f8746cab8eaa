"""A fifth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_fifth.

Scores without gradlab, on a CPU: of the net at its start, with the fault, without it; seconds of
one core without it.

====================================  ======  ======  =======  =======
training                              start   fault   without  seconds
====================================  ======  ======  =======  =======
depth-24-plates-clamped               -1.000  -1.000  .715     1.7
siamese-32-pairs-numpy                .507    .692    .865     2.6
branches-16-digits-sum-forgotten      .106    .078    .940     2.5
textcnn-32-topics-worst-put-back      .137    .467    .967     1.5
wide-deep-64-orders-unix-time         .453    .547    .953     0.5
maxout-48-digits-clipped-scaled       .118    .121    .970     0.5
pyramid-16-ellipses-turned-apart      .006    .000    .922     2.7
glu-128-friedman-undivided-dropout    -.012   -1.000  .972     0.8
gates-48-chains-decay-without-rate    -3.255  -3.162  -.882    0.8
relations-64-near-range-test-left-on  .323    .266    .772     0.7
====================================  ======  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import score_digits, stack, train_digits
from tests.zoo.members.fresh_fourth import descend

# Depth in metres from a picture; the output is clamped to 0..1, as one does with pictures. Once all
# outputs are above 1, nothing passes the clamp.


@cache
def plates(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (count, 1, 16, 16) of a plate, larger where nearer, and depths in metres."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    grid = torch.arange(16.0)
    far = 2 + 6 * torch.rand(count, 1, 1, generator=drawn)
    middle = 4 + 8 * torch.rand(2, count, 1, 1, generator=drawn)
    away = ((grid[:, None] - middle[0]) ** 2 + (grid - middle[1]) ** 2).sqrt()
    inside = away < 14 / far
    picture = inside.float() + 0.1 * torch.randn(count, 16, 16, generator=drawn)
    return picture[:, None], torch.where(inside, far, torch.tensor(10.0))[:, None]


def make_depth(*, clamped: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Clamp(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.clamp(0, 1)

    torch.manual_seed(721)
    model = nn.Sequential(
        nn.Conv2d(1, 24, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(48, 48, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(48, 24, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(24, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1),
        *([Clamp()] if clamped else []),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_depth(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    pictures, depths = plates(800, 1)
    for batch in data_c.batches(len(pictures), 16, 220):
        descend(optimizer, functional.l1_loss(model(pictures[batch]), depths[batch]), recorder)


def score_depth(model: Any) -> float:
    import torch

    pictures, depths = plates(200, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(pictures), depths))


# Siamese net on pairs of digits; the distance is taken with NumPy, and the trunk gets no gradient.


@cache
def pairs(count: int, seed: int) -> tuple[Any, Any]:
    """Return pairs (count, 2, 1, 9, 9) of shifted digits and whether both are the same digit."""
    import torch

    from tests.zoo import data_a

    parts = data_a.digits()
    images, labels = parts[:2] if seed == 1 else parts[2:]
    drawn = torch.Generator().manual_seed(seed)
    alike = torch.rand(count, generator=drawn) < 0.5
    wide = torch.zeros(count, 2, 1, 9, 9)
    for index in range(count):
        first = int(torch.randint(len(labels), (1,), generator=drawn))
        others = ((labels == labels[first]) == alike[index]).nonzero()[:, 0]
        second = int(others[torch.randint(len(others), (1,), generator=drawn)])
        for place, chosen in enumerate((first, second)):
            down, across = torch.randint(2, (2,), generator=drawn).tolist()
            wide[index, place, :, down : down + 8, across : across + 8] = images[chosen]
    return wide, alike.float()


def make_siamese(*, numpy: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Conv2d(1, 16, 3),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(128, 32),
            )
            self.head = nn.Linear(1, 1)
            nn.init.constant_(self.head.weight, -1.0)
            nn.init.constant_(self.head.bias, 1.0)

        def forward(self, both: Any) -> Any:
            apart = self.trunk(both[:, 0]) - self.trunk(both[:, 1])
            if numpy:
                distance = torch.tensor((apart.detach().numpy() ** 2).sum(1, keepdims=True) ** 0.5)
            else:
                distance = (apart.square().sum(1, keepdim=True) + 1e-6).sqrt()
            return self.head(distance)[:, 0]

    torch.manual_seed(722)
    model = Siamese()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_siamese(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    both, alike = pairs(3000, 1)
    for batch in data_c.batches(len(both), 64, 400):
        loss = functional.binary_cross_entropy_with_logits(model(both[batch]), alike[batch])
        descend(optimizer, loss, recorder)


def score_siamese(model: Any) -> float:
    import torch

    both, alike = pairs(600, 2)
    with torch.no_grad():
        return ((model(both) > 0) == (alike > 0.5)).float().mean().item()


# A deep net of branches with a gain of 0.2 and no norms; "x +" is forgotten before the branch.


def make_branches(*, count: int = 12, width: int = 16, forgotten: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(width, width, 3, padding=1)
            self.second = nn.Conv2d(width, width, 3, padding=1)
            for layer in (self.first, self.second):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

        def forward(self, x: Any) -> Any:
            branch = 0.2 * self.second(torch.relu(self.first(torch.relu(x))))
            return branch if forgotten else x + branch

    torch.manual_seed(723)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, padding=1),
        *(Branch() for _ in range(count)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * width, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def train_branches(model: Any, optimizer: Any, recorder: Any) -> None:
    train_digits(model, optimizer, recorder, steps=150, size=32)


# Convolutions over documents; the best state is kept and put back where validation gets worse, but
# accuracy is compared as if it were a loss: it is the first state that is put back.


def make_documents() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Documents(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(60, 32)
            self.filters = nn.ModuleList(nn.Conv1d(32, 32, size) for size in (2, 3, 4))
            self.head = nn.Linear(96, 6)

        def forward(self, words: Any) -> Any:
            x = self.words(words).mT
            return self.head(torch.cat([torch.relu(f(x)).amax(2) for f in self.filters], 1))

    torch.manual_seed(724)
    model = Documents()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_documents(model: Any, optimizer: Any, recorder: Any, *, lowest: bool = False) -> None:
    from copy import deepcopy

    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(1500, 1)
    sign = -1 if lowest else 1
    best = -float("inf")
    kept: Any = None
    for step, batch in enumerate(data_a.batches(len(words), 32, 250)):
        descend(optimizer, functional.cross_entropy(model(words[batch]), topic[batch]), recorder)
        if step % 10 == 9:
            reached = sign * score_documents(model)
            if reached > best:
                best, kept = reached, deepcopy(model.state_dict())
            else:
                model.load_state_dict(kept)


def score_documents(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(300, 2)
    with torch.no_grad():
        return (model(words).argmax(1) == topic).float().mean().item()


# Wide and deep: among columns of mean 0 and deviation 1 stands the time, in seconds since 1970.


@cache
def orders(count: int, seed: int, unix: bool) -> tuple[Any, Any, Any]:
    """Return kinds (count,), columns (count, 4) and whether an order is paid."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(20, (count,), generator=drawn)
    columns = torch.randn(count, 3, generator=drawn)
    year = torch.rand(count, 1, generator=drawn)
    liking = torch.randn(20, generator=torch.Generator().manual_seed(78))
    told = 2 * liking[kind] + 2 * columns[:, 0] * columns[:, 1] + 4 * (year[:, 0] - 0.5)
    paid = (told > 0).float()
    time = 1.7e9 + 3.15e7 * year if unix else (year - 0.5) / 0.289
    return kind, torch.cat([columns, time], 1), paid


def make_orders() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class WideAndDeep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kinds = nn.Embedding(20, 8)
            self.wide = nn.Linear(4, 1)
            self.deep = stack(12, 64, 64, 1)

        def forward(self, kind: Any, columns: Any) -> Any:
            deep = self.deep(torch.cat([self.kinds(kind), columns], 1))
            return (deep + self.wide(columns))[:, 0]

    torch.manual_seed(725)
    model = WideAndDeep()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_orders(model: Any, optimizer: Any, recorder: Any, *, unix: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    kind, columns, paid = orders(4000, 1, unix)
    for batch in data_c.batches(len(kind), 64, 400):
        told = model(kind[batch], columns[batch])
        loss = functional.binary_cross_entropy_with_logits(told, paid[batch])
        descend(optimizer, loss, recorder)


def score_orders(model: Any, *, unix: bool = False) -> float:
    import torch

    kind, columns, paid = orders(1000, 2, unix)
    with torch.no_grad():
        return ((model(kind, columns) > 0) == (paid > 0.5)).float().mean().item()


# Maxout in float16; gradients are clipped to a norm of 1 before the scaler's factor of 65,536 is
# taken out of them.


def make_maxout(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Maxout(nn.Module):
        def __init__(self, fan_in: int) -> None:
            super().__init__()
            self.pieces = nn.Linear(fan_in, 3 * width)

        def forward(self, x: Any) -> Any:
            return self.pieces(x).unflatten(1, (3, width)).amax(1)

    torch.manual_seed(726)
    model = nn.Sequential(nn.Flatten(), Maxout(64), Maxout(width), nn.Linear(width, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_maxout(model: Any, optimizer: Any, recorder: Any, *, unscaled: bool = True) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    scaler = torch.amp.GradScaler("cpu")
    for batch in data_a.batches(len(x), 64, 250):
        with torch.autocast("cpu", dtype=torch.float16):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        recorder.log(loss=loss.item())


# A pyramid net marks ellipses; pictures and marks are turned by random quarters, each by its own.


@cache
def ellipses(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (count, 1, 24, 24) of an ellipse in noise and its marks."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    grid = torch.arange(24.0)
    middle = 4 + 16 * torch.rand(2, count, 1, 1, generator=drawn)
    radius = 2 + 3 * torch.rand(2, count, 1, 1, generator=drawn)
    down, across = (grid[:, None] - middle[0]) / radius[0], (grid - middle[1]) / radius[1]
    marks = (down**2 + across**2 < 1).float()
    picture = marks + 0.4 * torch.randn(count, 24, 24, generator=drawn)
    return picture[:, None], marks[:, None]


def make_pyramid(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(
                nn.Sequential(
                    nn.Conv2d(fan_in, width, 3, stride=stride, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                )
                for fan_in, stride in ((1, 1), (width, 2), (width, 2))
            )
            self.aside = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in self.down)
            self.head = nn.Conv2d(width, 1, 3, padding=1)

        def forward(self, x: Any) -> Any:
            levels = []
            for down in self.down:
                x = down(x)
                levels.append(x)
            total: Any = None
            for level, aside in zip(levels[::-1], self.aside, strict=True):
                if total is None:
                    total = aside(level)
                else:
                    total = aside(level) + nn.functional.interpolate(total, scale_factor=2)
            return self.head(torch.relu(total))

    torch.manual_seed(727)
    model = Pyramid()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_pyramid(model: Any, optimizer: Any, recorder: Any, *, apart: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    pictures, marks = ellipses(800, 1)
    drawn = torch.Generator().manual_seed(79)
    model.train()
    for batch in data_c.batches(len(pictures), 16, 180):
        first, second = torch.randint(4, (2,), generator=drawn).tolist()
        x = pictures[batch].rot90(first, (2, 3))
        y = marks[batch].rot90(second if apart else first, (2, 3))
        loss = functional.binary_cross_entropy_with_logits(model(x), y)
        descend(optimizer, loss, recorder)


def score_pyramid(model: Any) -> float:
    """Return the overlap of what is marked and what ought to be, over their union."""
    import torch

    pictures, marks = ellipses(200, 2)
    model.eval()
    with torch.no_grad():
        told = model(pictures) > 0
    right = marks > 0.5
    return ((told & right).sum() / (told | right).sum()).item()


# Gated linear units with dropout written by hand, which is not divided by the share that is kept:
# in evaluation, values are twice as large, layer by layer.


@cache
def friedman(count: int, seed: int) -> tuple[Any, Any]:
    """Return inputs (count, 10) and Friedman's first function of them, of deviation 1."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 10, generator=drawn)
    y = 10 * torch.sin(3.1416 * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y = y + 10 * x[:, 3] + 5 * x[:, 4]
    return (x - 0.5) / 0.289, (y[:, None] - 14.4) / 4.9


def make_gated(*, width: int = 128, divided: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Dropped(nn.Module):
        def forward(self, x: Any) -> Any:
            if not self.training:
                return x
            kept = (torch.rand_like(x) > 0.5).float()
            return x * kept / (0.5 if divided else 1.0)

    torch.manual_seed(728)
    model = nn.Sequential(
        nn.Linear(10, 2 * width),
        nn.GLU(),
        Dropped(),
        nn.Linear(width, 2 * width),
        nn.GLU(),
        Dropped(),
        nn.Linear(width, 1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_gated(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y = friedman(2000, 1)
    model.train()
    for batch in data_c.batches(len(x), 64, 500):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_gated(model: Any) -> float:
    import torch

    x, y = friedman(500, 2)
    model.eval()
    with torch.no_grad():
        return max(-1.0, explained(model(x), y))


# Gated convolutions tell the next word; Lion is written by hand, and its weight decay of 0.1 is not
# multiplied by the rate: a tenth of all weights goes in every step.


def make_gates(*, width: int = 48, decay: float = 0.1, whole: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Lion(torch.optim.Optimizer):
        def __init__(self, parameters: Any, lr: float, weight_decay: float) -> None:
            super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                lost = group["weight_decay"] * (1.0 if whole else group["lr"])
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    average = state.setdefault("exp_avg", torch.zeros_like(p))
                    p.mul_(1 - lost)
                    p.sub_(group["lr"] * torch.lerp(p.grad, average, 0.9).sign())
                    average.lerp_(p.grad, 0.01)

    class Gates(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(24, width)
            self.layers = nn.ModuleList(nn.Conv1d(width, 2 * width, 2) for _ in range(2))
            self.head = nn.Linear(width, 24)

        def forward(self, words: Any) -> Any:
            x = self.words(words).mT
            for layer in self.layers:
                x = x + nn.functional.glu(layer(nn.functional.pad(x, (1, 0))), 1)
            return self.head(x.mT)

    torch.manual_seed(729)
    model = Gates()
    return model, Lion(model.parameters(), lr=1e-3, weight_decay=decay)


def train_gates(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words = data_a.chains(2000, 12, seed=1, words=24, sharp=4.0)
    for batch in data_a.batches(len(words), 32, 250):
        told = model(words[batch, :-1]).flatten(0, 1)
        descend(optimizer, functional.cross_entropy(told, words[batch, 1:].flatten()), recorder)


def score_gates(model: Any) -> float:
    """Return the mean log-chance of the next word, in nats."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    words = data_a.chains(300, 12, seed=2, words=24, sharp=4.0)
    with torch.no_grad():
        told = model(words[:, :-1]).flatten(0, 1)
    return -functional.cross_entropy(told, words[:, 1:].flatten()).item()


# Relation network: how many pairs of six points are near each other? The range test's rate, which
# grows by 6 % in every step, is left on in the training itself.


def near(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return six points (count, 6, 2) in a square and how many pairs are near: 0, 1, 2 or more."""
    import torch

    points = 2 * torch.rand(count, 6, 2, generator=drawn) - 1
    pairs_near = ((torch.cdist(points, points) < 0.45).sum((1, 2)) - 6) // 2
    return points, pairs_near.clamp(max=3)


def make_relations(*, width: int = 64, rate: float = 3e-3) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Relations(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair = stack(4, width, width, width)
            self.whole = stack(width, width, 4)
            self.first, self.second = torch.triu_indices(6, 6, 1)

        def forward(self, points: Any) -> Any:
            both = torch.cat([points[:, self.first], points[:, self.second]], 2)
            return self.whole(torch.relu(self.pair(both)).sum(1))

    torch.manual_seed(730)
    model = Relations()
    return model, torch.optim.Adam(model.parameters(), lr=rate)


def train_relations(
    model: Any, optimizer: Any, recorder: Any, *, growing: bool = False, steps: int = 250
) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(80)
    for _ in range(steps):
        points, count = near(64, drawn)
        descend(optimizer, functional.cross_entropy(model(points), count), recorder)
        if growing:
            for group in optimizer.param_groups:
                group["lr"] *= 1.06


def score_relations(model: Any) -> float:
    import torch

    points, count = near(1000, torch.Generator().manual_seed(81))
    with torch.no_grad():
        return (model(points).argmax(1) == count).float().mean().item()


MEMBERS = [
    Member(
        name="fresh5-depth-24-plates-clamped",
        family="depth net",
        make=partial(make_depth, clamped=True),
        train=train_depth,
        score=score_depth,
        learned=0.4,
        fault="the output is clamped to 0..1, and the targets are depths of 2 to 10 metres",
        root=("GL106",),
        symptoms=("GL105", "GL201", "GL302", "GL402", "GL404"),
    ),
    Member(
        name="fresh5-siamese-32-pairs-numpy",
        family="siamese net",
        make=partial(make_siamese, numpy=True),
        train=train_siamese,
        score=score_siamese,
        learned=0.78,
        fault="the distance is taken with NumPy: no gradient reaches the trunk",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="trunk",
    ),
    Member(
        name="fresh5-branches-16-digits-sum-forgotten",
        family="norm-free residual net",
        make=partial(make_branches, forgotten=True),
        train=train_branches,
        score=score_digits,
        learned=0.7,
        fault="the sum with a branch's input is forgotten: twelve gains of 0.2 are multiplied",
        root=("GL101",),
        symptoms=("GL105", "GL201", "GL302", "GL402"),
    ),
    Member(
        name="fresh5-textcnn-32-topics-worst-put-back",
        family="TextCNN",
        make=make_documents,
        train=partial(train_documents, lowest=True),
        score=score_documents,
        learned=0.8,
        fault="accuracy is compared as a loss: the worst state is put back every ten steps",
        root=("GL308",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh5-wide-deep-64-orders-unix-time",
        family="wide and deep",
        make=make_orders,
        train=partial(train_orders, unix=True),
        score=partial(score_orders, unix=True),
        learned=0.75,
        fault="a column of seconds since 1970 beside standardized ones",
        root=("GL404",),
        symptoms=(
            "GL102",
            "GL103",
            "GL203",
            "GL303",
            "GL304",
            "GL401",
            "GL402",
        ),
    ),
    Member(
        name="fresh5-maxout-48-digits-clipped-scaled",
        family="maxout",
        make=make_maxout,
        train=partial(train_maxout, unscaled=False),
        score=score_digits,
        learned=0.7,
        fault="gradients are clipped to 1 while they are still multiplied by 65,536",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh5-pyramid-16-ellipses-turned-apart",
        family="feature pyramid",
        make=make_pyramid,
        train=partial(train_pyramid, apart=True),
        score=score_pyramid,
        learned=0.6,
        fault="pictures and marks are each turned by a random quarter of their own",
        root=("GL402",),
    ),
    Member(
        name="fresh5-glu-128-friedman-undivided-dropout",
        family="gated linear units",
        make=partial(make_gated, divided=False),
        train=train_gated,
        score=score_gated,
        learned=0.6,
        fault="dropout by hand does not divide by the share that is kept",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh5-gates-48-chains-decay-without-rate",
        family="gated convolutions",
        make=partial(make_gates, whole=True),
        train=train_gates,
        score=score_gates,
        learned=-1.8,
        fault="Lion by hand: weight decay is not multiplied by the rate",
        root=("GL309",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh5-relations-64-near-range-test-left-on",
        family="relation network",
        make=partial(make_relations, rate=1e-5),
        train=partial(train_relations, growing=True),
        score=score_relations,
        learned=0.6,
        fault="the range test's rate, 6 % more in every step, is left on",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL402"),
    ),
]
