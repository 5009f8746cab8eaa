"""LayerStack: views over one buffer, equal neighbours side by side."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.layerstack import LayerStack, groups

SHAPES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=6)


@given(SHAPES)
def test_views_tile_the_buffer_in_order(shapes):
    stack = LayerStack(shapes, "float32")
    stack.flat[:] = np.arange(stack.flat.size)
    assert [array.shape for array in stack] == shapes
    joined = np.concatenate([array.ravel() for array in stack]) if shapes else np.empty(0)
    np.testing.assert_array_equal(joined, stack.flat)
    assert all(np.shares_memory(array, stack.flat) for array in stack)


@given(SHAPES)
def test_groups_cover_every_layer_once_and_are_maximal(shapes):
    stack = LayerStack(shapes, "float64")
    stack.flat[:] = np.arange(stack.flat.size)
    covered = [layer for layers, _ in stack.groups for layer in range(layers.start, layers.stop)]
    assert covered == list(range(len(shapes)))
    for layers, array in stack.groups:
        for number, view in zip(range(layers.start, layers.stop), array, strict=True):
            np.testing.assert_array_equal(view, stack[number])
    neighbours = [array.shape[1:] for _, array in stack.groups]
    assert all(one != other for one, other in itertools.pairwise(neighbours))


def test_a_given_buffer_is_used_and_must_fit():
    buffer = np.zeros(7)
    stack = LayerStack([(2, 2), (1, 3)], "float64", buffer)
    stack[1][...] = 5
    np.testing.assert_array_equal(buffer, [0, 0, 0, 0, 5, 5, 5])
    with pytest.raises(ValueError, match="reshape"):
        LayerStack([(2, 2), (2, 2)], "float64", buffer)


def test_a_plain_list_makes_one_group_a_layer():
    arrays = [np.zeros((2, 2)), np.ones((2, 2))]
    found = groups(arrays)
    assert [layers for layers, _ in found] == [slice(0, 1), slice(1, 2)]
    assert [array.shape for _, array in found] == [(1, 2, 2), (1, 2, 2)]
