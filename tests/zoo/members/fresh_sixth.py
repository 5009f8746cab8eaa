"""A sixth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_sixth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

===================================  ======  ======  =======
training                             start   end     seconds
===================================  ======  ======  =======
mae-48-digits-hidden                 -1.922  .297    10.4
dit-48-digits-flow                   .115    .810    7.3
td3-64-mass                          -107.5  -4.546  3.7
bayes-48-friedman-rising-divergence  -.557   .966    1.6
crf-24-tags-summed                   .169    .899    1.1
towers-32-visits-sparse              .504    .865    2.0
spikes-128-digits                    .086    .972    3.5
reptile-40-waves                     .502    .839    1.1
nfnet-16-digits-wrong-labels         .072    .975    6.3
ulmfit-48-topics-thawing             .072    .968    2.1
===================================  ======  ======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import score_digits, train_digits
from tests.zoo.members.fresh_fifth_faulty import friedman
from tests.zoo.members.fresh_fourth import descend

MOVING = {"objective": "moving"}

# Masked autoencoder of transformers: half of the patches is hidden, two tables are frozen, and the
# loss rests at that of the mean picture before it falls on.


def make_mae() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    torch.manual_seed(801)
    config = ViTMAEConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        decoder_hidden_size=32,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=64,
        mask_ratio=0.5,
        initializer_range=0.1,
    )
    model = ViTMAEForPreTraining(config)
    # transformers 5.24 leaves the frozen tables of places at 0 when it reads no checkpoint.
    for table in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
        torch.nn.init.normal_(table, std=0.7)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95))


def train_mae(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_b

    x = data_b.digits()[0]
    model.train()
    for batch in data_b.batches(len(x), 32, 450):
        descend(optimizer, model(x[batch]).loss, recorder)


def score_mae(model: Any) -> float:
    """Return the share of the hidden pixels' variance that is told, beyond the mean picture."""
    import torch

    from tests.zoo import data_b

    known, _, x, _ = data_b.digits()
    hiding = torch.rand(len(x), 16, generator=torch.Generator().manual_seed(802))
    model.eval()
    with torch.no_grad():
        told = model(x, noise=hiding)
        hidden = told.mask.bool()
        mean = model.patchify(known.mean(0, keepdim=True))
        return explained((told.logits - mean)[hidden], (model.patchify(x) - mean)[hidden])


# A diffusion transformer with flow matching: its branches and its output start at 0.


def make_dit(*, width: int = 48, depth: int = 2) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.LayerNorm(width, elementwise_affine=False)
            self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
            self.second = nn.LayerNorm(width, elementwise_affine=False)
            self.up = nn.Linear(width, 2 * width)
            self.down = nn.Linear(2 * width, width)
            self.told = nn.Linear(width, 6 * width)
            nn.init.zeros_(self.told.weight)
            nn.init.zeros_(self.told.bias)

        def forward(self, x: Any, given: Any) -> Any:
            parts = self.told(nn.functional.silu(given))[:, None].chunk(6, 2)
            seen = self.first(x) * (1 + parts[0]) + parts[1]
            x = x + parts[2] * self.attention(seen, seen, seen, need_weights=False)[0]
            seen = self.second(x) * (1 + parts[3]) + parts[4]
            return x + parts[5] * self.down(nn.functional.gelu(self.up(seen)))

    class Diffuser(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(1, width, 2, stride=2)
            self.place = nn.Parameter(0.02 * torch.randn(16, width))
            self.digit = nn.Embedding(10, width)
            self.time = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
            self.blocks = nn.ModuleList(Block() for _ in range(depth))
            self.norm = nn.LayerNorm(width)
            self.leave = nn.Linear(width, 4)
            nn.init.zeros_(self.leave.weight)
            nn.init.zeros_(self.leave.bias)

        def forward(self, x: Any, time: Any, digit: Any) -> Any:
            angle = time[:, None] * 2.0 ** torch.arange(8.0)
            given = self.time(torch.cat([angle.sin(), angle.cos()], 1)) + self.digit(digit)
            tokens = self.patch(x).flatten(2).mT + self.place
            for block in self.blocks:
                tokens = block(tokens, given)
            told = self.leave(self.norm(tokens)).mT.unflatten(2, (4, 4))
            return nn.functional.pixel_shuffle(told, 2)

    torch.manual_seed(803)
    model = Diffuser()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_dit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    drawn = torch.Generator().manual_seed(804)
    for batch in data_b.batches(len(x), 64, 350):
        noise = torch.randn(64, 1, 8, 8, generator=drawn)
        time = torch.rand(64, generator=drawn)
        share = time[:, None, None, None]
        mixed = share * x[batch] + (1 - share) * noise
        told = model(mixed, time, y[batch])
        descend(optimizer, functional.mse_loss(told, x[batch] - noise), recorder)


def score_dit(model: Any) -> float:
    """Return how often a nearest neighbour takes a drawn digit for the one that was asked for."""
    import torch

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    asked = torch.arange(200) % 10
    drawn = torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(805))
    with torch.no_grad():
        for step in range(25):
            drawn = drawn + model(drawn, torch.full((200,), step / 25), asked) / 25
    near = torch.cdist(drawn.flatten(1), x.flatten(1)).argmin(1)
    return (y[near] == asked).float().mean().item()


