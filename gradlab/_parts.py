"""A long table in parts: what each part holds, told from statistics, and reading no more than the parts one asks for.

The parts of a closed run are the row groups of its Parquet files, whose footer holds smallest and largest value and the
number of nulls of every column. It leaves NaN out, so that gradlab writes one thing more there: how many numbers of a
group are NaN or infinite. The parts of a run that is still written are the batches of its streams.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Array = np.ndarray

NONFINITE = "gradlab.nonfinite"  # key in the footer: column -> {number of the row group: how many}
MEMORY_PART = 1 << 16  # rows of a part of a table in memory


@dataclass(frozen=True)
class Statistics:
    """What each part holds of one column.

    Attributes
    ----------
    low, high : ndarray of float (P,)
        Smallest and largest value that is not NaN; NaN where there is none.
    nulls, nonfinite : ndarray of int (P,)
        How many entries are null; how many are NaN or infinite.
    """

    low: Array
    high: Array
    nulls: Array
    nonfinite: Array


class Parts(Protocol):
    """A table cut into P parts."""

    starts: Array
    """Number of the first row of each part, and of the row after the last one (P + 1,)."""

    def each(self, column: str, ranges: Iterable[range]) -> Iterator[pa.ChunkedArray]:
        """Yield one column of each of some ranges of parts."""
        ...

    def statistics(self, column: str) -> Statistics:
        """Return what each part holds of a column of numbers."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the whole table, all columns, piece by piece."""
        ...


class ParquetParts:
    """The row groups of one Parquet file, whose footer is read once."""

    def __init__(self, path: Path):
        self._path, self._metadata = path, pq.read_metadata(path)
        groups = [self._metadata.row_group(k) for k in range(self._metadata.num_row_groups)]
        self.starts = np.cumsum([0, *(group.num_rows for group in groups)])
        self.names = list(self._metadata.schema.to_arrow_schema().names)
        stored = (self._metadata.metadata or {}).get(NONFINITE.encode())
        self._nonfinite = None if stored is None else json.loads(stored)

    def each(self, column: str, ranges: Iterable[range]) -> Iterator[pa.ChunkedArray]:
        """Yield one column of each of some ranges of row groups; the file is open meanwhile."""
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            for numbers in ranges:
                yield file.read_row_groups(list(numbers), columns=[column], use_threads=False).column(0)

    def statistics(self, column: str) -> Statistics:
        """Return what the footer says; what a file by another writer lacks is found by reading the column in parts."""
        index, count = self.names.index(column), len(self.starts) - 1
        found = [self._metadata.row_group(k).column(index).statistics for k in range(count)]
        if self._nonfinite is None or any(each is None or not each.has_null_count for each in found):
            return _measured(self.each(column, (range(k, k + 1) for k in range(count))))
        low, high = (
            np.array([getattr(each, end) if each.has_min_max else np.nan for each in found], float)
            for end in ("min", "max")
        )
        nonfinite = np.zeros(count, np.int64)
        for group, number in self._nonfinite.get(column, {}).items():
            nonfinite[int(group)] = number
        return Statistics(low, high, np.array([each.null_count for each in found], np.int64), nonfinite)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield one row group after the other."""
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            yield from file.iter_batches(batch_size=MEMORY_PART)


class BatchParts:
    """Record batches, in memory or mapped from the streams of a live run."""

    def __init__(self, batches: Sequence[pa.RecordBatch]):
        self._batches = list(batches)
        self.starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        self.names = list(self._batches[0].schema.names) if self._batches else []

    @classmethod
    def of(cls, table: pa.Table) -> BatchParts:
        """Cut a table in memory into parts of `MEMORY_PART` rows."""
        return cls(table.to_batches(max_chunksize=MEMORY_PART))

    def each(self, column: str, ranges: Iterable[range]) -> Iterator[pa.ChunkedArray]:
        """Yield one column of each of some ranges of batches."""
        for numbers in ranges:
            yield pa.chunked_array([self._batches[k].column(column) for k in numbers])

    def statistics(self, column: str) -> Statistics:
        """Measure each batch."""
        return _measured(pa.chunked_array([batch.column(column)]) for batch in self._batches)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches."""
        yield from self._batches


def _measured(columns: Iterable[pa.ChunkedArray]) -> Statistics:
    rows = []
    for column in columns:
        ends = pc.min_max(column.filter(pc.invert(pc.is_nan(column)))).as_py()  # pyright: ignore[reportAttributeAccessIssue]
        low, high = (np.nan if ends[end] is None else ends[end] for end in ("min", "max"))
        rows.append((low, high, column.null_count, _nonfinite(column)))
    low, high, nulls, nonfinite = np.array(rows, float).reshape(-1, 4).T
    return Statistics(low, high, nulls.astype(np.int64), nonfinite.astype(np.int64))


def _nonfinite(column: pa.ChunkedArray) -> int:
    """Count the NaN and infinite entries; null is neither."""
    finite = pc.sum(pc.is_finite(column)).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
    return len(column) - column.null_count - finite


class NonfiniteCounts:
    """Collects, group by group as they are written, what a footer says of NaN and infinity."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}
        self._groups = 0

    def add(self, group: pa.Table) -> None:
        """Count the next row group."""
        for field in group.schema:
            if pa.types.is_floating(field.type) and (count := _nonfinite(group[field.name])):
                self._counts.setdefault(field.name, {})[self._groups] = count
        self._groups += 1

    def footer(self) -> dict[str, str]:
        """Return what to write into the footer."""
        return {NONFINITE: json.dumps(self._counts)}


def regroup(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Yield the rows of batches as tables of at most `size`, cut where an iteration ends; longer if a single one is."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows < size:
            continue
        table, start = pa.Table.from_batches(waiting), 0
        while (cut := _cut(table, start, size)) is not None:
            yield table.slice(start, cut - start)
            start = cut
        waiting, rows = table.slice(start).to_batches(), len(table) - start
    if rows:
        yield pa.Table.from_batches(waiting)


def _cut(table: pa.Table, start: int, size: int) -> int | None:
    """Return the row at which the group that begins at `start` ends; None where more rows are needed to tell."""
    if len(table) - start < size:
        return None
    if "iteration" not in table.column_names:
        return start + size
    ends = start + 1 + np.flatnonzero(np.diff(table["iteration"].slice(start).to_numpy()))
    if not len(ends):
        return None
    return int(ends[max(0, np.searchsorted(ends, start + size, side="right") - 1)])
