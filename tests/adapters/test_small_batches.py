"""Histograms of gradients, and what small batches say of single units."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab import measures  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.measure import statistics  # noqa: E402
from gradlab.adapters.torch.measure.pool import ENOUGH, FEW, Pool, share_of_dead  # noqa: E402
from tests.adapters.loops import batch, mlp, train  # noqa: E402

# -- units of small batches


def test_a_unit_that_wakes_now_and_then_is_not_dead_in_batches_of_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        model[0].bias.copy_(torch.tensor([0.0, -1.0]))  # the first wakes at x > 0, the second never
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    steps = 2 * ENOUGH
    with watch(model, optimizer, every=1) as recorder:
        for step in range(steps):
            x = torch.tensor([[1.0 if step % 4 == 0 else -1.0, 0.0]])
            nn.functional.cross_entropy(model(x), torch.tensor([0])).backward()
            optimizer.step()
            optimizer.zero_grad()
    run = recorder.run.matrices
    known = run.recorded("dead_fraction")[:, 0, 0]
    assert known.tolist() == [step >= ENOUGH - 1 for step in range(steps)]
    assert (run["dead_fraction"][known, 0, 0] == 0.5).all()


@pytest.mark.parametrize(("rows", "known"), [(FEW, False), (FEW + 1, True)])
def test_a_larger_batch_speaks_for_itself(rows, known):
    model = mlp(6, 8, 3, activation=nn.ReLU)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, 1, recorder, batch(rows))
    assert recorder.run.recorded("dead_fraction")[0, 0, 0] == known


def test_a_pool_keeps_the_newest_rows_alone():
    pool, first = Pool(), np.array([True, False])
    asleep = np.array([False, False])
    assert pool.together(first, 1) is None
    found = [pool.together(asleep, 1) for _ in range(40)]
    assert found[ENOUGH - 2].tolist() == [True, False]
    assert found[-1].tolist() == [False, False]


def test_shares_are_those_of_measures():
    slope = np.array([[[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]])
    assert share_of_dead(slope.any(axis=1)) == pytest.approx(measures.dead_fraction(slope))


# -- histograms


def test_histograms_count_the_gradients_entries_by_powers_of_two():
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    x, y = batch()
    nn.functional.cross_entropy(model(x), y).backward()
    expected = [measures.power_histogram(p.grad.numpy().reshape(1, -1)) for p in model.parameters()]
    model.zero_grad()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer, histograms=True) as recorder:
        train(model, optimizer, 12, recorder)
    histograms = recorder.run.histograms
    names = [name for name, _ in model.named_parameters()]
    order = [names.index(f"{n}.weight") for n in (0, 2)] + [
        names.index(f"{n}.bias") for n in (0, 2)
    ]
    for layer, number in enumerate(order, 1):
        chosen = (histograms["iteration"] == 0) & (histograms["layer"] == layer)
        filled = histograms[chosen & histograms["exponent"].notna() & (histograms["count"] > 0)]
        counts = expected[number].ravel()
        bins = np.flatnonzero(counts[1:])
        assert filled["exponent"].tolist() == (bins + measures.LOWEST_EXPONENT).tolist()
        assert filled["count"].tolist() == counts[1:][bins].tolist()
    assert sorted(set(histograms["iteration"])) == [*range(10), 10]


def test_without_the_option_there_are_none():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 3, recorder)
    assert len(recorder.run.histograms) == 0


def test_a_device_would_count_alike():
    x = torch.tensor([[0.0, -1.0, 1.5, 2.0, 1e-40, float("inf"), float("nan"), 3e38]])
    expected = measures.power_histogram(x.numpy()[:, None])[0]
    assert statistics.power_histogram(x).tolist() == expected.tolist()
    assert statistics.powers_counted(x).tolist() == expected.tolist()
