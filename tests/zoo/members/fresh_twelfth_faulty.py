"""A twelfth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_twelfth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core without it. The noise's and the generator's scores count as -1
where they are lower. With its fault, ECAPA takes none of its 120 steps.

========================================  =====  ======  =======  =======
training                                  start  fault   without  seconds
========================================  =====  ======  =======  =======
neumf-16-things-labels-in-pieces          .501   .498    .794     0.7
conformer-48-sounds-chances-for-ctc       .000   .000    .817     3.9
seer-48-digits-language-without-gradient  .097   .561    .939     2.7
retention-32-letters-exponential-twice    .156   .168    1.000    2.7
ecapa-48-voices-root-of-silence           .081   .072    1.000    1.7
recycled-32-digits-limit-in-per-cent      .058   .078    .989     1.6
ernie-48-topics-rates-grow-downwards      .174   .174    .822     3.7
noise-192-digits-time-to-999              -.004  .102    .785     0.9
kept-48-swings-shares-exchanged           .200   .376    .972     1.8
generator-32-digits-mean-1                -.189  -1.000  .975     1.7
========================================  =====  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_tenth import score_digits, swings
from tests.zoo.members.fresh_twelfth import voices

# NeuMF: a buyer's one bought thing and four others are scored in rows of five. The labels are laid
# out in one piece, all ones first and all zeros after them: they are those of other scores.


@cache
def bought() -> tuple[Any, Any]:
    """Return what 400 buyers bought among 120 things: ten each to learn from, and two held out."""
    import torch

    drawn = torch.Generator().manual_seed(151)
    taste = torch.randn(400, 6, generator=drawn)
    chance = (1.2 * taste @ torch.randn(6, 120, generator=drawn)).softmax(1)
    things = torch.multinomial(chance, 12, generator=drawn)
    return things[:, :10], things[:, 10:]


def make_neumf(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Neumf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.buyers, self.things = nn.Embedding(400, 2 * width), nn.Embedding(120, 2 * width)
            self.mixed = stack(2 * width, 32, 16)
            self.leave = nn.Linear(width + 16, 1)

        def forward(self, buyer: Any, thing: Any) -> Any:
            buyer, thing = self.buyers(buyer), self.things(thing)
            factors = buyer[..., :width] * thing[..., :width]
            mixed = torch.cat([buyer[..., width:], thing[..., width:]], -1)
            return self.leave(torch.cat([factors, self.mixed(mixed).relu()], -1)).squeeze(-1)

    torch.manual_seed(1411)
    model = Neumf()
    with torch.no_grad():
        model.buyers.weight.mul_(0.2)
        model.things.weight.mul_(0.2)
    return model, torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5)


def train_neumf(model: Any, optimizer: Any, recorder: Any, *, pieces: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    known, _ = bought()
    buyers = torch.arange(400).repeat_interleave(10)
    drawn = torch.Generator().manual_seed(152)
    for batch in data_a.batches(4000, 100, 400):
        others = torch.randint(120, (100, 4), generator=drawn)
        things = torch.cat([known.flatten()[batch, None], others], 1)
        told = model(buyers[batch, None].expand(-1, 5), things)
        if pieces:
            labels = torch.cat([torch.ones(100), torch.zeros(400)])
        else:
            labels = torch.tensor([1.0, 0, 0, 0, 0]).repeat(100)
        loss = functional.binary_cross_entropy_with_logits(told.flatten(), labels)
        descend(optimizer, loss, recorder)


def score_neumf(model: Any) -> float:
    """Return how often a bought thing, held out, comes before one that was not bought."""
    import torch

    known, held_out = bought()
    with torch.no_grad():
        told = model(*torch.meshgrid(torch.arange(400), torch.arange(120), indexing="ij"))
    free = torch.ones(400, 120).scatter_(1, torch.cat([known, held_out], 1), 0.0)
    before = told.gather(1, held_out)[:, :, None] > told[:, None]
    return ((before * free[:, None]).sum() / (2 * free.sum())).item()


# A Conformer hears five of eight sounds in a row. CTC wants logarithms of chances, and gets the
# chances themselves: softmax in place of log_softmax.


@cache
def spoken(count: int, seed: int) -> tuple[Any, Any]:
    """Return frames (count, 30, 12) of five sounds, three to six frames each, and the sounds."""
    import torch

    shapes = torch.randn(9, 12, generator=torch.Generator().manual_seed(153))
    shapes[0] = 0
    drawn = torch.Generator().manual_seed(seed)
    words = torch.randint(1, 9, (count, 5), generator=drawn)
    lengths = torch.randint(3, 7, (count, 5), generator=drawn)
    ends = lengths.cumsum(1)[:, None]
    place = (torch.arange(30)[:, None] >= ends).sum(2)
    heard = torch.cat([words, torch.zeros(count, 1, dtype=torch.long)], 1).gather(1, place)
    return shapes[heard] + 0.6 * torch.randn(count, 30, 12, generator=drawn), words


def make_conformer(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Convolved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(width)
            self.body = nn.Sequential(
                nn.Conv1d(width, 2 * width, 1),
                nn.GLU(1),
                nn.Conv1d(width, width, 7, padding=3, groups=width),
                nn.BatchNorm1d(width),
                nn.SiLU(),
                nn.Conv1d(width, width, 1),
            )

        def forward(self, x: Any) -> Any:
            return self.body(self.norm(x).transpose(1, 2)).transpose(1, 2)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (
                nn.Sequential(
                    nn.LayerNorm(width),
                    nn.Linear(width, 2 * width),
                    nn.SiLU(),
                    nn.Linear(2 * width, width),
                )
                for _ in range(2)
            )
            self.norm = nn.LayerNorm(width)
            self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
            self.convolved = Convolved()
            self.last = nn.LayerNorm(width)

        def forward(self, x: Any) -> Any:
            x = x + self.first(x) / 2
            seen = self.norm(x)
            x = x + self.attention(seen, seen, seen, need_weights=False)[0]
            x = x + self.convolved(x)
            return self.last(x + self.second(x) / 2)

    torch.manual_seed(1412)
    model = nn.Sequential(nn.Linear(12, width), Block(), Block(), nn.Linear(width, 9))
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_conformer(model: Any, optimizer: Any, recorder: Any, *, chances: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, words = spoken(1500, 1)
    frames, letters = torch.full((16,), 30), torch.full((16,), 5)
    model.train()
    for step, batch in enumerate(data_a.batches(len(x), 16, 220)):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 40)
        told = model(x[batch]).transpose(0, 1)
        told = told.softmax(2) if chances else told.log_softmax(2)
        descend(optimizer, functional.ctc_loss(told, words[batch], frames, letters), recorder)


def score_conformer(model: Any) -> float:
    """Return the share of rows of sounds of which all five are heard in their order."""
    import torch

    x, words = spoken(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(x).argmax(2)
    right = 0
    for row, wanted in zip(told, words, strict=True):
        heard = torch.unique_consecutive(row)
        right += heard[heard > 0].tolist() == wanted.tolist()
    return right / len(x)


# A language model is to see: a small net turns sixteen pieces of a digit into words for GPT-2,
# which is frozen. It is run under no_grad, and the small net before it gets no gradient.


def make_seer(*, width: int = 48, cut: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GPT2Config, GPT2Model

    class Seer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(torch.randn(16, 4))
            self.projector = stack(8, 96, width)
            config = GPT2Config(
                vocab_size=20,
                n_positions=20,
                n_embd=width,
                n_layer=2,
                n_head=4,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                initializer_range=0.15,
                bos_token_id=None,
                eos_token_id=None,
            )
            self.language = GPT2Model(config).requires_grad_(False)
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            parts = nn.functional.unfold(x.view(-1, 1, 8, 8), 2, stride=2).transpose(1, 2)
            parts = torch.cat([2 * parts - 1, self.places.expand(len(x), -1, -1)], 2)
            words = self.projector(parts)
            with torch.set_grad_enabled(torch.is_grad_enabled() and not cut):
                told = self.language(inputs_embeds=words).last_hidden_state
            return self.head(told[:, -1])

    torch.manual_seed(1413)
    model = Seer()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return model, torch.optim.AdamW(trained, lr=5e-3)


def train_seer(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 32, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


# Retention: attention as a recurrent sum that fades by a factor in each step. Factors near 1 are
# what the sum wants; it gets exp(-factor), and forgets two thirds in each of twenty steps.


@cache
def first_letters(count: int, seed: int) -> tuple[Any, Any]:
    """Return rows (count, 20) of twelve letters, of which the first is one of six that count."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    words = torch.randint(6, 12, (count, 20), generator=drawn)
    words[:, 0] = torch.randint(6, (count,), generator=drawn)
    return words, words[:, 0]


