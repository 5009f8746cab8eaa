"""GL306 stalled-optimizer."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import fires, found, make_run, severity

ADAM = {"optimizer": "adam", "epsilon": 1e-8}


def with_moment(moment, loss=1.0):
    steps = {"loss": np.full((60, 1), loss)}
    return make_run(steps=steps, config=ADAM, second_moment_rms=moment)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(1.01e-7, ""), (0.99e-7, "warning"), (1.01e-8, "warning"), (0.99e-8, "error")],
)
def test_the_limits_of_epsilon_over_the_second_moments(moment, expected):
    assert severity(with_moment(moment), "GL306") == expected


def test_the_finding_asks_for_an_epsilon_below_the_gradients():
    finding = found(with_moment(1e-9), "GL306")
    assert finding.value == pytest.approx(10)
    assert finding.remedies[0].action == "set epsilon"
    assert finding.remedies[0].parameters["epsilon"] == pytest.approx(1e-11)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(0.0229, False), (0.0231, True)],  # 1 % of the baseline 2.3 is 0.023
)
def test_a_net_with_nothing_left_to_learn_may_stand_still(loss, expected):
    assert fires(with_moment(1e-12, loss), "GL306") == expected


def test_plain_gradient_descent_cannot_stall_and_lacks_nothing():
    assert not fires(make_run(config={"optimizer": "sgd"}), "GL306")


def test_without_second_moments_it_says_what_is_missing():
    assert "second_moment_rms" in registry()["GL306"].missing(make_run())
