"""A thirteenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_thirteenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine. The score of hares and lynxes counts as -1 where it is lower.

===================================  =======  =====  =======
training                             start    end    seconds
===================================  =======  =====  =======
maml-40-waves                        .148     .819   4.3
spins-48-energy                      .548     1.000  0.9
egnn-32-charged-bodies               -.492    .994   5.7
qmix-48-team                         .019     1.000  2.6
events-32-milliseconds               -14.748  .993   6.9
convex-64-weights-kept-above-0       .210     .921   1.3
table-64-prodigy                     -.013    .947   1.8
private-32-patients                  .488     .979   2.5
tabnet-24-switched                   .489     .855   3.7
hares-24-longer-years                -1.000   .947   2.4
===================================  =======  =====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# MAML on sine waves: what is learned is a start, from which one step on ten points leads to a new
# wave. The gradients go through that step; the weights that the net is run with are not its own.


def waves(tasks: int, drawn: Any) -> tuple[Any, Any, Any, Any]:
    """Return places and heights (tasks, 10, 1) to adapt to, and others to be told."""
    import torch

    height = 0.5 + 1.5 * torch.rand(tasks, 1, 1, generator=drawn)
    phase = 3.1416 * torch.rand(tasks, 1, 1, generator=drawn)
    x = 8 * torch.rand(tasks, 20, 1, generator=drawn) - 4
    y = height * (x + phase).sin()
    return x[:, :10], y[:, :10], x[:, 10:], y[:, 10:]


def adapted(model: Any, x: Any, y: Any, *, steps: int = 1) -> dict[str, Any]:
    """Return the weights that steps on a task's points lead to, with the graph of the steps."""
    import torch
    from torch.func import functional_call

    weights = dict(model.named_parameters())
    for _ in range(steps):
        loss = (functional_call(model, weights, (x,)) - y).square().mean()
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        moved = zip(weights.items(), slopes, strict=True)
        weights = {name: weight - 0.05 * slope for (name, weight), slope in moved}
    return weights


