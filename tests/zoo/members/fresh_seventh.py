"""A seventh fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_seventh_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

=============================  =======  ======  =======
training                       start    end     seconds
=============================  =======  ======  =======
mambaout-digits-autocast       .136     .911    7.3
mpnet-48-topics-biases-only    .177     .835    5.7
reformer-48-chains-reversible  .026     .499    8.1
infomax-48-communities         .511     .986    2.0
implicit-q-64-mass-offline     -91.705  -2.828  3.1
scores-96-ring-of-blobs        .044     .898    1.4
barlow-24-digits-summed        .622     .836    5.7
hamiltonian-64-pendulum        .025     .998    1.0
picker-16-quakes-focal         .287     1.000   3.8
gflow-64-grid                  .281     .953    5.1
=============================  =======  ======  =======
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fourth import descend, foretold

MOVING = {"objective": "moving"}

# MambaOut of timm under bfloat16 autocast; heavy dropout before the head, steps of two batches.


def make_mambaout() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    import timm

    torch.manual_seed(901)
    model = timm.create_model("test_mambaout", num_classes=10, in_chans=1, drop_rate=0.6)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def train_mambaout(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(32)
    model.train()
    for number, batch in enumerate(data_b.batches(len(y), 16, 220)):
        with torch.autocast("cpu", torch.bfloat16):
            told = model(x[batch])
        loss = functional.cross_entropy(told.float(), y[batch])
        (loss / 2).backward()
        if number % 2 == 1:
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss.item())


def score_mambaout(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *data_b.digits(32)[2:])


# MPNet of transformers learns other topics by its biases and a new head; all matrices rest.


def make_mpnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import MPNetConfig, MPNetForSequenceClassification

    torch.manual_seed(902)
    config = MPNetConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=40,
        num_labels=6,
        pad_token_id=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = MPNetForSequenceClassification(config)
    learner = torch.optim.AdamW(model.parameters(), lr=2e-3)
    words, topic = data_a.topics(1500, 1)
    for batch in data_a.batches(len(words), 32, 120):
        learner.zero_grad()
        model(input_ids=words[batch], labels=topic[batch]).loss.backward()
        learner.step()
    model.zero_grad()
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("classifier") or name.endswith("bias"))
    for layer in (model.classifier.dense, model.classifier.out_proj):
        layer.reset_parameters()
    return model, torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=4e-3)


def train_mpnet(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(1500, 2, language=8, spread=1.5)
    model.train()
    for batch in data_a.batches(len(words), 32, 250):
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_mpnet(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(400, 3, language=8, spread=1.5)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == topic).float().mean().item()


# Reformer of transformers: its blocks are turned back, so the gradient is made inside a backward
# of its own, and its attention looks words up by hashes that are drawn anew.


def make_reformer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ReformerConfig, ReformerModelWithLMHead

    torch.manual_seed(903)
    config = ReformerConfig(
        vocab_size=32,
        hidden_size=48,
        attention_head_size=24,
        num_attention_heads=2,
        feed_forward_size=96,
        attn_layers=["local", "lsh", "local"],
        is_decoder=True,
        axial_pos_embds=False,
        max_position_embeddings=32,
        local_attn_chunk_length=8,
        lsh_attn_chunk_length=8,
        num_buckets=2,
        num_hashes=1,
        hidden_dropout_prob=0.0,
        local_attention_probs_dropout_prob=0.0,
        lsh_attention_probs_dropout_prob=0.0,
    )
    model = ReformerModelWithLMHead(config)
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train_reformer(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words = data_a.chains(1500, 24, 1)
    model.train()
    for batch in data_a.batches(len(words), 16, 150):
        given = words[batch]
        descend(optimizer, model(input_ids=given, labels=given).loss, recorder)


def score_reformer(model: Any) -> float:
    from tests.zoo import data_a

    return foretold(model, data_a.chains(200, 24, 2))


# Deep Graph Infomax of PyTorch Geometric: true nodes against shuffled ones; no label anywhere.


def make_infomax(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torch import nn
    from torch_geometric.nn import DeepGraphInfomax, GCNConv

    from tests.zoo.members.graphs import communities

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = GCNConv(communities().x.shape[1], width)
            self.bend = nn.PReLU(width)

        def forward(self, x: Any, edges: Any) -> Any:
            return self.bend(self.conv(x, edges))

    def shuffled(x: Any, edges: Any) -> tuple[Any, Any]:
        return x[torch.randperm(len(x))], edges

    torch.manual_seed(904)
    model = DeepGraphInfomax(
        width,
        encoder=Encoder(),
        summary=lambda z, *_: z.mean(0).sigmoid(),
        corruption=shuffled,
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def train_infomax(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo.members.graphs import communities

    graph = communities()
    model.train()
    for _ in range(250):
        descend(optimizer, model.loss(*model(graph.x, graph.edge_index)), recorder)


def score_infomax(model: Any) -> float:
    """Return how often a true node is taken for one, and a shuffled one is not."""
    import torch

    from tests.zoo.members.graphs import communities

    graph = communities()
    torch.manual_seed(905)
    with torch.no_grad():
        true, false, summary = model(graph.x, graph.edge_index)
        right = model.discriminate(true, summary) > 0.5
        wrong = model.discriminate(false, summary) > 0.5
    return ((right.float().mean() + 1 - wrong.float().mean()) / 2).item()


# Implicit Q-learning from another's random steps: three losses, one of which is a quantile's kin.


@cache
def wandering() -> tuple[Any, Any, Any, Any]:
    """Return states, forces, rewards and next states of masses that are pushed at random."""
    import torch

    from tests.zoo.members.control import Masses

    drawn = torch.Generator().manual_seed(11)
    seen: list[Any] = []
    for start in range(20):
        masses = Masses(64, 200 + start)
        for _ in range(8):
            state = masses.state
            force = 2 * torch.rand(64, 1, generator=drawn) - 1
            reward = masses.step(force[:, 0])
            seen.append((state, force, reward[:, None], masses.state))
    first, second, third, fourth = (torch.cat(each) for each in zip(*seen, strict=True))
    return first, second, third, fourth


def make_implicit(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def net(inputs: int) -> Any:
        return nn.Sequential(
            nn.Linear(inputs, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 1),
        )

    torch.manual_seed(906)
    agent = nn.ModuleDict({"actor": net(2), "value": net(2), "critic": net(3)})
    return agent, torch.optim.Adam(agent.parameters(), lr=2e-3)


def train_implicit(agent: Any, optimizer: Any, recorder: Any) -> None:
    import copy

    import torch

    from tests.zoo import data_a

    data = wandering()
    slow = copy.deepcopy(agent["critic"]).requires_grad_(False)
    for batch in data_a.batches(len(data[0]), 128, 700):
        state, force, reward, after = (each[batch] for each in data)
        value = agent["value"](state)
        over = slow(torch.cat([state, force], 1)) - value
        expectile = torch.where(over > 0, 0.8, 0.2) * over.square()
        goal = reward + 0.9 * agent["value"](after).detach()
        wrong = agent["critic"](torch.cat([state, force], 1)) - goal
        weight = (6 * over.detach()).exp().clamp(max=20)
        copied = weight * (agent["actor"](state) - force).square()
        descend(optimizer, (expectile + wrong.square() + copied).mean(), recorder)
        with torch.no_grad():
            for old, new in zip(slow.parameters(), agent["critic"].parameters(), strict=True):
                old.lerp_(new, 0.02)


def score_implicit(agent: Any) -> float:
    from tests.zoo.members.control import rest

    return rest(lambda state: agent["actor"](state)[:, 0].clamp(-1, 1))


# A score-based model: noise of ten sizes is to be told; most of it cannot be, so the loss stays
# high.


def rings(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return points (count, 2) near five places of a circle, and the places (5, 2)."""
    import torch

    angle = 6.2832 * torch.arange(5) / 5
    places = torch.stack([angle.cos(), angle.sin()], 1)
    chosen = torch.randint(5, (count,), generator=drawn)
    return places[chosen] + 0.1 * torch.randn(count, 2, generator=drawn), places


