"""The norms of gradients, taken once an iteration: before they are clipped, and after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from gradlab.adapters.torch.iteration import Iteration
from gradlab.adapters.torch.ledger import Ledger, Slot
from gradlab.adapters.torch.measure.parameters import Norms, Parameters

Array = np.ndarray


class Gradients:
    """Takes the norms of the gradients of what optimizers train."""

    def __init__(self, parameters: Parameters, ledger: Ledger):
        self._parameters, self._ledger = parameters, ledger
        # The places of the last norms, where in the ledger they go, and what they are as a set.
        self._known: tuple[Array, Slot, set[int]] | None = None

    def take(self, iteration: Iteration, numbers: Sequence[int]) -> Norms:
        """Take the norms of gradients that an optimizer is about to use, and return them."""
        found = self._parameters.gradients(numbers)
        for places, norms in found:
            if iteration.clipped:
                clipped = np.flatnonzero(np.isin(places, list(iteration.clipped)))
                self._put(iteration, "after_norm", places[clipped], norms[clipped])
            self._keep(iteration, places, norms)
        return found

    def before_clipping(self, iteration: Iteration, parameters: Sequence[Tensor]) -> None:
        """Take the norms of gradients before they are clipped.

        Clipped twice in a row, the first time counts; a gradient that has come since is new.
        """
        number_of, left = self._parameters.number_of, iteration.left_by_clipping
        numbers = [
            n for p in parameters if (n := number_of(p)) is not None and left.get(n) != state_of(p)
        ]
        iteration.taken.difference_update(numbers)
        for places, norms in self._parameters.gradients(numbers):
            self._keep(iteration, places, norms)
        iteration.clipped.update(numbers)
        if numbers and iteration.costly:
            self._parameters.keep_gradients(numbers)

    def after_clipping(self, iteration: Iteration, parameters: Sequence[Tensor]) -> None:
        """Know gradients as they were clipped again."""
        number_of = self._parameters.number_of
        iteration.left_by_clipping |= {
            n: state_of(p) for p in parameters if (n := number_of(p)) is not None
        }

    def were_dropped(self, iteration: Iteration) -> bool:
        """Whether gradients were clipped, and then thrown away: the user did not like them."""
        left, every = iteration.left_by_clipping, self._parameters.all
        return bool(left) and not iteration.stepped and all(every[n].grad is None for n in left)

    def _keep(self, iteration: Iteration, places: Array, norms: Array | Tensor) -> None:
        """Keep norms, but of the gradients that were taken in this iteration already."""
        if iteration.taken:
            fresh = np.flatnonzero(~np.isin(places, list(iteration.taken)))
            places, norms = places[fresh], norms[fresh]
        if not len(places):
            return
        if self._known is None or self._known[0] is not places:
            slot = self._ledger.tables["parameters"].slot(("grad_norm",), places)
            self._known = places, slot, set(places.tolist())
        _, slot, numbers = self._known
        self._ledger.put_at(iteration.number, slot, norms)
        iteration.taken |= numbers

    def _put(self, iteration: Iteration, name: str, places: Array, norms: Array | Tensor) -> None:
        self._ledger.put(iteration.number, "parameters", (name,), places, norms)


def state_of(parameter: Tensor) -> tuple[int, int]:
    """Tell one gradient of a parameter from another.

    Which tensor it is, and how often it was written to.
    """
    gradient = parameter.grad
    return (0, 0) if gradient is None else (id(gradient), gradient._version)
