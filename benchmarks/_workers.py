"""Competitors in processes of their own, on one core, one BLAS thread each, taking turns in bursts.

Seconds are those of the processor, not of the clock on the wall: a worker pays for what it
computes, and not for the time that somebody else had its core.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._pairs import Measured, in_turn

BURST = 0.1  # seconds, at least
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
ABSENT = "absent"
Steps = Callable[[int], object]  # does so many


class Worker:
    """A process that makes steps when asked: `made` is "module:function" with its arguments."""

    def __init__(self, made: str, *arguments: Any, environment: Mapping[str, str] | None = None):
        settings = dict.fromkeys(THREADS, "1") | dict(environment or {})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._workers", made, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | settings,
        )
        self._count = self._read()  # steps a burst; none where what it needs is not installed

    @property
    def absent(self) -> bool:
        """Whether what it needs is not installed."""
        return self._count is None

    def burst(self) -> float:
        """Make a burst; return the seconds of one step."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read() or float("nan")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _read(self) -> float | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if line == ABSENT:
            return None
        if not line:
            raise SystemExit(f"benchmarks: a worker ended early: {self._process.args}")
        return float(line)


def taking_turns(workers: Mapping[str, Worker], rounds: int) -> Measured:
    """Measure the workers that are there, round by round, in seconds a step; then end them all."""
    try:
        return in_turn(
            {name: each.burst for name, each in workers.items() if not each.absent}, rounds
        )
    finally:
        for each in workers.values():
            each.close()


def main() -> None:
    """Be a worker."""
    made, arguments = sys.argv[1], json.loads(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a peer prints must not come between the answers
    module, _, function = made.partition(":")
    try:
        steps: Steps = getattr(importlib.import_module(module), function)(*arguments)
    except ModuleNotFoundError:
        print(ABSENT, file=answers, flush=True)
        return
    count = _count(steps)
    print(count, file=answers, flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        steps(count)
        print((time.process_time() - start) / count, file=answers, flush=True)


def _count(steps: Steps) -> int:
    """How many steps a burst takes; at least 20, so that the last, in full, hardly counts."""
    steps(5)
    start = time.process_time()
    steps(20)
    return max(20, round(20 * BURST / (time.process_time() - start)))


if __name__ == "__main__":
    main()
