"""A third fresh batch, labelled before gradlab saw it: tables, points, fields, relations.

Twenty trainings, ten of them faulty, are here and in fresh_third_images and
fresh_third_sequences. Each function's defaults are the training without the fault.

Scores without gradlab, on a CPU: of the net at its start, with the fault, without it.

=====================================  ======  =====  =======
training                               start   fault  without
=====================================  ======  =====  =======
energy-64-blobs                        .544           .910
grids-32-picture                       -3.211         .984
complex-24-relations                   .040           1.000
byol-48-digits                         .536           .861
segformer-32-scenes                    .097           .862
capsules-8-digits                      .047           .981
cait-48-lion                           .083           .908
deberta-64-finetuned                   .164           .996
rezero-32-spirals                      .487    .654   .999
mamba-48-chains                        .037    .101   .712
table-32-strain-in-si-units            -.136   -1     .974
pointnet-48-clouds-anew-each-epoch     .082    .223   1.000
regnet-16-digits-loss-cut-off          .108    .114   .950
vdsr-24-gaussian-start                 -.077   .005   .614
whisper-48-fourth-argument             .083    .107   .998
fnet-64-rate-for-factor                .224    .328   1.000
gru-32-pulses-time-first               .357    .306   .997
eegnet-8-devices-apart                 .243    .225   1.000
=====================================  ======  =====  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained

# An energy-based model: low energy at the data, high where Langevin's walk ends.


def blobs(count: int, drawn: Any) -> Any:
    """Return points (count, 2) of five blobs on a circle."""
    import torch

    angle = 1.2566 * torch.randint(5, (count,), generator=drawn)
    middle = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    return middle + 0.25 * torch.randn(count, 2, generator=drawn)


def make_energy() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(503)
    model = nn.Sequential(
        nn.Linear(2, 64),
        nn.SiLU(),
        nn.Linear(64, 64),
        nn.SiLU(),
        nn.Linear(64, 1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=5e-3, betas=(0.0, 0.99))


def train_energy(model: Any, optimizer: Any, recorder: Any) -> None:
    """Walk 15 steps from places kept since the last time, of which one in ten starts anew."""
    import torch

    drawn = torch.Generator().manual_seed(14)
    places = 6 * torch.rand(1000, 2, generator=drawn) - 3
    for _ in range(400):
        chosen = torch.randint(1000, (100,), generator=drawn)
        walker = places[chosen]
        anew = torch.rand(100, 1, generator=drawn) < 0.1
        walker = torch.where(anew, 6 * torch.rand(100, 2, generator=drawn) - 3, walker)
        for _ in range(15):
            walker.requires_grad_()
            (slope,) = torch.autograd.grad(model(walker).sum(), walker)
            noise = 0.1 * torch.randn(walker.shape, generator=drawn)
            walker = (walker.detach() - 0.1 * slope.clamp(-1, 1) + noise).clamp(-3, 3)
        places[chosen] = walker
        energies = model(torch.cat([blobs(100, drawn), walker])).squeeze(1)
        real, dreamt = energies.chunk(2)
        loss = real.mean() - dreamt.mean() + 0.05 * energies.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_energy(model: Any) -> float:
    """Return how often a point of the data has less energy than one drawn evenly."""
    import torch

    drawn = torch.Generator().manual_seed(15)
    real = blobs(400, drawn)
    other = 6 * torch.rand(400, 2, generator=drawn) - 3
    with torch.no_grad():
        return (model(real) < model(other).T).float().mean().item()


# A picture in hashed grids of several meshes, whose entries start at 1e-4.


def picture(place: Any) -> Any:
    """Return the brightness (n,) at places (n, 2) of 0..1: waves, and a disc with a sharp rim."""
    import torch

    x, y = place.unbind(1)
    inside = (x - 0.6).square() + (y - 0.4).square() < 0.06
    return torch.where(inside, 0.9, 0.4 + 0.3 * torch.sin(25 * x) * torch.cos(18 * y))


def make_grids() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class HashedGrids(nn.Module):
        def __init__(self, rows: int = 1024) -> None:
            super().__init__()
            self.meshes = (4, 8, 16, 32, 64)
            self.tables = nn.ModuleList(nn.Embedding(rows, 2) for _ in self.meshes)
            for table in self.tables:
                nn.init.uniform_(table.weight, -1e-4, 1e-4)
            self.net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))

        def read(self, table: Any, mesh: int, place: Any) -> Any:
            scaled = place * mesh
            corner = scaled.floor().long()
            part = scaled - corner
            total: Any = 0.0
            for down in (0, 1):
                for across in (0, 1):
                    at = corner + torch.tensor([down, across])
                    row = (at[:, 0] ^ (at[:, 1] * 2654435761)) % table.num_embeddings
                    near = (1 - part + (2 * part - 1) * torch.tensor([down, across])).prod(1)
                    total = total + near[:, None] * table(row)
            return total

        def forward(self, place: Any) -> Any:
            pairs = zip(self.tables, self.meshes, strict=True)
            found = [self.read(table, mesh, place) for table, mesh in pairs]
            return self.net(torch.cat(found, 1)).squeeze(1)

    torch.manual_seed(506)
    model = HashedGrids()
    return model, torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.99), eps=1e-15)


def train_grids(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(17)
    for _ in range(400):
        place = torch.rand(512, 2, generator=drawn)
        loss = functional.mse_loss(model(place), picture(place))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_grids(model: Any) -> float:
    import torch

    place = torch.rand(2000, 2, generator=torch.Generator().manual_seed(18))
    with torch.no_grad():
        return explained(model(place), picture(place))


# ReZero: twenty blocks whose branches have a gain of their own that starts at 0.


def spirals(count: int, seed: int) -> tuple[Any, Any]:
    """Return places (count, 2) on two noisy spirals, and which spiral each is on."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    which = torch.randint(2, (count,), generator=drawn)
    turn = 8 * torch.rand(count, generator=drawn).sqrt()
    angle = turn + torch.pi * which
    place = turn[:, None] / 4 * torch.stack([angle.cos(), angle.sin()], 1)
    return place + 0.03 * torch.randn(count, 2, generator=drawn), which


