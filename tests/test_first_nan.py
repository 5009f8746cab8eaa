"""The origin of the first NaN with the built-in engine, and in a loop of one's own."""

import numpy as np
import pytest

import gradlab
from gradlab import Recorder


def overflowing(seeds=None):
    model = gradlab.MLP([64, *[32] * 12, 10], "relu", init="he_normal", gain=20.0, replicates=seeds)
    data = gradlab.datasets.digits()
    with np.errstate(all="ignore"):
        return gradlab.train(model, data, iterations=12, learning_rate=1.0)


def record(**changes):
    """One iteration of a net of two layers and four examples, with some tensors changed."""
    rng = np.random.default_rng(0)
    x, w1, w2 = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=(5, 2))
    z1 = x @ w1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ w2
    d2 = z2 / 4
    d1 = (d2 @ w2.T) * (z1 > 0)
    tensors = {
        "batch": x, "weights": [w1, w2], "preactivations": [z1, z2], "activations": [h1, z2],
        "deltas": [d1, d2], "gradients": [x.T @ d1, h1.T @ d2], "weights_after": [w1, w2],
    }  # fmt: skip
    for name, (layer, index, value) in changes.items():
        target = tensors[name] if layer is None else tensors[name][layer]
        target = target.copy()
        target[index] = value
        if layer is None:
            tensors[name] = target
        else:
            tensors[name] = [target if n == layer else each for n, each in enumerate(tensors[name])]
    layers = [
        {"name": "first", "fan_in": 3, "fan_out": 5, "activation": "relu"},
        {"name": "second", "fan_in": 5, "fan_out": 2, "activation": "identity"},
    ]
    recorder = Recorder(layers)
    recorder.record(loss=1.0, learning_rate=0.1, **tensors)
    return recorder.close()


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "phase", "operation", "layer", "index"),
    [
        (
            {"batch": (None, (2, 1), NAN), "preactivations": (0, 2, NAN)},
            "forward",
            "input",
            "",
            [2, 1],
        ),
        ({"preactivations": (0, (3, 4), INFINITY)}, "forward", "matmul", "first", [3, 4]),
        (
            {"activations": (0, (1, 2), INFINITY), "preactivations": (1, 1, NAN)},
            "forward",
            "relu",
            "first",
            [1, 2],
        ),
        ({"preactivations": (1, (0, 1), NAN)}, "forward", "matmul", "second", [0, 1]),
        ({"deltas": (1, (2, 0), NAN)}, "backward", "loss", "second", [2, 0]),
        ({"deltas": (0, (1, 3), INFINITY)}, "backward", "matmul", "first", [1, 3]),
        ({"gradients": (1, (4, 1), INFINITY)}, "backward", "matmul", "second", [4, 1]),
        ({"weights_after": (0, (2, 2), NAN)}, "update", "update", "first", [2, 2]),
    ],
)
def test_the_origin_is_named_by_layer_phase_operation_and_element(
    changes, phase, operation, layer, index
):
    origin = record(**changes).provenance["nonfinite_origin"]
    found = origin["phase"], origin["operation"], origin["module"], origin["index"]
    assert found == (phase, operation, layer, index)


def test_the_examples_at_fault_are_named():
    run = record(batch=(None, (2, 1), NAN), preactivations=(0, 2, NAN))
    assert run.provenance["nonfinite_origin"]["rows"] == [2]


def test_a_finite_iteration_has_no_origin():
    assert "nonfinite_origin" not in record().provenance


def test_the_engine_names_the_layer_that_overflowed():
    run = overflowing()
    origin = run.provenance["nonfinite_origin"]
    finding = gradlab.diagnose(run).findings[0]
    broken = [finding, *finding.consequences]
    (named,) = [each for each in broken if each.rule == "GL001"]
    assert named.iterations[0] == origin["iteration"]
    assert f"made by {origin['operation']} in module {origin['module']}" in named.message


def test_the_origin_is_that_of_one_seed():
    run = overflowing(seeds=2)
    origin = run.provenance["nonfinite_origin"]
    first = run.nonfinite.argmax(axis=0)
    assert origin["iteration"] == first[origin["replicate"]] == first.min()
