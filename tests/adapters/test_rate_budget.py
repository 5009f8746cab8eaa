"""Learning rates that fall too fast, as optimizers and schedules of PyTorch have them (GL312)."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402

STEPS, CLASSES = 200, 6


class Curves(nn.Module):
    """A convolutional net that tells noisy waves by their frequency."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 12, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(12, 12, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12 * 16, CLASSES),
        )

    def forward(self, x):
        return self.layers(x)


def waves(generator):
    y = torch.randint(CLASSES, (32,), generator=generator)
    phase = 6.3 * torch.rand(32, 1, generator=generator)
    x = torch.sin((y[:, None] + 1) * torch.linspace(0, 6.3, 32) + phase)
    return (x + 0.3 * torch.randn(32, 32, generator=generator))[:, None], y


def constant(optimizer):
    return lr_scheduler.ConstantLR(optimizer, 1.0)


def adagrad(rate, decay):
    return lambda parameters: torch.optim.Adagrad(parameters, rate, lr_decay=decay)


def adam(parameters):
    return torch.optim.Adam(parameters, 2e-3)


def trained(optimize, schedule):
    torch.manual_seed(0)
    model, generator = Curves(), torch.Generator().manual_seed(1)
    optimizer = optimize(model.parameters())
    scheduler = schedule(optimizer)
    with watch(model, optimizer, every=10) as recorder:
        for _ in range(STEPS):
            x, y = waves(generator)
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    return [each.rule for each in gradlab.diagnose(recorder.run).faults]


@pytest.mark.parametrize(
    ("optimize", "schedule"),
    [
        (adagrad(2e-3, 0.9), constant),
        (adam, lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.8)),
        (adam, lambda optimizer: lr_scheduler.StepLR(optimizer, 2, 0.5)),
    ],
    ids=["Adagrad", "exponential", "steps"],
)
def test_a_rate_that_is_gone_at_once_is_the_root(optimize, schedule):
    assert trained(optimize, schedule) == ["GL312"]


@pytest.mark.parametrize(
    ("optimize", "schedule"),
    [
        (adagrad(2e-2, 1e-3), constant),
        (adam, lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.99)),
        (adam, lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS)),
    ],
    ids=["Adagrad", "exponential", "cosine"],
)
def test_a_rate_that_falls_in_its_time_is_no_fault(optimize, schedule):
    assert trained(optimize, schedule) == []
