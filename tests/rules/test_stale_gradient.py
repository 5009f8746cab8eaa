"""GL104 stale-gradient."""

import numpy as np
import pytest

import gradlab
from tests.rules.runs import actions, fires, found, make_run, severity

FALLING = np.linspace(2.3, 0.1, 60)[:, None].repeat(2, axis=1)


def run_of(ratio, iterations=60, **steps):
    """A run whose third layer alone has a gradient of `ratio` times what its batch can make."""
    norm = np.ones((iterations, 2, 4))
    norm[..., 2] = ratio
    return make_run(
        iterations, 2, per_example_grad_norm=np.ones_like(norm), grad_norm=norm, steps=steps
    )


def everywhere(ratio):
    return make_run(60, 2, grad_norm=ratio, per_example_grad_norm=1.0, steps={"loss": FALLING})


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0, ""), (1.1, ""), (1.11, "warning"), (2.0, "warning"), (2.01, "error")],
)
def test_a_gradient_larger_than_its_batch_can_make_it_is_stale(ratio, expected):
    assert severity(everywhere(ratio), "GL104") == expected


def test_few_layers_alone_are_a_warning():
    """Nobody forgets some layers: p may lack something there."""
    finding = found(run_of(2.01, loss=FALLING), "GL104")
    assert finding.severity == "warning"
    assert finding.layers == (3,)
    assert finding.value == pytest.approx(2.01)
    assert actions(finding)[0] == "empty gradients"


@pytest.mark.parametrize(("records", "expected"), [(2, False), (3, True)])
def test_two_records_decide_nothing(records, expected):
    assert fires(run_of(5.0, iterations=records), "GL104") == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_engine_never_makes_a_stale_gradient(seed):
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP([64, 16, 10], activation="relu", seed=seed)
    run = gradlab.train(model, data, iterations=40, batch_size=4, learning_rate=0.3)
    assert (run["grad_norm"] <= run["per_example_grad_norm"] * (1 + 1e-5)).all()
