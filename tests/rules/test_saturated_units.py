"""GL202 saturated-units."""

import numpy as np
import pytest

from tests.rules.runs import actions, fires, found, make_run, severity


def saturated(share):
    return make_run(activation="tanh", saturated_fraction=np.array([share, 0.1, 0.1, 0.0]))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, ""), (0.51, "warning"), (0.8, "warning"), (0.81, "error")]
)
def test_the_limits_of_the_share_of_flat_answers(share, expected):
    assert severity(saturated(share), "GL202") == expected


def test_what_is_saturated_before_the_first_update_asks_for_standardized_inputs():
    finding = found(saturated(0.9), "GL202")
    assert finding.layers == (1,)
    assert finding.value == pytest.approx(0.9)
    assert actions(finding)[0] == "standardize inputs"


def test_what_saturates_later_is_the_learning_rates_fault():
    values = np.zeros((120, 2, 4))
    values[60:, :, 1] = 0.9
    run = make_run(120, activation="sigmoid", saturated_fraction=values)
    assert actions(found(run, "GL202"))[0] == "lower learning rate"


def test_what_recovers_is_nothing():
    values = np.zeros((120, 2, 4))
    values[:60, :, 1] = 0.9
    assert not fires(make_run(120, activation="sigmoid", saturated_fraction=values), "GL202")


def test_relu_does_not_saturate():
    assert not fires(make_run(activation="relu", saturated_fraction=0.9), "GL202")
