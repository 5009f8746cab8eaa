"""All observers of a training together: attached to the iterations that are measured in full."""

from __future__ import annotations

from collections.abc import Sequence

from gradlab.adapters.torch.observe.eager import Eager
from gradlab.adapters.torch.observe.observer import Observer


class Observers:
    """Tells every observer what happens; between measured iterations there is nothing to tell.

    Parameters
    ----------
    observers : sequence of Observer
    eager : Eager
        Runs a compiled model uncompiled while they see it.
    """

    def __init__(self, observers: Sequence[Observer], eager: Eager):
        self._all, self._eager = observers, eager
        self._attached = False

    def attach(self, iteration: int) -> None:
        """Have them see an iteration."""
        self._attached = True
        for observer in self._all:
            observer.attach(iteration)
        self._eager.enter()

    def detach(self) -> None:
        """Have them see no more."""
        if self._attached:
            self._attached = False
            for observer in self._all:
                observer.detach()
            self._eager.leave()

    def begin_pass(self, *, first: bool) -> None:
        """Tell that a forward pass begins; of the `first` iteration, in any case."""
        if self._attached or first:
            for observer in self._all:
                observer.begin_pass()

    def before_step(self) -> None:
        """Tell that an optimizer is about to step."""
        for observer in self._all:
            observer.before_step()

    def measure(self) -> None:
        """Have them measure what the iteration has shown so far."""
        for observer in self._all:
            observer.measure()

    def forget(self) -> None:
        """Tell that the iteration is over."""
        if self._attached:
            for observer in self._all:
                observer.forget()
