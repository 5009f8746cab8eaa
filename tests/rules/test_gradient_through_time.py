"""GL107 vanishing-through-time: the factor of the gradient from one time step back to the last."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    make_run,
    severity,
    wavering,
)


def recurrent(factor, steps=FAILED, kind="LSTM", positions=None):
    """A run whose second layer is recurrent; no other one has a time axis."""
    described = {2: {"kind": kind, "name": "encoder.lstm.weight_hh_l0", "fan_out": 256}}
    time = np.array([False, True, False, False])
    return make_run(
        steps=steps,
        time_gain=np.log(factor),
        recorded={"time_gain": time},
        described=described,
        config={"framework": "torch", "positions": positions},
    )


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.5, True), (0.849, True), (0.851, False), (1.0, False), (1.199, False), (1.201, True)],
)
def test_the_limits_of_the_factor(factor, expected):
    assert fires(recurrent(factor), "GL107") == expected


@pytest.mark.parametrize(
    ("factor", "positions", "expected"),
    [
        (0.5, 17, "note"),  # 1.5e-5 is left
        (0.5, 18, "error"),
        (0.8, None, "error"),
        (1.3, 18, "error"),
    ],
)
def test_a_short_sequence_leaves_too_much_to_be_the_reason(factor, positions, expected):
    run = recurrent(factor, positions=positions)
    assert severity(run, "GL107") == expected


@pytest.mark.parametrize(("steps", "expected"), [(LEARNED, ""), (SLOW, ""), (FAILED, "error")])
def test_a_short_memory_is_no_fault_in_a_net_that_learns(steps, expected):
    assert severity(recurrent(0.6, steps), "GL107") == expected


@pytest.mark.parametrize(
    ("factor", "limit", "remedies"),
    [
        (0.6, 0.85, ["raise forget bias", "shorten sequences"]),
        (1.5, 1.2, ["clip gradient", "shorten sequences"]),
    ],
)
def test_the_finding_names_layer_factor_and_limit(factor, limit, remedies):
    finding = found(recurrent(factor), "GL107")
    assert finding.layers == (2,)
    assert finding.value == pytest.approx(factor)
    assert finding.limit == limit
    assert actions(finding) == remedies


def test_the_forget_gates_are_the_second_quarter_of_the_bias():
    words = str(found(recurrent(0.6), "GL107").remedies[0])
    assert "model.encoder.lstm.bias_ih_l0[64:128].fill_(2.0)" in words


def test_a_plain_cell_is_to_be_gated():
    finding = found(recurrent(0.6, kind="RNN"), "GL107")
    assert actions(finding) == ["initialize", "use gated cell", "shorten sequences"]


def test_a_net_without_time_passes():
    assert not fires(make_run(steps=FAILED), "GL107")


def test_a_state_without_its_history_is_cut_off_and_not_a_small_factor():
    finding = found(recurrent(1e-30), "GL107")
    assert finding.value == 0.0
    assert finding.severity == "error"
    assert actions(finding) == ["keep the state's graph"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("RNN", "model.encoder.lstm.weight_hh_l0"),
        ("RNNCell", "model.encoder.lstm.weight_hh)"),
        ("LSTM", "model.encoder.lstm.bias_ih_l0[64:128]"),
        ("LSTMCell", "model.encoder.lstm.bias_ih[64:128]"),
    ],
)
def test_a_cell_names_its_parameters_without_a_layers_number(kind, expected):
    assert expected in str(found(recurrent(0.6, kind=kind), "GL107").remedies[0])


def test_a_layer_without_a_time_of_its_own_stands_before_what_forgets():
    finding = found(recurrent(0.6, kind="Linear"), "GL107")
    assert actions(finding) == ["slow decay", "shorten sequences"]
    assert "over time behind encoder.lstm" in finding.message


@pytest.mark.parametrize(("times", "expected"), [(1, False), (29, False), (30, True), (60, True)])
def test_a_factor_that_is_found_now_and_then_is_chance(times, expected):
    found_at = (np.arange(60) < times)[:, None, None] & (np.arange(4) == 1)
    run = make_run(steps=FAILED, time_gain=np.log(0.5), recorded={"time_gain": found_at})
    assert fires(run, "GL107") == expected


def gained(end):
    """Steps of a seed whose loss falls to a share of the best constant prediction's, and stays."""
    fall = np.maximum(np.linspace(1.3, end - 0.3, 60), end)
    return {"loss": wavering(BASELINE * fall, scatter=0.01)}


@pytest.mark.parametrize(
    ("factor", "end", "expected"),
    [
        (0.39, 0.97, "warning"),
        (0.41, 0.97, ""),  # an LSTM's usual start keeps half
        (0.39, 0.9, ""),  # what it learned, it learned from the last few positions: it may do
        (1e-30, 0.9, "warning"),  # nothing goes back at all
        (1e-30, 0.3, ""),
    ],
)
def test_a_seed_that_gained_a_little_is_hit_where_next_to_nothing_goes_back(factor, end, expected):
    assert severity(recurrent(factor, gained(end)), "GL107") == expected


@pytest.mark.parametrize(("factor", "expected"), [(2.0, True), (0.5, False)])
def test_a_gradient_that_explodes_in_time_explains_large_steps(factor, expected):
    finding = found(recurrent(factor), "GL107")
    assert ("GL304" in registry()["GL107"].effects(finding)) == expected


def one_step_at_a_time(gradient, steps=FAILED):
    """A run whose first two layers are a GRU's, the second one its recurrent weights."""
    described = {
        1: {"kind": "GRU", "name": "r.weight_ih_l0"},
        2: {"kind": "GRU", "name": "r.weight_hh_l0"},
    }
    norms = np.array([1.0, gradient, 1.0, 1.0])
    return make_run(steps=steps, grad_norm=norms, described=described)


@pytest.mark.parametrize(
    ("gradient", "steps", "expected"),
    [(0.0, FAILED, "error"), (0.0, SLOW, "warning"), (0.0, LEARNED, ""), (1e-9, FAILED, "")],
)
def test_a_state_that_is_never_handed_on_gives_recurrent_weights_no_gradient(
    gradient, steps, expected
):
    assert severity(one_step_at_a_time(gradient, steps), "GL107") == expected


def test_a_state_that_is_never_handed_on_is_to_be_handed_on():
    assert str(found(one_step_at_a_time(0.0), "GL107").remedies[0]).startswith("hand the state on")
