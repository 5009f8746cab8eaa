"""Whether answers fit their own targets better than those of other examples."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.observe.exchanged import (  # noqa: E402
    LEAST,
    own_over_exchanged,
    right_share,
)

F = torch.nn.functional


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "answer", "target"),
    [
        ("cross_entropy", drawn(12, 5), torch.arange(12) % 5),
        ("cross_entropy", drawn(12, 5, 7), torch.arange(84).reshape(12, 7) % 5),
        ("mse_loss", drawn(12, 3), drawn(12, 3, seed=1)),
        ("l1_loss", drawn(12), drawn(12, seed=1)),
        ("binary_cross_entropy_with_logits", drawn(12, 2), (drawn(12, 2, seed=1) > 0).float()),
    ],
)
def test_the_ratio_is_that_of_the_criterion_called_twice(name, answer, target):
    criterion = getattr(F, name)
    expected = criterion(answer, target) / criterion(answer, target.roll(1, 0))
    assert float(own_over_exchanged(name, {}, answer, target)) == pytest.approx(float(expected))


def test_answers_that_are_right_fit_and_constant_ones_fit_as_well_as_others():
    target = torch.arange(20) % 4
    right = 9.0 * F.one_hot(target, 4)
    assert float(own_over_exchanged("cross_entropy", {}, right, target)) < 0.01
    assert float(own_over_exchanged("cross_entropy", {}, 0 * right, target)) == pytest.approx(1.0)


@pytest.mark.parametrize("full", [False, True])
def test_counts_are_compared_by_how_far_they_stand_above_the_least_that_can_be(full):
    """Poisson's deviance: 0 of right answers, and the same of constant ones, exchanged or not."""
    counts = torch.tensor([0.0, 3, 20, 150, 7, 90, 1, 400, 33, 60])
    name, given = "poisson_nll_loss", {"log_input": False, "full": full, "eps": 1e-8}
    mean = counts.mean().expand(10)
    assert float(own_over_exchanged(name, given, mean, counts)) == pytest.approx(1.0)
    near = 0.9 * counts + 1e-6
    assert 0 < float(own_over_exchanged(name, given, near, counts)) < 0.01


def test_targets_that_are_all_alike_tell_nothing():
    """Links that are there come in one call, and those that are not in another."""
    name, target = "binary_cross_entropy_with_logits", torch.ones(20)
    assert own_over_exchanged(name, {}, drawn(20), target).isnan()
    target[3] = 0
    assert own_over_exchanged(name, {}, drawn(20), target).isfinite()


@pytest.mark.parametrize(("examples", "known"), [(LEAST - 1, False), (LEAST, True)])
def test_a_few_examples_tell_nothing(examples, known):
    answer, target = drawn(examples, 3), drawn(examples, 3, seed=1)
    assert (own_over_exchanged("mse_loss", {}, answer, target) is not None) == known


def test_weights_of_single_examples_and_other_criteria_are_left_alone():
    answer, target = drawn(12, 3), drawn(12, 3, seed=1)
    weighted = {"weight": torch.ones(12, 3)}
    assert own_over_exchanged("mse_loss", weighted, answer, target) is None
    assert own_over_exchanged("kl_div", {}, answer, target) is None


def trained(margin, *, related=True, iterations=150):
    """Ten classes of points; the right class's logit is made smaller by a margin, as in ArcFace."""
    torch.manual_seed(0)
    centers = drawn(10, 16)
    model = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Tanh(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(1)
    with watch(model, optimizer) as recorder:
        for _ in range(iterations):
            y = torch.randint(0, 10, (64,), generator=generator)
            x = centers[y] + 0.3 * torch.randn(64, 16, generator=generator)
            told = y if related else torch.randint(0, 10, (64,), generator=generator)
            loss = F.cross_entropy(model(x) - margin * F.one_hot(told, 10), told)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
    return recorder.run


def test_a_net_that_learns_under_a_large_margin_is_healthy():
    """Its loss stays far above what a constant answer without the margin would have cost."""
    run = trained(12.0)
    last = run.steps.dropna(subset=["criterion_loss"]).iloc[-1]
    assert last["criterion_loss"] > 1.5 * last["criterion_baseline"]
    assert "GL402" not in [each.rule for each in gradlab.diagnose(run).every_finding]


def test_labels_that_belong_to_nothing_are_not_learned_under_a_margin_either():
    run = trained(12.0, related=False)
    assert "GL402" in [each.rule for each in gradlab.diagnose(run).every_finding]


def test_without_a_margin_a_net_begins_at_1_and_ends_below():
    fit = trained(0.0).steps["target_fit"].dropna().to_numpy()
    assert 0.7 < fit[0] < 1.3
    assert np.median(fit[-3:]) < 0.9


def test_the_share_of_right_answers_counts_those_that_count():
    target = torch.arange(20) % 9
    told = target.clone()
    told[:5] = (told[:5] + 1) % 9
    logits = F.one_hot(told, 9).double()
    assert float(right_share("cross_entropy", {}, logits, target)) == 15 / 20
    target[5:15] = -100
    assert float(right_share("cross_entropy", {"ignore_index": -100}, logits, target)) == 5 / 10


@pytest.mark.parametrize(
    ("name", "answer", "target"),
    [
        ("mse_loss", drawn(12, 3), drawn(12, 3, seed=1)),
        ("cross_entropy", drawn(12, 3), drawn(12, 3, seed=1).softmax(1)),
        ("cross_entropy", drawn(LEAST - 1, 5), torch.arange(LEAST - 1) % 5),
    ],
)
def test_only_classes_are_right_or_wrong(name, answer, target):
    assert right_share(name, {}, answer, target) is None


def test_answers_are_compared_with_targets_a_tenth_of_the_training_apart():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = drawn(12, 3), torch.arange(12) % 4
    with watch(model, optimizer, on_finding=None) as recorder:
        for _ in range(150):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    expected = [*range(10), *range(10, 101, 10), 120, 140]
    for name in ("target_fit", "right_share"):
        assert np.flatnonzero(np.isfinite(recorder.run.step(name)[:, 0])).tolist() == expected
    assert np.isfinite(recorder.run.step("criterion_loss")[::10]).all()
