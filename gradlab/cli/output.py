"""What commands print and write: clean text, and files that are whole or not there at all."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from gradlab.errors import GradlabError, shown
from gradlab.files import real

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CI_COMMAND = re.compile(r"^(?=::|##\[)", flags=re.MULTILINE)

_HEAD = 4096  # bytes of a page, in which the name of its grid stands
_GRID = re.compile(rb'<meta name="gradlab-grid" content="([0-9a-f]+)">')


def clean(text: str) -> str:
    """Return text that only prints: names in it may come from a stranger's record.

    Control characters, those of a terminal's escape sequences and those that turn the direction of
    writing, become visible as `\\x1b`; a line that a CI service would take for a command of its own
    (`::error::`) is indented.
    """
    visible = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return _CI_COMMAND.sub(" ", visible)


def say(text: str) -> None:
    """Print text that may hold names from a record."""
    print(clean(text))


def prepare_streams() -> None:
    """Print what the terminal's encoding lacks as an escape, and nothing to a closed stream."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:  # closed by whoever called: nobody reads it
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def abandon_stdout() -> None:
    """Drop what could not be printed, so that the interpreter does not try again at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def check_writable(*paths: Path | None) -> None:
    """Fail before the training, not after it, where the result cannot be written.

    Raises
    ------
    GradlabError
        The path is a folder, or lies in one that cannot be made or written to.
    """
    for path in paths:
        if path is None:
            continue
        name = shown(str(path))
        target = real(path)
        try:
            if target.is_dir():
                raise GradlabError(f"output {name} is a folder; give a file name")
            target.parent.mkdir(parents=True, exist_ok=True)
            writable = target if target.exists() else target.parent
        except OSError as error:
            raise GradlabError(
                f"output {name} cannot be written: {error.strerror}; choose another path"
            ) from None
        if not os.access(writable, os.W_OK):
            raise GradlabError(
                f"output {name} cannot be written: no permission; choose another folder"
            )


def open_page(path: Path) -> None:
    """Open a page in the browser."""
    import webbrowser

    webbrowser.open(path.resolve().as_uri())


def keep_another_grid(path: Path, grid: str) -> None:
    """Move a page of another grid out of the way, and say so; `grid` is the one to be written.

    Of a link, the page that it leads to. A pipe is never read: whoever reads it waits for the page.
    """
    try:
        path = real(path) if path.is_symlink() else path
        if not path.is_file():
            return
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return
    found = _GRID.search(head)
    if found is None or found[1].decode() == grid:
        return
    number = 1
    while (aside := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    path.rename(aside)
    say(f"{path} held the page of another grid, which is now {aside}")


def write_report(subjects: list[Any], path: Path, **options: Any) -> Path:
    """Write a report, say where it is, and return its path."""
    from gradlab.comparison import Comparison
    from gradlab.report import write_report

    first = subjects[0]
    keep_another_grid(path, first.fingerprint if isinstance(first, Comparison) else "")
    written = write_report(subjects[0] if len(subjects) == 1 else subjects, path, **options)
    size = f"{written.stat().st_size / 1e6:.1f} MB, " if written.is_file() else ""
    say(f"report: {written}  ({size}opens offline in any browser)")
    return written


def write_verdicts(path: Path, verdicts: dict[str, Any]) -> None:
    """Write the verdicts as JSON, and say where they are."""
    from gradlab.files import write_text

    write_text(path, json.dumps(verdicts, allow_nan=False, indent=1))
    say(f"verdicts: {path}")
