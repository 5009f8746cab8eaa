"""`audit`: a model judged before training, and what theory says of it."""

import numpy as np
import pytest

import gradlab
from gradlab.errors import DataError

DIGITS = gradlab.datasets.digits()


def net(activation="relu", depth=20, **options):
    return gradlab.MLP([64] + [64] * depth + [10], activation, **({"replicates": 4} | options))


@pytest.mark.parametrize(
    "model",
    [
        net(init="he_normal"),
        net("tanh", init="glorot_normal"),
        net("tanh", init="orthogonal"),
        net(init="lsuv", depth=5),
        net(init="he_normal", norm="batch"),
        net(init="he_normal", norm="layer"),
        net(init="he_normal", residual=0.3),
        net("sigmoid", depth=2, init="glorot_uniform"),
        net("tanh", depth=0),
        net(init="he_uniform", depth=5, dropout=0.2),
    ],
)
def test_a_sound_model_is_healthy_and_as_theory_expects(model):
    found = gradlab.audit(model, DIGITS)
    assert found.ok
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        (net("sigmoid"), "GL101"),
        (net(init="he_normal", gain=2.0), "GL102"),
        (net(init="glorot_normal", depth=40), "GL101"),
    ],
)
def test_what_will_not_learn_is_said_before_anyone_trains(model, rule):
    found = gradlab.audit(model, DIGITS)
    assert not found.ok
    assert found.findings[0].rule == rule
    assert found.remarks == ()  # theory expects just that


def test_the_model_stays_as_it_is():
    model = net(init="he_normal", norm="batch")
    arrays = [model.parameters, model.gradients, *model.running_means, *model.running_variances]
    before = [array.copy() for array in arrays]
    gradlab.audit(model, DIGITS)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


def remarks_on_weights_times(factor):
    model = net(init="he_normal", depth=6)
    model.weights[3][...] *= factor
    return gradlab.audit(model, DIGITS).remarks


@pytest.mark.parametrize("factor", [1.3, 0.75])
def test_weights_that_are_not_what_the_initializer_draws_are_named(factor):
    (remark, *_) = remarks_on_weights_times(factor)
    assert "layer 4 are not what he_normal draws" in remark


@pytest.mark.parametrize("factor", [1.2, 0.85])
def test_weights_near_what_the_initializer_draws_are_no_remark(factor):
    assert not remarks_on_weights_times(factor)


def test_a_signal_that_parts_from_theory_is_said_with_both_numbers():
    model = net("tanh", depth=6, init="glorot_normal")
    for bias in model.biases[:-1]:
        bias[...] = 2.0
    (remark,) = gradlab.audit(model, DIGITS).remarks
    assert "where theory predicts" in remark
    assert "biases" in remark


def test_trained_weights_are_no_bug_but_are_said():
    model = net("tanh", depth=2, replicates=None)
    gradlab.train(model, DIGITS, iterations=300, learning_rate=0.3)
    run = gradlab.train(model, DIGITS, iterations=5)
    assert "trained before" in gradlab.diagnose(run).remarks[0]
    assert "remark: The initial weights" in str(gradlab.diagnose(run))
    assert gradlab.diagnose(run).to_dict()["remarks"]


def test_regression_small_data_and_misfits():
    line = gradlab.datasets.linear(60)
    assert gradlab.audit(gradlab.MLP([3, 16, 1], "tanh"), line).ok
    with pytest.raises(DataError, match="one output"):
        gradlab.audit(gradlab.MLP([3, 16, 2], "tanh"), line)
