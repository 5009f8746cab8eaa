"""The largest feature that a linear map reads off the data, and who reads it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402


class Timed(nn.Module):
    """Reads positions and, by itself, a time; what lies behind reads no data."""

    def __init__(self):
        super().__init__()
        self.where, self.when, self.leave = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x, time):
        return self.leave(1e6 * (self.where(x) + self.when(time)))


def seen(x, time):
    model = Timed()
    optimizer = torch.optim.SGD(model.parameters(), 1e-12)
    with watch(model, optimizer) as recorder:
        for scale in (1.0, 100.0):  # of the first batch alone
            optimizer.zero_grad()
            model(scale * x, scale * time).mean().backward()
            optimizer.step()
    return recorder.run.config.get("input_feature")


def test_the_largest_feature_of_the_first_batch_and_its_reader():
    time = torch.tensor([[0.5, 3.0], [-0.5, 4.0]])
    assert seen(torch.ones(2, 3), time) == {
        "layer": "when",
        "feature": 1,
        "features": 2,
        "rms": pytest.approx(12.5**0.5),
        "others_rms": pytest.approx(0.5),
    }


def test_a_broken_batch_says_nothing_of_the_data():
    assert seen(torch.ones(2, 3), torch.full((2, 2), torch.nan))["layer"] == "where"
