"""The engine's gradients against finite differences and against PyTorch."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradlab.activations import ACTIVATIONS
from gradlab.nn import losses
from gradlab.nn.initializers import INITIALIZERS
from gradlab.nn.mlp import MLP
from gradlab.nn.optimizers import SGD

KINKED = {"relu", "leaky_relu", "selu"}
STEP, KINK_MARGIN = 1e-6, 1e-4


@st.composite
def problems(draw):
    """A net with biases away from 0, a batch and its targets."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    loss = draw(st.sampled_from(["cross_entropy", "squared_error"]))
    if loss == "cross_entropy":
        sizes[-1] += 1
    model = MLP(
        sizes,
        activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
        init=draw(st.sampled_from(INITIALIZERS)),
        gain=draw(st.sampled_from([0.5, 1.0, 2.0])),
        seed=draw(st.integers(0, 100)),
        replicates=draw(st.none() | st.integers(1, 3)),
        dtype="float64",
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    model.biases.flat[:] = rng.normal(0, 0.5, model.biases.flat.size)
    work = model.workspace(draw(st.integers(1, 4)))
    work.batch[...] = rng.normal(size=work.batch.shape)
    lead = work.batch.shape[:-1]
    target = (
        rng.integers(0, sizes[-1], lead)
        if loss == "cross_entropy"
        else rng.normal(size=(*lead, sizes[-1]))
    )
    return model, work, losses.get(loss), target


def batch_loss(model, work, loss, target) -> np.ndarray:
    return loss.value(model.forward(work), target).mean(axis=-1)


def differentiate(model, work, loss, target) -> np.ndarray:
    loss.gradient(model.forward(work), target, work.deltas[-1])
    model.backward(work)
    return model.gradients.copy()


@settings(max_examples=60)
@given(problems())
def test_gradients_are_central_differences(problem):
    model, work, *_ = problem
    gradient = differentiate(*problem)
    hidden = work.preactivations[:-1] if model.activation.name in KINKED else []
    assume(all(np.abs(z).min() > KINK_MARGIN for z in hidden))
    difference = np.empty_like(gradient)
    for i, value in enumerate(model.parameters.copy()):
        model.parameters[i] = value + STEP
        above = batch_loss(
            *problem
        ).sum()  # a parameter of one replicate moves that replicate's loss alone
        model.parameters[i] = value - STEP
        difference[i] = (above - batch_loss(*problem).sum()) / (2 * STEP)
        model.parameters[i] = value
    scale = max(np.linalg.norm(gradient), np.linalg.norm(difference), 1e-3)
    assert np.linalg.norm(gradient - difference) <= 1e-6 * scale


def test_the_check_would_see_a_wrong_gradient():
    """A slope off by one part in 10^5 is beyond the limit of the test above."""
    model = MLP([3, 4, 2], activation="tanh", seed=1, dtype="float64")
    work, loss = model.workspace(4), losses.get("cross_entropy")
    work.batch[...] = np.random.default_rng(0).normal(size=(4, 3))
    target = np.array([0, 1, 1, 0])
    right = differentiate(model, work, loss, target)
    work.slopes.flat[:] *= 1 + 1e-5
    np.multiply(work.backs[0], work.slopes[0], out=work.deltas[0])
    wrong = work.inputs[0].T @ work.deltas[0]
    error = np.linalg.norm(wrong - model.weight_gradients[0]) / np.linalg.norm(right)
    assert error > 1e-6


def torch_activation(torch, name):
    functional = torch.nn.functional
    return {
        "identity": lambda z: z,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": functional.relu,
        "leaky_relu": functional.leaky_relu,
        "elu": functional.elu,
        "selu": functional.selu,
        "softplus": functional.softplus,
        "gelu": functional.gelu,
        "silu": functional.silu,
    }[name]


def torch_loss(torch, name, logits, target):
    target = torch.tensor(target)
    if name == "cross_entropy":
        return torch.nn.functional.cross_entropy(logits, target)
    return torch.nn.functional.mse_loss(logits, target.reshape(logits.shape))


@pytest.mark.parametrize("loss_name", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("replicates", [None, 2])
def test_loss_gradients_and_one_step_equal_pytorch(activation, loss_name, replicates):
    torch = pytest.importorskip("torch")
    model = MLP(
        [5, 7, 7, 6, 3],
        activation=activation,
        gain=1.5,
        seed=3,
        replicates=replicates,
        dtype="float64",
    )
    rng = np.random.default_rng(7)
    model.biases.flat[:] = rng.normal(0, 0.3, model.biases.flat.size)
    work, loss = model.workspace(8), losses.get(loss_name)
    work.batch[...] = rng.normal(size=work.batch.shape)
    lead = work.batch.shape[:-1]
    target = (
        rng.integers(0, 3, lead) if loss_name == "cross_entropy" else rng.normal(size=(*lead, 3))
    )
    before = [w.copy() for w in model.weights], [b.copy() for b in model.biases]
    value = batch_loss(model, work, loss, target)
    differentiate(model, work, loss, target)
    SGD(0.1).step(model.parameters, model.gradients)

    for k in range(replicates or 1):
        one = (lambda array: array) if replicates is None else (lambda array, k=k: array[k])
        weights, biases = (
            [torch.tensor(one(a), requires_grad=True) for a in part] for part in before
        )
        optimizer = torch.optim.SGD([*weights, *biases], lr=0.1)
        h = torch.tensor(one(work.batch))
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            h = torch_activation(torch, activation)(h @ w + b)
        expected = torch_loss(torch, loss_name, h @ weights[-1] + biases[-1], one(target))
        expected.backward()
        np.testing.assert_allclose(one(value), expected.item(), rtol=1e-12)
        for layer in range(len(weights)):
            for ours, theirs in (
                (model.weight_gradients, weights[layer].grad),
                (model.bias_gradients, biases[layer].grad),
            ):
                np.testing.assert_allclose(one(ours[layer]), theirs.numpy(), rtol=1e-11, atol=1e-13)
        optimizer.step()
        for layer in range(len(weights)):
            np.testing.assert_allclose(
                one(model.weights[layer]), weights[layer].detach().numpy(), rtol=0, atol=1e-14
            )
            np.testing.assert_allclose(
                one(model.biases[layer]), biases[layer].detach().numpy(), rtol=0, atol=1e-14
            )
