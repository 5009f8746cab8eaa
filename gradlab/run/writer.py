"""`Writer`: streams the tables of a live run into its folder; Parquet at the end."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gradlab.errors import RunError
from gradlab.run import streams
from gradlab.run.row_groups import NonfiniteCounts
from gradlab.run.storage import TABLES

# Rows, at least: a long run is judged and drawn from a few groups (row_groups.py).
ROW_GROUP = 1 << 15
ORDER = (
    *(table for table in TABLES if table != "steps"),
    "steps",
)  # an iteration counts once its step is there


class Writer:
    """Streams the tables of one live run into a folder.

    A write may fail, or be interrupted, at any point: what it has not finished is written again by
    the next one, into new segments, and a reader takes each iteration once.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._streams: dict[str, tuple[pa.OSFile, pa.RecordBatchStreamWriter]] = {}
        self._torn = False  # whether a write began and did not end
        self._compacted = False

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Write rows of several tables; once this returns, they survive the death of the process.

        Raises
        ------
        RunError
            The folder cannot be written to: give all these rows again, and others after them.
        """
        if self._torn:
            self._abandon_streams()
        self._torn, self._compacted = True, False
        try:
            for name in ORDER:
                if name in tables and tables[name].num_rows:
                    self._append(name, tables[name])
        except OSError as error:
            gone = error.errno == errno.ENOENT
            advice = (
                "leave it where it is until the recording ends"
                if gone
                else "free some space or choose another folder"
            )
            raise RunError(f"{self.folder} cannot be written to: {error}; {advice}") from None
        self._torn = False

    def _append(self, name: str, table: pa.Table) -> None:
        # One: of two batches, the later would stand for the other.
        (batch,) = table.combine_chunks().to_batches()
        if name not in self._streams:
            file = pa.OSFile(str(streams.next_segment(self.folder, name)), "wb")
            self._streams[name] = file, pa.ipc.new_stream(file, batch.schema)
        self._streams[name][1].write_batch(batch)

    def _abandon_streams(self) -> None:
        """Leave the segments as they are, the last one torn perhaps: new ones follow."""
        abandoned, self._streams = self._streams, {}
        for file, _ in abandoned.values():
            with contextlib.suppress(OSError):
                file.close()

    def close(self) -> None:
        """Rewrite every table as Parquet; its streams stay until `remove_streams`.

        Raises
        ------
        RunError
            There is no room: nothing is lost, and `close` may be called again.
        """
        if self._compacted:
            return
        self._abandon_streams()
        try:
            for table in TABLES:
                compact(self.folder, table)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be closed: {error}; what was recorded is kept, free some "
                f"space"
            ) from None
        self._compacted = True

    def remove_streams(self) -> None:
        """Delete the streams; call this once the description says that the run is closed."""
        for table in TABLES:
            for segment in streams.segments(self.folder, table):
                segment.unlink(missing_ok=True)


def compact(folder: Path, table: str) -> None:
    """Rewrite the streams of a table as one Parquet file; nothing where there are none."""
    write_parquet(folder, table, streams.batches(folder, table))


def write_parquet(folder: Path, table: str, batches: Iterator[pa.RecordBatch]) -> None:
    """Write a table as one Parquet file, by row groups; nothing where there are no rows."""
    target, temporary = folder / f"{table}.parquet", folder / f".{table}.parquet.part"
    writer, counts = None, NonfiniteCounts()
    for group in _joined(batches):
        writer = writer or _parquet_writer(temporary, group.schema)
        writer.write_table(group)
        counts.add(group)
    if writer is not None:
        writer.add_key_value_metadata(counts.footer())
        writer.close()
        os.replace(temporary, target)


def _parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a zstd Parquet file, without dictionaries: measured numbers hardly repeat."""
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=repeating,  # pyright: ignore[reportArgumentType]
        write_page_checksum=True,
    )


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join batches to tables of whole iterations and at least `ROW_GROUP` rows, as few as can be.

    The last one may be shorter. Batches end where the clock says so; tables do not, and their
    columns have one chunk, so that the same record is the same file.
    """
    pending: list[pa.Table] = []
    for batch in batches:
        pending.append(pa.Table.from_batches([batch]))
        while sum(part.num_rows for part in pending) > ROW_GROUP:
            whole = pa.concat_tables(pending)
            end = _end_of_group(whole["iteration"])
            pending = [whole]
            if end is None:
                break
            yield whole.slice(0, end).combine_chunks()
            pending = [whole.slice(end)]
    if pending:
        yield pa.concat_tables(pending).combine_chunks()


def _end_of_group(iteration: pa.ChunkedArray) -> int | None:
    """Return the first row from `ROW_GROUP` on that begins an iteration; None where none does."""
    times = iteration.slice(ROW_GROUP - 1).to_numpy()
    begins = np.flatnonzero(times[1:] != times[:-1])
    return ROW_GROUP + int(begins[0]) if len(begins) else None
