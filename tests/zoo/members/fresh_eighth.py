"""An eighth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_eighth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine.

=============================  =====  ====  =======
training                       start  end   seconds
=============================  =====  ====  =======
siglip-48-captions             .137   .977  4.1
vgae-32-neighbours             .837   .986  2.2
schnet-32-clusters-forces      -.904  .999  5.4
beit-48-digits-rates-by-block  .108   .839  7.6
quantized-16-digits-four-bits  .101   .965  3.4
turner-64-longer-rows          .038   .987  7.6
critic-64-carried-clouds       -.011  .935  2.7
membrane-24-ritz-lbfgs         .002   .999  5.4
example-32-digits-adadelta     .065   .950  3.6
tree-5-digits-wrong-labels     .108   .936  3.5
=============================  =====  ====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import score_digits, train_digits
from tests.zoo.members.fresh_fourth import descend

MOVING = {"objective": "moving"}

# Pictures and captions under SigLIP's loss: each pair is a yes or a no of its own, and the bias
# that all pairs share starts at -10, as one pair in a batch is a yes.


@cache
def captions(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return digits (count, 1, 8, 8), captions (count, 6) that name them, and which digits."""
    import torch

    from tests.zoo import data_b

    x, y, test_x, test_y = data_b.digits()
    x, y = (x, y) if seed == 1 else (test_x, test_y)
    drawn = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(y), (count,), generator=drawn)
    words = torch.randint(30, 60, (count, 6), generator=drawn)
    named = 3 * y[chosen] + torch.randint(3, (count,), generator=drawn)
    place = torch.randint(6, (count,), generator=drawn)
    words[torch.arange(count), place] = named
    return x[chosen], words, y[chosen]


def make_siglip(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = nn.Sequential(
                nn.Conv2d(1, 24, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(24, width, 3, stride=2, padding=1),
                nn.GELU(),
                nn.Flatten(),
                nn.Linear(16 * width, width),
            )
            self.words = nn.Embedding(60, width)
            self.caption = nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            self.leave = nn.Linear(width, width)
            self.log_scale = nn.Parameter(torch.tensor(10.0).log())
            self.bias = nn.Parameter(torch.tensor(-10.0))

        def forward(self, pictures: Any, words: Any) -> Any:
            seen = self.picture(pictures)
            read = self.leave(self.caption(self.words(words)).mean(1))
            seen, read = (nn.functional.normalize(each, dim=1) for each in (seen, read))
            return self.log_scale.exp() * seen @ read.T + self.bias

    torch.manual_seed(1001)
    model = Towers()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95))


