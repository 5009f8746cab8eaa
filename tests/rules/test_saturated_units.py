"""GL202 saturated-units."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    UNCLEAR,
    actions,
    fires,
    found,
    make_run,
    severity,
)


def saturated(share, **details):
    values = np.array([share, 0.1, 0.1, 0.0])
    return make_run(activation="tanh", saturated_fraction=values, **details)


@pytest.mark.parametrize(("share", "expected"), [(0.5, False), (0.51, True), (1.0, True)])
def test_the_limit_of_the_share_of_flat_answers(share, expected):
    assert fires(saturated(share), "GL202") == expected


@pytest.mark.parametrize(
    ("share", "steps", "expected"),
    [
        (0.79, LEARNED, "note"),
        (0.81, LEARNED, "note"),
        (0.79, SLOW, "note"),
        (0.79, UNCLEAR, "warning"),
        (0.81, SLOW, "note"),
        (0.79, FAILED, "warning"),
        (0.81, FAILED, "error"),
    ],
)
def test_a_layer_that_passes_nothing_is_an_error_where_nothing_is_learned(share, steps, expected):
    assert severity(saturated(share, steps=steps), "GL202") == expected


@pytest.mark.parametrize(("share", "expected"), [(0.79, False), (0.81, True)])
def test_a_layer_that_is_flat_in_part_explains_nothing(share, expected):
    finding = found(saturated(share), "GL202")
    assert bool(registry()["GL202"].effects(finding)) == expected


def test_what_is_saturated_before_the_first_update_asks_for_standardized_inputs():
    finding = found(saturated(0.9), "GL202")
    assert finding.layers == (1,)
    assert finding.value == pytest.approx(0.9)
    assert actions(finding)[0] == "standardize inputs"


def test_what_saturates_later_is_the_learning_rates_fault():
    values = np.zeros((120, 2, 4))
    values[60:, :, 1] = 0.9
    run = make_run(120, activation="sigmoid", saturated_fraction=values)
    finding = found(run, "GL202")
    assert finding.iterations[0] == 60
    assert actions(finding)[0] == "lower learning rate"


def test_what_recovers_is_nothing():
    values = np.zeros((120, 2, 4))
    values[:60, :, 1] = 0.9
    assert not fires(make_run(120, activation="sigmoid", saturated_fraction=values), "GL202")


def test_relu_does_not_saturate():
    assert not fires(make_run(activation="relu", saturated_fraction=0.9), "GL202")
