"""Which part of a run stands for all of it, where it is too large to be held in memory."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from gradlab.run import nonfinite
from gradlab.run.reader import Reader
from gradlab.run.row_groups import RowGroups
from gradlab.run.sources import FolderSource, GroupSource
from gradlab.run.tables import STATISTICS, frozen

Array = np.ndarray


class Sampling:
    """Looks at a run through the row groups of its file, without reading all of them.

    Parameters
    ----------
    reader : Reader
        Of the run, or of a part of it.
    whole : Sampling, optional
        Of the run that this is a part of.
    """

    def __init__(self, reader: Reader, whole: Sampling | None = None):
        self._reader, self._whole = reader, whole

    @functools.cached_property
    def row_groups(self) -> RowGroups | None:
        """The row groups of a closed run's file; None of a part, or where there is no file."""
        source = self._reader.source
        if self._whole is not None or not isinstance(source, FolderSource):
            return None
        return source.row_groups(self._reader.replicates * len(self._reader.layers))

    @property
    def is_long(self) -> bool:
        """Whether the run is too large to be held in memory whole; also of some of its layers."""
        if self._is_of_layers:
            return self._of_all.is_long
        return self.row_groups is not None and nonfinite.is_long(self._reader.shape)

    @functools.cached_property
    def nonfinite(self) -> Array:
        """Where an iteration of a replicate holds a NaN or infinity (T, S)."""
        groups = self._of_all.row_groups if self.is_long else None
        return frozen(nonfinite.find(self._reader, groups))

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The statistics that have at least one value."""
        known = STATISTICS if self._whole is None else self._whole.columns
        if self.row_groups is not None:
            return tuple(name for name in known if self.row_groups.holds(name))
        if self._whole is not None and (self.is_long or not self._is_of_layers):
            return tuple(known)
        return tuple(name for name in known if self._reader.column(name)[1].any())

    def usual(self) -> list[int] | None:
        """Return the row groups that stand for a long run; None where these are all there are."""
        groups = self._groups
        chosen = groups.choose(self._breaks())
        return None if len(chosen) == len(groups) else chosen

    def keeping(self, iterations: Sequence[int]) -> list[int]:
        """Return the same row groups, and those that hold these iterations."""
        return sorted({*self._groups.choose(self._breaks()), *self._groups.holding(iterations)})

    def between(self, first: int, stop: int) -> list[int]:
        """Return the row groups that hold the iterations `first` to `stop - 1` whole."""
        if first >= stop:
            return []
        begin, end = self._groups.holding([first, stop - 1])
        return list(range(begin, min(end + 2, len(self._groups))))  # one may end in the next group

    def source(self, chosen: list[int]) -> GroupSource:
        """Return the source of some row groups of a long run."""
        assert isinstance(self._reader.source, FolderSource)
        return GroupSource(self._reader.source, self._groups, chosen, self._reader.replicates)

    @property
    def _groups(self) -> RowGroups:
        assert self.row_groups is not None
        return self.row_groups

    @property
    def _is_of_layers(self) -> bool:
        return self._reader.whole is not None

    @property
    def _of_all(self) -> Sampling:
        """That of the run with all layers."""
        if self._is_of_layers and self._whole is not None:
            return self._whole
        return self

    def _breaks(self) -> list[int]:
        """The first iteration of each replicate that is not finite, and the one before."""
        first = self.nonfinite.argmax(axis=0)[self.nonfinite.any(axis=0)]
        return [*first.tolist(), *np.maximum(first - 1, 0).tolist()]
