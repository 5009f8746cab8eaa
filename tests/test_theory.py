"""Theory against simulations that share no code with it, and against published numbers."""

import itertools
import math
import time

import numpy as np
import pytest

from gradlab import activations, theory
from gradlab.activations import ACTIVATIONS
from gradlab.errors import ArgumentError
from gradlab.nn import initializers
from gradlab.theory import gaussian

DEEP = [64] + [64] * 20 + [10]
HEALTHY_AND_NOT = [("sigmoid", "glorot_normal"), ("tanh", "glorot_normal"), ("relu", "he_normal")]


def simulate(sizes, activation, init, x, labels, seeds, gain=1.0):
    """ln(||delta_l|| / ||delta_L||) (seeds, L) and the mean of z_l^2 (L,) of new nets."""
    rng, phi = np.random.default_rng(7), ACTIVATIONS[activation]
    weights = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        variance = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in}[
            init.split("_")[0]
        ]
        weights.append(rng.normal(0, gain * math.sqrt(variance), (seeds, fan_in, fan_out)))
    h, zs = x, []
    for weight in weights:
        zs.append(h @ weight)
        h = phi(zs[-1])
    logits = zs[-1]
    delta = np.exp(logits - logits.max(axis=-1, keepdims=True))
    delta = delta / delta.sum(axis=-1, keepdims=True) - np.eye(sizes[-1])[labels]
    norms = [np.linalg.norm(delta, axis=(1, 2))]
    for weight, z in zip(weights[:0:-1], zs[-2::-1], strict=True):
        delta = (delta @ weight.swapaxes(1, 2)) * phi.slope(z)
        norms.insert(0, np.linalg.norm(delta, axis=(1, 2)))
    return np.log(np.array(norms) / norms[-1]).T, np.array([np.mean(z * z) for z in zs])


def gaussian_batch(features, classes, batch=64):
    rng = np.random.default_rng(3)
    return rng.normal(size=(batch, features)), rng.integers(0, classes, batch)


# ---------------------------------------------------------------- initializers


@pytest.mark.parametrize("init", [init for init in initializers.INITIALIZERS if init != "lsuv"])
def test_weight_variance_is_what_the_engine_draws(init):
    draw = initializers.draw(init, 300, 200, 1.7, np.random.default_rng(0))
    assert 300 * draw.var() == pytest.approx(theory.weight_variance(init, 300, 200, 1.7), rel=0.02)


def test_weight_variance_of_pytorchs_linear_is_what_pytorch_draws():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    draw = torch.nn.Linear(300, 200).weight.detach().numpy()
    assert 300 * draw.var() == pytest.approx(
        theory.weight_variance("pytorch_linear", 300, 200), rel=0.02
    )


def test_glorots_variance_is_exact_where_widths_change():
    assert theory.weight_variance("glorot_normal", 64, 10) == pytest.approx(2 * 64 / 74)
    assert theory.weight_variance("glorot_uniform", 64, 10, 2.0) == pytest.approx(4 * 2 * 64 / 74)


# ---------------------------------------------------------------- predict


@pytest.mark.parametrize(("activation", "init"), HEALTHY_AND_NOT)
@pytest.mark.parametrize("depth", [5, 20])
def test_mean_over_seeds_lies_in_the_band_at_every_layer(activation, init, depth):
    sizes = [64] + [64] * depth + [10]
    measured, q = simulate(sizes, activation, init, *gaussian_batch(64, 10), seeds=40)
    prediction = theory.predict(sizes, activation, init)
    mean = measured.mean(axis=0)[:-1]
    assert (mean > prediction.lower[:-1]).all()
    assert (mean < prediction.upper[:-1]).all()
    np.testing.assert_allclose(q, prediction.q, rtol=0.35)


@pytest.mark.parametrize(("activation", "init"), HEALTHY_AND_NOT)
def test_digits_lie_in_the_band(activation, init):
    x, labels = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    x = (x - x.mean()) / x.std()
    chosen = np.random.default_rng(0).permutation(len(x))[:64]
    measured, _ = simulate(DEEP, activation, init, x[chosen], labels[chosen], seeds=40)
    prediction = theory.predict(DEEP, activation, init)
    assert prediction.lower[0] < measured[:, 0].mean() < prediction.upper[0]


@pytest.mark.parametrize("init", ["glorot_normal", "he_normal", "lecun_normal"])
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "sigmoid"])
def test_widths_that_change_are_exact_for_wide_layers(activation, init):
    sizes = [50, 500, 150, 400, 100]
    x, labels = gaussian_batch(50, 100, batch=16)
    measured, q = simulate(sizes, activation, init, x, labels, seeds=6)
    prediction = theory.predict(sizes, activation, init, q_input=float(np.mean(x * x)))
    np.testing.assert_allclose(measured.mean(axis=0), prediction.log_delta_ratio, atol=0.08)
    np.testing.assert_allclose(q, prediction.q, rtol=0.15)


