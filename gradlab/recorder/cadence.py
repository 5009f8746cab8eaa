"""At which iterations the costly statistics are taken."""

from __future__ import annotations

from dataclasses import dataclass

from gradlab.statistics import COSTLY_EVERY, COSTLY_FIRST


@dataclass(frozen=True)
class Cadence:
    """Iterations 0 to 9, then every 10th; or every so many from the first on.

    Attributes
    ----------
    every : int, optional
        How many iterations lie between two that are taken; None for the usual ones.
    """

    every: int | None = None

    def is_costly(self, iteration: int) -> bool:
        """Whether the costly statistics are taken at an iteration, counted from 0."""
        if self.every is not None:
            return iteration % self.every == 0
        return iteration < COSTLY_FIRST or iteration % COSTLY_EVERY == 0
