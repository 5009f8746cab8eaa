import numpy as np
import pytest

from gradlab.diagnosis import diagnose
from tests.rules.runs import make_run, only


def broken_run(phase, **columns):
    """A run of 4 layers whose replicate 1 breaks at iteration 7."""
    base = {name: np.full((20, 2, 4), 1.0) for name in ("activation_rms", "delta_norm", "grad_norm", "update_norm")}
    counts = np.zeros((20, 2, 4))
    for name, layers in columns.items():
        base[name][7:, 1, layers] = np.nan
    counts[7:, 1] = 3
    phases = np.full((20, 2), None, object)
    phases[7:, 1] = phase
    return make_run(20, steps={"nonfinite_phase": phases}, nonfinite_count=counts, **base)


@pytest.mark.parametrize(
    ("phase", "columns", "layer", "words"),
    [
        ("forward", {"activation_rms": [2, 3], "delta_norm": slice(None)}, 3, "in the forward pass"),
        ("loss", {"delta_norm": slice(None)}, 4, "in the loss"),
        ("backward", {"delta_norm": [0, 1], "grad_norm": [0, 1]}, 2, "in the backward pass"),
        ("update", {"update_norm": [1, 2]}, 2, "in the update"),
    ],
)
def test_the_first_non_finite_number_is_named_by_iteration_layer_and_phase(phase, columns, layer, words):
    finding = only(broken_run(phase, **columns), "GL001")
    assert finding.iterations == (7, 7)
    assert finding.layers == (layer,)
    assert f"iteration 7 in layer {layer}" in finding.message
    assert words in finding.message
    assert finding.severity == "error"  # one replicate of two is enough
    assert finding.replicates == {"hit": 1, "total": 2, "which": [1]}


def test_a_finite_run_passes():
    assert only(make_run(), "GL001") is None


def test_one_infinite_loss_is_enough():
    loss = np.ones((60, 2))
    loss[59, 0] = np.inf
    finding = only(make_run(steps={"loss": loss}), "GL001")
    assert finding.iterations == (59, 59)
    assert "in the loss" in finding.message


@pytest.mark.parametrize("name", ["delta_norm", "grad_norm", "weight_norm", "activation_rms", "update_norm"])
def test_an_all_nan_run_is_never_healthy(name):
    run = make_run(5, **{name: np.nan})
    diagnosis = diagnose(run)
    assert not diagnosis.ok
    assert diagnosis.findings[0].rule == "GL001"


def test_a_nan_run_is_not_ok_even_when_the_rule_is_muted():
    diagnosis = diagnose(make_run(5, delta_norm=np.nan), ignore=["GL001"])
    assert not diagnosis.ok
    assert "NaN" in str(diagnosis)


def test_the_cause_of_an_overflow_is_the_growth_at_iteration_0():
    gains = {"log_gain_weight": 1.04, "log_gain_slope": -0.35}
    run = broken_run("forward", activation_rms=[1, 2, 3], delta_norm=slice(None))
    phases = np.full((20, 2), None, object)
    phases[7:, 1] = "forward"
    grown = make_run(
        20,
        steps={"nonfinite_phase": phases},
        nonfinite_count=run["nonfinite_count"],
        activation_rms=run["activation_rms"],
        delta_norm=run["delta_norm"],
        **gains,
    )
    finding = only(grown, "GL001")
    assert finding.cause["dominant"] == "weight"
    # the chain from the lowest layer named (2) to the last (4): rows 2 and 3
    assert finding.cause["log_gain"]["weight"] == pytest.approx(2 * 1.04)