def test_gain_and_input_scale_enter():
    x, labels = gaussian_batch(300, 50, batch=16)
    sizes = [300, 300, 300, 50]
    measured, q = simulate(sizes, "tanh", "he_normal", 3 * x, labels, seeds=6, gain=1.5)
    prediction = theory.predict(sizes, "tanh", "he_normal", 1.5, q_input=9 * float(np.mean(x * x)))
    np.testing.assert_allclose(q, prediction.q, rtol=0.05)
    np.testing.assert_allclose(measured.mean(axis=0), prediction.log_delta_ratio, atol=0.06)


@pytest.mark.parametrize(
    ("activation", "init"),
    [
        ("tanh", "glorot_normal"),
        ("tanh", "he_normal"),
        ("selu", "lecun_normal"),
        ("relu", "he_normal"),
    ],
)
def test_half_width_of_the_band_is_one_examples_deviation_over_seeds(activation, init):
    seeds, rng = 200, np.random.default_rng(1)
    x = rng.normal(size=(seeds, 1, 64))
    x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True))
    measured, _ = simulate(DEEP, activation, init, x, rng.integers(0, 10, (seeds, 1)), seeds)
    prediction = theory.predict(DEEP, activation, init)
    half_width = (prediction.upper - prediction.lower) / 2
    for layer in (0, 9):
        assert measured[:, layer].std() == pytest.approx(
            half_width[layer], rel=0.15
        )  # 3 errors of a deviation
        centre = (prediction.upper + prediction.lower)[layer] / 2
        assert measured[:, layer].mean() == pytest.approx(centre, abs=0.12)


@pytest.mark.parametrize(("activation", "kappa"), [("identity", 2), ("relu", 5)])
def test_band_of_homogeneous_nets_is_hanin_and_nicas(activation, kappa):
    prediction = theory.predict(DEEP, activation, "he_normal")
    beta = kappa * np.arange(20, -1, -1) / 64
    np.testing.assert_allclose(prediction.upper - prediction.lower, np.sqrt(beta), rtol=1e-10)
    np.testing.assert_allclose(
        prediction.upper + prediction.lower, 2 * prediction.log_delta_ratio - beta / 2, atol=1e-12
    )


def test_rows_of_a_prediction_fit_together():
    prediction = theory.predict(DEEP, "tanh", "glorot_normal", 1.2)
    assert prediction.q.shape == prediction.chi.shape == prediction.lower.shape == (21,)
    assert prediction.log_delta_ratio[-1] == prediction.lower[-1] == prediction.upper[-1] == 0
    assert np.isnan(
        [prediction.chi[-1], prediction.log_gain_weight[-1], prediction.log_gain_slope[-1]]
    ).all()
    steps = prediction.log_gain_weight[:-1] + prediction.log_gain_slope[:-1]
    np.testing.assert_allclose(-np.diff(prediction.log_delta_ratio), steps, atol=1e-13)
    np.testing.assert_allclose(2 * steps, np.log(prediction.chi[:-1]), atol=1e-13)
    assert prediction.log_gain_weight[-2] == pytest.approx(0.5 * math.log(1.44 * 2 * 64 / 74))
    assert prediction.activation_rms[-1] == pytest.approx(math.sqrt(prediction.q[-1]))
    next_q = prediction.weight_variances[1:] * prediction.activation_rms[:-1] ** 2
    np.testing.assert_allclose(next_q, prediction.q[1:], rtol=1e-12)


def test_biases_floor_the_variance():
    prediction = theory.predict([64] * 50, "relu", "pytorch_linear", bias_variance=1 / 192)
    assert prediction.q[-1] == pytest.approx((1 / 192) / (1 - 1 / 6), rel=1e-6)


def test_a_net_without_hidden_layers_has_nothing_to_predict():
    prediction = theory.predict([8, 3], "relu", "he_normal", q_input=0.5)
    assert prediction.q.tolist() == [1.0]
    assert prediction.log_delta_ratio.tolist() == prediction.lower.tolist() == [0.0]


def test_depth_50_is_fast():
    theory.predict([64] * 52, "tanh", "glorot_normal")
    start = time.process_time()
    for _ in range(5):
        theory.predict([64] * 52, "tanh", "glorot_normal")
    assert (time.process_time() - start) / 5 < 0.02


