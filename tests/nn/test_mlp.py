"""The MLP: shapes, seeds, replicates, prediction, and arguments outside their range."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.errors import ArgumentError
from gradlab.nn.mlp import MLP


@pytest.mark.parametrize(("replicates", "lead"), [(None, ()), (1, (1,)), (3, (3,))])
def test_shapes(replicates, lead):
    model = MLP([4, 3, 2], replicates=replicates)
    assert [w.shape for w in model.weights] == [(*lead, 4, 3), (*lead, 3, 2)]
    assert [b.shape for b in model.biases] == [(*lead, 1, 3), (*lead, 1, 2)]
    assert model.parameters.size == math.prod(lead) * (4 * 3 + 3 + 3 * 2 + 2)
    assert model.parameters.dtype == np.float32
    assert model.predict(np.zeros((7, 4))).shape == (*lead, 7, 2)


def test_parameters_are_one_buffer_weights_first():
    model = MLP([4, 3, 2], dtype="float64")
    expected = [a.ravel() for part in (model.weights, model.biases) for a in part]
    np.testing.assert_array_equal(model.parameters, np.concatenate(expected))
    model.parameters[...] = 7
    assert all((a == 7).all() for part in (model.weights, model.biases) for a in part)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=st.integers(0, 1000), replicates=st.integers(1, 3))
def test_replicate_k_is_drawn_as_seed_plus_k_alone(dtype, seed, replicates):
    stacked = MLP([3, 5, 2], seed=seed, replicates=replicates, dtype=dtype)
    for k in range(replicates):
        alone = MLP([3, 5, 2], seed=seed + k, dtype=dtype)
        for w, one in zip(stacked.weights, alone.weights, strict=True):
            np.testing.assert_array_equal(w[k], one)
        np.testing.assert_array_equal(stacked.predict(np.eye(3))[k], alone.predict(np.eye(3)))


def test_initialize_draws_the_same_weights_again_and_resets_the_biases():
    model = MLP([3, 5, 2], seed=4)
    drawn = model.parameters.copy()
    model.parameters[...] = 1
    model.initialize()
    np.testing.assert_array_equal(model.parameters, drawn)
    assert not model.biases.flat.any()


def test_gain_multiplies_every_layer():
    one, two = (
        MLP([3, 5, 2], seed=4, dtype="float64"),
        MLP([3, 5, 2], seed=4, gain=2.0, dtype="float64"),
    )
    np.testing.assert_allclose(two.weights.flat, 2 * one.weights.flat, rtol=1e-15)


@pytest.mark.parametrize("replicates", [None, 2])
def test_predict_is_the_forward_pass(replicates):
    model = MLP([3, 5, 5, 2], activation="sigmoid", seed=4, replicates=replicates, dtype="float64")
    x = np.random.default_rng(0).normal(size=(6, 3))
    work = model.workspace(6)
    work.batch[...] = x
    np.testing.assert_allclose(model.predict(x), model.forward(work), rtol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"sizes": []}, "sizes"),
        ({"sizes": [4]}, "sizes"),
        ({"sizes": [4, 0]}, "sizes"),
        ({"sizes": [4, -1, 2]}, "sizes"),
        ({"sizes": [4, 2.0]}, "sizes"),
        ({"activation": "swish"}, "activation"),
        ({"init": "xavier"}, "init"),
        ({"gain": 0.0}, "gain"),
        ({"gain": math.nan}, "gain"),
        ({"gain": math.inf}, "gain"),
        ({"replicates": 0}, "replicates"),
        ({"dtype": "float16"}, "dtype"),
        ({"seed": -1}, "seed"),
    ],
)
def test_an_argument_outside_its_range_is_named(arguments, named):
    with pytest.raises(ArgumentError, match=f"{named}="):
        MLP(**({"sizes": [4, 2]} | arguments))


def test_the_smallest_net_works():
    model = MLP([1, 1], dtype="float64")
    np.testing.assert_allclose(model.predict(np.array([[2.0]])), 2.0 * model.weights[0])


@pytest.mark.parametrize("x", [np.zeros(4), np.zeros((2, 3)), np.zeros((1, 2, 4))])
def test_predict_names_a_wrong_shape(x):
    with pytest.raises(ArgumentError, match=r"x has shape .*\(examples, 4\)"):
        MLP([4, 2]).predict(x)
