"""A twentieth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Most follow a tutorial or a library's example; the ten with a fault are in
fresh_twentieth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

=======================================  ======  ======  =======
training                                 start   end     seconds
=======================================  ======  ======  =======
edgenext-48-digits-gains-of-a-millionth  .118    .947    5.7
marian-48-translations                   .047    .987    2.7
granite-48-sentences-in-fours            .029    .855    3.6
crnn-48-captchas                         .000    .907    2.9
novelty-64-drawn-target                  .715    .998    0.3
beats-32-code-of-four                    .386    .998    1.9
interest-16-shown-things                 .513    .929    1.5
pna-24-trees                             -.545   .935    1.8
ssd-24-worst-empty-boxes                 .020    .767    3.0
evidence-16-digits-wrong-labels          .101    .965    1.7
=======================================  ======  ======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend, foretold
from tests.zoo.members.fresh_seventeenth_faulty import accuracy

# EdgeNeXt of timm on digits: its branches start with gains of a millionth. AdamW, warm-up and
# cosine, label smoothing.


@cache
def enlarged() -> list[Any]:
    """Return digits (n, 1, 32, 32) and labels, for training and held out."""
    import torch

    from tests.zoo import data_a

    x, y, held, labels = data_a.digits()
    grown = [torch.nn.functional.interpolate(each, size=32) for each in (x, held)]
    return [grown[0], y, grown[1], labels]


def make_edgenext() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from timm.models.edgenext import EdgeNeXt

    torch.manual_seed(2001)
    model = EdgeNeXt(
        in_chans=1,
        num_classes=10,
        dims=(16, 24, 32, 48),
        depths=(1, 1, 2, 1),
        d2_scales=(2, 2, 3, 4),
        heads=(4, 4, 4, 4),
    )
    return model, torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05)


def train_edgenext(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional
    from transformers import get_cosine_schedule_with_warmup

    from tests.zoo import data_a

    x, y, *_ = enlarged()
    scheduler = get_cosine_schedule_with_warmup(optimizer, 20, 150)
    model.train()
    for batch in data_a.batches(len(y), 32, 150):
        loss = functional.cross_entropy(model(x[batch]), y[batch], label_smoothing=0.1)
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_edgenext(model: Any) -> float:
    return accuracy(model, *enlarged()[2:])


# Marian of transformers translates sentences word by word, in another order. Places are those of
# sines, and are not trained; the rate falls with the root of time.


@cache
def translations(count: int, seed: int) -> tuple[Any, Any]:
    """Return sentences (count, 6) of words 3..22, and their translations, pairs of them swapped."""
    import torch

    meaning = 3 + torch.randperm(20, generator=torch.Generator().manual_seed(2002))
    words = torch.randint(20, (count, 6), generator=torch.Generator().manual_seed(seed))
    return words + 3, meaning[words].view(count, 3, 2).flip(2).reshape(count, 6)


def make_marian() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(2003)
    sizes = MarianConfig(
        vocab_size=24,
        d_model=48,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        max_position_embeddings=32,
        pad_token_id=1,
        eos_token_id=0,
        bos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=None,
        scale_embedding=True,
        dropout=0.0,
    )
    model = MarianMTModel(sizes)
    return model, torch.optim.Adam(model.parameters(), lr=5e-3, betas=(0.9, 0.98), eps=1e-9)


def train_marian(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional
    from transformers import get_inverse_sqrt_schedule

    from tests.zoo import data_a

    words, wanted = translations(4000, 1)
    scheduler = get_inverse_sqrt_schedule(optimizer, 50)
    model.train()
    for batch in data_a.batches(4000, 48, 220):
        told = model(input_ids=words[batch], labels=wanted[batch]).logits
        loss = functional.cross_entropy(told.mT, wanted[batch], label_smoothing=0.1)
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_marian(model: Any) -> float:
    """Return the share of words that are translated right after the right ones."""
    import torch

    words, wanted = translations(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words, labels=wanted).logits.argmax(2)
    return (told == wanted).float().mean().item()


# Granite of transformers as a language model, with its multipliers: embeddings times 12, branches
# times 0.22, answers divided by 3. Each step accumulates four batches.


def make_granite() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(2004)
    sizes = GraniteConfig(
        vocab_size=24,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        embedding_multiplier=12.0,
        residual_multiplier=0.22,
        attention_multiplier=0.08,
        logits_scaling=3.0,
        tie_word_embeddings=True,
        pad_token_id=None,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GraniteForCausalLM(sizes)
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)


def train_granite(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from transformers import get_linear_schedule_with_warmup

    from tests.zoo import data_a
    from tests.zoo.members.fresh_seventeenth import sentences

    words = sentences(3000, 1)
    scheduler = get_linear_schedule_with_warmup(optimizer, 12, 120)
    model.train()
    total = 0.0
    for number, batch in enumerate(data_a.batches(3000, 8, 480)):
        loss = model(input_ids=words[batch], labels=words[batch]).loss / 4
        loss.backward()
        total += loss.item()
        if number % 4 == 3:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            recorder.log(loss=total)
            total = 0.0


def score_granite(model: Any) -> float:
    from tests.zoo.members.fresh_seventeenth import sentences

    return foretold(model, sentences(200, 2))


# A CRNN reads captchas of four digits with CTC, from convolutions and a bidirectional LSTM. At
# first it says nothing at all, for some time.


@cache
def captchas(count: int, seed: int) -> tuple[Any, Any]:
    """Return pictures of four digits side by side (count, 1, 8, 36), and the digits, 1..10."""
    import torch

    from tests.zoo import data_a

    x, y, held, labels = data_a.digits()
    if seed == 2:
        x, y = held, labels
    drawn = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(y), (count, 4), generator=drawn)
    pictures = 0.1 * torch.rand(count, 1, 8, 36, generator=drawn)
    late = torch.randint(3, (count,), generator=drawn)
    for row, first in enumerate(late.tolist()):
        line = x[chosen[row], 0].permute(1, 0, 2).reshape(8, 32)
        pictures[row, 0, :, first : first + 32] += line
    return pictures, y[chosen] + 1


def make_crnn(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Crnn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cnn = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1),
                nn.BatchNorm2d(32),
                nn.ReLU(),
            )
            self.lstm = nn.LSTM(128, width, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(2 * width, 11)

        def forward(self, x: Any) -> Any:
            x = self.cnn(x).flatten(1, 2).mT
            return self.fc(self.lstm(x)[0]).log_softmax(2)

    torch.manual_seed(2005)
    model = Crnn()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_crnn(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, wanted = captchas(3000, 1)
    model.train()
    for batch in data_a.batches(3000, 32, 220):
        told = model(x[batch]).transpose(0, 1)
        lengths, four = torch.full((32,), len(told)), torch.full((32,), 4)
        loss = functional.ctc_loss(told, wanted[batch], lengths, four)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_crnn(model: Any) -> float:
    """Return the share of captchas that are read without a mistake."""
    import torch

    x, wanted = captchas(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(x).argmax(2).tolist()
    right = 0
    for letters, row in zip(told, wanted.tolist(), strict=True):
        pairs = zip(letters, [0, *letters[:-1]], strict=True)
        right += [letter for letter, before in pairs if letter and letter != before] == row
    return right / len(told)


# Random network distillation: a net foretells the answers of another one that stays as it was
# drawn. What it foretells badly is new. SGD with Nesterov's momentum.


@cache
def places(count: int, seed: int, *, new: bool = False) -> Any:
    """Return readings (count, 12) near a plane of four dimensions; `new`: off it."""
    import torch

    plane = torch.randn(4, 12, generator=torch.Generator().manual_seed(2006)) / 2
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=drawn) @ plane
    off = torch.randn(count, 12, generator=drawn)
    return x + (0.8 if new else 0.1) * off


def make_novelty(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Novelty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.target = stack(12, width, 16)
            self.predictor = stack(12, width, width, 16)
            self.target.requires_grad_(requires_grad=False)

        def forward(self, x: Any) -> Any:
            return self.predictor(x), self.target(x)

    torch.manual_seed(2007)
    model = Novelty()
    trained = model.predictor.parameters()
    return model, torch.optim.SGD(trained, lr=0.1, momentum=0.9, nesterov=True)


def train_novelty(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x = places(4000, 1)
    for batch in data_a.batches(4000, 64, 500):
        told, wanted = model(x[batch])
        descend(optimizer, functional.mse_loss(told, wanted), recorder)


def score_novelty(model: Any) -> float:
    """Return how often a new place is told worse than a known one."""
    import torch

    with torch.no_grad():
        errors = [(a - b).square().mean(1) for a, b in map(model, found_and_new())]
    return (errors[1][:, None] > errors[0]).float().mean().item()


def found_and_new() -> tuple[Any, Any]:
    """Return known places, which were not trained on, and new ones."""
    return places(400, 2), places(400, 3, new=True)


# An LSTM autoencoder learns sound heartbeats, to find the others by its error. The decoder gets the
# code at each step.


@cache
def beats(count: int, seed: int, *, ill: bool = False) -> Any:
    """Return heartbeats (count, 24, 1); `ill`: the second wave is turned downwards, or late."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    time = torch.arange(24.0)
    where = 6 + 2 * torch.rand(count, 1, generator=drawn)
    high = 2 + torch.rand(count, 1, generator=drawn)
    x = high * (-(time - where).square() / 2).exp()
    turned = torch.where(torch.rand(count, 1, generator=drawn) < 0.5, -1.0, 0.4) if ill else 1.0
    x = x + turned * 0.5 * high * (-(time - where - 8).square() / 6).exp()
    return (x + 0.1 * torch.randn(count, 24, generator=drawn))[:, :, None]


