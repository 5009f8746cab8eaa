"""GL101 vanishing-gradient: by a layer's share of the gradient, or by all layers' against the loss.

Every layer has ||W|| = 8, so that a layer's share is its p over the largest p. A signal vanishes
step by step: the second layer gets 0.05, or ten times the first one's share.
"""

import numpy as np
import pytest

from gradlab.run import Run
from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    layers_of,
    make_run,
    severity,
    wavering,
)

BELOW = {"loss": wavering(0.7 * BASELINE)}  # from the first iteration to the last: unknown


def weak_first_layer(p, steps=SLOW, **details):
    return make_run(steps=steps, per_example_grad_norm=np.array([p, 0.05, 0.5, 1.0]), **details)


def weak_everywhere(elasticity, steps=FAILED):
    """A run whose layers are alike: none vanishes beside another one."""
    return make_run(steps=steps, per_example_grad_norm=elasticity * BASELINE / 8)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "warning"), (0.0099, "warning"), (0.0101, ""), (0.05, ""), (1.0, "")],
)
def test_the_limit_of_a_layers_share(share, expected):
    assert severity(weak_first_layer(share), "GL101") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, "warning"), (FAILED, "error")]
)
def test_a_vanished_layer_is_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(weak_first_layer(0.005, steps), "GL101") == expected


@pytest.mark.parametrize(
    ("elasticity", "expected"), [(0.0, "error"), (0.049, "error"), (0.051, ""), (3.4, "")]
)
def test_the_limit_where_all_layers_are_weak_alike(elasticity, expected):
    assert severity(weak_everywhere(elasticity), "GL101") == expected


@pytest.mark.parametrize(
    ("strongest", "expected"), [(0.0, "warning"), (0.049, "warning"), (0.051, "")]
)
def test_where_nobody_knows_what_was_learned_every_layer_must_be_weak(strongest, expected):
    """As of a net that begins below the best constant's loss, by a skip from input to output."""
    elasticity = np.array([0.04, 0.04, 0.04, strongest])
    assert severity(weak_everywhere(elasticity, BELOW), "GL101") == expected


@pytest.mark.parametrize(("strongest", "expected"), [(0.249, True), (0.251, False)])
def test_weak_layers_are_no_fault_where_another_one_matters(strongest, expected):
    elasticity = np.array([0.04, 0.04, 0.04, strongest])
    assert fires(weak_everywhere(elasticity), "GL101") == expected


@pytest.mark.parametrize(("second", "expected"), [(0.074, True), (0.076, False)])
def test_a_layer_far_below_the_next_one_stands_beside_the_way(second, expected):
    """The embedding of a time gets little of the gradient; nothing vanished on the way to it."""
    p = np.array([0.005, second, 0.5, 1.0])
    assert fires(make_run(steps=FAILED, per_example_grad_norm=p), "GL101") == expected


@pytest.mark.parametrize(("first", "expected"), [(0.00016, True), (0.00018, False)])
def test_a_jump_no_larger_than_the_step_before_it_is_a_step(first, expected):
    """From 0.004 to 0.1 the share jumps 25 times; the step before it is 25 times, or less."""
    p = np.array([first, 0.004, 0.1, 1.0])
    assert fires(make_run(steps=FAILED, per_example_grad_norm=p), "GL101") == expected


@pytest.mark.parametrize(("last", "expected"), [(0.95, True), (1.05, False)])
def test_a_jump_is_measured_by_twice_the_median_of_three_steps_or_more(last, expected):
    """The steps are 20 each; the jump is 40 times, or more."""
    p = np.array([1e-3 / 8000, 1e-3 / 400, 1e-3 / 20, 1e-3, 40e-3 * last, 1.0])
    run = make_run(layers=6, steps=FAILED, per_example_grad_norm=p)
    assert fires(run, "GL101") == expected


@pytest.mark.parametrize(("first", "expected"), [(0.00016, True), (0.00018, False)])
def test_from_block_to_block_a_step_is_one(first, expected):
    """From block to block 25 times, or less, and 25 times on to the next layer."""
    p = np.array([first, first, 0.004, 0.004, 0.1, 1.0])
    described = {number: {"block": f"b.{(number - 1) // 2}"} for number in (1, 2, 3, 4)}
    run = make_run(layers=6, steps=FAILED, per_example_grad_norm=p, described=described)
    assert fires(run, "GL101") == expected


@pytest.mark.parametrize(("blocks", "expected"), [(("", ""), (1,)), (("b.0", "b.0"), ())])
def test_layers_of_one_block_stand_beside_each_other(blocks, expected):
    """Query weights that hardly matter: what another layer of the block gets has reached it."""
    described = {number: {"block": block} for number, block in enumerate(blocks, 1)}
    assert layers_of(weak_first_layer(0.005, described=described), "GL101") == expected


