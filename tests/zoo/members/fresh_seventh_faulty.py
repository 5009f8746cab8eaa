"""A seventh fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_seventh.

Scores without gradlab, on a CPU: of the net at its start, with the fault, without it; seconds of
one core without it. The heading net's weights are NaN with its fault, and score 0.

=========================================  =======  =======  =======  =======
training                                   start    fault    without  seconds
=========================================  =======  =======  =======  =======
unrolled-24-digits-norm-shared             .149     .106     .987     7.8
bags-48-noisy-or-of-halves                 .493     .493     .993     1.2
dueling-64-mass-copied-backwards           -59.789  -59.789  -2.077   1.8
temporal-20-digits-normalized-late         .096     .096     .940     8.5
byob-digits-lars-at-adams-rate             .108     .117     .897     7.2
gine-48-whole-energies                     -1.000   -1.000   .982     3.1
states-48-letters-steps-of-1-to-10         .208     .242     1.000    3.5
bart-48-counting-root-of-width-multiplied  .004     .102     1.000    4.5
stacked-64-digits-sigmoids                 -.132    -.001    .783     .7
heading-64-drives-arc-cosine               -.286    nan      1.000    .6
=========================================  =======  =======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import score_digits, stack, train_digits
from tests.zoo.members.fresh_fourth import descend

MOVING = {"objective": "moving"}

# One residual block is run eight times; so is its BatchNorm, whose averages then mix the numbers of
# eight depths. Without the fault, each turn has a norm of its own.


def make_unrolled(*, width: int = 24, turns: int = 8, shared: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Unrolled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv2d(1, width, 3, padding=1)
            self.turn = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(1 if shared else turns))
            self.head = nn.Linear(16 * width, 10)

        def forward(self, x: Any) -> Any:
            state = self.enter(x)
            for number in range(turns):
                norm = self.norms[0 if shared else number]
                state = state + torch.relu(norm(self.turn(state)))
            pooled = nn.functional.avg_pool2d(state, 2)
            return self.head(pooled.flatten(1) / turns)

    torch.manual_seed(921)
    model = Unrolled()
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


# Bags of 200 specimens, one of which at most is ill: the chance that none is, is a product of 200
# halves, which float32 rounds to 0. Without the fault the last bias starts at -5.


@cache
def bags(count: int, seed: int) -> tuple[Any, Any]:
    """Return bags (count, 200, 6) and whether each holds some ill specimens."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 200, 6, generator=drawn)
    ill = torch.rand(count, generator=drawn) < 0.5
    shift = torch.tensor([2.5, -2.5, 2.5, 0.0, 0.0, 0.0])
    x[:, :6] += ill[:, None, None] * shift
    return x, ill.float()