@pytest.mark.parametrize("activation", ["relu", "selu", "tanh", "gelu", "softplus"])
def test_extreme_gains_neither_warn_nor_stop(activation):
    for gain in (1e-3, 1e3):
        assert np.isfinite(theory.predict([64] * 20, activation, "he_normal", gain).upper).all()
    assert theory.predict([64] * 20, "relu", "he_normal", 1e3).q[-1] == pytest.approx(2 * 1e6**19)


@pytest.mark.parametrize("q", [1e5, 1e7, 1e30, 1e150])
@pytest.mark.parametrize(("activation", "steep"), [("sigmoid", 1 / 6), ("tanh", 4 / 3)])
def test_the_slope_of_a_saturated_layer_is_the_density_where_it_is_steep(activation, steep, q):
    """E phi'^2 -> the integral of phi'^2, times the density of N(0, q) at 0."""
    expected = steep / math.sqrt(2 * math.pi * q)
    phi = activations.get(activation)
    assert gaussian.expectations(phi, q)[1] == pytest.approx(expected, rel=1e-4)
    assert gaussian.moments(phi, q).slope == pytest.approx(expected, rel=1e-4)


# ---------------------------------------------------------------- numbers at depth

# chi(q*), first depth below 1e-3 and below 1e-6, for sigma_w^2 = 1/3, 1 and 2
TABLE = {
    "identity": [(0.3333, 14, 27), (1, None, None), (2, None, None)],
    "sigmoid": [(0.0200, 5, 9), (0.0557, 6, 11), (0.1010, 7, 13)],
    "tanh": [(0.3333, 14, 26), (1, None, None), (1.1055, None, None)],
    "relu": [(0.1667, 9, 17), (0.5, 21, 41), (1, None, None)],
    "gelu": [(0.0833, 7, 13), (0.25, 13, 22), (0.5, 33, 53)],
    "silu": [(0.0833, 7, 13), (0.25, 12, 22), (0.5, 26, 46)],
    "elu": [(0.3333, 13, 26), (1, None, None), (1, None, None)],
    "selu": [(0.6991, 34, 73), (1.0716, None, None), (1.1040, None, None)],
}


@pytest.mark.parametrize("activation", TABLE)
def test_table_of_depths(activation):
    for sigma_w2, (chi, first, second) in zip((1 / 3, 1.0, 2.0), TABLE[activation], strict=True):
        assert theory.fixed_point(activation, sigma_w2)[1] == pytest.approx(chi, abs=5.1e-5)
        assert theory.depth_below(activation, sigma_w2, 1e-3) == first
        assert theory.depth_below(activation, sigma_w2, 1e-6) == second


def test_elu_with_he_grows_for_ever_and_nears_chi_1_from_above():
    assert theory.fixed_point("elu", 2.0) == (math.inf, pytest.approx(1))
    prediction = theory.predict([64] * 3002, "elu", "he_normal")
    assert prediction.chi[-2] == pytest.approx(1.0075, abs=2e-4)


def test_tanh_at_criticality_shrinks_as_a_power_not_exponentially():
    prediction = theory.predict([64] * 21, "tanh", "glorot_normal")
    assert math.exp(prediction.log_delta_ratio[0]) == pytest.approx(0.27, abs=0.08)
    assert theory.fixed_point("tanh", 1.0) == (0, pytest.approx(1))


def test_fixed_point_is_one():
    q, chi = theory.fixed_point("tanh", 2.0, 0.1)
    z = np.random.default_rng(0).normal(size=2_000_000) * math.sqrt(q)
    assert 2 * np.mean(np.tanh(z) ** 2) + 0.1 == pytest.approx(q, rel=3e-3)
    assert 2 * np.mean((1 - np.tanh(z) ** 2) ** 2) == pytest.approx(chi, rel=3e-3)


@pytest.mark.parametrize(
    ("activation", "sigma_w2"),
    [
        ("identity", 1),
        ("tanh", 1),
        ("relu", 2),
        ("leaky_relu", 2 / 1.0001),
        ("elu", 1),
        ("sigmoid", 103.0076),
    ],
)
def test_critical_gain(activation, sigma_w2):
    gain = theory.critical_gain(activation)
    assert gain**2 == pytest.approx(sigma_w2, rel=1e-5)
    assert theory.critical_gain(activation, 4.0) == pytest.approx(gain / 2)
    assert theory.fixed_point(activation, (0.99 * gain) ** 2)[1] < 1