def make_scores(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(907)
    model = nn.Sequential(
        nn.Linear(3, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, 2),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def noise_in(model: Any, x: Any, size: Any) -> Any:
    """Return the noise of deviation `size` (n, 1) that is taken to be in `x`, in units of it."""
    import torch

    return model(torch.cat([x / (size**2 + 0.5).sqrt(), size.log()], 1))


def train_scores(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(12)
    sizes = 2.0 * 0.02 ** (torch.arange(10) / 9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 700)
    for _ in range(700):
        x, _ = rings(256, drawn)
        size = sizes[torch.randint(10, (256, 1), generator=drawn)]
        noise = torch.randn(256, 2, generator=drawn)
        told = noise_in(model, x + size * noise, size)
        descend(optimizer, (told - noise).square().sum(1).mean(), recorder)
        scheduler.step()


def score_scores(model: Any) -> float:
    """Return the share of drawn points that come to lie within 0.3 of a place."""
    import torch

    drawn = torch.Generator().manual_seed(13)
    _, places = rings(1, drawn)
    x = 2 * torch.randn(500, 2, generator=drawn)
    sizes = 2.0 * 0.02 ** (torch.arange(51) / 50)
    with torch.no_grad():
        for large, small in pairwise(sizes):
            x = x + (small - large) * noise_in(model, x, large.expand(500, 1))
    return (torch.cdist(x, places).amin(1) < 0.3).float().mean().item()


# Barlow Twins: a loss near 64 that is a sum over pairs of features, on two views without labels.


def make_barlow(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(908)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * width, 96, bias=False),
        nn.BatchNorm1d(96),
        nn.ReLU(),
        nn.Linear(96, 64),
    )
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)


def train_barlow(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_b
    from tests.zoo.members.fresh_third_images import views

    x = data_b.digits()[0]
    drawn = torch.Generator().manual_seed(14)
    model.train()
    for batch in data_b.batches(len(x), 128, 200):
        first, second = (model(views(x[batch], drawn)) for _ in range(2))
        first = (first - first.mean(0)) / (first.std(0) + 1e-5)
        second = (second - second.mean(0)) / (second.std(0) + 1e-5)
        shared = first.T @ second / 128
        on = (shared.diagonal() - 1).square().sum()
        off = shared.square().sum() - shared.diagonal().square().sum()
        descend(optimizer, on + 0.02 * off, recorder)


def score_barlow(model: Any) -> float:
    """Return how often the nearest of the training images, by the net, has the same label."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_b
    from tests.zoo.members.fresh_third_images import views

    x, y, test_x, test_y = data_b.digits()
    drawn = torch.Generator().manual_seed(15)
    model.eval()
    with torch.no_grad():
        known = functional.normalize(model(views(x, drawn)), dim=1)
        asked = functional.normalize(model(views(test_x, drawn)), dim=1)
    return (y[(asked @ known.T).argmax(1)] == test_y).float().mean().item()


# A Hamiltonian net: its gradient by its inputs is the answer, so its last bias can never learn.


def swings(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return states (angle, speed) of a pendulum and how they change."""
    import torch

    state = (torch.rand(count, 2, generator=drawn) - 0.5) * torch.tensor([6.0, 4.0])
    return state, torch.stack([state[:, 1], -state[:, 0].sin()], 1)


def make_hamiltonian(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Hamiltonian(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.energy = nn.Sequential(
                nn.Linear(2, width),
                nn.Tanh(),
                nn.Linear(width, width),
                nn.Tanh(),
                nn.Linear(width, 1),
            )

        def forward(self, state: Any) -> Any:
            with torch.enable_grad():
                state = state.detach().requires_grad_()
                energy = self.energy(state).sum()
                (slope,) = torch.autograd.grad(energy, state, create_graph=True)
            return torch.stack([slope[:, 1], -slope[:, 0]], 1)

    torch.manual_seed(909)
    model = Hamiltonian()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_hamiltonian(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(16)
    for _ in range(350):
        state, change = swings(64, drawn)
        change = change + 0.1 * torch.randn(64, 2, generator=drawn)
        descend(optimizer, functional.mse_loss(model(state), change), recorder)


def score_hamiltonian(model: Any) -> float:
    import torch

    state, change = swings(500, torch.Generator().manual_seed(17))
    return explained(model(state).detach(), change)


# A picker of earthquakes' first waves: three samples in 128 count, so its bias starts at -4.6 and
# the focal loss is a few thousandths from the start.


@cache
def quakes(count: int, seed: int) -> tuple[Any, Any]:
    """Return seismograms (count, 1, 128) and the sample where the wave comes in."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    start = torch.randint(16, 100, (count, 1), generator=drawn)
    time = torch.arange(128) - start
    rate = 0.5 + 0.7 * torch.rand(count, 1, generator=drawn)
    wave = 2.5 * torch.exp(-time / 25.0) * torch.cos(rate * time) * (time >= 0)
    noise = torch.randn(count, 128, generator=drawn)
    return (wave + 0.4 * noise)[:, None], start[:, 0]


def make_picker(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Picker(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv1d(1, width, 7, padding=3)
            self.down = nn.Conv1d(width, 2 * width, 7, stride=4, padding=3)
            self.deep = nn.Conv1d(2 * width, 2 * width, 7, padding=3)
            self.up = nn.ConvTranspose1d(2 * width, width, 4, stride=4)
            self.leave = nn.Conv1d(2 * width, 1, 7, padding=3)
            nn.init.constant_(self.leave.bias, -4.6)

        def forward(self, x: Any) -> Any:
            wide = torch.relu(self.enter(x))
            deep = torch.relu(self.deep(torch.relu(self.down(wide))))
            return self.leave(torch.cat([wide, torch.relu(self.up(deep))], 1))[:, 0]

    torch.manual_seed(910)
    model = Picker()
    return model, torch.optim.RMSprop(model.parameters(), lr=2e-3)


def train_picker(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    waves, start = quakes(1500, 1)
    marks = ((torch.arange(128) - start[:, None]).abs() <= 1).float()
    for batch in data_a.batches(len(waves), 32, 300):
        told = model(waves[batch])
        missed = functional.binary_cross_entropy_with_logits(told, marks[batch], reduction="none")
        focus = 1 - torch.exp(-missed)
        share = torch.where(marks[batch] > 0, 0.75, 0.25)
        descend(optimizer, (share * focus**2 * missed).mean(), recorder)


def score_picker(model: Any) -> float:
    """Return how often the likeliest sample is within two of the right one."""
    import torch

    waves, start = quakes(400, 2)
    with torch.no_grad():
        return ((model(waves).argmax(1) - start).abs() <= 2).float().mean().item()


# A GFlowNet on a grid of 8 by 8: the squared gap of two logarithms falls from hundreds to nearly 0,
# and the logarithm of the sum is a bare number with a rate of its own.


def fortunes() -> Any:
    """Return what each field (8, 8) is worth: much near the corners, little elsewhere."""
    import torch

    off = (torch.arange(8) / 7 - 0.5).abs()
    corner = (off > 0.3)[:, None] & (off > 0.3)
    return 0.02 + 2.0 * corner.float()


def make_gflow(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Walker(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(16, width),
                nn.LeakyReLU(),
                nn.Linear(width, width),
                nn.LeakyReLU(),
                nn.Linear(width, 3),
            )
            self.log_sum = nn.Parameter(torch.zeros(()))

        def forward(self, place: Any) -> Any:
            """Return logarithms of the chances to go down, to go right and to stop."""
            told = self.net(nn.functional.one_hot(place, 8).flatten(1).float())
            edge = torch.cat([place == 7, torch.zeros(len(place), 1, dtype=torch.bool)], 1)
            return told.masked_fill(edge, -1e9).log_softmax(1)

    torch.manual_seed(911)
    model = Walker()
    groups = [
        {"params": list(model.net.parameters()), "lr": 2e-3},
        {"params": [model.log_sum], "lr": 0.1},
    ]
    return model, torch.optim.Adam(groups)


def train_gflow(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    worth = fortunes().log()
    drawn = torch.Generator().manual_seed(18)
    for _ in range(300):
        place = torch.zeros(32, 2, dtype=torch.long)
        going = torch.ones(32, dtype=torch.bool)
        gap = model.log_sum.expand(32)
        for _ in range(15):
            chances = model(place)
            mixed = 0.9 * chances.exp().detach() + 0.1 * (chances.detach() > -1e8)
            way = torch.multinomial(mixed, 1, generator=drawn)[:, 0]
            gap = gap + torch.where(going, chances.gather(1, way[:, None])[:, 0], 0.0)
            going = going & (way < 2)
            step = torch.nn.functional.one_hot(way, 3)[:, :2] * going[:, None]
            place = place + step
            back = ((place > 0).sum(1).clamp(min=1)).log()
            gap = gap + torch.where(going, back, 0.0)
            if not going.any():
                break
        gap = gap - worth[place[:, 0], place[:, 1]]
        descend(optimizer, gap.square().mean(), recorder)


def score_gflow(model: Any) -> float:
    """Return 1 less the distance of where walks end from where they ought to end."""
    import torch

    wanted = fortunes() / fortunes().sum()
    grid = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    with torch.no_grad():
        chances = model(grid).exp().view(8, 8, 3)
    here = torch.zeros(9, 9)
    here[0, 0] = 1.0
    ends = torch.zeros(8, 8)
    for row in range(8):
        for column in range(8):
            there = here[row, column] * chances[row, column]
            here[row + 1, column] += there[0]
            here[row, column + 1] += there[1]
            ends[row, column] = there[2]
    return 1 - (ends - wanted).abs().sum().item() / 2


MEMBERS = [
    Member(
        name="fresh7-mambaout-digits-autocast",
        family="MambaOut",
        make=make_mambaout,
        train=train_mambaout,
        score=score_mambaout,
        learned=0.7,
        needs=("timm",),
    ),
    Member(
        name="fresh7-mpnet-48-topics-biases-only",
        family="MPNet",
        make=make_mpnet,
        train=train_mpnet,
        score=score_mpnet,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh7-reformer-48-chains-reversible",
        family="Reformer",
        make=make_reformer,
        train=train_reformer,
        score=score_reformer,
        learned=0.3,
        needs=("transformers",),
    ),
    Member(
        name="fresh7-infomax-48-communities",
        family="Deep Graph Infomax",
        make=make_infomax,
        train=train_infomax,
        score=score_infomax,
        learned=0.75,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh7-implicit-q-64-mass-offline",
        family="implicit Q-learning",
        make=make_implicit,
        train=train_implicit,
        score=score_implicit,
        learned=-10,
        watch=MOVING,
    ),
    Member(
        name="fresh7-scores-96-ring-of-blobs",
        family="score matching",
        make=make_scores,
        train=train_scores,
        score=score_scores,
        learned=0.75,
    ),
    Member(
        name="fresh7-barlow-24-digits-summed",
        family="Barlow Twins",
        make=make_barlow,
        train=train_barlow,
        score=score_barlow,
        learned=0.75,
    ),
    Member(
        name="fresh7-hamiltonian-64-pendulum",
        family="Hamiltonian net",
        make=make_hamiltonian,
        train=train_hamiltonian,
        score=score_hamiltonian,
        learned=0.9,
    ),
    Member(
        name="fresh7-picker-16-quakes-focal",
        family="phase picker",
        make=make_picker,
        train=train_picker,
        score=score_picker,
        learned=0.7,
    ),
    Member(
        name="fresh7-gflow-64-grid",
        family="GFlowNet",
        make=make_gflow,
        train=train_gflow,
        score=score_gflow,
        learned=0.7,
    ),
]
