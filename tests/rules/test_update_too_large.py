"""GL304 update-too-large."""

import numpy as np
import pytest

from tests.rules.runs import actions, fires, found, make_run, severity

LEARNED = {"loss": np.full((60, 1), 1.0)}
NOTHING_LEARNED = {"loss": np.full((60, 1), 2.25)}  # of a baseline of 2.3


def large_in_layer_2(ratio, steps=LEARNED):
    return make_run(steps=steps, update_ratio=np.array([0.0, ratio, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.2, ""), (0.202, "warning"), (1.0, "warning"), (1.01, "error")]
)
def test_the_limits_of_the_update_ratio(ratio, expected):
    assert severity(large_in_layer_2(ratio), "GL304") == expected


@pytest.mark.parametrize(("ratio", "limit"), [(0.5, 0.2), (1.5, 1.0)])
def test_the_finding_names_layer_value_and_the_limit_that_it_crosses(ratio, limit):
    finding = found(large_in_layer_2(ratio), "GL304")
    assert finding.layers == (2,)
    assert finding.value == pytest.approx(ratio)
    assert finding.limit == limit


def test_a_warned_layer_of_a_net_that_learns_nothing_is_an_error():
    assert severity(large_in_layer_2(0.202, NOTHING_LEARNED), "GL304") == "error"


def test_the_learning_rate_is_to_be_divided_by_the_ratio_over_a_hundredth():
    finding = found(large_in_layer_2(0.5), "GL304")
    assert actions(finding) == ["lower learning rate", "warm up", "clip gradient"]
    assert finding.remedies[0].parameters["factor"] == pytest.approx(50)


@pytest.mark.parametrize(("ratio", "expected"), [(0.3, ""), (0.31, "warning")])
def test_a_burst_of_ten_steps_is_seen_in_a_long_run(ratio, expected):
    ratios = np.full((200, 2, 4), 0.001)
    ratios[100:110] = ratio
    run = make_run(200, steps={"loss": 1.0}, update_ratio=ratios)
    assert severity(run, "GL304") == expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [(0.49, False), (0.51, True)],  # of the loss, in the median of the ten iterations after it
)
def test_steps_on_which_the_loss_falls_by_half_are_good_ones(left, expected):
    """Ten large steps at a loss of 1, then the loss that they leave."""
    loss, ratios = np.full((60, 1), left), np.full((60, 2, 4), 0.001)
    loss[:10], ratios[:10] = 1.0, 0.9
    loss[1:10:2] = left  # so that the median ahead of each of them is what they leave
    ratios[1:10:2] = 0.001
    run = make_run(steps={"loss": loss}, update_ratio=ratios)
    assert fires(run, "GL304") == expected
