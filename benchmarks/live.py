"""What it costs to judge a run while it trains, and to look at it from another process.

    python -m benchmarks.live [--seconds 40] [--rounds 3]

The line: verdicts take at most 2 % of a training's time, and the first two verdicts besides. The
view: a training that is looked at makes its steps in the same processor time as one that is not,
and the view takes at most a tenth of one core.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gradlab
from benchmarks._pairs import goal
from gradlab.live import Lookout

LIMIT, FIRST = 0.02, 2  # of the time; verdicts that come besides
SLOWER = 1.03  # of the bare step, which is the noise of processor time here
VIEW = 0.10  # of one core


def train(seconds: float, out: Path | None, on_step=None, listener=None) -> int:
    """Train for about so many seconds, and return the number of iterations."""
    data = gradlab.datasets.digits()
    model = gradlab.MLP([64] + [64] * 20 + [10], "tanh", seed=0)
    end = time.monotonic() + seconds
    made = 0

    class Over(Exception):
        """The time is over."""

    def count(step) -> None:
        nonlocal made
        made += 1
        if time.monotonic() > end:
            raise Over

    with contextlib.suppress(Over):
        gradlab.train(
            model, data, learning_rate=0.01, batch_size=64, iterations=10**6, out=out,
            overwrite=out is not None, on_step=count, on_finding=listener,
        )  # fmt: skip
    return made


def line(seconds: float) -> tuple[float, float, int]:
    """Return the share of the time that verdicts take, the longest one, and how many there were."""
    costs = []
    looked = Lookout.__call__

    def timed(self, recorder, *, ended=False):
        before = self.seconds
        looked(self, recorder, ended=ended)
        if self.seconds > before:
            costs.append(self.seconds - before)

    Lookout.__call__ = timed
    try:
        began = time.monotonic()
        train(seconds, None, listener=lambda finding: None)
        whole = time.monotonic() - began
    finally:
        Lookout.__call__ = looked
    return sum(costs) / whole, max(costs, default=0.0), len(costs)


def step(seconds: float, folder: Path, *, viewed: bool) -> tuple[float, float]:
    """Return the processor time of a step, and the share of a core that a view of it takes."""
    out = folder / "run"
    view = None
    if viewed:
        code = "import sys, time; from pathlib import Path; from gradlab import cli\n"
        code += "while not Path(sys.argv[1], 'run.json').exists(): time.sleep(.1)\n"
        code += "time.sleep(1); cli.run(['live', sys.argv[1], '--interval', '0.5'])"
        view = subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.DEVNULL)
    began = time.process_time()
    made = train(seconds, out)
    took = (time.process_time() - began) / made
    share = 0.0
    if view is not None:
        share = processor_time(view.pid) / seconds
        view.kill()
        view.wait()
    return took, share


def processor_time(process: int) -> float:
    """Return the seconds that a process has computed (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print the table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    share, longest, verdicts = line(options.seconds)
    print(f"verdicts while it trains    {100 * share:6.2f} % of {options.seconds:.0f} s, {verdicts}"
          f" of them, the longest {1e3 * longest:.0f} ms")  # fmt: skip
    bare, seen, views = [], [], []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.rounds):
            bare.append(step(options.seconds / 2, Path(name), viewed=False)[0])
            took, part = step(options.seconds / 2, Path(name), viewed=True)
            seen.append(took)
            views.append(part)
    ratio = statistics.median(seen) / statistics.median(bare)
    spread = max(bare) / min(bare)
    steps = f"{1e3 * statistics.median(bare):6.3f} ms, {1e3 * statistics.median(seen):.3f} ms"
    print(f"processor time of a step    {steps} looked at; the bare one varies by {spread:.3f}")
    print(f"the view                    {100 * statistics.median(views):6.1f} % of a core, "
          f"its start included")  # fmt: skip
    allowed = LIMIT + FIRST * longest / options.seconds
    slower = max(SLOWER, spread)
    goal("verdicts, of the time", share, allowed)
    goal("a step that is looked at / bare", ratio, slower)
    return int(share > allowed or ratio > slower)


if __name__ == "__main__":
    sys.exit(main())
