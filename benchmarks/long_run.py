"""Long runs: seconds, memory and size of verdict and report against the number of iterations.

    python -m benchmarks.long_run [--iterations 1000 10000 100000] [--layers 100] [--seeds 8]

Each run folder is written to a temporary folder (80 million rows of 18 statistics, 7.5 GB, at the
defaults' largest), then judged and reported in a process of its own. A spike and a NaN are planted;
the table says whether they were found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gradlab.run import LOG_GAINS, signals_table, steps_table, storage
from gradlab.run.writer import Writer

BLOCK = 64  # iterations that are written together, as a Recorder does
ALWAYS = (
    "grad_norm",
    "per_example_grad_norm",
    "delta_norm",
    "weight_norm",
    "update_norm",
    "update_ratio",
    "activation_rms",
    "slope_rms",
    *LOG_GAINS,
)
COSTLY = (
    "grad_max",
    "activation_mean",
    "activation_std",
    "dead_fraction",
    "update_cosine",
    "lost_fraction",
)
GOAL = 10.0  # seconds

MEASURE = """
import json, resource, sys, time
start = time.perf_counter()
import gradlab
run = gradlab.load(sys.argv[1])
loaded = time.perf_counter()
found = gradlab.diagnose(run)
judged = time.perf_counter()
page = gradlab.write_report(run, sys.argv[2])
told = {
    "judge": judged - loaded,
    "report": time.perf_counter() - judged,
    "all": time.perf_counter() - start,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "page": page.stat().st_size,
    "findings": {f.rule: f.iterations for f in found.every_finding},
    "text": page.read_text().count("iteration"),
}
print(json.dumps(told))
"""


def write_run(folder: Path, iterations: int, layers: int, seeds: int) -> tuple[int, int]:
    """Write a made-up run with a gradient spike and, in one seed, a NaN; return when they are."""
    folder.mkdir()
    writer = Writer(folder)
    rng = np.random.default_rng(0)
    spike, nan = iterations // 3, (9 * iterations) // 10 + 1
    pool = {name: np.exp(0.1 * rng.normal(size=(BLOCK, seeds, layers))) for name in ALWAYS}
    for start in range(0, iterations, BLOCK):
        rows = min(BLOCK, iterations - start)
        times = np.arange(start, start + rows)
        values = {name: np.roll(array, start, axis=2)[:rows].copy() for name, array in pool.items()}
        values["update_ratio"] *= 1e-3
        for name in LOG_GAINS:
            values[name] = np.log(values[name])
        costly = np.broadcast_to(
            ((times < 10) | (times % 10 == 0))[:, None, None], (rows, seeds, layers)
        )
        masks = {name: np.ones_like(costly) for name in values} | dict.fromkeys(COSTLY, costly)
        values |= {name: 0.1 * values["grad_norm"] for name in COSTLY}
        values["nonfinite_count"] = np.zeros((rows, seeds, layers))
        masks["nonfinite_count"] = np.ones_like(costly)
        loss = 2.3 * np.exp(-3 * times / iterations)[:, None] * np.ones(seeds)
        norm = np.sqrt((values["grad_norm"] ** 2).sum(axis=2))
        if start <= spike < start + rows:
            values["grad_norm"][spike - start] *= 1e4
            norm[spike - start] *= 1e4
        if (broken := times >= nan).any():
            for name in ("delta_norm", "grad_norm", "weight_norm"):
                values[name][broken, 1] = np.nan
            values["nonfinite_count"][broken, 1] = 1.0
            loss[broken, 1] = np.nan
        steps = {"loss": loss, "grad_norm": norm, "learning_rate": np.full_like(loss, 0.1)}
        writer.write(
            {
                "steps": steps_table(start, steps, seeds),
                "signals": signals_table(start, values, masks),
            }
        )
    writer.close()
    storage.write_description(folder, description(layers, seeds))
    writer.remove_streams()
    return spike, nan


def description(layers: int, seeds: int) -> dict:
    """Return what run.json says of the made-up run."""
    described = [
        {
            "layer": k + 1,
            "name": f"hidden{k + 1}",
            "kind": "linear",
            "activation": "relu",
            "fan_in": 64,
            "fan_out": 64,
            "parameters": 4160,
        }
        for k in range(layers)
    ]
    return {
        "name": "long",
        "closed": True,
        "replicates": seeds,
        "config": {"baseline_loss": 2.3},
        "provenance": {"status": "complete"},
        "layers": described,
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--layers", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    print(
        f"{options.layers} layers, {options.seeds} seeds; goal: verdict and report within "
        f"{GOAL:.0f} s"
    )
    print(
        "iterations  written   on disk   verdict    report   in all     memory     page   spike "
        "and NaN found"
    )
    for iterations in options.iterations:
        with tempfile.TemporaryDirectory() as name:
            folder, start = Path(name) / "run", time.perf_counter()
            spike, nan = write_run(folder, iterations, options.layers, options.seeds)
            written = time.perf_counter() - start
            size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            command = [sys.executable, "-c", MEASURE, str(folder), str(Path(name) / "page.html")]
            told = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout
            )
            found = (
                told["findings"].get("GL103", [None])[0] == spike
                and told["findings"].get("GL001", [None])[0] == nan
            )
            print(
                f"{iterations:10,} {written:7.1f} s {size:6.0f} MB {told['judge']:7.1f} s "
                f"{told['report']:7.1f} s {told['all']:6.1f} s {told['memory']:7.0f} MB "
                f"{told['page'] / 1e6:5.2f} MB   {'yes' if found else 'NO'}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
