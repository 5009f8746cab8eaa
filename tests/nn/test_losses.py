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
    value = losses.get("squared_error").value(np.array([[1.0, 2.0], [0.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 0.0]]))
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
    np.testing.assert_allclose(squared.constant(real), squared.value(np.tile(real.mean(axis=0), (50, 1)), real).mean())


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
