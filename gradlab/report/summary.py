"""`Summary`: what the sentences of a page need of one trained net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradlab.diagnosis import LEARNED, NOT_LEARNED, Diagnosis
from gradlab.report.wording import number
from gradlab.rules import Finding
from gradlab.rules.yardsticks import UNKNOWN

FIRST_LAYER, LAST_LAYER = "layer 1", "the last layer"
NOTHING = "no iteration"
# Where no constant guess is known to measure the loss by:
LOSS_FALLS, LOSS_STAYS, ENDS_IN_NAN = "loss falls", "loss does not fall", "ends in NaN"
UNKNOWN_STATUS = "does not show whether it learns"


@dataclass(frozen=True)
class Summary:
    """What the sentences need of one trained net.

    Attributes
    ----------
    name : str
    outcome : str
        As `gradlab.diagnosis.outcome` says.
    diagnosis : Diagnosis
    layers : int
    arrives : float
        log10 of the part of the last layer's gradient that reaches the first layer at iteration 0,
        or of the last block's that reaches the first block; NaN where it is not known.
    depth : int or None
        Where the net is one of a row of depths.
    losses : tuple of float
        First and last median loss over seeds, where neither a score nor a constant guess is known
        to measure them by; empty elsewhere.
    iterations : int
    silent : bool
        No loss was recorded.
    origin : mapping
        What is known of the operation that made the first NaN: iteration, operation, module.
    ends : sequence of str
        What the first and the last place are called between which `arrives` is measured.
    by_block : bool
        Whether they are blocks.
    """

    name: str
    outcome: str
    diagnosis: Diagnosis
    layers: int
    arrives: float
    depth: int | None = None
    losses: tuple[float, ...] = ()
    iterations: int = 1
    silent: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)
    ends: Sequence[str] = (FIRST_LAYER, LAST_LAYER)
    by_block: bool = False

    @property
    def root(self) -> Finding | None:
        """The worst finding that no other explains."""
        return self.diagnosis.faults[0] if self.diagnosis.faults else None

    @property
    def fine(self) -> bool:
        """Learned, and no error."""
        if not self.diagnosis.ok:
            return False
        if self.silent or self.outcome == UNKNOWN:
            return True
        return self.falls if self.losses else self.outcome == LEARNED

    @property
    def falls(self) -> bool:
        """Whether the loss ended below its start, by more than its scatter."""
        below = bool(self.losses) and self.losses[-1] < self.losses[0]
        return below and self.outcome != NOT_LEARNED

    @property
    def label(self) -> str:
        """The outcome in two words, as far as it can be told."""
        if not self.iterations:
            return NOTHING
        if self.silent:
            return UNKNOWN
        if not self.losses:
            return self.outcome
        if self.falls:
            return LOSS_FALLS
        return LOSS_STAYS if np.isfinite(self.losses[-1]) else ENDS_IN_NAN

    @property
    def status(self) -> str:
        """Say how it went, as a verb."""
        if not self.iterations:
            return "holds no iteration yet"
        if self.losses and not self.silent:
            return _by_its_loss(*self.losses, falls=self.falls)
        if self.silent or self.outcome == UNKNOWN:
            return UNKNOWN_STATUS
        if self.outcome == NOT_LEARNED:
            return "does not learn"
        if self.outcome != LEARNED:
            return "learns slowly"
        return "learns" if self.diagnosis.ok or self.root is None else "learns with errors"


def _by_its_loss(first: float, last: float, *, falls: bool) -> str:
    """Word what became of a loss that nothing is known to measure by."""
    if not np.isfinite(last):
        return ENDS_IN_NAN
    if falls:
        return f"lowers its loss from {number(first)} to {number(last)}"
    return f"does not lower its loss (from {number(first)} to {number(last)})"
