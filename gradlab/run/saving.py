"""A Run is written to a folder whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradlab.errors import RunError
from gradlab.files import current_umask
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
    try:
        _check_target(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."[:100]))
        try:
            temporary.chmod(0o777 & ~current_umask())  # mkdtemp's folders are private
            if tables is None:
                assert folder is not None
                storage.copy_tables(folder, temporary)
            else:
                write_tables(temporary, tables)
            storage.write_description(temporary, description)
            storage.replace_folder(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise RunError(
            f"{target} cannot be written: {error.strerror or error}; free some space, or choose a "
            f"folder you may write to"
        ) from None


def _check_target(target: Path) -> None:
    taken = target.is_dir() and any(target.iterdir())
    if target.is_file() or (taken and not (target / storage.DESCRIPTION).is_file()):
        raise RunError(f"{target} exists and is no run folder; choose another path")
    refuse_if_recorded(target)


def write_tables(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write tables as the Parquet files of a closed run."""
    for name, table in tables.items():
        write_parquet(folder, name, iter(table.to_batches(max_chunksize=2 * ROW_GROUP)))
