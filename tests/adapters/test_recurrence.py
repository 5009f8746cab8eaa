"""The gradient's way back in time, inside one layer, against plain autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.loops import train  # noqa: E402

STEPS, WIDTH, CLASSES = 12, 5, 3


class Sequence(nn.Module):
    """A recurrent layer over embedded tokens, or over raw numbers; the last answer counts."""

    def __init__(self, kind, first, **settings):
        super().__init__()
        self.embed, self.first = nn.Embedding(CLASSES, 4), first
        self.layer, self.head = getattr(nn, kind)(4, WIDTH, **settings), nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens):
        x = self.embed(tokens) if self.first else F.one_hot(tokens, 4).to(self.head.weight.dtype)
        if self.layer.batch_first:
            return self.head(self.layer(x)[0][:, -1])
        return self.head(self.layer(x.transpose(0, 1))[0][-1])


class Cells(nn.Module):
    """A cell that is called at every position."""

    def __init__(self, kind):
        super().__init__()
        self.layer, self.head = getattr(nn, kind)(4, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens):
        x, state = F.one_hot(tokens, 4).to(self.head.weight.dtype), None
        for position in range(STEPS):
            state = self.layer(x[:, position], state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class Loop(nn.Module):
    """A recurrence written by hand."""

    def __init__(self):
        super().__init__()
        self.read, self.layer = nn.Linear(4, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)
        self.answers = []

    def forward(self, tokens):
        x = F.one_hot(tokens, 4).to(self.head.weight.dtype)
        h, self.answers = torch.zeros(len(x), WIDTH, dtype=x.dtype), []
        for position in range(STEPS):
            self.answers.append(self.layer(h))
            h = torch.tanh(self.read(x[:, position]) + self.answers[-1])
        return self.head(h)


def data():
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(0, CLASSES, (8, STEPS), generator=generator)
    return tokens, tokens[:, 0]


def made(make):
    torch.manual_seed(0)
    return make().double()


def recorded(model, steps=2):
    optimizer = torch.optim.SGD(model.parameters(), 1e-12)
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, steps, recorder, data())
    run = recorder.run.matrices
    rows = [n for n, path in enumerate(run.layers["path"]) if path == "layer"]
    others = [n for n in range(run.shape[2]) if n not in rows]
    assert not run.recorded("time_gain")[..., others].any()
    return run["time_gain"][:, 0, rows]


def factor(first, last):
    return math.log(float(first.norm() / last.norm())) / (STEPS - 1)


@pytest.mark.parametrize("first", [True, False], ids=["embedded", "raw numbers"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_layer_over_a_sequence_has_the_factor_of_its_inputs_gradient(kind, batch_first, first):
    model = made(lambda: Sequence(kind, first, batch_first=batch_first))
    tokens, y = data()
    x = model.embed(tokens) if first else F.one_hot(tokens, 4).double()
    x = (x if batch_first else x.transpose(0, 1)).detach().requires_grad_()
    out = model.layer(x)[0]
    loss = F.cross_entropy(model.head(out[:, -1] if batch_first else out[-1]), y)
    (gradient,) = torch.autograd.grad(loss, x)
    time = 1 if batch_first else 0
    expected = factor(gradient.select(time, 0), gradient.select(time, -1))
    found = recorded(model)
    assert expected < -0.1
    assert found == pytest.approx(expected, rel=1e-7)
    assert found.shape == (2, 2)


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_a_cell_called_at_every_position_has_the_factor_of_its_inputs_gradient(kind):
    model = made(lambda: Cells(kind))
    tokens, y = data()
    x, state = F.one_hot(tokens, 4).double().requires_grad_(), None
    for position in range(STEPS):
        state = model.layer(x[:, position], state)
    loss = F.cross_entropy(model.head(state[0] if isinstance(state, tuple) else state), y)
    (gradient,) = torch.autograd.grad(loss, x)
    expected = factor(gradient[:, 0], gradient[:, -1])
    assert recorded(model) == pytest.approx(expected, rel=1e-7)


def test_a_loop_written_by_hand_is_known_from_its_second_iteration():
    model = made(Loop)
    tokens, y = data()
    loss = F.cross_entropy(model(tokens), y)
    gradients = torch.autograd.grad(loss, model.answers)
    found = recorded(model, steps=3)
    assert found[1:, 0] == pytest.approx(factor(gradients[0], gradients[-1]), rel=1e-7)


def test_what_has_no_time_has_no_factor():
    model = made(
        lambda: nn.Sequential(nn.Embedding(CLASSES, 4), nn.Flatten(), nn.Linear(4 * STEPS, 3))
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, 3, recorder, data())
    assert not recorder.run.recorded("time_gain").any()


def test_a_layer_that_goes_both_ways_has_no_single_factor():
    model = made(lambda: Sequence("LSTM", True, batch_first=True, bidirectional=True))
    model.head = nn.Linear(2 * WIDTH, CLASSES).double()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, 2, recorder, data())
    assert not recorder.run.recorded("time_gain").any()


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_the_training_is_that_of_an_unwatched_one_bit_by_bit(kind):
    def trained(watching):
        torch.manual_seed(0)
        model = Sequence(kind, False, batch_first=True, num_layers=2, dropout=0.3)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        torch.manual_seed(1)
        if watching:
            with watch(model, optimizer, every=1) as recorder:
                train(model, optimizer, 6, recorder, data())
        else:
            train(model, optimizer, 6, data=data())
        return model.state_dict()

    bare, seen = trained(False), trained(True)
    assert all(torch.equal(a, b) for a, b in zip(bare.values(), seen.values(), strict=True))


class Recaller(nn.Module):
    """A cell that is called at every position, with or without the history of its state."""

    def __init__(self, detached, each=False):
        super().__init__()
        self.detached, self.each = detached, each
        self.layer, self.head = nn.GRUCell(4, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens):
        x = F.one_hot(tokens, 4).to(self.head.weight.dtype)
        state, answers = torch.zeros(len(tokens), WIDTH, dtype=x.dtype), []
        for letter in x.unbind(1):
            state = self.layer(letter, state.detach() if self.detached else state)
            answers.append(self.head(state))
        return torch.stack(answers).mean(0) if self.each else answers[-1]


@pytest.mark.parametrize("each", [False, True])
def test_a_state_without_its_history_lets_nothing_back_in_time(each):
    torch.manual_seed(0)
    model = Recaller(detached=True, each=each)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    tokens, y = torch.randint(0, CLASSES, (16, STEPS)), torch.randint(0, CLASSES, (16,))
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, 3, recorder, (tokens, y))
    gain = recorder.run.matrices["time_gain"]
    assert (gain[recorder.run.matrices.recorded("time_gain")] < -20).all()


def test_a_state_with_its_history_keeps_its_factor():
    torch.manual_seed(0)
    model = Recaller(detached=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    tokens, y = torch.randint(0, CLASSES, (16, STEPS)), torch.randint(0, CLASSES, (16,))
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, 3, recorder, (tokens, y))
    gain = recorder.run.matrices["time_gain"]
    known = gain[recorder.run.matrices.recorded("time_gain")]
    assert (np.abs(known) < 2).all()


class Reader(nn.Module):
    """A layer over (examples, times, features) that may take the first axis for the times."""

    def __init__(self, make):
        super().__init__()
        self.layer, self.head = make(), nn.Linear(4, CLASSES)

    def forward(self, tokens):
        x = F.one_hot(tokens, 4).to(self.head.weight.dtype)
        read = (x, x, x) if isinstance(self.layer, nn.MultiheadAttention) else (x,)
        return self.head(self.layer(*read)[0][:, -1])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: nn.GRU(4, 4), [8, STEPS]),
        (lambda: nn.LSTM(4, 2, bidirectional=True), [8, STEPS]),
        (lambda: nn.MultiheadAttention(4, 1), [8, STEPS]),
        (lambda: nn.GRU(4, 4, batch_first=True), None),
        (lambda: nn.MultiheadAttention(4, 1, batch_first=True), None),
    ],
)
def test_what_a_layer_reads_that_takes_times_first_is_kept(make, expected):
    model = made(lambda: Reader(make))
    optimizer = torch.optim.SGD(model.parameters(), 1e-12)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 2, recorder, data())
    assert recorder.run.config.get("sequence_shape") == expected


def test_the_length_of_the_longest_sequence_is_kept():
    model = made(lambda: Reader(lambda: nn.GRU(4, 4, batch_first=True)))
    optimizer = torch.optim.SGD(model.parameters(), 1e-12)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 2, recorder, data())
    assert recorder.run.config["positions"] == STEPS
