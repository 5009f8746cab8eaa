"""GL104 at its limits, and rules on runs that were recorded now and then, or without a loss."""

import numpy as np
import pytest

import gradlab
from tests.rules.runs import make_run, only


def run_of(ratio, iterations=60, replicates=2, **steps):
    norm = np.ones((iterations, replicates, 4))
    norm[..., 2] = ratio
    return make_run(iterations, replicates, per_example_grad_norm=np.ones_like(norm), grad_norm=norm, steps=steps)


def test_a_gradient_larger_than_its_batch_can_make_it_is_stale():
    falling = np.linspace(2.3, 0.1, 60)[:, None].repeat(2, axis=1)
    assert only(run_of(1.09, loss=falling), "GL104") is None
    found = only(run_of(1.11, loss=falling), "GL104")
    assert (found.severity, found.layers, found.value) == ("warning", (3,), pytest.approx(1.11))
    assert only(run_of(2.01, loss=falling), "GL104").severity == "warning"  # one layer of four: p may lack something
    everywhere = make_run(60, 2, grad_norm=2.01, per_example_grad_norm=1.0, steps={"loss": falling})
    assert only(everywhere, "GL104").severity == "error"
    assert "zero_grad" in found.remedies[0]


def test_two_records_decide_nothing():
    assert only(run_of(5.0, iterations=2), "GL104") is None
    assert only(run_of(5.0, iterations=3), "GL104") is not None


def test_the_engine_never_makes_a_stale_gradient():
    data = gradlab.datasets.digits(seed=0)
    for seed in range(3):
        model = gradlab.MLP([64, 16, 10], activation="relu", seed=seed)
        run = gradlab.train(model, data, iterations=40, batch_size=4, learning_rate=0.3)
        assert (run["grad_norm"] <= run["per_example_grad_norm"] * (1 + 1e-5)).all()


# -- runs recorded now and then -----------------------------------------------------------------------------------


def sparse(run, every=10):
    """The same run with its statistics recorded at iterations 0-9 and every 10th alone, the gradient's norm always."""
    kept = np.array([t < 10 or t % every == 0 for t in range(run.iterations)])
    names = [name for name in run.columns if name != "grad_norm"]
    masks = {name: run.recorded(name) & kept[:, None, None] for name in names}
    steps = {name: run.step(name) for name in ("loss", "expected_decrease", "grad_norm")}
    return gradlab.Run.from_arrays(
        {name: run[name] for name in run.columns}, steps=steps, recorded=masks, layers=run.layers.to_dict("records"),
        config=run.config,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("network", "options", "expected"),
    [
        ("relu", {}, []),
        ("sigmoid", {}, ["GL101"]),
        ("relu", {"gain": 2.0}, ["GL102"]),
        ("tanh", {"norm": "layer"}, []),
    ],
)
def test_a_record_at_a_cadence_has_the_verdict_of_a_whole_one(network, options, expected):
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP([64] + [32] * 10 + [10], activation=network, init="he_normal", **options)
    run = gradlab.train(model, data, iterations=120, learning_rate=0.02)
    assert [each.rule for each in gradlab.diagnose(run).findings] == expected
    assert [each.rule for each in gradlab.diagnose(sparse(run)).findings] == expected
