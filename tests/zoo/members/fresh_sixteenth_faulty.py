"""A sixteenth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The faults are those that forums and
reviews show most often. The ten without one are in fresh_sixteenth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it.

=========================================  =====  =====  =======  =======
training                                   start  fault  without  seconds
=========================================  =====  =====  =======  =======
reinforce-64-articles-chances-as-logits    .085   .149   .626     1.2
xlmr-32-topics-thawed-without-optimizer    .194   .326   .756     2.6
table-64-wines-as-they-are                 .354   .417   .979     0.2
convolutions-24-digits-warm-up-goes-on     .068   .078   .955     1.7
panns-24-recordings-sigmoid-in-evaluation  .353   .416   .999     3.3
voxels-8-solids-never-emptied              .253   .237   .793     2.2
letters-64-kinds-rate-of-adam              .192   .192   .966     2.0
attention-32-gestures-mask-turned          .190   .220   .745     1.2
gru4rec-48-visits-decay-of-adamw           .120   .295   .838     1.3
translator-48-words-rate-beside-noam       .040   .040   1.000    3.7
=========================================  =====  =====  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# Which of twelve articles is shown to a reader? REINFORCE learns from what is read. The net ends
# in a softmax, and its chances are handed to Categorical as logits: a second softmax.


@cache
def readers(count: int, seed: int) -> tuple[Any, Any]:
    """Return what is known of readers (n, 16) and the one article of twelve that each reads."""
    import torch

    drawn = torch.Generator().manual_seed(171)
    ways = torch.randn(16, 12, generator=drawn)
    x = torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))
    return x, (x @ ways).argmax(1)


def make_shown(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1611)
    model = nn.Sequential(*stack(16, width, width, 12), nn.Softmax(1))
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def policy(told: Any, *, logits: bool) -> Any:
    """Return the distribution over articles that the net's answers (n, 12) stand for."""
    from torch.distributions import Categorical

    return Categorical(logits=told) if logits else Categorical(probs=told)


def train_shown(model: Any, optimizer: Any, recorder: Any, *, logits: bool = False) -> None:
    import torch

    from tests.zoo import data_a

    torch.manual_seed(172)
    x, read = readers(6000, 1)
    for batch in data_a.batches(len(x), 128, 700):
        chances = policy(model(x[batch]), logits=logits)
        shown = chances.sample()
        reward = (shown == read[batch]).float()
        gain = reward - reward.mean()
        loss = -(chances.log_prob(shown) * gain).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item(), score=reward.mean().item())


def score_shown(model: Any, *, logits: bool = False) -> float:
    """Return the share of 2,000 readers to whom the policy shows what they read."""
    import torch

    torch.manual_seed(173)
    x, read = readers(2000, 2)
    with torch.no_grad():
        return (policy(model(x), logits=logits).sample() == read).float().mean().item()


# XLM-RoBERTa of transformers, trained on topics of one language, learns those of another: first
# its new head alone, then all of it. The optimizer was made when only the head was to learn.


def make_thawed(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    torch.manual_seed(1612)
    config = XLMRobertaConfig(
        vocab_size=64,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=40,
        num_labels=6,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    model = XLMRobertaForSequenceClassification(config)
    before = torch.optim.AdamW(model.parameters(), lr=2e-3)
    x, y = data_a.topics(1000, 11, language=9, spread=1.5)
    for batch in data_a.batches(len(x), 32, 60):
        loss = functional.cross_entropy(model(input_ids=x[batch]).logits, y[batch])
        before.zero_grad()
        loss.backward()
        before.step()
    for layer in (model.classifier.dense, model.classifier.out_proj):
        layer.reset_parameters()
    model.roberta.requires_grad_(False)
    model.zero_grad()
    learning = [each for each in model.parameters() if each.requires_grad]
    return model, torch.optim.AdamW(learning, lr=2e-3)


def train_thawed(model: Any, optimizer: Any, recorder: Any, *, told: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = data_a.topics(2000, 12, classes=6, spread=0.9)
    model.train()
    for step, batch in enumerate(data_a.batches(len(x), 32, 220)):
        if step == 40:
            model.roberta.requires_grad_(True)
            if told:
                optimizer.add_param_group({"params": list(model.roberta.parameters())})
        loss = functional.cross_entropy(model(input_ids=x[batch]).logits, y[batch])
        descend(optimizer, loss, recorder)


def score_thawed(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, 13, classes=6, spread=0.9)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(1) == y).float().mean().item()


# Three wines by thirteen measurements, one of which is near 750 and others near 0.3: the table
# goes in as it is.


@cache
def wines(*, raw: bool) -> tuple[Any, Any, Any, Any]:
    """Return measurements (n, 13) and kinds of 130 wines, and of 48 held out."""
    import torch
    from sklearn.datasets import load_wine

    data = load_wine()
    order = torch.randperm(178, generator=torch.Generator().manual_seed(174))
    x = torch.tensor(data.data, dtype=torch.float32)[order]
    y = torch.tensor(data.target)[order]
    if not raw:
        x = (x - x[:130].mean(0)) / x[:130].std(0)
    return x[:130], y[:130], x[130:], y[130:]


def make_wines() -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1613)
    model = stack(13, 64, 32, 3)
    return model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)