def test_layers_that_are_weak_alike_matter_only_where_nothing_is_learned():
    assert not fires(weak_everywhere(0.049, SLOW), "GL101")


def test_the_finding_names_the_limit_by_which_all_layers_are_weak():
    finding = found(weak_everywhere(0.02), "GL101")
    assert finding.layers == (1, 2, 3, 4)
    assert finding.value == pytest.approx(0.02)
    assert finding.limit == 0.05


def test_without_a_baseline_the_share_alone_decides():
    blind = {"baseline_loss": None}
    assert fires(weak_first_layer(0.005, FAILED, config=blind), "GL101")
    alike = make_run(steps=FAILED, per_example_grad_norm=1e-9, config=blind)
    assert not fires(alike, "GL101")


def test_the_finding_names_the_layer_and_its_share():
    finding = found(weak_first_layer(0.005, FAILED), "GL101")
    assert finding.layers == (1,)
    assert finding.value == pytest.approx(0.005)
    assert finding.limit == 0.01
    assert finding.iterations == (0, 59)


@pytest.mark.parametrize(
    ("p", "layers"),
    [
        ([0.001, 0.005, 0.07, 1], (1, 2)),
        ([1, 1e-4, 1, 1], ()),  # layer 1 gets its signal past layer 2: a branch
        ([0.005, 0.07, 1e-4, 1], (1,)),
    ],
)
def test_a_layer_vanishes_only_with_all_layers_before_it(p, layers):
    run = make_run(steps=FAILED, per_example_grad_norm=np.array(p, float))
    assert layers_of(run, "GL101") == layers


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0.001, 0.0029, True),
        (0.001, 0.0031, False),
        (1e-9, 0.0009, True),  # from nothing to next to nothing
    ],
)
def test_a_share_that_rises_threefold_is_a_plateau_being_left(first, last, expected):
    p = np.ones((120, 2, 4))
    p[:, :, 1] = 0.013
    p[:60, :, 0] = first
    p[60:, :, 0] = last
    run = make_run(120, steps={"loss": wavering(1.0, 120)}, per_example_grad_norm=p)
    assert fires(run, "GL101") == expected


@pytest.mark.parametrize(("iterations", "expected"), [(4, False), (5, True), (50, True)])
def test_fewer_than_five_iterations_tell_nothing(iterations, expected):
    p = np.array([0.005, 0.05, 0.5, 1.0])
    run = make_run(iterations, steps={"loss": BASELINE}, per_example_grad_norm=p)
    assert fires(run, "GL101") == expected


def test_the_learning_rate_does_not_matter():
    run = make_run(steps=FAILED, update_ratio=1e-12, update_norm=1e-12)
    assert not fires(run, "GL101")


def test_a_converged_run_is_no_vanished_one():
    loss = np.geomspace(2.3, 1e-8, 200)[:, None]
    p = np.broadcast_to(loss[:, :, None] * np.array([1e-4, 1, 1, 1]), (200, 2, 4))
    assert not fires(make_run(200, steps={"loss": loss}, per_example_grad_norm=p), "GL101")


def test_one_bad_batch_decides_nothing():
    p = np.ones((60, 2, 4))
    p[30] = 0
    assert not fires(make_run(60, steps=FAILED, per_example_grad_norm=p), "GL101")


def test_small_weights_count_as_if_they_had_lecuns_norm():
    """A branch that starts near 0 has a small ||W||, and a gradient all the same."""
    norm = np.array([1e-6, 8.0, 8.0, 8.0])
    assert not fires(make_run(steps=FAILED, weight_norm=norm), "GL101")


def hit_in(replicates):
    p = np.ones((60, 4, 4))
    p[:, :replicates, :2] = 0.005, 0.05
    return make_run(60, 4, steps={"loss": wavering(BASELINE, 60, 4)}, per_example_grad_norm=p)


@pytest.mark.parametrize(("hit", "expected"), [(1, "warning"), (2, "error"), (3, "error")])
def test_half_of_the_seeds_make_an_error(hit, expected):
    finding = found(hit_in(hit), "GL101")
    assert finding.severity == expected
    assert finding.replicates == {"hit": hit, "total": 4, "which": list(range(hit))}


def test_layers_are_those_hit_in_most_hit_seeds():
    p = np.ones((60, 4, 4))
    p[:, :3, :2] = 0.005, 0.05
    p[:, 0, 1:3] = 0.005, 0.05  # layer 2 in one seed of three
    loss = {"loss": wavering(BASELINE, 60, 4)}
    assert layers_of(make_run(60, 4, steps=loss, per_example_grad_norm=p), "GL101") == (1,)


