"""GL107 vanishing-through-time: the factor of the gradient from one time step back to the last."""

import numpy as np
import pytest

from tests.rules.runs import FAILED, LEARNED, SLOW, actions, fires, found, make_run, severity


def recurrent(factor, steps=FAILED, kind="LSTM"):
    """A run whose second layer is recurrent; no other one has a time axis."""
    described = {2: {"kind": kind, "name": "encoder.lstm.weight_hh_l0", "fan_out": 256}}
    time = np.array([False, True, False, False])
    return make_run(
        steps=steps,
        time_gain=np.log(factor),
        recorded={"time_gain": time},
        described=described,
        config={"framework": "torch"},
    )


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.5, True), (0.849, True), (0.851, False), (1.0, False), (1.199, False), (1.201, True)],
)
def test_the_limits_of_the_factor(factor, expected):
    assert fires(recurrent(factor), "GL107") == expected


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
