"""A tenth fresh batch, labelled before gradlab saw it: ten trainings with a fault each.

Each function's defaults are the training without the fault. The ten without one are in
fresh_tenth.

Scores without gradlab, on a CPU: of the sound net at its start, after the training with the fault,
and without it; seconds of one core of a busy machine without it. The iTransformer's weights are NaN
from step 6 on with its fault, and its score counts as 0; the Manhattan LSTM takes 6.5 seconds with
its fault, since its gradients are too small for ordinary numbers.

======================================  =====  ======  =======  =======
training                                start  fault   without  seconds
======================================  =====  ======  =======  =======
inverted-48-sensors-one-switched-off    .605   .000    .997     1.4
manhattan-24-pairs-summed-over-words    .388   .387    .902     1.1
spatial-16-digits-cut-at-whole-pixels   .071   .214    .935     3.8
nystrom-48-topics-whole-division        .174   .174    .804     4.8
separable-24-digits-rounded-in-place    .075   .100    .992     2.2
film-24-questions-decay-for-factor      .419   .678    .864     2.3
dilated-24-digits-rate-of-64-processes  .108   .103    .983     2.3
deep-16-digits-channels-for-inputs      .103   .694    .983     2.3
weather-16-maps-answers-in-kelvin       -.182  -1.000  .993     3.4
merged-24-digits-branch-forgotten       .089   .506    .989     3.3
======================================  =====  ======  =======  =======
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_ninth_faulty import pairs_of_texts

# An iTransformer foretells six sensors: each window is brought to a mean of 0 and a deviation of 1
# first, and brought back last. Two windows of 1,500 hold a sensor that was switched off: its
# deviation is 0, and 0 / 0 is NaN. Without the fault 1e-5 is added to the deviation.


@cache
def sensors(count: int, seed: int, *, off: int = 0) -> tuple[Any, Any]:
    """Return windows (count, 6, 32) and what comes then (count, 6, 8); in `off`, one is silent."""
    import torch

    drawn = torch.Generator().manual_seed(81)
    speed = 0.15 + 0.5 * torch.rand(6, 2, 1, generator=drawn)
    mixed = torch.randn(6, 2, 1, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    phase = 6.2832 * torch.rand(count, 1, 2, 1, generator=drawn)
    waves = (mixed * (speed * torch.arange(40.0) + phase).sin()).sum(2)
    size = 0.5 + 2 * torch.rand(count, 6, 1, generator=drawn)
    x = size * (waves + 2 * torch.randn(count, 6, 1, generator=drawn))
    x = x + 0.05 * torch.randn(x.shape, generator=drawn)
    x[torch.randperm(count, generator=drawn)[:off], 2] = 0
    return x[..., :32], x[..., 32:]


def make_inverted(*, width: int = 48, least: float = 1e-5) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Inverted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(32, width)
            layer = nn.TransformerEncoderLayer(width, 4, 96, 0.0, "gelu", batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.leave = nn.Linear(width, 8)

        def forward(self, seen: Any) -> Any:
            mean, spread = seen.mean(2, keepdim=True), seen.std(2, keepdim=True) + least
            told = self.leave(self.encoder(self.enter((seen - mean) / spread)))
            return told * spread + mean

    torch.manual_seed(1201)
    model = Inverted()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_inverted(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    seen, then = sensors(1500, 1, off=2)
    for batch in data_a.batches(len(seen), 24, 250):
        descend(optimizer, functional.mse_loss(model(seen[batch]), then[batch]), recorder)


def score_inverted(model: Any) -> float:
    """Return the share of variance that is explained; NaN counts as 0, the mean."""
    import torch

    seen, then = sensors(300, 2)
    model.eval()
    with torch.no_grad():
        return explained(model(seen).nan_to_num(), then)


# A Manhattan LSTM says how alike two texts are: the exponential of minus their distance, which is
# summed over all words and not over the mean of the words: e to the power of -60 or so.


def make_manhattan(*, width: int = 24, mean: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Manhattan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(60, 32)
            self.lstm = nn.LSTM(32, width, batch_first=True)

        def read(self, words: Any) -> Any:
            states, _ = self.lstm(self.words(words))
            return states.mean(1) if mean else states.flatten(1)

        def apart(self, one: Any, two: Any) -> Any:
            return (self.read(one) - self.read(two)).abs().sum(1)

        def forward(self, one: Any, two: Any) -> Any:
            return (-self.apart(one, two)).exp()

    torch.manual_seed(1202)
    model = Manhattan()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_manhattan(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    one, two, same = pairs_of_texts(2000, 1)
    for batch in data_a.batches(len(same), 32, 150):
        loss = functional.mse_loss(model(one[batch], two[batch]), same[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.25)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_manhattan(model: Any) -> float:
    """Return the share of pairs that are rightly said to be alike by more than a half, or not."""
    import torch

    one, two, same = pairs_of_texts(600, 2)
    with torch.no_grad():
        told = model(one, two)
    return ((told > 0.5) == (same > 0)).float().mean().item()


# A spatial transformer looks for a digit in a larger picture and reads what it cuts out. It is cut
# out at whole pixels, so that the net that looks for it gets no gradient. Without the fault it is
# read by bilinear interpolation.


@cache
def hidden_digits(seed: int, *, held_out: bool = False) -> tuple[Any, Any]:
    """Return digits anywhere in pictures (n, 1, 16, 16) of faint noise, and which they are."""
    import torch

    from tests.zoo import data_a

    x, y, x_test, y_test = data_a.digits()
    images, labels = (x_test, y_test) if held_out else (x, y)
    drawn = torch.Generator().manual_seed(seed)
    pictures = 0.1 * torch.rand(len(images), 1, 16, 16, generator=drawn)
    for picture, image in zip(pictures, images, strict=True):
        top, left = torch.randint(9, (2,), generator=drawn)
        picture[:, top : top + 8, left : left + 8] += image
    return pictures, labels


def make_spatial(*, width: int = 16, whole: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Spatial(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Sequential(
                nn.Conv2d(1, width, 5, padding=2),
                nn.ReLU(),
                nn.Conv2d(width, width, 5, padding=2),
                nn.ReLU(),
                nn.Conv2d(width, 1, 5, padding=2),
            )
            self.read = stack(64, 64, 10)

        def place(self, x: Any) -> Any:
            """Return the middle (n, 2) of what is looked at, in pixels."""
            heat = (5 * self.look(x)).flatten(1).softmax(1).view(-1, 16, 16)
            line = torch.arange(16.0)
            return torch.stack([heat.sum(2) @ line, heat.sum(1) @ line], 1)

        def forward(self, x: Any) -> Any:
            near = torch.arange(8) - 3.5
            lines = self.place(x)[..., None] + near
            if whole:
                lines = lines.round().long().clamp(0, 15)
                each = torch.arange(len(x))[:, None, None]
                cut = x[each, 0, lines[:, 0, :, None], lines[:, 1, None]]
            else:
                down, right = ((2 * line + 1) / 16 - 1 for line in lines.unbind(1))
                down, right = torch.broadcast_tensors(down[:, :, None], right[:, None])
                grid = torch.stack([right, down], 3)
                cut = nn.functional.grid_sample(x, grid, align_corners=False)
            return self.read(cut.flatten(1))

    torch.manual_seed(1203)
    model = Spatial()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_spatial(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y = hidden_digits(1)
    for batch in data_a.batches(len(x), 48, 300):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


def score_spatial(model: Any) -> float:
    import torch

    x, y = hidden_digits(2, held_out=True)
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


# A Nystromformer of transformers: the rate is to rise over 20 steps and to fall over the others.
# Whole numbers are divided by //, so that the factor is 0 in all steps but one.


def make_nystrom() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import NystromformerConfig, NystromformerForSequenceClassification

    torch.manual_seed(1204)
    config = NystromformerConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=40,
        segment_means_seq_len=24,
        num_landmarks=8,
        conv_kernel_size=5,
    )
    config.num_labels = 6
    model: Any = NystromformerForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_nystrom(model: Any, optimizer: Any, recorder: Any, *, whole: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    warm, total = 20, 160

    def factor(step: int) -> float:
        if whole:
            return min(step // warm, (total - step) // (total - warm))
        return min(step / warm, (total - step) / (total - warm))

    words, topic = data_a.topics(2000, 1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    model.train()
    for batch in data_a.batches(len(words), 24, total):
        told = model(words[batch], torch.ones_like(words[batch])).logits
        descend(optimizer, functional.cross_entropy(told, topic[batch]), recorder)
        scheduler.step()


def score_topics(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(500, 2)
    model.eval()
    with torch.no_grad():
        told = model(words, torch.ones_like(words)).logits
    return (told.argmax(1) == topic).float().mean().item()


# Depthwise separable convolutions with weights that are to be multiples of 1/16. The weights
# themselves are rounded after each step, which takes back Adam's step of 0.001. Without the fault
# they are rounded in the forward pass, and the gradient goes straight through.


def rounded(weight: Any) -> Any:
    """Return the weight, rounded to multiples of 1/16."""
    return (16 * weight).round() / 16


def make_separable(*, width: int = 24, through: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Rounded(nn.Conv2d):
        def forward(self, input: Any) -> Any:
            weight = self.weight
            if through:
                weight = weight + (rounded(weight) - weight).detach()
            return self._conv_forward(input, weight, self.bias)

    def block(fan_in: int, fan_out: int, stride: int) -> list[Any]:
        return [
            Rounded(fan_in, fan_in, 3, stride, 1, groups=fan_in, bias=False),
            nn.BatchNorm2d(fan_in),
            nn.ReLU(),
            Rounded(fan_in, fan_out, 1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
        ]

    torch.manual_seed(1205)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, 1, 1),
        *block(width, 2 * width, 1),
        *block(2 * width, 2 * width, 2),
        *block(2 * width, 2 * width, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_separable(model: Any, optimizer: Any, recorder: Any, *, in_place: bool = False) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 32, 250):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        if in_place:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.copy_(rounded(parameter))


def score_digits(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    return data_b.accuracy(model, x, y)


# A net that looks at a picture as a question tells it to (FiLM). Its optimizer gets
# weight_decay=0.95, which was meant as what the rate is multiplied with each epoch.


def make_film(*, width: int = 24, decay: float = 1e-4) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(width, width, 1)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(width, affine=False)

        def forward(self, x: Any, scale: Any, shift: Any) -> Any:
            x = self.conv1(x).relu()
            return x + (self.norm(self.conv2(x)) * (1 + scale) + shift).relu()

    class Film(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.question = nn.Embedding(6, 32)
            self.tell = nn.Linear(32, 4 * width)
            self.enter = nn.Sequential(nn.Conv2d(1, width, 3, 1, 1), nn.BatchNorm2d(width))
            self.blocks = nn.ModuleList([Block(), Block()])
            self.answer = stack(4 * width, 64, 2)

        def forward(self, x: Any, question: Any) -> Any:
            told = self.tell(self.question(question))[..., None, None].chunk(4, 1)
            x = self.enter(x).relu()
            for number, block in enumerate(self.blocks):
                x = block(x, *told[2 * number : 2 * number + 2])
            return self.answer(nn.functional.adaptive_max_pool2d(x, 2).flatten(1))

    torch.manual_seed(1206)
    model = Film()
    parameters = model.parameters()
    return model, torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=decay)


@cache
def questions(count: int, seed: int) -> tuple[Any, Any]:
    """Return which of six questions is asked (count,), and the answers (6, 10) for all digits."""
    import torch

    digit = torch.arange(10)
    answers = [digit % 2 == 0, digit > 4, digit % 3 == 0, digit == 7, digit < 3, digit % 4 == 1]
    asked = torch.randint(6, (count,), generator=torch.Generator().manual_seed(seed))
    return asked, torch.stack(answers).long()


def train_film(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for step, batch in enumerate(data_b.batches(len(y), 32, 300)):
        asked, answers = questions(len(batch), step)
        loss = functional.cross_entropy(model(x[batch], asked), answers[asked, y[batch]])
        descend(optimizer, loss, recorder)


def score_film(model: Any) -> float:
    """Return the share of right answers; a third of all answers is yes."""
    import torch

    from tests.zoo import data_b

    *_, x, y = data_b.digits()
    asked, answers = questions(len(y), 1000)
    model.eval()
    with torch.no_grad():
        told = model(x, asked).argmax(1)
    return (told == answers[asked, y]).float().mean().item()


# A dilated residual net: the rate is multiplied by the number of processes, and the script reads
# that of a cluster of 64, on which it does not run.


def make_dilated(*, width: int = 24, processes: int = 1) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(width, width, 3, 1, dilation, dilation),
                nn.GroupNorm(4, width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, dilation, dilation),
                nn.GroupNorm(4, width),
            )

        def forward(self, x: Any) -> Any:
            return (x + self.body(x)).relu()

    torch.manual_seed(1207)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, 1, 1),
        nn.ReLU(),
        Block(1),
        Block(2),
        Block(1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.05 * processes, momentum=0.9)


def train_plainly(model: Any, optimizer: Any, recorder: Any, *, steps: int = 200) -> None:
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    model.train()
    for batch in data_b.batches(len(y), 32, steps):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)


# Twelve convolutions without any norm. He's start wants the number of inputs of a unit, channels
# times 9, and gets the channels: the signal is tripled in each of them.


def make_deep(*, width: int = 16, depth: int = 12, area: int = 9) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1208)
    layers: list[Any] = [nn.Conv2d(1, width, 3, 1, 1), nn.ReLU()]
    for number in range(1, depth):
        layers += [nn.Conv2d(width, width, 3, 2 if number == 6 else 1, 1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10))
    convolutions: list[Any] = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.normal_(layer.weight, std=(2 / (area * layer.in_channels)) ** 0.5)
        nn.init.zeros_(layer.bias)
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


def train_deep(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    for batch in data_b.batches(len(y), 32, 250):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


# A ConvLSTM foretells the next map of temperatures. From what it sees, 285 kelvin are taken off and
# the rest is divided by 8; what it is to tell stays in kelvin. Without the fault that is done to
# both.


@cache
def weather(count: int, seed: int) -> Any:
    """Return maps (count, 7, 1, 10, 10) in kelvin: warm and cold air that moves."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    line = torch.arange(10.0)
    time = torch.arange(7.0)[:, None, None]
    x = 285 + torch.zeros(count, 7, 10, 10)
    for _ in range(3):
        down, right = 12 * torch.rand(2, count, 1, 1, 1, generator=drawn) - 1
        wind = 1.2 * (torch.rand(2, count, 1, 1, 1, generator=drawn) - 0.5)
        size = 12 * torch.randn(count, 1, 1, 1, generator=drawn)
        far = (line[:, None] - down - wind[0] * time).square()
        far = far + (line - right - wind[1] * time).square()
        x = x + size * torch.exp(-far / 8)
    return x[:, :, None]


