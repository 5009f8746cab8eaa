"""How a run lies on disk: Arrow IPC streams while it is live, zstd Parquet once it is closed.

A run folder holds `run.json` (what it is) and tables: `steps`, `signals` (one row an iteration,
replicate and layer), `weights`, and where they are recorded `block_signals`, `output_stage` and
`histograms`. While live, every table is a stream `NAME.N.arrow`; each batch that `append` returned
from is readable after `kill -9`, and a torn tail is skipped. `close` rewrites each stream as
`NAME.parquet`, batch by batch, so that memory does not grow with the run. Nothing is pickled or
evaluated.

A batch survives the death of the process, not a power cut: no fsync is issued (it would cost more than the training
step).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradlab.errors import RunError
from gradlab.run.row_groups import NonfiniteCounts

SCHEMA_VERSION = 2
DESCRIPTION = "run.json"
TABLES = ("steps", "signals", "weights", "block_signals", "output_stage", "histograms")
ROW_GROUP = 1 << 15  # rows, at least: a long run is judged and drawn from a few groups (row_groups.py)
_VALID: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "config": lambda value: isinstance(value, dict),
    "provenance": lambda value: isinstance(value, dict),
    "layers": lambda value: isinstance(value, list) and value != [] and all(isinstance(one, dict) for one in value),
    "replicates": lambda value: isinstance(value, int) and value >= 1,
    "blocks": lambda value: (
        value is None
        or (
            isinstance(value, list)
            and all(isinstance(one, dict) and isinstance(one.get("block"), str) for one in value)
        )
    ),
}


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Write `run.json` atomically; that of a closed run names the tables that belong to it."""
    if description["closed"]:
        description = {**description, "tables": [t for t in TABLES if (folder / f"{t}.parquet").is_file()]}
    write_text(folder / DESCRIPTION, json.dumps({"schema": SCHEMA_VERSION, **description}, indent=1, allow_nan=False))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, through a temporary neighbour; raise RunError where it cannot be written."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files private; a report is to be shared
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}; choose a folder you may write to"
        ) from None


def read_description(folder: Path) -> dict[str, Any]:
    """Read `run.json`; raise RunError where the folder is no run, is damaged, or comes from a newer gradlab."""
    path = folder / DESCRIPTION
    if not folder.exists():
        raise RunError(f"{folder} does not exist; give the folder of a recorded run")
    if not path.is_file():
        raise RunError(
            f"{folder} is not a run folder: it holds no {DESCRIPTION}; give the folder a run was recorded to"
        )
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        version = description["schema"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunError(f"{path} is damaged and cannot be read ({type(error).__name__}: {error})"[:300]) from None
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema {str(version)[:20]}, and this gradlab reads schema {SCHEMA_VERSION}; "
            "read it with the gradlab that wrote it, or record the run again"
        )
    wrong = [key for key, valid in _VALID.items() if not valid(description.get(key))]
    if wrong:
        raise RunError(f"{path} is damaged: it lacks a valid {', '.join(wrong)}; record the run again")
    lost = [name for name in description.get("tables", ()) if not (folder / f"{name}.parquet").is_file()]
    if lost:
        raise RunError(f"{folder} is damaged: {lost[0]}.parquet is missing; record the run again")
    return description


class Writer:
    """Streams the tables of one live run into a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._streams: dict[str, tuple[pa.OSFile, pa.RecordBatchStreamWriter]] = {}

    def append(self, table: str, batch: pa.RecordBatch) -> None:
        """Write one batch; once this returns, the batch survives the death of the process."""
        try:
            if table not in self._streams:
                segment = len(list(self.folder.glob(f"{table}.*.arrow")))  # a new segment, never an append
                file = pa.OSFile(str(self.folder / f"{table}.{segment}.arrow"), "wb")
                self._streams[table] = file, pa.ipc.new_stream(file, batch.schema)
            self._streams[table][1].write_batch(batch)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written to: {error}; free some space or choose another folder"
            ) from None

    def close(self) -> None:
        """End every stream and rewrite it as Parquet; the streams stay until their Parquet file is complete."""
        try:
            for file, stream in self._streams.values():
                stream.close()
                file.close()
            for table in self._streams:
                _compact(self.folder, table)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be closed: {error}; what was recorded is kept, free some space"
            ) from None
        self._streams = {}

    def remove_streams(self) -> None:
        """Delete the streams; call this once the description says that the run is closed."""
        for table in TABLES:
            for segment in self.folder.glob(f"{table}.*.arrow"):
                segment.unlink()


def _parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a zstd Parquet file; measured numbers hardly repeat, and a dictionary of them costs six times as long."""
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeating)  # pyright: ignore[reportArgumentType]


