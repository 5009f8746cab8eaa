"""GL306 stalled-optimizer."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    UNCLEAR,
    fires,
    found,
    layers_of,
    make_run,
    severity,
)

ADAM = {"optimizer": "adam", "epsilon": 1e-8}


def with_moment(moment, steps=SLOW, **details):
    return make_run(steps=steps, config=ADAM, second_moment_rms=moment, **details)


@pytest.mark.parametrize(("moment", "expected"), [(1.01e-7, False), (0.99e-7, True), (1e-12, True)])
def test_the_limit_of_epsilon_over_the_second_moments(moment, expected):
    assert fires(with_moment(moment), "GL306") == expected


@pytest.mark.parametrize(("moment", "limit"), [(0.99e-7, 0.1), (1.01e-8, 0.1), (0.99e-8, 1.0)])
def test_the_finding_names_the_limit_that_it_crosses(moment, limit):
    assert found(with_moment(moment), "GL306").limit == limit


@pytest.mark.parametrize(
    ("steps", "way", "expected"),
    [
        (LEARNED, 0.1, "note"),
        (SLOW, 0.1, "note"),
        (UNCLEAR, 0.1, "warning"),
        (FAILED, 0.1, "error"),
        (FAILED, 0.04, "warning"),  # weights that hardly moved suffer by the rate alone
    ],
)
def test_it_is_an_error_only_where_weights_that_moved_learned_nothing(steps, way, expected):
    assert severity(with_moment(1e-9, steps, update_ratio=way / 60), "GL306") == expected


def test_the_finding_asks_for_an_epsilon_below_the_gradients():
    finding = found(with_moment(1e-9), "GL306")
    assert finding.value == pytest.approx(10)
    assert finding.remedies[0].action == "set epsilon"
    assert finding.remedies[0].parameters["epsilon"] == pytest.approx(1e-11)


@pytest.mark.parametrize(
    ("stalled", "expected"), [((1,), ()), ((1, 2), (1, 2)), ((1, 2, 3, 4), (1, 2, 3, 4))]
)
def test_fewer_than_half_of_the_layers_are_not_the_optimizers_matter(stalled, expected):
    moment = np.ones(4)
    moment[[layer - 1 for layer in stalled]] = 1e-9
    assert layers_of(with_moment(moment), "GL306") == expected


@pytest.mark.parametrize("offset", [0.0, 1000.0, -2.0])
def test_a_net_with_nothing_left_to_learn_may_stand_still(offset):
    loss = np.r_[np.linspace(2.3, 0.3, 100), np.full(100, 0.3)][:, None] + offset
    moment = np.r_[np.ones(110), np.full(90, 1e-12)][:, None, None]
    config = ADAM | {"baseline_loss": None}
    run = make_run(200, steps={"loss": loss}, second_moment_rms=moment, config=config)
    assert not fires(run, "GL306")


def test_plain_gradient_descent_cannot_stall_and_lacks_nothing():
    assert not fires(make_run(config={"optimizer": "sgd"}), "GL306")


def test_without_second_moments_it_says_what_is_missing():
    assert "second_moment_rms" in registry()["GL306"].missing(make_run())


def test_where_there_is_no_gradient_at_all_no_epsilon_is_small_enough():
    assert not fires(with_moment(np.array([0.0, 0.0, 1.0, 1.0])), "GL306")
