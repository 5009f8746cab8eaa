"""Writing a run: against TensorBoard's event files, memory by length, and after a kill.

    python -m benchmarks.storage [--rounds 5]

1,000 numbers an iteration (100 layers of 10 statistics, one seed).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import gradlab
from benchmarks._pairs import Measured, goal, in_turn
from gradlab.recorder import Recorder
from gradlab.run import STATISTICS

LAYERS, NAMES = 100, STATISTICS[:10]
ITERATIONS = 1000  # of one burst

MEMORY = """
import json, resource, sys
import numpy as np
from benchmarks import storage
recorder = storage.recorder(None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
storage.record(recorder, int(sys.argv[1]))
recording = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
recorder.close()
print(json.dumps([before, recording, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
VICTIM = """
import sys
from benchmarks import storage
recorder = storage.recorder(sys.argv[1])
while True:
    storage.record(recorder, 1)
    print(recorder.acknowledged, flush=True)
"""


def recorder(out: str | Path | None) -> Recorder:
    """Return a recorder of 100 layers."""
    return Recorder([{"fan_in": 64, "fan_out": 64}] * LAYERS, out=out)


def record(into: Recorder, iterations: int) -> None:
    """Hand over so many iterations of made-up numbers, measured elsewhere."""
    rng = np.random.default_rng(0)
    for _ in range(iterations):
        into.add(dict(zip(NAMES, rng.normal(size=(len(NAMES), LAYERS)), strict=True)), loss=1.0)


def ours(folder: Path) -> tuple[float, float]:
    """Return the seconds of a burst of 1,000 iterations, closed, and its bytes."""
    start = time.perf_counter()
    with recorder(folder) as into:
        record(into, ITERATIONS)
    return time.perf_counter() - start, _size(folder)


def tensorboard(folder: Path, iterations: int = ITERATIONS // 20) -> tuple[float, float]:
    """The same as scalars in event files; a twentieth of it, times twenty."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    rng = np.random.default_rng(0)
    start = time.perf_counter()
    writer = EventFileWriter(str(folder))
    for t in range(iterations):
        for name, values in zip(NAMES, rng.normal(size=(len(NAMES), LAYERS)), strict=True):
            for layer, value in enumerate(values):
                summary = Summary(
                    value=[Summary.Value(tag=f"{name}/{layer}", simple_value=float(value))]
                )
                writer.add_event(Event(step=t, summary=summary))
    writer.close()
    scale = ITERATIONS / iterations
    return (time.perf_counter() - start) * scale, _size(folder) * scale


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir())


def killed(times: int = 3) -> list[tuple[int, int]]:
    """Kill a recording that many times; return how many iterations it acknowledged, and load."""
    found = []
    for number in range(times):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "run"
            victim = subprocess.Popen(
                [sys.executable, "-c", VICTIM, str(folder)], stdout=subprocess.PIPE, text=True
            )
            assert victim.stdout is not None
            last, enough = 0, 500 + 333 * number
            for line in victim.stdout:
                last = int(line)
                if last > enough:
                    break
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            found.append((last, gradlab.load(folder).shape[0]))
    return found


def memory(iterations: int) -> list[float]:
    """Return a process's peak megabytes before, after recording, and once the run is closed."""
    command = [sys.executable, "-c", MEMORY, str(iterations)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def against_tensorboard(rounds: int) -> None:
    """Print seconds and bytes of both."""
    size: dict[str, float] = {}

    def taken(name: str, write) -> float:
        with tempfile.TemporaryDirectory() as folder:
            seconds, size[name] = write(Path(folder) / "run")
        return seconds

    measures = {"ours": lambda: taken("ours", ours), "again": lambda: taken("again", ours)}
    try:
        import tensorboard as _  # noqa: F401

        measures["events"] = lambda: taken("events", tensorboard)
    except ModuleNotFoundError:
        print("TensorBoard is not installed: pip install tensorboard")
    measured: Measured = in_turn(measures, rounds)
    raw = 4 * ITERATIONS * LAYERS * len(NAMES) / 1e6  # megabytes as float32
    print("1,000 iterations of 1,000 numbers     MB/s of float32     size on disk over float32")
    for name, shown in (("ours", "gradlab"), ("events", "TensorBoard events")):
        if name in measured:
            print(
                f"  {shown:<30} {raw / measured.median(name):15.2f} {size[name] / 1e6 / raw:25.2f}"
            )
    if "events" in measured:
        goal(
            "TensorBoard events' seconds over gradlab's",
            measured.ratio("events", "ours")[0],
            1.0,
            most=False,
            quiet=measured.quiet("again", "ours"),
        )


def main() -> int:
    """Print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    against_tensorboard(parser.parse_args().rounds)
    print("killed while recording (kill -9): acknowledged, then loaded")
    found = killed()
    for acknowledged, loaded in found:
        print(f"  {acknowledged:6}   {loaded:6}")
    lost = sum(max(0, acknowledged - loaded) for acknowledged, loaded in found)
    goal("acknowledged iterations lost to kill -9", float(lost), 0, unit="")
    print("iterations   MB at the start   while recording   once closed")
    grown = []
    for iterations in (1000, 10_000, 100_000):
        before, recording, closed = memory(iterations)
        grown.append(recording)
        print(f"{iterations:10,}   {before:15.0f}   {recording:15.0f}   {closed:11.0f}", flush=True)
    goal("peak memory of recording 100 times the iterations", grown[-1] / grown[0], 1.05)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
