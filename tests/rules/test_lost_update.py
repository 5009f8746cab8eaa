"""GL301 lost-update."""

import numpy as np
import pytest

import gradlab
from gradlab.diagnosis import registry
from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    fires,
    found,
    layers_of,
    make_run,
    severity,
    wavering,
)


def lost_everywhere(share, steps):
    return make_run(steps=steps, lost_fraction=share)


def lost_in_layer_2(share, steps=SLOW):
    return make_run(steps=steps, lost_fraction=np.array([0.0, share, 0.0, 0.0]))


@pytest.mark.parametrize(("share", "expected"), [(0.5, False), (0.505, True), (1.0, True)])
def test_the_limit_of_the_share(share, expected):
    assert fires(lost_in_layer_2(share), "GL301") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, "note"), (SLOW, "warning"), (FAILED, "error")]
)
def test_it_is_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(lost_everywhere(0.95, steps), "GL301") == expected


@pytest.mark.parametrize(("share", "expected"), [(0.985, "note"), (1.0, "warning")])
def test_what_stands_still_is_a_warning_in_a_net_that_learned_as_well(share, expected):
    assert severity(lost_in_layer_2(share, LEARNED), "GL301") == expected


@pytest.mark.parametrize(
    ("layers", "expected"), [((2,), "warning"), ((1, 2), "error"), ((1, 2, 3, 4), "error")]
)
def test_it_is_an_error_only_where_most_of_the_parameters_lose_their_updates(layers, expected):
    lost = np.zeros(4)
    lost[[layer - 1 for layer in layers]] = 0.95
    finding = found(make_run(steps=FAILED, lost_fraction=lost), "GL301")
    assert finding.severity == expected
    assert bool(registry()["GL301"].effects(finding)) == (expected == "error")


@pytest.mark.parametrize(
    ("dtype", "others", "expected"),
    [
        ("bfloat16", 0.51, "error"),
        ("bfloat16", 0.49, "warning"),
        ("float32", 0.51, "warning"),  # there the steps are too small: GL302's matter
    ],
)
def test_in_a_coarse_format_all_that_lose_most_of_their_steps_count(dtype, others, expected):
    """Pure bfloat16 at a rate for fine-tuning: norms lose all of a step, matrices four fifths."""
    lost = np.array([0.95, others, 0.0, 0.0])
    run = make_run(steps=FAILED, lost_fraction=lost, config={"dtype": dtype})
    assert severity(run, "GL301") == expected


@pytest.mark.parametrize(
    ("trained", "expected"), [(1, "error"), (2, "error"), (3, "warning"), (4, "warning")]
)
def test_most_of_the_parameters_are_most_of_those_that_train(trained, expected):
    lost = np.array([0.95, 0.0, 0.0, 0.0])
    trains = {"lost_fraction": np.arange(4) < trained}
    run = make_run(steps=FAILED, lost_fraction=lost, recorded=trains)
    assert severity(run, "GL301") == expected


@pytest.mark.parametrize(("gradient", "expected"), [(0.99e-4, False), (1.01e-4, True)])
def test_a_parameter_that_gets_next_to_no_gradient_has_no_update_to_lose(gradient, expected):
    norm = np.array([1.0, gradient, 1.0, 1.0])
    lost = np.array([0.0, 0.95, 0.0, 0.0])
    assert fires(make_run(steps=SLOW, lost_fraction=lost, grad_norm=norm), "GL301") == expected


@pytest.mark.parametrize(("share", "limit"), [(0.6, 0.5), (0.9, 0.5), (0.95, 0.9)])
def test_the_finding_names_layer_value_and_the_limit_that_it_crosses(share, limit):
    finding = found(lost_in_layer_2(share), "GL301")
    assert finding.layers == (2,)
    assert finding.value == pytest.approx(share)
    assert finding.limit == limit


