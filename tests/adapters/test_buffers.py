"""Buffers that come to hold NaN or infinity make a run an error, whatever weights and loss say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import gradlab

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.observe.buffers import SMALL, Buffers  # noqa: E402

INF = math.inf


class WithBuffer(nn.Module):
    """A net with a buffer of its own, which `write` changes before each pass."""

    def __init__(self, buffer, write):
        super().__init__()
        self.net, self.write = nn.Linear(6, 3), write
        self.kept: Any
        self.register_buffer("kept", buffer)

    def forward(self, x):
        self.write(self)
        return self.net(x)


def normed():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def trained(model, steps=24, spoil=None, **options):
    """Train on batches of one data set; `spoil` is told the step before each pass."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 6), torch.arange(64) % 3
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with watch(model, optimizer, **options) as recorder:
        for step in range(steps):
            batch = x.clone()
            if spoil is not None:
                spoil(step, batch)
            loss = nn.functional.cross_entropy(model(batch), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            recorder.log(loss=loss if loss.isfinite() else 1.0)
    return recorder.run


def with_infinity_at(at):
    def spoil(step, batch):
        batch[0, 0] = INF if step == at else batch[0, 0]

    return spoil


def counted(run):
    """Return {iteration: buffers that are not finite} where it was recorded."""
    values, known = run.step("nonfinite_buffers")[:, 0], run.step_recorded("nonfinite_buffers")
    return {int(t): int(values[t]) for t in np.flatnonzero(known[:, 0])}


def test_averages_that_a_skipped_batch_spoils_are_an_error():
    model = normed()
    run = trained(model, spoil=with_infinity_at(13))
    assert not torch.isfinite(model[1].running_var).all()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert counted(run)[10] == 0
    assert counted(run)[20] == 2  # the mean and the variance, at the next costly iteration
    diagnosis = gradlab.diagnose(run)
    assert not diagnosis.ok
    assert diagnosis.nonfinite


def test_the_last_iteration_is_looked_at_too():
    run = trained(normed(), steps=24, spoil=with_infinity_at(22))
    assert counted(run)[20] == 0
    assert counted(run)[22] == 2  # of 23 iterations, since one was skipped
    (finding,) = gradlab.diagnose(run).findings
    assert finding.rule == "GL001"
    assert finding.iterations == (22, 22)
    assert "buffers 1.running_mean and 1 more are not finite" in finding.message
    assert "reset_running_stats()" in str(finding.remedies[1])


def test_the_same_batch_without_averages_is_healthy():
    run = trained(nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3)), spoil=with_infinity_at(13))
    assert counted(run) == {}
    assert run.steps["skipped_steps"].sum() == 1
    assert not gradlab.diagnose(run).nonfinite


@pytest.mark.parametrize(
    ("start", "write", "spoilt"),
    [
        (0.0, lambda self: self.kept.fill_(math.nan), True),
        (0.0, lambda self: self.kept.fill_(INF), True),
        (0.0, lambda self: setattr(self, "kept", self.kept + math.nan), True),
        (0.0, lambda self: self.kept.fill_(-INF), False),  # a mask
        (INF, lambda self: self.kept.clamp_(max=INF), False),  # the lowest so far, say
        (INF, lambda self: None, False),
        (0.0, lambda self: setattr(self, "kept", torch.full((7,), INF)), False),  # another buffer
        (0.0, lambda self: self.kept.add_(1.0), False),
    ],
)
def test_what_counts(start, write, spoilt):
    run = trained(WithBuffer(torch.full((5,), start), write), steps=12)
    assert (max(counted(run).values(), default=0) > 0) == spoilt
    assert gradlab.diagnose(run).nonfinite == spoilt


def test_of_large_ones_only_what_was_written_is_looked_at():
    model = WithBuffer(torch.zeros(SMALL + 1), lambda self: None)
    looked = Buffers(model)
    assert looked.look(0) is None  # met for the first time
    assert looked.look(1) is None
    model.kept[2] = math.nan
    assert looked.look(2) == 1
    assert looked.look(3) is None
    spoilt = looked.spoilt()
    assert spoilt is not None
    assert (spoilt.iteration, spoilt.origin.why) == (2, "buffer kept is not finite")
    assert looked.spoilt() is None
    model.kept = model.kept[:SMALL].clone()
    assert looked.look(4) is None  # of another shape: another buffer
    model.kept = model.kept * 1.0
    assert looked.look(5) is None  # it was not finite when it was met


@pytest.mark.parametrize(
    "buffer",
    [
        torch.zeros(0),
        torch.tensor([1, 2]),
        torch.zeros(3, device="meta"),
        torch.eye(3).to_sparse(),
        None,
    ],
    ids=["empty", "whole numbers", "meta", "sparse", "none"],
)
def test_what_holds_no_numbers_is_left_alone(buffer):
    model = WithBuffer(buffer, lambda self: None)
    looked = Buffers(model)
    assert looked.look(0) is None
    assert looked.look(1) is None
