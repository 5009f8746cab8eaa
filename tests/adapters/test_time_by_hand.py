"""Recurrences that are no module of PyTorch: the gradient along what feeds them, and GL107."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.measure import positions  # noqa: E402
from gradlab.adapters.torch.measure.positions import of_sequence, over_time  # noqa: E402

WIDTH, LETTERS, STEPS = 16, 6, 24


class Decay(nn.Module):
    """States that each keep a share of themselves, written as a loop over positions."""

    def __init__(self, keep):
        super().__init__()
        self.keep = keep
        self.letters, self.enter = nn.Embedding(LETTERS, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, LETTERS)

    def forward(self, rows):
        state = 0.0
        for push in self.enter(self.letters(rows)).unbind(1):
            state = self.keep * state + push
        return self.head(torch.tanh(state))


class Stepwise(Decay):
    """The same, its layer called at each position."""

    def forward(self, rows):
        state = 0.0
        for letter in self.letters(rows).unbind(1):
            state = self.keep * state + self.enter(letter)
        return self.head(torch.tanh(state))


class Summed(Decay):
    """The same as one product with all powers of the share, as a convolution does it."""

    def forward(self, rows):
        pushed = self.enter(self.letters(rows))
        powers = self.keep ** torch.arange(rows.shape[1] - 1, -1, -1)
        return self.head(torch.tanh((powers[:, None] * pushed).sum(1)))


class Gated(Decay):
    """A minimal gated unit by hand; a gate's bias says how much is kept."""

    def __init__(self, keep):
        super().__init__(keep)
        self.gate = nn.Linear(WIDTH, WIDTH)
        nn.init.constant_(self.gate.bias, math.log(keep / (1 - keep)))

    def forward(self, rows):
        x = self.letters(rows)
        state = torch.zeros(len(rows), WIDTH)
        for gate, push in zip(
            self.gate(x).sigmoid().unbind(1), self.enter(x).unbind(1), strict=True
        ):
            state = gate * state + (1 - gate) * torch.tanh(push)
        return self.head(state)


class Attends(nn.Module):
    """One block of attention; the last position answers."""

    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(LETTERS, WIDTH)
        self.places = nn.Parameter(0.1 * torch.randn(STEPS, WIDTH))
        self.block = nn.TransformerEncoderLayer(WIDTH, 2, 32, 0.0, batch_first=True)
        self.head = nn.Linear(WIDTH, LETTERS)

    def forward(self, rows):
        return self.head(self.block(self.letters(rows) + self.places)[:, -1])


