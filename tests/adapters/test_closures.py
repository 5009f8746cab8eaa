"""Trainings that step by a closure, and models called inside transforms, keep their record."""

from __future__ import annotations

import warnings
from functools import partial

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.loops import batch, mlp  # noqa: E402

STEPS = 6


def train_by_closure(batches) -> object:
    """Train by LBFGS, watched, a step for each batch; any warning is an error."""
    model = mlp(6, 8, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=3)

    def closure(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with warnings.catch_warnings(), watch(model, optimizer) as recorder:
        warnings.simplefilter("error")
        for each in batches:
            recorder.log(loss=optimizer.step(partial(closure, *each)))
            assert recorder.recorder.run is not None  # from the first step on
    return recorder.run


def test_a_closure_that_meets_nan_does_not_end_the_record():
    x, y = batch()
    batches = [(x, y)] * (STEPS - 1) + [(torch.full_like(x, float("nan")), y)]
    run = train_by_closure(batches)
    assert run.iterations == STEPS
    assert run.provenance["status"] == "complete"


def test_a_closure_without_examples_does_not_end_the_record():
    x, y = batch()
    run = train_by_closure([(x, y), (x[:0], y[:0]), (x, y)])
    assert run.iterations == 3
    assert run.provenance["status"] == "complete"


@pytest.mark.parametrize("step", [0, 3])
def test_a_call_inside_vmap_is_not_looked_at(step):
    """What a hook keeps of a tensor inside a transform cannot be used outside of it."""
    model = mlp(6, 8, 3)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    x, y = batch()
    with warnings.catch_warnings(), watch(model, optimizer) as recorder:
        warnings.simplefilter("error")
        for number in range(STEPS):
            if number == step:
                torch.func.vmap(model)(x[None])
            given = torch.full_like(x, float("nan")) if number == STEPS - 1 else x
            loss = F.cross_entropy(model(given), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    assert recorder.run.iterations == STEPS
    assert recorder.run.provenance["status"] == "complete"
