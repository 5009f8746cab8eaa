"""What is known of iterations that wait to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gradlab.recorder.square_sums import Sums

Array = np.ndarray
Operations = Sequence[tuple[str, Array]]  # name, and factor of each replicate (S,)


class Partial(NamedTuple):
    """Values, and where they are defined; elsewhere nothing was recorded."""

    values: Array
    defined: Array


def only_where(defined: Array, values: Array) -> Partial:
    """Record values only where they are defined, which a quotient by 0 or its logarithm is not."""
    return Partial(values, np.broadcast_to(defined, values.shape))


@dataclass
class LayerRow:
    """What was measured of the layers in one iteration.

    Attributes
    ----------
    statistics : dict of str to ndarray (S, L), or Partial
    sums : Sums, optional
        What norms and gains are made of, where all arrays lie side by side.
    backs, products : ndarray (S, L), optional
        ||u|| and ||u phi'||, which the log gains are made of.
    histogram : ndarray of int (S, L, bins), optional
    """

    statistics: dict[str, Array | Partial] = field(default_factory=dict)
    sums: Sums | None = None
    backs: Array | None = None
    products: Array | None = None
    histogram: Array | None = None

    def completed(self, other: LayerRow) -> LayerRow:
        """Return this row with what it lacks taken from another one."""
        return LayerRow(
            {**other.statistics, **self.statistics},
            self.sums,
            self.backs,
            self.products,
            other.histogram if self.histogram is None else self.histogram,
        )


@dataclass(frozen=True)
class Row:
    """One iteration.

    Attributes
    ----------
    layers : LayerRow
    step : dict of str to ndarray (S,)
        Columns of `steps`.
    phases : list
        For each replicate, where a number that is not finite appeared first; None where nowhere.
    block_signals : dict of str to masked array (S, B)
    output_stage : sequence of (str, ndarray (S,))
    followed, followed_after : ndarray (S, W), optional
        The weights that are followed, before and after the update.
    """

    layers: LayerRow
    step: Mapping[str, Array]
    phases: Sequence[str | None]
    block_signals: Mapping[str, Array] = field(default_factory=dict)
    output_stage: Operations = ()
    followed: Array | None = None
    followed_after: Array | None = None


@dataclass(frozen=True)
class Batch:
    """Many iterations of one net, measured elsewhere; arrays may be masked.

    Attributes
    ----------
    phases : sequence of (str or None), (T,)
    columns : mapping of str to ndarray (T, L)
    steps : mapping of str to ndarray (T,)
    followed : (ndarray (n,), ndarray (n, W)), optional
        Which iterations, from 0, the weights that are followed were read in, and their values.
    block_signals : mapping of str to ndarray (T, B)
    output_stage : mapping of int to sequence of (str, ndarray (1,))
        By iteration, from 0.
    histograms : (ndarray (n,), ndarray (n, L, bins)), optional
    """

    phases: Sequence[str | None]
    columns: Mapping[str, Array]
    steps: Mapping[str, Array]
    followed: tuple[Array, Array] | None = None
    block_signals: Mapping[str, Array] = field(default_factory=dict)
    output_stage: Mapping[int, Operations] = field(default_factory=dict)
    histograms: tuple[Array, Array] | None = None


def count_of(entry: Row | Batch) -> int:
    """Return how many iterations an entry holds."""
    return len(entry.phases) if isinstance(entry, Batch) else 1