def train_wines(model: Any, optimizer: Any, recorder: Any, *, raw: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, _, _ = wines(raw=raw)
    for batch in data_a.batches(len(x), 16, 400):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_wines(model: Any, *, raw: bool = False) -> float:
    import torch

    _, _, x, y = wines(raw=raw)
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# The net of nothing but convolutions, on digits. The factor of the warm-up, step / 20, has no
# min(1, ...) around it: the rate goes on growing.


def make_convolutions(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1614)
    layers: list[Any] = []
    inputs = 1
    for outputs, size, step in (
        (width, 3, 1),
        (width, 3, 1),
        (width, 3, 2),
        (2 * width, 3, 1),
        (2 * width, 3, 2),
        (2 * width, 1, 1),
    ):
        conv = nn.Conv2d(inputs, outputs, size, step, size // 2)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, nn.ReLU()]
        inputs = outputs
    last = nn.Conv2d(inputs, 10, 1)
    model = nn.Sequential(*layers, last, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return model, torch.optim.SGD(model.parameters(), 0.03, momentum=0.9, weight_decay=1e-3)


def train_convolutions(model: Any, optimizer: Any, recorder: Any, *, capped: bool = True) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    def factor(step: int) -> float:
        grown = (step + 1) / 20
        return min(1.0, grown) if capped else grown

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    x, y, _, _ = data_a.digits()
    for batch in data_a.batches(len(x), 32, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        schedule.step()


def score_convolutions(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    _, _, x, y = data_a.digits()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# Which of five sounds are in a recording? In evaluation the net ends in a sigmoid, and those who
# evaluate it apply a sigmoid too: every sound is said to be in every recording.


@cache
def recordings(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectrograms (n, 1, 20, 32) and which of five sounds are in each (n, 5)."""
    import torch

    drawn = torch.Generator().manual_seed(175)
    forms = 1.5 * torch.randn(5, 20, 6, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    there = (torch.rand(count, 5, generator=drawn) < 0.25).float()
    x = 0.7 * torch.randn(count, 20, 32, generator=drawn)
    late = torch.randint(27, (count, 5), generator=drawn)
    for each in range(5):
        time = (late[:, each, None] + torch.arange(6))[:, None].expand(count, 20, 6)
        x.scatter_add_(2, time, there[:, each, None, None] * forms[each])
    return x[:, None], there


def make_recordings(*, width: int = 24, twice: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def layer(inputs: int, outputs: int) -> Any:
        conv = nn.Conv2d(inputs, outputs, (5, 3), padding=(2, 1), bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.AvgPool2d(2))

    class Recordings(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(layer(1, width), layer(width, 2 * width))
            self.drop = nn.Dropout(0.2)
            self.fc1 = nn.Linear(10 * width, 2 * width)
            self.fc_audioset = nn.Linear(2 * width, 5)

        def forward(self, x: Any) -> Any:
            x = self.body(x).flatten(1, 2)
            x = self.drop(x.amax(2) + x.mean(2))
            told = self.fc_audioset(self.fc1(x).relu())
            return told if self.training or not twice else told.sigmoid()

    torch.manual_seed(1615)
    model = Recordings()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_recordings(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, there = recordings(1500, 1)
    model.train()
    for batch in data_a.batches(len(x), 32, 160):
        told = model(x[batch])
        loss = functional.binary_cross_entropy_with_logits(told, there[batch])
        descend(optimizer, loss, recorder)


def score_recordings(model: Any) -> float:
    """Return the F1 measure over all sounds of 400 recordings."""
    import torch

    x, there = recordings(400, 2)
    model.eval()
    with torch.no_grad():
        said = (model(x).sigmoid() > 0.5).float()
    return (2 * (said * there).sum() / (said.sum() + there.sum())).item()


# Solids of voxels by three-dimensional convolutions. Four at a time fit into memory, and a step is
# taken after each fourth batch; nobody empties the gradients then.


@cache
def solids(count: int, seed: int) -> tuple[Any, Any]:
    """Return voxels (n, 1, 10, 10, 10) of four kinds of solid, and the kinds."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(4, (count,), generator=drawn)
    line = torch.arange(10.0)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), 3)
    middle = 3 + 3 * torch.rand(count, 1, 1, 1, 3, generator=drawn)
    size = 2 + 1.5 * torch.rand(count, 1, 1, 1, generator=drawn)
    far = (grid - middle).abs()
    ball = far.square().sum(4).sqrt() / 1.2
    cube = far.amax(4)
    frame = torch.where(far.sum(4) < size * 1.2, 9.0, cube)
    cross = far.sort(4).values[..., 1] * 2 + far.amax(4) / 9
    chosen = torch.stack([ball, cube, frame, cross], 1)[torch.arange(count), kind]
    x = (chosen < size).float()
    return (x + 0.25 * torch.randn(x.shape, generator=drawn))[:, None], kind


def make_solids(*, width: int = 8) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1616)
    layers: list[Any] = []
    for inputs, outputs, step in ((1, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)):
        layers += [nn.Conv3d(inputs, outputs, 3, step, 1), nn.GroupNorm(4, outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4 * width, 4))
    return model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)


def train_solids(model: Any, optimizer: Any, recorder: Any, *, emptied: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = solids(800, 1)
    optimizer.zero_grad()
    for number, batch in enumerate(data_a.batches(len(x), 4, 800)):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        (loss / 4).backward()
        if number % 4 == 3:
            optimizer.step()
            if emptied:
                optimizer.zero_grad()
        recorder.log(loss=loss.item())


def score_solids(model: Any) -> float:
    import torch

    x, y = solids(300, 2)
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# The character CNN: five kinds of text, each with words of its own. Adam was exchanged for SGD,
# and its rate was kept.


@cache
def spelled(count: int, seed: int) -> tuple[Any, Any]:
    """Return texts (n, 48) of letters and which of five lexicons their words are from."""
    import torch

    drawn = torch.Generator().manual_seed(176)
    lexicon = torch.randint(1, 27, (5, 10, 5), generator=drawn)
    common = torch.randint(1, 27, (30, 5), generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(5, (count,), generator=drawn)
    words = common[torch.randint(30, (count, 8), generator=drawn)]
    own = lexicon[kind[:, None], torch.randint(10, (count, 8), generator=drawn)]
    words = torch.where(torch.rand(count, 8, 1, generator=drawn) < 0.4, own, words)
    return torch.nn.functional.pad(words, (0, 1)).flatten(1), kind


def make_spelled(*, width: int = 64, rate: float = 0.05) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Spelled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv1d(27, width, 5), nn.Conv1d(width, width, 3)
            self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, 5)
            self.drop = nn.Dropout(0.3)

        def forward(self, letters: Any) -> Any:
            x = nn.functional.one_hot(letters, 27).float().transpose(1, 2)
            x = nn.functional.max_pool1d(self.conv1(x).relu(), 3)
            x = self.conv2(x).relu().amax(2)
            return self.fc2(self.drop(self.fc1(x).relu()))

    torch.manual_seed(1617)
    model = Spelled()
    return model, torch.optim.SGD(model.parameters(), rate, momentum=0.9)


def train_spelled(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = spelled(2000, 1)
    model.train()
    for batch in data_a.batches(len(x), 64, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_spelled(model: Any) -> float:
    import torch

    x, y = spelled(500, 2)
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# Gestures of different lengths by a transformer. key_padding_mask is true where a moment is to be
# left out; here it is true where there is one. A gesture without filling has nothing left.


@cache
def gestures(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return gestures (n, 24, 3), filled with 0, where moments are (n, 24), and five kinds."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(5, (count,), generator=drawn)
    length = torch.randint(12, 25, (count, 1), generator=drawn)
    there = torch.arange(24) < length
    time = torch.arange(24.0) / 8 + torch.rand(count, 1, generator=drawn)
    speed = torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0])[kind][:, None]
    turned = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])[kind][:, None]
    x = torch.stack([(3 * speed * time).sin(), turned * (3 * speed * time).cos(), time / 3], 2)
    x = x + 0.2 * torch.randn(x.shape, generator=drawn)
    return x * there[..., None], there, kind


def make_gestures(*, width: int = 32, turned: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attn = nn.MultiheadAttention(width, 4, batch_first=True)
            self.mlp = stack(width, 2 * width, width)

        def forward(self, x: Any, mask: Any) -> Any:
            y = self.norm1(x)
            x = x + self.attn(y, y, y, key_padding_mask=mask)[0]
            return x + self.mlp(self.norm2(x))

    class Gestures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(3, width)
            self.place = nn.Parameter(0.02 * torch.randn(24, width))
            self.blocks = nn.ModuleList(Block() for _ in range(2))
            self.head = nn.Linear(width, 5)

        def forward(self, x: Any, there: Any) -> Any:
            x = self.embed(x) + self.place
            for block in self.blocks:
                x = block(x, there if turned else ~there)
            seen = there[..., None].float()
            return self.head((x * seen).sum(1) / seen.sum(1))

    torch.manual_seed(1618)
    model = Gestures()
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_gestures(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, there, kind = gestures(1500, 1)
    for batch in data_a.batches(len(x), 16, 260):
        told = model(x[batch], there[batch])
        descend(optimizer, functional.cross_entropy(told, kind[batch]), recorder)


def score_gestures(model: Any) -> float:
    import torch

    x, there, kind = gestures(400, 2)
    with torch.no_grad():
        return (model(x, there).argmax(1) == kind).float().mean().item()


# GRU4Rec: what is looked at next in a shop? The recipe says AdamW and a weight decay of 0.1;
# written is Adam, which adds the decay to the gradient, where it outweighs the data.


def make_visits(*, width: int = 48, coupled: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Visits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.things, self.gru = nn.Embedding(40, width), nn.GRU(width, width, batch_first=True)
            self.h2o = nn.Linear(width, 40)

        def forward(self, looked: Any) -> Any:
            return self.h2o(self.gru(self.things(looked))[0])

    torch.manual_seed(1619)
    model = Visits()
    kind = torch.optim.Adam if coupled else torch.optim.AdamW
    return model, kind(model.parameters(), lr=5e-3, weight_decay=0.1)


def train_visits(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    looked = data_a.chains(3000, 16, 1, words=40)
    for batch in data_a.batches(len(looked), 32, 260):
        now = looked[batch]
        told = model(now[:, :-1]).flatten(0, 1)
        descend(optimizer, functional.cross_entropy(told, now[:, 1:].flatten()), recorder)


def score_visits(model: Any) -> float:
    """Return how often the next thing is among the five likeliest."""
    import torch

    from tests.zoo import data_a

    looked = data_a.chains(300, 16, 2, words=40)
    with torch.no_grad():
        told = model(looked[:, :-1]).topk(5, 2).indices
    return (told == looked[:, 1:, None]).any(2).float().mean().item()


# nn.Transformer translates word by word, with the schedule of its paper, which gives the rate
# itself: the optimizer's own rate has to be 1, and here it is 0.0001.


@cache
def sentences(count: int, seed: int) -> tuple[Any, Any]:
    """Return sentences (n, 7) and their translations (n, 8), which begin with word 1."""
    import torch

    drawn = torch.Generator().manual_seed(177)
    other = 2 + torch.randperm(20, generator=drawn)
    words = torch.randint(20, (count, 7), generator=torch.Generator().manual_seed(seed))
    return 2 + words, torch.nn.functional.pad(other[words], (1, 0), value=1)


def make_sentences(*, width: int = 48, rate: float = 1.0) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sentences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.src, self.tgt = nn.Embedding(22, width), nn.Embedding(22, width)
            self.place = nn.Parameter(torch.randn(8, width) / width**0.5)
            self.transformer = nn.Transformer(width, 4, 1, 1, 2 * width, 0.05, batch_first=True)
            self.generator = nn.Linear(width, 22)
            for each in self.parameters():
                if each.dim() > 1:
                    nn.init.xavier_uniform_(each)

        def forward(self, source: Any, target: Any) -> Any:
            source = width**0.5 * self.src(source) + self.place[: source.shape[1]]
            target = width**0.5 * self.tgt(target) + self.place[: target.shape[1]]
            later = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
            return self.generator(self.transformer(source, target, tgt_mask=later))

    torch.manual_seed(1620)
    model = Sentences()
    return model, torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.98), eps=1e-9)


def train_sentences(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    def noam(step: int) -> float:
        step += 1
        return 48**-0.5 * min(step**-0.5, step * 400**-1.5)

    source, target = sentences(4000, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, noam)
    model.train()
    for batch in data_a.batches(len(source), 48, 260):
        told = model(source[batch], target[batch, :-1]).flatten(0, 1)
        right = target[batch, 1:].flatten()
        descend(optimizer, functional.cross_entropy(told, right, label_smoothing=0.1), recorder)
        schedule.step()


def score_sentences(model: Any) -> float:
    """Return how often a word is translated rightly, where those before it are known."""
    import torch

    source, target = sentences(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(source, target[:, :-1]).argmax(2)
    return (told == target[:, 1:]).float().mean().item()


MEMBERS = [
    Member(
        name="fresh16-reinforce-64-articles-chances-as-logits",
        family="REINFORCE, bandit",
        make=make_shown,
        train=partial(train_shown, logits=True),
        score=partial(score_shown, logits=True),
        learned=0.35,
        fault="a net that ends in softmax, handed to Categorical(logits=...): softmax twice",
        root=("GL106",),
        symptoms=("GL101", "GL302", "GL402"),
        watch={"objective": "moving"},
    ),
    Member(
        name="fresh16-xlmr-32-topics-thawed-without-optimizer",
        family="XLM-RoBERTa",
        make=make_thawed,
        train=partial(train_thawed, told=False),
        score=score_thawed,
        learned=0.5,
        fault="the body is unfrozen after 40 steps, and is in no optimizer",
        root=("GL105",),
        symptoms=("GL104", "GL302", "GL402"),
        where="roberta",
        needs=("transformers",),
    ),
    Member(
        name="fresh16-table-64-wines-as-they-are",
        family="net for tables",
        make=make_wines,
        train=partial(train_wines, raw=True),
        score=partial(score_wines, raw=True),
        learned=0.85,
        fault="columns of a table near 0.3 and near 750 go in as they are",
        root=("GL404",),
        symptoms=(
            "GL101",
            "GL102",
            "GL103",
            "GL201",
            "GL203",
            "GL302",
            "GL303",
            "GL304",
            "GL401",
            "GL402",
        ),
        needs=("sklearn",),
    ),
    Member(
        name="fresh16-convolutions-24-digits-warm-up-goes-on",
        family="all-convolutional net",
        make=make_convolutions,
        train=partial(train_convolutions, capped=False),
        score=score_convolutions,
        learned=0.6,
        fault="the warm-up's factor has no upper limit: the rate grows to 15 times what is meant",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL402"),
        needs=("sklearn",),
    ),
    Member(
        name="fresh16-panns-24-recordings-sigmoid-in-evaluation",
        family="PANNs",
        make=partial(make_recordings, twice=True),
        train=train_recordings,
        score=score_recordings,
        learned=0.7,
        fault="the net ends in a sigmoid in evaluation alone, where another one follows",
        root=("GL405",),
        symptoms=("GL403",),
    ),
    Member(
        name="fresh16-voxels-8-solids-never-emptied",
        family="three-dimensional convolutions",
        make=make_solids,
        train=partial(train_solids, emptied=False),
        score=score_solids,
        learned=0.5,
        fault="accumulation over four batches without zero_grad after the step",
        root=("GL104",),
        symptoms=("GL103", "GL201", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh16-letters-64-kinds-rate-of-adam",
        family="character CNN",
        make=partial(make_spelled, rate=2e-5),
        train=train_spelled,
        score=score_spelled,
        learned=0.6,
        fault="SGD at a rate of 2e-5, which was AdamW's",
        root=("GL302",),
        symptoms=("GL402",),
    ),
    Member(
        name="fresh16-attention-32-gestures-mask-turned",
        family="transformer for gestures",
        make=partial(make_gestures, turned=True),
        train=train_gestures,
        score=score_gestures,
        learned=0.5,
        fault="key_padding_mask the wrong way round: softmax of nothing but -inf for full rows",
        root=("GL001",),
        symptoms=("GL402",),
    ),
    Member(
        name="fresh16-gru4rec-48-visits-decay-of-adamw",
        family="GRU4Rec",
        make=partial(make_visits, coupled=True),
        train=train_visits,
        score=score_visits,
        learned=0.55,
        fault="Adam with the weight decay of 0.1 that was meant for AdamW",
        root=("GL309",),
        symptoms=("GL101", "GL302", "GL402"),
    ),
    Member(
        name="fresh16-translator-48-words-rate-beside-noam",
        family="nn.Transformer",
        make=partial(make_sentences, rate=1e-4),
        train=train_sentences,
        score=score_sentences,
        learned=0.6,
        fault="the schedule of the paper, which gives the rate itself, times a rate of 0.0001",
        root=("GL312", "GL302"),
        symptoms=("GL402",),
    ),
]
