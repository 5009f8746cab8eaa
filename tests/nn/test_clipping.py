"""Gradient clipping against PyTorch's and by hand, alone and with replicates."""

import numpy as np
import pytest

from gradlab.errors import ArgumentError
from gradlab.layerstack import LayerStack
from gradlab.nn import clipping

SHAPES = [(4, 3), (3, 3), (3, 3), (3, 2)]


def stacks(lead=(), scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for shapes in (SHAPES, [(1, columns) for _, columns in SHAPES]):
        shapes = [(*lead, *shape) for shape in shapes]
        size = sum(int(np.prod(shape)) for shape in shapes)
        made.append(LayerStack(shapes, "float64", scale * rng.normal(size=size)))
    return made


@pytest.mark.parametrize("most", [0.1, 3.0, 1e6])
def test_by_norm_agrees_with_pytorch(most):
    torch = pytest.importorskip("torch")
    gradients = stacks()
    tensors = [
        torch.zeros(array.shape, dtype=torch.float64) for stack in gradients for array in stack
    ]
    for tensor, array in zip(
        tensors, [array for stack in gradients for array in stack], strict=True
    ):
        tensor.grad = torch.tensor(array.copy())
    before = torch.nn.utils.clip_grad_norm_(tensors, most).item()
    after = clipping.create(f"norm:most={most}", None)(gradients)
    for tensor, array in zip(
        tensors, [array for stack in gradients for array in stack], strict=True
    ):
        np.testing.assert_allclose(array, tensor.grad.numpy(), rtol=1e-12)
    assert after == pytest.approx(min(before, most), rel=1e-5)


def test_each_replicate_is_clipped_by_its_own_norm():
    gradients = stacks((2,))
    for stack in gradients:
        for array in stack:
            array[1] *= 1e-6  # far below the limit
    small = [array[1].copy() for stack in gradients for array in stack]
    norms = clipping.create("norm:most=1", 2)(gradients)
    np.testing.assert_allclose(norms[0], 1, rtol=1e-5)
    for array, untouched in zip(
        [array for stack in gradients for array in stack], small, strict=True
    ):
        np.testing.assert_array_equal(array[1], untouched)


def test_by_value_keeps_every_entry_in_its_range():
    gradients = stacks(scale=10)
    wanted = [np.clip(stack.flat, -0.5, 0.5) for stack in gradients]
    norm = clipping.create("value:most=0.5", None)(gradients)
    for stack, expected in zip(gradients, wanted, strict=True):
        np.testing.assert_array_equal(stack.flat, expected)
    assert norm == pytest.approx(np.linalg.norm(np.concatenate(wanted)))


@pytest.mark.parametrize("text", ["norm:most=1", "value:most=1"])
def test_clipping_does_not_hide_nan(text):
    gradients = stacks()
    gradients[0][0][0, 0] = np.nan
    assert np.isnan(clipping.create(text, None)(gradients))
    assert np.isnan(gradients[0].flat).any()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("norm", "needs most, a number above 0"),
        ("norm:most=0", "most=0 must be a number above 0"),
        ("value:most=-1", "must be a number above 0"),
        ("norm:most=inf", "must be a number above 0"),
        ("rms:most=1", "clip='rms' is unknown"),
    ],
)
def test_a_limit_that_is_none_is_one_sentence(text, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        clipping.create(text, None)