# TD3: the actor steps every second time; the loss is that of a target that moves.


def make_td3(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def net(inputs: int, *last: Any) -> Any:
        return nn.Sequential(
            nn.Linear(inputs, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 1),
            *last,
        )

    torch.manual_seed(806)
    agent = nn.ModuleDict({"actor": net(2, nn.Tanh()), "first": net(3), "second": net(3)})
    critics = [*agent["first"].parameters(), *agent["second"].parameters()]
    return agent, [
        torch.optim.Adam(agent["actor"].parameters(), lr=1e-3),
        torch.optim.Adam(critics, lr=1e-3),
    ]


def train_td3(agent: Any, optimizers: Any, recorder: Any) -> None:
    from copy import deepcopy

    import torch

    from tests.zoo.members.control import Masses

    target = deepcopy(agent).requires_grad_(False)
    memory: list[Any] = []
    for step in range(700):
        if step % 40 == 0:
            masses = Masses(8, step)
        state = masses.state
        with torch.no_grad():
            force = (agent["actor"](state) + 0.2 * torch.randn(8, 1)).clamp(-1, 1)
        reward = masses.step(force[:, 0])
        memory.append((state, force, reward[:, None], masses.state))
        rows = [memory[each] for each in torch.randint(len(memory), (16,)).tolist()]
        state, force, reward, after = (torch.cat(each) for each in zip(*rows, strict=True))
        with torch.no_grad():
            shaken = (0.2 * torch.randn(len(state), 1)).clamp(-0.5, 0.5)
            then = torch.cat([after, (target["actor"](after) + shaken).clamp(-1, 1)], 1)
            goal = reward + 0.95 * torch.minimum(target["first"](then), target["second"](then))
        pair = torch.cat([state, force], 1)
        wrong = [(agent[name](pair) - goal).square().mean() for name in ("first", "second")]
        optimizers[1].zero_grad()
        (wrong[0] + wrong[1]).backward()
        optimizers[1].step()
        if step % 2 == 1:
            worth = agent["first"](torch.cat([state, agent["actor"](state)], 1)).mean()
            optimizers[0].zero_grad()
            (-worth).backward()
            optimizers[0].step()
            with torch.no_grad():
                for slow, fast in zip(target.parameters(), agent.parameters(), strict=True):
                    slow.lerp_(fast, 0.02)
        recorder.log(loss=(wrong[0] + wrong[1]).item())


def score_td3(agent: Any) -> float:
    from tests.zoo.members.control import rest

    return rest(lambda state: agent["actor"](state)[:, 0])


# Bayes by backprop: the sum over 2,000 rows, and a divergence whose weight rises: so does the loss.


def make_bayes(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Drawn(nn.Module):
        def __init__(self, fan_in: int, fan_out: int) -> None:
            super().__init__()
            self.mean = nn.Parameter(torch.randn(fan_out, fan_in) / fan_in**0.5)
            self.spread = nn.Parameter(torch.full((fan_out, fan_in), -4.0))
            self.bias = nn.Parameter(torch.zeros(fan_out))

        def forward(self, x: Any) -> Any:
            weight = self.mean
            if self.training:
                weight = weight + nn.functional.softplus(self.spread) * torch.randn_like(weight)
            return nn.functional.linear(x, weight, self.bias)

        def divergence(self) -> Any:
            drawn = torch.distributions.Normal(self.mean, nn.functional.softplus(self.spread))
            prior = torch.distributions.Normal(0.0, 1.0)
            return torch.distributions.kl_divergence(drawn, prior).sum()

    torch.manual_seed(807)
    model = nn.Sequential(
        Drawn(10, width), nn.Tanh(), Drawn(width, width), nn.Tanh(), Drawn(width, 1)
    )
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_bayes(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_c

    x, y = friedman(2000, 1)
    model.train()
    for step, batch in enumerate(data_c.batches(len(x), 100, 600)):
        misfit = 20 * ((model(x[batch]) - y[batch]) / 0.3).square().sum() / 2
        divergence = sum(layer.divergence() for layer in list(model)[::2])
        descend(optimizer, misfit + min(1.0, step / 500) * divergence, recorder)


def score_bayes(model: Any) -> float:
    import torch

    x, y = friedman(500, 2)
    model.eval()
    with torch.no_grad():
        return explained(model(x), y)


# BiLSTM-CRF: the loss is a sum over the words of sixteen sentences, some hundreds of nats.


@cache
def tagged(count: int, seed: int) -> tuple[Any, Any]:
    """Return sentences (count, 10) of 30 words and the tags 0..5 of a chain that wrote them."""
    import torch

    table = (3 * torch.randn(6, 6, generator=torch.Generator().manual_seed(82))).softmax(1)
    written = (2 * torch.randn(6, 30, generator=torch.Generator().manual_seed(83))).softmax(1)
    drawn = torch.Generator().manual_seed(seed)
    tags = [torch.randint(6, (count,), generator=drawn)]
    for _ in range(9):
        tags.append(torch.multinomial(table[tags[-1]], 1, generator=drawn)[:, 0])
    together = torch.stack(tags, 1)
    words = torch.multinomial(written[together.flatten()], 1, generator=drawn)
    return words.view(count, 10), together


def make_crf(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(30, width)
            self.states = nn.LSTM(width, width, batch_first=True, bidirectional=True)
            self.leave = nn.Linear(2 * width, 6)
            self.follows = nn.Parameter(torch.zeros(6, 6))

        def forward(self, words: Any, tags: Any) -> Any:
            told = self.leave(self.states(self.words(words))[0])
            right = told.gather(2, tags[..., None]).sum()
            right = right + self.follows[tags[:, :-1], tags[:, 1:]].sum()
            whole = told[:, 0]
            for place in range(1, told.shape[1]):
                steps = whole[:, :, None] + self.follows
                whole = steps.logsumexp(1) + told[:, place]
            return whole.logsumexp(1).sum() - right

        def best(self, words: Any) -> Any:
            told = self.leave(self.states(self.words(words))[0])
            whole = told[:, 0]
            back = []
            for place in range(1, told.shape[1]):
                whole, came = (whole[:, :, None] + self.follows).max(1)
                whole = whole + told[:, place]
                back.append(came)
            path = [whole.argmax(1)]
            for came in reversed(back):
                path.insert(0, came.gather(1, path[0][:, None])[:, 0])
            return torch.stack(path, 1)

    torch.manual_seed(808)
    model = Tagger()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_crf(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, tags = tagged(1500, 1)
    for batch in data_a.batches(len(words), 16, 250):
        descend(optimizer, model(words[batch], tags[batch]), recorder)


def score_crf(model: Any) -> float:
    import torch

    words, tags = tagged(300, 2)
    with torch.no_grad():
        return (model.best(words) == tags).float().mean().item()


# Two towers: sparse gradients for both tables, and other people's things as wrong answers.


@cache
def visits(count: int, seed: int) -> tuple[Any, Any]:
    """Return who (of 600) took what (of 300 things)."""
    import torch

    drawn = torch.Generator().manual_seed(84)
    chance = 1.3 * torch.randn(600, 5, generator=drawn) @ torch.randn(5, 300, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    person = torch.randint(600, (count,), generator=drawn)
    return person, torch.multinomial(chance.softmax(1)[person], 1, generator=drawn)[:, 0]


def make_towers(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def tower(count: int) -> Any:
        return nn.Sequential(
            nn.Embedding(count, width, sparse=True),
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, width),
        )

    torch.manual_seed(809)
    model = nn.ModuleList([tower(600), tower(300)])
    tables = [side[0].weight for side in model]
    others = [p for side in model for p in list(side.parameters())[1:]]
    return model, [torch.optim.SparseAdam(tables, lr=1e-2), torch.optim.AdamW(others, lr=2e-3)]


def nearness(model: Any, person: Any, thing: Any) -> Any:
    """Return the cosines of all people with all things, ten-fold."""
    from torch.nn import functional

    first = functional.normalize(model[0](person), dim=1)
    return 10 * first @ functional.normalize(model[1](thing), dim=1).T


def train_towers(model: Any, optimizers: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    person, thing = visits(24000, 1)
    for batch in data_a.batches(len(person), 128, 400):
        told = nearness(model, person[batch], thing[batch])
        loss = functional.cross_entropy(told, torch.arange(128))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        recorder.log(loss=loss.item())


def score_towers(model: Any) -> float:
    """Return how often the thing that was taken stands above another one."""
    import torch

    person, thing = visits(2000, 2)
    with torch.no_grad():
        told = nearness(model, person, torch.arange(300))
    return (told.gather(1, thing[:, None]) > told).float().sum(1).mean().item() / 299


# A spiking net: most units say nothing most of the time, and the slope is a made one.


def make_spikes(*, width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, charge: Any) -> Any:
            context.save_for_backward(charge)
            return (charge > 0).float()

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            (charge,) = context.saved_tensors
            return gradient / (1 + 10 * charge.abs()) ** 2

    class Spiking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(64, width)
            self.again = nn.Linear(width, width)
            self.leave = nn.Linear(width, 10)

        def forward(self, images: Any) -> Any:
            pushed = self.enter(images.flatten(1))
            first = torch.zeros_like(pushed)
            second = torch.zeros_like(pushed)
            told: Any = 0.0
            for _ in range(12):
                first = 0.9 * first + pushed
                spikes = Spike.apply(first - 1)
                first = first - spikes.detach()
                second = 0.9 * second + self.again(spikes)
                spikes = Spike.apply(second - 1)
                second = second - spikes.detach()
                told = told + self.leave(spikes)
            return told / 12

    torch.manual_seed(810)
    model = Spiking()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_spikes(model: Any, optimizer: Any, recorder: Any) -> None:
    train_digits(model, optimizer, recorder, steps=250)


# Reptile: six steps on one wave, then the weights go a part of the way there; then another wave.


def make_reptile(*, width: int = 40) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(811)
    model = nn.Sequential(
        nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05)


def wave(drawn: Any) -> tuple[Any, Any]:
    """Return 20 places and the heights there of a wave with a phase of its own."""
    import torch

    x = 6 * torch.rand(20, 1, generator=drawn) - 3
    return x, torch.sin(x + 3.1416 * torch.rand(1, generator=drawn))


def train_reptile(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(85)
    for task in range(250):
        before = [p.detach().clone() for p in model.parameters()]
        x, y = wave(drawn)
        for _ in range(8):
            descend(optimizer, functional.mse_loss(model(x), y), recorder)
        with torch.no_grad():
            for p, old in zip(model.parameters(), before, strict=True):
                p.copy_(old.lerp(p, 0.7 * (1 - task / 250)))


def score_reptile(model: Any) -> float:
    """Return the share that is told of new waves after eight steps on ten points of each."""
    from copy import deepcopy

    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(86)
    told = []
    for _ in range(30):
        copy = deepcopy(model)
        optimizer = torch.optim.SGD(copy.parameters(), lr=0.05)
        x, y = wave(drawn)
        for _ in range(8):
            optimizer.zero_grad()
            functional.mse_loss(copy(x[:10]), y[:10]).backward()
            optimizer.step()
        with torch.no_grad():
            told.append(functional.mse_loss(copy(x[10:]), y[10:]).item() / 0.5)
    return 1 - sum(told) / len(told)


# NFNet of timm, without any norm; a fifth of the labels is wrong, and gradients are clipped layer
# by layer to a part of the weights, as its authors do.


def make_nfnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    import timm

    torch.manual_seed(812)
    model = timm.create_model("test_nfnet", num_classes=10, in_chans=1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)


def train_nfnet(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from timm.utils.agc import adaptive_clip_grad
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(16)
    drawn = torch.Generator().manual_seed(87)
    wrong = torch.rand(len(y), generator=drawn) < 0.2
    y = torch.where(wrong, torch.randint(10, y.shape, generator=drawn), y)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 140)
    model.train()
    for batch in data_b.batches(len(y), 32, 140):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        adaptive_clip_grad(model.parameters(), 0.05)
        optimizer.step()
        scheduler.step()
        recorder.log(loss=loss.item())


def score_nfnet(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *data_b.digits(16)[2:])


# ULMFiT: a language model becomes a classifier; its layers thaw one after the other, and each has a
# rate 2.6 times smaller than the one above it.


def make_ulmfit(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(60, width)
            self.lower = nn.LSTM(width, width, batch_first=True)
            self.upper = nn.LSTM(width, width, batch_first=True)
            self.next = nn.Linear(width, 60)
            self.head = nn.Sequential(
                nn.BatchNorm1d(3 * width),
                nn.Dropout(0.5),
                nn.Linear(3 * width, 48),
                nn.ReLU(),
                nn.Dropout(0.3),
                nn.Linear(48, 6),
            )

        def read(self, words: Any) -> Any:
            return self.upper(self.lower(self.words(words))[0])[0]

        def forward(self, words: Any) -> Any:
            states = self.read(words)
            return self.head(torch.cat([states[:, -1], states.amax(1), states.mean(1)], 1))

    torch.manual_seed(813)
    model = Reader()
    words, _ = data_a.topics(2000, 1)
    learner = torch.optim.Adam(model.parameters(), lr=5e-3)
    for batch in data_a.batches(len(words), 64, 150):
        learner.zero_grad()
        told = model.next(model.read(words[batch, :-1]))
        nn.functional.cross_entropy(told.mT, words[batch, 1:]).backward()
        learner.step()
    del model.next
    model.zero_grad()
    parts = [model.head, model.upper, model.lower, model.words]
    groups = [
        {"params": list(part.parameters()), "lr": 5e-3 / 2.6**depth}
        for depth, part in enumerate(parts)
    ]
    return model, torch.optim.AdamW(groups)


def train_ulmfit(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(600, 2)
    parts = [model.head, model.upper, model.lower, model.words]
    model.train()
    for step, batch in enumerate(data_a.batches(len(words), 32, 240)):
        if step % 60 == 0:
            for depth, part in enumerate(parts):
                part.requires_grad_(depth <= step // 60)
        descend(optimizer, functional.cross_entropy(model(words[batch]), topic[batch]), recorder)


def score_ulmfit(model: Any) -> float:
    from tests.zoo import data_a, data_c

    return data_c.accuracy(model, *data_a.topics(500, 3))


MEMBERS = [
    Member(
        name="fresh6-mae-48-digits-hidden",
        family="masked autoencoder",
        make=make_mae,
        train=train_mae,
        score=score_mae,
        learned=0.15,
        needs=("transformers",),
    ),
    Member(
        name="fresh6-dit-48-digits-flow",
        family="diffusion transformer",
        make=make_dit,
        train=train_dit,
        score=score_dit,
        learned=0.6,
    ),
    Member(
        name="fresh6-td3-64-mass",
        family="TD3",
        make=make_td3,
        train=train_td3,
        score=score_td3,
        learned=-10,
        watch=MOVING,
    ),
    Member(
        name="fresh6-bayes-48-friedman-rising-divergence",
        family="Bayesian net",
        make=make_bayes,
        train=train_bayes,
        score=score_bayes,
        learned=0.8,
    ),
    Member(
        name="fresh6-crf-24-tags-summed",
        family="BiLSTM-CRF",
        make=make_crf,
        train=train_crf,
        score=score_crf,
        learned=0.7,
    ),
    Member(
        name="fresh6-towers-32-visits-sparse",
        family="two towers",
        make=make_towers,
        train=train_towers,
        score=score_towers,
        learned=0.75,
    ),
    Member(
        name="fresh6-spikes-128-digits",
        family="spiking net",
        make=make_spikes,
        train=train_spikes,
        score=score_digits,
        learned=0.8,
    ),
    Member(
        name="fresh6-reptile-40-waves",
        family="Reptile",
        make=make_reptile,
        train=train_reptile,
        score=score_reptile,
        learned=0.7,
    ),
    Member(
        name="fresh6-nfnet-16-digits-wrong-labels",
        family="NFNet",
        make=make_nfnet,
        train=train_nfnet,
        score=score_nfnet,
        learned=0.7,
        needs=("timm",),
    ),
    Member(
        name="fresh6-ulmfit-48-topics-thawing",
        family="AWD-LSTM",
        make=make_ulmfit,
        train=train_ulmfit,
        score=score_ulmfit,
        learned=0.8,
    ),
]
