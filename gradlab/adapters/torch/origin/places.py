"""Lines of the user's code: where PyTorch was called from."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch

LONGEST = 200  # characters of a line of code, and of a path
FRAMES_SEEN = 200

Frame = tuple[str, int, str]  # file, line, function

_TORCH = str(Path(torch.__file__).parent) + os.sep
_GRADLAB = str(Path(__file__).parents[3]) + os.sep
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
_STACK_ENTRY = re.compile(r'File "(.+?)", line (\d+), in (.+)')


@dataclass(frozen=True)
class Place:
    """A line of code.

    Attributes
    ----------
    file : str
        Below the folder that the process was started in, else its whole path.
    line : int
    function : str
    code : str
        The line itself, where it can be read.
    """

    file: str
    line: int
    function: str
    code: str

    @property
    def short(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return self.short + (f" ({self.code})" if self.code else "")


def frames_above(
    frame: FrameType | None = None, until: Any = None, most: int = FRAMES_SEEN
) -> tuple[Frame, ...]:
    """Return the frames outside torch, gradlab and the standard library, the innermost first.

    Parameters
    ----------
    frame : frame, optional
        Where to begin; the caller by default.
    until : code, optional
        The code of the outermost frame: those above it are not looked at.
    most : int
        How many frames are enough.
    """
    here = sys._getframe(1) if frame is None else frame
    found: list[Frame] = []
    left = FRAMES_SEEN
    while here is not None and left and most:
        code = here.f_code
        if code is until:
            break
        if _kind(code.co_filename) != "inner":
            found.append((code.co_filename, here.f_lineno, code.co_name))
            most -= 1
        here = here.f_back
        left -= 1
    return tuple(found)


def frames_in(traceback: Iterable[str]) -> tuple[Frame, ...]:
    """Return the frames of a stack that was written down by `traceback.format_stack`."""
    found = []
    for entry in traceback:
        match = _STACK_ENTRY.search(entry)
        if match and _kind(match[1]) != "inner":
            found.append((match[1], int(match[2]), match[3].strip()))
    return tuple(reversed(found))


def outermost(frames: Sequence[Frame]) -> Frame | None:
    """Return the user's own innermost frame: that of a library only where there is no other."""
    own = [each for each in frames if _kind(each[0]) == "own"]
    return own[0] if own else (frames[0] if frames else None)


def place(frames: Sequence[Frame]) -> Place | None:
    """Return the innermost line."""
    return _place(frames[0]) if frames else None


def caller(frames: Sequence[Frame]) -> Place | None:
    """Return the line that called the innermost one: below a library's, the user's own."""
    if not frames:
        return None
    above = frames[1:]
    if _kind(frames[0][0]) == "library":
        above = [each for each in above if _kind(each[0]) == "own"]
    return _place(above[0]) if above else None


def _place(frame: Frame) -> Place:
    file, line, function = frame
    code = linecache.getline(file, line).strip()
    return Place(_clean(_relative(file)), line, _clean(function), _clean(code))


def _relative(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file


def _clean(text: str) -> str:
    """Return text without what a terminal would obey."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


@lru_cache(maxsize=4096)
def _kind(file: str) -> str:
    """Say whose a file is: "own" (the user's), "library", or "inner" (of no interest)."""
    if file.startswith((_TORCH, _GRADLAB)):
        return "inner"
    if "site-packages" in file or "dist-packages" in file:
        return "library"
    generated = file.startswith("<") and not file.startswith(("<stdin>", "<ipython", "<string>"))
    return "inner" if generated or file.startswith(_STANDARD) else "own"
