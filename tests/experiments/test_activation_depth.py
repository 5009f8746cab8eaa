"""What the page says of 20 hidden layers, against the same networks trained by PyTorch."""

import numpy as np
import pytest

import gradlab
from experiments import activation_depth
from gradlab.networks import Network
from tests.helpers import batches

DEPTH, ITERATIONS = 20, 400  # of the short form


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return activation_depth.run(quick=True, runs=tmp_path_factory.mktemp("runs"))


def test_depth_separates_the_activations(comparison):
    causes = activation_depth.causes(comparison)
    assert causes["sigmoid"] == ("vanishing-gradient", "slope")
    assert causes["relu x2"] == ("exploding-gradient", "weight")
    for network in ("tanh", "relu"):
        cell = comparison.cell(network, DEPTH)
        assert cell.diagnosis.ok
        assert cell.outcome == "learned"
    answer = activation_depth.answer(comparison)
    assert "sigmoid does not learn (" in answer
    assert "tanh learns (" in answer
    assert "relu x2 does not learn (exploding gradient)." in answer


class Twin:
    """The network of seed 0, of PyTorch's parts, trained on the same batches by PyTorch's SGD."""

    def __init__(self, torch, network):
        model = network.build([64] + [64] * DEPTH + [10])
        self.torch, self.phi = torch, getattr(torch, network.activation)
        self.weights = [torch.tensor(w.copy(), requires_grad=True) for w in model.weights]
        self.biases = [torch.zeros(1, n, requires_grad=True) for n in model.sizes[1:]]

    def forward(self, x):
        """Return z of every layer."""
        h, kept = self.torch.tensor(x, dtype=self.torch.float32), []
        for w, b in zip(self.weights, self.biases, strict=True):
            kept.append((self.phi(h) if kept else h) @ w + b)
            h = kept[-1]
        return kept

    def train(self, data):
        """Return ||dLoss/dz|| of every layer before the first update."""
        optimizer = self.torch.optim.SGD([*self.weights, *self.biases], lr=0.03)
        first = None
        for chosen in batches(0, len(data.x_train), 64, ITERATIONS):
            optimizer.zero_grad()
            kept = self.forward(data.x_train[chosen])
            for z in kept:
                z.retain_grad()
            self.torch.nn.functional.cross_entropy(kept[-1], self.torch.tensor(data.y_train[chosen])).backward()
            first = first or [z.grad.norm().item() for z in kept]
            optimizer.step()
        return first

    def accuracy(self, data):
        """On held-out digits; None where the net has no finite answer."""
        logits = self.forward(data.x_test)[-1].detach().numpy()
        return float((logits.argmax(axis=1) == data.y_test).mean()) if np.isfinite(logits).all() else None


@pytest.mark.parametrize("network", gradlab.comparison.DEFAULT_NETWORKS)
def test_pytorch_measures_the_same_gradients_and_learns_as_well(comparison, network):
    torch = pytest.importorskip("torch")
    twin, data = Twin(torch, Network.parse(network)), gradlab.datasets.digits()
    cell = comparison.cell(network, DEPTH)
    np.testing.assert_allclose(cell.run["delta_norm"][0, 0], twin.train(data), rtol=1e-3)
    expected = {"sigmoid": (0.0, 0.2), "tanh": (0.8, 1.0), "relu": (0.55, 1.0)}.get(cell.plan.network.label)
    for accuracy in (cell.accuracy[0], twin.accuracy(data)):
        if expected is None:
            assert accuracy is None  # twice the weights: nothing finite is left
        else:
            assert expected[0] <= accuracy <= expected[1]
