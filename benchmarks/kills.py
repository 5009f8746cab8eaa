"""Trainings killed (kill -9) or interrupted (Ctrl-C) at random times.

No acknowledged iteration is lost, and what is read equals an undisturbed training.

    python -m benchmarks.kills [--count 100] [--seed 0] [--only train] [--signal "kill -9"]

A run is read while it is recorded, too: what could be read once can be read after the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gradlab
from gradlab.errors import GradlabError

ITERATIONS = 100_000  # more than any child lives to see
LONGEST = 1.5  # seconds from the first acknowledged iteration to the signal

TELL = textwrap.dedent("""
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    last = -1

    def tell(acknowledged):
        global last
        if acknowledged != last:
            last = acknowledged
            print(last, flush=True)
""")

RECORDER = TELL + textwrap.dedent("""
    import sys
    import numpy as np
    from gradlab.recorder import Recorder

    with Recorder([{"fan_in": 2, "fan_out": 2}], out=sys.argv[1]) as recorder:
        for t in range(int(sys.argv[2])):
            w = np.full((2, 2), (10 + t) / 2)
            given = dict(weights=[w], weights_after=[w], gradients=[w])
            recorder.record(loss=t, learning_rate=1.0, **given)
            tell(recorder.acknowledged)
""")

TRAIN = TELL + textwrap.dedent("""
    import sys
    import gradlab
    from gradlab.recorder import recorder as module

    made = []
    usual = module.Recorder.__init__

    def noting(self, *arguments, **options):
        usual(self, *arguments, **options)
        made.append(self)

    module.Recorder.__init__ = noting
    data = gradlab.datasets.blobs(200, classes=3, features=4, seed=1)
    model = gradlab.MLP([4, 16, 16, 3], seed=3, replicates=2)
    gradlab.train(
        model, data, iterations=int(sys.argv[2]), batch_size=16, out=sys.argv[1],
        on_step=lambda step: tell(made[-1].acknowledged),
    )
""")

WATCH = TELL + textwrap.dedent("""
    import sys
    import torch
    from torch import nn
    from gradlab.adapters.torch import watch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    x, y = torch.randn(32, 6), torch.randint(0, 3, (32,))
    with watch(model, optimizer, out=sys.argv[1]) as recorder:
        for t in range(int(sys.argv[2])):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
            tell(recorder.recorder.acknowledged)
""")

CHILDREN = {"Recorder": RECORDER, "train": TRAIN, "watch": WATCH}
SIGNALS = {
    "kill -9": (signal.SIGKILL,),
    "Ctrl-C": (signal.SIGINT,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a training.

    Attributes
    ----------
    acknowledged : int
        Iterations that the child had been told are safe, or that were read before the signal.
    read : int
        Iterations that are read afterwards.
    fault : str
        What is wrong; empty where nothing is.
    """

    acknowledged: int
    read: int
    fault: str


def kinds() -> list[str]:
    """Name what can be recorded here."""
    with_torch = importlib.util.find_spec("torch") is not None
    return [name for name in CHILDREN if name != "watch" or with_torch]


def disturbed(kind: str, how: str, folder: Path, chance: random.Random) -> Outcome:
    """Start a training, disturb it at a random time, and look at what is left."""
    command = [sys.executable, "-c", CHILDREN[kind], str(folder), str(ITERATIONS)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        while not (told := int(child.stdout.readline() or ITERATIONS)):
            pass  # until the first rows are safe
        time.sleep(LONGEST * chance.random() ** 2)
        seen = gradlab.load(folder).iterations if chance.random() < 0.5 else 0
        for number in SIGNALS[how]:
            child.send_signal(number)
            time.sleep(0.02 * chance.random())
        printed, complaints = child.communicate()
    told = max([told, seen, *(int(line) for line in printed.split("\n")[:-1])])
    if how != "kill -9" and "KeyboardInterrupt" not in complaints:
        return Outcome(told, 0, f"it ended otherwise: {complaints[-300:]}")
    return judged(kind, folder, told)


def judged(kind: str, folder: Path, told: int) -> Outcome:
    """Compare what is left with what was acknowledged, and with an undisturbed training."""
    try:
        run = gradlab.load(folder)
        expected = undisturbed(kind, run.iterations)
    except GradlabError as error:
        return Outcome(told, 0, str(error))
    if run.iterations < told:
        return Outcome(told, run.iterations, f"{told - run.iterations} acknowledged rows are gone")
    wrong = differences(run, expected)
    return Outcome(told, run.iterations, f"{', '.join(wrong)} differ" if wrong else "")


_known: dict[str, gradlab.Run] = {}


def undisturbed(kind: str, iterations: int) -> gradlab.Run:
    """Return a training of at least so many iterations that nobody disturbed."""
    if kind not in _known or _known[kind].iterations < iterations:
        folder = Path(tempfile.mkdtemp()) / "run"
        command = [sys.executable, "-c", CHILDREN[kind], str(folder), str(2 * iterations)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        kept = gradlab.load(folder)
        columns = {name: kept[name] for name in kept.columns}
        masks = {name: kept.recorded(name) for name in kept.columns}
        steps = {"loss": kept.step("loss")}
        _known[kind] = gradlab.Run.from_arrays(columns, steps=steps, recorded=masks)
        shutil.rmtree(folder.parent)
    return _known[kind]


def differences(run: gradlab.Run, expected: gradlab.Run) -> list[str]:
    """Name the statistics that are not the same, bit for bit.

    The last iteration of an undisturbed training is recorded in full, and that of one that was cut
    off may not be.
    """
    count, end = run.iterations, max(run.iterations - 1, 0)
    wrong = [
        name
        for name in run.columns
        if not np.array_equal(run[name][:end], expected[name][:end], equal_nan=True)
    ]
    loss, wanted = run.step("loss"), expected.step("loss")[:count]
    unequal = ~((loss == wanted) | (np.isnan(loss) & np.isnan(wanted))).all(axis=1)
    if count and np.isnan(loss[-1]).all():
        unequal[-1] = False  # cut off between the step and the line that logs its loss
    if unequal.any():
        first = int(unequal.argmax())
        pair = f"{loss[first]} instead of {wanted[first]}"
        wrong.append(f"the loss from iteration {first} of {count} ({pair})")
    return wrong


def main() -> int:
    """Disturb trainings of every kind in turn, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="of each signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=kinds(), action="append")
    parser.add_argument("--signal", choices=list(SIGNALS), action="append")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    chosen = options.only or kinds()
    lost = 0
    print(
        f"{'signal':<14} {'kind':<10} {'trainings':>9} {'acknowledged':>13} {'read':>9} {'lost':>5}"
    )
    for how in options.signal or SIGNALS:
        found: dict[str, list[Outcome]] = {kind: [] for kind in chosen}
        for number in range(options.count):
            kind = chosen[number % len(chosen)]
            with tempfile.TemporaryDirectory() as name:
                found[kind].append(disturbed(kind, how, Path(name) / "run", chance))
        for kind, outcomes in found.items():
            faults = [each.fault for each in outcomes if each.fault]
            acknowledged, read = (
                sum(each.acknowledged for each in outcomes),
                sum(each.read for each in outcomes),
            )
            row = f"{how:<14} {kind:<10} {len(outcomes):>9} {acknowledged:>13} {read:>9}"
            print(f"{row} {len(faults):>5}", flush=True)
            for fault in faults:
                print(f"    {fault}")
            lost += len(faults)
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
