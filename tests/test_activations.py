"""Activations against central differences, PyTorch and their limits."""

import math
import tracemalloc

import numpy as np
import pytest

from gradlab import activations
from gradlab.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE, normal_cdf
from gradlab.errors import ArgumentError

NAMES = sorted(ACTIVATIONS)
INF = math.inf

# phi and phi' at -inf and at +inf
LIMITS = {
    "identity": (-INF, 1, INF, 1),
    "sigmoid": (0, 0, 1, 0),
    "tanh": (-1, 0, 1, 0),
    "relu": (0, 0, INF, 1),
    "leaky_relu": (-INF, 0.01, INF, 1),
    "elu": (-1, 0, INF, 1),
    "selu": (-SELU_SCALE * SELU_ALPHA, 0, INF, SELU_SCALE),
    "softplus": (0, 0, INF, 1),
    "gelu": (0, 0, INF, 1),
    "silu": (0, 0, INF, 1),
}


def away_from_kink(n: int = 401) -> np.ndarray:
    z = np.linspace(-9, 9, n)
    return z[np.abs(z) > 1e-3]


@pytest.mark.parametrize("name", NAMES)
def test_slope_is_the_central_difference(name):
    activation, z, step = ACTIVATIONS[name], away_from_kink(), 1e-5
    difference = (activation(z + step) - activation(z - step)) / (2 * step)
    np.testing.assert_allclose(activation.slope(z), difference, rtol=0, atol=2e-10)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "identity"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_function_and_slope_are_pytorchs(name, dtype):
    """In float64: its float32 gelu is up to 5e-7 off where AVX-512 computes it, ours 5e-8."""
    torch = pytest.importorskip("torch")
    z = np.concatenate([np.linspace(-30, 30, 601), [0.0]]).astype(dtype)
    leaf = torch.from_numpy(z.astype("float64")).requires_grad_()
    h = (
        getattr(torch.nn.functional, name)(leaf)
        if name not in ("sigmoid", "tanh")
        else getattr(torch, name)(leaf)
    )
    h.sum().backward()
    # PyTorch's softplus is linear above 20, 2e-9 off.
    tolerance = 3e-7 if dtype == "float32" else 3e-9
    np.testing.assert_allclose(
        ACTIVATIONS[name](z), h.detach().numpy(), rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(
        ACTIVATIONS[name].slope(z), leaf.grad.numpy(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", NAMES)
def test_slope_bound_holds_and_is_approached(name):
    activation = ACTIVATIONS[name]
    z = np.linspace(-40, 40, 800_001)
    largest = np.abs(activation.slope(z)).max()
    assert largest <= activation.slope_bound * (1 + 1e-15)
    assert largest == pytest.approx(activation.slope_bound, rel=1e-9)


def test_bounds_are_the_published_numbers():
    assert activations.get("gelu").slope_bound == pytest.approx(1.128904145185155, rel=1e-14)
    assert activations.get("silu").slope_bound == pytest.approx(1.0998393201288668, rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_saturates_means_no_slope_on_both_sides(name):
    activation = ACTIVATIONS[name]
    slope = activation.slope(np.array([-1e4, 1e4]))
    assert activation.saturates == bool((slope == 0).all())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_extremes_reach_the_limit_without_a_warning(name, dtype):
    activation = ACTIVATIONS[name]
    low, low_slope, high, high_slope = LIMITS[name]
    z = np.array([-INF, INF, -1e4, 1e4], dtype)
    many = np.geomspace(np.finfo(dtype).tiny, 1e30, 300).astype(dtype)
    with np.errstate(all="raise"):
        h, slope = activation(z), activation.slope(z)
        activation.slope(many)
        activation.slope(-many)
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(h[:2], [low, high], rtol=tolerance, atol=0)
    np.testing.assert_allclose(slope, [low_slope, high_slope] * 2, rtol=tolerance, atol=0)
    finite = [
        low if np.isfinite(low) else -1e4 * low_slope,
        high if np.isfinite(high) else 1e4 * high_slope,
    ]
    np.testing.assert_allclose(h[2:], finite, rtol=tolerance, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan_without_a_warning(name):
    z = np.array([np.nan, 1.0])
    with np.errstate(all="raise"):
        h = ACTIVATIONS[name](z)
        ACTIVATIONS[name].slope(z)
    assert np.isnan(h).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_dtype_shape_and_input_are_kept(name, dtype):
    z = np.linspace(-3, 3, 24).astype(dtype).reshape(2, 3, 4)
    before, activation = z.copy(), ACTIVATIONS[name]
    out = np.empty_like(z)
    assert activation(z, out) is out
    slope = np.empty_like(z)
    assert activation.slope(z, out, slope) is slope
    for result in (activation(z), activation.slope(z)):
        assert (result.dtype, result.shape) == (z.dtype, z.shape)
    np.testing.assert_array_equal(z, before)
    np.testing.assert_array_equal(activation.slope(z), slope)


@pytest.mark.parametrize("name", ["identity", "relu", "sigmoid", "tanh"])
def test_training_step_allocates_nothing(name):
    activation, z = ACTIVATIONS[name], np.random.default_rng(0).normal(size=(8, 64, 64))
    h, slope = np.empty_like(z), np.empty_like(z)
    activation.function(z, h)
    tracemalloc.start()
    try:
        activation.function(z, h)
        activation.derivative(z, h, slope)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < z.nbytes / 20


@pytest.mark.parametrize(
    ("z", "expected"),  # mpmath 1.3, 40 digits
    [
        (-37.5, 4.605353009581955e-308),
        (-30.0, 4.906713927148187e-198),
        (-20.5, 1.0764673258790961e-93),
        (-10.0, 7.619853024160525e-24),
        (-5.0, 2.866515718791939e-07),
        (-2.0, 0.02275013194817921),
        (-0.6, 0.2742531177500736),
        (0.0, 0.5),
        (0.3, 0.6179114221889527),
        (1.7, 0.955434537241457),
        (40.0, 1.0),
    ],
)
def test_normal_cdf_in_the_tails(z, expected):
    assert normal_cdf(np.array(z)) == pytest.approx(expected, rel=1e-15, abs=0)


def test_normal_cdf_is_the_standard_librarys_erfc():
    z = np.random.default_rng(0).uniform(-8, 8, 4000)
    oracle = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
    np.testing.assert_allclose(
        normal_cdf(z), oracle, rtol=2e-14
    )  # erfc's argument is rounded: 2 z^2 eps


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(
        ArgumentError, match=r"activation='swish' is unknown; choose one of: elu, gelu"
    ):
        activations.get("swish")
