"""The rules on runs that were recorded at some iterations only."""

import numpy as np
import pytest

import gradlab

NETWORKS = [
    ("relu", {}, []),
    ("sigmoid", {}, ["GL101"]),
    ("relu", {"gain": 2.0}, ["GL102"]),
    ("tanh", {"norm": "layer"}, []),
]


def trained(activation, options):
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP([64] + [32] * 10 + [10], activation, init="he_normal", **options)
    return gradlab.train(model, data, iterations=120, learning_rate=0.02)


def sparse(run, every=10):
    """The same run with its statistics at iterations 0-9 and every 10th, and all gradient norms."""
    kept = np.array([t < 10 or t % every == 0 for t in range(run.iterations)])
    names = [name for name in run.columns if name != "grad_norm"]
    return gradlab.Run.from_arrays(
        {name: run[name] for name in run.columns},
        steps={name: run.step(name) for name in ("loss", "expected_decrease", "grad_norm")},
        recorded={name: run.recorded(name) & kept[:, None, None] for name in names},
        layers=run.layers.to_dict("records"),
        config=run.config,
    )


@pytest.mark.parametrize(("activation", "options", "expected"), NETWORKS)
def test_a_record_at_a_cadence_has_the_verdict_of_a_whole_one(activation, options, expected):
    run = trained(activation, options)
    assert [each.rule for each in gradlab.diagnose(run).findings] == expected
    assert [each.rule for each in gradlab.diagnose(sparse(run)).findings] == expected
