"""Faults of a cluster in the middle of a grid, for `benchmarks.cluster`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradlab.comparison import Plan, train_cells
from gradlab.comparison.connection import connected
from gradlab.comparison.seals import FINISHED
from gradlab.datasets import Data


def kills(plans: Sequence[Plan], data: Data, count: int, *, at_url: bool) -> None:
    """Kill workers in the middle of a grid; print what is left of it."""
    with tempfile.TemporaryDirectory() as quiet, tempfile.TemporaryDirectory() as noisy:
        for _ in train_cells(plans, data, runs=quiet, jobs=2):
            pass
        with connected("local", 2) as client:
            killer = Killer(client, count)
            killer.start()
            rounds = 0
            while not killer.done.is_set():
                rounds += 1
                runs = f"file://{noisy}" if at_url else noisy
                done = list(train_cells(plans, data, runs=runs, cluster=client, force=True))
                assert len(done) == len(plans)
                same = sum(tables(quiet, each) == tables(noisy, each) for each in plans)
                print(
                    f"  after {killer.killed} kills: {len(done)} of {len(plans)} cells, {same} "
                    "the same as without kills, bit for bit",
                    flush=True,
                )
            killer.join()
    print(f"{killer.killed} workers killed at random times in {rounds} grids")


class Killer(threading.Thread):
    """Kills a random worker, up to three seconds after a cell was given to one, again and again.

    One that is just starting may be hit, too.
    """

    def __init__(self, client: Any, count: int):
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.killed = 0
        self._client = client
        self._count = count

    def run(self) -> None:
        """Kill."""
        while self.killed < self._count:
            if not any(self._client.processing().values()):
                time.sleep(0.1)
                continue
            time.sleep(random.uniform(0.0, 3.0))
            nannies = self._client.cluster.workers.values()
            running = [each.pid for each in nannies if each.pid]
            if running:
                os.kill(random.choice(running), signal.SIGKILL)
                self.killed += 1
                time.sleep(random.uniform(0.0, 3.0))
        self.done.set()


def tables(runs: str, plan: Plan) -> dict[str, bytes]:
    """Return the tables of a record, byte by byte."""
    folder = Path(runs) / plan.folder
    seal = folder / FINISHED
    if seal.exists():  # a store: several uploads may lie there
        folder = folder / json.loads(seal.read_text())["upload"]
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def restart(plans: Sequence[Plan], data: Data) -> None:
    """Kill a scheduler in the middle of a grid, start it and a worker again; the grid goes on."""
    address = "tcp://127.0.0.1:8797"
    started = [_dask("scheduler", "--port", "8797", "--no-dashboard"), _worker(address)]
    with tempfile.TemporaryDirectory() as runs:
        done = 0
        for _ in train_cells(plans, data, runs=runs, cluster=address):
            done += 1
            if done == 3:
                for each in started:
                    each.kill()
                started += [_dask("scheduler", "--port", "8797", "--no-dashboard")]
                started += [_worker(address)]
                print("  scheduler and worker killed and started again after 3 cells", flush=True)
        print(f"  {done} of {len(plans)} cells")
    for each in started:
        each.kill()


def _worker(address: str) -> subprocess.Popen:
    return _dask("worker", address, "--nthreads", "1", "--no-dashboard")


def _dask(kind: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