def test_the_cause_sums_the_terms_to_the_measured_ratio():
    slopes = {"log_gain_weight": 0.05, "log_gain_slope": -1.45}
    factor = np.exp(0.05 - 1.45)
    delta = np.broadcast_to([factor**3, factor**2, factor, 1.0], (60, 2, 4))
    run = weak_first_layer(0.005, FAILED, delta_norm=delta, activation="sigmoid", **slopes)
    finding = found(run, "GL101")
    total = sum(finding.cause["log_gain"].values())
    assert finding.cause["dominant"] == "slope"
    assert total == pytest.approx(np.log(delta[0, 0, 0] / delta[0, 0, 3]))
    assert finding.remedies[0].action == "use activation"
    assert finding.remedies[0].parameters["activation"] == "relu"


HE = np.sqrt(2 * 64)  # He's norm of a matrix (64, 64)
SMALL_GAINS = {"log_gain_weight": -1.5, "log_gain_slope": -0.1}


@pytest.mark.parametrize(
    ("begun", "expected"), [(0.89, "initialize"), (0.91, "add residual connections")]
)
def test_another_initialization_is_proposed_only_where_the_weights_began_small(begun, expected):
    run = weak_first_layer(0.005, FAILED, weight_norm=begun * HE, **SMALL_GAINS)
    finding = found(run, "GL101")
    assert finding.cause["dominant"] == "weight"
    assert actions(finding)[0] == expected


def test_the_evidence_for_an_initialization_is_the_norm_that_the_weights_began_with():
    run = weak_first_layer(0.005, FAILED, weight_norm=0.5 * HE, **SMALL_GAINS)
    assert "0.5 of that scale" in found(run, "GL101").remedies[0].evidence


def test_a_signal_of_exactly_0_is_first_searched_for_where_it_is_cut_off():
    assert actions(found(weak_first_layer(0.0), "GL101"))[0] == "find what cuts off"


def test_only_the_finite_prefix_counts():
    p = np.ones((60, 2, 4))
    p[10:] = np.nan
    counts = np.zeros((60, 2, 4))
    counts[10:] = 1
    run = make_run(60, steps=FAILED, per_example_grad_norm=p, nonfinite_count=counts)
    assert not fires(run, "GL101")


def test_a_record_that_does_not_say_how_wide_its_layers_are_is_judged_all_the_same():
    shape = (60, 1, 3)
    signals = {"per_example_grad_norm": np.full(shape, 1e-9), "weight_norm": np.ones(shape)}
    steps = {"loss": np.full((60, 1), 2.3)}
    run = Run.from_arrays(signals, steps=steps, config={"baseline_loss": 2.3})
    assert run.layers["fan_out"].isna().all()
    assert severity(run, "GL101") == "error"


def test_a_net_in_which_layers_mattered_once_vanished_later():
    """As where steps have killed its units: what comes later cannot be the cause of that."""
    late = np.where(np.arange(200) < 100, 1.0, 1e-9)[:, None, None]
    run = make_run(200, steps={"loss": wavering(2.3, 200)}, per_example_grad_norm=late)
    first, last = found(run, "GL101").iterations
    assert 75 <= first <= 125
    assert last == 199


@pytest.mark.parametrize("joined", [0, 20])
def test_a_layer_cannot_have_vanished_before_it_trained(joined):
    trains = (np.arange(60) >= joined)[:, None, None]
    known = np.broadcast_to(trains | (np.arange(4) > 1), (60, 2, 4))
    weak = np.where(known, np.array([5e-4, 5e-3, 0.05, 1.0]), np.nan)
    recorded = {"per_example_grad_norm": known}
    run = make_run(steps=FAILED, per_example_grad_norm=weak, recorded=recorded)
    assert found(run, "GL101").iterations[0] == joined


def test_a_net_in_which_no_layer_ever_mattered_began_so_however_the_shares_shift():
    """As where a signal of nothing comes in, and the last biases are the first to move."""
    alike, apart = np.full(4, 1e-5), np.array([1e-7, 1e-6, 1e-5, 1e-3])
    weak = np.where((np.arange(200) < 100)[:, None], alike, apart)[:, None]
    steps = {"loss": wavering(BASELINE, 200)}
    assert found(make_run(200, steps=steps, per_example_grad_norm=weak), "GL101").iterations == (
        0,
        199,
    )


@pytest.mark.parametrize("lost", [81, 93, 120])
def test_what_vanishes_on_the_way_is_dated_to_where_it_did(lost):
    before = np.array([0.3, 0.4, 0.5, 1.0])
    share = np.where((np.arange(200) < lost)[:, None], before, np.array([5e-4, 5e-3, 0.05, 1.0]))
    failed = {"loss": wavering(BASELINE, 200)}
    finding = found(make_run(200, steps=failed, per_example_grad_norm=share[:, None]), "GL101")
    assert finding.iterations[0] == lost
    assert f"from iteration {lost} to the last" in finding.message
