"""A model in shards is run again by all of its processes, or by none.

Each has to take part in gathering the weights, forward and backward: one that goes alone waits for
the others for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from gradlab.adapters.torch.origin import derivative
from gradlab.adapters.torch.sharding import reshard

APART = "the model lies in shards, and its processes have not all come to run its backward pass"


class Together:
    """Lets processes go backward together, once.

    Parameters
    ----------
    gathered : callable, optional
        Returns the value of every process of those that hold the shards, None where that is not
        known; without it, all parameters lie in this process.

    Attributes
    ----------
    trouble : str
        Why nothing is known of the backward pass, if that is so.
    """

    def __init__(self, gathered: Callable[[Any], list[Any]] | None = None):
        self._gathered, self._asked, self.trouble = gathered, False, ""

    @property
    def alone(self) -> bool:
        """Whether the whole model lies in this process."""
        return self._gathered is None

    def go(self, outputs: Sequence[int], wanted: bool) -> bool:
        """Whether to go backward from these outputs, by number.

        In shards: where all processes can go from the same ones, and any wants to.
        """
        if self._gathered is None:
            return wanted
        self._asked = True
        mine = tuple(outputs)
        said = self._gathered((mine, wanted))
        if None in said:
            self.trouble = APART
            return False
        alike = all(theirs == mine for theirs, _ in said)
        return bool(mine) and alike and any(wants for _, wants in said)

    def part(self, model: nn.Module) -> None:
        """Tell the others, unless they know, that this process cannot go; keep shards alone."""
        if not self._asked:
            self.go((), False)
        if not self.alone:
            reshard(model)  # or the next forward pass would compute with these weights

    def leaves(self, model: nn.Module, ends: Sequence[Tensor]) -> list[Tensor]:
        """Return what the gradient is taken by: the parameters, of shards those gathered."""
        if self.alone:
            return [each for each in model.parameters() if each.requires_grad]
        return derivative.leaves_below([each.grad_fn for each in ends])
