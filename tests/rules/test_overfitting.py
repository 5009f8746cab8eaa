"""GL403 overfitting."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import fires, found, make_run


def held_out(last, train):
    """Three held-out losses, 2.0, 1.0 at iteration 50, and `last`."""
    values = np.full((101, 2), np.nan)
    values[::50] = np.array([2.0, 1.0, last])[:, None]
    return make_run(101, steps={"validation_loss": values, "loss": np.full((101, 2), train)})


@pytest.mark.parametrize(
    ("last", "train", "expected"),
    [(1.49, 0.1, False), (1.51, 0.1, True), (1.51, 0.75, True), (1.51, 0.76, False)],
)
def test_overfitting_is_a_rise_of_the_held_out_loss_and_a_gap(last, train, expected):
    assert fires(held_out(last, train), "GL403") == expected


def test_the_finding_names_the_iteration_at_which_to_stop():
    finding = found(held_out(1.6, 0.1), "GL403")
    assert finding.severity == "warning"
    assert finding.value == pytest.approx(1.6)
    assert finding.iterations[0] == 50
    assert finding.remedies[0].action == "stop early"
    assert finding.remedies[0].parameters == {"iteration": 50}


def test_without_held_out_losses_it_says_what_is_missing():
    assert "validation=(loss, accuracy)" in registry()["GL403"].missing(make_run())


def falling(**planted):
    """Held-out losses at every 10th of 200 iterations, from 2 to 0.8, some of them replaced."""
    values = np.geomspace(2.0, 0.8, 20)
    for number, value in planted.items():
        values[int(number[1:])] = value
    column = np.full((200, 2), np.nan)
    column[::10] = values[:, None]
    return make_run(200, steps={"validation_loss": column, "loss": np.full((200, 2), 0.1)})


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"n12": 0.1}, False),  # one lucky value is no minimum to rise from
        ({"n11": 0.1, "n12": 0.1, "n13": 0.1}, True),
        ({"n16": 0.05, "n17": 0.05}, False),  # a minimum at the end is no rise
        ({"n19": 50.0}, False),  # one bad value at the end is no rise either
        ({"n17": 50.0, "n18": 50.0, "n19": 50.0}, True),
    ],
)
def test_of_eight_held_out_losses_and_more_a_single_one_decides_nothing(planted, expected):
    assert fires(falling(**planted), "GL403") == expected
