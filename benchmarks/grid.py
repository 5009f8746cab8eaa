"""The comparison grid against PyTorch's batched products, on one core and on two.

python -m benchmarks.grid [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._pairs import Measured, gate, goal, in_turn
from benchmarks._workers import Worker, taking_turns

GRID = (
    ["sigmoid", "tanh", "relu"],
    [2, 5, 10, 20],
    64,
    64,
    8,
)  # activations, depths, width, batch, seeds
SEEDS = (1, 2, 4, 8, 16, 64)
BUSY = """
import numpy as np
a = np.ones((256, 256), "f")
b, c = a.copy(), a.copy()
for _ in range(2000):
    np.matmul(a, b, out=c)
"""


def against_torch(rounds: int) -> None:
    """Print a step of the whole grid over the same grid of batched products."""
    made = {"ours": "grid", "bmm": "torch_grid", "again": "grid"}
    measured = taking_turns(
        {name: Worker(f"benchmarks.nets:{each}", *GRID) for name, each in made.items()}, rounds
    )
    print("3 activations x depths 2, 5, 10, 20 x 8 seeds, width 64: a step of all, not recorded")
    print(f"  over the same grid as torch.bmm replicas: {measured.told('ours', 'bmm')}")
    print(f"  {gate(measured, 'again', 'ours')}")
    ratio = measured.ratio("ours", "bmm")[0] if "bmm" in measured else None
    goal(
        "the grid over the same as torch.bmm replicas",
        ratio,
        0.45,
        quiet=measured.quiet("again", "ours"),
    )
    workers = {"products": Worker("benchmarks.nets:products", 20, 64, 64, 8)}
    workers["bmm"] = Worker("benchmarks.nets:torch_bmm", 20, 64, 64, 8)
    floor = taking_turns(workers, rounds)
    print(
        f"      (at depth 20 the products alone are {floor.told('products', 'bmm')} of torch.bmm "
        "on this machine)"
    )


def seeds_at_once(rounds: int) -> None:
    """Print what a step of one seed costs by the number of seeds trained at once."""
    print("a step of one seed, by how many are trained at once (over one alone):")
    for depth, width in ((10, 32), (10, 64), (20, 64)):
        workers = {"alone": Worker("benchmarks.nets:bare", depth, width, width, None)}
        workers |= {str(s): Worker("benchmarks.nets:bare", depth, width, width, s) for s in SEEDS}
        measured = taking_turns(workers, rounds)
        told = "   ".join(f"{s}: {measured.ratio(str(s), 'alone')[0] / s:.2f}" for s in SEEDS)
        print(f"  {depth:>2} x {width}   {told}", flush=True)


def on_cores(rounds: int) -> None:
    """Print how much faster two processes train a grid than one, with joblib's workers alive."""
    from gradlab import comparison, datasets

    data = datasets.digits(seed=0)
    networks = ["sigmoid:glorot_normal", "tanh:glorot_normal", "relu:he_normal"]
    plans = comparison.plan_cells(
        networks, [2, 5, 10, 20], width=64, data=data, seeds=8, iterations=60
    )

    def grid(jobs: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            for _ in comparison.train_cells(plans, data, jobs=jobs, runs=Path(folder)):
                pass
            return time.perf_counter() - start

    measured = in_turn(
        {"one": lambda: grid(1), "two": lambda: grid(2), "again": lambda: grid(1)}, rounds
    )
    ceiling = _two_at_once(rounds)
    faster = Measured({"one": measured.seconds["one"], "two": measured.seconds["two"]}).ratio(
        "one", "two"
    )
    middle, low, high = faster
    print(
        f"the same grid, recorded, 60 iterations: two processes over one {middle:.2f} "
        f"({low:.2f}-{high:.2f})"
    )
    print(
        f"  two processes that only multiply matrices of their own do {ceiling:.2f} times the work "
        "of one"
    )
    print(f"  {gate(measured, 'again', 'one')}")
    goal("two cores over one", faster[0], 1.8, most=False, quiet=measured.quiet("again", "one"))


def _two_at_once(rounds: int) -> float:
    """How much two processes get done in the time of one, if each multiplies matrices."""
    settings = os.environ | {"OPENBLAS_NUM_THREADS": "1"}

    def processes(count: int) -> float:
        start = time.perf_counter()
        started = [
            subprocess.Popen([sys.executable, "-c", BUSY], env=settings) for _ in range(count)
        ]
        for each in started:
            each.wait()
        return time.perf_counter() - start

    return (
        2
        / in_turn({"one": lambda: processes(1), "two": lambda: processes(2)}, rounds).ratio(
            "two", "one"
        )[0]
    )


def main() -> int:
    """Print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    against_torch(rounds)
    seeds_at_once(min(rounds, 7))
    if (os.cpu_count() or 1) < 2:
        print("one core: how the grid scales cannot be measured")
    else:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        on_cores(min(rounds, 7))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
