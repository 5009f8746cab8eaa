"""GL301 lost-update."""

import numpy as np
import pytest

import gradlab
from tests.rules.runs import fires, found, make_run, severity

LEARNED = {"loss": np.full((60, 1), 1.0)}
NOTHING_LEARNED = {"loss": np.full((60, 1), 2.25)}  # of a baseline of 2.3


def lost_in_layer_2(share, steps=LEARNED):
    return make_run(steps=steps, lost_fraction=np.array([0.0, share, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, ""), (0.505, "warning"), (0.9, "warning"), (0.909, "error")],
)
def test_the_limits_of_the_share(share, expected):
    assert severity(lost_in_layer_2(share), "GL301") == expected


@pytest.mark.parametrize(("share", "limit"), [(0.6, 0.5), (0.95, 0.9)])
def test_the_finding_names_layer_value_and_the_limit_that_it_crosses(share, limit):
    finding = found(lost_in_layer_2(share), "GL301")
    assert finding.layers == (2,)
    assert finding.value == pytest.approx(share)
    assert finding.limit == limit


def test_a_warned_layer_of_a_net_that_learns_nothing_is_an_error():
    assert severity(lost_in_layer_2(0.505, NOTHING_LEARNED), "GL301") == "error"


@pytest.mark.parametrize(("hit", "expected"), [(2, "warning"), (3, "error")])
def test_half_of_the_seeds_make_an_error_and_fewer_a_warning(hit, expected):
    values = np.zeros((60, 5, 4))
    values[:, :hit] = 1.0
    finding = found(make_run(replicates=5, steps=LEARNED, lost_fraction=values), "GL301")
    assert finding.severity == expected
    assert finding.replicates == {"hit": hit, "total": 5, "which": list(range(hit))}


def test_one_bad_iteration_of_many_is_not_seen():
    values = np.zeros((400, 1, 4))
    values[100] = 1.0
    assert not fires(make_run(400, 1, lost_fraction=values), "GL301")


def test_one_bad_window_of_many_is_seen():
    values = np.zeros((400, 1, 4))
    values[100:150] = 1.0
    run = make_run(400, 1, lost_fraction=values, steps={"loss": np.ones((400, 1))})
    assert found(run, "GL301").iterations == (100, 149)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(0.0229, False), (0.0231, True)],  # 1 % of the baseline 2.3 is 0.023
)
def test_a_net_with_nothing_left_to_learn_may_stand_still(loss, expected):
    run = make_run(steps={"loss": np.full((60, 1), loss)}, lost_fraction=1.0)
    assert fires(run, "GL301") == expected


def trained(dtype):
    """A training at a rate that float32 rounds away.

    Returns it with the shares of equal weights.
    """
    model = gradlab.MLP([64, 16, 10], "tanh", replicates=2, dtype=dtype)
    before = [weight.copy() for weight in model.weights]
    run = gradlab.train(model, gradlab.datasets.digits(), learning_rate=1e-9, iterations=60)
    same = [float((a == b).mean()) for a, b in zip(before, model.weights, strict=True)]
    return run, same


def test_weights_that_rounding_holds_are_found_in_a_real_training():
    """The oracle: the weights before and after, compared bit by bit."""
    run, same = trained("float32")
    assert min(same) > 0.9
    assert severity(run, "GL301") == "error"


def test_a_wider_format_loses_nothing():
    run, same = trained("float64")
    assert max(same) < 0.5
    assert not fires(run, "GL301")
