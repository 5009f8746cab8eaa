"""The sum over paths: against backpropagation, PyTorch, finite differences and counting by hand."""

import itertools

import numpy as np
import pytest

from gradlab.errors import ArgumentError, DataError
from gradlab.nn import losses, paths
from gradlab.nn.mlp import MLP


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu", "identity"])
@pytest.mark.parametrize("sizes", [[4, 3, 2, 1], [2, 3], [3, 1, 4, 2]])
def test_every_weight_of_any_net_equals_backpropagation_and_pytorch(activation, sizes):
    rng = np.random.default_rng(0)
    model = MLP(sizes, activation, seed=1, dtype="float64")
    model.biases.flat[:] = rng.normal(size=model.biases.flat.size)
    x, y = rng.normal(size=sizes[0]), rng.normal(size=sizes[-1])
    torch = pytest.importorskip("torch")
    weights = [torch.tensor(w.copy(), requires_grad=True) for w in model.weights]
    h = torch.tensor(x)
    functions = {"identity": lambda z: z, "gelu": torch.nn.functional.gelu}
    phi = functions.get(activation) or getattr(torch, activation)
    for k, (w, b) in enumerate(zip(weights, model.biases, strict=True)):
        h = h @ w + torch.tensor(b[0])
        h = phi(h) if k < len(weights) - 1 else h
    ((h - torch.tensor(y)) ** 2).mean().backward()
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes), 1):
        for row, column in itertools.product(range(1, fan_in + 1), range(1, fan_out + 1)):
            found = paths.derivative(model, x, y, layer=layer, row=row, column=column)
            assert len(found.paths) == paths.count(sizes, layer)
            scale = max(abs(found.backprop), 1e-3)
            assert abs(found.value - found.backprop) <= 1e-12 * scale
            assert found.value == pytest.approx(
                weights[layer - 1].grad[row - 1, column - 1].item(), rel=1e-9, abs=1e-15
            )


def test_the_courses_net_has_one_one_and_two_paths():
    counts = [paths.count([4, 3, 2, 1], layer) for layer in (3, 2, 1)]
    assert counts == [1, 1, 2]


def test_factors_multiply_to_finite_differences():
    model = MLP([4, 3, 2, 1], "sigmoid", seed=5, dtype="float64")
    x, y, h = np.array([0.5, -1.0, 2.0, 0.3]), np.array([0.7]), 1e-6
    found = paths.derivative(model, x, y, layer=1, row=1, column=1)
    values = []
    for step in (h, -2 * h):
        model.weights[0][0, 0] += step
        values.append(losses.get("squared_error").value(model.predict(x[None]), y[None]).item())
    assert found.value == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-7)
    assert [path.units for path in found.paths] == [(1, 1, 1), (1, 2, 1)]
    assert [factor.name for factor in found.paths[1].factors] == [
        "∂L/∂z³₁",
        "∂z³₁/∂o²₂",
        "∂o²₂/∂z²₂",
        "∂z²₂/∂o¹₁",
        "∂o¹₁/∂z¹₁",
        "∂z¹₁/∂w¹₁₁",
    ]
    assert found.paths[1].factors[1].formula == "w³₂₁"
    text = str(found)
    assert text.startswith("∂L/∂w¹₁₁, 2 paths")
    assert max(map(len, text.splitlines())) <= 120


def test_a_class_is_a_target_too():
    model = MLP([3, 4, 3], "tanh", dtype="float64")
    found = paths.derivative(model, np.ones(3), 2, layer=1, row=2, column=3, loss="cross_entropy")
    assert found.value == pytest.approx(found.backprop, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layer": 4}, "layer=4 must be 1 to 3"),
        ({"layer": 0}, "layer=0 must be a whole number of at least 1"),
        ({"row": 5}, "row=5 must be 1 to 4"),
        ({"column": 4}, "column=4 must be 1 to 3"),
        ({"x": np.ones(3)}, r"x has shape \(3,\), but the net reads one example of \(4,\)"),
        ({"model": MLP([4, 3, 2, 1], replicates=2)}, "replicates=None"),
        ({"model": MLP([4, 3, 3, 1], norm="layer")}, "no norm"),
    ],
)
def test_a_weight_that_is_none_is_one_sentence(change, sentence):
    given = {
        "model": MLP([4, 3, 2, 1]),
        "x": np.ones(4),
        "y": np.ones(1),
        "layer": 1,
        "row": 1,
        "column": 1,
    } | change
    with pytest.raises(ArgumentError, match=sentence):
        paths.derivative(given.pop("model"), given.pop("x"), given.pop("y"), **given)


def test_too_many_paths_are_refused_and_the_most_are_not(monkeypatch):
    model, x, y = MLP([2, 5, 5, 4]), np.ones(2), np.ones(4)
    monkeypatch.setattr(paths, "MOST_PATHS", 20)
    assert len(paths.derivative(model, x, y, layer=1, row=1, column=1).paths) == 20
    monkeypatch.setattr(paths, "MOST_PATHS", 19)
    with pytest.raises(ArgumentError, match="20 paths to the loss, more than 19"):
        paths.derivative(model, x, y, layer=1, row=1, column=1)


@pytest.mark.parametrize(
    ("loss", "sizes"), [("squared_error", [3, 4, 2]), ("cross_entropy", [3, 4, 3])]
)
def test_a_batch_gives_the_mean_of_its_examples_derivatives(loss, sizes):
    rng = np.random.default_rng(3)
    model = MLP(sizes, "tanh", seed=2, dtype="float64")
    x = rng.normal(size=(5, 3))
    y = np.arange(5) % 3 if loss == "cross_entropy" else rng.normal(size=(5, 2))
    chosen = {"layer": 1, "row": 2, "column": 3, "loss": loss}
    found = paths.derivative(model, x, y, **chosen)
    each = [paths.derivative(model, x[i], y[i], **chosen).value for i in range(5)]
    assert found.value == pytest.approx(np.mean(each), rel=1e-12)
    assert found.value == pytest.approx(found.backprop, rel=1e-12)
    assert f"mean over 5 examples: {found.value:.6g}" in str(found)


def test_the_models_own_gradients_stay():
    model = MLP([2, 3, 1], "tanh")
    model.gradients[...] = 7
    paths.derivative(model, np.ones(2), np.ones(1), layer=1, row=1, column=1)
    assert (model.gradients == 7).all()


def test_what_is_printed_stays_readable_with_many_paths():
    model = MLP([20, 12, 12, 12, 12, 1], "relu", dtype="float64")
    text = str(paths.derivative(model, np.ones(20), np.ones(1), layer=1, row=11, column=12))
    assert max(map(len, text.splitlines())) <= 96
    assert len(text.splitlines()) < 80
    assert "... and 1,724 more paths, together " in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": [1.0, np.nan]}, "x must hold finite numbers"),
        ({"x": ["a", "b"]}, "x must hold finite numbers"),
        ({"y": np.inf}, "y must hold finite numbers"),
        ({"y": None}, "y must hold finite numbers"),
        ({"x": np.ones((3, 2)), "y": np.ones((2, 1))}, "y has shape"),
        ({"y": [1.0, 2.0]}, "one output a target column"),
    ],
)
def test_values_that_do_not_fit_are_one_sentence(change, sentence):
    given = {"x": np.ones(2), "y": np.ones(1)} | change
    with pytest.raises(DataError, match=sentence):
        paths.derivative(MLP([2, 3, 1]), given["x"], given["y"], layer=1, row=1, column=1)