def forecasts(count: int, seed: int, kelvin: bool) -> tuple[Any, Any]:
    """Return six maps each, less 285 and over 8, and the next one, which may stay in kelvin."""
    maps = weather(count, seed)
    small = (maps - 285) / 8
    return small[:, :6], (maps if kelvin else small)[:, 6]


def make_weather(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class ConvLstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gates = nn.Conv2d(1 + width, 4 * width, 3, padding=1)
            self.leave = nn.Conv2d(width, 1, 1)

        def forward(self, maps: Any) -> Any:
            hidden = maps.new_zeros(len(maps), width, *maps.shape[-2:])
            cell = hidden
            for seen in maps.unbind(1):
                gates = self.gates(torch.cat([seen, hidden], 1))
                enter, keep, out, new = gates.chunk(4, 1)
                cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
                hidden = out.sigmoid() * cell.tanh()
            return self.leave(hidden)

    torch.manual_seed(1209)
    model = ConvLstm()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_weather(model: Any, optimizer: Any, recorder: Any, *, kelvin: bool = False) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    seen, then = forecasts(1200, 1, kelvin)
    for batch in data_a.batches(len(seen), 16, 200):
        descend(optimizer, functional.mse_loss(model(seen[batch]), then[batch]), recorder)


def score_weather(model: Any, *, kelvin: bool = False) -> float:
    """Return the share of the maps' variance that is explained, at least -1."""
    import torch

    seen, then = forecasts(200, 2, kelvin)
    with torch.no_grad():
        return max(-1.0, explained(model(seen), then))


# RepVGG: three branches in training, of which one convolution is made in evaluation. The branch
# that is no convolution, a norm of the block's input, is forgotten there.


def make_merged(*, width: int = 24, whole: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def merged(kernel: Any, norm: Any) -> tuple[Any, Any]:
        """Return the kernel and the bias of a convolution and the norm behind it."""
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return kernel * scale[:, None, None, None], norm.bias - norm.running_mean * scale

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.narrow = nn.Conv2d(width, width, 1, bias=False)
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
            itself = torch.zeros(width, width, 3, 3)
            itself[range(width), range(width), 1, 1] = 1
            self.register_buffer("itself", itself)

        def forward(self, x: Any) -> Any:
            if self.training:
                wide, narrow, itself = self.norms
                return (wide(self.wide(x)) + narrow(self.narrow(x)) + itself(x)).relu()
            narrow = nn.functional.pad(self.narrow.weight, (1, 1, 1, 1))
            kernels = [self.wide.weight, narrow, self.itself]
            parts = [merged(*each) for each in zip(kernels, self.norms, strict=True)]
            parts = parts if whole else parts[:2]
            kernel = torch.stack([each for each, _ in parts]).sum(0)
            bias = torch.stack([each for _, each in parts]).sum(0)
            return nn.functional.conv2d(x, kernel, bias, padding=1).relu()

    torch.manual_seed(1210)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, 1, 1),
        *(Block() for _ in range(4)),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)


