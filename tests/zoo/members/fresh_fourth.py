"""A fourth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_fourth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core.

============================  ======  ======  =======
training                      start   end     seconds
============================  ======  ======  =======
gemma-48-chains-muon          .037    .699    5.0
rwkv-48-chains-autocast       .017    .714    3.3
centernet-24-scenes           .037    .976    2.8
distance-64-flower            .564    .954    1.7
wavenet-24-sounds             -3.466  -1.338  3.2
codes-16-digits               -.199   .902    1.6
sparse-128-mixtures           -2.601  .627    0.9
survival-64-patients          .532    .786    0.7
greedy-96-digits              .093    .970    0.6
noise2noise-24-digits         -4.485  .562    2.9
============================  ======  ======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained


def descend(optimizer: Any, loss: Any, recorder: Any) -> None:
    """Take one step down the loss and log it."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    recorder.log(loss=loss.item())


def foretold(model: Any, words: Any) -> float:
    """Return how often a causal language model foretells the next word."""
    import torch

    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits[:, :-1].argmax(-1)
    return (told == words[:, 1:]).float().mean().item()


# Gemma of transformers: norm scales that start at 0 and stand for 1; Muon for its matrices.


def make_gemma() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GemmaConfig, GemmaForCausalLM

    torch.manual_seed(601)
    config = GemmaConfig(
        vocab_size=24,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=12,
        max_position_embeddings=16,
        pad_token_id=None,
        use_cache=False,
    )
    model = GemmaForCausalLM(config)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    muon = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.0)
    return model, [muon, torch.optim.AdamW(others, lr=3e-3, weight_decay=0.0)]


def train_gemma(model: Any, optimizers: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    sentences = data_a.chains(2000, 12, seed=1, words=24, sharp=4.0)
    model.train()
    for batch in data_a.batches(len(sentences), 24, 160):
        loss = model(input_ids=sentences[batch], labels=sentences[batch]).loss
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        recorder.log(loss=loss.item())


# RWKV of transformers: decays of its own for every channel, under bf16 autocast.


def make_rwkv() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import RwkvConfig, RwkvForCausalLM

    torch.manual_seed(602)
    config = RwkvConfig(
        vocab_size=24,
        context_length=16,
        hidden_size=48,
        num_hidden_layers=2,
        attention_hidden_size=48,
        intermediate_size=96,
        use_cache=False,
    )
    model = RwkvForCausalLM(config)
    return model, torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.99))


def train_rwkv(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    sentences = data_a.chains(2000, 12, seed=1, words=24, sharp=4.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 110)
    model.train()
    for batch in data_a.batches(len(sentences), 24, 110):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=sentences[batch], labels=sentences[batch]).loss
        descend(optimizer, loss, recorder)
        schedule.step()


def score_chains(model: Any) -> float:
    from tests.zoo import data_a

    return foretold(model, data_a.chains(300, 12, seed=2, words=24, sharp=4.0))


# CenterNet: a focal loss over a map that is nearly all background, and a bias of -2.2 for that.


