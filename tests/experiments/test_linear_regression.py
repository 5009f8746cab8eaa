import numpy as np
import pytest

from experiments import linear_regression
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return linear_regression.run(quick=True)


def test_gradient_descent_arrives_at_least_squares(result):
    slope, intercept = np.polyfit(result.data.x_train[:, 0], result.data.y_train, 1)
    assert result.way.weights[-1, 0] == pytest.approx(slope, abs=1e-9)
    assert result.way.bias[-1] == pytest.approx(intercept, abs=1e-9)


def test_the_distance_falls_by_the_factor_that_the_page_names(result):
    # the standardized input has mean 0 and variance 1, so both directions share lambda = 2
    factors = result.distance[1:40] / result.distance[:39]
    np.testing.assert_allclose(factors, 1 - 2 * linear_regression.LEARNING_RATE, rtol=1e-6)


def test_the_page(result):
    page = check_page(linear_regression, result)
    assert f"{result.weight:.6f}" in page.answer
