"""Hand-made runs: healthy by default, so that a test plants one fault and knows what it planted."""

import numpy as np

from gradlab.diagnosis import registry
from gradlab.run import Run


def make_run(
    iterations=60,
    replicates=2,
    layers=4,
    *,
    config=None,
    activation="relu",
    steps=None,
    name="made",
    **columns,
) -> Run:
    """Return a run whose every layer passes the signal on unchanged, with any column replaced by `columns`.

    A column may be anything that broadcasts to (iterations, replicates, layers).
    """
    shape = (iterations, replicates, layers)
    healthy = {
        "delta_norm": 1.0,
        "grad_norm": 1.0,
        "per_example_grad_norm": 1.0,
        "weight_norm": 8.0,
        "update_norm": 0.01,
        "update_ratio": 0.01 / 8,
        "activation_rms": 1.0,
        "slope_rms": 0.7,
        "dead_fraction": 0.0,
        "nonfinite_count": 0.0,
        "log_gain_weight": 0.35,
        "log_gain_alignment": 0.0,
        "log_gain_slope": -0.35,
        "log_gain_slope_alignment": 0.0,
    }
    # No batch's gradient is larger than the mean of its examples': what is replaced alone takes the other along.
    given = columns.keys() & {"grad_norm", "per_example_grad_norm"}
    if given == {"grad_norm"}:
        healthy["per_example_grad_norm"] = np.fmax(1.0, columns["grad_norm"])
    elif given == {"per_example_grad_norm"}:
        healthy["grad_norm"] = np.fmin(1.0, columns["per_example_grad_norm"])
    signals = {
        name: np.broadcast_to(value, shape).astype(float)
        for name, value in (healthy | columns).items()
    }
    described = [
        {
            "fan_in": 64,
            "fan_out": 64,
            "activation": "identity" if layer == layers - 1 else activation,
        }
        for layer in range(layers)
    ]
    table = {
        "loss": np.linspace(2.3, 0.1, iterations)[:, None],
        "expected_decrease": 0.01,
        "grad_norm": 1.0,
    }
    table = {
        name: np.broadcast_to(value, shape[:2]).copy() if name != "nonfinite_phase" else value
        for name, value in (table | (steps or {})).items()
    }
    for column in ("validation_loss", "validation_accuracy"):
        if column in table:  # NaN stands for iterations in which they were not taken
            table[column] = np.ma.masked_invalid(table[column])
    return Run.from_arrays(
        signals,
        steps=table,
        layers=described,
        name=name,
        config={"baseline_loss": 2.3, "batch_size": 64, "gain": 1.0} | (config or {}),
    )


def only(run, code):
    """Return the finding of one rule on a run, or None."""
    rule = registry()[code]
    assert rule.missing(run) is None
    return rule.judge(run)


def fires(run, code):
    """Whether a rule finds something in a run."""
    return only(run, code) is not None


def severity(run, code):
    """Return the severity of a rule's finding: "error", "warning" or "note".

    "" where it finds nothing.
    """
    finding = only(run, code)
    return "" if finding is None else finding.severity


def found(run, code):
    """Return the finding of a rule that must have one."""
    finding = only(run, code)
    assert finding is not None
    return finding


def actions(finding):
    """Return what the remedies of a finding do, most promising first."""
    return [remedy.action for remedy in finding.remedies]