def make_maml(*, width: int = 40) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1501)
    model = stack(1, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_maml(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.func import functional_call

    drawn = torch.Generator().manual_seed(131)
    for _ in range(500):
        loss = torch.zeros(())
        for x, y, asked, wanted in zip(*waves(4, drawn), strict=True):
            told = functional_call(model, adapted(model, x, y), (asked,))
            loss = loss + (told - wanted).square().mean() / 4
        descend(optimizer, loss, recorder)


def score_maml(model: Any) -> float:
    """Return how much of new waves is explained, from ten points and five steps on each."""
    import torch
    from torch.func import functional_call

    told, right = [], []
    for x, y, asked, wanted in zip(*waves(60, torch.Generator().manual_seed(132)), strict=True):
        weights = adapted(model, x, y, steps=5)
        told.append(functional_call(model, weights, (asked,)).detach())
        right.append(wanted)
    return explained(torch.stack(told), torch.stack(right))


# Variational Monte Carlo: the ground state of a chain of eight spins in a field across it. What is
# logged is the energy; what the gradient is taken of is another number, whose mean is 0.


@cache
def spins() -> Any:
    """Return all states of eight spins as rows of -1 and 1 (256, 8)."""
    import torch

    return 2.0 * (torch.arange(256)[:, None] >> torch.arange(8) & 1) - 1


FIELD = 0.6


def local_energy(model: Any, states: Any) -> Any:
    """Return the local energies (n,) of states (n, 8) under the net's wave function."""
    import torch

    around = -(states * states.roll(1, 1)).sum(1)
    turned = states[:, None] * (1 - 2 * torch.eye(8))
    ratio = (model(turned.flatten(0, 1)).view(-1, 8) - model(states)).exp()
    return around - FIELD * ratio.sum(1)


def make_spins(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1502)
    model = stack(8, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_spins(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(133)
    for _ in range(400):
        with torch.no_grad():
            chances = (2 * model(spins())[:, 0]).softmax(0)
            states = spins()[torch.multinomial(chances, 128, True, generator=drawn)]
            energy = local_energy(model, states)
        optimizer.zero_grad()
        (2 * (energy - energy.mean()) * model(states)[:, 0]).mean().backward()
        optimizer.step()
        recorder.log(loss=energy.mean().item())


def score_spins(model: Any) -> float:
    """Return the energy of the net's state over that of the ground state."""
    import torch

    states = spins()
    with torch.no_grad():
        chances = (2 * model(states)[:, 0]).softmax(0)
        energy = (chances * local_energy(model, states)).sum().item()
    matrix = torch.diag(-(states * states.roll(1, 1)).sum(1))
    apart = (states[:, None] != states).sum(2)
    lowest = torch.linalg.eigvalsh(matrix - FIELD * (apart == 1).float())[0].item()
    return energy / lowest


# An equivariant graph net (EGNN) foretells five charged bodies. The maps that move places start a
# thousand times smaller than usual, as its authors have it, and the last features go unused.


@cache
def bodies(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return charges (n, 5, 1), places and speeds (n, 5, 3), and places 1.5 seconds later."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    charge = 2.0 * torch.randint(2, (count, 5, 1), generator=drawn) - 1
    place = 1.5 * torch.randn(count, 5, 3, generator=drawn)
    speed = 0.5 * torch.randn(count, 5, 3, generator=drawn)
    x, v = place, speed
    for _ in range(150):
        apart = x[:, :, None] - x[:, None]
        far = (apart.square().sum(3, keepdim=True) + 0.3).sqrt()
        force = charge[:, :, None] * charge[:, None] * apart / far**3
        v = v + 0.01 * force.sum(2)
        x = x + 0.01 * v
    return charge, place, speed, x


def make_bodies(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def silu(*widths: int) -> Any:
        first, middle, last = widths
        return nn.Sequential(nn.Linear(first, middle), nn.SiLU(), nn.Linear(middle, last))

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.edge = silu(2 * width + 2, width, width)
            self.node = silu(2 * width, width, width)
            self.along = silu(width, width, 1)
            self.onward = silu(width, width, 1)
            nn.init.xavier_uniform_(self.along[2].weight, gain=0.001)

        def forward(self, h: Any, x: Any, v: Any, charges: Any) -> tuple[Any, Any, Any]:
            n = h.shape[1]
            apart = x[:, :, None] - x[:, None]
            pair = torch.cat(
                [
                    h[:, :, None].expand(-1, -1, n, -1),
                    h[:, None].expand(-1, n, -1, -1),
                    apart.square().sum(3, keepdim=True),
                    charges,
                ],
                3,
            )
            told = nn.functional.silu(self.edge(pair)) * (1 - torch.eye(n))[..., None]
            v = self.onward(h) * v + (apart * self.along(told)).sum(2) / (n - 1)
            h = h + self.node(torch.cat([h, told.sum(2)], 2))
            return h, x + v, v

    class Bodies(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(1, width)
            self.layers = nn.ModuleList(Layer() for _ in range(3))

        def forward(self, charge: Any, x: Any, v: Any) -> Any:
            h = self.enter(v.square().sum(2, keepdim=True).sqrt())
            for layer in self.layers:
                h, x, v = layer(h, x, v, charge[:, :, None] * charge[:, None])
            return x

    torch.manual_seed(1503)
    model = Bodies()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_bodies(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    charge, x, v, later = bodies(1500, 1)
    for batch in data_a.batches(len(x), 48, 350):
        told = model(charge[batch], x[batch], v[batch])
        descend(optimizer, functional.mse_loss(told, later[batch]), recorder)


def score_bodies(model: Any) -> float:
    """Return how much of the bodies' ways is explained."""
    import torch

    charge, x, v, later = bodies(400, 2)
    with torch.no_grad():
        return explained(model(charge, x, v) - x, later - x)


# QMIX: three agents see a cue each and are paid as a team. One net is all three; a net that sees
# everything writes the mixer's weights, whose absolute values are taken. The targets move.


def make_team(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Team(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.agent = stack(11, width, 4)
            self.first, self.second = nn.Linear(16, 3 * 16), nn.Linear(16, 16)
            self.shift, self.value = nn.Linear(16, 16), stack(16, 16, 1)

        def worth(self, cues: Any, level: Any) -> Any:
            own = torch.nn.functional.one_hot(cues, 4).float()
            high = torch.nn.functional.one_hot(level, 4).float()[:, None].expand(-1, 3, -1)
            who = torch.eye(3).expand(len(cues), -1, -1)
            return self.agent(torch.cat([own, high, who], 2))

        def forward(self, cues: Any, level: Any, worth: Any) -> Any:
            seen = torch.cat([cues, level[:, None]], 1)
            seen = torch.nn.functional.one_hot(seen, 4).float().flatten(1)
            first = self.first(seen).abs().view(-1, 3, 16)
            mixed = (worth[:, None] @ first)[:, 0] + self.shift(seen)
            mixed = nn.functional.elu(mixed) * self.second(seen).abs()
            return mixed.sum(1) + self.value(seen)[:, 0]

    torch.manual_seed(1504)
    model = Team()
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.99)


def team_step(cues: Any, level: Any, ways: Any, drawn: Any) -> tuple[Any, Any, Any]:
    """Return the team's pay (n,), the next cues (n, 3), and the next level (n,)."""
    import torch

    right = (ways == (cues + torch.arange(3)) % 4).float().mean(1)
    paid = right.square() * (level + 1)
    level = torch.where(right == 1, (level + 1).clamp(max=3), level * 0)
    return paid, torch.randint(4, cues.shape, generator=drawn), level


def train_team(model: Any, optimizer: Any, recorder: Any) -> None:
    from copy import deepcopy

    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(135)
    cues = torch.randint(4, (64, 3), generator=drawn)
    level = torch.randint(4, (64,), generator=drawn)
    target = deepcopy(model)
    for step in range(700):
        if step % 25 == 0:
            target.load_state_dict(model.state_dict())
        worth = model.worth(cues, level)
        wild = torch.rand(64, 3, generator=drawn) < max(0.1, 1 - step / 400)
        anyhow = torch.randint(4, (64, 3), generator=drawn)
        ways = torch.where(wild, anyhow, worth.argmax(2))
        paid, then, higher = team_step(cues, level, ways, drawn)
        with torch.no_grad():
            best = target.worth(then, higher).amax(2)
            wanted = paid + 0.8 * target(then, higher, best)
        chosen = worth.gather(2, ways[..., None])[..., 0]
        told = model(cues, level, chosen)
        descend(optimizer, functional.mse_loss(told, wanted), recorder)
        again = torch.rand(64, generator=drawn) < 0.1
        cues = then
        level = torch.where(again, torch.randint(4, (64,), generator=drawn), higher)


def score_team(model: Any) -> float:
    """Return what the team earns in twenty steps from level 0 over the most that it could."""
    import torch

    drawn = torch.Generator().manual_seed(136)
    cues, level = torch.randint(4, (100, 3), generator=drawn), torch.zeros(100, dtype=torch.long)
    earned = 0.0
    with torch.no_grad():
        for _ in range(20):
            ways = model.worth(cues, level).argmax(2)
            paid, cues, level = team_step(cues, level, ways, drawn)
            earned += paid.mean().item()
    return earned / (1 + 2 + 3 + 17 * 4)


# When will the next event come? A GRU and a mixture of log-normal densities of the time between
# two events, some milliseconds: densities far above 1, so that the loss falls through 0.


@cache
def events(count: int, seed: int) -> Any:
    """Return times in seconds between events (count, 40), which hang on the three before."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    logs = list((0.8 * torch.randn(3, count, generator=drawn)).unbind())
    for _ in range(40):
        before = logs[-1] - logs[-2] + 0.5 * logs[-3]
        noise = torch.randn(count, generator=drawn)
        logs.append(1.2 * (1.5 * before).sin() + 0.25 * noise)
    return (torch.stack(logs[3:], 1) - 5.5).exp()


def make_events(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Events(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.past = nn.GRU(1, width, batch_first=True)
            self.read = nn.Linear(width, 12)

        def forward(self, gaps: Any) -> Any:
            """Return the logarithm of the density of all gaps but the first."""
            past = self.past(gaps[:, :-1, None].log() + 5.5)[0]
            share, middle, spread = self.read(past).chunk(3, 2)
            parts = torch.distributions.Normal(middle, spread.exp())
            log = gaps[:, 1:, None].log()
            return (share.log_softmax(2) + parts.log_prob(log) - log).logsumexp(2)

    torch.manual_seed(1505)
    model = Events()
    return model, torch.optim.NAdam(model.parameters(), lr=5e-3)


def train_events(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    gaps = events(1000, 1)
    for batch in data_a.batches(len(gaps), 32, 300):
        descend(optimizer, -model(gaps[batch]).mean(), recorder)


def score_events(model: Any) -> float:
    """Return the gain in nats an event over the best log-normal density for all."""
    import torch

    gaps = events(300, 2)
    with torch.no_grad():
        told = model(gaps)[:, 5:].mean().item()
    log = gaps[:, 6:].log()
    same = torch.distributions.Normal(log.mean(), log.std()).log_prob(log) - log
    return told - same.mean().item()


# An input-convex net carries one cloud to another as the slope of its output. Its weights between
# layers are set to 0 after each step where they are below: that is what makes it convex.


@cache
def carried(count: int, seed: int) -> tuple[Any, Any]:
    """Return points (n, 6) and where a convex function's slope takes them (n, 6)."""
    import torch

    drawn = torch.Generator().manual_seed(137)
    ways = torch.randn(8, 6, generator=drawn)
    start = torch.randn(8, generator=drawn)
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return x, 0.3 * x + (2 * (x @ ways.T + start)).softmax(1) @ ways


def make_convex(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Convex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inputs = nn.ModuleList(nn.Linear(6, width) for _ in range(3))
            self.within = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(2))
            self.last = nn.Linear(width, 1, bias=False)
            self.round = nn.Parameter(torch.tensor(0.1))
            layers: Any = (*self.within, self.last)
            with torch.no_grad():
                for layer in layers:
                    layer.weight.uniform_(0, 2 / width)

        def forward(self, x: Any) -> Any:
            first, *inputs = self.inputs
            z = nn.functional.softplus(first(x))
            for own, within in zip(inputs, self.within, strict=True):
                z = nn.functional.softplus(own(x) + within(z))
            return self.last(z)[:, 0] + self.round * x.square().sum(1)

        def slope(self, x: Any) -> Any:
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self(x).sum(), x, create_graph=True)[0]

    torch.manual_seed(1506)
    model = Convex()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_convex(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = carried(2000, 1)
    for batch in data_a.batches(len(x), 64, 400):
        descend(optimizer, functional.mse_loss(model.slope(x[batch]), y[batch]), recorder)
        with torch.no_grad():
            for layer in (*model.within, model.last):
                layer.weight.clamp_(min=0)


def score_convex(model: Any) -> float:
    x, y = carried(500, 2)
    return explained(model.slope(x).detach(), y)


# Prodigy finds the rate by itself: it starts at a millionth, where nothing moves for the eye, and
# is five thousand times larger after fifteen steps. A table goes in through waves of learned
# lengths.


def make_table(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Waves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lengths = nn.Parameter(0.3 * torch.randn(10, 8))
            self.maps = nn.Parameter(torch.randn(10, 16, 8) / 4)
            self.net = stack(80, width, width, 1)

        def forward(self, x: Any) -> Any:
            turn = 6.2832 * x[..., None] * self.lengths
            waves = torch.cat([turn.sin(), turn.cos()], 2)
            return self.net(torch.einsum("nfw,fwk->nfk", waves, self.maps).relu().flatten(1))

    class Prodigy(torch.optim.Optimizer):
        """After Mishchenko and Defazio (2023), algorithm 4, without weight decay."""

        def __init__(self, params: Any, lr: float = 1.0) -> None:
            super().__init__(params, {"lr": lr, "d": 1e-6, "r": 0.0})

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            (group,) = self.param_groups
            d, keep = group["d"], 0.999**0.5
            far, near, length = group["r"] * keep, 0.0, 0.0
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                state, slope = self.state[weight], weight.grad
                if not state:
                    state["start"] = weight.clone()
                    state |= {name: torch.zeros_like(weight) for name in ("m", "v", "s")}
                near += (slope * (state["start"] - weight)).sum().item()
                state["m"].mul_(0.9).add_(slope, alpha=0.1 * d)
                state["v"].mul_(0.999).addcmul_(slope, slope, value=0.001 * d * d)
                state["s"].mul_(keep).add_(slope, alpha=(1 - keep) * group["lr"] * d * d)
                length += state["s"].abs().sum().item()
            group["r"] = far + (1 - keep) * group["lr"] * d * d * near
            group["d"] = max(d, group["r"] / length)
            for weight in weights:
                state = self.state[weight]
                weight.addcdiv_(state["m"], state["v"].sqrt() + d * 1e-8, value=-d * group["lr"])

    torch.manual_seed(1507)
    model = Waves()
    return model, Prodigy(model.parameters())


@cache
def friedman(count: int, seed: int) -> tuple[Any, Any]:
    """Return Friedman's first table: ten columns of 0..1, of which five count; targets (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 10, generator=drawn)
    y = 10 * (3.1416 * x[:, 0] * x[:, 1]).sin() + 20 * (x[:, 2] - 0.5) ** 2
    y = y + 10 * x[:, 3] + 5 * x[:, 4] + torch.randn(count, generator=drawn)
    return 2 * x - 1, ((y - 14.4) / 5)[:, None]


def train_table(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = friedman(2000, 1)
    for batch in data_a.batches(len(x), 64, 500):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_table(model: Any) -> float:
    import torch

    x, y = friedman(500, 2)
    with torch.no_grad():
        return explained(model(x), y)


# Differential privacy: each patient's gradient is cut to a length of 1, and noise is added to the
# sum. The net is run and emptied sixteen times a step, with one example each.


@cache
def patients() -> tuple[Any, Any, Any, Any]:
    """Return scikit-learn's breast cancer data, standardized: to train on, then to test."""
    import torch
    from sklearn.datasets import load_breast_cancer

    data, label = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(label), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(data, dtype=torch.float32)[order]
    y = torch.tensor(label)[order]
    x = (x - x[:400].mean(0)) / x[:400].std(0)
    return x[:400], y[:400], x[400:], y[400:]


def make_private(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1508)
    model = nn.Sequential(nn.Linear(30, width), nn.Tanh(), nn.Linear(width, 2))
    return model, torch.optim.SGD(model.parameters(), lr=0.25)


def train_private(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = patients()
    drawn = torch.Generator().manual_seed(138)
    for batch in data_a.batches(len(x), 16, 150):
        total = [torch.zeros_like(weight) for weight in model.parameters()]
        lost = 0.0
        for one in batch.split(1):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x[one]), y[one])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for summed, weight in zip(total, model.parameters(), strict=True):
                summed += weight.grad
            lost += loss.item() / 16
        for summed, weight in zip(total, model.parameters(), strict=True):
            noise = 0.8 * torch.randn(weight.shape, generator=drawn)
            weight.grad = (summed + noise) / 16
        optimizer.step()
        recorder.log(loss=lost)


def score_private(model: Any) -> float:
    """Return the mean of the shares of both kinds that are found."""
    import torch

    *_, x, y = patients()
    with torch.no_grad():
        right = (model(x).argmax(1) == y).float()
    return (right[y == 0].mean() + right[y == 1].mean()).item() / 2


# TabNet: in each of three steps a mask picks columns by sparsemax, which is 0 at most of them, and
# what was used counts less from then on. Which columns count hangs on the first one's sign.


@cache
def switched(count: int, seed: int) -> tuple[Any, Any]:
    """Return a table (n, 16) and labels 0 or 1 from three columns, which the first one picks."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 16, generator=drawn)
    one = 1.5 * x[:, 1] + x[:, 2].abs() - x[:, 3] - 0.8
    two = x[:, 4] - 1.5 * x[:, 5] + x[:, 6].abs() - 0.8
    return x, (torch.where(x[:, 0] > 0, one, two) > 0).long()


def sparsemax(x: Any) -> Any:
    """Return the nearest point to each row on the simplex (Martins and Astudillo, 2016)."""
    import torch

    ordered = x.sort(1, descending=True).values
    above = ordered.cumsum(1) - 1
    rank = torch.arange(1, x.shape[1] + 1)
    kept = (ordered * rank > above).sum(1, keepdim=True)
    return (x - above.gather(1, kept - 1) / kept).clamp(min=0)


def make_tabnet(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Gated(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.map = nn.Linear(inputs, 4 * width, bias=False)
            self.norm = nn.BatchNorm1d(4 * width)

        def forward(self, x: Any) -> Any:
            return nn.functional.glu(self.norm(self.map(x)), 1)

    class TabNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.shared = nn.BatchNorm1d(16), Gated(16)
            self.steps = nn.ModuleList(Gated(2 * width) for _ in range(4))
            self.pick = nn.ModuleList(nn.Linear(width, 16, bias=False) for _ in range(3))
            self.norms = nn.ModuleList(nn.BatchNorm1d(16) for _ in range(3))
            self.leave = nn.Linear(width, 2)

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = self.norm(x)
            left = torch.ones_like(x)
            told, spread = torch.zeros(len(x), width), torch.zeros(())
            known = self.step(0, x)[:, width:]
            for number in range(3):
                mask = sparsemax(left * self.norms[number](self.pick[number](known)))
                left = left * (1.3 - mask)
                spread = spread - (mask * (mask + 1e-10).log()).sum(1).mean() / 3
                out, known = self.step(number + 1, mask * x).chunk(2, 1)
                told = told + out.relu()
            return self.leave(told), spread

        def step(self, number: int, x: Any) -> Any:
            x = self.shared(x)
            return (x + self.steps[number](x)) * 0.5**0.5

    torch.manual_seed(1509)
    model = TabNet()
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def train_tabnet(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = switched(4000, 1)
    model.train()
    for batch in data_a.batches(len(x), 128, 300):
        told, spread = model(x[batch])
        descend(optimizer, functional.cross_entropy(told, y[batch]) + 1e-3 * spread, recorder)


def score_tabnet(model: Any) -> float:
    import torch

    x, y = switched(1000, 2)
    model.eval()
    with torch.no_grad():
        return (model(x)[0].argmax(1) == y).float().mean().item()


# Hares and lynxes: growth and death are known, and are buffers; how they meet is a net that starts
# at 0 and is learned through the solver. The horizon grows from 2 to 15 points, and so the task.


def make_hares(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Hares(nn.Module):
        rates: Any

        def __init__(self) -> None:
            super().__init__()
            self.meet = nn.Sequential(
                nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
            )
            self.read = nn.Linear(width, 2)
            nn.init.zeros_(self.read.weight)
            nn.init.zeros_(self.read.bias)
            self.register_buffer("rates", torch.tensor([1.3, -1.8]))

        def forward(self, start: Any, points: int) -> Any:
            """Return both numbers of animals at so many points, a tenth of a year apart."""
            way, now = [], start
            for _ in range(points):
                half = now + 0.05 * self.speed(now)
                now = now + 0.1 * self.speed(half)
                way.append(now)
            return torch.stack(way, 1)

        def speed(self, now: Any) -> Any:
            return self.rates * now + self.read(self.meet(now))

    torch.manual_seed(1510)
    model = Hares()
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


@cache
def years(count: int, seed: int) -> tuple[Any, Any]:
    """Return numbers of hares and lynxes (n, 2) and what becomes of them (n, 30, 2)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    start = 0.5 + 2 * torch.rand(count, 2, generator=drawn)
    hares, lynxes = start.T
    way = []
    for step in range(3000):
        met = 0.9 * hares * lynxes
        hares, lynxes = hares + 1e-3 * (1.3 * hares - met), lynxes + 1e-3 * (met - 1.8 * lynxes)
        if step % 100 == 99:
            way.append(torch.stack([hares, lynxes], 1))
    way = torch.stack(way, 1)
    return start, way + 0.02 * torch.randn(way.shape, generator=drawn)


def train_hares(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    start, way = years(300, 1)
    for step, batch in enumerate(data_a.batches(len(start), 32, 280)):
        points = 2 + step // 20
        told = model(start[batch], points)
        descend(optimizer, functional.mse_loss(told, way[batch, :points]), recorder)


def score_hares(model: Any) -> float:
    """Return how much of three years is explained, twice what was ever trained on."""
    import torch

    start, way = years(100, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(start, 30).nan_to_num(), way))


MEMBERS = [
    Member(
        name="fresh13-maml-40-waves",
        family="MAML",
        make=make_maml,
        train=train_maml,
        score=score_maml,
        learned=0.6,
    ),
    Member(
        name="fresh13-spins-48-energy",
        family="neural quantum state",
        make=make_spins,
        train=train_spins,
        score=score_spins,
        learned=0.9,
    ),
    Member(
        name="fresh13-egnn-32-charged-bodies",
        family="EGNN",
        make=make_bodies,
        train=train_bodies,
        score=score_bodies,
        learned=0.8,
    ),
    Member(
        name="fresh13-qmix-48-team",
        family="QMIX",
        make=make_team,
        train=train_team,
        score=score_team,
        learned=0.7,
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh13-events-32-milliseconds",
        family="point process",
        make=make_events,
        train=train_events,
        score=score_events,
        learned=0.5,
    ),
    Member(
        name="fresh13-convex-64-weights-kept-above-0",
        family="input-convex net",
        make=make_convex,
        train=train_convex,
        score=score_convex,
        learned=0.7,
    ),
    Member(
        name="fresh13-table-64-prodigy",
        family="periodic embeddings",
        make=make_table,
        train=train_table,
        score=score_table,
        learned=0.7,
    ),
    Member(
        name="fresh13-private-32-patients",
        family="DP-SGD",
        make=make_private,
        train=train_private,
        score=score_private,
        learned=0.85,
    ),
    Member(
        name="fresh13-tabnet-24-switched",
        family="TabNet",
        make=make_tabnet,
        train=train_tabnet,
        score=score_tabnet,
        learned=0.75,
    ),
    Member(
        name="fresh13-hares-24-longer-years",
        family="universal differential equation",
        make=make_hares,
        train=train_hares,
        score=score_hares,
        learned=0.7,
    ),
]
