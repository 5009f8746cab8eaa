"""GL302 frozen-layer."""

import numpy as np
import pytest

from tests.rules.runs import actions, fires, found, make_run

FLAT = {"loss": np.full((60, 1), 2.25)}  # nothing learned, everything left to learn


def still_in_layer_2(ratio):
    return make_run(steps=FLAT, update_ratio=np.array([0.001, ratio, 0.001, 0.001]))


@pytest.mark.parametrize(
    ("ratio", "expected"),
    # e = 1 * 8 / 2.25, T = 60: c = e * 60 * u < 0.01 below u = 4.6875e-5
    [(0.0, True), (4.68e-5, True), (4.70e-5, False)],
)
def test_a_layer_that_matters_and_stands_still_is_frozen(ratio, expected):
    assert fires(still_in_layer_2(ratio), "GL302") == expected


def test_the_finding_names_the_layer_and_asks_for_the_optimizer():
    finding = found(still_in_layer_2(0.0), "GL302")
    assert finding.layers == (2,)
    assert finding.severity == "error"
    assert actions(finding) == ["add to optimizer", "accept"]
    assert finding.remedies[0].parameters == {"layers": [2]}


def test_a_layer_that_does_not_matter_is_not_called_frozen():
    grad = np.array([0.02, 1.0, 1.0, 1.0])  # e = 0.02 * 8 / 2.25 = 0.07
    run = make_run(steps=FLAT, update_ratio=[0.0, 0.1, 0.1, 0.1], per_example_grad_norm=grad)
    assert not fires(run, "GL302")


def test_all_layers_still_is_the_learning_rate_and_only_a_warning():
    finding = found(make_run(steps=FLAT, update_ratio=1e-7), "GL302")
    assert finding.severity == "warning"
    assert finding.layers == ()
    assert actions(finding)[0] == "raise learning rate"


def test_a_net_that_learned_may_stand_still():
    loss = np.full((60, 1), 2.0)
    loss[30:] = 0.001
    assert not fires(make_run(steps={"loss": loss}, update_ratio=0.0), "GL302")


@pytest.mark.parametrize(("iterations", "expected"), [(19, False), (20, True)])
def test_a_short_run_is_too_short_to_tell(iterations, expected):
    run = make_run(iterations, steps={"loss": 2.25}, update_ratio=[0.001, 0.0, 0.001, 0.001])
    assert fires(run, "GL302") == expected
