"""L1 and L2 against PyTorch's weight decay, the soft threshold, and exact zeros."""

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError
from gradlab.nn.penalties import CHUNK, Penalty
from tests.helpers import make_data


def orthonormal(seed=0, n=40, d=6):
    rng = np.random.default_rng(seed)
    x, _ = np.linalg.qr(rng.normal(size=(n, d)))
    x *= np.sqrt(n)  # x^T x = n I
    return x, x @ np.array([2.0, -1.0, 0.3, -0.05, 0.0, 0.6]) + 0.01 * rng.normal(size=n)


def fit(x, y, **options):
    model = gradlab.MLP([x.shape[1], 1], "identity", dtype="float64")
    data = gradlab.datasets.Data(name="made", x_train=x, y_train=y, x_test=x, y_test=y)
    gradlab.train(
        model,
        data,
        loss="squared_error",
        batch_size=len(x),
        learning_rate=0.2,
        iterations=200,
        **options,
    )
    return model.weights[0][:, 0]


def test_l1_is_the_soft_threshold_of_least_squares():
    x, y = orthonormal()
    # loss = |y - x w - b|^2 / n, whose minimum under l1 |w| obeys the optimality conditions of the
    # lasso
    w = fit(x, y, l1=0.5)
    residual = y - x @ w
    gradient = -2 * x.T @ (residual - residual.mean()) / len(x)
    np.testing.assert_allclose(gradient[w != 0], -0.5 * np.sign(w[w != 0]), atol=1e-6)
    assert (np.abs(gradient[w == 0]) <= 0.5 + 1e-9).all()
    assert (w == 0).sum() >= 2  # exactly, not nearly


def test_l2_is_ridge_regression():
    x, y = orthonormal()
    x, y = x - x.mean(axis=0), y - y.mean()
    ridge = np.linalg.solve(2 * x.T @ x / len(x) + 0.7 * np.eye(x.shape[1]), 2 * x.T @ y / len(x))
    np.testing.assert_allclose(fit(x, y, l2=0.7), ridge, atol=1e-8)


def test_l2_is_the_weight_decay_of_plain_sgd_and_spares_biases():
    torch = pytest.importorskip("torch")
    model = gradlab.MLP([3, 4, 3], "tanh", dtype="float64", seed=1)
    model.biases.flat[:] = 1.0
    weights = [torch.tensor(w.copy(), requires_grad=True) for w in model.weights]
    biases = [torch.tensor(b.copy(), requires_grad=True) for b in model.biases]
    data = make_data()
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": 0.3}, {"params": biases}], lr=0.1
    )
    for _ in range(20):
        h = torch.tensor(data.x_train)
        h = torch.tanh(h @ weights[0] + biases[0]) @ weights[1] + biases[1]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(h, torch.tensor(data.y_train)).backward()
        optimizer.step()
    gradlab.train(
        model, data, learning_rate=0.1, batch_size=len(data.x_train), iterations=20, l2=0.3
    )
    for ours, theirs in zip([*model.weights, *model.biases], weights + biases, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9)


def test_loss_and_gradient_are_recorded_without_the_penalty():
    free, held = (
        gradlab.train(
            gradlab.MLP([3, 4, 3], seed=1), make_data(), batch_size=5, iterations=1, **options
        )
        for options in ({}, {"l1": 0.1, "l2": 0.5})
    )
    for column in ("grad_norm", "delta_norm", "per_example_grad_norm"):
        np.testing.assert_array_equal(free[column], held[column])
    assert free.steps["loss"].item() == held.steps["loss"].item()
    assert (free["update_norm"] != held["update_norm"]).all()
    assert held.config["l1"] == 0.1
    assert "l1" not in free.config


@pytest.mark.parametrize("size", [1, CHUNK, CHUNK + 1])
def test_shrinking_stops_at_zero(size):
    weights = np.linspace(-1, 1, size)
    weights[0] = np.nan
    expected = np.sign(weights) * np.maximum(np.abs(weights) - 0.25, 0)
    Penalty(l1=0.5).shrink(weights, 0.5)
    np.testing.assert_allclose(weights, expected, atol=1e-15)


@pytest.mark.parametrize("options", [{"l1": -1e-9}, {"l2": -1.0}, {"l1": np.nan}, {"l2": np.inf}])
def test_a_penalty_below_0_is_one_sentence(options):
    with pytest.raises(ArgumentError, match=r"l[12]=.* must be a number of at least 0"):
        Penalty(**options)
    assert Penalty(0, 0).l1 == 0
