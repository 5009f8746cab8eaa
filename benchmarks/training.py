"""One training step against the matrix products it is made of and against PyTorch; and what recording adds to it.

    python -m benchmarks.training [--rounds 15]

tanh, SGD, float32, one BLAS thread. Every figure is the median of ratios of neighbouring bursts of one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from functools import partial

from threadpoolctl import threadpool_limits

from benchmarks import nets
from benchmarks._pairs import Measured, gate, interleaved
from gradlab.nn.loop import Observer, Trainer
from gradlab.recorder import Recorder
from gradlab.training import _layers, _Observer

BURST = 0.15  # seconds, about
SHAPES = ((3, 32, 32), (10, 64, 64), (20, 64, 64), (50, 64, 128), (10, 256, 128))
GOALS = {"floor": 1.35, "eager": 0.30, "bmm": 0.45, "recording": 1.12}


Steps = Callable[[int], object]  # does so many


def repeated(step: Callable[[], object]) -> Steps:
    """Make many steps of one."""

    def steps(count: int) -> None:
        for _ in range(count):
            step()

    return steps


def fitted(trainer: Trainer, observer: Observer) -> Steps:
    """Return a function that trains so many steps."""
    return lambda count: trainer.fit(count, observer)


def bare(depth: int, width: int, batch: int, replicates: int | None = None) -> Steps:
    """Return gradlab's steps with nobody looking."""
    return fitted(nets.trainer(depth, width, batch, replicates), nets.Silent())


def recorded(depth: int, width: int, batch: int, replicates: int | None, every: int | None) -> Steps:
    """Return steps that are recorded, at the default cadence or in full at every `every`-th iteration."""
    trainer = nets.trainer(depth, width, batch, replicates)
    recorder = Recorder(_layers(trainer.model), replicates=replicates, every=every)
    return fitted(trainer, _Observer(recorder, None))


def in_bursts(competitors: dict[str, Steps], rounds: int) -> Measured:
    """Measure in bursts of about 0.15 seconds, interleaved; return seconds a step."""
    counts = {name: _count(steps) for name, steps in competitors.items()}
    measured = interleaved({name: partial(steps, counts[name]) for name, steps in competitors.items()}, rounds)
    return Measured({name: [s / counts[name] for s in seconds] for name, seconds in measured.seconds.items()})


def _count(steps: Steps) -> int:
    """How many steps take one burst; at least 20, so that the last, recorded in full, hardly counts."""
    steps(5)
    start = time.perf_counter()
    steps(20)
    return max(20, round(20 * BURST / (time.perf_counter() - start)))


def told(measured: Measured, name: str, base: str) -> str:
    """Write a ratio and its quartiles."""
    middle, low, high = measured.ratio(name, base)
    return f"{middle:5.2f} ({low:.2f}-{high:.2f})"


def steps_table(rounds: int, torch: bool) -> tuple[float, float | None]:
    """Print the steps of several nets; return the ratios of the one with a goal."""
    print("training step           us   over its matrix products   over PyTorch eager   bare twice")
    kept: tuple[float, float | None] = (float("nan"), None)
    for shape in SHAPES:
        competitors = {"bare": bare(*shape), "floor": repeated(nets.products(*shape)), "again": bare(*shape)}
        if torch:
            competitors["eager"] = repeated(nets.torch_eager(*shape))
        measured = in_bursts(competitors, rounds)
        beside = told(measured, "bare", "eager") if torch else "not installed"
        name = "{} x {}, batch {}".format(*shape)
        apart = measured.ratio("again", "bare")[0]
        print(
            f"{name:<19} {1e6 * measured.median('bare'):6.0f}   {told(measured, 'bare', 'floor'):<24} {beside:<20} "
            f"{apart:.3f}"
        )
        if shape == (20, 64, 64):
            kept = measured.ratio("bare", "floor")[0], measured.ratio("bare", "eager")[0] if torch else None
    return kept


def replicates_table(rounds: int, torch: bool) -> float | None:
    """Print eight nets at once against batched products in PyTorch; return the ratio."""
    shape = (20, 64, 64)
    competitors = {"bare": bare(*shape, 8), "floor": repeated(nets.products(*shape, 8))}
    if torch:
        competitors["bmm"] = repeated(nets.torch_bmm(*shape, 8))
    measured = in_bursts(competitors, rounds)
    beside = told(measured, "bare", "bmm") if torch else "not installed"
    print(f"8 seeds of 20 x 64, batch 64: {told(measured, 'bare', 'floor')} of its products, {beside} of torch.bmm")
    return measured.ratio("bare", "bmm")[0] if torch else None


def recording_table(rounds: int) -> float:
    """Print what recording costs; return the factor of one net at the default cadence."""
    shape, kept = (20, 64, 64), float("nan")
    print("recording 20 x 64, batch 64        default cadence       every iteration in full")
    for replicates, name in ((None, "one net"), (8, "8 seeds at once")):
        measured = in_bursts({
            "bare": bare(*shape, replicates),
            "again": bare(*shape, replicates),
            "default": recorded(*shape, replicates, None),
            "full": recorded(*shape, replicates, 1),
        }, rounds)  # fmt: skip
        print(f"{name:<30} {told(measured, 'default', 'bare'):>20} {told(measured, 'full', 'bare'):>28}")
        print(f"  {gate(measured, 'again', 'bare')}")
        kept = measured.ratio("default", "bare")[0] if replicates is None else kept
    return kept


def main() -> int:
    """Print the tables and the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds, torch = parser.parse_args().rounds, importlib.util.find_spec("torch") is not None
    with threadpool_limits(1, "blas"):
        floor, eager = steps_table(rounds, torch)
        bmm = replicates_table(rounds, torch)
        recording = recording_table(rounds)
    print("goal                                              measured    goal")
    rows = (
        ("step 20 x 64 x 64 over its matrix products", floor, GOALS["floor"]),
        ("step 20 x 64 x 64 over PyTorch eager", eager, GOALS["eager"]),
        ("8 seeds over torch.bmm", bmm, GOALS["bmm"]),
        ("recording at its default cadence, one net", recording, GOALS["recording"]),
    )
    for name, value, goal in rows:
        shown = "    -" if value is None else f"{value:5.2f}"
        verdict = "" if value is None else "met" if value <= goal else f"missed by {value / goal:.2f}x"
        print(f"{name:<48} {shown}x   {goal:5.2f}x   {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
