"""What a worker process does: it trains a cell into a folder that appears once it is complete."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from gradlab.comparison.plan import Plan
from gradlab.datasets import Data
from gradlab.files import write_text
from gradlab.nn.loop import Step
from gradlab.run import storage
from gradlab.run.locks import Owner, read_owner
from gradlab.training import train

SEAL = "cell.json"
"""In a finished cell: which cell it is, and the SHA-256 of its files."""
OWNER = "gradlab-owner.json"
"""In a folder that is being written: the process that writes it."""

OnStep = Callable[[Step], None] | None


def train_cell(
    each: Plan, data: Data, runs: Path, *, in_place: bool = False, on_step: OnStep = None
) -> str:
    """Train one cell into its folder in `runs`; return the folder's path.

    Otherwise than `in_place`, the cell is written beside its place, in a folder whose name no
    other process and no other machine uses, and moved there once it is complete.
    """
    target = runs / each.folder
    if in_place:
        record(each, data, target, on_step, on_finding="print")  # one training, that is waited for
        return str(target)

    return str(appear(each, runs, lambda folder: record(each, data, folder, on_step)))


def appear(each: Plan, runs: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` make a cell's folder beside its place, and move it there; return the place."""
    part = runs / f".{each.folder}.{uuid.uuid4().hex}.part"
    part.mkdir()
    try:
        write_owner(part / OWNER)
        write(part / "run")
        storage.replace_folder(part / "run", runs / each.folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return runs / each.folder


def write_owner(path: Path) -> None:
    """Write a file that says which process made it."""
    path.write_text(json.dumps(asdict(Owner.here())), encoding="utf-8")


def record(
    each: Plan,
    data: Data,
    folder: Path,
    on_step: OnStep = None,
    *,
    on_finding: str | None = None,
) -> None:
    """Train a cell, recorded into `folder`, and seal it."""
    (folder / SEAL).unlink(missing_ok=True)
    model = each.network.build(each.sizes(data), seed=each.seed, replicates=each.seeds)
    options = asdict(each.training)
    options |= {"on_step": on_step, "on_finding": on_finding}
    train(model, data, name=each.plain_name, out=folder, overwrite=True, **options)
    seal = {"cell": each.folder, "files": _digests(folder)}
    write_text(folder / SEAL, json.dumps(seal, indent=1))


def is_finished(folder: Path) -> bool:
    """Whether a folder holds the finished cell that its name says, byte by byte as it was written.

    A cell that was interrupted, damaged or swapped with another is none: it is trained anew.
    """
    return is_sealed(folder, folder.name)


def is_sealed(folder: Path, cell: str) -> bool:
    """Whether a folder holds all of a finished cell, byte by byte as it was written."""
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return seal["cell"] == cell and seal["files"] == _digests(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a run."""
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name == storage.DESCRIPTION or path.suffix == ".parquet":
            digests[path.name] = digest_of(path)
    return digests


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_leftovers(runs: Path) -> None:
    """Delete half-written cells and tokens of processes of this machine that are no more.

    They are known by what they say of who wrote them: nothing else is touched.
    """
    for part in runs.glob(".*.part"):
        owner = read_owner(part / OWNER)
        if owner is not None and owner.is_gone:
            shutil.rmtree(part, ignore_errors=True)
    for token in runs.glob(".gradlab-*.token"):
        owner = read_owner(token)
        if owner is not None and owner.is_gone:
            token.unlink(missing_ok=True)
