"""What an observer is: hooks that hang while an iteration is measured in full."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Hangs hooks for one iteration, and puts what it has seen into the ledger.

    The calls come in this order: `attach`, `begin_pass` for each forward pass, `before_step` for
    each optimizer, `measure` once or several times (after a micro-batch and at the end), then
    `forget`; `settle` once, before the first optimizer's step; `detach` whenever the hooks are to
    go.
    """

    def attach(self, iteration: int) -> None:
        """Hang the hooks for an iteration; those that hang there from the last one may stay."""
        ...

    def begin_pass(self) -> None:
        """Know that another forward pass begins."""
        ...

    def before_step(self) -> None:
        """Know that an optimizer is about to step: gradients are whole, weights as before."""
        ...

    def settle(self) -> None:
        """Fix what the first iteration has shown, and make the ledger's tables that need it."""
        ...

    def measure(self) -> None:
        """Put what was seen into the ledger."""
        ...

    def forget(self) -> None:
        """Forget what was not measured: the iteration is over, or begins anew."""
        ...

    def detach(self) -> None:
        """Take all hooks away, and forget."""
        ...
