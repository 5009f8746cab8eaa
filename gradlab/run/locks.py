"""One writer a folder: a file says which process records there, on which machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradlab.errors import RunError
from gradlab.run import processes

LOCK = ".recording"
_LIMIT = 1 << 14  # bytes that are read of a lock
_TRIES, _IN_THE_MAKING = (
    100,
    2.0,
)  # seconds that a process may take from making a lock to filling it


@dataclass(frozen=True)
class Owner:
    """A process: its machine or container, its number, and when it started.

    The start tells a number that is used again from the old one.
    """

    host: str
    process: int
    started: str

    @classmethod
    def here(cls) -> Owner:
        """Return the owner that this process is."""
        return cls(_host(), os.getpid(), processes.started(os.getpid()))

    @property
    def is_gone(self) -> bool:
        """Whether it certainly ended: it ran on this machine, and no such process does now."""
        if self.host != _host():
            return False
        if not processes.runs(self.process):
            return True
        return bool(self.started) and self.started != processes.started(self.process)


class FolderLock:
    """Held from `acquire` to `release` by the process that records to a folder.

    A process that was forked from it holds nothing: its `release` does nothing.
    """

    def __init__(self, folder: Path):
        self._path = folder / LOCK
        self._owner = Owner.here()

    def acquire(self) -> None:
        """Take the folder.

        Raises
        ------
        RunError
            Another process records there, or did on another machine.
        OSError
            The folder cannot be written to.
        """
        text = json.dumps(asdict(self._owner))
        for _ in range(_TRIES):
            try:
                with self._path.open("x", encoding="utf-8") as file:
                    file.write(text)
                return
            except FileExistsError:
                self._remove_old()
        raise RunError(f"another process is just taking {self._path.parent}; choose another folder")

    def _remove_old(self) -> None:
        """Remove the lock of a killed process; an empty one may be in the making, and gets time."""
        owner = owner_of(self._path.parent)
        if owner is None and _age(self._path) < _IN_THE_MAKING:
            time.sleep(0.05)
            return
        refuse_if_recorded(self._path.parent)
        aside = self._path.with_name(f"{LOCK}.{self._owner.process}")
        with contextlib.suppress(FileNotFoundError):  # another process removed it first
            os.replace(self._path, aside)
            taken = read_owner(aside)
            if taken != owner:  # another process took the folder in between: give it back
                os.replace(aside, self._path)
                raise RunError(
                    f"another process is just taking {self._path.parent}; choose another folder"
                )
            aside.unlink()

    def release(self) -> None:
        """Give the folder back, where this process holds it."""
        if os.getpid() == self._owner.process and owner_of(self._path.parent) == self._owner:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def owner_of(folder: Path) -> Owner | None:
    """Return the process that a folder's lock names; None where none can be read."""
    return read_owner(folder / LOCK)


def read_owner(path: Path) -> Owner | None:
    """Return the process that a file names; None where none can be read."""
    try:
        with path.open("rb") as file:
            told: Any = json.loads(file.read(_LIMIT))
        owner = Owner(told["host"], told["process"], told["started"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    kinds = isinstance(owner.host, str), type(owner.process) is int, isinstance(owner.started, str)
    return owner if all(kinds) and owner.process > 0 else None


def _age(path: Path) -> float:
    """Return how many seconds ago a file was written; of one that is gone, infinitely many."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def refuse_if_recorded(folder: Path) -> None:
    """Raise RunError where a process that may still run records to the folder."""
    owner = owner_of(folder)
    if owner is None or owner.is_gone:
        return
    here = owner.host == _host()
    where = "" if here else f" on {owner.host.split('/')[0]!a}"
    ended = "" if here else f", or delete {folder / LOCK} if that process has ended"
    raise RunError(
        f"process {owner.process}{where} is recording to {folder}; choose another folder{ended}"
    )


def _host() -> str:
    """Name this machine; on Linux also the boot and the container, which count processes anew."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return "/".join(parts)
