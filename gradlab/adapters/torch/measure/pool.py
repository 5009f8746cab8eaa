"""Small batches say little of single units: those of several iterations are looked at together."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from torch import Tensor

FEW = 4  # rows of a batch that say nothing by themselves: silent on all of them is no death
ENOUGH = 16  # rows that are looked at together before anything is said
KEPT = 32  # rows that are looked at together at most


class Pool:
    """Which units of one layer have had a slope on the newest rows."""

    def __init__(self):
        self._newest: deque[tuple[int, Any]] = deque()

    def together(self, alive: np.ndarray | Tensor, rows: int) -> np.ndarray | Tensor | None:
        """Return which units (units,) have had a slope on any of the newest rows.

        None while these are not enough.

        Parameters
        ----------
        alive : ndarray or Tensor of bool (units,)
            Whether each unit has a slope on any of the batch's rows.
        rows : int
            How many these are.
        """
        self._newest.append((rows, alive))
        while sum(count for count, _ in self._newest) - self._newest[0][0] >= KEPT:
            self._newest.popleft()
        if sum(count for count, _ in self._newest) < ENOUGH:
            return None
        for _, each in self._newest:
            if each.shape != alive.shape:
                return None  # lengths that differ from batch to batch
            alive = alive | each
        return alive


def share_of_dead(alive: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return the share of units without a slope on any row, (k,), of (k, units)."""
    if isinstance(alive, Tensor):
        return 1 - alive.double().mean(dim=1)
    return 1 - alive.mean(axis=1)
