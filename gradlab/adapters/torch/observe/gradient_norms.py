"""Squared norms of gradients, taken at nodes of autograd's graph while it goes by."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.measure.arrays import array_of, norms
from gradlab.adapters.torch.observe.hooks import Guard


class GradientNorms:
    """The squared norms of the gradients of what some nodes have computed.

    Parameters
    ----------
    nodes : iterable
        Where they are taken, until `close`.
    guard : Guard
        Keeps faults out of `backward`.
    """

    def __init__(self, nodes: Iterable[Any], guard: Guard):
        self._squares: dict[Any, list[Tensor | None]] = {}
        self._handles = [node.register_prehook(guard(partial(self._take, node))) for node in nodes]

    def close(self) -> None:
        """Take no more."""
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def _take(self, node: Any, gradients: tuple[Any, ...]) -> None:
        self._squares[node] = [
            _square(each.detach()) if type(each) is Tensor else None for each in gradients
        ]

    def of(self, node: Any, output: int | None = None) -> Tensor | None:
        """Return that of one output of a node, or of all; None where no gradient came."""
        of_outputs = self._squares.get(node)
        if of_outputs is None:
            return None
        if output is not None:
            return of_outputs[output]
        known = [each for each in of_outputs if each is not None]
        return added(known) if known else None

    def total(self, places: Iterable[tuple[Any, int | None]]) -> Tensor:
        """Return the sum over places, each a node and one of its outputs (None: all of them)."""
        return added(self.of(*place) for place in places)


def _square(gradient: Tensor) -> Tensor:
    """Return ||gradient||^2 as a tensor (), float64."""
    if gradient.device.type != "cpu" or not gradient.is_contiguous():
        return torch.linalg.vector_norm(gradient, dtype=torch.float64).square()
    return torch.from_numpy(norms(array_of(gradient).reshape(1, -1)) ** 2)[0]


def added(values: Iterable[Tensor | None]) -> Tensor:
    """Add up what is known, on the device of the first."""
    known = [each for each in values if each is not None]
    if not known:
        return torch.zeros((), dtype=torch.float64)
    return sum((each.to(known[0].device) for each in known[1:]), known[0])


def ratio(below: Tensor, above: Tensor) -> Tensor:
    """Return the ratio of two norms from their squares."""
    return (below / above.to(below.device)).sqrt()
