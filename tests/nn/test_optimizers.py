"""SGD and what may be asked of an optimizer."""

import math

import numpy as np
import pytest

from gradlab.errors import ArgumentError
from gradlab.nn import optimizers
from gradlab.nn.optimizers import CHUNK


def test_sgd_subtracts_the_rate_times_the_gradient_and_leaves_the_gradient_alone():
    parameters, gradients = np.array([1.0, 2.0]), np.array([10.0, -10.0])
    optimizers.create("sgd", 0.1).step(parameters, gradients)
    np.testing.assert_allclose(parameters, [0.0, 3.0])
    np.testing.assert_array_equal(gradients, [10.0, -10.0])


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1])
def test_sgd_reaches_every_parameter_of_a_large_net(size):
    gradients = np.arange(1.0, size + 1)
    parameters = np.zeros(size)
    optimizers.create("sgd", 0.5).step(parameters, gradients)
    np.testing.assert_array_equal(parameters, -0.5 * gradients)


@pytest.mark.parametrize("rate", [0.0, -0.1, math.nan, math.inf])
def test_a_rate_that_is_not_above_0_is_refused(rate):
    with pytest.raises(ArgumentError, match="learning_rate="):
        optimizers.create("sgd", rate)


def test_the_smallest_rate_above_0_is_taken():
    assert optimizers.create("sgd", 5e-324).learning_rate == 5e-324


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ArgumentError, match=r"optimizer='lion'.*sgd"):
        optimizers.create("lion", 0.1)


PAIRS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "momentum:momentum=0.5": ("SGD", {"momentum": 0.5}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop:decay=0.9:epsilon=1e-3": ("RMSprop", {"alpha": 0.9, "eps": 1e-3}),
    "adam": ("Adam", {}),
    "adam:beta1=0.5:beta2=0.9:epsilon=1e-4": ("Adam", {"betas": (0.5, 0.9), "eps": 1e-4}),
    "adamw": ("AdamW", {}),
    "adamw:weight_decay=0.3": ("AdamW", {"weight_decay": 0.3}),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-6)])
@pytest.mark.parametrize("text", PAIRS)
def test_a_hundred_steps_agree_with_pytorch(text, dtype, tolerance):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ours = rng.normal(size=50).astype(dtype)
    theirs = torch.tensor(ours.copy(), requires_grad=True)
    name, options = PAIRS[text]
    reference = getattr(torch.optim, name)([theirs], lr=0.01, **options)
    optimizer = optimizers.create(text, 0.01)
    for _ in range(100):
        gradients = (rng.normal(size=50) * rng.choice([1e-6, 1e-2, 1], 50)).astype(dtype)
        theirs.grad = torch.tensor(gradients.copy())
        reference.step()
        optimizer.step(ours, gradients)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("text", PAIRS)
def test_chunks_of_a_large_net_keep_their_state_apart(text):
    rng = np.random.default_rng(1)
    whole, part = optimizers.create(text, 0.1), optimizers.create(text, 0.1)
    large = rng.normal(size=CHUNK + 3)
    small = large[-5:].copy()
    for _ in range(3):
        gradients = rng.normal(size=CHUNK + 3)
        whole.step(large, gradients)
        part.step(small, gradients[-5:].copy())
    np.testing.assert_array_equal(large[-5:], small)


def test_second_moment_is_known_where_the_update_divides_by_its_root():
    gradients = np.array([3.0, -4.0])
    for text, expected in (("adam", [9, 16]), ("rmsprop:decay=0", [9, 16]), ("adagrad", [9, 16])):
        optimizer = optimizers.create(text, 0.1)
        optimizer.step(np.zeros(2), gradients)
        np.testing.assert_allclose(
            optimizer.second_moment * optimizer.second_moment_scale, expected
        )
    assert optimizers.create("momentum", 0.1).second_moment is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "adam:momentum=0.9",
            "has no hyperparameter 'momentum'; choose one of: beta1, beta2, epsilon",
        ),
        ("sgd:momentum=0.9", "has no hyperparameter 'momentum'; sgd has none"),
        ("momentum:momentum=1", "momentum=1 must be a number of at least 0 and below 1"),
        ("momentum:momentum=nan", "momentum=nan must be"),
        ("adam:epsilon=0", "epsilon=0 must be a number above 0"),
        ("adam:beta1", "beta1= must be"),
        ("adamw:weight_decay=-1", "weight_decay=-1 must be a number of at least 0"),
    ],
)
def test_a_hyperparameter_outside_its_range_is_one_sentence(text, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        optimizers.create(text, 0.1)


def test_the_end_of_a_range_is_taken():
    assert optimizers.describe("momentum:momentum=0") == ("momentum", {"momentum": 0.0})
    assert optimizers.describe("adamw:weight_decay=0")[1]["weight_decay"] == 0
