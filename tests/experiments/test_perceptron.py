import numpy as np
import pytest

from experiments import perceptron
from tests.experiments.pages import check_page


@pytest.fixture(scope="module")
def result():
    return perceptron.run(quick=True)


def by_hand(data, iterations, order):
    """Rosenblatt's rule, written down; returns the weights after every step."""
    w, b, ways = np.zeros(2), 0.0, []
    for i in order[:iterations]:
        x, y = data.x_train[i], 2 * data.y_train[i] - 1
        if y * (w @ x + b) <= 0:
            w, b = w + y * x, b + y
        ways.append([*w, b])
    return np.array(ways)


def test_sgd_on_its_loss_is_rosenblatts_rule_step_by_step(result):
    n, iterations = len(result.data.x_train), len(result.way.loss)
    rng = np.random.default_rng(
        [0, 1]
    )  # the order that the engine documents: a permutation an epoch
    order = np.concatenate([rng.permutation(n) for _ in range(iterations // n + 1)])
    ways = by_hand(result.data, iterations, order)
    np.testing.assert_allclose(result.way.weights[1:], ways[:, :2], atol=1e-12)
    np.testing.assert_allclose(result.way.bias[1:], ways[:, 2], atol=1e-12)


def test_after_the_last_mistake_every_example_is_right(result):
    z = result.data.x_train @ result.way.weights[-1] + result.way.bias[-1]
    assert ((z > 0) == result.data.y_train).all()
    assert result.mistakes[-1] < len(result.way.loss) - 50


def test_novikoffs_bound_holds_and_its_margin_is_the_widest(result):
    assert 0 < len(result.mistakes) <= result.bound
    svm = pytest.importorskip("sklearn.svm")
    homogeneous = np.hstack([result.data.x_train, np.ones((len(result.data.x_train), 1))])
    widest = svm.LinearSVC(C=1e6, fit_intercept=False, loss="hinge", max_iter=10**6, tol=1e-6)
    widest.fit(homogeneous, result.data.y_train)
    u = widest.coef_[0]
    margin = ((2 * result.data.y_train - 1) * (homogeneous @ u)).min() / np.linalg.norm(u)
    assert result.margin == pytest.approx(margin, rel=5e-3)


def test_scikit_learns_perceptron_separates_them_too(result):
    linear_model = pytest.importorskip("sklearn.linear_model")
    reference = linear_model.Perceptron(tol=None, max_iter=100).fit(
        result.data.x_train, result.data.y_train
    )
    assert reference.score(result.data.x_train, result.data.y_train) == 1


def test_on_overlapping_clouds_it_never_rests(result):
    assert (np.diff(result.overlapping.bias[-100:]) != 0).any()


def test_the_page(result):
    page = check_page(perceptron, result)
    assert f"after {len(result.mistakes)} mistakes" in page.answer
