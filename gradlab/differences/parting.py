"""`Parting`: where a statistic of two runs first differs beyond rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.differences.compared import MEANINGS, START, Kind
from gradlab.statistics import get


@dataclass(frozen=True)
class Parting:
    """Where one statistic of two runs first differs beyond rounding.

    Attributes
    ----------
    statistic, kind : str
        As in `gradlab.statistics`.
    phase : str
        Of the iteration: "weights", "data", "forward", "loss", "backward", "clipping", "update" or
        "held-out".
    iteration : (int, int)
        In each of the runs.
    replicate : int
        The first seed in which it does.
    place : str
        The path of the layer, or the block's name; "" for the whole net.
    layers : (int, int) or None
        The layer's number in each run.
    values : (float, float)
    difference : float
        Relative to the larger of the two; infinite where one alone is finite.
    limit : float
        Up to which it would have counted as rounding.
    gradual : bool
        Whether it may have grown out of rounding, which training amplifies: it is not there at
        first, and at most sqrt(epsilon) when it shows.
    """

    statistic: str
    kind: Kind
    phase: str
    iteration: tuple[int, int]
    replicate: int
    place: str
    layers: tuple[int, int] | None
    values: tuple[float, float]
    difference: float
    limit: float
    gradual: bool

    @property
    def label(self) -> str:
        """How reports call the statistic."""
        return get(self.statistic, self.kind).title

    @property
    def meaning(self) -> str:
        """What it means that the records part here, in one sentence."""
        if self.gradual:
            return "it may have grown out of rounding, which training amplifies until it shows"
        if self.phase == "weights" and self.iteration == (0, 0):
            return START
        return MEANINGS[self.phase]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; NaN and infinity as words."""
        return {
            "statistic": self.statistic,
            "kind": self.kind,
            "phase": self.phase,
            "iteration": list(self.iteration),
            "seed": self.replicate,
            "place": self.place,
            "layers": None if self.layers is None else list(self.layers),
            "values": [_plain(value) for value in self.values],
            "difference": _plain(self.difference),
            "limit": _plain(self.limit),
            "gradual": self.gradual,
            "meaning": self.meaning,
        }


def _plain(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)
