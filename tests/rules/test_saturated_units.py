"""GL202 saturated-units."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    UNCLEAR,
    actions,
    fires,
    found,
    make_run,
    severity,
    wavering,
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
    assert ("GL101" in registry()["GL202"].effects(finding)) == expected


@pytest.mark.parametrize(("start", "expected"), [(0.79, ("GL402",)), (0.0, ())])
def test_what_is_flat_in_part_from_the_start_explains_that_nothing_was_learned(start, expected):
    values = np.full((120, 2, 4), start)
    values[5:, :, 1] = 0.79
    steps = {"loss": wavering(BASELINE, 120)}
    run = make_run(120, activation="tanh", saturated_fraction=values, steps=steps)
    assert registry()["GL202"].effects(found(run, "GL202")) == expected


@pytest.mark.parametrize(("early", "expected"), [(0.79, "warning"), (0.1, "note")])
def test_a_net_that_began_flat_and_stays_above_a_constant_was_spoiled_by_it(early, expected):
    """Weights of deviation 1: it still falls, from far above a constant's loss."""
    falling = {"loss": np.linspace(20, 2.4, 60)[:, None]}
    share = np.where(np.arange(60) < 5, early, 0.79)[:, None, None]
    run = make_run(activation="tanh", saturated_fraction=share, steps=falling)
    assert severity(run, "GL202") == expected


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
