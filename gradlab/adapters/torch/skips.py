"""Steps that did not take place: gradients came, and were thrown away."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor


class Skips:
    """Counts them, and tells gradients that a loop empties without a step from those that add up.

    A loop that steps only where a condition holds logs a loss and empties the gradients all the
    same. `zero_grad()` gives a parameter a new gradient; accumulation writes into the old one.

    Parameters
    ----------
    first_gradient : callable
        Returns the gradient of an optimizer's first parameter that has one, by the optimizer's
        number.
    optimizers : int
        How many there are.
    """

    def __init__(self, first_gradient: Callable[[int], Tensor | None], optimizers: int):
        self._first, self._numbers = first_gradient, range(optimizers)
        self._left: dict[int, weakref.ref[Tensor]] = {}
        self._before: list[int] = []  # the iteration that each skipped step was to be
        self._thrown_away = 0

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self._before)

    def add(self, iteration: int, *, by_loop: bool = False) -> int:
        """Count a skipped step; return how many were skipped before this iteration's."""
        if not by_loop:  # a GradScaler's: counted here, not again at the next loss
            self._left.clear()
        self._before.append(iteration)
        self._thrown_away += by_loop
        return self._before.count(iteration)

    def facts(self) -> dict[str, Any]:
        """Return what the record is to hold: of those thrown away by the loop itself, how many."""
        facts: dict[str, Any] = {
            "count": self.count,
            "before_iterations": self._before[-100:],
        }
        return facts | ({"thrown_away": self._thrown_away} if self._thrown_away else {})

    def logged(self) -> bool:
        """Know that a loss is logged; return whether the last one's gradients were thrown away."""
        now = {number: self._first(number) for number in self._numbers}
        gone = any(
            before() is not now[number] and now[number] is not None
            for number, before in self._left.items()
        )
        self._left = {number: weakref.ref(each) for number, each in now.items() if each is not None}
        return gone

    def stepped(self) -> None:
        """Know that an optimizer has stepped: what follows is new."""
        self._left.clear()
