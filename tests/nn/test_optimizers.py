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
