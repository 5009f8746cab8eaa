"""The engine and its twin in PyTorch, on identical weights in float64: all agree to 1e-9."""

import numpy as np
import pytest

import gradlab
from gradlab.run import STATISTICS, STEP_COLUMNS

pytest.importorskip("torch")

CASES = [
    ({"activation": "sigmoid"}, {"optimizer": "momentum"}),
    ({"activation": "tanh"}, {"optimizer": "adam", "learning_rate": 0.003}),
    ({"activation": "relu", "init": "he_normal"}, {"clip": "norm:most=0.5"}),
    ({"activation": "selu"}, {"clip": "value:most=0.01"}),
    ({"activation": "gelu", "norm": "layer"}, {}),
    ({"activation": "silu", "norm": "batch"}, {"optimizer": "adagrad"}),
    ({"activation": "leaky_relu", "residual": 1.0}, {"l2": 0.01}),
    (
        {"activation": "elu", "residual": 0.5, "norm": "batch", "dropout": 0.2},
        {"optimizer": "rmsprop"},
    ),
    ({"activation": "softplus"}, {"optimizer": "nesterov"}),
    ({"activation": "identity"}, {"schedule": "cosine"}),
]


def recorded_steps(run: gradlab.Run) -> list[str]:
    """Return the columns of numbers that the engine has recorded; a watch sees more."""
    numbers = [name for name in STEP_COLUMNS if name != "nonfinite_phase"]
    return [name for name in numbers if run.step_recorded(name).any()]


@pytest.mark.parametrize(
    ("network", "training"), CASES, ids=lambda each: " ".join(map(str, each.values())) or "sgd"
)
def test_every_column_agrees(network, training):
    from tests.adapters import twins

    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP([64] + [32] * 4 + [10], seed=0, dtype="float64", **network)
    run, twin = twins.train(
        model,
        data,
        **({"learning_rate": 0.01} | training),
        batch_size=32,
        iterations=25,
        validate_every=5,
    )
    # It counts exact zeros, which rounding makes in one and not in the other.
    np.testing.assert_allclose(twin["lost_fraction"], run["lost_fraction"], atol=0.005)
    for name in set(STATISTICS) - {"lost_fraction"}:
        assert (twin.recorded(name) == run.recorded(name)).all(), name
        np.testing.assert_allclose(twin[name], run[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert twin.steps["nonfinite_phase"].isna().all()
    for name in recorded_steps(run):
        np.testing.assert_allclose(
            twin.steps[name], run.steps[name], rtol=1e-9, atol=1e-12, err_msg=name
        )
    verdicts = [
        [finding.rule for finding in gradlab.diagnose(each).findings] for each in (run, twin)
    ]
    assert verdicts[0] == verdicts[1]
