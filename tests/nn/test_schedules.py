"""Learning-rate schedules against PyTorch's, at their ends and beyond."""

import pytest

from gradlab.errors import ArgumentError
from gradlab.nn import schedules

N = 40


def rates(text, n=N):
    schedule = schedules.create(text, n)
    return [schedule(t) for t in range(n)]


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("step:every=7:factor=0.5", "StepLR", {"step_size": 7, "gamma": 0.5}),
        ("exponential:factor=0.9", "ExponentialLR", {"gamma": 0.9}),
        ("cosine", "CosineAnnealingLR", {"T_max": N}),
        ("cosine:end=0.2", "CosineAnnealingLR", {"T_max": N, "eta_min": 0.2}),
    ],
)
def test_agrees_with_pytorch(text, name, options):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    for ours in rates(text):
        assert ours == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        reference.step()


def test_warmup_rises_to_the_full_rate_and_hands_over():
    assert rates("constant:warmup=4", 6) == [0.25, 0.5, 0.75, 1, 1, 1]
    assert rates("exponential:factor=0.5:warmup=2", 5) == [0.5, 1, 1, 0.5, 0.25]
    assert rates("constant", 3) == [1, 1, 1]


def test_cosine_stays_at_its_end():
    values = rates("cosine:end=0.1:length=10", 20)
    assert values[0] == 1
    assert values[10:] == [pytest.approx(0.1)] * 10


def test_a_cosine_longer_than_the_run_must_say_where_it_ends():
    with pytest.raises(ArgumentError, match="over 41 iterations, but only 40 are left"):
        schedules.create("cosine:length=41", N)
    assert schedules.create("cosine:length=40", N)(0) == 1
    assert schedules.create("cosine:length=41:end=0", N)(0) == 1
    with pytest.raises(ArgumentError, match="only 30 are left"):
        schedules.create("cosine:length=31:warmup=10", N)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("linear", "schedule='linear' is unknown"),
        ("step", "needs every, a whole number of at least 1; write step:every="),
        ("step:every=0", "every=0 must be a whole number of at least 1"),
        ("step:every=2.5", "every=2.5 must be a whole number"),
        ("exponential:factor=0", "factor=0 must be a number above 0 and at most 1"),
        ("exponential:factor=1.01", "at most 1"),
        ("cosine:end=-0.1", "end=-0.1 must be"),
        ("constant:warmup=40", "warms up for 40 iterations, but the run has 40"),
        ("constant:warmup=nan", "warmup=nan must be"),
    ],
)
def test_a_wrong_schedule_is_one_sentence(text, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        schedules.create(text, N)


def test_the_longest_warmup():
    assert rates("constant:warmup=39")[-1] == 1
