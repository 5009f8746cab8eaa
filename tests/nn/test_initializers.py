"""Initializers: the variance of what they draw, and its shape."""

import numpy as np
import pytest

from gradlab.errors import ArgumentError
from gradlab.nn import initializers
from gradlab.nn.mlp import MLP

VARIANCE = {
    "glorot": 2 / (400 + 300),
    "he": 2 / 400,
    "lecun": 1 / 400,
    "orthogonal": 1 / 400,
    "lsuv": 1 / 400,
}
DRAWN = [init for init in initializers.INITIALIZERS if init not in initializers.ORTHOGONAL]


@pytest.mark.parametrize("gain", [1.0, 2.0])
@pytest.mark.parametrize("init", initializers.INITIALIZERS)
def test_variance_is_the_published_one_times_gain_squared(init, gain):
    w = initializers.draw(init, 400, 300, gain, np.random.default_rng(0))
    expected = VARIANCE[init.split("_")[0]] * gain**2
    assert w.shape == (400, 300)
    # the sample variance of n draws deviates by sqrt((kurtosis - 1) / n), at most sqrt(2 / n); five
    # of them
    assert abs(w.var() / expected - 1) < 5 * np.sqrt(2 / w.size)
    assert abs(w.mean()) < 5 * np.sqrt(expected / w.size)


@pytest.mark.parametrize("init", DRAWN)
def test_the_distribution_is_the_one_named(init):
    w = initializers.draw(init, 400, 300, 1.0, np.random.default_rng(1))
    kurtosis = ((w - w.mean()) ** 4).mean() / w.var() ** 2
    assert kurtosis == pytest.approx(3.0 if init.endswith("normal") else 1.8, abs=0.1)


@pytest.mark.parametrize("init", [init for init in DRAWN if init.endswith("uniform")])
def test_a_uniform_distribution_keeps_its_bounds(init):
    w = initializers.draw(init, 400, 300, 1.0, np.random.default_rng(1))
    assert abs(w).max() <= np.sqrt(3 * VARIANCE[init.split("_")[0]])


def test_an_unknown_init_is_named():
    with pytest.raises(ArgumentError, match=r"init='xavier'.*glorot_normal"):
        initializers.check("xavier")


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 1), (1, 3)])
def test_an_orthogonal_matrix_keeps_lengths(shape):
    w = initializers.draw("orthogonal", *shape, 1.5, np.random.default_rng(2))
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 1.5**2 * np.eye(min(shape)), atol=1e-12)


def test_an_orthogonal_linear_net_passes_the_gradient_whole_at_any_depth():
    model = MLP([8] * 40, "identity", init="orthogonal", dtype="float64")
    work = model.workspace(3)
    work.batch[...] = np.random.default_rng(0).normal(size=(3, 8))
    model.forward(work)
    work.deltas[-1][...] = np.random.default_rng(1).normal(size=(3, 8))
    model.backward(work)
    assert np.linalg.norm(work.deltas[0]) == pytest.approx(
        np.linalg.norm(work.deltas[-1]), rel=1e-10
    )


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_lsuv_gives_every_layer_the_same_variance(replicates, gain):
    model = MLP(
        [5, 7, 6, 3], "relu", init="lsuv", gain=gain, replicates=replicates, dtype="float64"
    )
    x = np.random.default_rng(0).normal(size=(50, 5))
    model.calibrate(x)
    work = model.workspace(50)
    model.forward(work)
    for z in work.preactivations:
        np.testing.assert_allclose(z.std(axis=(-2, -1)), gain)


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_lsuv_treats_each_seed_as_a_net_of_its_own(gain):
    options = {"init": "lsuv", "gain": gain, "dtype": "float64"}
    together = MLP([5, 7, 6, 3], "relu", replicates=2, **options)
    alone = MLP([5, 7, 6, 3], "relu", seed=1, **options)
    x = np.random.default_rng(0).normal(size=(50, 5))
    together.calibrate(x)
    alone.calibrate(x)
    np.testing.assert_allclose(together.weights[1][1], alone.weights[1], rtol=1e-12)


def test_lsuv_leaves_a_layer_alone_that_says_nothing():
    model = MLP([2, 3, 1], "relu", init="lsuv")
    drawn = model.weights[0].copy()
    model.calibrate(np.zeros((4, 2)))
    np.testing.assert_array_equal(model.weights[0], drawn)