def make_rezero(*, registered: bool = True) -> tuple[Any, Any]:
    """Build it; unless `registered` the gains are tensors, which no optimizer gets."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.up = nn.Linear(width, width)
            self.down = nn.Linear(width, width)
            if registered:
                self.gain = nn.Parameter(torch.zeros(1))
            else:
                self.gain = torch.zeros(1, requires_grad=True)

        def forward(self, x: Any) -> Any:
            return x + self.gain * self.down(torch.relu(self.up(x)))

    class ReZero(nn.Module):
        def __init__(self, width: int = 32) -> None:
            super().__init__()
            self.stem = nn.Linear(2, width)
            self.blocks = nn.ModuleList(Block(width) for _ in range(20))
            self.head = nn.Linear(width, 2)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    torch.manual_seed(507)
    model = ReZero()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_rezero(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y = spirals(2000, 1)
    for batch in data_c.batches(len(y), 64, 400):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_rezero(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *spirals(1000, 2))


# ComplEx of torch_geometric: entities and relations, with sparse gradients.


@cache
def triples() -> tuple[Any, Any]:
    """Return triples (240, 3) of 60 entities and 4 relations in a mixed order; 40 held out."""
    import torch

    head = torch.arange(60)
    group = head % 6
    other = head // 6
    tails = [
        group + 6 * ((other + 1) % 10),
        (group + 1) % 6 + 6 * other,
        (5 - group) + 6 * other,
        group + 6 * ((other + 5) % 10),
    ]
    every = [torch.stack([head, torch.full_like(head, r), t], 1) for r, t in enumerate(tails)]
    mixed = torch.cat(every)[torch.randperm(240, generator=torch.Generator().manual_seed(19))]
    return mixed[:200], mixed[200:]


def make_complex() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric.nn.kge import ComplEx

    torch.manual_seed(508)
    model = ComplEx(60, 4, 24, sparse=True)
    return model, torch.optim.SparseAdam(list(model.parameters()), lr=1e-2)


def train_complex(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_c

    known, _ = triples()
    torch.manual_seed(20)
    for batch in data_c.batches(len(known), 50, 600):
        loss = model.loss(*known[batch].T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_complex(model: Any) -> float:
    """Return how often the tail of a known triple is among the three likeliest of sixty."""
    import torch

    known, _ = triples()
    every = torch.arange(60)
    right = 0
    with torch.no_grad():
        for head, relation, tail in known.tolist():
            chances = model(every * 0 + head, every * 0 + relation, every)
            right += tail in chances.topk(3).indices.tolist()
    return right / len(known)


# FT-Transformer: the strain of a beam from six numbers; as it comes, in metres per metre.


@cache
def beams(count: int, seed: int) -> tuple[Any, Any]:
    """Return six standardized numbers (count, 6) of a beam and its strain in millionths."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=drawn)
    strain = 0.8 * x[:, 0] + 0.6 * x[:, 1] * x[:, 2] - 0.5 * x[:, 3].abs()
    return x, strain + 0.5 * torch.sin(2 * x[:, 4]) + 0.1 * torch.randn(count, generator=drawn)


