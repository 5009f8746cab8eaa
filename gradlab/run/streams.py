"""The tables of a live run: Arrow IPC streams `NAME.N.arrow`, one segment after the other.

A segment ends where its file is torn or makes no sense; the next one goes on. After a write that
failed, the rows that were not yet safe are written again, into a new segment: of rows of the same
iteration, those written last count.

The files are mapped into memory: what they say of their own sizes allocates nothing.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from gradlab.run.layout import Layout, fits
from gradlab.run.tables import values_of

Array = np.ndarray

DAMAGED = (pa.ArrowException, OSError, ValueError, EOFError, struct.error)


def segments(folder: Path, table: str) -> list[Path]:
    """Return the segments of a table, oldest first."""
    return sorted(folder.glob(f"{table}.*.arrow"), key=_number)


def _number(path: Path) -> int:
    part = path.name.split(".")[1]
    return int(part) if part.isascii() and part.isdigit() else -1


def next_segment(folder: Path, table: str) -> Path:
    """Return the path of a segment that comes after all others."""
    number = max((_number(path) for path in segments(folder, table)), default=-1) + 1
    return folder / f"{table}.{number}.arrow"


def batches(folder: Path, table: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table that count, by iteration, in the batches they were written in."""
    firsts = [_first(batch) for batch in _written(folder, table)]
    lowest = [*itertools.accumulate(reversed(firsts), min)][::-1]  # of a batch and all after it
    for batch, limit in zip(_written(folder, table), [*lowest[1:], None], strict=False):
        if limit is not None:
            iteration = values_of(batch["iteration"])
            batch = batch.slice(0, int(np.searchsorted(iteration, limit)))
        if batch.num_rows:
            yield batch


def whole(folder: Path, table: str, layout: Layout) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows as `batches` does, but only up to the first gap."""
    expected, width = 0, layout.width(table)
    complete = table in ("steps", "signals")
    for batch in batches(folder, table):
        if layout.misplaced(table, batch) is not None:
            return
        if complete:
            times = values_of(batch["iteration"])[::width]
            if (times != np.arange(expected, expected + len(times))).any():
                return
            expected += len(times)
        yield batch


def _first(batch: pa.RecordBatch) -> int:
    return batch["iteration"][0].as_py()


def _written(folder: Path, table: str) -> Iterator[pa.RecordBatch]:
    """Yield every whole batch of a table's segments; damage ends its segment, and nothing else."""
    for segment in segments(folder, table):
        try:
            with pa.memory_map(str(segment)) as file:
                messages = pa.ipc.MessageReader.open_stream(file)
                schema = pa.ipc.read_schema(messages.read_next_message())
                while fits(table, schema):
                    yield _batch(messages.read_next_message(), schema)
        except (*DAMAGED, StopIteration):
            continue


def _batch(message: pa.ipc.Message, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of a message.

    Raises
    ------
    ValueError
        They make no sense, or are compressed: nothing here is, and what is could ask for any amount
        of memory.
    """
    if _is_compressed(message.metadata.to_pybytes()):
        raise ValueError("compressed")
    batch = pa.ipc.read_record_batch(message, schema)
    batch.validate(full=True)
    if not batch.num_rows or batch["iteration"].null_count:
        raise ValueError("rows without an iteration")
    return batch


def _is_compressed(metadata: bytes) -> bool:
    """Whether a record batch's message says that its body is compressed (Arrow's Message.fbs)."""
    root = struct.unpack_from("<I", metadata)[0]
    header = _field(metadata, root, 2)
    if not header:
        return False
    batch = root + header + struct.unpack_from("<I", metadata, root + header)[0]
    return _field(metadata, batch, 3) != 0


def _field(metadata: bytes, table: int, number: int) -> int:
    """Return the offset of a field in a flatbuffer's table; 0 where it is absent."""
    fields = table - struct.unpack_from("<i", metadata, table)[0]
    place = 4 + 2 * number
    if place >= struct.unpack_from("<H", metadata, fields)[0]:
        return 0
    return struct.unpack_from("<H", metadata, fields + place)[0]
