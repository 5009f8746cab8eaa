"""Comparisons on a Dask cluster: how much of the plain rate is left, and what kills do to them.

python -m benchmarks.cluster [scaling overhead schedule kills scheduler] [--rounds 3] [--kills 20]

`scaling` trains a grid of two minutes and more by two processes of this machine, by a cluster of
two workers and of one, in turn, start-up apart. `overhead` does so with many cells of nearly no
work. `schedule` computes when 10,000 cells would be done, from times measured by `scaling` in this
call. `kills` ends random workers in the middle of a grid and compares all records with those of a
quiet run; `scheduler` ends the scheduler and starts it again.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from gradlab import datasets
from gradlab.comparison import Plan, plan_cells, train_cells
from gradlab.comparison.connection import connected

DATA = datasets.digits(seed=0)
NETWORKS = ["sigmoid:glorot_normal", "tanh:glorot_normal", "relu:he_normal", "relu:he_normal:2"]
GRID = {"networks": NETWORKS, "depths": [2, 5, 10, 20, 50], "width": 64, "seeds": 8}
SHORT = {"networks": NETWORKS[:3], "depths": [2, 5, 10, 15], "width": 16, "seeds": 2}
WHOLE = 500  # iterations of the default grid
PARTS = ("scaling", "overhead", "schedule", "kills", "scheduler")


def plans_of(grid: dict[str, Any], **options: Any) -> list[Plan]:
    """Return the cells of a grid."""
    chosen = grid | options
    return plan_cells(chosen.pop("networks"), chosen.pop("depths"), data=DATA, **chosen)


def seconds(plans: Sequence[Plan], **how: Any) -> float:
    """Return how long it takes to train cells into a new folder."""
    return seconds_and_work(plans, **how)[0]


def seconds_and_work(plans: Sequence[Plan], **how: Any) -> tuple[float, float]:
    """Return how long that takes, and the processor's seconds of this process and its children."""
    with tempfile.TemporaryDirectory() as folder:
        start, worked = time.perf_counter(), processor_seconds()
        for _ in train_cells(plans, DATA, runs=folder, **how):
            pass
        return time.perf_counter() - start, processor_seconds() - worked


def processor_seconds() -> float:
    """Return the processor's seconds so far of this process and of all that it started."""
    here = psutil.Process()
    times = [each.cpu_times() for each in (here, *here.children(recursive=True))]
    return sum(each.user + each.system for each in times)


@contextmanager
def ways():
    """Yield the three ways to train cells, each started and warm."""
    warm = plans_of(SHORT, iterations=2)
    with connected("local", 2) as two, connected("local", 1) as one:
        made: dict[str, dict[str, Any]] = {
            "two processes": {"jobs": 2},
            "cluster of 2": {"cluster": two},
            "cluster of 1": {"cluster": one},
        }
        for how in made.values():
            seconds(warm, **how)
        yield made


Measured = dict[str, list[tuple[float, float]]]


def in_turn(plans: Sequence[Plan], rounds: int) -> Measured:
    """Return (seconds, processor's seconds) of each way; the order is turned each time."""
    measured: Measured = {}
    with ways() as made:
        for number in range(rounds):
            order = list(made.items())
            for name, how in order if number % 2 == 0 else reversed(order):
                took, worked = seconds_and_work(plans, **how)
                measured.setdefault(name, []).append((took, worked))
                load = os.getloadavg()[0]
                print(
                    f"    {name:<14} {took:7.1f} s, {worked:7.1f} s of a processor "
                    f"(load {load:.1f})",
                    flush=True,
                )
    return measured


def scaling(rounds: int, iterations: int) -> None:
    """Print the rate of a cluster over that of two plain processes."""
    plans = plans_of(GRID, iterations=iterations)
    print(f"the default grid, {len(plans)} cells, {iterations} iterations:")
    measured = in_turn(plans, rounds)
    plain = measured["two processes"]
    for name, share in (("cluster of 2", 1.0), ("cluster of 1", 0.5)):
        pairs = list(zip(plain, measured[name], strict=True))
        for kind, ratios in (
            ("of the plain rate a process", [mine[0] / other[0] / share for mine, other in pairs]),
            ("of it by work of the processor", [mine[1] / other[1] for mine, other in pairs]),
        ):
            told = " ".join(f"{each:.3f}" for each in ratios)
            print(f"  {name}: {statistics.median(ratios):.3f} {kind} (by round: {told})")


