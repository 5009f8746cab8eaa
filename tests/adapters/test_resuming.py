"""A PyTorch training that is resumed, compared with the one that went on."""

import copy

import pytest

torch = pytest.importorskip("torch")

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402


def batches(start, stop):
    for number in range(start, stop):
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(16, 4, generator=generator)
        yield x, x.sum(dim=1, keepdim=True)


def train(model, optimizer, start, stop, keep_at=None):
    """Train on the batches of these numbers; return the run and the states before `keep_at`."""
    kept = None
    with watch(model, optimizer) as recorder:
        for number, (x, y) in enumerate(batches(start, stop), start):
            if number == keep_at:
                kept = copied(model), copied(optimizer)
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    return recorder.run, kept


@pytest.mark.parametrize("enabled", [False, True])
def test_a_training_under_autocast_is_compared_in_its_precision(enabled):
    runs = []
    for autocast in (False, enabled):
        model, optimizer = made()
        with watch(model, optimizer) as recorder:
            for x, y in batches(0, 4):
                with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                    loss = torch.nn.functional.mse_loss(model(x).float(), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                recorder.log(loss=loss)
        runs.append(recorder.run)
    found = gradlab.diff(*runs)
    assert found.rounding.dtype == ("bfloat16" if enabled else "float32")
    assert [each.values for each in found.configuration] == [(None, "bfloat16")] * enabled
    assert found.parting is None or found.parting.iteration[0] > 0


def copied(part):
    return copy.deepcopy(part.state_dict())


def made(seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


@pytest.mark.parametrize(
    ("with_optimizer", "partings"),
    [(True, None), (False, ("update", "second_moment_rms", (20, 0)))],
)
def test_a_resumed_training_agrees_unless_its_optimizer_lost_its_state(with_optimizer, partings):
    whole, (weights, state) = train(*made(), 0, 40, keep_at=20)
    model, optimizer = made(seed=1)
    model.load_state_dict(weights)
    if with_optimizer:
        optimizer.load_state_dict(state)
    resumed, _ = train(model, optimizer, 20, 40)
    found = gradlab.diff(whole, resumed)
    assert (found.offset, found.compared) == (20, (20, 40))
    first = found.parting
    assert partings == (first and (first.phase, first.statistic, first.iteration))
