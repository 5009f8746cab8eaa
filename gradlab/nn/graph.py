"""A function as a graph of small steps, and its derivative by the chain rule.

    x = variable("x", 1.2)
    f = add(mul(constant(2), sin(square(x))), sqrt(mul(constant(5), x)))
    f.value, f.derivative(x)

Every node knows its value and the derivative by each of its inputs. `derivative` goes once through
the graph, from the result back, and adds up at every node what comes back from all nodes that use
it: reverse-mode differentiation (Linnainmaa 1970), of which backpropagation is the case of a neural
network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a computation.

    Attributes
    ----------
    name : str
        The function, or the variable's or constant's name.
    value : ndarray
        Broadcast over whatever shape the variables have.
    inputs : tuple of Node
    locals : tuple of ndarray
        The derivative of `value` by the value of each input.
    """

    name: str
    value: Array
    inputs: tuple[Node, ...] = ()
    locals: tuple[Array, ...] = ()

    def nodes(self) -> list[Node]:
        """Return every node that this one depends on, each once.

        Inputs come before what uses them, and the node itself last.
        """
        found: dict[Node, None] = {}

        def visit(node: Node) -> None:
            if node not in found:
                for each in node.inputs:
                    visit(each)
                found[node] = None

        visit(self)
        return list(found)

    def derivatives(self) -> dict[Node, Array]:
        """Return d(self)/d(node) for every node, by one pass back through the graph."""
        order = self.nodes()
        total = {node: np.zeros_like(self.value) for node in order}
        total[self] = np.ones_like(self.value)
        for node in reversed(order):
            for each, local in zip(node.inputs, node.locals, strict=True):
                # The chain rule, summed over all uses.
                total[each] = total[each] + total[node] * local
        return total

    def derivative(self, by: Node) -> Array:
        """Return d(self)/d(by); 0 where `self` does not depend on it."""
        return self.derivatives().get(by, np.zeros_like(self.value))


def variable(name: str, value: float | Sequence[float] | Array) -> Node:
    """Return an input of the computation: a number, or an array of several at once."""
    array = np.asarray(value, np.float64)
    if not np.isfinite(array).all():
        raise ArgumentError(
            f"variable {name!r} must be finite numbers, but holds "
            f"{array[~np.isfinite(array)].flat[0]}"
        )
    return Node(name, array)


def constant(value: float) -> Node:
    """Return a number that never changes."""
    return Node(f"{value:g}", np.asarray(float(value)))


def add(a: Node, b: Node) -> Node:
    """a + b; both derivatives are 1."""
    return Node("add", a.value + b.value, (a, b), (np.ones_like(a.value), np.ones_like(b.value)))


def mul(a: Node, b: Node) -> Node:
    """a b; the derivative by one is the other."""
    return Node("mul", a.value * b.value, (a, b), (b.value, a.value))


def square(a: Node) -> Node:
    """a^2; derivative 2 a."""
    return _unary("square", a, np.square, lambda x, _: 2 * x)


def sin(a: Node) -> Node:
    """Sine of a; derivative cos a."""
    return _unary("sin", a, np.sin, lambda x, _: np.cos(x))


def sqrt(a: Node) -> Node:
    """Root of a; derivative 1 / (2 sqrt(a)), infinite at 0.

    Raises
    ------
    ArgumentError
        A value below 0.
    """
    below = a.value < 0
    if below.any():
        raise ArgumentError(
            f"sqrt has no value for {np.atleast_1d(a.value)[np.atleast_1d(below)][0]:g}; it needs "
            "0 or more"
        )
    with np.errstate(divide="ignore"):
        return _unary("sqrt", a, np.sqrt, lambda _, root: 0.5 / root)


def _unary(name: str, a: Node, function: Callable, slope: Callable) -> Node:
    value = np.asarray(function(a.value))
    return Node(name, value, (a,), (np.asarray(slope(a.value, value)),))