def _compact(folder: Path, table: str) -> None:
    target, temporary = folder / f"{table}.parquet", folder / f".{table}.parquet.part"
    writer, counts = None, NonfiniteCounts()
    for group in _joined(_stream_batches(folder, table)):
        writer = writer or _parquet_writer(temporary, group.schema)
        writer.write_table(group)
        counts.add(group)
    if writer is not None:
        writer.add_key_value_metadata(counts.footer())
        writer.close()
        os.replace(temporary, target)


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join batches to tables of at least `ROW_GROUP` rows; the last one may be shorter."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(part.num_rows for part in pending) >= ROW_GROUP:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


def _segments(folder: Path, table: str) -> list[Path]:
    def number(path: Path) -> int:
        part = path.name.split(".")[1]
        return int(part) if part.isdigit() else -1

    return sorted(folder.glob(f"{table}.*.arrow"), key=number)


def _stream_batches(folder: Path, table: str) -> Iterator[pa.RecordBatch]:
    """Yield every whole batch of a table's streams; a torn tail ends its segment."""
    for segment in _segments(folder, table):
        try:
            with pa.OSFile(str(segment)) as file:
                reader = pa.ipc.open_stream(file)
                while True:
                    yield reader.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):
            continue


def copy_tables(folder: Path, target: Path) -> None:
    """Copy the Parquet files of a closed run: a long one need not fit into memory."""
    for table in TABLES:
        if (folder / f"{table}.parquet").is_file():
            shutil.copyfile(folder / f"{table}.parquet", target / f"{table}.parquet")


def read_table(folder: Path, table: str, columns: list[str] | None = None, closed: bool = True) -> pa.Table | None:
    """Read a table, whole or some columns of it; None where nothing of it was ever written."""
    path = folder / f"{table}.parquet"
    if closed:
        if not path.exists():
            return None
        try:
            with pq.ParquetFile(path) as file:  # `pq.read_table` imports pandas, which takes longer
                return file.read(columns=columns)
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0][:120]
            raise RunError(
                f"{path} is truncated or damaged and cannot be read ({reason}); record the run again"
            ) from None
    batches = [batch if columns is None else batch.select(columns) for batch in _stream_batches(folder, table)]
    return pa.Table.from_batches(batches) if batches else None


def column_names(folder: Path, table: str, closed: bool = True) -> list[str]:
    """Name the columns of a table; none where nothing of it was ever written."""
    path = folder / f"{table}.parquet"
    if closed:
        try:
            return list(pq.read_schema(path).names) if path.exists() else []
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            raise RunError(
                f"{path} is truncated or damaged and cannot be read ({str(error).splitlines()[0][:120]}); "
                "record the run again"
            ) from None
    first = next(_stream_batches(folder, table), None)
    return [] if first is None else list(first.schema.names)


def row_count(folder: Path, table: str, closed: bool = True) -> int:
    """Count the rows of a table; 0 where nothing of it was ever written."""
    if not closed:
        return sum(batch.num_rows for batch in _stream_batches(folder, table))
    path = folder / f"{table}.parquet"
    return pq.read_metadata(path).num_rows if path.exists() else 0


def is_live(folder: Path) -> bool:
    """Whether streams lie in the folder: a run still being written, or killed before it was closed."""
    return any(_segments(folder, table) for table in TABLES)


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Raise RunError for a folder that no run may be written to, and change nothing."""
    if folder.is_file():
        raise RunError(f"{folder} is a file; give a folder for the run")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / DESCRIPTION).is_file():
            raise RunError(f"{folder} is not empty and holds no run; choose an empty or a new folder")
        if not overwrite:
            raise RunError(f"{folder} already holds a run; choose another folder, or delete it first")
    parent = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise RunError(f"{folder} cannot be made; choose a folder you may write to")


def prepare_folder(folder: Path, overwrite: bool = False) -> None:
    """Make an empty folder for a run; raise RunError rather than write over anything.

    With `overwrite`, a run that lies there goes first; what else lies beside it stays.
    """
    check_folder(folder, overwrite)
    if folder.exists() and any(folder.iterdir()):
        for path in folder.iterdir():
            if path.name == DESCRIPTION or path.suffix in (".arrow", ".parquet") or path.name.endswith(".parquet.part"):
                path.unlink()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror}; choose a folder you may write to") from None


def replace_folder(temporary: Path, target: Path) -> None:
    """Move a complete run folder to its place; a run that lay there goes only once the new one is in."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(temporary, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
