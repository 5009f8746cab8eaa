"""Long runs in parts: the row groups of `signals.parquet`, and which of them are worth reading.

A row group holds whole iterations, some hundred thousand bytes a column; the footer tells the
smallest and the largest value of each without reading it. Of a run that is too large for memory, a
few groups are read: the first and the last, those that hold the extremes of a statistic, those in
which a replicate breaks, and others evenly in between.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gradlab.run import parquet
from gradlab.statistics import LAYER_STATISTICS

Array = np.ndarray

BUDGET = 2_400_000  # numbers of a statistic that are held at once: 20 MB
AT_ONCE = 16  # groups that are read together where every group is looked through
SHARE = 0.6  # of the budget that the ends and the extremes may take
COUNT = "nonfinite_count"
HIGH = tuple(each.name for each in LAYER_STATISTICS if each.bad in ("high", "both"))
LOW = tuple(each.name for each in LAYER_STATISTICS if each.bad in ("low", "both"))

# In the footer: how many row groups, and column -> {group: NaN and infinities in it}.
NONFINITE = "gradlab.nonfinite"


class NonfiniteCounts:
    """Counts NaN and infinity as groups are written: Parquet's statistics leave them out."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}
        self._groups = 0

    def add(self, group: pa.Table) -> None:
        """Count in the next row group; null is neither."""
        for field in group.schema:
            if pa.types.is_floating(field.type):
                column = group[field.name]
                finite = pc.sum(pc.is_finite(column)).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
                if count := len(column) - column.null_count - finite:
                    self._counts.setdefault(field.name, {})[self._groups] = count
        self._groups += 1

    def footer(self) -> dict[str, str]:
        """Return what to write into the footer."""
        return {NONFINITE: json.dumps({"groups": self._groups, "columns": self._counts})}