def make_bag(*, width: int = 48, prior: float | None = -5.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.specimen = nn.Sequential(
                nn.Linear(6, width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Linear(width, 1),
            )
            if prior is not None:
                nn.init.constant_(self.specimen[-1].bias, prior)

        def forward(self, x: Any) -> Any:
            ill = self.specimen(x)[..., 0].sigmoid()
            return 1 - (1 - ill).prod(1)

    torch.manual_seed(922)
    model = Bag()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_bag(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, ill = bags(600, 1)
    for batch in data_a.batches(len(x), 32, 200):
        descend(optimizer, functional.binary_cross_entropy(model(x[batch]), ill[batch]), recorder)


def score_bag(model: Any) -> float:
    import torch

    x, ill = bags(300, 2)
    with torch.no_grad():
        return ((model(x) > 0.5) == (ill > 0.5)).float().mean().item()


# A dueling double DQN; the copy goes the wrong way: every twenty steps the net that learns gets the
# weights of the one that waits.


def make_dueling(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Dueling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
            )
            self.value = nn.Linear(width, 1)
            self.advantage = nn.Linear(width, 3)

        def forward(self, state: Any) -> Any:
            seen = self.trunk(state)
            over = self.advantage(seen)
            return self.value(seen) + over - over.mean(1, keepdim=True)

    torch.manual_seed(923)
    model = Dueling()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_dueling(model: Any, optimizer: Any, recorder: Any, *, backwards: bool = False) -> None:
    from copy import deepcopy

    import torch
    from torch.nn import functional

    from tests.zoo.members.control import Masses

    target = deepcopy(model).requires_grad_(False)
    drawn = torch.Generator().manual_seed(21)
    masses = Masses(8, 0)
    memory: list[Any] = []
    for step in range(600):
        if step % 40 == 0:
            masses = Masses(8, step)
        state = masses.state
        with torch.no_grad():
            best = model(state).argmax(1)
        other = torch.randint(3, (8,), generator=drawn)
        way = torch.where(torch.rand(8, generator=drawn) < max(0.1, 1 - step / 300), other, best)
        reward = masses.step(way - 1.0)
        memory.append((state, way, reward, masses.state))
        picked = torch.randint(len(memory), (12,), generator=drawn).tolist()
        rows = [memory[each] for each in picked]
        state, way, reward, after = (torch.cat(each) for each in zip(*rows, strict=True))
        with torch.no_grad():
            then = target(after).gather(1, model(after).argmax(1)[:, None])[:, 0]
        told = model(state).gather(1, way[:, None])[:, 0]
        descend(optimizer, functional.smooth_l1_loss(told, reward + 0.9 * then), recorder)
        if step % 20 == 19:
            source, sink = (target, model) if backwards else (model, target)
            sink.load_state_dict(source.state_dict())


def score_dueling(model: Any) -> float:
    from tests.zoo.members.control import rest

    return rest(lambda state: model(state).argmax(1) - 1.0)


# A temporal convolutional net reads digits pixel by pixel; its weights are normalized after the
# optimizer was made, which still holds the matrices that nobody uses any more.


def make_temporal(*, width: int = 20, late: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    class Block(nn.Module):
        def __init__(self, inputs: int, spacing: int) -> None:
            super().__init__()
            self.pad = 2 * spacing
            self.first = nn.Conv1d(inputs, width, 3, dilation=spacing)
            self.second = nn.Conv1d(width, width, 3, dilation=spacing)
            self.around = nn.Conv1d(inputs, width, 1)

        def forward(self, x: Any) -> Any:
            left = nn.functional.pad
            y = torch.relu(self.first(left(x, (self.pad, 0))))
            y = torch.relu(self.second(left(y, (self.pad, 0))))
            return torch.relu(y + self.around(x))

    class Temporal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [1] + [width] * 4
            self.blocks = nn.Sequential(*(Block(n, 2**k) for k, n in enumerate(sizes)))
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(x.flatten(2).squeeze(1)[:, None])[..., -1])

    def normalized() -> None:
        for layer in model.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                weight_norm(layer)

    torch.manual_seed(924)
    model = Temporal()
    if not late:
        normalized()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    if late:
        normalized()
    return model, optimizer


# A small net of timm's ByobNet under LARS, whose rates are about 1; here it has that of Adam.


def make_byob(*, rate: float = 2.0) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    import timm
    from timm.optim import Lars

    torch.manual_seed(925)
    model = timm.create_model("test_byobnet", num_classes=10, in_chans=1)
    return model, Lars(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)


def train_byob(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(16)
    model.train()
    for batch in data_b.batches(len(y), 32, 200):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_byob(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *data_b.digits(16)[2:])


# GINE of PyTorch Geometric tells molecules' energies; they are whole energies in electronvolts,
# near -11,600, from which those of the single atoms have not been taken off.

ATOMS = (-13.6, -1035.0, -1488.0, -2043.0)


@cache
def molecules(count: int, seed: int) -> tuple[list[Any], float]:
    """Return molecules with whole energies and their bonds', and the latter's spread."""
    import torch
    from torch_geometric.data import Data

    drawn = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        size = int(torch.randint(10, 15, (1,), generator=drawn))
        kind = torch.multinomial(torch.tensor([0.2, 0.6, 0.1, 0.1]), size, True, generator=drawn)
        parent = [int(torch.randint(n, (1,), generator=drawn)) for n in range(1, size)]
        pairs = torch.tensor([list(range(1, size)), parent])
        bond = torch.randint(2, (size - 1,), generator=drawn)
        polar = (kind[pairs[0]] - kind[pairs[1]]).abs().float()
        bonds = -(3.0 + 2.0 * bond + polar).sum()[None]
        energy = torch.tensor(ATOMS)[kind].sum() + bonds
        x = torch.nn.functional.one_hot(kind, 4).float()
        edges = torch.cat([pairs, pairs.flip(0)], 1)
        kinds = torch.nn.functional.one_hot(bond, 2).float().repeat(2, 1)
        made.append(Data(x=x, edge_index=edges, edge_attr=kinds, y=energy, bonds=bonds))
    energies = torch.cat([each.bonds for each in made])
    return made, energies.std().item()


def make_gine(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torch import nn
    from torch_geometric.nn import GINEConv, global_add_pool

    def net() -> Any:
        return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    class Energies(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.atoms = nn.Linear(4, width)
            self.layers = nn.ModuleList(GINEConv(net(), edge_dim=2) for _ in range(3))
            self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

        def forward(self, graph: Any) -> Any:
            x = self.atoms(graph.x)
            for layer in self.layers:
                x = torch.relu(layer(x, graph.edge_index, graph.edge_attr))
            return global_add_pool(self.head(x), graph.batch)[:, 0]

    torch.manual_seed(926)
    model = Energies()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_gine(model: Any, optimizer: Any, recorder: Any, *, raw: bool = False) -> None:
    from torch.nn import functional
    from torch_geometric.data import Batch

    from tests.zoo import data_a

    graphs, spread = molecules(600, 1)
    for chosen in data_a.batches(len(graphs), 32, 300):
        graph = Batch.from_data_list([graphs[each] for each in chosen.tolist()])
        wanted = graph.y if raw else graph.bonds / spread
        descend(optimizer, functional.mse_loss(model(graph), wanted), recorder)


def score_gine(model: Any, *, raw: bool = False) -> float:
    """Return the share of the bonds' variance that is told, at least -1."""
    import torch
    from torch_geometric.data import Batch

    _, spread = molecules(600, 1)
    graph = Batch.from_data_list(molecules(200, 2)[0])
    with torch.no_grad():
        told = model(graph)
    bonds = told - (graph.y - graph.bonds) if raw else told * spread
    return max(-1.0, explained(bonds, graph.bonds))


# Linear recurrent units, as in S4D: a state decays by exp(-step / 2) from one letter to the next.
# The steps are drawn between 1 and 10 and not between 0.001 and 0.1.


def firsts(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return rows (count, 40): a letter 0..3, then letters 4..9; and the first one of each."""
    import torch

    rows = torch.randint(4, 10, (count, 40), generator=drawn)
    rows[:, 0] = torch.randint(4, (count,), generator=drawn)
    return rows, rows[:, 0]


def make_linear_states(
    *, width: int = 48, steps: tuple[float, float] = (1e-3, 1e-1)
) -> tuple[Any, Any]:
    import math

    import torch
    from torch import nn

    class States(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            low, high = (math.log(each) for each in steps)
            self.log_step = nn.Parameter(low + (high - low) * torch.rand(width))
            self.enter = nn.Linear(width, width)
            self.leave = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            kept = torch.exp(-self.log_step.exp() / 2)
            pushed = self.enter(x) * (1 - kept)
            state = torch.zeros_like(pushed[:, 0])
            states = []
            for push in pushed.unbind(1):
                state = kept * state + push
                states.append(state)
            return x + nn.functional.gelu(self.leave(torch.stack(states, 1)))

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(10, width)
            self.layers = nn.ModuleList(States() for _ in range(2))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, 4)

        def forward(self, rows: Any) -> Any:
            x = self.letters(rows)
            for layer in self.layers:
                x = layer(x)
            return self.head(self.norm(x[:, -1]))

    torch.manual_seed(927)
    model = Reader()
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train_linear_states(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(22)
    for _ in range(250):
        rows, first = firsts(64, drawn)
        descend(optimizer, functional.cross_entropy(model(rows), first), recorder)


def score_linear_states(model: Any) -> float:
    import torch

    rows, first = firsts(500, torch.Generator().manual_seed(23))
    with torch.no_grad():
        return (model(rows).argmax(1) == first).float().mean().item()


# BART of transformers counts on from a digit by a step, both told, under the schedule of "Attention
# is all you need", whose rate is divided by the root of the width; here it is multiplied by it.


def counted(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return what is told (count, 6), a row that starts anew (count, 6), and that row's answer."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    first = torch.randint(10, (count, 1), generator=drawn)
    step = torch.randint(1, 4, (count, 1), generator=drawn)
    told = torch.cat([first + 3, (step + 12).expand(-1, 5)], 1)
    wanted = (first + step * torch.arange(6)) % 10 + 3
    return told, torch.cat([torch.ones_like(first), wanted[:, :-1]], 1), wanted


def make_bart() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(928)
    config = BartConfig(
        vocab_size=16,
        d_model=48,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=2,
        dropout=0.0,
        init_std=0.1,
    )
    model = BartForConditionalGeneration(config)
    return model, torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)


def train_bart(model: Any, optimizer: Any, recorder: Any, *, power: float = -0.5) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    def rate(step: int) -> float:
        return 0.2 * 48**power * min((step + 1) ** -0.5, (step + 1) * 60**-1.5)

    given, before, wanted = counted(4000, 1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    model.train()
    for batch in data_a.batches(len(given), 32, 200):
        told = model(input_ids=given[batch], decoder_input_ids=before[batch]).logits
        answer = wanted[batch].flatten()
        loss = functional.cross_entropy(told.flatten(0, 1), answer, label_smoothing=0.1)
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_bart(model: Any) -> float:
    import torch

    given, before, wanted = counted(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=given, decoder_input_ids=before).logits.argmax(2)
    return (told == wanted).float().mean().item()


# A stacked autoencoder of eight layers; sigmoid stands where tanh did.


@cache
def shades() -> tuple[Any, Any]:
    """Return digits as rows (n, 64) of 0 on average: to train on, to test."""
    from tests.zoo import data_a

    x, _, test_x, _ = data_a.digits()
    mean = x.mean(0)
    return (x - mean).flatten(1) / 0.3, (test_x - mean).flatten(1) / 0.3


def make_stacked(*, bend: str = "Tanh") -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(929)
    layers: list[Any] = []
    for fan_in, fan_out in pairwise((64, 48, 40, 32, 16, 32, 40, 48, 64)):
        layers += [nn.Linear(fan_in, fan_out), getattr(nn, bend)()]
    model = nn.Sequential(*layers[:-1])
    return model, torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)


def train_stacked(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, _ = shades()
    for batch in data_a.batches(len(x), 64, 400):
        descend(optimizer, functional.mse_loss(model(x[batch]), x[batch]), recorder)


def score_stacked(model: Any) -> float:
    import torch

    _, x = shades()
    with torch.no_grad():
        return explained(model(x), x)


# A net tells which way a car is heading; the angle by which it is wrong is the arc cosine of a
# product that rounding takes to 1, where the slope is infinite, or beyond.


def drives(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return the last four places of a car (count, 8) and its heading (count, 2) of length 1."""
    import torch

    angle = 6.2832 * torch.rand(count, 1, generator=drawn)
    heading = torch.cat([angle.cos(), angle.sin()], 1)
    speed = 0.8 + 0.4 * torch.rand(count, 1, 1, generator=drawn)
    places = speed * torch.arange(-3.0, 1.0)[:, None] * heading[:, None]
    return (places + 0.05 * torch.randn(count, 4, 2, generator=drawn)).flatten(1), heading


def make_heading(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(930)
    model = stack(8, width, width, 2)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_heading(model: Any, optimizer: Any, recorder: Any, *, cosine: bool = False) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(24)
    for _ in range(300):
        seen, heading = drives(64, drawn)
        told = functional.normalize(model(seen), dim=1)
        along = (told * heading).sum(1)
        across = told[:, 0] * heading[:, 1] - told[:, 1] * heading[:, 0]
        angle = torch.acos(along) if cosine else torch.atan2(across, along).abs()
        descend(optimizer, angle.mean(), recorder)


def score_heading(model: Any) -> float:
    """Return the mean cosine of the angle between what is told and the heading."""
    import torch
    from torch.nn import functional

    seen, heading = drives(500, torch.Generator().manual_seed(25))
    with torch.no_grad():
        told = functional.normalize(model(seen), dim=1).nan_to_num(0.0)
    return (told * heading).sum(1).mean().item()


MEMBERS = [
    Member(
        name="fresh7-unrolled-24-digits-norm-shared",
        family="recurrent residual net",
        make=partial(make_unrolled, shared=True),
        train=train_digits,
        score=score_digits,
        learned=0.75,
        fault="eight turns of a block share one BatchNorm, whose averages fit none of them",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh7-bags-48-noisy-or-of-halves",
        family="multiple instances",
        make=partial(make_bag, prior=None),
        train=train_bag,
        score=score_bag,
        learned=0.8,
        fault="1 less a product of 200 halves is 1 in float32: no gradient comes through",
        root=("GL106", "GL105"),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh7-dueling-64-mass-copied-backwards",
        family="dueling DQN",
        make=make_dueling,
        train=partial(train_dueling, backwards=True),
        score=score_dueling,
        learned=-10,
        fault="every twenty steps the waiting net's weights are copied into the one that learns",
        root=("GL308",),
        symptoms=("GL302", "GL402"),
        watch=MOVING,
    ),
    Member(
        name="fresh7-temporal-20-digits-normalized-late",
        family="weight-normalized TCN",
        make=partial(make_temporal, late=True),
        train=train_digits,
        score=score_digits,
        learned=0.7,
        fault="weight_norm after the optimizer was made: it holds none of the new parameters",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh7-byob-digits-lars-at-adams-rate",
        family="ByobNet",
        make=partial(make_byob, rate=2e-3),
        train=train_byob,
        score=score_byob,
        learned=0.7,
        fault="LARS, whose rates are about 1, at a rate of 0.002",
        root=("GL302", "GL312"),
        symptoms=("GL402",),
        needs=("timm",),
    ),
    Member(
        name="fresh7-gine-48-whole-energies",
        family="GINE",
        make=make_gine,
        train=partial(train_gine, raw=True),
        score=partial(score_gine, raw=True),
        learned=0.5,
        fault="targets are whole energies near -11,600, of which the bonds are some tens",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL302", "GL303", "GL304", "GL401", "GL402"),
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh7-states-48-letters-steps-of-1-to-10",
        family="linear recurrent unit",
        make=partial(make_linear_states, steps=(1.0, 10.0)),
        train=train_linear_states,
        score=score_linear_states,
        learned=0.7,
        fault="steps of 1 to 10, not of 0.001 to 0.1: a state forgets within two letters",
        root=("GL107",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh7-bart-48-counting-root-of-width-multiplied",
        family="BART",
        make=make_bart,
        train=partial(train_bart, power=0.5),
        score=score_bart,
        learned=0.7,
        fault="the schedule multiplies by the root of the width in place of dividing by it",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh7-stacked-64-digits-sigmoids",
        family="stacked autoencoder",
        make=partial(make_stacked, bend="Sigmoid"),
        train=train_stacked,
        score=score_stacked,
        learned=0.25,
        fault="seven sigmoids in a row, each of which passes on a quarter at most",
        root=("GL101",),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh7-heading-64-drives-arc-cosine",
        family="heading net",
        make=make_heading,
        train=partial(train_heading, cosine=True),
        score=score_heading,
        learned=0.8,
        fault="the arc cosine of a product that rounding takes to 1 or beyond",
        root=("GL001",),
        symptoms=("GL102", "GL103"),
    ),
]
