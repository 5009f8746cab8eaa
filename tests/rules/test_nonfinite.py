"""GL001 non-finite."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose, registry
from tests.rules.runs import fires, found, make_run


def broken_run(phase, gains=None, **columns):
    """A run of 4 layers whose replicate 1 breaks at iteration 7."""
    names = ("activation_rms", "delta_norm", "grad_norm", "update_norm")
    signals = {name: np.full((20, 2, 4), 1.0) for name in names}
    counts = np.zeros((20, 2, 4))
    for name, layers in columns.items():
        signals[name][7:, 1, layers] = np.nan
    counts[7:, 1] = 3
    phases = np.full((20, 2), None, object)
    phases[7:, 1] = phase
    steps = {"nonfinite_phase": phases}
    return make_run(20, steps=steps, nonfinite_count=counts, **signals, **(gains or {}))


@pytest.mark.parametrize(
    ("phase", "columns", "layer"),
    [
        ("forward", {"activation_rms": [2, 3], "delta_norm": slice(None)}, 3),
        ("loss", {"delta_norm": slice(None)}, 4),
        ("backward", {"delta_norm": [0, 1], "grad_norm": [0, 1]}, 2),
        ("update", {"update_norm": [1, 2]}, 2),
    ],
)
def test_the_first_number_is_named_by_iteration_layer_and_seed(phase, columns, layer):
    finding = found(broken_run(phase, **columns), "GL001")
    assert finding.iterations == (7, 7)
    assert finding.layers == (layer,)
    assert finding.severity == "error"  # one replicate of two is enough
    assert finding.replicates == {"hit": 1, "total": 2, "which": [1]}


def test_a_finite_run_passes():
    assert not fires(make_run(), "GL001")


def test_one_infinite_loss_is_enough():
    loss = np.ones((60, 2))
    loss[59, 0] = np.inf
    finding = found(make_run(steps={"loss": loss}), "GL001")
    assert finding.iterations == (59, 59)
    assert finding.layers == (4,)


@pytest.mark.parametrize("skipped", [0.0, 1.0])
def test_a_buffer_that_is_not_finite_is_enough(skipped):
    count = np.zeros((60, 2))
    count[40:, 1] = 2
    steps = {"nonfinite_buffers": count, "skipped_steps": np.full((60, 2), skipped)}
    finding = found(make_run(steps=steps), "GL001")
    assert finding.iterations == (40, 40)
    assert "in the forward pass" in finding.message


@pytest.mark.parametrize(
    "name", ["delta_norm", "grad_norm", "weight_norm", "activation_rms", "update_norm"]
)
def test_an_all_nan_run_is_never_healthy(name):
    diagnosis = diagnose(make_run(5, **{name: np.nan}))
    assert not diagnosis.ok
    assert diagnosis.findings[0].rule == "GL001"


def test_a_nan_run_is_not_ok_even_where_the_rule_is_ignored():
    diagnosis = diagnose(make_run(5, delta_norm=np.nan), ignore=["GL001"])
    assert not diagnosis.ok
    assert diagnosis.nonfinite


def test_the_cause_of_an_overflow_is_the_growth_at_iteration_0():
    gains = {"log_gain_weight": 1.04, "log_gain_slope": -0.35}
    columns = {"activation_rms": [1, 2, 3], "delta_norm": slice(None)}
    finding = found(broken_run("forward", gains, **columns), "GL001")
    assert finding.cause["dominant"] == "weight"
    # the chain from the lowest layer named (2) to the last (4): rows 2 and 3
    assert finding.cause["log_gain"]["weight"] == pytest.approx(2 * 1.04)


def leaving(share, name="std"):
    """A run that breaks at iteration 40, by when the norm of its vector fell to `share`."""
    norm = np.full((60, 1, 5), 8.0)
    norm[20:, :, 4] = 8.0 * share
    counts = np.zeros((60, 1, 5))
    counts[40:, :, 3] = 1
    return make_run(
        60, 1, layers=5, vectors=(name,), weight_norm=norm, nonfinite_count=counts, steps=ONE_SEED
    )


ONE_SEED = {"loss": np.linspace(2.3, 0.1, 60)[:, None]}


@pytest.mark.parametrize(
    ("share", "name", "expected"),
    [
        (0.24, "std", "bound parameter"),
        (0.26, "std", "lower learning rate"),
        (0.01, "head.bias", "lower learning rate"),  # a bias crosses 0 without harm
    ],
)
def test_a_bare_parameter_that_shrank_to_nothing_left_its_domain(share, name, expected):
    finding = found(leaving(share, name), "GL001")
    assert finding.remedies[0].action == expected
    assert registry()["GL001"].is_cause(finding) == (expected == "bound parameter")
