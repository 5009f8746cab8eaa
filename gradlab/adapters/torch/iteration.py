"""`Iteration`: what is known of the iteration at hand; a new one is made for each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gradlab.adapters.torch.origin.trace import Forward

CALLS_KEPT = 32  # of the forward passes, to look at again when a number is not finite


@dataclass
class Iteration:
    """One iteration, from the first forward pass to the last optimizer's step.

    Attributes
    ----------
    number : int
    costly : bool
        Whether weights, updates and modules are measured in it.
    stepped : set of int
        The optimizers that have stepped.
    taken, clipped : set of int
        The parameters whose gradients were measured, and were clipped since.
    left_by_clipping : dict of int to (int, int)
        By parameter: its gradient as the last clipping left it (`gradients.state_of`).
    joined : dict of int to list of int
        By optimizer: the parameters that it trains for the first time.
    ran_forward : bool
        Whether a forward pass has begun.
    follows_skip : bool
        Whether a step was skipped, and nothing has begun since.
    calls : deque of Forward
        The newest forward passes.
    """

    number: int
    costly: bool
    stepped: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    clipped: set[int] = field(default_factory=set)
    left_by_clipping: dict[int, tuple[int, int]] = field(default_factory=dict)
    joined: dict[int, list[int]] = field(default_factory=dict)
    ran_forward: bool = False
    follows_skip: bool = False
    calls: deque[Forward] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))

    def weighed(self, optimizer: int, numbers: list[int]) -> list[int]:
        """Return which of an optimizer's parameters have their update measured.

        All in a costly iteration; else those that it trains for the first time.
        """
        return numbers if self.costly else self.joined.get(optimizer, [])

    def forward_began(self) -> None:
        """Know that a forward pass begins: what is logged from now on belongs to this iteration."""
        self.ran_forward = True
        self.follows_skip = False

    def again(self) -> Iteration:
        """Return a fresh one of the same number: nothing was updated in this one."""
        return Iteration(self.number, self.costly)
