"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gradlab.errors import RunError


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, through a temporary neighbour.

    A symbolic link stays, and the file it leads to is written. What is no regular file (a device
    such as /dev/stdout, a named pipe) is written to, never replaced.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    try:
        target = real(path)
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
        else:
            _replace(target, text)
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}; choose a folder you may write to"
        ) from None


def real(path: Path) -> Path:
    """Return a path without its links; RunError where they lead in a circle."""
    found = Path(os.path.realpath(path))
    if os.path.islink(found):  # noqa: PTH114  # of a name too long, Path.is_symlink raises
        raise RunError(f"{path} is a link that leads back to itself; choose another path")
    return found


def is_file(path: Path) -> bool:
    """Whether a file lies there; not so where nobody may look, or no name can be so long."""
    try:
        return path.is_file()
    except OSError:
        return False


def current_umask() -> int:
    """Return which permissions this process takes from the files it makes; to ask is to set it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _replace(target: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}."[:100])
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o666 & ~current_umask())  # mkstemp's files are private
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