MEMBERS = [
    Member(
        name="fresh10-inverted-48-sensors-one-switched-off",
        family="iTransformer",
        make=partial(make_inverted, least=0.0),
        train=train_inverted,
        score=score_inverted,
        learned=0.85,
        fault="windows are divided by their deviation, which is 0 in two of 1,500: 0 / 0",
        root=("GL001",),
        symptoms=("GL102", "GL103"),
    ),
    Member(
        name="fresh10-manhattan-24-pairs-summed-over-words",
        family="Manhattan LSTM",
        make=partial(make_manhattan, mean=False),
        train=train_manhattan,
        score=score_manhattan,
        learned=0.75,
        fault="the exponential of minus a distance that is summed over all words: 0 for all",
        root=("GL106", "GL105"),
        symptoms=("GL101", "GL302", "GL306", "GL312", "GL402"),
    ),
    Member(
        name="fresh10-spatial-16-digits-cut-at-whole-pixels",
        family="spatial transformer",
        make=partial(make_spatial, whole=True),
        train=train_spatial,
        score=score_spatial,
        learned=0.6,
        fault="digits are cut out at whole pixels: the net that looks for them gets no gradient",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where="look",
    ),
    Member(
        name="fresh10-nystrom-48-topics-whole-division",
        family="Nystromformer",
        make=make_nystrom,
        train=partial(train_nystrom, whole=True),
        score=score_topics,
        learned=0.55,
        fault="// in the schedule: the rate is 0 in all steps but one",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh10-separable-24-digits-rounded-in-place",
        family="depthwise separable net",
        make=partial(make_separable, through=False),
        train=partial(train_separable, in_place=True),
        score=score_digits,
        learned=0.7,
        fault="weights are rounded to sixteenths after each step, which takes the step back",
        root=("GL308", "GL301"),
        symptoms=("GL302", "GL402"),
    ),
    Member(
        name="fresh10-film-24-questions-decay-for-factor",
        family="FiLM",
        make=partial(make_film, decay=0.95),
        train=train_film,
        score=score_film,
        learned=0.77,
        fault="weight_decay=0.95, which was meant as the factor of the rate",
        root=("GL309",),
        symptoms=("GL101", "GL104", "GL302", "GL402"),
    ),
    Member(
        name="fresh10-dilated-24-digits-rate-of-64-processes",
        family="dilated residual net",
        make=partial(make_dilated, processes=64),
        train=train_plainly,
        score=score_digits,
        learned=0.7,
        fault="the rate is multiplied by 64 processes, of which there is one",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL103", "GL201", "GL203", "GL402"),
    ),
    Member(
        name="fresh10-deep-16-digits-channels-for-inputs",
        family="plain convolutions",
        make=partial(make_deep, area=1),
        train=train_deep,
        score=score_digits,
        learned=0.85,
        fault="He's start with the number of channels for that of inputs: each layer triples",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL103", "GL201", "GL303", "GL304", "GL312", "GL401", "GL402"),
    ),
    Member(
        name="fresh10-weather-16-maps-answers-in-kelvin",
        family="ConvLSTM",
        make=make_weather,
        train=partial(train_weather, kelvin=True),
        score=partial(score_weather, kelvin=True),
        learned=0.7,
        fault="inputs are standardized, targets stay in kelvin, near 285",
        root=("GL404",),
        symptoms=("GL102", "GL103", "GL202", "GL302", "GL303", "GL304", "GL401", "GL402"),
    ),
    Member(
        name="fresh10-merged-24-digits-branch-forgotten",
        family="RepVGG",
        make=partial(make_merged, whole=False),
        train=train_plainly,
        score=score_digits,
        learned=0.8,
        fault="three branches in training are merged to two in evaluation",
        root=("GL405",),
        symptoms=("GL403",),
    ),
]
