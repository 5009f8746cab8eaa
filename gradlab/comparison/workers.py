"""Cells trained in worker processes, each into a folder that appears once it is complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from gradlab.comparison.cell import Cell
from gradlab.comparison.plan import Plan
from gradlab.datasets import Data
from gradlab.errors import ArgumentError, GradlabError, RunError
from gradlab.files import write_text
from gradlab.run import storage
from gradlab.run.locks import Owner, read_owner
from gradlab.training import train

SEAL = "cell.json"
"""In a finished cell: which cell it is, and the SHA-256 of its files."""
OWNER = "gradlab-owner.json"
"""In a folder that is being written: the process that writes it."""


def train_cells(
    plans: Sequence[Plan],
    data: Data,
    *,
    jobs: int = -1,
    runs: str | Path = "runs",
    force: bool = False,
    in_place: bool = False,
) -> Iterator[Cell]:
    """Yield each cell as soon as it is there: finished ones first, then the others as they end.

    Parameters
    ----------
    plans : sequence of Plan
        From `plan_cells`; the cells that take longest are started first.
    data : Data
    jobs : int
        Processes; -1 = one a core.
    runs : path
        Folder that keeps the cells.
    force : bool
        Train every cell anew.
    in_place : bool
        Record into the cell's own folder, so that what a killed training had recorded is found
        there. Otherwise the folder appears once the cell is complete.

    Raises
    ------
    ArgumentError, RunError
        `jobs` out of range; a folder that cannot be written.
    GradlabError
        A worker process that was killed.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if jobs == 0 or jobs < -1:
        raise ArgumentError(
            f"jobs={jobs!r} must be a number of processes of at least 1, or -1 for one a core"
        )
    folder = _prepared(Path(runs))
    todo = []
    for each in plans:
        if not force and is_finished(folder / each.folder):
            yield Cell(each, folder / each.folder, reused=True)
        else:
            todo.append(each)
    remove_leftovers(folder)
    todo.sort(key=lambda each: each.cost, reverse=True)
    by_folder = {each.folder: each for each in todo}
    workers = min(joblib.effective_n_jobs(jobs), max(1, len(todo)))
    here = (folder.resolve(), in_place, os.getpid())
    tasks = (joblib.delayed(_work)(each, data, *here) for each in todo)
    try:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)  # pyright: ignore
        for path in parallel(tasks):
            name = Path(str(path)).name
            yield Cell(by_folder[name], folder / name)
    except TerminatedWorkerError:
        raise GradlabError(
            "a worker process was killed (out of memory?); finished cells are kept, run the same "
            "command again with fewer --jobs"
        ) from None


def _prepared(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"runs={str(folder)!r} cannot be made: {error.strerror}; choose a folder you may "
            "write to"
        ) from None
    return folder


def _work(each: Plan, data: Data, runs: Path, in_place: bool, main_process: int) -> str:
    """Train a cell in a worker; at Ctrl-C the main process ends it, without a traceback."""
    if os.getpid() != main_process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return train_cell(each, data, runs, in_place=in_place)


def train_cell(each: Plan, data: Data, runs: Path, *, in_place: bool = False) -> str:
    """Train one cell into its folder in `runs`; return the folder's path.

    Otherwise than `in_place`, the cell is written beside its place, in a folder whose name no
    other process and no other machine uses, and moved there once it is complete.
    """
    target = runs / each.folder
    if in_place:
        _record(each, data, target)
        return str(target)
    part = runs / f".{each.folder}.{uuid.uuid4().hex}.part"
    part.mkdir()
    (part / OWNER).write_text(json.dumps(asdict(Owner.here())), encoding="utf-8")
    try:
        _record(each, data, part / "run")
        storage.replace_folder(part / "run", target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return str(target)


def _record(each: Plan, data: Data, folder: Path) -> None:
    (folder / SEAL).unlink(missing_ok=True)
    model = each.network.build(each.sizes(data), seed=each.seed, replicates=each.seeds)
    train(model, data, name=each.name, out=folder, overwrite=True, **asdict(each.training))
    seal = {"cell": each.folder, "files": _digests(folder)}
    write_text(folder / SEAL, json.dumps(seal, indent=1))


def is_finished(folder: Path) -> bool:
    """Whether a folder holds the finished cell that its name says, byte by byte as it was written.

    A cell that was interrupted, damaged or swapped with another is none: it is trained anew.
    """
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return seal["cell"] == folder.name and seal["files"] == _digests(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a run."""
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name == storage.DESCRIPTION or path.suffix == ".parquet":
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def remove_leftovers(runs: Path) -> None:
    """Delete the half-written cells of processes of this machine that are no more.

    They are known by a file that says who wrote them: no other folder is touched.
    """
    for part in runs.glob(".*.part"):
        owner = read_owner(part / OWNER)
        if owner is not None and owner.is_gone:
            shutil.rmtree(part, ignore_errors=True)
