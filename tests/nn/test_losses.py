"""Losses against their definitions, at extreme logits, and on targets that do not fit."""

import numpy as np
import pytest

from gradlab.errors import ArgumentError, DataError
from gradlab.nn import losses


def test_cross_entropy_of_known_probabilities():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    value = losses.get("cross_entropy").value(logits, np.array([0, 2]))
    np.testing.assert_allclose(value, [np.log(2), -np.log(0.8)], rtol=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_cross_entropy_survives_logits_that_overflow_exp(shift):
    logits = np.array([[0.0, 800.0]]) + shift
    loss, out = losses.get("cross_entropy"), np.empty((1, 2))
    np.testing.assert_allclose(loss.value(logits, np.array([0])), [800.0])
    loss.gradient(logits, np.array([0]), out)
    np.testing.assert_allclose(out, [[-1, 1]])


def test_squared_error_is_the_mean_over_outputs():
    value = losses.get("squared_error").value(
        np.array([[1.0, 2.0], [0.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 0.0]])
    )
    np.testing.assert_allclose(value, [2.0, 12.5])


def test_a_flat_target_is_one_column():
    loss, logits, out = losses.get("squared_error"), np.array([[1.0], [4.0]]), np.empty((2, 1))
    np.testing.assert_allclose(loss.value(logits, np.array([0.0, 2.0])), [1.0, 4.0])
    loss.gradient(logits, np.array([0.0, 2.0]), out)
    np.testing.assert_allclose(out, [[1.0], [2.0]])


def test_the_best_constant_beats_every_other():
    labels, real = np.array([0, 0, 0, 2]), np.random.default_rng(0).normal(size=(50, 2))
    best = losses.get("cross_entropy").constant(labels)
    np.testing.assert_allclose(best, -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    squared = losses.get("squared_error")
    np.testing.assert_allclose(
        squared.constant(real), squared.value(np.tile(real.mean(axis=0), (50, 1)), real).mean()
    )


@pytest.mark.parametrize(
    ("name", "target", "outputs", "match"),
    [
        ("cross_entropy", np.array([0.0, 1.0]), 2, "class numbers"),
        ("cross_entropy", np.array([[0], [1]]), 2, "class numbers"),
        ("cross_entropy", np.array([0, 2]), 2, "labels 0 to 1"),
        ("cross_entropy", np.array([-1, 1]), 2, "labels 0 to 1"),
        ("squared_error", np.array([0, 1]), 2, "real targets"),
        ("squared_error", np.zeros((4, 2)), 1, "one output"),
        ("squared_error", np.zeros(4), 2, "one output"),
    ],
)
def test_targets_that_do_not_fit_are_refused(name, target, outputs, match):
    with pytest.raises(DataError, match=match):
        losses.get(name).check_targets(target, outputs)


@pytest.mark.parametrize(
    ("name", "target", "outputs"),
    [
        ("cross_entropy", np.array([0, 1]), 2),
        ("cross_entropy", np.array([0, 0]), 2),
        ("squared_error", np.zeros(4), 1),
        ("squared_error", np.zeros((4, 2)), 2),
    ],
)
def test_targets_that_fit_pass(name, target, outputs):
    losses.get(name).check_targets(target, outputs)


def test_an_unknown_loss_is_named():
    with pytest.raises(ArgumentError, match=r"loss='hinge'.*cross_entropy"):
        losses.get("hinge")


# ---- one output, two classes
# ------------------------------------------------------------------------------------

PAIRS = [
    ("binary_cross_entropy", {}, "binary_cross_entropy_with_logits"),
    ("mean_absolute_error", {}, "l1_loss"),
    ("huber", {}, "huber_loss"),
    ("squared_error", {}, "mse_loss"),
]


@pytest.mark.parametrize(("name", "options", "reference"), PAIRS)
def test_value_and_gradient_agree_with_pytorch(name, options, reference):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(40, 1))
    target = rng.integers(0, 2, 40) if losses.get(name).classification else rng.normal(size=40)
    theirs = torch.tensor(logits, requires_grad=True)
    value = getattr(torch.nn.functional, reference)(
        theirs[:, 0], torch.tensor(target, dtype=torch.float64)
    )
    value.backward()
    loss, out = losses.get(name), np.empty_like(logits)
    loss.gradient(logits, target, out)
    assert loss.value(logits, target).mean() == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(out, theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("lead", [(), (3,)])
def test_gradients_agree_with_finite_differences_and_replicates_broadcast(name, lead):
    rng, loss = np.random.default_rng(1), losses.get(name)
    outputs = 1 if loss.binary else 4
    logits = rng.normal(size=(*lead, 6, outputs))
    classes = 2 if loss.binary else outputs
    target = (
        rng.integers(0, classes, (*lead, 6))
        if loss.classification
        else rng.normal(size=(*lead, 6, outputs))
    )
    out, numeric, h = np.empty_like(logits), np.empty_like(logits), 1e-6
    loss.gradient(logits, target, out)
    for index in np.ndindex(logits.shape):
        above, below = logits.copy(), logits.copy()
        above[index] += h
        below[index] -= h
        numeric[index] = (
            loss.value(above, target).mean(axis=-1) - loss.value(below, target).mean(axis=-1)
        ).sum() / (2 * h)
    np.testing.assert_allclose(out, numeric, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("z", "y", "value", "slope"),
    [(1e4, 1, 0, 0), (1e4, 0, 1e4, 1), (-1e4, 1, 1e4, -1), (-1e4, 0, 0, 0)],
)
def test_binary_cross_entropy_is_stable_far_out(z, y, value, slope, dtype):
    logits, target, out = np.array([[z]], dtype), np.array([y]), np.empty((1, 1), dtype)
    loss = losses.get("binary_cross_entropy")
    with np.errstate(over="raise", invalid="raise"):
        assert loss.value(logits, target).item() == value
        loss.gradient(logits, target, out)
    assert out.item() == slope


@pytest.mark.parametrize(
    "name", ["mean_absolute_error", "huber", "squared_error", "cross_entropy", "perceptron"]
)
def test_every_loss_is_finite_far_out(name):
    loss, logits = losses.get(name), np.array([[1e4], [-1e4]])
    logits = logits if name != "cross_entropy" else np.hstack([logits, -logits])
    target = np.array([0, 1]) if loss.classification else np.array([0.0, 0.0])
    out = np.empty_like(logits)
    loss.gradient(logits, target, out)
    assert np.isfinite(loss.value(logits, target)).all()
    assert np.isfinite(out).all()


def test_the_perceptrons_loss_by_hand():
    loss, logits = losses.get("perceptron"), np.array([[2.0], [-3.0], [0.0], [0.5]])
    target, out = np.array([1, 1, 1, 0]), np.empty((4, 1))
    np.testing.assert_array_equal(loss.value(logits, target), [0, 3, 0, 0.5])
    loss.gradient(logits, target, out)
    np.testing.assert_array_equal(
        out[:, 0], np.array([0, -1, -1, 1]) / 4
    )  # z = 0 counts as a mistake
    np.testing.assert_array_equal(loss.decide(logits), [1, 0, 0, 1])


def test_decisions_are_the_largest_logit_or_the_sign():
    logits = np.array([[[0.1, 0.2, -1.0]], [[3.0, 0.2, -1.0]]])
    np.testing.assert_array_equal(losses.get("cross_entropy").decide(logits), [[1], [0]])


@pytest.mark.parametrize("name", ["mean_absolute_error", "huber", "squared_error"])
def test_no_constant_is_better_than_the_best(name):
    loss, target = losses.get(name), np.random.default_rng(2).gamma(1.0, 3.0, 80)
    best = loss.constant(target)
    tried = [loss.value(np.full((80, 1), c), target).mean() for c in np.linspace(0, 20, 4001)]
    assert best == pytest.approx(min(tried), rel=1e-4)
    assert best <= min(tried) + 1e-12


def test_no_constant_is_better_than_the_best_for_two_classes():
    target = np.array([1] * 3 + [0] * 9)
    loss = losses.adapted("binary_cross_entropy", target, class_weights=[1.0, 2.5])
    tried = [loss.value(np.full((12, 1), z), target).mean() for z in np.linspace(-4, 4, 4001)]
    assert loss.constant(target) == pytest.approx(min(tried), rel=1e-6)
    assert losses.get("perceptron").constant(target) == 0.25


# ---- class weights and label smoothing
# -----------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
def test_weighted_and_smoothed_cross_entropy_agrees_with_pytorch(weights, smoothing):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    logits, target = rng.normal(size=(30, 3)), rng.integers(0, 3, 30)
    loss = losses.adapted("cross_entropy", target, class_weights=weights, label_smoothing=smoothing)
    scaled = np.ones(3) if weights is None else np.array(weights) / np.array(weights)[target].mean()
    theirs = torch.tensor(logits, requires_grad=True)
    each = torch.nn.functional.cross_entropy(
        theirs,
        torch.tensor(target),
        weight=torch.tensor(scaled),
        label_smoothing=smoothing,
        reduction="none",
    )
    each.mean().backward()
    out = np.empty_like(logits)
    loss.gradient(logits, target, out)
    np.testing.assert_allclose(loss.value(logits, target), each.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(out, theirs.grad.numpy(), rtol=1e-10, atol=1e-15)
    probabilities = np.log(np.random.default_rng(4).dirichlet(np.ones(3), 3000))
    tried = [loss.value(np.tile(p, (30, 1)), target).mean() for p in probabilities]
    assert min(tried) - 0.01 < loss.constant(target) <= min(tried)


def test_balanced_weights_make_every_class_count_the_same():
    target = np.array([0] * 90 + [1] * 10)
    loss = losses.adapted("cross_entropy", target, class_weights="balanced")
    each = loss.value(np.zeros((100, 2)), target)
    assert each[:90].sum() == pytest.approx(each[90:].sum())
    assert each.mean() == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "cross_entropy",
            {"label_smoothing": 1.0},
            "label_smoothing=1.0 must be a number of at least 0 and below 1",
        ),
        ("cross_entropy", {"label_smoothing": -0.1}, "label_smoothing=-0.1"),
        ("squared_error", {"label_smoothing": 0.1}, "label_smoothing is for loss='cross_entropy'"),
        ("binary_cross_entropy", {"label_smoothing": 0.1}, "one output a class"),
        ("perceptron", {"class_weights": "balanced"}, "class_weights is for loss='cross_entropy'"),
        ("cross_entropy", {"class_weights": [1.0]}, "2 finite numbers above 0, one a class"),
        ("cross_entropy", {"class_weights": [1.0, 0.0]}, "above 0"),
        (
            "cross_entropy",
            {"class_weights": "even"},
            "class_weights='even' must be 'balanced' or 2 finite numbers",
        ),
        ("cross_entropy", {"class_weights": 3}, "class_weights=3 must be"),
        ("cross_entropy", {"class_weights": ["a", "b"]}, "must be 'balanced' or 2 finite numbers"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(name, options, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        losses.adapted(name, np.array([0, 1, 1]), **options)


@pytest.mark.parametrize(
    ("target", "outputs", "match"),
    [
        (np.array([0, 2]), 1, "labels 0 to 1"),
        (np.array([0, 1]), 2, "needs a net of one output"),
        (np.zeros(2), 1, "class numbers"),
    ],
)
def test_binary_losses_say_what_does_not_fit(target, outputs, match):
    with pytest.raises(DataError, match=match):
        losses.get("binary_cross_entropy").check_targets(target, outputs)
