"""GL102 exploding-gradient: at iteration 0 by the signal's growth, later by the size of steps."""

import numpy as np
import pytest

from tests.rules.runs import actions, fires, found, make_run


def delta(growth):
    return np.broadcast_to([growth, growth**0.5, 1.5, 1.0], (60, 2, 4))


@pytest.mark.parametrize(
    ("growth", "expected"), [(1.0, False), (99.9, False), (100.1, True), (1e30, True)]
)
def test_the_limit_of_growth_at_iteration_0(growth, expected):
    assert fires(make_run(delta_norm=delta(growth)), "GL102") == expected


def test_growth_at_iteration_0_names_value_layers_and_time():
    finding = found(make_run(delta_norm=delta(1e4)), "GL102")
    assert finding.iterations == (0, 0)
    assert finding.value == pytest.approx(1e4)
    assert finding.limit == 100
    assert finding.layers == (1,)


def test_growth_is_judged_wherever_it_peaks():
    peak = np.broadcast_to([1.0, 500.0, 2.0, 1.0], (60, 2, 4))
    assert found(make_run(delta_norm=peak), "GL102").layers == (2,)


def test_a_gain_above_1_is_the_first_thing_to_take_back():
    gains = {"log_gain_weight": np.log(1e4) / 3 + 0.35, "log_gain_slope": -0.35}
    finding = found(make_run(delta_norm=delta(1e4), config={"gain": 2.0}, **gains), "GL102")
    assert finding.cause["dominant"] == "weight"
    assert finding.remedies[0].action == "initialize"
    assert finding.remedies[0].parameters == {"gain": 1.0, "was": 2.0}


@pytest.mark.parametrize(("count", "expected"), [(1, False), (2, True)])
def test_two_steps_above_the_alarm_make_an_explosion(count, expected):
    decrease = np.full((60, 2), 0.1)
    decrease[20 : 20 + count] = 101.0
    run = make_run(steps={"loss": 1.0, "expected_decrease": decrease})
    assert fires(run, "GL102") == expected


def test_an_explosion_while_training_names_its_iterations():
    decrease = np.full((60, 2), 0.1)
    decrease[20:22] = 101.0
    run = make_run(steps={"loss": 1.0, "expected_decrease": decrease})
    assert found(run, "GL102").iterations == (20, 21)


@pytest.mark.parametrize(("share", "expected"), [(99.0, False), (100.0, False), (101.0, True)])
def test_the_step_alarm_stands_at_100(share, expected):
    run = make_run(steps={"loss": 1.0, "expected_decrease": share})
    assert fires(run, "GL102") == expected


@pytest.mark.parametrize(
    ("share", "rise", "expected"),
    [(4.1, 1.6, True), (3.9, 1.6, False), (4.1, 1.4, False), (41, 0.5, False)],
)
def test_large_steps_explode_only_while_the_loss_stands_higher(share, rise, expected):
    loss = np.full((60, 2), rise)
    loss[0] = 1
    run = make_run(steps={"loss": loss, "expected_decrease": share * loss})
    assert fires(run, "GL102") == expected


def test_an_explosion_that_ends_in_nan_is_an_error_in_one_replicate():
    decrease = np.full((60, 4), 0.1)
    decrease[3:5, 0] = 1e6
    loss = np.ones((60, 4))
    loss[5:, 0] = np.nan
    finding = found(make_run(60, 4, steps={"loss": loss, "expected_decrease": decrease}), "GL102")
    assert finding.severity == "error"
    assert finding.replicates["hit"] == 1


def test_harmless_factors_blame_the_step_size():
    finding = found(make_run(steps={"loss": 1.0, "expected_decrease": 1e3}), "GL102")
    assert actions(finding) == ["lower learning rate", "clip gradient"]


GROWN_BY_NORMS = {
    "log_gain_block": np.log(1e4) / 3,
    "delta_norm": np.array([1e4, 464.0, 21.5, 1.0]),
}


@pytest.mark.parametrize(
    ("iterations", "loss", "expected"),
    [(60, 0.1, False), (60, 2.3, True), (20, 2.3, True), (19, 2.3, False), (1, 2.3, False)],
)
def test_growth_that_a_norm_makes_explodes_only_where_nothing_is_learned(
    iterations, loss, expected
):
    run = make_run(iterations, steps={"loss": loss}, **GROWN_BY_NORMS)
    assert fires(run, "GL102") == expected


@pytest.mark.parametrize(("iterations", "loss"), [(60, 0.1), (1, 2.3)])
def test_growth_that_weights_make_explodes_at_any_loss(iterations, loss):
    run = make_run(iterations, steps={"loss": loss}, delta_norm=GROWN_BY_NORMS["delta_norm"])
    assert fires(run, "GL102")
