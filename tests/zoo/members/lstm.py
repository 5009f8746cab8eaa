"""Recurrent nets: digits row by row, a language model of characters, a symbol to remember."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_rows(kind: str = "LSTM", width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = getattr(nn, kind)(8, width, num_layers=2, batch_first=True, dropout=0.1)
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            hidden, _ = self.rnn(x.view(-1, 8, 8))
            return self.head(hidden[:, -1])

    torch.manual_seed(0)
    model = Rows()
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_rows(model: Any, optimizer: Any, recorder: Any, twice: bool = False) -> None:
    from torch import nn

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    criterion = nn.CrossEntropyLoss()
    model.train()
    for batch in data_c.batches(len(x), 64, 300):
        optimizer.zero_grad()
        output = model(x[batch])
        if twice:
            output = output.softmax(-1)
        loss = criterion(output, y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def train_summed(model: Any, optimizer: Any, recorder: Any, divide: bool = True) -> None:
    """Gradients of eight small batches are gathered before each step."""
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    model.train()
    total = 0.0
    for count, batch in enumerate(data_c.batches(len(x), 16, 8 * 120), 1):
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        if divide:
            loss = loss / 8
        loss.backward()
        total += loss.item()
        if count % 8 == 0:
            recorder.log(loss=total)
            optimizer.step()
            optimizer.zero_grad()
            total = 0.0


def score_rows(model: Any) -> float:
    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    return data_c.accuracy(model, x, y)


def make_gathered(width: int = 64) -> tuple[Any, Any]:
    import torch

    model, _ = make_rows("GRU", width)
    return model, torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)


def make_language(width: int = 128, rate: float = 5.0) -> tuple[Any, Any]:
    """Build PyTorch's word_language_model example in small: dropout, tied embeddings, SGD."""
    import torch
    from torch import nn

    from tests.zoo import data_c

    class Language(nn.Module):
        def __init__(self, letters: int) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.1)
            self.encoder = nn.Embedding(letters, width)
            self.rnn = nn.LSTM(width, width, num_layers=1)
            self.decoder = nn.Linear(width, letters)
            self.decoder.weight = self.encoder.weight
            nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
            nn.init.zeros_(self.decoder.bias)

        def forward(self, codes: Any, hidden: Any = None) -> Any:
            output, hidden = self.rnn(self.drop(self.encoder(codes)), hidden)
            return self.decoder(self.drop(output)), hidden

    torch.manual_seed(1)
    model = Language(data_c.text()[2])
    return model, torch.optim.SGD(model.parameters(), lr=rate)


def train_language(model: Any, optimizer: Any, recorder: Any, threshold: float = 0.25) -> None:
    from torch import nn
    from torch.nn import functional

    from tests.zoo import data_c

    codes = data_c.text()[0]
    lines = codes[: len(codes) // 20 * 20].view(20, -1).t()
    model.train()
    for _ in range(15):
        hidden = None
        for start in range(0, len(lines) - 36, 35):
            if hidden is not None:
                hidden = tuple(each.detach() for each in hidden)
            model.zero_grad()
            output, hidden = model(lines[start : start + 35], hidden)
            target = lines[start + 1 : start + 36]
            loss = functional.cross_entropy(output.flatten(0, 1), target.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), threshold)
            optimizer.step()
            recorder.log(loss=loss)