def trained(model, steps=120, *, asked=0, shown=slice(None)):
    """Train on the letter at a position of each row; return the record."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(3)
    with watch(model, optimizer, every=10) as recorder:
        for _ in range(steps):
            rows = torch.randint(LETTERS, (32, STEPS + 1), generator=generator)
            loss = F.cross_entropy(model(rows[:, shown]), rows[:, asked])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    return recorder.run


def made(kind, *given):
    torch.manual_seed(0)
    return kind(*given)


def factors(run, path="enter"):
    """Return exp of the recorded `time_gain` of a layer; empty where none was recorded."""
    run = run.matrices
    row = list(run.layer("path")).index(path)
    return np.exp(run["time_gain"][run.recorded("time_gain")[..., row], row])


@pytest.mark.parametrize("kind", [Decay, Stepwise, Summed])
@pytest.mark.parametrize("keep", [0.6, 0.97])
def test_the_factor_is_the_share_that_is_kept(kind, keep):
    found = factors(trained(made(kind, keep), 3))
    assert len(found)
    assert found == pytest.approx(keep, rel=1e-5)


@pytest.mark.parametrize("kind", [Decay, Stepwise, Summed, Gated])
def test_a_state_that_forgets_too_soon_is_the_root(kind):
    verdict = gradlab.diagnose(trained(made(kind, 0.4)))
    assert [each.rule for each in verdict.faults] == ["GL107"]
    assert "slow decay" in [each.action for each in verdict.faults[0].remedies]


@pytest.mark.parametrize("kind", [Decay, Gated])
def test_a_state_that_remembers_is_not_to_blame_for_slow_learning(kind):
    verdict = gradlab.diagnose(trained(made(kind, 0.98)))
    assert "GL107" not in [each.rule for each in verdict.every_finding]


@pytest.mark.parametrize("kind", [Decay, Stepwise, Gated])
def test_a_short_memory_is_no_fault_where_the_last_letter_is_asked_for(kind):
    assert gradlab.diagnose(trained(made(kind, 0.4), asked=-1)).faults == ()


def test_attention_that_learns_nothing_has_no_time():
    run = trained(made(Attends), shown=slice(1, None))  # what is asked for is never shown
    assert "GL107" not in [each.rule for each in gradlab.diagnose(run).every_finding]
    assert not run.recorded("time_gain").any()


def test_what_selects_the_last_position_cuts_off_and_forgets_nothing():
    lengths = torch.zeros(1, 24)
    lengths[0, -1] = 1.0
    assert over_time(lengths)[0].isnan().all()


@pytest.mark.parametrize(("positions", "expected"), [(11, False), (12, True)])
def test_a_dozen_positions_are_the_least(positions, expected):
    lengths = 0.5 ** torch.arange(positions - 1.0, -1.0, -1.0)[None]
    assert bool(over_time(lengths)[0].isfinite().all()) == expected


def test_a_gradient_that_grows_towards_the_first_position_tells_nothing():
    """Of a causal mean, all later positions read position s, each by one over its own number."""
    shares = 1 / torch.arange(1.0, 25.0)
    assert over_time(shares.flip(0).cumsum(0).flip(0)[None])[0].isnan().all()


def test_where_rounding_leaves_nothing_of_the_first_positions_the_others_tell():
    lengths = torch.cat([torch.zeros(30), 0.1 ** torch.arange(13.0, -1.0, -1.0)])[None]
    first, last, steps = over_time(lengths)
    assert torch.log(first / last) / steps == pytest.approx(math.log(0.1), rel=1e-4)


def test_a_gradient_that_goes_up_and_down_has_no_factor():
    lengths = torch.tensor([[1.0, 0.5] * 12])
    assert over_time(lengths)[0].isnan().all()


@pytest.mark.parametrize("seed", range(4))
def test_arrays_and_tensors_are_measured_alike(seed):
    generator = torch.Generator().manual_seed(seed)
    falls = 0.3 + torch.rand(6, 24, generator=generator).double() * (1 + seed % 2)
    lengths = falls.cumprod(dim=1).flip(1)
    lengths[1, :3] = 0.0
    for tensor, array in zip(over_time(lengths), over_time(lengths.numpy()), strict=True):
        torch.testing.assert_close(torch.as_tensor(array), tensor, equal_nan=True)


@pytest.mark.parametrize("order", [(4, 12), (12, 4)])
def test_positions_are_told_from_examples_by_what_is_steady(order):
    lengths = 0.5 ** torch.arange(11.0, -1.0, -1.0).double()
    rows = lengths.expand(4, 12) if order == (4, 12) else lengths[:, None].expand(12, 4)
    first, last, steps = of_sequence(rows.reshape(1, -1), torch.Size([*order, 3]))
    assert torch.log(first / last) / steps == pytest.approx(math.log(0.5))


class Attending(nn.Module):
    """Reads a sequence by attention: its gradient shows no time."""

    def __init__(self):
        super().__init__()
        self.letters, self.enter = nn.Embedding(LETTERS, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, LETTERS)

    def forward(self, rows):
        x = self.enter(self.letters(rows))
        return self.head(F.scaled_dot_product_attention(x, x, x).mean(1))


def test_a_gradient_that_shows_no_time_is_asked_again_later(monkeypatch):
    asked, steps = set(), []

    def of_sequence_noted(lengths, shape):
        if len(shape) == 3:
            asked.add(len(steps) - 1)
        return of_sequence(lengths, shape)

    monkeypatch.setattr(positions, "of_sequence", of_sequence_noted)
    torch.manual_seed(0)
    model, rows = Attending(), torch.randint(LETTERS, (4, STEPS))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer, every=10, on_finding=None):
        for step in range(200):
            steps.append(step)
            optimizer.zero_grad()
            F.cross_entropy(model(rows), rows[:, 0]).backward()
            optimizer.step()
    # A fifth of the training apart.
    assert sorted(asked) == [0, 10, 20, 30, 40, 50, 70, 90, 120, 150, 190]
