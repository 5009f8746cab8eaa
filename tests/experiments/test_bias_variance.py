import numpy as np
import pytest

import gradlab
from experiments import _bare, _sparse, bias_variance
from gradlab.nn.penalties import Penalty
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return bias_variance.run(quick=True)


def test_bias_variance_and_noise_add_up_to_the_expected_error(result):
    """Against new noisy points, drawn and averaged."""
    fits = result.fits[3]
    rng = np.random.default_rng(5)
    noisy = bias_variance.curve(bias_variance.GRID) + rng.normal(
        0, bias_variance.NOISE, (4000, 200)
    )
    simulated = np.mean([(noisy - fit) ** 2 for fit in fits])
    assert result.depths[3].test == pytest.approx(simulated, rel=0.01)


def test_more_layers_fit_the_points_better_and_new_points_worse(result):
    train = [result.depths[depth].train for depth in (0, 1, 3)]
    assert train == sorted(train, reverse=True)
    assert result.depths[0].bias2 > 10 * result.depths[0].variance  # a line: wrong, always alike
    assert result.depths[3].variance > result.depths[3].bias2
    # 1.4; 1.17 to 1.98 on eight other sets of samples.
    assert result.depths[3].test > 1.15 * result.depths[1].test


def test_dropout_and_l2_repair_the_net_that_fits_too_well(result):
    untreated, fitting = result.depths[3], result.depths[1]
    for treated in (result.dropouts[0.1], result.lambdas[0.01]):
        assert treated.train > 1.5 * untreated.train
        assert treated.test < 0.9 * untreated.test
        assert treated.test < 1.25 * fitting.test


def test_l2_shrinks_weights_and_has_a_best_value_between(result):
    norms = [each.weight_norm for each in result.lambdas.values()]
    assert norms == sorted(norms, reverse=True)
    assert result.best_lambda not in (0.0, max(result.lambdas))


def test_one_layer_with_l2_is_ridge_regression():
    data = _sparse.problem()
    model = gradlab.MLP([20, 1], "identity", dtype="float64")
    _bare.fit(
        model, data, learning_rate=0.1, batch_size=100, iterations=600, penalty=Penalty(0, 0.4)
    )
    x = data.x_train - data.x_train.mean(axis=0)
    ridge = np.linalg.solve(2 * x.T @ x / 100 + 0.4 * np.eye(20), 2 * x.T @ data.y_train / 100)
    np.testing.assert_allclose(model.weights[0][:, 0], ridge, atol=1e-8)


@pytest.mark.parametrize("l1", [0.03, 0.3])
def test_the_proximal_step_is_the_lasso(l1):
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = _sparse.problem()
    reference = linear_model.Lasso(alpha=l1 / 2, tol=1e-12, max_iter=100_000).fit(
        data.x_train, data.y_train
    )
    found = _sparse.proximal_fit(l1)
    np.testing.assert_allclose(found, reference.coef_, atol=1e-6)
    np.testing.assert_array_equal(found == 0, reference.coef_ == 0)


def test_only_the_proximal_step_reaches_zero(result):
    assert result.zeros[0.3] >= 10
    assert set(result.subgradient_zeros.values()) == {0}


def test_the_best_moment_to_stop_is_before_the_end(result):
    best = np.argmin(result.course[2])
    assert result.course[2, -1] > 1.15 * result.course[2, best]
    # While the error on the points shown goes on falling.
    assert result.course[1, -1] < 0.8 * result.course[1, best]


def test_the_page(result):
    page = check_page(bias_variance, result)
    assert f"{result.depths[3].test:.2f}" in page.answer
