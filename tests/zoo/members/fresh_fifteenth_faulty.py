"""A fifteenth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_fifteenth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it. The scores of the boat, the
sounds and the molecules count as -1 where they are lower or no number; the boat's weights are NaN
from step 160 of 400 on.

========================================  ======  ======  =======  =======
training                                  start   fault   without  seconds
========================================  ======  ======  =======  =======
phones-48-softmax-at-the-end              .030    .259    .997     2.8
landmarks-16-faces-in-pixels              -1.341  .387    .971     4.5
spectra-16-momentum-of-keras              -.015   -.363   .744     3.7
sac-64-boat-logarithm-of-0                .024    -1.000  .972     3.6
reader-32-warm-up-without-end             .000    .050    .980     5.2
efficientnet-digits-head-of-another-name  .192    .156    .916     5.4
esm-48-proteins-adam-with-decay-of-adamw  .059    .222    .848     6.4
wave-unet-16-sounds-never-emptied         -.444   -1.000  .755     4.4
molecules-48-matrices-by-randn            -.191   -1.000  .922     2.1
cells-16-files-sorted-by-name             .118    .000    .935     5.9
========================================  ======  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# A bidirectional LSTM says which of 48 phones each frame of a recording is of. Its last layer is a
# softmax, and cross-entropy takes another one.


@cache
def recordings(count: int, seed: int) -> tuple[Any, Any]:
    """Return frames (n, 24, 13) and their phones (n, 24); a phone lasts three frames."""
    import torch

    drawn = torch.Generator().manual_seed(174)
    sound = torch.randn(48, 13, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    phones = torch.randint(48, (count, 8), generator=drawn)
    # A phone's sound leans towards that of the next one.
    heard = sound[phones] + 0.3 * sound[phones.roll(-1, 1)]
    heard, phones = heard.repeat_interleave(3, 1), phones.repeat_interleave(3, 1)
    return heard + 0.4 * torch.randn(heard.shape, generator=drawn), phones


def make_phones(*, width: int = 48, softmax: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Phones(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(13, width, num_layers=2, batch_first=True, bidirectional=True)
            self.leave = nn.Linear(2 * width, 48)

        def forward(self, frames: Any) -> Any:
            told = self.leave(self.lstm(frames)[0])
            return told.softmax(-1) if softmax else told

    torch.manual_seed(1711)
    model = Phones()
    return model, torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)


def train_phones(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    frames, phones = recordings(2000, 1)
    for batch in data_a.batches(len(frames), 32, 300):
        told = model(frames[batch]).transpose(1, 2)
        descend(optimizer, functional.cross_entropy(told, phones[batch]), recorder)


def score_phones(model: Any) -> float:
    import torch

    frames, phones = recordings(200, 2)
    with torch.no_grad():
        return (model(frames).argmax(2) == phones).float().mean().item()


# Where are eyes, nose and mouth? A convolutional net answers in pixels of the photograph, of 4,032
# by 3,024, with a squared error: its answers have to get to some thousands.


@cache
def faces(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (n, 1, 24, 24) of faces and four landmarks each as (n, 8) of -1..1."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    face = torch.tensor([[-0.3, -0.3], [0.3, -0.3], [0.0, 0.05], [0.0, 0.4]])
    angle = 0.5 * torch.randn(count, 1, generator=drawn)
    size = 0.7 + 0.6 * torch.rand(count, 1, generator=drawn)
    middle = 0.35 * (2 * torch.rand(count, 1, 2, generator=drawn) - 1)
    across = size * (angle.cos() * face[:, 0] - angle.sin() * face[:, 1])
    down = size * (angle.sin() * face[:, 0] + angle.cos() * face[:, 1])
    marks = torch.stack([across, down], 2) + middle
    place = (torch.arange(24) + 0.5) / 12 - 1
    far_across = (place[None, None, None, :] - marks[..., 0, None, None]).square()
    far_down = (place[None, None, :, None] - marks[..., 1, None, None]).square()
    wide = torch.tensor([0.1, 0.1, 0.07, 0.13])[:, None, None]
    dots = (-(far_across + far_down) / (2 * wide**2)).exp().sum(1, keepdim=True)
    return dots + 0.1 * torch.randn(dots.shape, generator=drawn), marks.flatten(1)


def make_faces(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1712)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2 * width, 4 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36 * width, 128),
        nn.ReLU(),
        nn.Linear(128, 8),
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def in_pixels(marks: Any) -> Any:
    """Return landmarks (n, 8) of -1..1 in pixels of a photograph of 4,032 by 3,024."""
    import torch

    return (marks + 1) / 2 * torch.tensor([4032.0, 3024.0]).repeat(4)


def train_faces(model: Any, optimizer: Any, recorder: Any, *, pixels: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    picture, marks = faces(2000, 1)
    wanted = in_pixels(marks) if pixels else marks
    for batch in data_a.batches(len(picture), 32, 300):
        descend(optimizer, functional.mse_loss(model(picture[batch]), wanted[batch]), recorder)


def score_faces(model: Any, *, pixels: bool = False) -> float:
    """Return how much is explained of where each landmark is."""
    import torch

    picture, marks = faces(400, 2)
    wanted = in_pixels(marks) if pixels else marks
    with torch.no_grad():
        left = (model(picture) - wanted).square().mean(0)
    return (1 - left / wanted.var(0, unbiased=False)).mean().item()


# How much of three substances is in a powder? A net with BatchNorm reads near-infrared spectra. Its
# momentum of 0.99 is that of Keras, which here means the share of the last batch, of four.


@cache
def spectra(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectra (n, 1, 64) and shares of three substances (n, 3), standardized."""
    import torch

    drawn = torch.Generator().manual_seed(175)
    lines = torch.rand(3, 6, 1, generator=drawn) * 64
    heights = torch.rand(3, 6, 1, generator=drawn)
    wide = 2 + 6 * torch.rand(3, 6, 1, generator=drawn)
    pure = (heights * (-(((torch.arange(64) - lines) / wide) ** 2) / 2).exp()).sum(1)
    drawn = torch.Generator().manual_seed(seed)
    share = torch.rand(count, 3, generator=drawn)
    # Grains scatter light: each spectrum is scaled and tilted anew.
    scatter = 0.7 + 0.6 * torch.rand(count, 1, generator=drawn)
    tilt = 0.4 * torch.randn(count, 1, generator=drawn) * torch.linspace(-1, 1, 64)
    x = scatter * (share @ pure) + tilt + 0.02 * torch.randn(count, 64, generator=drawn)
    return x[:, None] - 0.9, (share - 0.5) * 12**0.5


