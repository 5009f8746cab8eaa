"""The folder that a recording writes to, from the first description to the closed run."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gradlab.errors import RunError
from gradlab.run import storage
from gradlab.run.layout import Layout
from gradlab.run.sources import FolderSource, remove_folder
from gradlab.run.writer import Writer


class RunFolder:
    """A folder taken for this process, and the tables and the description in it.

    Parameters
    ----------
    out : path, optional
        None: a temporary folder, which goes where it is not handed over.
    overwrite : bool
        Empty `out` first where it holds a run.

    Attributes
    ----------
    path : Path
    temporary : bool
    process : int
        The process that took it.

    Raises
    ------
    RunError
        `out` cannot be written to, holds something, or another process records there.
    """

    def __init__(self, out: Path | None, overwrite: bool):
        self.process, self.temporary = os.getpid(), out is None
        self._lock = None if out is None else storage.prepare_folder(out, overwrite)
        self.path = Path(tempfile.mkdtemp(prefix="gradlab-")) if out is None else out
        # A recorder that is never closed must not leave its temporary folder behind.
        self._abandon = weakref.finalize(self, remove_folder, self.path, self.process)
        if out is not None:
            self._abandon.detach()
        self._writer = Writer(self.path)

    def check_process(self, name: str) -> None:
        """Raise RunError in a fork of the process that took the folder."""
        if os.getpid() != self.process:
            raise RunError(
                f"recorder {name!r} belongs to process {self.process}, and this is {os.getpid()}, "
                "a fork of it; make a Recorder of its own in each process"
            )

    def begin(self, description: Mapping[str, Any]) -> None:
        """Write the first description; where that fails, give the folder back."""
        try:
            self.describe(description)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write the description of a run that is still recorded."""
        status = {**description["provenance"], "status": "unfinished"}
        unfinished = {**description, "closed": False, "provenance": status}
        storage.write_description(self.path, unfinished)

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Write rows; once this returns, they survive the death of the process."""
        self._writer.write(tables)

    def tables(self, layout: Layout, before: int) -> dict[str, pa.Table]:
        """Read what was written of the iterations below `before`."""
        source = FolderSource(self.path, False, layout)
        read = {name: source.table(name) for name in storage.TABLES}
        earlier = pc.field("iteration") < before
        return {name: table.filter(earlier) for name, table in read.items() if table is not None}

    def close(self, description: Mapping[str, Any]) -> None:
        """Make the folder that of a closed run; its streams stay until `leave`.

        Raises
        ------
        RunError
            There is no room: nothing is lost, and `close` may be called again.
        """
        self._writer.close()
        storage.write_description(self.path, {**description, "closed": True})

    def leave(self) -> None:
        """Remove the streams of a closed run, and leave its folder to whoever reads it.

        Call this only once nothing can be recorded any more: rows that followed would stand alone.
        """
        with contextlib.suppress(OSError):  # what is left of them does no harm
            self._writer.remove_streams()
        if self._lock is not None:
            self._lock.release()
        self._abandon.detach()