def make_beats(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Beats(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.LSTM(1, width, batch_first=True)
            self.code = nn.Linear(width, 4)
            self.decoder = nn.LSTM(4, width, batch_first=True)
            self.output = nn.Linear(width, 1)

        def forward(self, x: Any) -> Any:
            code = self.code(self.encoder(x)[1][0][0])
            repeated = code[:, None].expand(-1, x.shape[1], -1)
            return self.output(self.decoder(repeated)[0])

    torch.manual_seed(2008)
    model = Beats()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_beats(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x = beats(2000, 1)
    for batch in data_a.batches(2000, 32, 400):
        descend(optimizer, functional.l1_loss(model(x[batch]), x[batch]), recorder)


def score_beats(model: Any) -> float:
    """Return how often an ill heartbeat is told worse than a sound one."""
    import torch

    with torch.no_grad():
        rows = beats(400, 2), beats(400, 3, ill=True)
        sound, ill = [(model(x) - x).abs().mean((1, 2)) for x in rows]
    return (ill[:, None] > sound).float().mean().item()


# A deep interest network: what was bought before is weighed by how it fits the thing that is
# shown. The table of things gets sparse gradients, and an optimizer of its own.


@cache
def shown(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return things bought before (count, 5), a thing shown (count,), and whether it is bought."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    bought = torch.randint(60, (count, 5), generator=drawn)
    thing = torch.randint(60, (count,), generator=drawn)
    again = torch.rand(count, generator=drawn) < 0.3
    thing = torch.where(again, thing // 6 * 6 + bought[:, 3] % 6, thing)
    alike = (bought % 6 == thing[:, None] % 6).any(1)
    chance = torch.where(alike, 0.95, 0.05)
    return bought, thing, (torch.rand(count, generator=drawn) < chance).float()


def make_interest(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Interest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.things = nn.Embedding(60, width, sparse=True)
            self.weigh = nn.Sequential(nn.Linear(4 * width, 32), nn.PReLU(), nn.Linear(32, 1))
            self.top = nn.Sequential(
                nn.Linear(2 * width, 32), nn.PReLU(), nn.Dropout(0.1), nn.Linear(32, 1)
            )

        def forward(self, bought: Any, thing: Any) -> Any:
            past, one = self.things(bought), self.things(thing)
            each = one[:, None].expand_as(past)
            weight = self.weigh(torch.cat([past, each, past - each, past * each], 2))
            return self.top(torch.cat([(weight * past).sum(1), one], 1))[:, 0]

    torch.manual_seed(2009)
    model = Interest()
    rest = [each for name, each in model.named_parameters() if not name.startswith("things")]
    table = torch.optim.SparseAdam(list(model.things.parameters()), lr=2e-2)
    return model, [table, torch.optim.Adam(rest, lr=3e-3)]


def train_interest(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    bought, thing, wanted = shown(20000, 1)
    model.train()
    for batch in data_a.batches(20000, 128, 500):
        told = model(bought[batch], thing[batch])
        loss = functional.binary_cross_entropy_with_logits(told, wanted[batch])
        for each in optimizer:
            each.zero_grad()
        loss.backward()
        for each in optimizer:
            each.step()
        recorder.log(loss=loss.item())


def score_interest(model: Any) -> float:
    """Return how often a thing that is bought is rated above one that is not."""
    import torch

    bought, thing, wanted = shown(1500, 2)
    model.eval()
    with torch.no_grad():
        told = model(bought, thing)
    return (told[wanted > 0.5][:, None] > told[wanted < 0.5]).float().mean().item()


# PNA of torch_geometric: averages, maxima and deviations of neighbours, each scaled by how many
# there are, foretell a property of molecules. The rate is halved by ReduceLROnPlateau.


@cache
def trees(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return joined trees: atoms (n, 6), bonds (2, m), trees (n,), and targets (count, 1).

    A target counts the atoms of kind 0 that have three bonds or more, and the pairs of kinds 1 and
    2.
    """
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(6, (count, 12), generator=drawn)
    before = (torch.rand(count, 11, generator=drawn) * torch.arange(1, 12)).long()
    near, far = kind.gather(1, before), kind[:, 1:]
    pairs = ((near == 1) & (far == 2) | (near == 2) & (far == 1)).sum(1)
    bonds = torch.ones(count, 12).scatter_add(1, before, torch.ones(count, 11))
    bonds[:, 0] -= 1
    target = (pairs + ((kind == 0) & (bonds > 2)).sum(1)).float()[:, None]
    shift = 12 * torch.arange(count)[:, None]
    forth = torch.stack([(before + shift).flatten(), (torch.arange(1, 12) + shift).flatten()])
    atoms = torch.nn.functional.one_hot(kind.flatten(), 6).float()
    return atoms, torch.cat([forth, forth.flip(0)], 1), torch.arange(count * 12) // 12, target


def make_pna(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric import nn as graphs  # pyright: ignore[reportMissingImports]

    near = torch.bincount(torch.bincount(trees(200, 3)[1][0]))
    kinds, scales = ["mean", "max", "std"], ["identity", "amplification"]

    class Pna(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = graphs.PNAConv(6, width, kinds, scales, near)
            self.norm1 = graphs.BatchNorm(width)
            self.second = graphs.PNAConv(width, width, kinds, scales, near)
            self.norm2 = graphs.BatchNorm(width)
            self.read = stack(width, width, 1)

        def forward(self, atoms: Any, bonds: Any, tree: Any) -> Any:
            x = self.norm1(self.first(atoms, bonds)).relu()
            x = self.norm2(self.second(x, bonds)).relu()
            return self.read(graphs.global_add_pool(x, tree))  # pyright: ignore[reportCallIssue]

    torch.manual_seed(2010)
    model = Pna()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_pna(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    model.train()
    total = 0.0
    for step in range(240):
        atoms, bonds, tree, target = trees(32, 10 + step % 80)
        loss = functional.l1_loss(model(atoms, bonds, tree), target)
        descend(optimizer, loss, recorder)
        total += loss.item()
        if step % 40 == 39:
            scheduler.step(total)
            total = 0.0


def score_pna(model: Any) -> float:
    import torch

    atoms, bonds, tree, target = trees(400, 2)
    model.eval()
    with torch.no_grad():
        return max(-1.0, explained(model(atoms, bonds, tree), target))


# SSD finds a square or a disc in a picture, with two sizes of boxes at each of 36 places. Three
# empty boxes count for each full one, the worst ones; SGD with momentum.

BOXES = 72


@cache
def pictures(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return pictures (count, 1, 24, 24), kinds (count, 72), 0 nothing, and offsets (.., 72, 3).

    Boxes are of 5 or 9 pixels, at each fourth pixel. The one that fits best is full.
    """
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(1, 3, (count,), generator=drawn)
    size = 4 + 6 * torch.rand(count, generator=drawn)
    middle = 5 + 14 * torch.rand(count, 2, generator=drawn)
    line = torch.arange(24.0)
    down = (line - middle[:, :1])[:, :, None]
    right = (line - middle[:, 1:])[:, None, :]
    half = size[:, None, None] / 2
    square = torch.maximum(down.abs(), right.abs()) < half
    disc = down.square() + right.square() < half.square()
    x = torch.where((kind == 1)[:, None, None], square, disc).float()
    x = (x + 0.3 * torch.randn(x.shape, generator=drawn))[:, None]
    cell = (middle / 4).long().clamp(0, 5)
    box = 2 * (6 * cell[:, 0] + cell[:, 1]) + (size > 7).long()
    kinds = torch.zeros(count, BOXES, dtype=torch.long)
    offsets = torch.zeros(count, BOXES, 3)
    rows = torch.arange(count)
    kinds[rows, box] = kind
    width = torch.where(size > 7, 9.0, 5.0)
    aside = (middle - 4 * cell - 2) / width[:, None] / 0.1
    offsets[rows, box] = torch.cat([aside, (size / width).log()[:, None] / 0.2], 1)
    return x, kinds, offsets


def make_ssd(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Ssd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            for inputs, outputs, step in ((1, width, 1), (width, width, 2), (width, 48, 2)):
                layers += [nn.Conv2d(inputs, outputs, 3, step, 1), nn.BatchNorm2d(outputs)]
                layers.append(nn.ReLU())
            self.body = nn.Sequential(*layers, nn.Conv2d(48, 48, 3, padding=1), nn.ReLU())
            self.kinds = nn.Conv2d(48, 6, 3, padding=1)
            self.offsets = nn.Conv2d(48, 6, 3, padding=1)

        def forward(self, x: Any) -> Any:
            deep = self.body(x)
            kinds, offsets = self.kinds(deep), self.offsets(deep)
            return (
                kinds.permute(0, 2, 3, 1).reshape(len(x), BOXES, 3),
                offsets.permute(0, 2, 3, 1).reshape(len(x), BOXES, 3),
            )

    torch.manual_seed(2011)
    model = Ssd()
    return model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)


def train_ssd(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, kinds, offsets = pictures(1500, 1)
    model.train()
    for batch in data_a.batches(1500, 16, 260):
        told, moved = model(x[batch])
        full = kinds[batch] > 0
        each = functional.cross_entropy(told.mT, kinds[batch], reduction="none")
        empty = each.masked_fill(full, 0.0)
        worst = empty.sort(1, descending=True).values[:, :3].sum()
        where = functional.smooth_l1_loss(moved[full], offsets[batch][full], reduction="sum")
        descend(optimizer, (each[full].sum() + worst + where) / full.sum(), recorder)


def score_ssd(model: Any) -> float:
    """Return the share of pictures whose surest box lies within two pixels, and is of its kind."""
    import torch

    x, kinds, offsets = pictures(300, 2)
    model.eval()
    with torch.no_grad():
        told, moved = model(x)
    chances = told.softmax(2)[:, :, 1:].flatten(1)
    top, rows = chances.argmax(1), torch.arange(300)
    box = kinds.argmax(1)
    near = middles(top // 2, moved[rows, top // 2]) - middles(box, offsets[rows, box])
    right = top % 2 + 1 == kinds[rows, box]
    return ((near.abs().amax(1) < 2) & right).float().mean().item()


def middles(box: Any, offset: Any) -> Any:
    """Return the middles (n, 2) of the things that boxes (n,) and offsets (n, 3) stand for."""
    import torch

    cell = torch.stack([box // 2 // 6, box // 2 % 6], 1)
    width = torch.where(box % 2 == 1, 9.0, 5.0)[:, None]
    return 4 * cell + 2 + 0.1 * width * offset[:, :2]


# Evidential deep learning on digits, of which one label in ten is wrong: the answers are evidence
# for each digit, and a divergence from no evidence at all is taken in by and by.


def make_evidence(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(2012)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * width, 64),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Linear(64, 10),
        nn.Softplus(),
    )
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def divergence(alpha: Any) -> Any:
    """Return the divergence (n,) of a Dirichlet density (n, 10) from the flat one."""
    import math

    import torch

    total = alpha.sum(1)
    flat = torch.lgamma(total) - torch.lgamma(alpha).sum(1) - math.lgamma(10.0)
    slope = torch.digamma(alpha) - torch.digamma(total)[:, None]
    return flat + ((alpha - 1) * slope).sum(1)


def train_evidence(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    drawn = torch.Generator().manual_seed(2013)
    wrong = torch.rand(len(y), generator=drawn) < 0.1
    y = torch.where(wrong, torch.randint(10, y.shape, generator=drawn), y)
    model.train()
    for step, batch in enumerate(data_a.batches(len(y), 32, 350)):
        alpha = model(x[batch]) + 1
        one = functional.one_hot(y[batch], 10).float()
        total = alpha.sum(1, keepdim=True)
        chances = alpha / total
        spread = (chances * (1 - chances) / (total + 1)).sum(1)
        error = (one - chances).square().sum(1) + spread
        penalty = divergence(one + (1 - one) * alpha)
        weight = 0.3 * min(1.0, step / 300)
        descend(optimizer, (error + weight * penalty).mean(), recorder)


def score_evidence(model: Any) -> float:
    from tests.zoo import data_a

    return accuracy(model, *data_a.digits()[2:])


MEMBERS = [
    Member(
        name="fresh20-edgenext-48-digits-gains-of-a-millionth",
        family="EdgeNeXt",
        make=make_edgenext,
        train=train_edgenext,
        score=score_edgenext,
        learned=0.8,
        needs=("timm", "transformers", "sklearn"),
    ),
    Member(
        name="fresh20-marian-48-translations",
        family="Marian",
        make=make_marian,
        train=train_marian,
        score=score_marian,
        learned=0.8,
        needs=("transformers",),
    ),
    Member(
        name="fresh20-granite-48-sentences-in-fours",
        family="Granite",
        make=make_granite,
        train=train_granite,
        score=score_granite,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh20-crnn-48-captchas",
        family="CRNN",
        make=make_crnn,
        train=train_crnn,
        score=score_crnn,
        learned=0.6,
        needs=("sklearn",),
    ),
    Member(
        name="fresh20-novelty-64-drawn-target",
        family="random network distillation",
        make=make_novelty,
        train=train_novelty,
        score=score_novelty,
        learned=0.9,
    ),
    Member(
        name="fresh20-beats-32-code-of-four",
        family="LSTM autoencoder",
        make=make_beats,
        train=train_beats,
        score=score_beats,
        learned=0.8,
    ),
    Member(
        name="fresh20-interest-16-shown-things",
        family="deep interest network",
        make=make_interest,
        train=train_interest,
        score=score_interest,
        learned=0.75,
    ),
    Member(
        name="fresh20-pna-24-trees",
        family="PNA",
        make=make_pna,
        train=train_pna,
        score=score_pna,
        learned=0.7,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh20-ssd-24-worst-empty-boxes",
        family="SSD",
        make=make_ssd,
        train=train_ssd,
        score=score_ssd,
        learned=0.5,
    ),
    Member(
        name="fresh20-evidence-16-digits-wrong-labels",
        family="evidential net",
        make=make_evidence,
        train=train_evidence,
        score=score_evidence,
        learned=0.8,
        needs=("sklearn",),
    ),
]
