import numpy as np
import pytest

from experiments import composition
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return composition.run(quick=True)


def test_the_graph_is_the_function_and_its_derivative(result):
    x = result.grid
    np.testing.assert_allclose(result.exact, 2 * np.sin(x**2) + np.sqrt(5 * x), rtol=1e-13)
    np.testing.assert_allclose(
        result.slope, 4 * x * np.cos(x**2) + 2.5 / np.sqrt(5 * x), rtol=1e-11, atol=1e-11
    )


def test_every_nodes_derivative_is_the_difference_quotient(result):
    names = [name for name, _, _ in result.nodes]
    assert sorted(names) == sorted(["x", "2", "5", "square", "sin", "mul", "mul", "sqrt", "add"])
    h, x = 1e-6, composition.AT

    def f(x, two=2.0, five=5.0, squared=0.0, sine=0.0):
        return two * (np.sin(x**2 + squared) + sine) + np.sqrt(five * x)

    expected = {
        "x": (f(x + h) - f(x - h)) / (2 * h),
        "2": (f(x, two=2 + h) - f(x, two=2 - h)) / (2 * h),
        "5": (f(x, five=5 + h) - f(x, five=5 - h)) / (2 * h),
        "square": (f(x, squared=h) - f(x, squared=-h)) / (2 * h),
        "sin": (f(x, sine=h) - f(x, sine=-h)) / (2 * h),
        "add": 1.0,
    }
    found = {name: derivative for name, _, derivative in result.nodes if name in expected}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-7), name


def test_three_layers_fit_better_than_one_and_than_a_constant(result):
    held_out = composition.points().y_test
    assert result.middle[3] < 0.7 * result.middle[1]
    assert result.middle[1] < held_out.std()
    wrong = np.sqrt(np.mean((result.fits[3] - result.exact) ** 2))
    assert wrong == pytest.approx(result.middle[3], rel=0.6)  # on a grid instead of held-out points


def test_the_page(result):
    page = check_page(composition, result)
    assert f"{result.middle[3]:.3f}" in page.answer
