"""An eighth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_eighth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it.

=======================================  =====  ======  =======  =======
training                                 start  fault   without  seconds
=======================================  =====  ======  =======  =======
retina-16-discs-prior-everywhere         .433   .040    .953     4.5
ngram-32-chains-chances-for-logarithms   .006   .051    .530     1.4
driver-48-places-on-the-map              -.004  -1.000  .963     5.3
convbert-48-topics-rest-at-heads-rate    .030   .157    .913     4.6
resmlp-48-digits-climb-kept              .108   .133    .867     5.2
camera-64-digits-gains-bfloat16          .529   .529    .846     1.9
restorer-16-exposures-running-averages   -.616  .066    .979     8.1
channel-64-digits-sample                 -.009  .050    .617     2.1
edgeconv-24-clouds-plateau-by-the-batch  .225   .225    .940     6.4
xvector-48-voices-emptied-each-epoch     .112   .112    .988     2.2
=======================================  =====  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# A detector in the manner of RetinaNet sees one scene in each step; the last bias starts at -4.6,
# as nearly every place is empty. Here all convolutions start so: relu lets nothing through.


@cache
def discs(count: int, seed: int) -> tuple[Any, Any]:
    """Return scenes (count, 1, 32, 32) of a disc and two squares, and the disc's cell marked."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    scenes = 0.1 * torch.randn(count, 1, 32, 32, generator=drawn).abs()
    middle = 4 + 24 * torch.rand(count, 3, 2, generator=drawn)
    grid = torch.arange(32.0)
    away = torch.stack(
        [
            (grid[:, None] - middle[..., 0, None, None]).expand(-1, -1, -1, 32),
            (grid - middle[..., 1, None, None]).expand(-1, -1, 32, -1),
        ]
    )
    squares = (away[:, :, 1:].abs().amax(0) < 3).any(1)
    disc = away[:, :, 0].norm(dim=0) < 4
    scenes[:, 0][squares] = 0.8
    scenes[:, 0][disc] = 0.8
    cell = (middle[:, 0] / 4).long()
    marks = torch.zeros(count, 8, 8)
    marks[torch.arange(count), cell[:, 0], cell[:, 1]] = 1.0
    return scenes, marks


