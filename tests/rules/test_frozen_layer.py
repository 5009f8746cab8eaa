"""GL302 frozen-layer. e = p ||W|| / baseline = 8 / 2.3, T = 60, c = e T u."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import FAILED, LEARNED, SLOW, actions, fires, found, make_run, severity

PACE = 0.01 / (60 * 8 / 2.3)  # u at which c = 0.01


def still_in_layer_2(ratio, steps=FAILED, others=0.001, **details):
    return make_run(steps=steps, update_ratio=np.array([others, ratio, others, others]), **details)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.0, True), (0.99 * PACE, True), (1.01 * PACE, False)]
)
def test_a_layer_that_matters_and_stands_still_is_frozen(ratio, expected):
    assert fires(still_in_layer_2(ratio), "GL302") == expected


@pytest.mark.parametrize(("steps", "expected"), [(SLOW, "warning"), (FAILED, "error")])
def test_it_is_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(still_in_layer_2(0.0, steps), "GL302") == expected


def test_the_finding_names_the_layer_and_asks_for_the_optimizer():
    finding = found(still_in_layer_2(0.0), "GL302")
    assert finding.layers == (2,)
    assert finding.value == 0.0
    assert actions(finding) == ["add to optimizer", "accept"]
    assert finding.remedies[0].parameters == {"layers": [2]}


@pytest.mark.parametrize(("gradient", "expected"), [(0.0, False), (1.0, True)])
def test_a_layer_that_is_left_out_of_most_steps_moves_in_the_others(gradient, expected):
    """As by stochastic depth; one that stays where it is though a gradient comes does not."""
    taken = np.arange(60) % 3 == 0
    ratio = np.full((60, 2, 4), 0.001)
    ratio[~taken, :, 1] = 0.0
    norm = np.ones((60, 2, 4))
    norm[~taken, :, 1] = gradient
    run = make_run(steps=LEARNED, update_ratio=ratio, grad_norm=norm)
    assert fires(run, "GL302") == expected


def elastic(elasticity, way):
    """A second layer of that elasticity, which goes `way` times its own length in the run."""
    p = np.array([1.0, elasticity * 2.3 / 8, 1.0, 1.0])
    return still_in_layer_2(way / 60, others=0.01, per_example_grad_norm=p)


@pytest.mark.parametrize(("elasticity", "expected"), [(0.099, False), (0.101, True)])
def test_a_layer_that_does_not_matter_is_not_called_frozen(elasticity, expected):
    assert fires(elastic(elasticity, 0.0), "GL302") == expected


@pytest.mark.parametrize(("way", "expected"), [(0.0499, True), (0.0501, False)])
def test_a_layer_that_went_5_per_cent_of_its_length_does_not_stand_still(way, expected):
    assert fires(elastic(0.15, way), "GL302") == expected


def test_all_layers_still_is_the_learning_rate_and_only_a_warning():
    finding = found(make_run(steps=FAILED, update_ratio=1e-7), "GL302")
    assert finding.severity == "warning"
    assert finding.layers == ()
    assert actions(finding)[0] == "raise learning rate"


@pytest.mark.parametrize(("others", "layers"), [(0.0499, ()), (0.0501, (2,))])
def test_where_no_layer_goes_far_the_rate_is_at_fault(others, layers):
    """Layers that would matter least are not blamed for a rate at which none moves."""
    assert found(still_in_layer_2(0.0, others=others / 60), "GL302").layers == layers


def test_a_net_that_learned_may_stand_still():
    assert not fires(make_run(steps=LEARNED, update_ratio=0.0), "GL302")


@pytest.mark.parametrize(("share", "expected"), [(0.0099, "warning"), (0.0101, "")])
def test_in_a_net_that_learned_only_a_layer_that_stands_still_alone_is_named(share, expected):
    run = still_in_layer_2(share * 0.004, LEARNED, others=0.004)
    assert severity(run, "GL302") == expected


@pytest.mark.parametrize(("iterations", "expected"), [(19, False), (20, True)])
def test_a_short_run_is_too_short_to_tell(iterations, expected):
    run = make_run(iterations, steps={"loss": 2.25}, update_ratio=[0.001, 0.0, 0.001, 0.001])
    assert fires(run, "GL302") == expected


@pytest.mark.parametrize("offset", [0.0, 1000.0, -10.0])
def test_without_a_baseline_the_spread_of_the_losses_counts(offset):
    """e = 8 / 0.1 = 80, whatever is added to the loss: c = 0.01 at u = 2.08e-6."""
    blind = {"baseline_loss": None}
    loss = {"loss": FAILED["loss"] + offset}
    assert fires(still_in_layer_2(2.0e-6, loss, config=blind), "GL302")
    assert not fires(still_in_layer_2(2.2e-6, loss, config=blind), "GL302")


@pytest.mark.parametrize(("way", "expected"), [(0.0499, True), (0.0501, False)])
def test_where_nothing_was_learned_and_no_layer_went_far_the_rate_is_at_fault(way, expected):
    """e is 8 / 2.3 of the loss: each layer could do much with so few steps, and none does."""
    run = make_run(steps=FAILED, update_ratio=way / 60)
    assert fires(run, "GL302") == expected


def test_weights_that_went_nowhere_are_told_with_their_way():
    finding = found(make_run(steps=FAILED, update_ratio=0.03 / 60), "GL302")
    assert finding.value == pytest.approx(0.03)
    assert finding.limit == 0.05
    assert finding.severity == "warning"
    assert actions(finding)[0] == "raise learning rate"


def test_what_learns_by_small_steps_is_not_too_slow():
    assert not fires(make_run(steps=SLOW, update_ratio=0.03 / 60), "GL302")


@pytest.mark.parametrize(("lost", "expected"), [(0.0, True), (0.3, True), (0.7, False)])
def test_a_way_that_rounding_shortened_is_not_the_rates_fault(lost, expected):
    """0.03 of the length, of steps of which 0.7 are lost, were meant to be 0.055."""
    run = make_run(steps=FAILED, update_ratio=0.03 / 60, lost_fraction=lost)
    assert (registry()["GL302"].judge(run) is not None) == expected