def make_spectra(*, width: int = 16, momentum: float = 0.01) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def part(layer: Any, norm: Any) -> list[Any]:
        return [layer, norm(layer.weight.shape[0], eps=1e-3, momentum=momentum), nn.ReLU()]

    torch.manual_seed(1713)
    model = nn.Sequential(
        *part(nn.Conv1d(1, width, 7, stride=2, padding=3), nn.BatchNorm1d),
        *part(nn.Conv1d(width, width, 5, stride=2, padding=2), nn.BatchNorm1d),
        *part(nn.Conv1d(width, 2 * width, 5, stride=2, padding=2), nn.BatchNorm1d),
        nn.Flatten(),
        *part(nn.Linear(16 * width, 64), nn.BatchNorm1d),
        *part(nn.Linear(64, 64), nn.BatchNorm1d),
        nn.Linear(64, 3),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_spectra(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = spectra(1800, 1)
    model.train()
    for batch in data_a.batches(len(x), 4, 1000):
        descend(optimizer, functional.mse_loss(model(x[batch]), y[batch]), recorder)


def score_spectra(model: Any) -> float:
    import torch

    x, y = spectra(400, 2)
    model.eval()
    with torch.no_grad():
        return max(-1.0, explained(model(x), y))


# SAC steers a boat by two rudders of -1..1. An action's density is divided by 1 - tanh^2, which
# rounding takes to 0 once the net is sure of itself: the 1e-6 that is usually added is forgotten.


def make_boat(*, width: int = 64) -> tuple[Any, list[Any]]:
    import torch
    from torch import nn

    torch.manual_seed(1714)
    actor, critic = stack(4, width, width, 4), stack(6, width, width, 1)
    model = nn.ModuleDict({"actor": actor, "critic": critic})
    return model, [torch.optim.Adam(each.parameters(), lr=2e-3) for each in (actor, critic)]


def steered(actor: Any, state: Any, small: float, drawn: Any) -> tuple[Any, Any]:
    """Return actions (n, 2) by chance, and the logarithm of their density (n,)."""
    import torch

    middle, spread = actor(state).chunk(2, 1)
    spread = spread.clamp(-20, 2).exp()
    chance = torch.distributions.Normal(middle, spread, validate_args=False)
    raw = middle + chance.stddev * torch.randn(middle.shape, generator=drawn)
    action = raw.tanh()
    log = chance.log_prob(raw) - (1 - action.square() + small).log()
    return action, log.sum(1)


def sailed(state: Any, action: Any, drawn: Any) -> tuple[Any, Any]:
    """Return what a step towards the buoys pays (n,), and the next states (n, 4)."""
    import torch

    way, speed = state[:, :2], state[:, 2:]
    speed = 0.7 * speed + 0.3 * action + 0.05 * torch.randn(speed.shape, generator=drawn)
    paid = (way * speed).sum(1)
    new = torch.randn(way.shape, generator=drawn)
    way = torch.where(torch.rand(len(way), 1, generator=drawn) < 0.1, new, way)
    return paid, torch.cat([way, speed], 1)


def train_boat(model: Any, optimizers: Any, recorder: Any, *, small: float = 1e-6) -> None:
    from copy import deepcopy

    import torch

    actor, critic = model["actor"], model["critic"]
    target = deepcopy(critic)
    drawn = torch.Generator().manual_seed(176)
    state = torch.cat([torch.randn(64, 2, generator=drawn), torch.zeros(64, 2)], 1)
    for _ in range(400):
        with torch.no_grad():
            action, _ = steered(actor, state, small, drawn)
            paid, after = sailed(state, action, drawn)
            then, log = steered(actor, after, small, drawn)
            best = target(torch.cat([after, then], 1))[:, 0] - 0.01 * log
            wanted = paid + 0.8 * best
        worth = critic(torch.cat([state, action], 1))[:, 0]
        lost = (worth - wanted).square().mean()
        optimizers[1].zero_grad()
        lost.backward()
        optimizers[1].step()
        action, log = steered(actor, state, small, drawn)
        loss = (0.01 * log - critic(torch.cat([state, action], 1))[:, 0]).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        recorder.log(loss=lost.item())
        with torch.no_grad():
            for old, new in zip(target.parameters(), critic.parameters(), strict=True):
                old.lerp_(new, 0.05)
        state = after


def score_boat(model: Any) -> float:
    """Return what the net earns without noise over what the best way earns."""
    import torch

    earned = []
    for best in (False, True):
        drawn = torch.Generator().manual_seed(177)
        state = torch.cat([torch.randn(200, 2, generator=drawn), torch.zeros(200, 2)], 1)
        total = 0.0
        for _ in range(30):
            with torch.no_grad():
                told = model["actor"](state)[:, :2].tanh()
            paid, state = sailed(state, state[:, :2].sign() if best else told, drawn)
            total += paid.mean().item()
        earned.append(total)
    return max(-1.0, earned[0] / earned[1])


# Which answer is to which question? One transformer encoder reads both, and all other answers of a
# batch are wrong ones. The warm-up has no end: LambdaLR's factor is the step over 10.


@cache
def questions(count: int, seed: int) -> tuple[Any, Any]:
    """Return questions and answers (n, 12): four words of 100, in another language each."""
    import torch

    other = torch.randperm(100, generator=torch.Generator().manual_seed(178))
    drawn = torch.Generator().manual_seed(seed)
    told = torch.rand(count, 100, generator=drawn).argsort(1)[:, :4]
    asked = torch.cat([told, torch.randint(200, 240, (count, 8), generator=drawn)], 1)
    answered = torch.cat(
        [100 + other[told], torch.randint(200, 240, (count, 8), generator=drawn)], 1
    )
    order = torch.rand(2, count, 12, generator=drawn).argsort(2)
    return asked.gather(1, order[0]), answered.gather(1, order[1])


def make_reader(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(240, width)
            self.places = nn.Parameter(0.02 * torch.randn(12, width))
            layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, words: Any) -> Any:
            out = self.encoder(self.words(words) + self.places).mean(1)
            return nn.functional.normalize(out, dim=1)

    torch.manual_seed(1715)
    model = Reader()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_reader(model: Any, optimizer: Any, recorder: Any, *, ends: bool = True) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    asked, answered = questions(6000, 1)

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / 10) if ends else (step + 1) / 10

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for batch in data_a.batches(len(asked), 40, 450):
        alike = model(asked[batch]) @ model(answered[batch]).T / 0.07
        descend(optimizer, functional.cross_entropy(alike, torch.arange(40)), recorder)
        scheduler.step()


def score_reader(model: Any) -> float:
    """Return how often the right one of 100 answers comes first."""
    import torch

    asked, answered = questions(100, 2)
    with torch.no_grad():
        alike = model(asked) @ model(answered).T
    return (alike.argmax(1) == torch.arange(100)).float().mean().item()


# A timm EfficientNet that knows the digits 0 to 4 gets a new head for 5 to 9. The head is called
# classifier; the one that is hung on as fc, and given to the optimizer, is never run.


def make_tuned(*, name: str = "classifier") -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    from tests.zoo import data_a, data_b

    data_a.allow_torchvision()
    import timm

    torch.manual_seed(1716)
    model = timm.create_model("test_efficientnet", in_chans=1, num_classes=10)
    x, y, *_ = data_b.digits(24)
    x, y = x[y < 5], y[y < 5]
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    model.train()
    for batch in data_a.batches(len(x), 32, 100):
        optimizer.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    optimizer.zero_grad()
    setattr(model, name, nn.Linear(model.num_features, 5))
    return model, torch.optim.SGD(getattr(model, name).parameters(), lr=0.03, momentum=0.9)


def train_tuned(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a, data_b

    x, y, *_ = data_b.digits(24)
    x, y = x[y >= 5], y[y >= 5] - 5
    model.eval()
    for batch in data_a.batches(len(x), 32, 200):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_tuned(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits(24)
    return data_b.accuracy(model, x[y >= 5], y[y >= 5] - 5)


# ESM fills in the amino acids that are hidden in proteins of eight families. A weight decay of 0.1,
# as is usual for AdamW, is given to Adam, which adds it to the gradients of data, far smaller ones.


@cache
def proteins(count: int, seed: int) -> Any:
    """Return proteins (n, 24) of 20 amino acids 4..23, an eighth of which differ from a family."""
    import torch

    drawn = torch.Generator().manual_seed(179)
    family = torch.randint(4, 24, (8, 24), generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    chain = family[torch.randint(8, (count,), generator=drawn)]
    other = torch.randint(4, 24, chain.shape, generator=drawn)
    return torch.where(torch.rand(chain.shape, generator=drawn) < 0.12, other, chain)


def make_proteins(*, width: int = 48, decay: float = 0.0) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import EsmConfig, EsmForMaskedLM

    torch.manual_seed(1717)
    config = EsmConfig(
        vocab_size=25,
        mask_token_id=24,
        pad_token_id=1,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=40,
        position_embedding_type="absolute",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        token_dropout=False,
    )
    model = EsmForMaskedLM(config)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=decay)


def train_proteins(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    chain = proteins(3000, 1)
    drawn = torch.Generator().manual_seed(180)
    model.train()
    for batch in data_a.batches(len(chain), 32, 350):
        right = chain[batch]
        hidden = torch.rand(right.shape, generator=drawn) < 0.15
        words, labels = torch.where(hidden, 24, right), torch.where(hidden, right, -100)
        loss = model(input_ids=words, attention_mask=torch.ones_like(words), labels=labels).loss
        descend(optimizer, loss, recorder)


def score_proteins(model: Any) -> float:
    """Return the share of hidden amino acids that are foretold."""
    import torch

    chain = proteins(400, 2)
    hidden = torch.rand(chain.shape, generator=torch.Generator().manual_seed(181)) < 0.15
    words = torch.where(hidden, 24, chain)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words, attention_mask=torch.ones_like(words)).logits.argmax(2)
    return (told == chain)[hidden].float().mean().item()


# A Wave-U-Net takes noise out of sounds, four small batches a step. zero_grad after the step is
# forgotten: the gradients of all batches so far add up.


@cache
def noisy(count: int, seed: int) -> tuple[Any, Any]:
    """Return sounds of three notes with noise, and without (n, 1, 128)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    turns = 2 + 14 * torch.rand(count, 3, 1, generator=drawn)
    phase = 6.2832 * torch.rand(count, 3, 1, generator=drawn)
    time = torch.linspace(0, 1, 128)
    clean = (6.2832 * turns * time + phase).sin().sum(1, keepdim=True) / 2
    return clean + 0.7 * torch.randn(count, 1, 128, generator=drawn), clean


def make_wave(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Wave(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = (1, width, 2 * width, 3 * width)
            pairs = list(pairwise(sizes))
            self.down = nn.ModuleList(nn.Conv1d(a, b, 9, padding=4) for a, b in pairs)
            self.middle = nn.Conv1d(3 * width, 3 * width, 9, padding=4)
            self.up = nn.ModuleList(
                nn.Conv1d(size + b, b, 5, padding=2)
                for size, b in zip((3 * width, 3 * width, 2 * width), sizes[:0:-1], strict=True)
            )
            self.leave = nn.Conv1d(width + 1, 1, 1)

        def forward(self, sound: Any) -> Any:
            x, kept = sound, []
            for layer in self.down:
                x = nn.functional.leaky_relu(layer(x), 0.2)
                kept.append(x)
                x = x[..., ::2]
            x = nn.functional.leaky_relu(self.middle(x), 0.2)
            for layer in self.up:
                x = nn.functional.interpolate(x, scale_factor=2, mode="linear")
                x = nn.functional.leaky_relu(layer(torch.cat([x, kept.pop()], 1)), 0.2)
            return self.leave(torch.cat([x, sound], 1))

    torch.manual_seed(1718)
    model = Wave()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_wave(model: Any, optimizer: Any, recorder: Any, *, emptied: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    sound, clean = noisy(2000, 1)
    lost = 0.0
    for number, batch in enumerate(data_a.batches(len(sound), 8, 600), start=1):
        loss = functional.mse_loss(model(sound[batch]), clean[batch]) / 4
        loss.backward()
        lost += loss.item()
        if number % 4 == 0:
            optimizer.step()
            if emptied:
                optimizer.zero_grad()
            recorder.log(loss=lost)
            lost = 0.0


def score_wave(model: Any) -> float:
    """Return how much is explained of sounds without their noise."""
    import torch

    sound, clean = noisy(300, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(sound), clean))


# Message passing on molecules, with a layer by hand: its matrices are torch.randn(inputs, outputs),
# as they are written at first, and each of five layers makes the signal several times larger.


@cache
def molecules(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return atoms (n, 10, 5), bonds (n, 10, 10) and a property (n, 1), standardized."""
    import torch

    drawn = torch.Generator().manual_seed(182)
    single = torch.randn(5, generator=drawn)
    pair = torch.randn(5, 5, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    atoms = torch.nn.functional.one_hot(torch.randint(5, (count, 10), generator=drawn), 5).float()
    chain = torch.eye(10).roll(1, 1)
    bonds = (torch.rand(count, 10, 10, generator=drawn) < 0.08).float().triu(1) + chain.triu(1)
    bonds = ((bonds + bonds.transpose(1, 2)) > 0).float()
    along = torch.einsum("nia,ab,njb,nij->n", atoms, pair, atoms, bonds) / 20
    value = along + (atoms @ single).mean(1)
    return atoms, bonds, ((value - value.mean()) / value.std())[:, None]


def make_molecules(*, width: int = 48, scaled: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Passing(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            factor = inputs**-0.5 if scaled else 1.0
            self.own = nn.Parameter(factor * torch.randn(inputs, width))
            self.others = nn.Parameter(factor * torch.randn(inputs, width))
            self.bias = nn.Parameter(torch.zeros(width))

        def forward(self, x: Any, bonds: Any) -> Any:
            heard = bonds @ (x @ self.others) / bonds.sum(2, keepdim=True)
            return (x @ self.own + heard + self.bias).relu()

    class Molecules(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(Passing(size) for size in (5, *4 * [width]))
            self.leave = nn.Linear(width, 1)

        def forward(self, x: Any, bonds: Any) -> Any:
            for layer in self.layers:
                x = layer(x, bonds)
            return self.leave(x.mean(1))

    torch.manual_seed(1719)
    model = Molecules()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_molecules(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    atoms, bonds, value = molecules(3000, 1)
    for batch in data_a.batches(len(atoms), 64, 400):
        told = model(atoms[batch], bonds[batch])
        descend(optimizer, functional.mse_loss(told, value[batch]), recorder)


def score_molecules(model: Any) -> float:
    import torch

    atoms, bonds, value = molecules(500, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(atoms, bonds), value))


# Cells are marked in pictures under a microscope. The pictures' files were sorted by name, where
# 10 comes before 2, and those of the marks by number: they belong to other pictures.


@cache
def cells(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures (n, 1, 24, 24) of cells and of rings, and marks of the cells alone."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    middle = 24 * torch.rand(count, 5, 2, 1, 1, generator=drawn)
    place = torch.arange(24.0)
    far = (place[:, None] - middle[:, :, 0]).square() + (place - middle[:, :, 1]).square()
    far = far.sqrt()
    size = 2.5 + 2 * torch.rand(count, 3, 1, 1, generator=drawn)
    marks = (far[:, :3] < size).any(1, keepdim=True).float()
    rings = ((far[:, 3:] - 3).abs() < 0.8).any(1, keepdim=True).float()
    picture = torch.maximum(marks, rings) + 0.3 * torch.randn(count, 1, 24, 24, generator=drawn)
    return picture, marks


def make_cells(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1720)
    layers: list[Any] = []
    for fan_in, far in ((1, 1), (width, 1), (width, 2), (width, 4), (width, 1)):
        layers += [
            nn.Conv2d(fan_in, width, 3, padding=far, dilation=far),
            nn.GroupNorm(4, width),
            nn.SiLU(),
        ]
    model = nn.Sequential(*layers, nn.Conv2d(width, 1, 1))
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_cells(model: Any, optimizer: Any, recorder: Any, *, by_name: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    picture, marks = cells(600, 1)
    if by_name:
        picture = picture[sorted(range(600), key=str)]
    for batch in data_a.batches(len(picture), 16, 250):
        told = model(picture[batch])
        loss = functional.binary_cross_entropy_with_logits(told, marks[batch])
        descend(optimizer, loss, recorder)


def score_cells(model: Any) -> float:
    """Return the overlap of marks with those told, over what either covers."""
    import torch

    picture, marks = cells(150, 2)
    with torch.no_grad():
        told = model(picture) > 0
    right = marks > 0.5
    return ((told & right).sum() / (told | right).sum()).item()


MEMBERS = [
    Member(
        name="fresh15-phones-48-softmax-at-the-end",
        family="BiLSTM tagger",
        make=partial(make_phones, softmax=True),
        train=train_phones,
        score=score_phones,
        learned=0.6,
        fault="softmax as the last layer of a tagger, before cross-entropy",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh15-landmarks-16-faces-in-pixels",
        family="landmark net",
        make=make_faces,
        train=partial(train_faces, pixels=True),
        score=partial(score_faces, pixels=True),
        learned=0.7,
        fault="landmarks in pixels of a photograph of 4,032 by 3,024 as targets",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL201", "GL203", "GL302", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh15-spectra-16-momentum-of-keras",
        family="spectral net",
        make=partial(make_spectra, momentum=0.99),
        train=train_spectra,
        score=score_spectra,
        learned=0.5,
        fault="BatchNorm's momentum of 0.99, as in Keras: averages are of the last batch, of four",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh15-sac-64-boat-logarithm-of-0",
        family="SAC",
        make=make_boat,
        train=partial(train_boat, small=0.0),
        score=score_boat,
        learned=0.7,
        fault="log(1 - tanh^2) without a small number added: minus infinity",
        root=("GL001",),
        symptoms=("GL102", "GL103", "GL302", "GL402"),
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh15-reader-32-warm-up-without-end",
        family="sentence encoder",
        make=make_reader,
        train=partial(train_reader, ends=False),
        score=score_reader,
        learned=0.6,
        fault="LambdaLR's warm-up factor is not cut at 1: the rate rises to the last step",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL101", "GL102", "GL103", "GL202", "GL203", "GL302", "GL402"),
    ),
    Member(
        name="fresh15-efficientnet-digits-head-of-another-name",
        family="EfficientNet",
        make=partial(make_tuned, name="fc"),
        train=train_tuned,
        score=score_tuned,
        learned=0.6,
        fault="the new head is hung on as fc, which this model never runs, and trained alone",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        needs=("timm",),
    ),
    Member(
        name="fresh15-esm-48-proteins-adam-with-decay-of-adamw",
        family="ESM",
        make=partial(make_proteins, decay=0.1),
        train=train_proteins,
        score=score_proteins,
        learned=0.6,
        fault="AdamW's weight decay of 0.1 is given to Adam, where it outweighs the data",
        root=("GL309",),
        symptoms=("GL101", "GL104", "GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh15-wave-unet-16-sounds-never-emptied",
        family="Wave-U-Net",
        make=make_wave,
        train=partial(train_wave, emptied=False),
        score=score_wave,
        learned=0.6,
        fault="gradients are accumulated over four batches, and zero_grad is forgotten",
        root=("GL104",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh15-molecules-48-matrices-by-randn",
        family="message passing",
        make=partial(make_molecules, scaled=False),
        train=train_molecules,
        score=score_molecules,
        learned=0.6,
        fault="a layer by hand starts with torch.randn: the signal grows in each of five layers",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL103", "GL201", "GL303", "GL304", "GL401", "GL402", "GL404"),
    ),
    Member(
        name="fresh15-cells-16-files-sorted-by-name",
        family="dilated segmentation net",
        make=make_cells,
        train=partial(train_cells, by_name=True),
        score=score_cells,
        learned=0.6,
        fault="pictures are sorted by name, and their marks by number",
        root=("GL402",),
        symptoms=("GL403",),
    ),
]