def make_retina(*, width: int = 16, everywhere: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1021)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 1, 3, padding=1),
    )
    layers = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    for layer in layers:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    for layer in layers if everywhere else layers[-1:]:
        nn.init.constant_(layer.bias, -4.6)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_retina(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    scenes, marks = discs(800, 1)
    for batch in data_a.batches(len(scenes), 1, 600):
        told = model(scenes[batch])[:, 0]
        missed = functional.binary_cross_entropy_with_logits(told, marks[batch], reduction="none")
        share = torch.where(marks[batch] > 0, 0.75, 0.25)
        focus = (1 - torch.exp(-missed)).square()
        descend(optimizer, (share * focus * missed).sum() / marks[batch].sum(), recorder)


def score_retina(model: Any) -> float:
    """Return how often the likeliest cell is the disc's or one beside it."""
    import torch

    scenes, marks = discs(300, 2)
    with torch.no_grad():
        told = model(scenes)[:, 0].flatten(1).argmax(1)
    cell = marks.flatten(1).argmax(1)
    off = torch.maximum((told // 8 - cell // 8).abs(), (told % 8 - cell % 8).abs())
    return (off <= 1).float().mean().item()


# Bengio's model of language: the next of two hundred words from the last three. NLLLoss gets the
# words' chances and not their logarithms.


def make_three_words(*, width: int = 32, logarithm: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1022)
    model = nn.Sequential(
        nn.Embedding(200, width),
        nn.Flatten(),
        nn.Linear(3 * width, 128),
        nn.Tanh(),
        nn.Linear(128, 200),
        nn.LogSoftmax(1) if logarithm else nn.Softmax(1),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train_three_words(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch import nn

    from tests.zoo import data_a

    rows = data_a.chains(8000, 4, 1, words=200, sharp=4.0)
    loss = nn.NLLLoss()
    for batch in data_a.batches(len(rows), 64, 400):
        descend(optimizer, loss(model(rows[batch, :3]), rows[batch, 3]), recorder)


def score_three_words(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    rows = data_a.chains(1000, 4, 2, words=200, sharp=4.0)
    with torch.no_grad():
        return (model(rows[:, :3]).argmax(1) == rows[:, 3]).float().mean().item()


# Where cars will be in three seconds. Their places are in metres of the city's map, some thousands,
# and not seen from the car, in tens of metres.


def drives_on_map(count: int, drawn: Any) -> tuple[Any, Any]:
    """Return the last eight and the next six places (count, n, 2) of cars on a map, in metres."""
    import torch

    start = torch.tensor([2200.0, 900.0]) + 600 * torch.rand(count, 1, 2, generator=drawn)
    heading = 6.2832 * torch.rand(count, 1, generator=drawn)
    turn = 0.3 * (2 * torch.rand(count, 1, generator=drawn) - 1)
    speed = 4 + 8 * torch.rand(count, 1, generator=drawn)
    heading = heading + turn * torch.arange(14)
    steps = speed[..., None] * torch.stack([heading.cos(), heading.sin()], 2) / 2
    places = start + steps.cumsum(1)
    return places[:, :8] + 0.05 * torch.randn(count, 8, 2, generator=drawn), places[:, 8:]


def make_driver(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Driver(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(2, width)
            self.read = nn.GRU(width, width, batch_first=True)
            self.tell = stack(width, width, 12)

        def forward(self, seen: Any) -> Any:
            _, last = self.read(torch.relu(self.enter(seen)))
            return self.tell(last[0]).view(-1, 6, 2)

    torch.manual_seed(1023)
    model = Driver()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_driver(model: Any, optimizer: Any, recorder: Any, *, on_map: bool = False) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(41)
    for _ in range(300):
        seen, then = drives_on_map(64, drawn)
        if not on_map:
            seen, then = (seen - seen[:, 7:]) / 10, (then - seen[:, 7:]) / 10
        descend(optimizer, functional.mse_loss(model(seen), then), recorder)


def score_driver(model: Any, *, on_map: bool = False) -> float:
    """Return the share of the way's variance that is told, at least -1."""
    import torch

    seen, then = drives_on_map(500, torch.Generator().manual_seed(42))
    here = seen[:, 7:]
    with torch.no_grad():
        told = model(seen) - here if on_map else 10 * model((seen - here) / 10)
    return max(-1.0, explained(told, then - here))


# ConvBERT of transformers is fine-tuned: first the new head alone, at a rate of 0.03; then the rest
# joins by add_param_group, where no rate is named, so that it gets the head's.


def make_convbert() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ConvBertConfig, ConvBertForSequenceClassification

    torch.manual_seed(1024)
    config = ConvBertConfig(
        vocab_size=60,
        embedding_size=48,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        conv_kernel_size=5,
        intermediate_size=96,
        max_position_embeddings=40,
        num_labels=6,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = ConvBertForSequenceClassification(config)
    learner = torch.optim.AdamW(model.parameters(), lr=3e-3)
    words, topic = data_a.topics(1500, 1)
    for batch in data_a.batches(len(words), 16, 90):
        learner.zero_grad()
        model(input_ids=words[batch], labels=topic[batch]).loss.backward()
        learner.step()
    model.zero_grad()
    model.convbert.requires_grad_(False)
    for layer in (model.classifier.dense, model.classifier.out_proj):
        layer.reset_parameters()
    return model, torch.optim.AdamW(model.classifier.parameters(), lr=0.03)


def train_convbert(
    model: Any, optimizer: Any, recorder: Any, *, named: dict[str, float] | None = None
) -> None:
    """Train the head for 60 steps and all for 90; `named` is what the rest's group names."""
    from tests.zoo import data_a

    words, topic = data_a.topics(1500, 2, language=8, spread=1.5)
    named = {"lr": 1e-3} if named is None else named
    model.train()
    for number, batch in enumerate(data_a.batches(len(words), 16, 150)):
        if number == 60:
            model.convbert.requires_grad_(True)
            optimizer.add_param_group({"params": list(model.convbert.parameters()), **named})
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_convbert(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(400, 3, language=8, spread=1.5)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == topic).float().mean().item()


# timm's ResMLP under sharpness-aware minimization: the weights climb to where the loss is higher,
# the gradient is taken there, and they must come back before the step. Here they do not.


def make_resmlp() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.mlp_mixer import Affine, MlpMixer, ResBlock

    torch.manual_seed(1025)
    model = MlpMixer(
        num_classes=10,
        img_size=16,
        in_chans=1,
        patch_size=4,
        num_blocks=3,
        embed_dim=48,
        mlp_ratio=2,
        block_layer=ResBlock,
        norm_layer=Affine,
    )
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)


def train_resmlp(
    model: Any, optimizer: Any, recorder: Any, *, back: bool = True, radius: float = 0.2
) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(16)
    model.train()
    for batch in data_b.batches(len(y), 32, 220):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        with torch.no_grad():
            slopes = [p.grad for p in model.parameters()]
            length = torch.stack([each.norm() for each in slopes]).norm() + 1e-12
            climbs = [radius * each / length for each in slopes]
            for p, climb in zip(model.parameters(), climbs, strict=True):
                p.add_(climb)
        optimizer.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        if back:
            with torch.no_grad():
                for p, climb in zip(model.parameters(), climbs, strict=True):
                    p.sub_(climb)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_resmlp(model: Any) -> float:
    from tests.zoo import data_b

    return data_b.accuracy(model, *data_b.digits(16)[2:])


# A camera some of whose pixels are noisy is put before a net that knows digits from a good one: all
# is frozen but a gain for each pixel and each unit, which start at 1. In bfloat16, as the net is,
# steps of 0.001 are nothing to a 1; without the fault the gains alone are kept in float32.


def filmed(x: Any, drawn: Any) -> Any:
    """Return digits as rows (n, 64), seen by a camera of which 24 pixels are noisy."""
    import torch

    noisy = torch.randperm(64, generator=torch.Generator().manual_seed(43))[:24]
    x = x.flatten(1).clone()
    x[:, noisy] += torch.randn(len(x), 24, generator=drawn)
    return x


def make_camera(*, width: int = 64, low: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    class Camera(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = (64, width, width)
            self.gains = nn.ParameterList(torch.ones(size) for size in sizes)
            self.net = nn.ModuleList(map(nn.Linear, sizes, (width, width, 10)))

        def forward(self, x: Any) -> Any:
            kind = self.net[0].weight.dtype
            x = self.net[0]((x * self.gains[0]).to(kind)).relu()
            x = self.net[1]((x * self.gains[1]).to(kind)).relu()
            return self.net[2]((x * self.gains[2]).to(kind)).float()

    torch.manual_seed(1026)
    model = Camera()
    learner = torch.optim.Adam(model.net.parameters(), lr=2e-3)
    x, y, *_ = data_a.digits()
    for batch in data_a.batches(len(x), 64, 300):
        learner.zero_grad()
        nn.functional.cross_entropy(model(x[batch].flatten(1)), y[batch]).backward()
        learner.step()
    model.zero_grad()
    model.net.requires_grad_(False)
    (model if low else model.net).to(torch.bfloat16)
    return model, torch.optim.Adam(model.gains.parameters(), lr=1e-3)


def train_camera(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    drawn = torch.Generator().manual_seed(44)
    for batch in data_a.batches(len(x), 64, 800):
        told = model(filmed(x[batch], drawn))
        descend(optimizer, functional.cross_entropy(told, y[batch]), recorder)


def score_camera(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    x = filmed(x, torch.Generator().manual_seed(45))
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# A generator in the manner of CycleGAN's gives pictures of any exposure the same one; its instance
# norms keep running averages, which stand in for each picture's own in evaluation.


def exposed(x: Any, drawn: Any) -> Any:
    """Return pictures with a contrast between 0.15 and 7 and a brightness between -3 and 3."""
    import torch

    contrast = (4 * torch.rand(len(x), 1, 1, 1, generator=drawn) - 2).exp()
    return contrast * x + 6 * torch.rand(len(x), 1, 1, 1, generator=drawn) - 3


def make_restorer(*, width: int = 16, running: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    norm = partial(nn.InstanceNorm2d, affine=True, track_running_stats=running)

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
            self.first_norm = norm(width)
            self.second = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
            self.second_norm = norm(width)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.first_norm(self.first(x)))
            return x + self.second_norm(self.second(y))

    torch.manual_seed(1027)
    model = nn.Sequential(
        nn.Conv2d(1, width, 5, padding=2, padding_mode="reflect"),
        norm(width),
        nn.ReLU(),
        Branch(),
        Branch(),
        nn.Conv2d(width, 1, 5, padding=2, padding_mode="reflect"),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.5, 0.999))


def train_restorer(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, *_ = data_b.digits(16)
    drawn = torch.Generator().manual_seed(47)
    model.train()
    for batch in data_b.batches(len(x), 16, 200):
        told = model(exposed(x[batch], drawn))
        descend(optimizer, functional.l1_loss(told, x[batch]), recorder)


def score_restorer(model: Any) -> float:
    """Return the share of the pictures' variance that is told, at least -1."""
    import torch

    from tests.zoo import data_b

    x = data_b.digits(16)[2]
    model.eval()
    with torch.no_grad():
        told = model(exposed(x, torch.Generator().manual_seed(48)))
    return max(-1.0, explained(told, x))


# Pictures are sent as four numbers through a noisy channel, which is a normal distribution about
# them: sample() draws from it without a gradient, rsample() with one.


def make_channel(*, width: int = 64, cut: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Channel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = stack(64, width, width, 4)
            self.decoder = stack(4, width, width, 64)

        def forward(self, x: Any) -> Any:
            sent = torch.tanh(self.encoder(x))
            noisy = torch.distributions.Normal(sent, 0.1)
            return self.decoder(noisy.sample() if cut else noisy.rsample())

    torch.manual_seed(1028)
    model = Channel()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


@cache
def shades() -> tuple[Any, Any]:
    """Return digits as rows (n, 64) of 0 on average: to train on, to test."""
    from tests.zoo import data_a

    x, _, test_x, _ = data_a.digits()
    mean = x.mean(0)
    return (x - mean).flatten(1) / 0.3, (test_x - mean).flatten(1) / 0.3


def train_channel(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, _ = shades()
    for batch in data_a.batches(len(x), 64, 400):
        descend(optimizer, functional.mse_loss(model(x[batch]), x[batch]), recorder)


def score_channel(model: Any) -> float:
    import torch

    _, x = shades()
    torch.manual_seed(1029)
    with torch.no_grad():
        return explained(model(x), x)


# EdgeConv of PyTorch Geometric tells clouds of points apart; ReduceLROnPlateau, whose patience of
# two is meant in epochs, is asked after each batch of eight.


def make_edges(*, width: int = 24) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torch import nn
    from torch_geometric.nn import EdgeConv

    def neighbours(x: Any) -> Any:
        """Return the edges from each point's eight nearest (count, 48, n) to it."""
        nearest = torch.cdist(x, x).topk(8, largest=False).indices
        nearest = nearest + 48 * torch.arange(len(x))[:, None, None]
        points = torch.arange(48 * len(x)).repeat_interleave(8)
        return torch.stack([nearest.flatten(), points])

    class Edges(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = EdgeConv(stack(6, width, width))
            self.second = EdgeConv(stack(2 * width, 2 * width, 2 * width))
            self.head = stack(3 * width, width, 4)

        def forward(self, clouds: Any) -> Any:
            x = clouds.flatten(0, 1)
            first = self.first(x, neighbours(clouds)).relu()
            second = self.second(first, neighbours(first.view(len(clouds), 48, -1))).relu()
            return self.head(torch.cat([first, second], 1).view(len(clouds), 48, -1).amax(1))

    torch.manual_seed(1030)
    model = Edges()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_edges(model: Any, optimizer: Any, recorder: Any, *, each_batch: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a
    from tests.zoo.members.fresh_third import clouds

    points, kind = clouds(400, 1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
    losses: list[float] = []
    for batch in data_a.batches(len(points), 8, 250):
        loss = functional.cross_entropy(model(points[batch]), kind[batch])
        descend(optimizer, loss, recorder)
        losses.append(loss.item())
        if each_batch:
            scheduler.step(losses[-1])
        elif len(losses) % 50 == 0:
            scheduler.step(sum(losses[-50:]) / 50)


def score_edges(model: Any) -> float:
    import torch

    from tests.zoo.members.fresh_third import clouds

    points, kind = clouds(200, 2)
    with torch.no_grad():
        return (model(points).argmax(1) == kind).float().mean().item()


# X-vectors: a net of dilated convolutions over time, whose mean and spread tell eight voices apart;
# zero_grad stands before the loop over batches, not in it.


@cache
def voices(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectra (count, 24, 50) of voices that say anything, and whose each is."""
    import torch

    drawn = torch.Generator().manual_seed(49)
    color = torch.randn(8, 24, generator=drawn)
    sounds = torch.randn(10, 24, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    voice = torch.randint(8, (count,), generator=drawn)
    said = torch.randint(10, (count, 10), generator=drawn).repeat_interleave(5, 1)
    loud = torch.rand(count, 1, 1, generator=drawn) - 0.5
    spectra = 0.6 * color[voice][:, None] + sounds[said] + loud
    spectra = spectra + 0.8 * torch.randn(count, 50, 24, generator=drawn)
    return spectra.transpose(1, 2), voice


def make_voices(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Voices(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frames = nn.Sequential(
                nn.Conv1d(24, width, 5),
                nn.ReLU(),
                nn.Conv1d(width, width, 3, dilation=2),
                nn.ReLU(),
                nn.Conv1d(width, width, 3, dilation=3),
                nn.ReLU(),
                nn.Conv1d(width, 2 * width, 1),
                nn.ReLU(),
            )
            self.head = stack(4 * width, width, 8)

        def forward(self, spectra: Any) -> Any:
            x = self.frames(spectra)
            spread = (x.var(2) + 1e-4).sqrt()
            return self.head(torch.cat([x.mean(2), spread], 1))

    torch.manual_seed(1031)
    model = Voices()
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def train_voices(model: Any, optimizer: Any, recorder: Any, *, each_epoch: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    spectra, voice = voices(1024, 1)
    model.train()
    for number, batch in enumerate(data_a.batches(len(spectra), 32, 256)):
        if not each_epoch or number % 32 == 0:
            optimizer.zero_grad()
        loss = functional.cross_entropy(model(spectra[batch]), voice[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_voices(model: Any) -> float:
    import torch

    spectra, voice = voices(400, 2)
    with torch.no_grad():
        return (model(spectra).argmax(1) == voice).float().mean().item()


MEMBERS = [
    Member(
        name="fresh8-retina-16-discs-prior-everywhere",
        family="RetinaNet",
        make=partial(make_retina, everywhere=True),
        train=train_retina,
        score=score_retina,
        learned=0.75,
        fault="the last bias of -4.6 is set in all convolutions: their relu is silent",
        root=("GL201",),
        symptoms=("GL101", "GL105", "GL302", "GL402"),
    ),
    Member(
        name="fresh8-ngram-32-chains-chances-for-logarithms",
        family="neural n-gram",
        make=partial(make_three_words, logarithm=False),
        train=train_three_words,
        score=score_three_words,
        learned=0.2,
        fault="NLLLoss of a softmax, not of its logarithm: each gradient is multiplied by a chance",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh8-driver-48-places-on-the-map",
        family="trajectory GRU",
        make=make_driver,
        train=partial(train_driver, on_map=True),
        score=partial(score_driver, on_map=True),
        learned=0.5,
        fault="places in metres of the map, near 2,500 and 1,200, as inputs and as targets",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL202", "GL203", "GL302", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh8-convbert-48-topics-rest-at-heads-rate",
        family="ConvBERT",
        make=make_convbert,
        train=partial(train_convbert, named={}),
        score=score_convbert,
        learned=0.5,
        fault="after sixty steps the rest joins at the new head's rate of 0.03",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL101", "GL102", "GL103", "GL201", "GL202", "GL203", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh8-resmlp-48-digits-climb-kept",
        family="ResMLP",
        make=make_resmlp,
        train=partial(train_resmlp, back=False),
        score=score_resmlp,
        learned=0.6,
        fault="sharpness-aware minimization without the way back: each climb of the weights stays",
        root=("GL308",),
        symptoms=("GL001", "GL102", "GL203", "GL302", "GL303", "GL310", "GL401", "GL402"),
        needs=("timm",),
    ),
    Member(
        name="fresh8-camera-64-digits-gains-bfloat16",
        family="frozen net behind gains",
        make=partial(make_camera, low=True),
        train=train_camera,
        score=score_camera,
        learned=0.7,
        fault="gains of 1 in bfloat16, which steps of 0.001 cannot move",
        root=("GL301",),
        symptoms=("GL302", "GL402"),
        where="gains",
    ),
    Member(
        name="fresh8-restorer-16-exposures-running-averages",
        family="CycleGAN generator",
        make=partial(make_restorer, running=True),
        train=train_restorer,
        score=score_restorer,
        learned=0.4,
        fault="instance norms with track_running_stats: in evaluation none sees its own picture",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh8-channel-64-digits-sample",
        family="joint source-channel coding",
        make=partial(make_channel, cut=True),
        train=train_channel,
        score=score_channel,
        learned=0.35,
        fault="sample() for rsample(): no gradient reaches the encoder",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="encoder",
    ),
    Member(
        name="fresh8-edgeconv-24-clouds-plateau-by-the-batch",
        family="EdgeConv",
        make=make_edges,
        train=partial(train_edges, each_batch=True),
        score=score_edges,
        learned=0.7,
        fault="ReduceLROnPlateau is asked after each batch: the rate is gone after forty of them",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh8-xvector-48-voices-emptied-each-epoch",
        family="x-vector",
        make=make_voices,
        train=partial(train_voices, each_epoch=True),
        score=score_voices,
        learned=0.7,
        fault="zero_grad stands outside the loop over batches: gradients add up over each epoch",
        root=("GL104",),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL303", "GL304", "GL401", "GL402"),
    ),
]
