"""Whether a gradient was emptied between two steps: by the tensor itself, not by its size."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor


class Leftovers:
    """Counts the steps whose gradient still holds that of the step before.

    PyTorch counts how often a tensor is written to. `zero_grad()` gives a parameter a new gradient,
    or writes zeros into the old one before a backward pass writes into it once more. A gradient
    that is the same tensor as at the last step, and was written to by one backward pass and nothing
    else (clipping apart), was never emptied.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]):
        self._optimizers = optimizers
        self._left: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self.steps = self.stale = 0

    def before_step(self, number: int, *, clipped: bool) -> bool:
        """Whether an optimizer's first gradient is still the one that its last step left."""
        gradient = self.first_gradient(number)
        left = self._left.pop(number, None)
        if gradient is None or left is None:
            return False
        self.steps += 1
        before, version = left
        written = gradient._version - version
        stale = before() is gradient and written == 1 + int(clipped)
        self.stale += int(stale)
        return stale

    def after_step(self, number: int) -> None:
        """Remember the gradient that a step leaves behind."""
        gradient = self.first_gradient(number)
        if gradient is not None:
            self._left[number] = weakref.ref(gradient), gradient._version

    def first_gradient(self, number: int) -> Tensor | None:
        """Return the gradient of an optimizer's first parameter that has a dense one."""
        for group in self._optimizers[number].param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and not parameter.grad.is_sparse:
                    return parameter.grad
        return None