class RowGroups:
    """The row groups of a closed run's statistics.

    Parameters
    ----------
    path : Path
        `signals.parquet`.
    width : int
        Rows of one iteration: replicates times layers.
    """

    def __init__(self, path: Path, width: int):
        self._path, self.width = path, width
        with parquet.reading(path):
            self._meta = pq.read_metadata(path)
        counts = [self._meta.row_group(k).num_rows for k in range(self._meta.num_row_groups)]
        self._ends = np.cumsum(counts)
        self._starts, self._rows = self._ends - counts, np.array(counts)
        names = self._meta.schema.names
        self._columns = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def names(self) -> list[str]:
        """The columns of the file."""
        return list(self._columns)

    def iterations(self, groups: Sequence[int]) -> Array:
        """Return the iterations that these groups hold whole, ascending."""
        spans = [np.arange(first, stop) for first, stop in self._whole(groups)]
        return np.concatenate(spans) if spans else np.zeros(0, int)

    def holding(self, iterations: Iterable[int]) -> list[int]:
        """Return the groups in which these iterations start."""
        return np.searchsorted(
            self._ends, np.fromiter(iterations, int) * self.width, side="right"
        ).tolist()

    def read(self, groups: Sequence[int], columns: list[str]) -> pa.Table:
        """Read the whole iterations that these groups hold, as `iterations` names them."""
        parts = []
        # Parsing a long footer again takes 40 ms.
        with parquet.reading(self._path), parquet.opened(self._path, self._meta) as file:
            for near, (first, stop) in zip(_neighbours(groups), self._whole(groups), strict=True):
                table = parquet.usual_types(file.read_row_groups(near, columns=columns))
                start = first * self.width - self._starts[near[0]]
                parts.append(table.slice(start, (stop - first) * self.width))
        return pa.concat_tables(parts)

    @functools.cache  # noqa: B019 -- as long as the run that owns it
    def bounds(self, column: str) -> tuple[Array, Array, Array]:
        """Return the smallest value, the largest and the number of nulls of each group.

        NaN where the file does not say.

        Parquet's statistics leave NaN out.
        """
        low, high, nulls = (np.full(len(self), np.nan) for _ in range(3))
        for k in range(len(self)):
            told = self._meta.row_group(k).column(self._columns[column]).statistics
            if told is not None and told.has_min_max and isinstance(told.min, (int, float)):
                low[k], high[k] = told.min, told.max
            if told is not None and told.has_null_count:
                nulls[k] = told.null_count
        return low, high, nulls

    def holds(self, column: str) -> bool:
        """Whether a column has any value that is not null."""
        return column in self._columns and not (self.bounds(column)[2] == self._rows).all()

    def suspects(self, columns: Sequence[str]) -> dict[str, list[int]]:
        """Return, by column, the groups that may hold a NaN or an infinity, or count some."""
        counted = self._nonfinite()
        result: dict[str, list[int]] = {}
        for name in columns:
            if not self.holds(name):
                continue
            if name == COUNT:
                high, nulls = self.bounds(name)[1:]
                found = np.flatnonzero(~(high <= 0) & ~(nulls == self._rows))
            elif counted is None:
                found = np.arange(len(self))
            else:
                found = np.array(sorted(int(group) for group in counted.get(name, {})), int)
            if len(found):
                result[name] = self._with_halves(found.tolist())
        return result

    def _with_halves(self, groups: list[int]) -> list[int]:
        """Add the neighbours that hold the rest of an iteration that begins or ends in a group."""
        before = [k - 1 for k in groups if self._starts[k] % self.width]
        after = [k + 1 for k in groups if self._ends[k] % self.width and k + 1 < len(self)]
        return sorted({*groups, *before, *after})

    def _nonfinite(self) -> dict[str, dict[str, int]] | None:
        """Return the NaN and infinities counted by column and group; None if not in the footer."""
        try:
            stored = json.loads((self._meta.metadata or {}).get(NONFINITE.encode(), b"{}"))
            counted = stored["columns"] if stored.get("groups") == len(self) else None
            numbers = [int(group) for each in (counted or {}).values() for group in each]
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ):  # another tool's, or damaged
            return None
        return counted if all(0 <= number < len(self) for number in numbers) else None

    def choose(self, keep: Iterable[int]) -> list[int]:
        """Choose groups within the budget: both ends, those to `keep`, extremes, then evenly."""
        room = max(4, BUDGET // max(int(np.diff([0, *self._ends]).max()), 1))
        if room >= len(self):
            return list(range(len(self)))
        chosen = dict.fromkeys([0, 1, len(self) - 2, len(self) - 1, *self.holding(keep)])
        for group in self._outstanding():
            if len(chosen) >= SHARE * room:
                break
            chosen[group] = None
        spread = np.linspace(0, len(self) - 1, max(2, room - len(chosen))).round().astype(int)
        return sorted({*chosen, *spread.tolist()})

    def _outstanding(self) -> list[int]:
        """Return the groups with a column's largest or smallest value, the most unusual first."""
        found = []
        for name, end in (*((name, 1) for name in HIGH), *((name, 0) for name in LOW)):
            values = self.bounds(name)[end] if name in self._columns else np.zeros(0)
            if not np.isfinite(values).any():
                continue
            group = int(np.nanargmax(values) if end else np.nanargmin(values))
            with np.errstate(all="ignore"):
                found.append(
                    (
                        float(
                            np.nan_to_num(
                                abs(np.log(values[group] / np.nanmedian(values))), nan=0.0
                            )
                        ),
                        group,
                    )
                )
        return [group for _, group in sorted(found, reverse=True)]

    def _whole(self, groups: Sequence[int]) -> list[tuple[int, int]]:
        """The iterations [first, stop) that each series of neighbouring groups holds whole."""
        return [
            (-(-int(self._starts[near[0]]) // self.width), int(self._ends[near[-1]]) // self.width)
            for near in _neighbours(groups)
        ]


def _neighbours(groups: Sequence[int]) -> list[list[int]]:
    """Part ascending numbers into series of neighbours."""
    series: list[list[int]] = []
    for group in groups:
        if series and series[-1][-1] == group - 1:
            series[-1].append(group)
        else:
            series.append([group])
    return series


def in_turn(groups: Sequence[int]) -> Iterator[list[int]]:
    """Yield a few groups at a time; neighbours overlap, so that no iteration is cut in two."""
    for start in range(0, len(groups), AT_ONCE):
        yield list(groups[max(0, start - 1) : start + AT_ONCE])
