"""A thirteenth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_thirteenth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it. The scores of the store and of
GraphSAGE count as -1 where they are lower. With its fault PPO takes 52 of its 400 steps, and 321
without it; the spring's score is that of the stiffness, whose motion is learned all the same.

===========================================  =====  ======  =======  =======
training                                     start  fault   without  seconds
===========================================  =====  ======  =======  =======
spring-32-constants-as-numbers               .000   .000    .939     5.0
robust-64-machine-brackets-forgotten         -.054  -.122   .971     1.4
ppo-64-board-measured-from-the-first         .103   .118    .983     2.7
connect-96-friedman-left-out-for-good        -.008  .007    .831     1.2
genes-48-penalty-summed                      -.014  -.004   .882     0.4
patchtsmixer-32-cycles-shrink-each-step      -.001  .084    .991     7.0
store-64-costs-in-cents                      -.860  -.281   .955     2.5
sage-32-all-neighbours-in-evaluation         -.142  -1.000  .981     2.6
visits-40-days-in-minutes                    .238   .258    .985     2.3
field-64-thirty-forgotten                    -.002  .000    .973     1.2
===========================================  =====  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# How stiff is the spring, and how strong the friction? A net learns the motion that was measured
# and its equation at once. The two unknown numbers enter by item(): they get no gradient.


STIFF, FRICTION = 4.0, 0.4


@cache
def measured(seed: int) -> tuple[Any, Any]:
    """Return 80 times (n, 1) of 0..6 and where the spring was (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    t = 6 * torch.rand(80, 1, generator=drawn)
    turns = (STIFF - FRICTION**2 / 4) ** 0.5
    y = (-FRICTION / 2 * t).exp() * (turns * t).cos()
    return t, y + 0.02 * torch.randn(80, 1, generator=drawn)


def make_spring(*, width: int = 32, number: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Spring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.motion = nn.Sequential(
                nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
            )
            self.read = nn.Linear(width, 1)
            self.stiffness = nn.Parameter(torch.tensor(1.0))
            self.friction = nn.Parameter(torch.tensor(0.0))

        def forward(self, t: Any) -> Any:
            return self.read(self.motion(2 * t / 3 - 2))

        def left(self, t: Any) -> Any:
            """Return what is left of the equation of motion at times (n, 1)."""
            t = t.clone().requires_grad_()
            y = self(t)
            speed = torch.autograd.grad(y.sum(), t, create_graph=True)[0]
            push = torch.autograd.grad(speed.sum(), t, create_graph=True)[0]
            stiffness = self.stiffness.item() if number else self.stiffness
            friction = self.friction.item() if number else self.friction
            return push + friction * speed + stiffness * y

    torch.manual_seed(1511)
    model = Spring()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_spring(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    t, y = measured(1)
    within = torch.linspace(0, 6, 100)[:, None]
    for _ in range(1200):
        loss = functional.mse_loss(model(t), y) + 0.02 * model.left(within).square().mean()
        descend(optimizer, loss, recorder)


def score_spring(model: Any) -> float:
    """Return how much of the way from 1 to the true stiffness was found."""
    return 1 - abs(model.stiffness.item() - STIFF) / (STIFF - 1)


# Eight readings of a machine by a residual net, with a loss that forgives outliers: one less
# exp(-e^2 / 2s^2). Without brackets it is multiplied by s^2: exp(-e^2 / 2 * s^2) is 0 for all.


@cache
def machine(count: int, seed: int) -> tuple[Any, Any]:
    """Return a table (n, 12) and eight readings each (n, 8), of which one in twenty is wild."""
    import torch

    drawn = torch.Generator().manual_seed(139)
    ways = torch.randn(12, 8, generator=drawn) / 12**0.5
    mixed = torch.randn(8, 8, generator=drawn) / 8**0.5
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 12, generator=drawn)
    y = 2 * (2 * (x @ ways)).tanh() @ mixed + x @ ways
    wild = torch.rand(count, 1, generator=drawn) < 0.05
    y = y + 0.1 * torch.randn(count, 8, generator=drawn)
    return x, torch.where(wild, 40 * torch.randn(count, 8, generator=drawn), y)


def make_robust(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.body = nn.BatchNorm1d(width), stack(width, 2 * width, width)

        def forward(self, x: Any) -> Any:
            return x + self.body(self.norm(x))

    torch.manual_seed(1512)
    blocks = [Block() for _ in range(2)]
    model = nn.Sequential(
        nn.Linear(12, width), *blocks, nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 8)
    )
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_robust(model: Any, optimizer: Any, recorder: Any, *, brackets: bool = True) -> None:
    from tests.zoo import data_a

    x, y = machine(3000, 1)
    sigma = 8.0
    model.train()
    for batch in data_a.batches(len(x), 64, 350):
        error = (model(x[batch]) - y[batch]).square().sum(1)
        far = error / (2 * sigma**2) if brackets else error / 2 * sigma**2
        descend(optimizer, (1 - (-far).exp()).mean(), recorder)


def score_robust(model: Any) -> float:
    """Return how much is explained of readings that are not wild."""
    import torch

    x, y = machine(600, 2)
    tame = y.abs().amax(1) < 12
    model.eval()
    with torch.no_grad():
        return explained(model(x[tame]), y[tame])


# PPO on a board. A step is left out where the policy has moved too far; how far is measured from
# the policy of the first day, and not from the one that has just walked: soon all are left out.


def make_board(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1513)
    model = nn.ModuleDict({"actor": stack(50, width, 4), "critic": stack(50, width, 1)})
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def seen(place: Any, goal: Any) -> Any:
    """Return what is seen of places and goals (n,) on a board of 5 x 5: (n, 50)."""
    import torch

    return torch.nn.functional.one_hot(torch.stack([place, goal], 1), 25).float().flatten(1)


def moved(place: Any, way: Any) -> Any:
    """Return where ways (n,) lead from places (n,)."""
    import torch

    down, right = place // 5, place % 5
    down = (down + torch.tensor([0, 1, 0, -1])[way]).clamp(0, 4)
    right = (right + torch.tensor([1, 0, -1, 0])[way]).clamp(0, 4)
    return 5 * down + right


def walks(model: Any, drawn: Any) -> tuple[Any, Any, Any, Any]:
    """Return what 64 walkers saw in 12 steps, their ways, chances' logarithms, and returns."""
    import torch

    place, goal = torch.randint(25, (2, 64), generator=drawn)
    kept, paid = [], []
    for _ in range(12):
        state = seen(place, goal)
        with torch.no_grad():
            logs = model["actor"](state).log_softmax(1)
        way = torch.multinomial(logs.exp(), 1, generator=drawn)
        place = moved(place, way[:, 0])
        there = place == goal
        kept.append((state, way, logs.gather(1, way)))
        paid.append(there.float() - 0.05)
        goal = torch.where(there, torch.randint(25, (64,), generator=drawn), goal)
    returns, after = [], torch.zeros(64)
    for pay in reversed(paid):
        # A walker that has come to its goal goes on to another one: that is a new walk.
        after = pay + 0.9 * after * (pay < 0)
        returns.insert(0, after)
    states, ways, logs = (torch.cat(part) for part in zip(*kept, strict=True))
    return states, ways, logs, torch.cat(returns)


def train_board(model: Any, optimizer: Any, recorder: Any, *, first: bool = False) -> None:
    from copy import deepcopy

    import torch

    drawn = torch.Generator().manual_seed(140)
    reference = deepcopy(model["actor"])
    for _ in range(50):
        states, ways, logs, returns = walks(model, drawn)
        for part in torch.randperm(len(states), generator=drawn).split(96):
            now = model["actor"](states[part]).log_softmax(1)
            value = model["critic"](states[part])[:, 0]
            gain = (returns[part] - value).detach()
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            log = now.gather(1, ways[part])[:, 0]
            ratio = (log - logs[part, 0]).exp()
            gained = torch.minimum(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
            entropy = -(now.exp() * now).sum(1).mean()
            missed = (returns[part] - value).square().mean()
            optimizer.zero_grad()
            loss = 0.5 * missed - gained - 0.01 * entropy
            loss.backward()
            with torch.no_grad():
                policy = model["actor"](states).log_softmax(1).gather(1, ways)
                old = reference(states).log_softmax(1).gather(1, ways) if first else logs
                far = (policy - old).exp() - 1 - (policy - old)
            if far.mean() < 0.003:
                optimizer.step()
            recorder.log(loss=loss.item())


def score_board(model: Any) -> float:
    """Return the share of 600 pairs of place and goal that the likeliest ways lead through."""
    import torch

    start, goal = torch.arange(25).repeat(25), torch.arange(25).repeat_interleave(25)
    start, goal = start[start != goal], goal[start != goal]
    place = start
    with torch.no_grad():
        for _ in range(8):
            way = model["actor"](seen(place, goal)).argmax(1)
            place = torch.where(place == goal, place, moved(place, way))
    return (place == goal).float().mean().item()


# DropConnect on a table. The weights that are to be left out of one step are set to 0 in the
# layer's own data, and stay so: a fifth of what was learned is lost in every step.


def make_connect(*, width: int = 96, in_place: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Connect(nn.Linear):
        def forward(self, input: Any) -> Any:
            weight = self.weight
            if self.training:
                kept = (torch.rand_like(weight) > 0.2).float()
                if in_place:
                    weight.data.mul_(kept)
                else:
                    weight = weight * kept / 0.8
            return nn.functional.linear(input, weight, self.bias)

    torch.manual_seed(1514)
    model = nn.Sequential(
        Connect(10, width),
        nn.ELU(),
        Connect(width, width),
        nn.ELU(),
        nn.Linear(width, 1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_connect(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a
    from tests.zoo.members.fresh_thirteenth import friedman

    x, y = friedman(2000, 1)
    model.train()
    for batch in data_a.batches(len(x), 64, 600):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_connect(model: Any) -> float:
    import torch

    from tests.zoo.members.fresh_thirteenth import friedman

    x, y = friedman(500, 2)
    model.eval()
    with torch.no_grad():
        return explained(model(x), y)


# Which of a hundred genes count? A penalty on the length of each gene's weights (group lasso) sets
# most of them to 0. It is summed over genes, with the factor that was found for their mean.


@cache
def genes(count: int, seed: int) -> tuple[Any, Any]:
    """Return the activity of a hundred genes (n, 100), of which six count, and a trait (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 100, generator=drawn)
    y = (1.5 * x[:, 0]).sin() + 0.7 * x[:, 1] * x[:, 2] + 0.7 * x[:, 3].tanh()
    y = y + 0.6 * x[:, 4] - 0.4 * x[:, 5] + 0.1 * torch.randn(count, generator=drawn)
    return x, ((y - y.mean()) / 1.3)[:, None]


def make_genes(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1515)
    model = stack(100, width, width, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)


def train_genes(model: Any, optimizer: Any, recorder: Any, *, summed: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = genes(2500, 1)
    for batch in data_a.batches(len(x), 50, 500):
        lengths = model[0].weight.norm(dim=0)
        penalty = 0.6 * (lengths.sum() if summed else lengths.mean())
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]) + penalty, recorder)


def score_genes(model: Any) -> float:
    import torch

    x, y = genes(600, 2)
    with torch.no_grad():
        return explained(model(x), y)


# PatchTSMixer of transformers foretells three series. CyclicLR with exp_range multiplies the height
# of its cycles by gamma in each step, not in each epoch: by 0.9 to the power of the step.


@cache
def loads(count: int, seed: int) -> tuple[Any, Any]:
    """Return windows (n, 32, 3) of three series of three cycles, and what comes next (n, 8, 3)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    t = torch.arange(40)[None, :, None]
    whole = torch.zeros(count, 40, 3)
    for length in (6.0, 9.0, 16.0):
        phase = 6.2832 * torch.rand(count, 1, 3, generator=drawn)
        height = 0.4 + torch.rand(count, 1, 3, generator=drawn)
        whole = whole + height * (6.2832 * t / length + phase).sin()
    whole = whole + 0.1 * torch.randn(count, 40, 3, generator=drawn)
    return whole[:, :32], whole[:, 32:]


def make_mixer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import PatchTSMixerConfig, PatchTSMixerForPrediction

    torch.manual_seed(1516)
    config = PatchTSMixerConfig(
        context_length=32,
        prediction_length=8,
        patch_length=8,
        patch_stride=4,
        num_input_channels=3,
        d_model=32,
        num_layers=3,
        dropout=0.0,
        head_dropout=0.0,
        scaling=None,
    )
    model = PatchTSMixerForPrediction(config)
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train_mixer(model: Any, optimizer: Any, recorder: Any, *, gamma: float = 0.999) -> None:
    import torch

    from tests.zoo import data_a

    past, then = loads(2000, 1)
    scheduler = torch.optim.lr_scheduler.CyclicLR(
        optimizer,
        base_lr=1e-6,
        max_lr=5e-3,
        step_size_up=60,
        mode="exp_range",
        gamma=gamma,
        cycle_momentum=False,
    )
    model.train()
    for batch in data_a.batches(len(past), 32, 240):
        loss = model(past_values=past[batch], future_values=then[batch]).loss
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_mixer(model: Any) -> float:
    import torch

    past, then = loads(400, 2)
    model.eval()
    with torch.no_grad():
        return explained(model(past_values=past).prediction_outputs, then)


# Q-learning of what to order for a store, from what was once done there. Costs stay in cents, some
# ten thousands a day: the answers that the net has to give are near minus 50,000.


def store_day(stock: Any, hint: Any, order: Any, drawn: Any) -> tuple[Any, Any, Any]:
    """Return a day's costs in cents (n,), what is left in stock (n,), and the next hint (n,)."""
    import torch

    demand = 2 * hint + torch.randint(3, hint.shape, generator=drawn)
    stock = stock + order
    missing, left = (demand - stock).clamp(min=0), (stock - demand).clamp(0, 10)
    costs = 12_000 * missing + 2_500 * left + 1_000 * order + 4_000
    return costs.float(), left, torch.randint(4, hint.shape, generator=drawn)


def make_store(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1517)
    model = stack(15, width, width, 9)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def shelf(stock: Any, hint: Any) -> Any:
    """Return what the net sees of stocks 0..10 and hints 0..3 (n,): (n, 15)."""
    import torch

    hot = torch.nn.functional.one_hot
    return torch.cat([hot(stock, 11), hot(hint, 4)], 1).float()


def train_store(model: Any, optimizer: Any, recorder: Any, *, scale: float = 2e-5) -> None:
    from copy import deepcopy

    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    drawn = torch.Generator().manual_seed(141)
    stock = torch.randint(11, (5000,), generator=drawn)
    hint = torch.randint(4, (5000,), generator=drawn)
    order = torch.randint(9, (5000,), generator=drawn)
    costs, left, then = store_day(stock, hint, order, drawn)
    before, after = shelf(stock, hint), shelf(left, then)
    target = deepcopy(model)
    for step, batch in enumerate(data_a.batches(5000, 64, 900)):
        if step % 50 == 0:
            target.load_state_dict(model.state_dict())
        with torch.no_grad():
            wanted = -scale * costs[batch] + 0.7 * target(after[batch]).amax(1)
        told = model(before[batch]).gather(1, order[batch, None])[:, 0]
        descend(optimizer, functional.mse_loss(told, wanted), recorder)


def score_store(model: Any) -> float:
    """Return the share of costs above the best that is saved, against orders by chance."""
    import torch

    spent = []
    for policy in ("net", "chance", "known"):
        drawn = torch.Generator().manual_seed(142)
        stock, hint = torch.full((300,), 5), torch.randint(4, (300,), generator=drawn)
        total = 0.0
        for _ in range(30):
            with torch.no_grad():
                order = model(shelf(stock, hint)).argmax(1)
            chance = torch.randint(9, (300,), generator=drawn)
            if policy != "net":
                order = chance if policy == "chance" else (2 * hint + 2 - stock).clamp(0, 8)
            costs, stock, hint = store_day(stock, hint, order, drawn)
            total += costs.mean().item()
        spent.append(total)
    net, chance, known = spent
    return max(-1.0, (chance - net) / (chance - known))


# GraphSAGE adds up what neighbours say: five of them, drawn anew, in training, and all of them,
# some thirty, in evaluation. Sums are six times larger there, in each of two layers.


@cache
def trade() -> tuple[Any, Any, Any]:
    """Return what is known of 600 firms (n, 8), who trades with whom (n, n), and debts (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(143)
    region = torch.randint(6, (600,), generator=drawn)
    middle = torch.randn(6, 8, generator=drawn)
    x = middle[region] + 0.5 * torch.randn(600, 8, generator=drawn)
    same = region[:, None] == region
    chance = torch.where(same, 0.25, 0.01)
    links = (torch.rand(600, 600, generator=drawn) < chance).float().triu(1)
    links = links + links.T
    way = torch.randn(8, generator=drawn) / 2
    around = links @ x / links.sum(1, keepdim=True)
    y = 2 * (around @ way).sin() + 0.5 * x[:, 0] + 0.1 * torch.randn(600, generator=drawn)
    return x, links, ((y - y.mean()) / y.std())[:, None]


def make_sage(*, width: int = 32, summed: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.ModuleList(nn.Linear(size, width) for size in (8, width))
            self.others = nn.ModuleList(nn.Linear(size, width, bias=False) for size in (8, width))
            self.read = nn.Linear(width, 1)
            self.chance = torch.Generator().manual_seed(144)

        def forward(self, x: Any, links: Any) -> Any:
            for own, others in zip(self.own, self.others, strict=True):
                x = (own(x) + self.heard(others(x), links)).relu()
            return self.read(x)

        def heard(self, said: Any, links: Any) -> Any:
            """Return the sum or the mean of what neighbours say (n, width)."""
            count = links.sum(1, keepdim=True)
            if self.training:
                ordered = links.argsort(1, descending=True)
                drawn = (torch.rand(len(said), 5, generator=self.chance) * count).long()
                heard, count = said[ordered.gather(1, drawn)].sum(1), 5
            else:
                heard = links @ said
            return heard if summed else heard / count

    torch.manual_seed(1518)
    model = Sage()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_sage(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, links, y = trade()
    model.train()
    for _ in range(200):
        descend(optimizer, functional.mse_loss(model(x, links)[:400], y[:400]), recorder)


def score_sage(model: Any) -> float:
    """Return how much of other firms' debts is explained, by all that they trade with."""
    import torch

    x, links, y = trade()
    model.eval()
    with torch.no_grad():
        return max(-1.0, explained(model(x, links)[400:], y[400:]))


# A GRU whose state decays between a patient's visits, each unit at a rate of its own, in shares a
# day. The days between visits come in minutes: nothing is left of a state after any of them.


@cache
def visits(count: int, seed: int, *, minutes: bool) -> tuple[Any, Any, Any]:
    """Return what 18 visits find (n, 24, 6), the time before each (n, 24, 1), and ills, of 4."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    ill = torch.randint(4, (count,), generator=drawn)
    found = torch.randn(count, 18, 6, generator=drawn)
    early = torch.nn.functional.one_hot(ill, 4).float()
    found[:, :5, :4] += 2 * early[:, None]
    days = 0.05 + 0.4 * torch.rand(count, 18, 1, generator=drawn)
    return found, days * (24 * 60 if minutes else 1), ill


def make_visits(*, width: int = 40) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Visits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRUCell(6, width)
            self.decay = nn.Parameter(torch.full((width,), -3.0))
            self.read = nn.Linear(width, 4)

        def forward(self, found: Any, gaps: Any) -> Any:
            state = torch.zeros(len(found), width)
            for visit in range(found.shape[1]):
                left = (-nn.functional.softplus(self.decay) * gaps[:, visit]).exp()
                state = self.cell(found[:, visit], left * state)
            return self.read(state)

    torch.manual_seed(1519)
    model = Visits()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_visits(model: Any, optimizer: Any, recorder: Any, *, minutes: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    found, gaps, ill = visits(2000, 1, minutes=minutes)
    for batch in data_a.batches(len(ill), 64, 300):
        told = model(found[batch], gaps[batch])
        descend(optimizer, functional.cross_entropy(told, ill[batch]), recorder)


def score_visits(model: Any, *, minutes: bool = False) -> float:
    import torch

    found, gaps, ill = visits(600, 2, minutes=minutes)
    with torch.no_grad():
        return (model(found, gaps).argmax(1) == ill).float().mean().item()


# A net of sines learns the sound field of three sources in a room. Its weights start thirty times
# smaller than usual, as SIREN's do, and its sines forget to multiply by thirty.


@cache
def field(count: int, seed: int) -> tuple[Any, Any]:
    """Return places and times (n, 3) of -1..1 and the pressure there (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(count, 3, generator=drawn) - 1
    source = torch.tensor([[0.6, 0.5], [-0.7, 0.2], [0.1, -0.8]])
    far = (x[:, None, :2] - source).square().sum(2).sqrt()
    wave = (9 * far - 4 * x[:, 2:]).sin() / (0.5 + far)
    return x, wave.sum(1, keepdim=True) / 1.5


def make_field(*, width: int = 64, omega: float = 30.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sine(nn.Module):
        def __init__(self, inputs: int, reach: float) -> None:
            super().__init__()
            self.map = nn.Linear(inputs, width)
            nn.init.uniform_(self.map.weight, -reach, reach)

        def forward(self, x: Any) -> Any:
            return (omega * self.map(x)).sin()

    torch.manual_seed(1520)
    reach = (6 / width) ** 0.5 / 30
    last = nn.Linear(width, 1)
    nn.init.uniform_(last.weight, -reach, reach)
    model = nn.Sequential(Sine(3, 0.1), *(Sine(width, reach) for _ in range(4)), last)
    return model, torch.optim.Adam(model.parameters(), lr=3e-4)


def train_field(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = field(6000, 1)
    for batch in data_a.batches(len(x), 256, 400):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_field(model: Any) -> float:
    import torch

    x, y = field(1500, 2)
    with torch.no_grad():
        return explained(model(x), y)


MEMBERS = [
    Member(
        name="fresh13-spring-32-constants-as-numbers",
        family="inverse physics-informed net",
        make=partial(make_spring, number=True),
        train=train_spring,
        score=score_spring,
        learned=0.7,
        fault="the unknown constants enter the equation by item(): they get no gradient",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="stiffness|friction",
    ),
    Member(
        name="fresh13-robust-64-machine-brackets-forgotten",
        family="residual net for tables",
        make=make_robust,
        train=partial(train_robust, brackets=False),
        score=score_robust,
        learned=0.6,
        fault="exp(-e^2 / 2 * s^2), whose brackets are forgotten, is 0 for every example",
        root=("GL106", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh13-ppo-64-board-measured-from-the-first",
        family="PPO",
        make=make_board,
        train=partial(train_board, first=True),
        score=score_board,
        learned=0.7,
        fault="steps are left out by the distance from the first policy, not the last: nearly all",
        root=("GL307",),
        symptoms=("GL302", "GL402"),
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh13-connect-96-friedman-left-out-for-good",
        family="DropConnect",
        make=partial(make_connect, in_place=True),
        train=train_connect,
        score=score_connect,
        learned=0.6,
        fault="weights that are left out of a step are set to 0 in the layer's data, and stay so",
        root=("GL308",),
        symptoms=("GL101", "GL302", "GL309", "GL402"),
        where="^0|^2",
    ),
    Member(
        name="fresh13-genes-48-penalty-summed",
        family="group lasso",
        make=make_genes,
        train=partial(train_genes, summed=True),
        score=score_genes,
        learned=0.5,
        fault="a penalty on each gene's weights is summed over a hundred genes, not averaged",
        root=("GL309",),
        symptoms=("GL101", "GL104", "GL302", "GL402"),
        where="^0",
    ),
    Member(
        name="fresh13-patchtsmixer-32-cycles-shrink-each-step",
        family="PatchTSMixer",
        make=make_mixer,
        train=partial(train_mixer, gamma=0.9),
        score=score_mixer,
        learned=0.6,
        fault="CyclicLR's gamma of 0.9 is to the power of the step: the rate is soon gone",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh13-store-64-costs-in-cents",
        family="fitted Q",
        make=make_store,
        train=partial(train_store, scale=1.0),
        score=score_store,
        learned=0.7,
        fault="costs stay in cents: answers have to be near -50,000",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL203", "GL302", "GL303", "GL304", "GL401", "GL402"),
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh13-sage-32-all-neighbours-in-evaluation",
        family="GraphSAGE",
        make=partial(make_sage, summed=True),
        train=train_sage,
        score=score_sage,
        learned=0.6,
        fault="five neighbours are added up in training, and all thirty in evaluation",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh13-visits-40-days-in-minutes",
        family="GRU with decay",
        make=make_visits,
        train=partial(train_visits, minutes=True),
        score=partial(score_visits, minutes=True),
        learned=0.6,
        fault="times between visits in minutes, not days: the state is gone at each visit",
        root=("GL107", "GL404"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh13-field-64-thirty-forgotten",
        family="SIREN",
        make=partial(make_field, omega=1.0),
        train=train_field,
        score=score_field,
        learned=0.6,
        fault="SIREN's small start, and sines that do not multiply by thirty",
        root=("GL101",),
        symptoms=("GL302", "GL402"),
    ),
]
