import numpy as np
import pytest

from experiments import logistic_regression
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return logistic_regression.run(quick=True)


def test_the_neuron_arrives_at_scikit_learns_weights(result):
    linear_model = pytest.importorskip("sklearn.linear_model")
    reference = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    reference.fit(result.data.x_train, result.data.y_train)
    np.testing.assert_allclose(result.way.weights[-1], reference.coef_[0], rtol=1e-3)
    assert result.way.bias[-1] == pytest.approx(reference.intercept_[0], abs=1e-3)
    agree = reference.predict(result.data.x_test) == result.data.y_test
    assert result.accuracy == agree.mean()


def test_the_likelihood_equations_hold(result):
    z = result.data.x_train @ result.weights + result.bias
    wrong = 1 / (1 + np.exp(-z)) - result.data.y_train  # sigma(z) - y
    np.testing.assert_allclose(result.data.x_train.T @ wrong, 0, atol=1e-9)
    assert wrong.sum() == pytest.approx(0, abs=1e-9)


def test_the_page(result):
    page = check_page(logistic_regression, result)
    assert f"{100 * result.accuracy:.0f} %" in page.answer
