"""A Run is written to a folder whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradlab.errors import RunError
from gradlab.run import storage
from gradlab.run.locks import refuse_if_recorded
from gradlab.run.writer import ROW_GROUP, write_parquet


def is_same(target: Path, folder: Path) -> bool:
    """Whether `target` is this folder, by whatever path."""
    return target.exists() and target.samefile(folder)


def save(
    target: Path,
    description: Mapping[str, Any],
    tables: Mapping[str, pa.Table] | None,
    folder: Path | None,
) -> None:
    """Write a run to `target`; a run that lies there is replaced.

    Parameters
    ----------
    tables : mapping of str to Table, optional
        None: copy the files of `folder`, which holds a closed run.

    Raises
    ------
    RunError
        The folder cannot be written, holds something that is no run, or is being recorded to.
    """
    if target.is_file() or (
        target.is_dir() and any(target.iterdir()) and not (target / storage.DESCRIPTION).is_file()
    ):
        raise RunError(f"{target} exists and is no run folder; choose another path")
    refuse_if_recorded(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise RunError(
            f"{target} cannot be written: {error.strerror}; choose a folder you may write to"
        ) from None
    try:
        temporary.chmod(0o755)
        if tables is None:
            assert folder is not None
            storage.copy_tables(folder, temporary)
        else:
            write_tables(temporary, tables)
        storage.write_description(temporary, description)
        storage.replace_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_tables(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write tables as the Parquet files of a closed run."""
    try:
        for name, table in tables.items():
            write_parquet(folder, name, iter(table.to_batches(max_chunksize=2 * ROW_GROUP)))
    except OSError as error:
        raise RunError(f"{folder.parent} cannot be written to: {error}; free some space") from None
