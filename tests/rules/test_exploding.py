"""GL102 exploding-gradient and GL203 exploding-activations."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import make_run, only


def delta(growth):
    return np.broadcast_to([growth, growth**0.5, 1.5, 1.0], (60, 2, 4))


@pytest.mark.parametrize(("growth", "fires"), [(99.9, False), (100.1, True), (1.0, False), (1e30, True)])
def test_explosion_at_init_limits(growth, fires):
    finding = only(make_run(delta_norm=delta(growth)), "GL102")
    assert (finding is not None) == fires
    if finding:
        assert finding.iterations == (0, 0)
        assert finding.value == pytest.approx(growth)
        assert 1 in finding.layers


def test_growth_is_judged_wherever_it_peaks():
    peak = np.broadcast_to([1.0, 500.0, 2.0, 1.0], (60, 2, 4))
    assert only(make_run(delta_norm=peak), "GL102").layers == (2,)


def test_weight_scale_is_the_dominant_cause_and_first_remedy():
    gains = {"log_gain_weight": np.log(1e4) / 3 + 0.35, "log_gain_slope": -0.35}
    finding = only(make_run(delta_norm=delta(1e4), config={"gain": 2.0}, **gains), "GL102")
    assert finding.cause["dominant"] == "weight"
    assert "gain" in finding.remedies[0]


@pytest.mark.parametrize(("count", "fires"), [(1, False), (2, True)])
def test_two_alarms_make_an_explosion(count, fires):
    decrease = np.full((60, 2), 0.1)
    decrease[20 : 20 + count] = 101.0
    finding = only(make_run(steps={"loss": 1.0, "expected_decrease": decrease}), "GL102")
    assert (finding is not None) == fires
    if finding:
        assert finding.iterations == (20, 21)


@pytest.mark.parametrize(("share", "fires"), [(99.0, False), (101.0, True)])
def test_the_step_alarm_stands_at_100(share, fires):
    run = make_run(steps={"loss": 1.0, "expected_decrease": share})
    assert (only(run, "GL102") is not None) == fires


@pytest.mark.parametrize(
    ("share", "rise", "fires"), [(4.1, 1.6, True), (3.9, 1.6, False), (4.1, 1.4, False), (41, 0.5, False)]
)
def test_large_steps_explode_only_while_the_loss_stands_higher(share, rise, fires):
    loss = np.full((60, 2), rise)
    loss[0] = 1
    finding = only(make_run(steps={"loss": loss, "expected_decrease": share * loss}), "GL102")
    assert (finding is not None) == fires


def test_an_explosion_that_ends_in_nan_is_an_error_in_one_replicate():
    decrease = np.full((60, 4), 0.1)
    decrease[3:5, 0] = 1e6
    loss = np.ones((60, 4))
    loss[5:, 0] = np.nan
    finding = only(make_run(60, 4, steps={"loss": loss, "expected_decrease": decrease}), "GL102")
    assert finding.severity == "error"
    assert finding.replicates["hit"] == 1


def test_harmless_factors_blame_the_step_size():
    finding = only(make_run(steps={"loss": 1.0, "expected_decrease": 1e3}), "GL102")
    assert "learning rate" in finding.remedies[0]
    assert "step size" in finding.cause["sentence"]


@pytest.mark.parametrize(
    ("iterations", "loss", "fires"), [(60, 0.1, False), (60, 2.3, True), (19, 2.3, False), (1, 2.3, False)]
)
def test_growth_that_a_norm_makes_explodes_only_where_nothing_is_learned(iterations, loss, fires):
    made = {"log_gain_block": np.log(1e4) / 3, "delta_norm": np.array([1e4, 464.0, 21.5, 1.0])}
    run = make_run(iterations, steps={"loss": loss}, **made)
    assert (only(run, "GL102") is not None) == fires
    assert only(make_run(iterations, steps={"loss": loss}, delta_norm=made["delta_norm"]), "GL102") is not None


@pytest.mark.parametrize(("growth", "fires"), [(99.0, False), (101.0, True)])
def test_activation_growth_limits(growth, fires):
    rms = np.broadcast_to([1.0, growth**0.5, growth, 1.0], (60, 2, 4))
    finding = only(make_run(activation_rms=rms), "GL203")
    assert (finding is not None) == fires
    if finding:
        assert finding.value == pytest.approx(growth)
        assert finding.layers == (3,)


def test_the_output_layer_may_be_large():
    rms = np.broadcast_to([1.0, 1.0, 1.0, 1e4], (60, 2, 4))
    assert only(make_run(activation_rms=rms), "GL203") is None


def test_growth_that_comes_with_training_is_found_too():
    rms = np.ones((200, 2, 4))
    rms[120:, :, 2] = 300
    finding = only(make_run(200, activation_rms=rms), "GL203")
    assert finding.iterations[0] >= 75


def test_one_hidden_layer_has_nothing_to_compare():
    assert "two hidden layers" in registry()["GL203"].missing(make_run(layers=2))
