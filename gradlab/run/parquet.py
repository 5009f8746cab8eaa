"""The tables of a closed run: Parquet files, checked before anything of them is used."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradlab.errors import RunError
from gradlab.run.layout import Layout, fits
from gradlab.run.tables import REQUIRED_COLUMNS, column_type

# Of a longer file of `steps` or `signals`, the keys are checked by what its footer says of each
# row group.
CHECKED_ROWS = 1 << 22
LARGEST_GROUP = 1 << 24  # rows that are read at once
PLAUSIBLE = (
    1 << 22,
    64,
)  # rows of any file, and rows for each of its bytes: measured numbers hardly compress


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes pyarrow raise into one RunError."""
    try:
        yield
    except RunError:
        raise
    # The file is anybody's: pyarrow answers damage with a dozen kinds of errors.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise RunError(
            f"{path} is truncated or damaged and cannot be read ({reason!a}); record the run again"
        ) from None


def opened(path: Path, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """Open a file whose pages are compared with their checksums as they are read."""
    return pq.ParquetFile(path, metadata=metadata, page_checksum_verification=True)


def check(path: Path, table: str, layout: Layout) -> int:
    """Check columns, sizes and keys of a table; return its number of rows.

    Raises
    ------
    RunError
        The file cannot be read, or is not the table it is to be.
    """
    with reading(path), opened(path) as file:
        if not fits(table, file.schema_arrow):
            raise RunError(
                f"{path} is damaged: its columns are not those of the table {table}; record the "
                f"run again"
            )
        sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
        rows, most = file.metadata.num_rows, max(PLAUSIBLE[0], PLAUSIBLE[1] * path.stat().st_size)
        if (
            min(sizes, default=0) < 0
            or sum(sizes) != rows
            or rows > most
            or max(sizes, default=0) > LARGEST_GROUP
        ):
            raise RunError(f"{path} is damaged: it says it has {rows} rows; record the run again")
        width = layout.width(table)
        if width is not None and rows and (width == 0 or rows % width):
            raise RunError(
                f"{path} is damaged: its {rows} rows do not fit {layout.replicates} replicates, "
                f"{len(layout.layers)} layers and {len(layout.blocks)} blocks; record the run again"
            )
        wrong = _misplaced(file, table, layout)
        if wrong is not None:
            raise RunError(
                f"{path} is damaged: its column {wrong} is not that of this run; record the run "
                "again"
            )
        return rows


def _misplaced(file: pq.ParquetFile, table: str, layout: Layout) -> str | None:
    """Say which key is not what it must be; None where all are right, as far as is looked at."""
    width = layout.width(table)
    if width is None:
        return _first_wrong(file, table, layout)
    if file.metadata.num_rows > CHECKED_ROWS:
        return None if _groups_in_order(file, width) else "iteration"
    keys = list(REQUIRED_COLUMNS[table])
    read = usual_types(file.read(columns=keys))
    wrong = layout.misplaced(table, read)
    if wrong is None and table in ("steps", "signals") and read.num_rows:
        rows = read["iteration"]
        gapless = rows[0].as_py() == 0 and rows[-1].as_py() == read.num_rows // (width or 1) - 1
        return None if gapless else "iteration"
    return wrong


def _first_wrong(file: pq.ParquetFile, table: str, layout: Layout) -> str | None:
    """Look at the keys of a table with any number of rows an iteration, some rows at a time."""
    keys = [name for name in REQUIRED_COLUMNS[table] if name not in ("value", "factor")]
    last = -1
    for batch in file.iter_batches(columns=keys):
        rows = usual_types(pa.Table.from_batches([batch]))
        if not rows.num_rows:
            continue
        wrong = layout.misplaced(table, rows)
        if wrong is not None:
            return wrong
        if rows["iteration"][0].as_py() < last:
            return "iteration"
        last = rows["iteration"][-1].as_py()
    return None


def _groups_in_order(file: pq.ParquetFile, width: int) -> bool:
    """Whether each row group of a long table holds the iterations that its place asks for."""
    number, start = file.schema_arrow.names.index("iteration"), 0
    for k in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(k)
        told = group.column(number).statistics
        if told is None or not told.has_min_max:
            return True  # written by another tool, which does not tell
        if (told.min, told.max) != _span(start, group.num_rows, width):
            return False
        start += group.num_rows
    return True


def _span(start: int, rows: int, width: int) -> tuple[int, int]:
    return start // width, (start + rows - 1) // width


def usual_types(table: pa.Table) -> pa.Table:
    """Return the columns in the types that gradlab writes, whatever tool wrote these."""
    wanted = pa.schema([(name, column_type(name)) for name in table.column_names])
    return table if table.schema.types == wanted.types else table.cast(wanted)


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table or some of its columns, without pandas, which `pq.read_table` imports."""
    with reading(path), opened(path) as file:
        return usual_types(file.read(columns=columns))


def names(path: Path) -> list[str]:
    """Name the columns of a file."""
    with reading(path):
        return list(pq.read_schema(path).names)


def rows(path: Path) -> int:
    """Count the rows of a file."""
    with reading(path):
        return pq.read_metadata(path).num_rows


def seal(path: Path) -> dict[str, int]:
    """Return what a run's description holds of a file: its size, and a checksum of its footer.

    Pages have checksums of their own; the footer, which says where they lie, has none.
    """
    return {"bytes": path.stat().st_size, "footer": zlib.crc32(_footer(path))}


def broken_seal(path: Path, told: Any) -> bool:
    """Whether a file has the size of its seal, but another footer.

    A file that another tool has written has another size.
    """
    if not isinstance(told, dict) or told.get("bytes") != path.stat().st_size:
        return False
    return told.get("footer") != zlib.crc32(_footer(path))


def _footer(path: Path) -> bytes:
    """Return the footer of a Parquet file, its length and the magic number at its end included."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(8)[:4], "little")
        file.seek(max(0, size - 8 - length))
        return file.read()