@cache
def scenes(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return images (count, 1, 24, 24), blurred maps of middles and the middles themselves.

    One to three things lie in an image, plates or rings; maps are (count, 2, 12, 12).
    """
    import torch

    drawn = torch.Generator().manual_seed(seed)
    grid = torch.arange(24.0)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    half = torch.arange(12.0)
    row, column = torch.meshgrid(half, half, indexing="ij")
    images = 0.3 * torch.randn(count, 1, 24, 24, generator=drawn)
    blurred = torch.zeros(count, 2, 12, 12)
    exact = torch.zeros(count, 2, 12, 12, dtype=torch.bool)
    for index in range(count):
        for _ in range(int(torch.randint(1, 4, (1,), generator=drawn))):
            down, across = torch.randint(2, 10, (2,), generator=drawn).tolist()
            kind = int(torch.randint(2, (1,), generator=drawn))
            far = ((y - 2 * down).square() + (x - 2 * across).square()).sqrt()
            images[index, 0] += (far < 3).float() if kind == 0 else ((far - 3).abs() < 1).float()
            near = (-((row - down).square() + (column - across).square()) / 1.5).exp()
            blurred[index, kind] = torch.maximum(blurred[index, kind], near)
            exact[index, kind, down, across] = True
    return images, blurred, exact


def make_centernet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(603)
    head = nn.Conv2d(24, 2, 1)
    nn.init.constant_(head.bias, -2.19)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        head,
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_centernet(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    images, blurred, exact = scenes(800, 1)
    model.train()
    for batch in data_c.batches(len(images), 16, 200):
        logits = model(images[batch])
        chance = logits.sigmoid()
        hit = exact[batch].float()
        right = -hit * (1 - chance).square() * functional.logsigmoid(logits)
        away = (1 - hit) * (1 - blurred[batch]).pow(4)
        wrong = -away * chance.square() * functional.logsigmoid(-logits)
        descend(optimizer, (right + wrong).sum() / hit.sum(), recorder)


def score_centernet(model: Any) -> float:
    """Return how many of the things are among an image's highest peaks, one for each thing."""
    import torch
    from torch.nn import functional

    images, _, exact = scenes(200, 2)
    model.eval()
    with torch.no_grad():
        chance = model(images)
    peaks = chance.masked_fill(chance < functional.max_pool2d(chance, 3, 1, 1), -99.0)
    found = 0
    for peak, middle in zip(peaks.flatten(1), exact.flatten(1), strict=True):
        found += int(middle[peak.topk(int(middle.sum())).indices].sum())
    return found / int(exact.sum())


# A signed distance learned from points of an outline: softplus of 100, a sphere at the start,
# and a penalty on the slope, so that the gradient is differentiated.


def outline(count: int, drawn: Any) -> Any:
    """Return points (count, 2) on a flower of five leaves."""
    import torch

    angle = 6.2832 * torch.rand(count, generator=drawn)
    radius = 0.6 + 0.2 * torch.cos(5 * angle)
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


def make_distance(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(604)
    layers: list[Any] = []
    for fan_in in (2, width, width):
        layer = nn.Linear(fan_in, width)
        nn.init.normal_(layer.weight, std=(2 / width) ** 0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Softplus(beta=100)]
    last = nn.Linear(width, 1)
    nn.init.normal_(last.weight, mean=(torch.pi / width) ** 0.5, std=1e-4)
    nn.init.constant_(last.bias, -0.5)
    model = nn.Sequential(*layers, last)
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_distance(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(31)
    for _ in range(400):
        on = outline(128, drawn)
        off = (2 * torch.rand(128, 2, generator=drawn) - 1).requires_grad_()
        told = model(torch.cat([on, off]))
        (slope,) = torch.autograd.grad(told[128:].sum(), off, create_graph=True)
        steepness = (slope.norm(dim=1) - 1).square().mean()
        descend(optimizer, told[:128].abs().mean() + 0.1 * steepness, recorder)


def score_distance(model: Any) -> float:
    """Return the overlap of the inside and of what is told to be inside, over their union."""
    import torch

    place = 2 * torch.rand(4000, 2, generator=torch.Generator().manual_seed(32)) - 1
    angle = torch.atan2(place[:, 1], place[:, 0])
    inside = place.norm(dim=1) < 0.6 + 0.2 * torch.cos(5 * angle)
    with torch.no_grad():
        told = model(place)[:, 0] < 0
    return ((inside & told).sum() / (inside | told).sum()).item()


# WaveNet on waves in 32 steps of loudness; its last layer starts at 0.


@cache
def sounds(count: int, seed: int) -> Any:
    """Return sounds (count, 48) of two sine waves, as steps from 0 to 31."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    time = torch.arange(48.0)
    rate = 0.15 + 0.35 * torch.rand(count, 2, 1, generator=drawn)
    phase = 6.2832 * torch.rand(count, 2, 1, generator=drawn)
    wave = torch.sin(rate * time + phase).mean(1) + 0.01 * torch.randn(count, 48, generator=drawn)
    loud = wave.sign() * torch.log1p(31 * wave.abs()) / torch.log(torch.tensor(32.0))
    return ((loud.clamp(-1, 1) + 1) * 15.5).round().long()


def make_wavenet(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    class WaveNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reach = (1, 2, 4, 8, 1, 2)
            self.enter = nn.Embedding(32, width)
            self.gated = nn.ModuleList(
                nn.Conv1d(width, 2 * width, 2, dilation=reach) for reach in self.reach
            )
            self.back = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in self.reach)
            self.aside = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in self.reach)
            self.middle = nn.Conv1d(width, width, 1)
            self.leave = nn.Conv1d(width, 32, 1)
            nn.init.zeros_(self.leave.weight)
            nn.init.zeros_(self.leave.bias)

        def forward(self, steps: Any) -> Any:
            x = self.enter(steps).mT
            total: Any = 0.0
            for reach, gated, back, aside in zip(
                self.reach, self.gated, self.back, self.aside, strict=True
            ):
                filtered, gate = gated(functional.pad(x, (reach, 0))).chunk(2, 1)
                passed = torch.tanh(filtered) * torch.sigmoid(gate)
                x = x + back(passed)
                total = total + aside(passed)
            return self.leave(torch.relu(self.middle(torch.relu(total))))

    torch.manual_seed(605)
    model = WaveNet()
    return model, torch.optim.Adam(model.parameters(), lr=4e-3)


def train_wavenet(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    steps = sounds(1500, 1)
    for batch in data_c.batches(len(steps), 24, 160):
        logits = model(steps[batch, :-1])
        descend(optimizer, functional.cross_entropy(logits, steps[batch, 1:]), recorder)


def score_wavenet(model: Any) -> float:
    """Return the mean log-chance of the next step of loudness, in nats."""
    import torch
    from torch.nn import functional

    steps = sounds(200, 2)
    with torch.no_grad():
        return -functional.cross_entropy(model(steps[:, :-1]), steps[:, 1:]).item()


# VQ-VAE: the gradient steps over the codebook, whose entries are running averages of what they get.


def make_codes(*, width: int = 16, entries: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    class Codebook(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("entry", torch.randn(entries, width) / width**0.5)
            self.register_buffer("count", torch.ones(entries))
            self.register_buffer("total", self.entry.clone())

        def forward(self, x: Any) -> tuple[Any, Any]:
            flat = x.movedim(1, -1).reshape(-1, width)
            chosen = torch.cdist(flat.detach(), self.entry).argmin(1)
            if self.training:
                hot = functional.one_hot(chosen, entries).float()
                self.count.lerp_(hot.sum(0), 0.05)
                self.total.lerp_(hot.T @ flat.detach(), 0.05)
                self.entry.copy_(self.total / self.count.clamp(min=1e-2)[:, None])
            quantized = self.entry[chosen].view_as(x.movedim(1, -1)).movedim(-1, 1)
            commitment = (x - quantized.detach()).square().mean()
            return x + (quantized - x).detach(), commitment

    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, width, 3, padding=1)
            )
            self.codebook = Codebook()
            self.decoder = nn.Sequential(
                nn.Conv2d(width, 32, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1)
            )

        def forward(self, x: Any) -> tuple[Any, Any]:
            quantized, commitment = self.codebook(self.encoder(x))
            return self.decoder(quantized), commitment

    torch.manual_seed(606)
    model = Codes()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_codes(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, *_ = data_a.digits()
    model.train()
    for batch in data_a.batches(len(x), 64, 250):
        told, commitment = model(x[batch])
        descend(optimizer, functional.mse_loss(told, x[batch]) + 0.25 * commitment, recorder)


def score_codes(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x = data_a.digits()[2]
    model.eval()
    with torch.no_grad():
        return explained(model(x)[0], x)


# A sparse autoencoder: most units silent, and the decoder brought to length 1 after each step.


@cache
def mixtures(count: int, seed: int) -> Any:
    """Return sums (count, 32) of about three of 64 fixed directions, with some noise."""
    import torch

    fixed = torch.randn(64, 32, generator=torch.Generator().manual_seed(33))
    fixed = fixed / fixed.norm(dim=1, keepdim=True)
    drawn = torch.Generator().manual_seed(seed)
    chosen = torch.rand(count, 64, generator=drawn) < 0.05
    amount = chosen * (1 + torch.rand(count, 64, generator=drawn))
    return amount @ fixed + 0.02 * torch.randn(count, 32, generator=drawn)


def make_sparse(*, units: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = nn.Parameter(torch.randn(units, 32))
            self.decoder.data /= self.decoder.data.norm(dim=1, keepdim=True)
            self.encoder = nn.Linear(32, units)
            self.encoder.weight.data.copy_(self.decoder.data)
            nn.init.zeros_(self.encoder.bias)
            self.centre = nn.Parameter(torch.zeros(32))

        def forward(self, x: Any) -> tuple[Any, Any]:
            active = torch.relu(self.encoder(x - self.centre))
            return active @ self.decoder + self.centre, active

    torch.manual_seed(607)
    model = Sparse()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.0, 0.999))


def train_sparse(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_c

    x = mixtures(8000, 1)
    for batch in data_c.batches(len(x), 128, 900):
        told, active = model(x[batch])
        loss = (told - x[batch]).square().sum(1).mean() + 0.1 * active.sum(1).mean()
        descend(optimizer, loss, recorder)
        with torch.no_grad():
            model.decoder.div_(model.decoder.norm(dim=1, keepdim=True))


def score_sparse(model: Any) -> float:
    """Return the share of the variance explained, less that of the units that are active."""
    import torch

    x = mixtures(1000, 2)
    with torch.no_grad():
        told, active = model(x)
    return explained(told, x) - (active > 0).float().mean().item()


# DeepSurv: Cox's partial likelihood, which chance keeps near its start; half of a layer dropped.


@cache
def patients(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return ten findings (count, 10), times and whether the end was seen (or the study's)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 10, generator=drawn)
    risk = 1.2 * x[:, 0] - x[:, 1] + x[:, 2] * x[:, 3]
    lasts = -torch.rand(count, generator=drawn).clamp(min=1e-6).log() * (-risk).exp()
    study = 3 * torch.rand(count, generator=drawn)
    return x, torch.minimum(lasts, study), lasts <= study


def make_survival() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(608)
    model = nn.Sequential(
        nn.Linear(10, 64),
        nn.SELU(),
        nn.AlphaDropout(0.4),
        nn.Linear(64, 64),
        nn.SELU(),
        nn.AlphaDropout(0.4),
        nn.Linear(64, 1, bias=False),
    )
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3, weight_decay=1e-3)


def train_survival(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_c

    x, time, ended = patients(2000, 1)
    model.train()
    for batch in data_c.batches(len(x), 100, 400):
        batch = batch[time[batch].argsort(descending=True)]
        risk = model(x[batch])[:, 0]
        chosen = (risk - risk.logcumsumexp(0))[ended[batch]]
        descend(optimizer, -chosen.mean(), recorder)


def score_survival(model: Any) -> float:
    """Return the concordance: how often, of two patients, the one at more risk ends first."""
    import torch

    x, time, ended = patients(800, 2)
    model.eval()
    with torch.no_grad():
        risk = model(x)[:, 0]
    earlier = ended[:, None] & (time[:, None] < time)
    return (risk[:, None] > risk)[earlier].float().mean().item()


# Greedy layers: each has a head and a loss of its own, and gets no gradient from those above.


def make_greedy(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(n, width) for n in (64, width, width))
            self.heads = nn.ModuleList(nn.Linear(width, 10) for _ in self.layers)

        def forward(self, x: Any) -> Any:
            told = []
            for layer, head in zip(self.layers, self.heads, strict=True):
                x = torch.relu(layer(x.detach()))
                told.append(head(x))
            return torch.stack(told) if self.training else told[-1]

    torch.manual_seed(609)
    model = Greedy()
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)


def train_greedy(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    model.train()
    for batch in data_c.batches(len(x), 50, 300):
        told = model(x[batch])
        descend(optimizer, sum(functional.cross_entropy(each, y[batch]) for each in told), recorder)


def score_greedy(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *data_c.digits()[2:])


# Noise2Noise: noisy images learn from other noise, so that most of the loss never goes away.


def make_denoiser(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Denoiser(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()]
            for _ in range(3):
                layers += [nn.Conv2d(width, width, 3, padding=1, bias=False)]
                layers += [nn.GroupNorm(4, width), nn.LeakyReLU(0.1)]
            self.noise = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))

        def forward(self, x: Any) -> Any:
            return x - self.noise(x)

    torch.manual_seed(610)
    model = Denoiser()
    return model, torch.optim.NAdam(model.parameters(), lr=2e-3)


def train_denoiser(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    drawn = torch.Generator().manual_seed(35)
    x, *_ = data_a.digits()
    for batch in data_a.batches(len(x), 32, 250):
        shape = x[batch].shape
        noisy, again = (x[batch] + 0.6 * torch.randn(shape, generator=drawn) for _ in range(2))
        descend(optimizer, functional.mse_loss(model(noisy), again), recorder)


def score_denoiser(model: Any) -> float:
    """Return the share of the clean images' variance that is explained."""
    import torch

    from tests.zoo import data_a

    x = data_a.digits()[2]
    noise = 0.6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(36))
    with torch.no_grad():
        return explained(model(x + noise), x)


MEMBERS = [
    Member(
        name="fresh4-gemma-48-chains-muon",
        family="Gemma",
        make=make_gemma,
        train=train_gemma,
        score=score_chains,
        learned=0.5,
        needs=("transformers",),
    ),
    Member(
        name="fresh4-rwkv-48-chains-autocast",
        family="RWKV",
        make=make_rwkv,
        train=train_rwkv,
        score=score_chains,
        learned=0.5,
        needs=("transformers",),
    ),
    Member(
        name="fresh4-centernet-24-scenes",
        family="CenterNet",
        make=make_centernet,
        train=train_centernet,
        score=score_centernet,
        learned=0.7,
    ),
    Member(
        name="fresh4-distance-64-flower",
        family="signed distance",
        make=make_distance,
        train=train_distance,
        score=score_distance,
        learned=0.85,
    ),
    Member(
        name="fresh4-wavenet-24-sounds",
        family="WaveNet",
        make=make_wavenet,
        train=train_wavenet,
        score=score_wavenet,
        learned=-2.4,
    ),
    Member(
        name="fresh4-codes-16-digits",
        family="VQ-VAE",
        make=make_codes,
        train=train_codes,
        score=score_codes,
        learned=0.6,
        needs=("sklearn",),
    ),
    Member(
        name="fresh4-sparse-128-mixtures",
        family="sparse autoencoder",
        make=make_sparse,
        train=train_sparse,
        score=score_sparse,
        learned=0.4,
    ),
    Member(
        name="fresh4-survival-64-patients",
        family="DeepSurv",
        make=make_survival,
        train=train_survival,
        score=score_survival,
        learned=0.7,
    ),
    Member(
        name="fresh4-greedy-96-digits",
        family="greedy layers",
        make=make_greedy,
        train=train_greedy,
        score=score_greedy,
        learned=0.9,
        needs=("sklearn",),
    ),
    Member(
        name="fresh4-noise2noise-24-digits",
        family="Noise2Noise",
        make=make_denoiser,
        train=train_denoiser,
        score=score_denoiser,
        learned=0.3,
        needs=("sklearn",),
    ),
]