def train_siglip(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    pictures, words, _ = captions(4000, 1)
    sign = 2 * torch.eye(48) - 1
    for batch in data_a.batches(len(words), 48, 200):
        pairs = model(pictures[batch], words[batch])
        descend(optimizer, -functional.logsigmoid(sign * pairs).sum() / 48, recorder)


def score_siglip(model: Any) -> float:
    """Return how often a picture's nearest of 300 captions names its digit."""
    import torch

    pictures, words, digit = captions(300, 2)
    with torch.no_grad():
        nearest = model(pictures, words).argmax(1)
    return (digit[nearest] == digit).float().mean().item()


# A variational graph autoencoder of PyTorch Geometric: the negative pairs are drawn anew in each
# step, and the loss stays near that of guessing.


def make_graph_autoencoder(*, width: int = 32) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torch import nn
    from torch_geometric.nn import VGAE, GCNConv

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = GCNConv(32, 2 * width)
            self.mean = GCNConv(2 * width, width)
            self.log_spread = GCNConv(2 * width, width)

        def forward(self, x: Any, edges: Any) -> tuple[Any, Any]:
            x = self.enter(x, edges).relu()
            return self.mean(x, edges), self.log_spread(x, edges)

    torch.manual_seed(1002)
    model = VGAE(Encoder())
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


@cache
def neighbours() -> tuple[Any, Any, Any, Any]:
    """Return 240 places' features (240, 32), links to learn from (2, n), links left out, no links.

    Two places are linked where they are near each other; the features tell the place in noise.
    """
    import torch

    drawn = torch.Generator().manual_seed(31)
    place = torch.rand(240, 2, generator=drawn)
    turns = 4 * torch.randn(2, 32, generator=drawn)
    x = (place @ turns + 6.28 * torch.rand(32, generator=drawn)).sin()
    x = x + 0.7 * torch.randn(240, 32, generator=drawn)
    near = torch.cdist(place, place) < 0.12
    once, apart = near.triu(1).nonzero().T, (~near).triu(1).nonzero().T
    once = once[:, torch.randperm(once.shape[1], generator=drawn)]
    apart = apart[:, torch.randperm(apart.shape[1], generator=drawn)]
    known = once[:, 150:]
    return x, torch.cat([known, known.flip(0)], 1), once[:, :150], apart[:, :150]


def train_graph_autoencoder(model: Any, optimizer: Any, recorder: Any) -> None:
    x, edges, _, _ = neighbours()
    model.train()
    for _ in range(200):
        z = model.encode(x, edges)
        descend(optimizer, model.recon_loss(z, edges) + model.kl_loss() / len(x), recorder)


def score_graph_autoencoder(model: Any) -> float:
    """Return how often a link that was left out gets more than a pair that is none."""
    import torch

    x, edges, asked, apart = neighbours()
    model.eval()
    with torch.no_grad():
        z = model.encode(x, edges)
        linked = model.decoder(z, asked, sigmoid=False)
        other = model.decoder(z, apart, sigmoid=False)
    return (linked[:, None] > other).float().mean().item()


# SchNet of PyTorch Geometric learns energies and, by their slopes, forces: the loss is a sum of two
# of unlike size, and the gradient goes through a gradient.


@cache
def clusters(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return clusters of six atoms: kinds (count, 6), places and forces (count, 6, 3), energies."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kinds = torch.randint(1, 3, (count, 6), generator=drawn)
    corners = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    places = 1.1 * corners + 0.12 * torch.randn(count, 6, 3, generator=drawn)
    places.requires_grad_()
    one, two = torch.triu_indices(6, 6, 1)
    apart = (places[:, one] - places[:, two]).norm(dim=2)
    rest = 1.2 + 0.2 * (kinds[:, one] + kinds[:, two] - 2)
    energies = ((1 - torch.exp(-1.2 * (apart - rest))) ** 2 - 1).sum(1)
    (slopes,) = torch.autograd.grad(energies.sum(), places)
    return kinds, places.detach(), -slopes, energies.detach()


def pairs_of_six(places: Any, number: Any) -> tuple[Any, Any]:
    """Return all pairs of atoms (2, n) of the same cluster, and how far apart they are."""
    same = (number[:, None] == number).fill_diagonal_(False)
    pairs = same.nonzero().T
    return pairs, (places[pairs[0]] - places[pairs[1]]).norm(dim=1)


def make_schnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torch_geometric.nn.models import SchNet

    torch.manual_seed(1003)
    model = SchNet(
        hidden_channels=32,
        num_filters=32,
        num_interactions=2,
        num_gaussians=16,
        cutoff=5.0,
        interaction_graph=pairs_of_six,
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3, amsgrad=True)


def pulled(model: Any, kinds: Any, places: Any, *, learning: bool) -> tuple[Any, Any]:
    """Return the energies (n,) and the forces (n, 6, 3) that the net tells."""
    import torch

    places = places.clone().requires_grad_()
    number = torch.arange(len(kinds)).repeat_interleave(6)
    energies = model(kinds.flatten(), places.view(-1, 3), number)[:, 0]
    (slopes,) = torch.autograd.grad(energies.sum(), places, create_graph=learning)
    return energies, -slopes


def train_schnet(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    kinds, places, forces, energies = clusters(800, 1)
    middle = energies.mean()
    model.train()
    for batch in data_a.batches(len(kinds), 16, 200):
        energy, force = pulled(model, kinds[batch], places[batch], learning=True)
        missed = (energy - energies[batch] + middle).square().mean()
        loss = 0.01 * missed + (force - forces[batch]).square().mean()
        descend(optimizer, loss, recorder)


def score_schnet(model: Any) -> float:
    kinds, places, forces, _ = clusters(100, 2)
    return explained(pulled(model, kinds, places, learning=False)[1], forces)


# BEiT of transformers, which knows digits that lie on their side, is fine-tuned to upright ones:
# each block nearer the pictures has 0.4 times the rate of the next, down to 1e-4.


def make_beit() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a, data_b

    data_a.allow_torchvision()
    from transformers import BeitConfig, BeitForImageClassification

    torch.manual_seed(1004)
    config = BeitConfig(
        image_size=16,
        patch_size=4,
        num_channels=1,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        num_labels=10,
        layer_scale_init_value=0.1,
        use_relative_position_bias=True,
        use_absolute_position_embeddings=True,
        drop_path_rate=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        out_indices=[1, 2, 3],
    )
    model = BeitForImageClassification(config)
    learner = torch.optim.AdamW(model.parameters(), lr=3e-3)
    x, y, *_ = data_b.digits(16)
    for batch in data_b.batches(len(y), 48, 150):
        learner.zero_grad()
        model(x[batch].rot90(1, (2, 3)), labels=y[batch]).loss.backward()
        learner.step()
    model.zero_grad()
    torch.nn.init.trunc_normal_(model.classifier.weight, std=0.02)
    torch.nn.init.zeros_(model.classifier.bias)
    return model, torch.optim.AdamW(layered(model, rate=4e-3, factor=0.4), weight_decay=0.05)


def layered(model: Any, *, rate: float, factor: float) -> list[dict[str, Any]]:
    """Return groups of parameters, with `factor` times less rate for each block down."""
    parts = [[*model.classifier.parameters(), *model.beit.pooler.parameters()]]
    parts += [list(block.parameters()) for block in reversed(model.beit.layers)]
    known = {id(p) for part in parts for p in part}
    parts.append([p for p in model.parameters() if id(p) not in known])
    return [{"params": part, "lr": rate * factor**depth} for depth, part in enumerate(parts)]


def train_beit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(16)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 150)
    model.train()
    for batch in data_b.batches(len(y), 32, 150, seed=3):
        told = model(x[batch]).logits
        descend(optimizer, functional.cross_entropy(told, y[batch], label_smoothing=0.1), recorder)
        scheduler.step()


def score_beit(model: Any) -> float:
    import torch

    from tests.zoo import data_b

    *_, x, y = data_b.digits(16)
    model.eval()
    with torch.no_grad():
        return (model(x).logits.argmax(1) == y).float().mean().item()


# Quantization-aware training with learned step sizes: weights and signals are rounded to 16 values
# in every forward pass, and the steps are bare numbers that learn at a thousandth of the gradient.


def make_quantized(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def rounded(x: Any, step: Any, low: int, high: int) -> Any:
        share = (x.numel() * high) ** -0.5
        step = (step - step * share).detach() + step * share
        scaled = (x / step).clamp(low, high)
        return ((scaled.round() - scaled).detach() + scaled) * step

    class Quantized(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer
            self.weight_step = nn.Parameter(2 * layer.weight.detach().abs().mean() / 7**0.5)
            self.signal_step = nn.Parameter(torch.tensor(0.1))

        def forward(self, x: Any) -> Any:
            x = rounded(x, self.signal_step, 0, 15)
            weight = rounded(self.layer.weight, self.weight_step, -8, 7)
            if isinstance(self.layer, nn.Linear):
                return nn.functional.linear(x, weight, self.layer.bias)
            return nn.functional.conv2d(
                x, weight, self.layer.bias, self.layer.stride, self.layer.padding
            )

    torch.manual_seed(1005)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        Quantized(nn.Conv2d(width, width, 3, padding=1)),
        nn.ReLU(),
        Quantized(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
        nn.ReLU(),
        nn.Flatten(),
        Quantized(nn.Linear(32 * width, 64)),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


# Rows of letters are turned round, read by an LSTM and written with attention; they grow from three
# letters to six and to nine, and the loss jumps each time.


def make_turner(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Turner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(17, width)
            self.read = nn.LSTM(width, width // 2, bidirectional=True, batch_first=True)
            self.write = nn.LSTM(width, width, batch_first=True)
            self.ask = nn.Linear(width, width, bias=False)
            self.mix = nn.Linear(2 * width, width)
            self.head = nn.Linear(width, 17)

        def forward(self, given: Any, before: Any) -> Any:
            seen, (last, _) = self.read(self.letters(given))
            start = torch.cat([last[0], last[1]], 1)[None]
            state, _ = self.write(self.letters(before), (start, torch.zeros_like(start)))
            look = (self.ask(state) @ seen.transpose(1, 2)).softmax(2)
            return self.head(torch.tanh(self.mix(torch.cat([state, look @ seen], 2))))

    torch.manual_seed(1006)
    model = Turner()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def turned_rows(count: int, length: int, drawn: Any) -> tuple[Any, Any, Any]:
    """Return rows of letters 1..16, what is written before each letter, and the rows turned."""
    import torch

    rows = torch.randint(1, 17, (count, length), generator=drawn)
    wanted = rows.flip(1)
    return rows, torch.cat([torch.zeros_like(rows[:, :1]), wanted[:, :-1]], 1), wanted


def train_turner(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(32)
    for step in range(300):
        given, before, wanted = turned_rows(64, 3 + 3 * (step // 100), drawn)
        told = model(given, before)
        loss = functional.cross_entropy(told.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_turner(model: Any) -> float:
    import torch

    given, before, wanted = turned_rows(300, 9, torch.Generator().manual_seed(33))
    with torch.no_grad():
        return (model(given, before).argmax(2) == wanted).float().mean().item()


# How far a cloud must be carried to become a wider one, by Kantorovich's dual with a penalty on the
# slope: the loss falls from fifty to below 0 and stays at minus the distance.


def make_critic(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1007)
    model = nn.Sequential(
        nn.Linear(8, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, 1),
    )
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3)


def train_critic(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(34)
    for _ in range(500):
        near, far = torch.randn(2, 128, 8, generator=drawn)
        far = 3 * far
        mixed = near.lerp(far, torch.rand(128, 1, generator=drawn)).requires_grad_()
        (slope,) = torch.autograd.grad(model(mixed).sum(), mixed, create_graph=True)
        penalty = (slope.norm(dim=1) - 1).square().mean()
        descend(optimizer, model(near).mean() - model(far).mean() + 50 * penalty, recorder)


def score_critic(model: Any) -> float:
    """Return 1 less the relative error of the distance, which is twice a mean length."""
    import torch

    drawn = torch.Generator().manual_seed(35)
    near, far = torch.randn(2, 4000, 8, generator=drawn)
    with torch.no_grad():
        told = (model(3 * far).mean() - model(near).mean()).item()
    return 1 - abs(told / (2 * near.norm(dim=1).mean().item()) - 1)


# The deep Ritz method: a membrane's energy is made as low as can be, which is below 0 and close to
# it, by L-BFGS, whose every step is many runs of the net.


def mesh(drawn: Any) -> tuple[Any, Any]:
    """Return a place in each of 24 by 24 squares (576, 2) and how a membrane is loaded there."""
    import torch

    corner = torch.arange(24) / 24
    places = torch.cartesian_prod(corner, corner) + torch.rand(576, 2, generator=drawn) / 24
    wave = (torch.pi * places[:, :1]).sin() * (2 * torch.pi * places[:, 1:]).sin()
    return places, 5 * torch.pi**2 * wave


def sagged(model: Any, places: Any) -> Any:
    """Return how far the membrane sags, which is 0 at the rim."""
    return (places * (1 - places)).prod(1, keepdim=True) * model(places)


def make_membrane(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1008)
    model = nn.Sequential(
        nn.Linear(2, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, 1),
    )
    return model, torch.optim.LBFGS(model.parameters(), max_iter=5, line_search_fn="strong_wolfe")


def train_membrane(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(37)

    def energy() -> Any:
        optimizer.zero_grad()
        sag = sagged(model, places)
        (slope,) = torch.autograd.grad(sag.sum(), places, create_graph=True)
        total = (slope.square().sum(1, keepdim=True) / 2 - load * sag).mean()
        total.backward()
        return total

    for _ in range(120):
        places, load = mesh(drawn)
        places.requires_grad_()
        recorder.log(loss=optimizer.step(energy).item())


def score_membrane(model: Any) -> float:
    import torch

    places, load = mesh(torch.Generator().manual_seed(38))
    with torch.no_grad():
        return explained(sagged(model, places), load / (5 * torch.pi**2))


# The net of PyTorch's example for MNIST, as it stands there: half of the signals dropped, Adadelta
# at a rate of 1 that falls to seven tenths in each epoch.


def make_example() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1009)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
        nn.LogSoftmax(1),
    )
    return model, torch.optim.Adadelta(model.parameters(), lr=1.0)


def train_example(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.7)
    model.train()
    for number, batch in enumerate(data_a.batches(len(x), 64, 252), 1):
        descend(optimizer, functional.nll_loss(model(x[batch]), y[batch]), recorder)
        if number % 21 == 0:
            scheduler.step()


# A soft decision tree: 31 gates share out each picture among 32 leaves, of which most see next to
# nothing in the end; a fifth of the labels is wrong.


def make_tree(*, depth: int = 5) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tree(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gates = nn.Linear(64, 2**depth - 1)
            self.leaves = nn.Parameter(torch.zeros(2**depth, 10))

        def forward(self, x: Any) -> tuple[Any, Any]:
            """Return logarithms of each label's chance and the gates' mean openings by level."""
            right = 3 * self.gates(x.flatten(1))
            share = torch.zeros(len(x), 1)
            opened = []
            for level in range(depth):
                gate = right[:, 2**level - 1 : 2 ** (level + 1) - 1]
                weight = share.exp()
                mean = (weight * gate.sigmoid()).sum(0) / weight.sum(0)
                opened.append(mean.clamp(1e-4, 1 - 1e-4))
                ways = [nn.functional.logsigmoid(-gate), nn.functional.logsigmoid(gate)]
                share = (share[..., None] + torch.stack(ways, 2)).flatten(1)
            told = share[..., None] + self.leaves.log_softmax(1)
            return told.logsumexp(1), opened

    torch.manual_seed(1010)
    model = Tree()
    return model, torch.optim.Adam(model.parameters(), lr=2e-2)


def train_tree(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    drawn = torch.Generator().manual_seed(36)
    other = torch.randint(10, y.shape, generator=drawn)
    y = torch.where(torch.rand(y.shape, generator=drawn) < 0.2, other, y)
    for batch in data_b.batches(len(y), 64, 400):
        told, opened = model(x[batch])
        even = sum(
            -(each.log() + (1 - each).log()).mean() / 2**level for level, each in enumerate(opened)
        )
        descend(optimizer, functional.nll_loss(told, y[batch]) + 0.05 * even, recorder)


def score_tree(model: Any) -> float:
    import torch

    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    with torch.no_grad():
        return (model(x)[0].argmax(1) == y).float().mean().item()


MEMBERS = [
    Member(
        name="fresh8-siglip-48-captions",
        family="SigLIP",
        make=make_siglip,
        train=train_siglip,
        score=score_siglip,
        learned=0.6,
    ),
    Member(
        name="fresh8-vgae-32-neighbours",
        family="VGAE",
        make=make_graph_autoencoder,
        train=train_graph_autoencoder,
        score=score_graph_autoencoder,
        learned=0.93,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh8-schnet-32-clusters-forces",
        family="SchNet",
        make=make_schnet,
        train=train_schnet,
        score=score_schnet,
        learned=0.7,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh8-beit-48-digits-rates-by-block",
        family="BEiT",
        make=make_beit,
        train=train_beit,
        score=score_beit,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh8-quantized-16-digits-four-bits",
        family="quantized net",
        make=make_quantized,
        train=train_digits,
        score=score_digits,
        learned=0.8,
    ),
    Member(
        name="fresh8-turner-64-longer-rows",
        family="LSTM with attention",
        make=make_turner,
        train=train_turner,
        score=score_turner,
        learned=0.6,
        watch=MOVING,
    ),
    Member(
        name="fresh8-critic-64-carried-clouds",
        family="Kantorovich critic",
        make=make_critic,
        train=train_critic,
        score=score_critic,
        learned=0.8,
    ),
    Member(
        name="fresh8-membrane-24-ritz-lbfgs",
        family="deep Ritz",
        make=make_membrane,
        train=train_membrane,
        score=score_membrane,
        learned=0.9,
    ),
    Member(
        name="fresh8-example-32-digits-adadelta",
        family="MNIST example",
        make=make_example,
        train=train_example,
        score=score_digits,
        learned=0.8,
    ),
    Member(
        name="fresh8-tree-5-digits-wrong-labels",
        family="soft decision tree",
        make=make_tree,
        train=train_tree,
        score=score_tree,
        learned=0.7,
    ),
]
