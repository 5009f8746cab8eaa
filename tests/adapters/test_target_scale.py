"""Targets in raw units, in nets that learn all the same: GL404 asks what that cost."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402

EXAMPLES = 1000


def data(mean, deviation):
    """Inputs (n, 8) and a smooth function of four of them, in some unit."""
    drawn = torch.Generator().manual_seed(5)
    x = torch.randn(EXAMPLES, 8, generator=drawn)
    y = x[:, 0] * x[:, 1] + torch.sin(2 * x[:, 2]) + x[:, 3]
    return x, mean + deviation * (y - y.mean()) / y.std()


class Flat(nn.Module):
    """A plain net; its last bias may start at the targets' mean."""

    def __init__(self, bias):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1)
        )
        nn.init.constant_(self.layers[-1].bias, bias)

    def forward(self, x):
        return self.layers(x)[:, 0]


class Read(nn.Module):
    """A recurrent net that reads the inputs as a sequence of eight numbers."""

    def __init__(self, bias):
        super().__init__()
        self.read, self.head = nn.GRU(1, 24, batch_first=True), nn.Linear(24, 1)
        nn.init.constant_(self.head.bias, bias)

    def forward(self, x):
        return self.head(self.read(x[:, :, None])[0][:, -1])[:, 0]


def trained(net, mean, deviation, rate, loss=F.mse_loss, steps=300, bias=0.0):
    torch.manual_seed(1)
    (x, y), model = data(mean, deviation), net(bias)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    drawn = torch.Generator().manual_seed(2)
    with watch(model, optimizer, every=10) as recorder:
        for _ in range(steps):
            rows = torch.randint(EXAMPLES, (32,), generator=drawn)
            value = loss(model(x[rows]), y[rows])
            value.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=value)
    found = gradlab.diagnose(recorder.run)
    return [each.rule for each in found.faults]


@pytest.mark.parametrize(
    ("net", "mean", "deviation", "rate", "loss"),
    [
        (Flat, 5000, 1000, 1e-2, F.mse_loss),  # answers grow to a thousand and more
        (Flat, 170, 10, 3e-3, F.smooth_l1_loss),  # heights in centimetres
        (Read, -300, 60, 3e-2, F.mse_loss),
    ],
    ids=["thousands", "centimetres", "below 0"],
)
def test_raw_targets_cost_a_part_of_the_run(net, mean, deviation, rate, loss):
    assert trained(net, mean, deviation, rate, loss)[:1] == ["GL404"]


@pytest.mark.parametrize(
    ("net", "mean", "deviation", "rate", "bias"),
    [
        (Flat, 0, 1, 1e-3, 0),
        (Flat, 20, 8, 1e-2, 0),  # nearly unscaled, and soon reached
        (Flat, 0, 60, 1e-2, 0),  # centred: no mean has to be learned first
        (Flat, 170, 10, 1e-2, 170),  # the last bias knows the mean
    ],
    ids=["scaled", "twenties", "centred", "bias"],
)
def test_targets_that_are_reached_at_once_are_no_fault(net, mean, deviation, rate, bias):
    assert trained(net, mean, deviation, rate, bias=bias) == []
