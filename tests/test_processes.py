"""Whether a process runs: on this system, and by the calls that Windows has for it."""

import os
import subprocess
import sys

import pytest

from gradlab.run import processes


class Kernel32:
    """Windows' calls: process 7 runs, 8 has ended with code 3, 9 may not be asked, no other is."""

    codes, starts = {7: 259, 8: 3}, {7: 132_000_000_000_000_000, 8: 5}

    def __init__(self):
        self.opened: list[int] = []
        self.error = 0

    def OpenProcess(self, access, inherited, process):
        assert (access, inherited) == (0x1000, False)
        self.error = {9: 5}.get(process, 87)
        if process not in self.codes:
            return None
        self.opened.append(process)
        return process

    def GetExitCodeProcess(self, handle, code):
        code._obj.value = self.codes[handle.value]
        return 1

    def GetProcessTimes(self, handle, start, *others):
        start._obj.value = self.starts[handle.value]
        return 1

    def CloseHandle(self, handle):
        self.opened.remove(handle.value)


@pytest.fixture
def windows(monkeypatch):
    kernel32 = Kernel32()
    monkeypatch.setattr(processes, "_last_error", lambda: kernel32.error)
    return kernel32


@pytest.mark.parametrize(("process", "runs"), [(7, True), (8, False), (9, True), (10, False)])
def test_windows_is_asked_without_a_signal(windows, process, runs):
    assert processes._windows_runs(process, windows) is runs
    assert windows.opened == []


@pytest.mark.parametrize(("process", "start"), [(7, "132000000000000000"), (8, "5"), (9, "")])
def test_windows_tells_when_a_process_started(windows, process, start):
    assert processes._windows_started(process, windows) == start
    assert windows.opened == []


def test_a_process_runs_until_it_has_ended():
    assert processes.runs(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert processes.runs(process.pid)
        process.kill()
    assert not processes.runs(process.pid)
    assert not processes.runs(1 << 40)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="starts are read from /proc")
def test_starts_are_those_of_the_process():
    assert processes.started(os.getpid()).isdigit()
    assert processes.started(1 << 40) == ""
