"""Hand-made runs: healthy by default, so that a test plants one fault and knows what it planted."""

import numpy as np

from gradlab.diagnosis import registry
from gradlab.run import Run

BASELINE = 2.3  # the best constant predictor's loss of every made run


def wavering(level, iterations=60, replicates=2, scatter=0.1):
    """Return batch losses (T, S) at a level, each `scatter` from its neighbours.

    `level` may be an array (T,). Where it stays, `scatter` is the spread that rules measure by.
    """
    side = np.where(np.arange(iterations) % 2, 0.5, -0.5)
    return np.repeat((level + scatter * side)[:, None], replicates, axis=1)


def stepping(before, after, at, iterations):
    """Return a series (T,) that stands at one value, and from iteration `at` on at another."""
    return np.where(np.arange(iterations) < at, before, after)


NOW_AND_THEN = (  # NaN stands for iterations at which these were not taken
    "validation_loss",
    "validation_accuracy",
    "evaluation_loss",
    "evaluation_train_loss",
    "score",
    "criterion_loss",
    "criterion_baseline",
    "target_fit",
    "right_share",
)
LEARNED = {"loss": np.linspace(BASELINE, 0.1, 60)[:, None]}
SLOW = {"loss": wavering(1.0)}  # far below the constant predictor's, but it does not fall
UNCLEAR = {"loss": wavering(0.7 * BASELINE)}  # it began there: nothing tells whether it learned
FAILED = {"loss": wavering(BASELINE)}


def make_run(
    iterations=60,
    replicates=2,
    layers=4,
    *,
    config=None,
    activation="relu",
    steps=None,
    name="made",
    described=None,
    vectors=(),
    provenance=None,
    recorded=None,
    blocks=(),
    block_signals=None,
    output_stage=(),
    **columns,
) -> Run:
    """Return a run whose every layer passes the signal on unchanged, with any column replaced.

    Parameters
    ----------
    config, provenance : dict, optional
        What is added to those of a plain run.
    steps : dict, optional
        Columns of `Run.steps`: anything that broadcasts to (iterations, replicates).
    described : dict, optional
        Number of a layer, from 1 -> what is added to its description.
    vectors : sequence of str
        Names of vectors, which follow the matrices: `layers` counts both.
    recorded : dict, optional
        Masks of columns: anything that broadcasts to (iterations, replicates, layers).
    blocks, block_signals, output_stage
        As in `Run.from_arrays`; `blocks` are names, block signals anything that broadcasts.
    **columns
        Statistics: anything that broadcasts to (iterations, replicates, layers).
    """
    shape = (iterations, replicates, layers)
    signals = {
        name: np.broadcast_to(value, shape).astype(float)
        for name, value in _statistics(columns).items()
    }
    masks = {name: np.broadcast_to(mask, shape) for name, mask in (recorded or {}).items()}
    within = (iterations, replicates, len(blocks))
    return Run.from_arrays(
        signals,
        steps=_steps(shape[:2], steps or {}),
        layers=_layers(layers - len(vectors), vectors, activation, described or {}),
        name=name,
        config={"baseline_loss": BASELINE, "batch_size": 64, "gain": 1.0} | (config or {}),
        provenance=provenance,
        recorded=masks,
        blocks=[{"block": block} for block in blocks],
        block_signals={
            name: np.broadcast_to(value, within).astype(float)
            for name, value in (block_signals or {}).items()
        },
        output_stage=output_stage,
    )


def _statistics(columns):
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
    # No batch's gradient is larger than the mean of its examples': what is replaced alone takes the
    # other along.
    given = columns.keys() & {"grad_norm", "per_example_grad_norm"}
    if given == {"grad_norm"}:
        healthy["per_example_grad_norm"] = np.fmax(1.0, columns["grad_norm"])
    elif given == {"per_example_grad_norm"}:
        healthy["grad_norm"] = np.fmin(1.0, columns["per_example_grad_norm"])
    return healthy | columns


def _steps(shape, given):
    healthy = {
        "loss": np.linspace(BASELINE, 0.1, shape[0])[:, None],
        "expected_decrease": 0.01,
        "grad_norm": 1.0,
    }
    return {name: _whole(name, value, shape) for name, value in (healthy | given).items()}


def _whole(name, value, shape):
    """Return a column of steps (T, S): what is masked, or a text, as it is."""
    if name == "nonfinite_phase" or np.ma.isMaskedArray(value):
        return value
    column = np.broadcast_to(value, shape).copy()
    return np.ma.masked_invalid(column) if name in NOW_AND_THEN else column


def _layers(matrices, vectors, activation, described):
    wide = {"fan_in": 64, "fan_out": 64, "parameters": 64 * 64}
    hidden = [{**wide, "activation": activation} for _ in range(matrices - 1)]
    output = {**wide, "activation": "identity"}
    small = [{"kind": "vector", "name": name, "parameters": 64} for name in vectors]
    usual = [*hidden, output, *small]
    return [layer | described.get(number, {}) for number, layer in enumerate(usual, 1)]


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


def layers_of(run, code):
    """Return the layers of a rule's finding; none where it finds nothing."""
    finding = only(run, code)
    return () if finding is None else finding.layers


def found(run, code):
    """Return the finding of a rule that must have one."""
    finding = only(run, code)
    assert finding is not None
    return finding


def actions(finding):
    """Return what the remedies of a finding do, most promising first."""
    return [remedy.action for remedy in finding.remedies]
