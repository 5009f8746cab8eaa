"""Theory of norms, skip connections and dropout against the engine, and closed forms."""

import math

import numpy as np
import pytest

import gradlab
from gradlab import theory
from gradlab.errors import ArgumentError

WIDTH, SEEDS = 64, 40


def measured(activation, init, depth, *, q=1.0, batch=128, **block):
    """ln ||delta_l|| / ||delta_L|| and ln rms of h by layer, over 40 seeds."""
    rng = np.random.default_rng(5)
    x = math.sqrt(q) * rng.normal(size=(batch + 8, WIDTH))
    data = gradlab.datasets.Data(
        "normal", x[:batch], rng.integers(0, 10, batch), x[batch:], rng.integers(0, 10, 8)
    )
    model = gradlab.MLP(
        [WIDTH] + [WIDTH] * depth + [10],
        activation,
        init=init,
        replicates=SEEDS,
        dtype="float64",
        **block,
    )
    run = gradlab.train(model, data, iterations=1, batch_size=batch, learning_rate=1e-9)
    return np.log(run["delta_norm"][0] / run["delta_norm"][0][:, -1:]), np.log(
        run["activation_rms"][0]
    )


CASES = [
    ("relu", "he_normal", 10, {"norm": "layer"}),
    ("tanh", "glorot_normal", 10, {"norm": "layer"}),
    ("relu", "he_normal", 10, {"norm": "batch"}),
    ("relu", "he_normal", 15, {"residual": 0.3}),
    ("tanh", "glorot_normal", 12, {"residual": 0.5}),
    ("sigmoid", "glorot_normal", 10, {"residual": 1.0}),
    ("relu", "he_normal", 8, {"dropout": 0.2}),
    ("relu", "he_normal", 10, {"norm": "layer", "residual": 0.5}),
    ("tanh", "glorot_normal", 10, {}),
    ("relu", "he_normal", 10, {}),
    ("sigmoid", "glorot_normal", 10, {}),
    ("selu", "lecun_normal", 10, {}),
]


@pytest.mark.parametrize(
    ("activation", "init", "depth", "block"), CASES, ids=lambda value: str(value)
)
def test_measured_at_initialization_lies_where_theory_says(activation, init, depth, block):
    ratio, rms = measured(activation, init, depth, **block)
    found = theory.predict([WIDTH] * (depth + 1) + [10], activation, init, **block)
    # The batch's mean lies between the single example's and the wide limit; a tenth of a decade
    # more for 1/n.
    low = np.minimum(found.lower, found.log_delta_ratio) - 0.23
    high = np.maximum(found.upper, found.log_delta_ratio) + 0.23
    mean = ratio.mean(axis=0)
    assert ((mean >= low) & (mean <= high)).all(), (mean - found.log_delta_ratio).round(2)
    np.testing.assert_allclose(rms.mean(axis=0)[:-1], np.log(found.activation_rms[:-1]), atol=0.2)


def test_batch_norm_explodes_by_pi_over_pi_minus_one():
    """Yang et al. 2019: relu nets' squared gradient grows by pi / (pi - 1) = 1.4669 a layer."""
    for gain in (1.0, 3.0):
        found = theory.predict([64] * 12 + [10], "relu", "he_normal", gain, norm="batch")
        np.testing.assert_allclose(found.chi[1:-2], math.pi / (math.pi - 1), rtol=1e-4)


def test_layer_norm_is_a_quotient_of_expectations_and_no_gain_matters():
    found = theory.predict([64] * 12 + [10], "tanh", "glorot_normal", 2.0, norm="layer")
    z = np.random.default_rng(0).normal(size=4_000_000)
    quotient = np.mean((1 - np.tanh(z) ** 2) ** 2) / np.mean(np.tanh(z) ** 2)
    np.testing.assert_allclose(found.chi[1:-2], quotient, rtol=2e-3)
    np.testing.assert_allclose(
        found.chi[1:-2],
        theory.predict([64] * 12 + [10], "tanh", "glorot_normal", norm="layer").chi[1:-2],
        rtol=1e-4,
    )


def test_a_skip_multiplies_by_one_plus_the_branch_squared():
    """relu with He: each branch passes a^2 of the squared signal, and the skip all of it."""
    found = theory.predict([64] * 12 + [10], "relu", "he_normal", residual=0.4)
    np.testing.assert_allclose(found.chi[1:-2], 1 + 0.4**2, rtol=1e-9)


def test_the_terms_add_up_to_the_ratio():
    found = theory.predict(
        [64] * 8 + [10], "tanh", "glorot_normal", norm="batch", residual=0.5, dropout=0.1
    )
    total = (found.log_gain_weight + found.log_gain_slope + found.log_gain_block)[:-1]
    np.testing.assert_allclose(np.cumsum(total[::-1])[::-1], found.log_delta_ratio[:-1], atol=1e-12)


def test_deep_nets_neither_overflow_nor_underflow():
    found = theory.predict([64] * 2000 + [10], "relu", "he_normal", 2.0, residual=1.0)
    assert np.isfinite(found.log_delta_ratio).all()


@pytest.mark.parametrize("gain", [1e-50, 1e50])
@pytest.mark.parametrize("residual", [1e-50, 1e50, None])
@pytest.mark.parametrize("norm", ["layer", "batch", None])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_the_ends_of_every_range_neither_warn_nor_stop(activation, norm, residual, gain):
    options = {"norm": norm, "residual": residual, "dropout": 1 - 2**-53}
    found = theory.predict([8] * 8, activation, "he_normal", gain, **options)
    assert np.isfinite(found.log_delta_ratio).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"residual": 1e300}, r"residual=1e\+300 must be a number of .* at most 1e\+50"),
        ({"norm": "group"}, "norm='group'"),
        ({"residual": 0.0}, "residual=0.0 must be a number of at least 1e-50"),
        ({"dropout": 1.0}, "dropout=1.0 must be a number of at least 0 and below 1"),
        ({"norm": "layer", "bias_variance": 0.1}, "bias_variance=0.1 must be 0"),
        ({"norm": "batch", "input_correlation": 1.0}, "input_correlation=1.0"),
    ],
)
def test_options_out_of_range_are_one_sentence(options, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        theory.predict([8, 8, 2], "relu", "he_normal", **options)
