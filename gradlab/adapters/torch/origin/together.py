"""A model in shards is run again by all of its processes, or by none.

Each has to take part in gathering the weights, forward and backward: one that goes alone waits for
the others for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gradlab.adapters.torch.distributed import Ranks
from gradlab.adapters.torch.origin import derivative

APART = "the model lies in shards, and its processes have not all come to run its backward pass"


class Together:
    """Lets processes go backward together, once.

    Parameters
    ----------
    ranks : Ranks or None
        Those among which the parameters lie in shards; None where all of them lie here.

    Attributes
    ----------
    trouble : str
        Why nothing is known of the backward pass, if that is so.
    """

    def __init__(self, ranks: Ranks | None):
        self._ranks, self._asked, self.trouble = ranks, False, ""

    @property
    def alone(self) -> bool:
        """Whether the whole model lies in this process."""
        return self._ranks is None

    def go(self, outputs: Sequence[int], wanted: bool) -> bool:
        """Whether to go backward from these outputs, by number.

        In shards: where all processes can go from the same ones, and any wants to.
        """
        if self._ranks is None:
            return wanted
        self._asked = True
        said = self._ranks.gathered((tuple(outputs), wanted))
        if self._ranks.size > 1 and self._ranks.apart:
            self.trouble = APART
            return False
        alike = all(each is not None and each[0] == tuple(outputs) for each in said)
        if alike and outputs:
            return any(each[1] for each in said)
        return False

    def stay_out(self) -> None:
        """Tell the others, unless they know, that this process cannot go."""
        if not self._asked:
            self.go((), False)

    def leaves(self, model: nn.Module, ends: Sequence[Tensor]) -> list[Tensor]:
        """Return what the gradient is taken by: the parameters, of shards those gathered."""
        if self._ranks is None:
            return [each for each in model.parameters() if each.requires_grad]
        return derivative.leaves_below([each.grad_fn for each in ends])
