import numpy as np
import pytest

from experiments import activation_functions
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return activation_functions.run(quick=True)


def test_curves_and_slopes_are_pytorchs(result):
    torch = pytest.importorskip("torch")
    z = torch.tensor(result.z, requires_grad=True)
    for name in activation_functions.NAMES:
        function = getattr(torch, name, None) or getattr(torch.nn.functional, name)
        value = function(z)
        (slope,) = torch.autograd.grad(value.sum(), z)
        np.testing.assert_allclose(
            result.curves[name], value.detach().numpy(), atol=1e-12, err_msg=name
        )
        smooth = np.abs(result.z) > 1e-9  # at a corner the slope is a convention
        np.testing.assert_allclose(
            result.slopes[name][smooth], slope.numpy()[smooth], atol=1e-12, err_msg=name
        )


def test_the_bounds_of_the_lecture(result):
    assert result.largest["sigmoid"] == 0.25
    assert result.largest["tanh"] == 1
    zero = np.argmin(np.abs(result.z))
    assert result.slopes["sigmoid"][zero] == 0.25
    assert result.slopes["tanh"][zero] == 1
    from gradlab.activations import ACTIVATIONS

    for name, largest in result.largest.items():
        assert largest <= ACTIVATIONS[name].slope_bound * (1 + 1e-12)
        assert largest == pytest.approx(ACTIVATIONS[name].slope_bound, rel=1e-4), name


def test_typical_slopes_are_those_of_a_simulation(result):
    z = np.random.default_rng(1).normal(size=400_000)
    assert result.typical["relu"] == pytest.approx(
        np.sqrt(0.5), rel=0.01
    )  # half of the inputs pass whole
    sigma = 1 / (1 + np.exp(-z))
    assert result.typical["sigmoid"] == pytest.approx(
        np.sqrt(np.mean((sigma * (1 - sigma)) ** 2)), rel=0.005
    )
    assert result.typical["tanh"] == pytest.approx(
        np.sqrt(np.mean((1 - np.tanh(z) ** 2) ** 2)), rel=0.005
    )


def test_costs_are_measured(result):
    assert all(0 < cost < 1e5 for pair in result.costs.values() for cost in pair)
    assert len({pair for pair in result.costs.values()}) == len(result.costs)


def test_the_page(result):
    page = check_page(activation_functions, result)
    assert f"{result.typical['sigmoid'] ** 20:.0e}" in page.answer
