"""GL103, GL202, GL401 and GL403 at their limits and on either side."""

import numpy as np
import pytest

from tests.rules.runs import make_run, only


def noisy(iterations=200, seed=0, deviation=0.3):
    return np.exp(np.random.default_rng(seed).normal(0, deviation, (iterations, 2)))


@pytest.mark.parametrize(("factor", "hit"), [(9.0, False), (13.0, True)])
def test_a_spike_is_ten_times_what_is_usual(factor, hit):
    norm = np.ones((200, 2))
    norm[120, 0] = factor
    found = only(make_run(200, steps={"grad_norm": norm}), "GL103")
    assert (found is not None) == hit
    if hit:
        assert found.severity == "warning"
        assert found.iterations == (120, 120)
        assert found.value == pytest.approx(factor)
        assert "most at iteration 120" in found.message


def test_where_norms_scatter_a_spike_must_leave_the_scatter():
    norm = noisy(deviation=1.0)
    norm[120, 0] = 20.0  # 3 deviations
    assert only(make_run(200, steps={"grad_norm": norm}), "GL103") is None
    norm[120, 0] = 200.0  # 5.3 deviations
    assert only(make_run(200, steps={"grad_norm": norm}), "GL103") is not None


def test_healthy_noise_does_not_ring_in_twenty_thousand_iterations():
    for seed in range(10):
        assert only(make_run(1000, steps={"grad_norm": noisy(1000, seed, 0.4)}), "GL103") is None, seed


def test_a_spike_that_does_damage_is_an_error():
    norm, loss = np.ones((200, 2)), np.full((200, 2), 1.0)
    norm[120] = 50.0
    loss[121:135] = 1.49
    assert only(make_run(200, steps={"grad_norm": norm, "loss": loss}), "GL103").severity == "warning"
    loss[121:135] = 1.51
    assert only(make_run(200, steps={"grad_norm": norm, "loss": loss}), "GL103").severity == "error"


def test_a_new_level_is_no_spike():
    norm = np.ones((200, 2))
    norm[100:] = 50.0
    assert only(make_run(200, steps={"grad_norm": norm}), "GL103") is None


@pytest.mark.parametrize(("share", "severity"), [(0.5, None), (0.51, "warning"), (0.8, "warning"), (0.81, "error")])
def test_saturation_is_judged_by_the_share_of_flat_answers(share, severity):
    values = np.array([share, 0.1, 0.1, 0.0])
    found = only(make_run(activation="tanh", saturated_fraction=values), "GL202")
    assert (found and found.severity) == severity
    if found:
        assert found.layers == (1,)
        assert "before the first update" in found.message
        assert "standardize the inputs" in found.remedies[0]


def test_what_saturates_later_is_the_learning_rates_and_what_recovers_is_nothing():
    values = np.zeros((120, 2, 4))
    values[60:, :, 1] = 0.9
    found = only(make_run(120, activation="sigmoid", saturated_fraction=values), "GL202")
    assert "since training began" in found.message
    assert "learning rate" in found.remedies[0]
    assert only(make_run(120, activation="sigmoid", saturated_fraction=values[::-1].copy()), "GL202") is None


def test_relu_does_not_saturate():
    assert only(make_run(activation="relu", saturated_fraction=0.9), "GL202") is None


def swinging(high, every):
    loss = np.full((110, 2), 1.0)
    loss[10::every] = high
    return {"loss": loss}


@pytest.mark.parametrize(
    ("high", "every", "hit"), [(3.4, 2, False), (3.5, 2, True), (3.5, 5, True), (3.5, 6, False)]
)  # 1.5 times the baseline of 2.3 is 3.45; every fifth iteration is a fifth of them
def test_a_loss_is_unstable_where_it_is_thrown_back_often(high, every, hit):
    found = only(make_run(110, steps=swinging(high, every)), "GL401")
    assert (found is not None) == hit


@pytest.mark.parametrize(
    "loss", [np.full(110, 9.0), np.geomspace(100, 0.1, 110), np.r_[np.full(10, 50.0), np.ones(100)]]
)
def test_a_loss_that_is_high_and_still_or_only_falls_is_stable(loss):
    assert only(make_run(110, steps={"loss": loss[:, None]}), "GL401") is None


def held_out(last, train):
    values = np.full((101, 2), np.nan)
    values[::50] = np.array([2.0, 1.0, last])[:, None]
    return {"validation_loss": values, "loss": np.full((101, 2), train)}


@pytest.mark.parametrize(
    ("last", "train", "hit"), [(1.49, 0.1, False), (1.51, 0.1, True), (1.51, 0.75, True), (1.51, 0.76, False)]
)
def test_overfitting_is_a_rise_of_the_held_out_loss_and_a_gap(last, train, hit):
    found = only(make_run(101, steps=held_out(last, train)), "GL403")
    assert (found is not None) == hit
    if hit:
        assert found.severity == "warning"
        assert "lowest at iteration 50" in found.message
        assert found.remedies[0] == "stop near iteration 50"


def test_without_held_out_losses_it_says_what_is_missing():
    from gradlab.diagnosis import registry

    assert "validation=(loss, accuracy)" in registry()["GL403"].missing(make_run())


def falling(**planted):
    """Held-out losses at every 10th of 200 iterations, falling from 2 to 0.3, with some replaced by their number."""
    values = np.geomspace(2.0, 0.3, 20)
    for number, value in planted.items():
        values[int(number[1:])] = value
    column = np.full((200, 2), np.nan)
    column[::10] = values[:, None]
    return {"validation_loss": column, "loss": np.full((200, 2), 0.1)}


def test_one_lucky_value_is_no_minimum_to_rise_from():
    assert only(make_run(200, steps=falling(n12=0.1)), "GL403") is None
    assert only(make_run(200, steps=falling(n11=0.1, n12=0.1, n13=0.1)), "GL403") is not None


def test_a_minimum_at_the_end_is_no_rise():
    assert only(make_run(200, steps=falling(n16=0.05, n17=0.05)), "GL403") is None


def test_one_bad_value_at_the_end_is_no_rise_either():
    assert only(make_run(200, steps=falling(n19=50.0)), "GL403") is None
    assert only(make_run(200, steps=falling(n17=50.0, n18=50.0, n19=50.0)), "GL403") is not None
