"""A run folder: what describes it, who may write to it, and how it is put in its place.

A run folder holds `run.json` (what it is) and tables: `steps`, `signals` (one row an iteration,
replicate and layer), `weights`, and where they are recorded `block_signals`, `output_stage` and
`histograms`. While live, every table is a stream (streams.py); each batch that `Writer.write`
returned from is readable after `kill -9`. A closed run holds zstd Parquet (parquet.py). Nothing is
pickled or evaluated.

A batch survives the death of the process, not a power cut: no fsync is issued (it would cost more
than the training step).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradlab.errors import RunError
from gradlab.files import write_text
from gradlab.run import parquet
from gradlab.run.describing import is_baseline, read_integer
from gradlab.run.locks import LOCK, FolderLock, refuse_if_recorded
from gradlab.run.tables import COLUMNS, LAYER_COLUMNS, LAYER_WORDS

SCHEMA_VERSION = 2
DESCRIPTION = "run.json"
TABLES = tuple(COLUMNS)
MOST_BYTES = 1 << 26  # of a description
MOST_PLACES = 1 << 24  # replicates times layers


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53


def _layers(value: Any) -> bool:
    """Whether these describe layers, numbered one after the other."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return False
    numbers = [name for name in LAYER_COLUMNS if name not in LAYER_WORDS]
    for place, one in enumerate(value):
        if not all(one.get(name) is None or isinstance(one[name], str) for name in LAYER_WORDS):
            return False
        if not all(one.get(name) is None or _whole(one[name]) for name in numbers):
            return False
        if not _whole(one.get("layer")) or one["layer"] != value[0]["layer"] + place:
            return False
    return True


def _blocks(value: Any) -> bool:
    """Whether these are blocks, each with a name of its own."""
    if value is None:
        return True
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    names = [one.get("block") for one in value]
    words = all(
        isinstance(one.get(key, ""), str)
        for one in value
        for key in ("block", "path", "kind", "norm")
    )
    listed = [one.get("layers", []) for one in value]
    numbers = all(isinstance(layers, list) and all(map(_whole, layers)) for layers in listed)
    return words and numbers and all(names) and len(set(names)) == len(names)


_VALID: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "closed": lambda value: value is None or isinstance(value, bool),
    "config": lambda value: isinstance(value, dict) and is_baseline(value.get("baseline_loss")),
    "provenance": lambda value: isinstance(value, dict),
    "layers": _layers,
    "replicates": lambda value: _whole(value) and value >= 1,
    "blocks": _blocks,
    "tables": lambda value: (
        value is None or (isinstance(value, dict) and set(value) <= set(TABLES))
    ),
}


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write `run.json` atomically; that of a closed run names the tables that belong to it."""
    if description["closed"]:
        paths = {table: folder / f"{table}.parquet" for table in TABLES}
        sealed = {table: parquet.seal(path) for table, path in paths.items() if path.is_file()}
        description = {**description, "tables": sealed}
    text = json.dumps({"schema": SCHEMA_VERSION, **description}, indent=1, allow_nan=False)
    write_text(folder / DESCRIPTION, text)


def read_description(folder: Path) -> dict[str, Any]:
    """Read `run.json` and check every part of it.

    Raises
    ------
    RunError
        The folder is no run, is damaged, or comes from another version of gradlab.
    """
    path = folder / DESCRIPTION
    if not _exists(folder):
        advice = "give the folder of a recorded run"
        if _aside(folder).exists():  # a process died while it put another run in its place
            advice = f"the run that lay there is in {_aside(folder)}"
        raise RunError(f"{folder} does not exist; {advice}")
    if not path.is_file():
        raise RunError(_no_run(folder))
    description = _parsed(path)
    version = description.get("schema")
    if version is None:
        raise RunError(
            f"{path} names no schema, so it is not of a run that gradlab recorded; give the folder "
            "of one"
        )
    if type(version) is not int or version != SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema {ascii(version)[:20]}, and this gradlab reads schema "
            f"{SCHEMA_VERSION}; "
            "read it with the gradlab that wrote it, or record the run again"
        )
    wrong = [key for key, valid in _VALID.items() if not valid(description.get(key))]
    if not wrong and description["replicates"] * len(description["layers"]) > MOST_PLACES:
        wrong = ["replicates"]
    if wrong:
        raise RunError(
            f"{path} is damaged: it lacks a valid {', '.join(wrong)}; record the run again"
        )
    for table, told in (description.get("tables") or {}).items():
        _check_seal(folder / f"{table}.parquet", told)
    return description


def _no_run(folder: Path) -> str:
    """Say of a path without a description what to give instead."""
    if not folder.is_dir():
        if (folder.parent / DESCRIPTION).is_file():
            return f"{folder} is a file of a run; give the folder that it lies in, {folder.parent}"
        return f"{folder} is a file; give the folder of a recorded run"
    inside = sorted(path.parent.name for path in folder.glob(f"[!.]*/{DESCRIPTION}"))
    if inside:
        named = ", ".join(inside[:3]) + (f" and {len(inside) - 3} more" if inside[3:] else "")
        return f"{folder} is not a run folder, but holds some: {named}; give one of them"
    return (
        f"{folder} is not a run folder: it holds no {DESCRIPTION}; give the folder a run was "
        "recorded to"
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RunError(f"{path} is larger than {MOST_BYTES >> 20} MB: it describes no run")
        text = path.read_text(encoding="utf-8")
        description = json.loads(text, parse_constant=_refused, parse_int=read_integer)
        json.dumps(
            description, ensure_ascii=False
        ).encode()  # half a surrogate pair can be neither shown nor saved
    except (ValueError, OSError, RecursionError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise RunError(
            f"{path} is damaged and cannot be read ({type(error).__name__}: {reason[:120]!a})"
        ) from None
    if not isinstance(description, dict):
        raise RunError(
            f"{path} is damaged: it holds a {type(description).__name__} and no description"
        )
    return description


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _check_seal(path: Path, told: Any) -> None:
    if not path.is_file():
        raise RunError(f"{path.parent} is damaged: {path.name} is missing; record the run again")
    try:
        broken = parquet.broken_seal(path, told)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
    if broken:
        raise RunError(f"{path} is damaged: its footer has changed; record the run again")


def copy_tables(folder: Path, target: Path) -> None:
    """Copy the Parquet files of a closed run: a long one need not fit into memory."""
    for table in TABLES:
        if (folder / f"{table}.parquet").is_file():
            shutil.copyfile(folder / f"{table}.parquet", target / f"{table}.parquet")


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Raise RunError for a folder that no run may be written to, and change nothing."""
    try:
        _check_folder(folder, overwrite)
    except OSError as error:  # its name is too long, say, or nobody may look
        raise RunError(f"{folder} cannot be read: {error.strerror or error}") from None


