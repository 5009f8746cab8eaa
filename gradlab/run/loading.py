"""`load`: a run folder becomes a Run, once all of it has been checked."""

from __future__ import annotations

from pathlib import Path

from gradlab.errors import RunError
from gradlab.kinds import PATH, of_kinds
from gradlab.run import parquet, storage
from gradlab.run.layout import Layout
from gradlab.run.record import Run
from gradlab.run.sources import FolderSource


@of_kinds(path=PATH)
def load(path: str | Path) -> Run:
    """Load a run from its folder.

    A run that is still recorded, or was killed, is loaded up to its last whole batch.

    Parameters
    ----------
    path : path
        Of a folder, which may come from anybody: nothing in it is executed.

    Raises
    ------
    RunError
        The folder is no run folder, a file of it is damaged, or it was written by another version
        of gradlab.
    """
    return _load(Path(path), temporary=False)


def load_temporary(folder: Path) -> Run:
    """Load a run from a folder that is deleted with the Run; see `load`."""
    return _load(folder, temporary=True)


def _load(folder: Path, *, temporary: bool) -> Run:
    description = storage.read_description(folder)
    closed = bool(description.get("closed"))
    provenance = description["provenance"]
    if not closed:
        provenance = {**provenance, "status": "unfinished"}
    blocks = description.get("blocks") or []
    layout = Layout(
        description["replicates"],
        tuple(layer["layer"] for layer in description["layers"]),
        tuple(block["block"] for block in blocks),
    )
    if closed:
        check_tables(folder, layout)
    return Run(
        description["name"],
        description["config"],
        provenance,
        description["layers"],
        description["replicates"],
        FolderSource(folder, closed, layout, temporary=temporary),
        blocks=blocks,
    )


def check_tables(folder: Path, layout: Layout) -> None:
    """Check every table of a closed run, and that steps and signals hold the same iterations.

    Raises
    ------
    RunError
        One is damaged, or they do not belong together.
    """
    rows = dict.fromkeys(storage.TABLES, 0)
    for table in storage.TABLES:
        path = folder / f"{table}.parquet"
        if path.exists():
            rows[table] = parquet.check(path, table, layout)
    if rows["signals"] != rows["steps"] * len(layout.layers):
        raise RunError(
            f"{folder} is damaged: steps.parquet has {rows['steps']} rows and signals.parquet "
            f"{rows['signals']}, "
            f"which do not fit {layout.replicates} replicates and {len(layout.layers)} layers; "
            f"record the run again"
        )