def make_table(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class TableTransformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.randn(6, width) / width**0.5)
            self.shift = nn.Parameter(torch.randn(6, width) / width**0.5)
            self.whole = nn.Parameter(torch.randn(1, 1, width) / width**0.5)
            layer = nn.TransformerEncoderLayer(
                width,
                4,
                64,
                dropout=0.0,
                batch_first=True,
                norm_first=True,
            )
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))

        def forward(self, x: Any) -> Any:
            tokens = x[:, :, None] * self.scale + self.shift
            tokens = torch.cat([self.whole.expand(len(x), -1, -1), tokens], 1)
            return self.head(self.body(tokens)[:, 0]).squeeze(1)

    torch.manual_seed(522)
    model = TableTransformer()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-5)


def train_table(model: Any, optimizer: Any, recorder: Any, *, unit: float = 1.0) -> None:
    """Train it on strains in millionths times `unit`."""
    from torch.nn import functional

    from tests.zoo import data_c

    x, strain = beams(3000, 1)
    y = unit * strain
    for batch in data_c.batches(len(y), 64, 400):
        loss = functional.mse_loss(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_table(model: Any, *, unit: float = 1.0) -> float:
    """Return the share of the variance explained; the worst is put down as -1."""
    import torch

    x, strain = beams(600, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(x) / unit, strain))


# PointNet on clouds of points; its weights are drawn anew at the start of every epoch.


@cache
def clouds(count: int, seed: int) -> tuple[Any, Any]:
    """Return clouds (count, 48, 3) on a ball, in a cube, on a disc or along a line, turned."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(4, (count,), generator=drawn)
    points = torch.randn(count, 48, 3, generator=drawn)
    ball = points / points.norm(dim=2, keepdim=True)
    cube = 1.6 * torch.rand(count, 48, 3, generator=drawn) - 0.8
    disc = ball * torch.tensor([1.0, 1.0, 0.1])
    line = ball * torch.tensor([1.0, 0.15, 0.15])
    every = torch.stack([ball, cube, disc, line])[kind, torch.arange(count)]
    turned, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=drawn))
    return every @ turned + 0.05 * torch.randn(count, 48, 3, generator=drawn), kind


def make_pointnet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class PointNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each = nn.Sequential(
                nn.Linear(3, 48),
                nn.ReLU(),
                nn.Linear(48, 48),
                nn.ReLU(),
                nn.Linear(48, 96),
            )
            self.whole = nn.Sequential(nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 4))

        def forward(self, cloud: Any) -> Any:
            return self.whole(self.each(cloud).amax(1))

    torch.manual_seed(523)
    model = PointNet()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_pointnet(model: Any, optimizer: Any, recorder: Any, *, anew: bool = False) -> None:
    """Train for 25 epochs of 15 batches; `anew` starts each with fresh weights."""
    from torch.nn import functional

    from tests.zoo import data_c

    x, kind = clouds(600, 1)
    for epoch in range(25):
        if anew:
            for module in model.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        for batch in data_c.batches(len(x), 40, 15, seed=epoch):
            loss = functional.cross_entropy(model(x[batch]), kind[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss.item())


def score_pointnet(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *clouds(600, 2))


REZERO = {"family": "ReZero", "train": train_rezero, "score": score_rezero, "learned": 0.85}
MOVING = {"objective": "moving"}

MEMBERS = [
    Member(
        name="fresh3-energy-64-blobs",
        family="Energy-based model",
        make=make_energy,
        train=train_energy,
        score=score_energy,
        learned=0.75,
        watch=MOVING,
    ),
    Member(
        name="fresh3-grids-32-picture",
        family="Hash grid",
        make=make_grids,
        train=train_grids,
        score=score_grids,
        learned=0.8,
    ),
    Member(name="fresh3-rezero-32-spirals", make=make_rezero, **REZERO),
    Member(
        name="fresh3-rezero-32-spirals-gains-unregistered",
        make=partial(make_rezero, registered=False),
        fault="the blocks' gains of 0 are tensors and no parameters: no block gets a gradient",
        root=("GL105",),
        symptoms=("GL101", "GL302", "GL305", "GL402"),
        where="blocks",
        counterpart="fresh3-rezero-32-spirals",
        **REZERO,
    ),
    Member(
        name="fresh3-complex-24-relations",
        family="ComplEx",
        make=make_complex,
        train=train_complex,
        score=score_complex,
        learned=0.6,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh3-table-32-strain-in-si-units",
        family="FT-Transformer",
        make=make_table,
        train=partial(train_table, unit=1e-6),
        score=partial(score_table, unit=1e-6),
        learned=0.6,
        fault="targets of a millionth, as SI units give them",
        root=("GL404",),
        symptoms=("GL302", "GL303", "GL304", "GL306", "GL401", "GL402"),
    ),
    Member(
        name="fresh3-pointnet-48-clouds-anew-each-epoch",
        family="PointNet",
        make=make_pointnet,
        train=partial(train_pointnet, anew=True),
        score=score_pointnet,
        learned=0.85,
        fault="reset_parameters stands inside the loop over epochs",
        root=("GL308",),
        symptoms=("GL103", "GL401", "GL402"),
    ),
]