def _check_folder(folder: Path, overwrite: bool) -> None:
    if folder.is_file():
        raise RunError(f"{folder} is a file; give a folder for the run")
    if folder.exists() and any(not path.name.startswith(LOCK) for path in folder.iterdir()):
        if not (folder / DESCRIPTION).is_file():
            raise RunError(
                f"{folder} is not empty and holds no run; choose an empty or a new folder"
            )
        if not overwrite:
            raise RunError(
                f"{folder} already holds a run; choose another folder, or delete it first"
            )
    refuse_if_recorded(folder)
    parent = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise RunError(f"{folder} cannot be made; choose a folder you may write to")


def prepare_folder(folder: Path, overwrite: bool = False) -> FolderLock:
    """Make an empty folder for a run and take it for this process.

    With `overwrite`, a run that lies there goes first; what else lies beside it stays.

    Raises
    ------
    RunError
        The path is a file, the folder holds something, another process records there, or it cannot
        be written to.
    """
    try:
        check_folder(folder, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        lock.acquire()
        try:
            for path in list(folder.iterdir()):
                if _is_of_a_run(path.name):
                    path.unlink()
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise RunError(
            f"{folder} cannot be made: {error.strerror}; choose a folder you may write to"
        ) from None
    return lock


def _is_of_a_run(name: str) -> bool:
    """Whether a file is one that gradlab writes into a run folder."""
    table = name.removeprefix(".").split(".")[0]
    ends = (".arrow", ".parquet", ".parquet.part")
    batch = name.startswith("batch-") and name.endswith(".npz")  # what `watch` keeps of a break
    return name == DESCRIPTION or batch or (table in TABLES and name.endswith(ends))


def _exists(folder: Path) -> bool:
    """Whether there is such a path.

    Raises
    ------
    RunError
        There cannot be one: its name is too long, say, or nobody may look.
    """
    try:
        return folder.exists()
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {error.strerror or error}") from None


def _aside(folder: Path) -> Path:
    """Return where a run lies while another one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def replace_folder(temporary: Path, target: Path) -> None:
    """Move a complete run folder to its place.

    A run that lay there is removed only once the new one is in.
    """
    old = _aside(target)
    try:
        if target.exists():  # else `old` may be all there is: a process died between two renames
            shutil.rmtree(old, ignore_errors=True)
            os.replace(target, old)
        os.replace(temporary, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
