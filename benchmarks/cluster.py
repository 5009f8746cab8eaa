"""Comparisons on a Dask cluster: how much of the plain rate is left, and what kills do to them.

python -m benchmarks.cluster [scaling overhead schedule kills kills-url scheduler] [--kills 20]
python -m benchmarks.cluster efficiency --rounds 2

`efficiency` trains a grid of two minutes and more by two processes of this machine and by a cluster
of two workers, in turn, start-up apart; `scaling` also by one worker. `overhead` does so with many
cells of nearly no work. `schedule` computes when 10,000 cells would be done, from times of cells
that it measures. `kills` ends random workers in the middle of a grid and compares all records with
those of a quiet run, `kills-url` where workers write to a URL; `scheduler` ends the scheduler and
starts it again.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from benchmarks import _cluster_faults as faults
from gradlab import datasets
from gradlab.comparison import Plan, plan_cells, train_cells
from gradlab.comparison.connection import connected

DATA = datasets.digits(seed=0)
NETWORKS = ["sigmoid:glorot_normal", "tanh:glorot_normal", "relu:he_normal", "relu:he_normal:2"]
GRID = {"networks": NETWORKS, "depths": [2, 5, 10, 20, 50], "width": 64, "seeds": 8}
SHORT = {"networks": NETWORKS[:3], "depths": [2, 5, 10, 15], "width": 16, "seeds": 2}
WHOLE = 500  # iterations of the default grid
RATES = {"learning_rate": [0.01, 0.03, 0.1]}
LONG = 400  # iterations with which the grid at these rates takes two cores two minutes and more
WORKERS = {"cluster of 2": 2, "cluster of 1": 1}
PARTS = ("scaling", "overhead", "schedule", "kills", "kills-url", "scheduler")


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
def ways(names: Sequence[str]) -> Iterator[dict[str, dict[str, Any]]]:
    """Yield ways to train cells, each started and warm."""
    warm = plans_of(SHORT, iterations=2)
    with ExitStack() as stack:
        made: dict[str, dict[str, Any]] = {"two processes": {"jobs": 2}}
        for name in names:
            client = stack.enter_context(connected("local", WORKERS[name]))
            made[name] = {"cluster": client}
        for how in made.values():
            seconds(warm, **how)
        yield made


Measured = dict[str, list[tuple[float, float]]]


def in_turn(
    plans: Sequence[Plan], rounds: int, clusters: Sequence[str] = tuple(WORKERS)
) -> Measured:
    """Return (seconds, processor's seconds) of each way; the order is turned each time."""
    measured: Measured = {}
    with ways(clusters) as made:
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
    print_rates(in_turn(plans, rounds))


def efficiency(rounds: int, iterations: int) -> None:
    """Print the rate of a cluster of two workers over that of two plain processes.

    With few cells chance decides: which worker gets the last long one.
    """
    plans = plans_of(GRID, iterations=iterations, sweep=RATES)
    print(f"the default grid at three rates, {len(plans)} cells, {iterations} iterations:")
    print_rates(in_turn(plans, rounds, ["cluster of 2"]))


def print_rates(measured: Measured) -> None:
    """Print the rates of clusters over that of two plain processes, by clock and by work."""
    plain = measured["two processes"]
    for name in list(measured)[1:]:
        share = WORKERS[name] / 2
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


def main() -> int:
    """Run the parts named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--between", type=float, default=0.05)
    given = parser.parse_args()
    killed = plans_of(SHORT, iterations=150)
    run: dict[str, Callable[[], None]] = {
        "efficiency": lambda: efficiency(given.rounds, given.iterations or LONG),
        "scaling": lambda: scaling(given.rounds, given.iterations or WHOLE),
        "overhead": lambda: overhead(given.rounds),
        "schedule": lambda: schedule(given.iterations or WHOLE, given.between),
        "kills": lambda: faults.kills(killed, DATA, given.kills, at_url=False),
        "kills-url": lambda: faults.kills(killed, DATA, given.kills, at_url=True),
        "scheduler": lambda: faults.restart(plans_of(SHORT, iterations=300), DATA),
    }
    for name in given.parts:
        print(f"{name}:", flush=True)
        run[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
