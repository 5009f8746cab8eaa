"""The residual stream of the built-in engine, against finite differences."""

import numpy as np
import pytest

import gradlab
from gradlab.report.pictures import stream


def by_finite_differences(model, x, y, layer, epsilon=1e-6):
    """dLoss/dx_l of a net without a norm, one entry after the other: x_l + d goes on from there."""
    sizes = model.sizes

    def loss(shift):
        stream = None
        h = x
        for k in range(len(sizes) - 2):
            z = h @ model.weights[k] + model.biases[k]
            scale = model.modifiers.residual if model.skips[k] else 1.0
            stream = scale * z + (stream if model.skips[k] else 0)
            stream = stream + shift if k == layer else stream
            h = np.tanh(stream)
        logits = h @ model.weights[-1] + model.biases[-1]
        logits = logits - logits.max(axis=1, keepdims=True)
        log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -log[np.arange(len(y)), y].mean()

    gradient = np.zeros((len(x), sizes[layer + 1]))
    for place in np.ndindex(gradient.shape):
        step = np.zeros_like(gradient)
        step[place] = epsilon
        gradient[place] = (loss(step) - loss(-step)) / (2 * epsilon)
    return gradient


def residual_run(**options):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)), rng.integers(0, 3, 12)
    data = gradlab.datasets.Data("mine", x[:8], y[:8], x[8:], y[8:])
    model = gradlab.MLP([5, 6, 6, 6, 3], "tanh", residual=0.5, dtype="float64", **options)
    start = [each.copy() for each in model.weights]
    run = gradlab.train(model, data, iterations=12, batch_size=8, learning_rate=0.1)
    return run, model, start, x[:8], y[:8]


def test_a_residual_net_has_a_block_for_each_layer_that_is_added():
    run, *_ = residual_run()
    assert run.blocks["block"].tolist() == ["hidden2", "hidden3"]
    assert run.blocks["layers"].tolist() == [[2], [3]]
    assert run.blocks["norm"].tolist() == ["none", "none"]
    assert residual_run(norm="layer")[0].blocks["norm"].tolist() == ["before", "before"]


def test_the_residual_stream_of_the_engine_is_that_of_finite_differences():
    run, model, start, x, y = residual_run()
    for weight, first in zip(model.weights, start, strict=True):
        weight[...] = first
    model.biases.flat.fill(0)
    g = [by_finite_differences(model, x, y, layer) for layer in range(3)]
    found = {
        name: run.block_statistic(name)[0, 0]
        for name in ("stream_grad_norm", "stream_log_gain", "branch_share", "branch_cosine")
    }
    lengths = [np.linalg.norm(each) for each in g]
    assert found["stream_grad_norm"] == pytest.approx(lengths[1:], rel=1e-6)
    assert np.exp(found["stream_log_gain"]) == pytest.approx(
        [lengths[0] / lengths[1], lengths[1] / lengths[2]], rel=1e-6
    )
    for block in range(2):
        skip, branch = g[block + 1], g[block] - g[block + 1]
        length = np.linalg.norm(branch)
        assert found["branch_share"][block] == pytest.approx(
            length / (length + np.linalg.norm(skip)), rel=1e-5
        )
        cosine = (skip * branch).sum() / (length * np.linalg.norm(skip))
        assert found["branch_cosine"][block] == pytest.approx(cosine, abs=1e-5)
    assert (run.block_statistic("skip_log_gain")[0] == 0).all()


def test_the_stream_is_recorded_with_the_costly_statistics():
    run, *_ = residual_run()
    recorded = np.isfinite(run.block_statistic("stream_rms")).all(axis=(1, 2))
    assert np.flatnonzero(recorded).tolist() == [*range(11), 11]


def test_each_seed_of_a_residual_net_has_its_own_stream():
    several, *_ = residual_run(replicates=3)
    second, *_ = residual_run(seed=1)
    for name in ("stream_rms", "stream_grad_norm", "branch_share"):
        expected = second.block_statistic(name)[:, 0]
        assert several.block_statistic(name)[:, 1] == pytest.approx(expected, rel=1e-9), name


def test_where_no_gradient_comes_back_the_stream_has_no_share_and_is_finite():
    """Weights of the last layer are 0, and so is the gradient in front of it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)), rng.integers(0, 3, 12)
    data = gradlab.datasets.Data("mine", x[:8], y[:8], x[8:], y[8:])
    model = gradlab.MLP([5, 6, 6, 6, 3], "tanh", residual=0.5, dtype="float64")
    model.weights[-1][...] = 0
    run = gradlab.train(model, data, iterations=1, batch_size=8, learning_rate=0.1)
    assert run.block_statistic("stream_grad_norm")[0].tolist() == [[0, 0]]
    for name in ("stream_log_gain", "branch_share", "branch_cosine"):
        recorded = run.block_signals[name].notna()
        assert not recorded.any(), name
    assert not run.nonfinite.any()


@pytest.mark.parametrize("norm", [None, "layer"])
def test_theory_lies_over_the_stream_of_a_residual_net(norm):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 64)), rng.integers(0, 3, 80)
    data = gradlab.datasets.Data("mine", x[:64], y[:64], x[64:], y[64:])
    model = gradlab.MLP(
        [64] * 14 + [3], "relu", init="he_normal", residual=0.5, norm=norm, replicates=8
    )
    run = gradlab.train(model, data, iterations=1, batch_size=64, learning_rate=1e-6)
    info = stream.collect(run, [0])
    for name in ("stream_rms", "stream_grad_norm"):
        ratio = info.moments[0][name].median / info.expected[name].median
        assert ratio == pytest.approx(np.ones(12), abs=0.1), name