def test_sigmoid_at_its_critical_gain_keeps_its_gradient():
    gain = theory.critical_gain("sigmoid")
    prediction = theory.predict([64] * 52, "sigmoid", "lecun_normal", gain)
    assert abs(prediction.log_delta_ratio[0]) < 0.5
    assert theory.predict([64] * 52, "sigmoid", "lecun_normal").log_delta_ratio[0] < -60


# ---------------------------------------------------------------- silent units


def test_dead_at_init_is_a_simulations():
    rng, nets, h = np.random.default_rng(0), 20_000, np.ones((20_000, 1, 4))
    for _ in range(5):
        h = np.maximum(h @ rng.normal(size=(nets, 4, 4)), 0)
    assert theory.dead_at_init(4, 5) == pytest.approx(np.mean(h.max(axis=(1, 2)) == 0), abs=0.01)
    assert theory.dead_at_init(4, 5) == pytest.approx(1 - (1 - 1 / 16) ** 5)


def test_dead_at_init_of_extreme_widths():
    assert theory.dead_at_init(1, 1) == 0.5
    assert theory.dead_at_init(64, 50) == pytest.approx(50 * 2.0**-64)
    assert theory.dead_at_init(10**6, 1) == 0


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_silent_fraction_is_a_simulations(correlation):
    rng, seeds, width, examples = np.random.default_rng(0), 8, 192, 128
    shared = math.sqrt(correlation) * rng.normal(size=(seeds, 1, width))
    h = shared + math.sqrt(1 - correlation) * rng.normal(size=(seeds, examples, width))
    expected = theory.silent_fraction("relu", [width] * 22, examples, input_correlation=correlation)
    for layer in range(20):
        z = h @ rng.normal(0, math.sqrt(2 / width), (seeds, width, width))
        h = np.maximum(z, 0)
        assert np.mean((z <= 0).all(axis=1)) == pytest.approx(expected[layer], abs=0.04)


def test_silent_fraction_of_a_healthy_net_and_of_others():
    fraction = theory.silent_fraction("relu", DEEP, 256)
    assert fraction.shape == (21,)
    assert fraction[[9, 19]] == pytest.approx([0.125, 0.248], abs=2e-3)
    assert fraction[-1] == 0
    assert fraction[0] == pytest.approx(0.5**256)
    assert theory.silent_fraction("relu", DEEP, 1)[:-1] == pytest.approx(0.5)
    assert not theory.silent_fraction("tanh", DEEP, 256).any()


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.predict([64], "relu", "he_normal"), r"sizes=\[64\] must name at least"),
        (
            lambda: theory.predict([64, 0], "relu", "he_normal"),
            r"sizes=0 must be a whole number of at least 1",
        ),
        (
            lambda: theory.predict([64, 10], "swish", "he_normal"),
            r"activation='swish' is unknown; choose one of",
        ),
        (
            lambda: theory.predict([64, 10], "relu", "he"),
            r"init='he' is unknown; choose one of: .*pytorch_linear",
        ),
        (
            lambda: theory.predict([64, 10], "relu", "he_normal", 0),
            r"gain=0 must be a number of at least 1e-50",
        ),
        (
            lambda: theory.predict([64, 10], "relu", "he_normal", q_input=math.nan),
            r"q_input=nan must be",
        ),
        (
            lambda: theory.predict([64, 10], "relu", "he_normal", bias_variance=-1),
            r"bias_variance=-1 must be",
        ),
        (lambda: theory.weight_variance("he_normal", 0, 4), r"fan_in=0 must be"),
        (lambda: theory.weight_variance("he_normal", 4, 2.5), r"fan_out=2.5 must be"),
        (
            lambda: theory.depth_below("relu", 1.0, 1.0),
            r"threshold=1.0 must be a number above 0 and below 1",
        ),
        (lambda: theory.depth_below("relu", -1.0, 0.5), r"sigma_w2=-1.0 must be"),
        (
            lambda: theory.depth_below("relu", 1.0, 0.5, deepest=2**40),
            r"deepest=1099511627776 must be a whole number of at least 1 and at most 100,000",
        ),
        (lambda: theory.fixed_point("relu", math.inf), r"sigma_w2=inf must be"),
        (lambda: theory.critical_gain("relu", 0.0), r"init_variance=0.0 must be"),
        (lambda: theory.dead_at_init(0, 3), r"width=0 must be"),
        (lambda: theory.dead_at_init(3, 0), r"hidden_layers=0 must be"),
        (lambda: theory.silent_fraction("relu", DEEP, 0), r"examples=0 must be"),
        (
            lambda: theory.silent_fraction("relu", DEEP, 9, input_correlation=1.0),
            r"input_correlation=1.0 must be",
        ),
    ],
)
def test_errors_name_the_argument_and_its_range(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
