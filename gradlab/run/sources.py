"""Where a Run's tables come from: a run folder, some row groups of one, or memory."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gradlab.run import parquet, streams
from gradlab.run.layout import Layout
from gradlab.run.row_groups import RowGroups
from gradlab.run.storage import TABLES

Array = np.ndarray


class Source(Protocol):
    """Where a Run's tables come from."""

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table or some of its columns; None where nothing of it was recorded."""
        ...

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        ...

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        ...


class FolderSource:
    """Reads a run folder: its Parquet files once it is closed, what its streams hold before."""

    def __init__(self, folder: Path, closed: bool, layout: Layout, temporary: bool = False):
        self.folder, self.temporary = folder, temporary
        self._closed, self._layout = closed, layout
        self._names: dict[
            str, list[str]
        ] = {}  # of a closed run, whose files do not change any more
        if temporary:  # recorded to no folder of the user's: the files live as long as the Run
            weakref.finalize(self, remove_folder, folder, os.getpid())

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table or some of its columns."""
        if self.is_closed:
            path = self._path(name)
            return parquet.read(path, columns) if path.exists() else None
        batches = [
            batch if columns is None else batch.select(columns)
            for batch in streams.whole(self.folder, name, self._layout)
        ]
        return pa.Table.from_batches(batches) if batches else None

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        if self.is_closed:
            return parquet.rows(self._path(name)) if self._path(name).exists() else 0
        return sum(batch.num_rows for batch in streams.whole(self.folder, name, self._layout))

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        if not self.is_closed:
            first = next(streams.whole(self.folder, name, self._layout), None)
            return [] if first is None else list(first.schema.names)
        if name not in self._names:
            path = self._path(name)
            self._names[name] = parquet.names(path) if path.exists() else []
        return self._names[name]

    def row_groups(self, width: int) -> RowGroups | None:
        """Return the statistics' row groups, `width` rows an iteration; None of a live run."""
        path = self._path("signals")
        return RowGroups(path, width) if self.is_closed and path.is_file() else None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    @property
    def is_closed(self) -> bool:
        """Whether to read Parquet files: a live run's streams are removed when it is closed."""
        return self._closed or not any(streams.segments(self.folder, table) for table in TABLES)


class GroupSource:
    """Reads some row groups of a closed run: those of the iterations `times`."""

    def __init__(self, source: FolderSource, groups: RowGroups, chosen: list[int], replicates: int):
        self._source, self._groups, self._chosen = source, groups, chosen
        self._replicates = replicates
        self.times = groups.iterations(chosen)

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table, or some of its columns, of the iterations chosen; the weights whole."""
        if name == "signals":
            return self._groups.read(self._chosen, columns or self._groups.names)
        if name == "weights":
            return self._source.table(name, columns)
        table = self._source.table(name)
        if table is None:
            return None
        times = pa.array(self.times, pa.int32())
        chosen = table.filter(pc.is_in(table["iteration"], value_set=times))  # pyright: ignore[reportAttributeAccessIssue]
        return chosen if columns is None else chosen.select(columns)

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        return self._source.columns(name)

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        if name not in ("signals", "steps"):
            return self._source.rows(name)
        return len(self.times) * (self._groups.width if name == "signals" else self._replicates)


class PartSource:
    """Reads some iterations of any source: those of `times`, ascending."""

    def __init__(self, source: Source, times: Array, widths: Mapping[str, int]):
        self._source, self._widths = source, widths
        self.times = times

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table, or some of its columns, of the iterations chosen; the weights whole."""
        if name == "weights":
            return self._source.table(name, columns)
        wanted = None if columns is None else list(dict.fromkeys(["iteration", *columns]))
        table = self._source.table(name, wanted)
        if table is None:
            return None
        times = pa.array(self.times, pa.int32())
        chosen = table.filter(pc.is_in(table["iteration"], value_set=times))  # pyright: ignore[reportAttributeAccessIssue]
        return chosen if columns is None else chosen.select(columns)

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        return self._source.columns(name)

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        if name not in self._widths:
            table = self.table(name)
            return 0 if table is None else table.num_rows
        return len(self.times) * self._widths[name]


class MemorySource:
    """Tables held in memory: what `Run.from_arrays` makes."""

    def __init__(self, tables: Mapping[str, pa.Table]):
        self._tables = dict(tables)

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """Return a table or some of its columns."""
        table = self._tables.get(name)
        return table if table is None or columns is None else table.select(columns)

    def columns(self, name: str) -> list[str]:
        """Name the columns of a table."""
        return list(self._tables[name].column_names) if name in self._tables else []

    def rows(self, name: str) -> int:
        """Count the rows of a table."""
        return self._tables[name].num_rows if name in self._tables else 0


def remove_folder(folder: Path, process: int) -> None:
    """Delete a temporary folder, in the process that made it: a fork leaves it alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
