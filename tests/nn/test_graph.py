"""The computation graph: against closed forms, PyTorch, and by counting visits."""

import numpy as np
import pytest

from gradlab.errors import ArgumentError
from gradlab.nn.graph import add, constant, mul, sin, sqrt, square, variable


def course(x):
    return add(mul(constant(2), sin(square(x))), sqrt(mul(constant(5), x)))


def test_the_courses_function_and_its_derivative():
    x = variable("x", np.linspace(0.01, 4, 50))
    f = course(x)
    np.testing.assert_allclose(f.value, 2 * np.sin(x.value**2) + np.sqrt(5 * x.value), rtol=1e-14)
    exact = 4 * x.value * np.cos(x.value**2) + 2.5 / np.sqrt(5 * x.value)
    np.testing.assert_allclose(f.derivative(x), exact, rtol=1e-12)


def test_what_is_used_twice_is_visited_once_and_added_up():
    x = variable("x", 3.0)
    a = square(x)
    f = add(mul(a, a), mul(a, x))  # x^4 + x^3
    assert len(f.nodes()) == 5
    assert f.derivative(x) == 4 * 27 + 3 * 9
    assert f.derivative(a) == 2 * 9 + 3


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).uniform(0.1, 3, 20)
    theirs = torch.tensor(values, requires_grad=True)
    (torch.sqrt(theirs**2 + 5 * theirs) * torch.sin(theirs)).sum().backward()
    x = variable("x", values)
    f = mul(sqrt(add(square(x), mul(constant(5), x))), sin(x))
    np.testing.assert_allclose(f.derivative(x), theirs.grad.numpy(), rtol=1e-12)


def test_what_it_does_not_depend_on_has_derivative_0():
    assert square(variable("x", 2.0)).derivative(variable("y", 1.0)) == 0


def test_the_root_at_its_end_and_beyond():
    x = variable("x", 0.0)
    assert sqrt(x).value == 0
    assert np.isinf(sqrt(x).derivative(x))
    with pytest.raises(ArgumentError, match=r"sqrt has no value for -0\.5"):
        sqrt(variable("x", [1.0, -0.5]))


def test_a_variable_must_be_a_number():
    with pytest.raises(ArgumentError, match="variable 'x' must be finite numbers, but holds nan"):
        variable("x", [1.0, np.nan])
