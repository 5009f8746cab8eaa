"""Time series: forecasts, quantiles, a convolutional classifier, and CTC."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def waves(count: int, seed: int, level: float = 0.0, size: float = 1.0) -> tuple[Any, Any]:
    """Return 24 steps of noisy sums of two sines, and the value four steps later, (count,)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    start, pace, weight = torch.rand(3, count, 1, generator=generator)
    time = torch.arange(28)
    series = (0.5 + weight) * torch.sin(6.28 * start + (0.2 + 0.4 * pace) * time)
    series = series + 0.3 * torch.sin(time * 0.9)
    series = series + 0.05 * torch.randn(series.shape, generator=generator)
    return series[:, :24, None], level + size * series[:, 27]


def make_forecaster(width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Forecaster(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(1, width, batch_first=True)
            half = width // 2
            self.head = nn.Sequential(nn.Linear(width, half), nn.ReLU(), nn.Linear(half, 1))

        def forward(self, x: Any) -> Any:
            return self.head(self.gru(x)[1][-1])

    torch.manual_seed(10)
    model = Forecaster()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_forecaster(
    model: Any,
    optimizer: Any,
    recorder: Any,
    squeeze: bool = True,
    loss_name: str = "HuberLoss",
    level: float = 0.0,
    size: float = 1.0,
) -> None:
    import warnings

    import torch
    from torch import nn

    from tests.zoo import data_c

    x, y = waves(2000, 11, level, size)
    held_x, held_y = waves(200, 12, level, size)
    criterion = getattr(nn, loss_name)()
    for count, batch in enumerate(data_c.batches(len(x), 32, 300)):
        optimizer.zero_grad()
        output = model(x[batch])
        if squeeze:
            output = output.squeeze(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = criterion(output, y[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())
        if count % 100 == 99 and squeeze:
            with torch.no_grad():
                recorder.log(validation_loss=criterion(model(held_x)[:, 0], held_y).item())


def score_forecaster(model: Any, level: float = 0.0, size: float = 1.0) -> float:
    """Return the share of the held-out variance that is explained."""
    import torch

    x, y = waves(500, 12, level, size)
    with torch.no_grad():
        error = (model(x)[:, 0] - y).square().mean()
    return (1 - error / y.var()).item()


def make_quantiles(width: int = 32) -> tuple[Any, Any]:
    """Build a causal, dilated, residual net with weight norm, whose outputs are three quantiles."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    class Block(nn.Module):
        def __init__(self, inputs: int, dilation: int) -> None:
            super().__init__()
            self.pad = nn.ConstantPad1d((2 * dilation, 0), 0.0)
            self.conv1 = weight_norm(nn.Conv1d(inputs, width, 3, dilation=dilation))
            self.conv2 = weight_norm(nn.Conv1d(width, width, 3, dilation=dilation))
            self.drop = nn.Dropout(0.05)
            self.shortcut = nn.Conv1d(inputs, width, 1) if inputs != width else nn.Identity()

        def forward(self, x: Any) -> Any:
            hidden = self.drop(self.conv1(self.pad(x)).relu())
            hidden = self.drop(self.conv2(self.pad(hidden)).relu())
            return (hidden + self.shortcut(x)).relu()

    class Quantiles(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(Block(1, 1), Block(width, 2), Block(width, 4))
            self.head = nn.Linear(width, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(x.transpose(1, 2))[:, :, -1])

    torch.manual_seed(13)
    model = Quantiles()
    return model, torch.optim.NAdam(model.parameters(), lr=2e-3)


def train_quantiles(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_c

    x, y = waves(2000, 14)
    level = torch.tensor([0.1, 0.5, 0.9])
    model.train()
    for batch in data_c.batches(len(x), 64, 300):
        error = y[batch, None] - model(x[batch])
        loss = torch.maximum(level * error, (level - 1) * error).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_quantiles(model: Any) -> float:
    """Return the share of the held-out variance that the median explains."""
    import torch

    x, y = waves(500, 15)
    model.eval()
    with torch.no_grad():
        error = (model(x)[:, 1] - y).square().mean()
    return (1 - error / y.var()).item()


def make_convolutions(width: int = 48, momentum: float = 0.1) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def stage(inputs: int, outputs: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv1d(inputs, outputs, 5, stride=stride, padding=2, bias=False),
            nn.BatchNorm1d(outputs, momentum=momentum),
            nn.ReLU(),
        )

    torch.manual_seed(16)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 64)),
        stage(1, width, 1),
        stage(width, width, 2),
        stage(width, 2 * width, 2),
        stage(2 * width, 2 * width, 2),
        nn.AdaptiveAvgPool1d(4),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )
    options = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    return model, torch.optim.SGD(model.parameters(), **options)


def train_convolutions(model: Any, optimizer: Any, recorder: Any, forget: bool = False) -> None:
    """One cycle of the learning rate, and label smoothing."""
    import torch
    from torch import nn

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=250)
    model.train()
    for batch in data_c.batches(len(x), 64, 250):
        if not forget:
            optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss)


def score_convolutions(model: Any) -> float:
    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    return data_c.accuracy(model, x, y)


def utterances(count: int, generator: Any, length: int) -> tuple[Any, Any]:
    """Return noisy signals (count, 32, 12) that spell `length` symbols 1..5, and the symbols."""
    import torch

    label = torch.randint(1, 6, (count, length), generator=generator)
    x = 0.3 * torch.randn(count, 32, 12, generator=generator)
    held = torch.randint(3, 6, (count, length), generator=generator)
    for row in range(count):
        place = 1
        for symbol, steps in zip(label[row].tolist(), held[row].tolist(), strict=True):
            x[row, place : place + steps, symbol] += 1.0
            place += steps + 1
    return x, label


def make_speech(width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Speech(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(12, width, 3, padding=1)
            self.rnn = nn.LSTM(width, width // 2, bidirectional=True, batch_first=True)
            self.head = nn.Linear(width, 6)

        def forward(self, x: Any) -> Any:
            hidden = self.conv(x.transpose(1, 2)).relu().transpose(1, 2)
            return self.head(self.rnn(hidden)[0])

    torch.manual_seed(17)
    model = Speech()
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_speech(model: Any, optimizer: Any, recorder: Any, stride: int = 1) -> None:
    """With `stride` 8, four steps are left: too few for five symbols, so the loss is infinite."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(18)
    criterion = nn.CTCLoss()
    for _ in range(350):
        x, label = utterances(32, generator, 5)
        log_chance = model(x)[:, ::stride].log_softmax(-1).transpose(0, 1)
        inputs = torch.full((32,), len(log_chance))
        loss = criterion(log_chance, label, inputs, torch.full((32,), label.shape[1]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        recorder.log(loss=loss)


def score_speech(model: Any) -> float:
    """Return the share of sequences that the best path spells without an error."""
    import torch

    x, label = utterances(200, torch.Generator().manual_seed(19), 5)
    with torch.no_grad():
        best = model(x).argmax(-1)
    right = 0
    for path, wanted in zip(best.tolist(), label.tolist(), strict=True):
        before = [0, *path[:-1]]
        changes = zip(before, path, strict=True)
        spelled = [code for last, code in changes if code not in (0, last)]
        right += spelled == wanted
    return right / len(label)


FORECAST = {"family": "GRU", "make": make_forecaster}
PRICES = {"level": 350_000.0, "size": 60_000.0}
CONVOLUTIONS = {"family": "Conv1d", "score": score_convolutions, "learned": 0.9}
SPEECH = {"family": "CTC", "make": make_speech, "score": score_speech, "learned": 0.7}

MEMBERS = [
    Member(
        name="gru-64-forecast-huber",
        train=train_forecaster,
        score=score_forecaster,
        learned=0.8,
        fast=True,
        **FORECAST,
    ),
    Member(
        name="gru-64-forecast-broadcast",
        train=partial(train_forecaster, squeeze=False),
        score=score_forecaster,
        learned=0.8,
        fault="outputs (N, 1) against targets (N,)",
        root=("GL402",),
        counterpart="gru-64-forecast-huber",
        fast=True,
        **FORECAST,
    ),
    Member(
        name="gru-64-forecast-standardized",
        train=partial(train_forecaster, loss_name="MSELoss"),
        score=score_forecaster,
        learned=0.8,
        fast=True,
        **FORECAST,
    ),
    Member(
        name="gru-64-forecast-raw-prices",
        train=partial(train_forecaster, loss_name="MSELoss", **PRICES),
        score=partial(score_forecaster, **PRICES),
        learned=0.8,
        fault="targets near 350,000",
        root=("GL404",),
        symptoms=("GL402", "GL302", "GL203"),
        counterpart="gru-64-forecast-standardized",
        fast=True,
        **FORECAST,
    ),
    Member(
        name="tcn-32-quantiles-nadam",
        family="TCN",
        make=make_quantiles,
        train=train_quantiles,
        score=score_quantiles,
        learned=0.8,
    ),
    Member(
        name="conv1d-48-digits-onecycle",
        make=make_convolutions,
        train=train_convolutions,
        **CONVOLUTIONS,
    ),
    Member(
        name="conv1d-48-digits-zero-grad-forgotten",
        make=make_convolutions,
        train=partial(train_convolutions, forget=True),
        fault="zero_grad forgotten",
        root=("GL104",),
        symptoms=("GL303", "GL304", "GL401", "GL402"),
        counterpart="conv1d-48-digits-onecycle",
        **CONVOLUTIONS,
    ),
    Member(
        name="conv1d-48-digits-norm-momentum-0",
        make=partial(make_convolutions, momentum=0.0),
        train=train_convolutions,
        fault="running averages of BatchNorm that never move (momentum 0)",
        root=("GL405",),
        counterpart="conv1d-48-digits-onecycle",
        **CONVOLUTIONS,
    ),
    Member(name="ctc-64-speech-adamw", train=train_speech, **SPEECH),
    Member(
        name="ctc-64-speech-too-short",
        train=partial(train_speech, stride=8),
        fault="infinite CTC loss: inputs shorter than their targets",
        root=("GL001",),
        counterpart="ctc-64-speech-adamw",
        **SPEECH,
    ),
]