def overhead(rounds: int) -> None:
    """Print what a cell costs besides its training."""
    plans = plans_of(GRID, depths=list(range(1, 26)), width=4, seeds=1, iterations=1)
    print(f"{len(plans)} cells of one iteration:")
    measured = in_turn(plans, rounds)
    for name, pairs in measured.items():
        workers = 1 if name.endswith("of 1") else 2
        took = 1000 * workers * min(took for took, _ in pairs) / len(plans)
        worked = 1000 * min(worked for _, worked in pairs) / len(plans)
        print(f"  {name}: a cell takes {took:.0f} ms of a worker, {worked:.0f} of a processor")


def cell_times(iterations: int) -> list[float]:
    """Return the processor's seconds of each cell of the default grid at `WHOLE` iterations.

    Each is trained for fewer, and what is beyond the time of one iteration is scaled up.
    """
    times = []
    for long, short in zip(
        plans_of(GRID, iterations=iterations), plans_of(GRID, iterations=1), strict=True
    ):
        start, end = (seconds_and_work([each], jobs=1)[1] for each in (short, long))
        times.append(start + (end - start) * (WHOLE - 1) / (iterations - 1))
    return times


def makespan(times: Sequence[float], workers: int, between: float) -> float:
    """Return when all cells are done, each worker taking the longest cell that is left."""
    free = [0.0] * workers
    for each in sorted(times, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + each + between)
    return max(free)


def schedule(iterations: int, between: float) -> None:
    """Print when 10,000 cells would be done, from measured times of cells."""
    times = cell_times(iterations)
    print(
        f"cells of the default grid, {WHOLE} iterations: {min(times):.2f} to "
        f"{max(times):.2f} s, mean {statistics.mean(times):.2f} s; {1000 * between:.0f} ms between "
        "two"
    )
    chosen = random.Random(0)
    cells = [chosen.choice(times) for _ in range(10_000)]
    for workers in (1, 64, 1000):
        whole = makespan(cells, workers, between)
        share = sum(cells) / workers / whole
        print(f"  10,000 cells on {workers:>5} workers: {whole:8.0f} s, {100 * share:.1f} % busy")


def kills(count: int) -> None:
    """Kill workers in the middle of a grid; print what is left of it."""
    plans = plans_of(SHORT, iterations=150)
    with tempfile.TemporaryDirectory() as quiet, tempfile.TemporaryDirectory() as noisy:
        for _ in train_cells(plans, DATA, runs=quiet, jobs=2):
            pass
        with connected("local", 2) as client:
            killer = Killer(client, count)
            killer.start()
            rounds = 0
            while not killer.done.is_set():
                rounds += 1
                done = list(train_cells(plans, DATA, runs=noisy, cluster=client, force=True))
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
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def scheduler() -> None:
    """Kill a scheduler in the middle of a grid, start it and a worker again; the grid goes on."""
    address = "tcp://127.0.0.1:8797"
    plans = plans_of(SHORT, iterations=300)
    started = [_dask("scheduler", "--port", "8797", "--no-dashboard"), _worker(address)]
    with tempfile.TemporaryDirectory() as runs:
        done = 0
        for _ in train_cells(plans, DATA, runs=runs, cluster=address):
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


def main() -> int:
    """Run the parts named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--between", type=float, default=0.05)
    given = parser.parse_args()
    run: dict[str, Callable[[], None]] = {
        "scaling": lambda: scaling(given.rounds, given.iterations),
        "overhead": lambda: overhead(given.rounds),
        "schedule": lambda: schedule(given.iterations, given.between),
        "kills": lambda: kills(given.kills),
        "scheduler": scheduler,
    }
    for name in given.parts:
        print(f"{name}:", flush=True)
        run[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