def score_language(model: Any) -> float:
    """Return minus the loss of held-out text, nats a character (letter frequencies: -3.1)."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    codes = data_c.text()[1][:, None]
    model.eval()
    with torch.no_grad():
        output, _ = model(codes[:-1])
        return -functional.cross_entropy(output.flatten(0, 1), codes[1:].flatten()).item()


def make_memory(start: str = "orthogonal", width: int = 64) -> tuple[Any, Any]:
    """Build a net that must tell, after 40 steps of noise, which of four symbols came first."""
    import torch
    from torch import nn

    class Memory(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(6, width, batch_first=True)
            self.head = nn.Linear(width, 4)
            if start == "orthogonal":
                nn.init.orthogonal_(self.rnn.weight_hh_l0)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(x)[0][:, -1])

    torch.manual_seed(2)
    model = Memory()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def make_forgetting(bias: float, width: int = 48) -> tuple[Any, Any]:
    """Build the same as an LSTM whose forget gates start at `bias`."""
    import torch
    from torch import nn

    class Memory(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(6, width, batch_first=True)
            self.head = nn.Linear(width, 4)
            with torch.no_grad():
                self.lstm.bias_ih_l0[width : 2 * width] = bias
                self.lstm.bias_hh_l0[width : 2 * width] = 0

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    torch.manual_seed(3)
    model = Memory()
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3)


def symbols(count: int, generator: Any) -> tuple[Any, Any]:
    """Return sequences of 40 steps, the first of which names a symbol, and the symbols."""
    import torch

    label = torch.randint(4, (count,), generator=generator)
    x = torch.zeros(count, 40, 6)
    x[:, 1:, 4:] = torch.randn(count, 39, 2, generator=generator) * 0.3
    x[torch.arange(count), 0, label] = 1
    return x, label


def train_memory(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(4)
    for _ in range(300):
        x, label = symbols(64, generator)
        loss = functional.cross_entropy(model(x), label)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss)


def score_memory(model: Any) -> float:
    import torch

    from tests.zoo import data_c

    return data_c.accuracy(model, *symbols(400, torch.Generator().manual_seed(5)))


ROWS = {
    "family": "LSTM",
    "score": score_rows,
    "learned": 0.85,
    "watch": {"baseline_loss": math.log(10)},
}
GATHERED = {"family": "GRU", "make": make_gathered, "score": score_rows, "learned": 0.8}
LANGUAGE = {"family": "LSTM", "make": make_language, "score": score_language, "learned": -2.6}
MEMORY = {
    "train": train_memory,
    "score": score_memory,
    "learned": 0.9,
    "watch": {"baseline_loss": math.log(4)},
}

MEMBERS = [
    Member(name="lstm-96-digits-adamw", make=make_rows, train=train_rows, fast=True, **ROWS),
    Member(
        name="lstm-96-digits-softmax-twice",
        make=make_rows,
        train=partial(train_rows, twice=True),
        fault="softmax before cross-entropy",
        root=("GL106",),
        symptoms=("GL402",),
        counterpart="lstm-96-digits-adamw",
        harmless=True,
        fast=True,
        **ROWS,
    ),
    Member(name="gru-64-digits-accumulated", train=train_summed, **GATHERED),
    Member(
        name="gru-64-digits-accumulated-undivided",
        train=partial(train_summed, divide=False),
        fault="losses summed over accumulation, not divided",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL102", "GL202", "GL402"),
        counterpart="gru-64-digits-accumulated",
        **GATHERED,
    ),
    Member(name="lstm-128-language-tied-sgd", train=train_language, **LANGUAGE),
    Member(
        name="lstm-128-language-clipped-away",
        train=partial(train_language, threshold=1e-6),
        fault="gradients clipped to 1e-6",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        counterpart="lstm-128-language-tied-sgd",
        **LANGUAGE,
    ),
    Member(name="rnn-64-memory-orthogonal", family="RNN", make=make_memory, **MEMORY),
    Member(
        name="rnn-64-memory-default-start",
        family="RNN",
        make=partial(make_memory, "default"),
        fault="recurrent weights too small to carry 40 steps",
        root=("GL107",),
        symptoms=("GL101", "GL402"),
        where="rnn",
        counterpart="rnn-64-memory-orthogonal",
        **MEMORY,
    ),
    Member(
        name="lstm-48-memory-forget-bias-2",
        family="LSTM",
        make=partial(make_forgetting, 2.0),
        **MEMORY,
    ),
    Member(
        name="lstm-48-memory-forgets",
        family="LSTM",
        make=partial(make_forgetting, -1.0),
        fault="forget gates that start closed",
        root=("GL107",),
        symptoms=("GL101", "GL402"),
        where="lstm",
        counterpart="lstm-48-memory-forget-bias-2",
        **MEMORY,
    ),
]