def make_retention(*, width: int = 32, twice: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Retention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
            self.enter = nn.Linear(width, 3 * width)
            self.each = nn.GroupNorm(2, width)
            self.leave = nn.Linear(width, width)
            self.mixed = nn.Sequential(
                nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )

        def forward(self, x: Any) -> Any:
            factor = 1 - 2.0 ** torch.tensor([-5.0, -7.0])
            factor = ((-factor).exp() if twice else factor).view(2, 1, 1)
            parts = self.enter(self.norms[0](x)).unflatten(2, (3, 2, width // 2))
            state, told = torch.zeros(len(x), 2, width // 2, width // 2), []
            for query, key, value in (part.unbind(1) for part in parts.unbind(1)):
                state = factor * state + key[..., None] * value[..., None, :] / width**0.5
                told.append((query[..., None, :] @ state).flatten(1))
            told = [self.each(part) for part in told]
            x = x + self.leave(torch.stack(told, 1))
            return x + self.mixed(self.norms[1](x))

    torch.manual_seed(1414)
    model = nn.Sequential(nn.Embedding(12, width), Retention(), Retention(), nn.LayerNorm(width))
    model.append(nn.Linear(width, 6))
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_retention(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, first = first_letters(2000, 1)
    for batch in data_a.batches(len(words), 32, 120):
        told = model(words[batch])[:, -1]
        descend(optimizer, functional.cross_entropy(told, first[batch]), recorder)


def score_retention(model: Any) -> float:
    import torch

    words, first = first_letters(500, 2)
    with torch.no_grad():
        return (model(words)[:, -1].argmax(1) == first).float().mean().item()


# ECAPA knows twelve voices from the mean and the deviation of each channel over time. A channel
# that relu keeps silent has a deviation of 0, where a root has no slope: NaN in the gradient, and
# the GradScaler leaves out each step without a word.


@cache
def speeches(count: int, seed: int) -> tuple[Any, Any]:
    """Return what twelve people say (count, 12, 20) and who it is."""
    import torch

    band = torch.randn(12, 12, generator=torch.Generator().manual_seed(154))
    x = voices(band, count // 12, torch.Generator().manual_seed(seed))
    return x.flatten(0, 1).transpose(1, 2), torch.arange(12).repeat_interleave(count // 12)


def make_ecapa(*, width: int = 48, least: float = 1e-4) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv1d(width, width, 1),
                nn.ReLU(),
                nn.BatchNorm1d(width),
                nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, groups=4),
                nn.ReLU(),
                nn.BatchNorm1d(width),
            )
            self.gate = nn.Sequential(stack(width, 12, width), nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            told = self.body(x)
            return x + told * self.gate(told.mean(2))[..., None]

    class Ecapa(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Sequential(nn.Conv1d(12, width, 5, padding=2), nn.ReLU())
            self.blocks = nn.Sequential(nn.BatchNorm1d(width), Block(1), Block(2))
            self.gather = nn.Sequential(nn.Conv1d(width, 2 * width, 1), nn.ReLU())
            self.weigh = nn.Sequential(
                nn.Conv1d(2 * width, 16, 1), nn.Tanh(), nn.Conv1d(16, 2 * width, 1)
            )
            self.norm = nn.BatchNorm1d(4 * width)
            self.leave = nn.Linear(4 * width, 12)

        def forward(self, x: Any) -> Any:
            x = self.gather(self.blocks(self.enter(x)))
            weight = self.weigh(x).softmax(2)
            mean = (weight * x).sum(2)
            spread = (weight * (x - mean[..., None]).square()).sum(2).clamp(min=least).sqrt()
            return self.leave(self.norm(torch.cat([mean, spread], 1)))

    torch.manual_seed(1415)
    model = Ecapa()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_ecapa(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, person = speeches(1200, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    model.train()
    for batch in data_a.batches(len(x), 32, 120):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), person[batch])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        recorder.log(loss=loss.item())


def score_ecapa(model: Any) -> float:
    import torch

    x, person = speeches(360, 2)
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == person).float().mean().item()


# Channels that fall silent are drawn anew every five steps: those whose mean is below 2.5 per cent
# of the layer's. The limit is written as 2.5, and nearly all channels are drawn anew.


def make_recycled(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1416)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * width, 10),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def recycle(model: Any, x: Any, limit: float) -> None:
    """Draw the silent channels' weights anew, and set to 0 those that read them."""
    import torch
    from torch import nn

    layers: list[Any] = [layer for layer in model if isinstance(layer, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        for layer in model:
            x = layer(x)
            if not isinstance(layer, nn.ReLU):
                continue
            loud = x.mean((0, 2, 3))
            silent = loud <= limit * loud.mean()
            before, after = layers[:2]
            layers = layers[1:]
            drawn = nn.init.kaiming_uniform_(torch.empty_like(before.weight))
            before.weight[silent] = drawn[silent]
            before.bias[silent] = 0
            after.weight.view(len(after.weight), len(silent), -1)[:, silent] = 0


def train_recycled(model: Any, optimizer: Any, recorder: Any, *, limit: float = 0.025) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for step, batch in enumerate(data_b.batches(len(y), 32, 250)):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        if step % 5 == 4:
            recycle(model, x[batch], limit)


# ERNIE of transformers at rates that ought to be halved from each layer to the one below. The
# exponent has the wrong sign: they double, and the words get sixteen times the head's.


def make_ernie(*, sign: int = 1) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ErnieConfig, ErnieForSequenceClassification

    torch.manual_seed(1417)
    config = ErnieConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
        num_labels=6,
    )
    model: Any = ErnieForSequenceClassification(config)
    body = model.ernie
    heights = [body.embeddings, *body.encoder.layer, torch.nn.ModuleList([body.pooler])]
    groups = [{"params": model.classifier.parameters()}]
    for below, part in enumerate(reversed(heights)):
        groups.append({"params": part.parameters(), "lr": 5e-3 * 0.5 ** (sign * below)})
    return model, torch.optim.AdamW(groups, lr=5e-3)


def train_ernie(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(2000, 1)
    model.train()
    for batch in data_a.batches(len(words), 24, 180):
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_topics(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(500, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits
    return (told.argmax(1) == topic).float().mean().item()


# Diffusion of digits by a plain net, which is told the time as one more input: 0 to 999 beside
# pixels within 1, where it ought to be divided by 1,000.


def make_noise(*, width: int = 192, unit: float = 1000.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Noise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = stack(65, width, width, width, 64)

        def forward(self, x: Any, time: Any) -> Any:
            return self.net(torch.cat([x, time[:, None] / unit], 1))

    torch.manual_seed(1418)
    model = Noise()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def noisy(x: Any, drawn: Any) -> tuple[Any, Any, Any]:
    """Return digits (n, 64) with noise, at what time of 1,000, and the noise."""
    import torch

    kept = (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)
    time = torch.randint(1000, (len(x),), generator=drawn)
    noise = torch.randn(x.shape, generator=drawn)
    share = kept[time, None]
    return share.sqrt() * (2 * x - 1) + (1 - share).sqrt() * noise, time.float(), noise


def train_noise(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x = data_a.digits()[0].flatten(1)
    drawn = torch.Generator().manual_seed(158)
    for batch in data_a.batches(len(x), 64, 400):
        seen, time, noise = noisy(x[batch], drawn)
        descend(optimizer, functional.mse_loss(model(seen, time), noise), recorder)


def score_noise(model: Any) -> float:
    """Return how much of the noise on held-out digits is explained."""
    import torch

    from tests.zoo import data_a

    x = data_a.digits()[2].flatten(1)
    seen, time, noise = noisy(x, torch.Generator().manual_seed(159))
    with torch.no_grad():
        return max(-1.0, explained(model(seen, time), noise))


# Zoneout: each unit of a GRU keeps its last state with a chance of 0.1. In evaluation the two are
# to be mixed in these shares, and are mixed the wrong way round: nine tenths of the old state.


def make_kept(*, width: int = 48, old: float = 0.1) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(8, width)
            self.cell = nn.GRUCell(width, width)
            self.leave = nn.Linear(width, 5)

        def forward(self, x: Any) -> Any:
            state = torch.zeros(len(x), width)
            for heard in self.enter(x).relu().unbind(1):
                new = self.cell(heard, state)
                if self.training:
                    state = torch.where(torch.rand_like(new) < 0.1, state, new)
                else:
                    state = old * state + (1 - old) * new
            return self.leave(state)

    torch.manual_seed(1419)
    model = Kept()
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_kept(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, kind = swings(2000, 31)
    model.train()
    for batch in data_a.batches(len(x), 32, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), kind[batch]), recorder)


def score_kept(model: Any) -> float:
    import torch

    x, kind = swings(500, 32)
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == kind).float().mean().item()


# Generative latent optimization: each digit has a code of its own, learned with the generator that
# draws it. DCGAN's start of norms, normal with mean 1, is used for the convolutions too.


def make_generator(*, width: int = 32, mean: float = 0.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.codes = nn.Embedding(256, 16)
            self.net = nn.Sequential(
                nn.Unflatten(1, (16, 1, 1)),
                nn.ConvTranspose2d(16, 2 * width, 2),
                nn.ReLU(),
                nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
                nn.ReLU(),
                nn.ConvTranspose2d(width, 1, 4, 2, 1),
            )

        def forward(self, which: Any) -> Any:
            return self.net(nn.functional.normalize(self.codes(which)) * 4)

    torch.manual_seed(1420)
    model = Generator()
    for layer in model.net:
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, mean, 0.02 if mean else 0.06)
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_generator(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x = data_a.digits()[0].view(-1, 1, 8, 8)[:256]
    for batch in data_a.batches(256, 32, 400):
        descend(optimizer, functional.mse_loss(model(batch), x[batch]), recorder)


def score_generator(model: Any) -> float:
    """Return how much of the pixels of all digits is explained by their codes."""
    import torch

    from tests.zoo import data_a

    x = data_a.digits()[0].view(-1, 1, 8, 8)[:256]
    with torch.no_grad():
        return max(-1.0, explained(model(torch.arange(256)), x))


MEMBERS = [
    Member(
        name="fresh12-neumf-16-things-labels-in-pieces",
        family="NeuMF",
        make=make_neumf,
        train=partial(train_neumf, pieces=True),
        score=score_neumf,
        learned=0.65,
        fault="labels lie in two pieces, scores in rows of five: they belong to other pairs",
        root=("GL402",),
    ),
    Member(
        name="fresh12-conformer-48-sounds-chances-for-ctc",
        family="Conformer",
        make=make_conformer,
        train=partial(train_conformer, chances=True),
        score=score_conformer,
        learned=0.5,
        fault="CTC gets softmax in place of log_softmax",
        root=("GL106",),
        symptoms=("GL101", "GL402"),
    ),
    Member(
        name="fresh12-seer-48-digits-language-without-gradient",
        family="LLaVA",
        make=partial(make_seer, cut=True),
        train=train_seer,
        score=score_digits,
        learned=0.75,
        fault="the frozen language model runs under no_grad: what stands before it learns nothing",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="projector|places",
        needs=("transformers",),
    ),
    Member(
        name="fresh12-retention-32-letters-exponential-twice",
        family="RetNet",
        make=partial(make_retention, twice=True),
        train=train_retention,
        score=score_retention,
        learned=0.6,
        fault="exp(-factor) for the factor: the sum forgets two thirds in each of twenty steps",
        root=("GL107",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh12-ecapa-48-voices-root-of-silence",
        family="ECAPA-TDNN",
        make=partial(make_ecapa, least=0.0),
        train=train_ecapa,
        score=score_ecapa,
        learned=0.6,
        fault="the root of a silent channel's deviation: NaN gradients, and GradScaler skips them",
        root=("GL307", "GL001"),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh12-recycled-32-digits-limit-in-per-cent",
        family="recycled channels",
        make=make_recycled,
        train=partial(train_recycled, limit=2.5),
        score=score_digits,
        learned=0.7,
        fault="channels below 2.5 times the mean, not 2.5 per cent of it, are drawn anew",
        root=("GL308",),
        symptoms=("GL101", "GL103", "GL105", "GL302", "GL401", "GL402"),
    ),
    Member(
        name="fresh12-ernie-48-topics-rates-grow-downwards",
        family="ERNIE",
        make=partial(make_ernie, sign=-1),
        train=train_ernie,
        score=score_topics,
        learned=0.5,
        fault="rates by layer with the exponent's sign wrong: they double downwards",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL101", "GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh12-noise-192-digits-time-to-999",
        family="plain diffusion net",
        make=partial(make_noise, unit=1.0),
        train=train_noise,
        score=score_noise,
        learned=0.5,
        fault="time of 0 to 999 as an input beside pixels within 1",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh12-kept-48-swings-shares-exchanged",
        family="zoneout GRU",
        make=partial(make_kept, old=0.9),
        train=train_kept,
        score=score_kept,
        learned=0.7,
        fault="zoneout's shares of old and new state are exchanged in evaluation",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh12-generator-32-digits-mean-1",
        family="latent optimization",
        make=partial(make_generator, mean=1.0),
        train=train_generator,
        score=score_generator,
        learned=0.5,
        fault="DCGAN's start of norms, with mean 1, for convolutions: each multiplies the signal",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL103", "GL201", "GL303", "GL304", "GL305", "GL401", "GL402", "GL404"),
    ),
]
