"""Whether a process runs, and when it started: what tells a leftover from a run that lives."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
_NO_SUCH_PROCESS = 87  # ERROR_INVALID_PARAMETER
_STILL_ACTIVE = 259


def runs(process: int) -> bool:
    """Whether a process of this number runs on this machine; True where nobody can say."""
    if sys.platform == "win32":
        # os.kill(process, 0) would send it a Ctrl-C there
        return _windows_runs(process, _kernel32())
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's process: it lives
    return True


def started(process: int) -> str:
    """Return when a process started, in the system's own units; empty where that is unknown.

    A number that is used again has another start. Known on Linux (clock ticks since the boot) and
    on Windows (units of 100 ns since 1601).
    """
    if sys.platform == "win32":
        return _windows_started(process, _kernel32())
    try:
        # The name of the program, in brackets, may hold anything; the start is the 20th field after
        # it.
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return status.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _kernel32() -> Any:
    import ctypes

    library = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009
    library.OpenProcess.restype = ctypes.c_void_p  # a handle: as wide as a pointer
    return library


def _windows_runs(process: int, kernel32: Any) -> bool:
    import ctypes

    handle = kernel32.OpenProcess(_QUERY, False, process)
    if not handle:
        return _last_error() != _NO_SUCH_PROCESS
    code = ctypes.c_ulong()
    try:
        known = kernel32.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    finally:
        kernel32.CloseHandle(ctypes.c_void_p(handle))
    return not known or code.value == _STILL_ACTIVE


def _windows_started(process: int, kernel32: Any) -> str:
    import ctypes

    handle = kernel32.OpenProcess(_QUERY, False, process)
    if not handle:
        return ""
    times = [ctypes.c_ulonglong() for _ in range(4)]  # start, end, in the kernel, in the program
    try:
        known = kernel32.GetProcessTimes(ctypes.c_void_p(handle), *map(ctypes.byref, times))
    finally:
        kernel32.CloseHandle(ctypes.c_void_p(handle))
    return str(times[0].value) if known else ""


def _last_error() -> int:
    import ctypes

    return getattr(ctypes, "get_last_error")()  # noqa: B009