@pytest.mark.parametrize(("hit", "expected"), [(2, "warning"), (3, "error")])
def test_half_of_the_seeds_make_an_error_and_fewer_a_warning(hit, expected):
    values = np.zeros((60, 5, 4))
    values[:, :hit] = 1.0
    steps = {"loss": wavering(BASELINE, 60, 5)}
    finding = found(make_run(replicates=5, steps=steps, lost_fraction=values), "GL301")
    assert finding.severity == expected
    assert finding.replicates == {"hit": hit, "total": 5, "which": list(range(hit))}


def test_one_bad_iteration_of_many_is_not_seen():
    values = np.zeros((400, 1, 4))
    values[100] = 1.0
    assert not fires(make_run(400, 1, lost_fraction=values), "GL301")


def test_one_bad_window_of_many_is_seen():
    values = np.zeros((400, 1, 4))
    values[100:150] = 1.0
    run = make_run(400, 1, lost_fraction=values, steps={"loss": np.ones((400, 1))})
    assert found(run, "GL301").iterations == (100, 149)


@pytest.mark.parametrize("offset", [0.0, 1000.0, -2.0])
def test_a_net_with_nothing_left_to_learn_may_stand_still(offset):
    loss = np.r_[np.linspace(2.3, 0.3, 100), np.full(100, 0.3)][:, None] + offset
    lost = np.r_[np.zeros(110), np.ones(90)][:, None, None]
    run = make_run(200, steps={"loss": loss}, lost_fraction=lost, config={"baseline_loss": None})
    assert not fires(run, "GL301")


@pytest.mark.parametrize(("share", "expected"), [(0.049, False), (0.051, True)])
def test_where_a_schedule_has_nearly_ended_steps_are_meant_to_be_small(share, expected):
    rate = np.full((200, 2), 0.1)
    rate[100:] = share * 0.1
    lost = np.r_[np.zeros(100), np.ones(100)][:, None, None]
    steps = {"loss": wavering(1.0, 200), "learning_rate": rate}
    assert fires(make_run(200, steps=steps, lost_fraction=lost), "GL301") == expected


@pytest.mark.parametrize(("rate", "expected"), [(1e-3, False), (1e-7, True), (0.0, False)])
def test_a_layer_that_a_usable_step_does_not_move_is_frozen_and_not_rounded(rate, expected):
    """One unit in the last place of a usual weight of 0.125 is 1.5e-8; four of them are 6e-8."""
    run = make_run(
        steps=SLOW | {"learning_rate": rate},
        lost_fraction=1.0,
        update_norm=0.0,
        grad_max=0.1,
        config={"dtype": "float32"},
    )
    assert fires(run, "GL301") == expected


def test_vectors_are_judged_too():
    lost = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    run = make_run(layers=5, vectors=("norm.weight", "norm.bias"), steps=SLOW, lost_fraction=lost)
    assert layers_of(run, "GL301") == (4,)


def trained(dtype):
    """A training at a rate that float32 rounds away, with the shares of equal weights."""
    model = gradlab.MLP([64, 16, 10], "tanh", replicates=2, dtype=dtype)
    before = [weight.copy() for weight in model.weights]
    run = gradlab.train(model, gradlab.datasets.digits(), learning_rate=1e-9, iterations=60)
    same = [float((a == b).mean()) for a, b in zip(before, model.weights, strict=True)]
    return run, same


def test_weights_that_rounding_holds_are_found_in_a_real_training():
    """The oracle: the weights before and after, compared bit by bit."""
    run, same = trained("float32")
    assert min(same) > 0.9
    assert severity(run, "GL301") == "error"


def test_a_wider_format_loses_nothing():
    run, same = trained("float64")
    assert max(same) < 0.5
    assert not fires(run, "GL301")


@pytest.mark.parametrize(
    ("optimizer", "step", "expected"),
    [("lbfgs", 0.0, False), ("lbfgs", 1e-12, True), ("sgd", 0.0, True)],
)
def test_a_step_that_lbfgs_did_not_find_is_not_lost_by_rounding(optimizer, step, expected):
    run = make_run(
        steps=FAILED,
        lost_fraction=1.0,
        update_norm=step,
        grad_max=1e-12,
        config={"optimizer": optimizer},
    )
    assert fires(run, "GL301") == expected
