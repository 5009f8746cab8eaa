"""At the first gradient that is not finite, before it reaches the weights: where it came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from gradlab.adapters.torch.distributed import Ranks, reshard
from gradlab.adapters.torch.iteration import Iteration
from gradlab.adapters.torch.measure.parameters import Norms
from gradlab.adapters.torch.origin import trace

Array = np.ndarray


class Lookout:
    """Looks for the first NaN or infinity in the gradients, and finds the operation that made it.

    Parameters
    ----------
    model : nn.Module
    ranks : Ranks
    mode : str
        `on_nonfinite` of `watch`.
    on_cpu : bool
        Whether parameters lie in main memory: elsewhere, to look would synchronise in every step.

    Attributes
    ----------
    stops : bool
        Whether the training is to be stopped.
    found : bool
        Whether it has seen one, and looks no more.
    """

    def __init__(self, model: nn.Module, ranks: Ranks, mode: str, on_cpu: bool):
        self._model, self._ranks = model, ranks
        self.stops = mode == "stop"
        self._looks = self.stops or (mode == "trace" and on_cpu)
        self.found = False

    def remember(
        self, iteration: Iteration, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        """Keep a forward pass, to run it again if need be."""
        if self._looks and not self.found:
            iteration.calls.append(trace.Forward(self._model, arguments, keywords))

    def sees(self, norms: Norms) -> bool:
        """Whether these gradients are the first that are not finite."""
        if not self._looks or self.found:
            return False
        looked_at = [each for _, each in norms if self.stops or isinstance(each, np.ndarray)]
        # All processes look, or none does: one whose shards are all empty too.
        if looked_at or self._ranks.sharded:
            self.found = self._broken(looked_at)
        return self.found

    def _broken(self, norms: Sequence[Array | Tensor]) -> bool:
        broken = not all(math.isfinite(float(each.sum())) for each in norms)
        if self.stops or self._ranks.sharded:  # all see it in whole gradients, not in their shards
            return self._ranks.any(broken)
        return broken

    def origin(self, iteration: Iteration) -> trace.Origin | None:
        """Run the forward passes again and return where a number first was not finite."""
        # All of them: FSDP's processes go together.
        origins = [trace.of_forward(call) for call in iteration.calls]
        reshard(self._model)  # or the next forward pass would compute with these weights
        return next((origin for origin in origins if origin is not None), None)
