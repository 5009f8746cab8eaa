"""What the page says of 20 hidden layers, against the same networks trained by PyTorch."""

import numpy as np
import pytest

import gradlab
from experiments import activation_depth
from tests.experiments.twins import Twin

DEPTH, ITERATIONS = 20, 400  # of the short form


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return activation_depth.run(quick=True, runs=tmp_path_factory.mktemp("runs"))


def test_depth_separates_the_activations(comparison):
    causes = activation_depth.causes(comparison)
    assert causes["sigmoid"] == ("vanishing-gradient", "slope")
    assert causes["relu x2"] == ("exploding-gradient", "weight")
    assert causes["tanh"] == ("healthy", "")
    assert comparison.cell("tanh", DEPTH).outcome == "learned"
    # At this rate its gradient may spike: the page says so where it does.
    assert causes["relu"][0] not in ("vanishing-gradient", "exploding-gradient")
    assert comparison.cell("relu", DEPTH).outcome == "learned"
    answer = activation_depth.answer(comparison)
    assert "sigmoid does not learn (" in answer
    assert "tanh learns (" in answer
    assert "relu x2 does not learn (exploding gradient)." in answer


# Accuracies by network; twice the weights leave nothing finite, which counts as -1.
LEARNED = {
    "sigmoid": (0.0, 0.2),
    "tanh": (0.8, 1.0),
    "relu": (0.55, 1.0),
    "relu x2": (-1.0, -1.0),
}


@pytest.mark.parametrize("network", gradlab.comparison.DEFAULT_NETWORKS)
def test_pytorch_measures_the_same_gradients_and_learns_as_well(comparison, network):
    torch = pytest.importorskip("torch")
    twin, data, cell = (
        Twin(torch, network, DEPTH),
        gradlab.datasets.digits(),
        comparison.cell(network, DEPTH),
    )
    np.testing.assert_allclose(
        cell.run["delta_norm"][0, 0], twin.train(data, ITERATIONS, 0.03), rtol=1e-3
    )
    low, high = LEARNED[cell.plan.network.label]
    for accuracy in (cell.accuracy[0], twin.accuracy(data)):
        assert low <= (-1.0 if accuracy is None else accuracy) <= high
