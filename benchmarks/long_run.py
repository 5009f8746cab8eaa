"""What the verdict and the report of a long run cost: seconds, peak memory and bytes of the page, by iterations.

    python -m benchmarks.long_run                                  # up to 80 million rows: 25 GB of disk for a while
    python -m benchmarks.long_run --iterations 100 1000 --layers 20 --seeds 4

Every run is written batch by batch as a recorder writes it (costly statistics at every 10th iteration, a NaN in one
layer of one seed at 73 % of the way), closed, and then loaded, judged and reported by a fresh process (the report
judges the run once more). `--live` leaves it as a killed process does, in streams. Runs lie in a temporary folder and
are deleted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from gradlab import storage
from gradlab.run import STATISTICS, signals_table, steps_table

BATCH = 64  # iterations, as a recorder writes them
ALWAYS = {
    "grad_norm", "per_example_grad_norm", "delta_norm", "weight_norm", "update_norm", "update_ratio", "nonfinite_count",
    "log_gain_weight", "log_gain_alignment", "log_gain_slope", "log_gain_slope_alignment",
}  # fmt: skip
SHARES = {"dead_fraction", "saturated_fraction", "lost_fraction", "unit_similarity"}
NAN_AT = 0.73211  # of the iterations

MEASURE = """
import json, sys, time
started = time.perf_counter()
import gradlab
folder, page = sys.argv[1:]
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
marks = {"imported": time.perf_counter() - started}
run = gradlab.load(folder)
marks["loaded"] = time.perf_counter() - started
diagnosis = gradlab.diagnose(run)
marks["judged"], judged_mb = time.perf_counter() - started, peak()
path = gradlab.write_report(run, page)
marks["reported"] = time.perf_counter() - started
found = [[each.rule, each.iterations[0], list(each.layers)[:3]] for each in diagnosis.every_finding]
print(json.dumps({"seconds": marks, "judged_mb": judged_mb, "peak_mb": peak(), "findings": found}))
"""


def main() -> None:
    """Write the runs, measure, print a row of the table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--layers", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--live", action="store_true", help="leave the run as streams, as kill -9 does")
    given = parser.parse_args()
    print(f"{'iterations':>10} {'rows':>10} {'disk MB':>8} {'close s':>8} {'judge s':>8} {'report s':>9}"
          f" {'judge MB':>9} {'peak MB':>8} {'page KB':>8}  findings (rule, iteration, layers)")  # fmt: skip
    for iterations in given.iterations:
        with tempfile.TemporaryDirectory(prefix="gradlab-long-") as place:
            folder, page = Path(place) / "run", Path(place) / "page.html"
            closing = write(folder, iterations, given.seeds, given.layers, live=given.live)
            print(_row(iterations, given.seeds * given.layers, folder, page, closing), flush=True)


def _row(iterations: int, cells: int, folder: Path, page: Path, closing: float) -> str:
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder), str(page)], check=True, capture_output=True, text=True
    )
    found = json.loads(told.stdout)
    seconds, size = found["seconds"], sum(file.stat().st_size for file in folder.iterdir())
    judging, reporting = seconds["judged"] - seconds["loaded"], seconds["reported"] - seconds["judged"]
    return (
        f"{iterations:10} {iterations * cells:10} {size / 2**20:8.0f} {closing:8.1f} {judging:8.2f} {reporting:9.2f} "
        f"{found['judged_mb']:9.0f} {found['peak_mb']:8.0f} {page.stat().st_size / 1024:8.0f}  {found['findings']}"
    )


def write(folder: Path, iterations: int, seeds: int, layers: int, *, live: bool = False) -> float:
    """Write a run of made-up numbers and return the seconds that closing it took."""
    folder.mkdir(parents=True)
    names = [{"layer": k, "name": f"hidden{k}", "kind": "linear", "activation": "relu", "fan_in": 64, "fan_out": 64,
              "parameters": 4160} for k in range(1, layers + 1)]  # fmt: skip
    description = {"name": f"{layers} layers, {iterations} iterations", "closed": not live, "replicates": seeds,
                   "config": {"baseline_loss": 2.3, "batch_size": 64, "learning_rate": 0.1, "optimizer": "sgd"},
                   "provenance": {"status": "complete"}, "layers": names}  # fmt: skip
    writer = storage.Writer(folder)
    for tables in _batches(iterations, seeds, layers):
        for name, table in tables.items():
            writer.append(name, table.combine_chunks().to_batches()[0])
    started = time.perf_counter()
    if not live:
        writer.close()
    storage.write_description(folder, description)
    if not live:
        writer.remove_streams()
    return time.perf_counter() - started


def _batches(iterations: int, seeds: int, layers: int) -> Iterator[dict[str, pa.Table]]:
    """Yield the tables of BATCH iterations: level, slow drift and noise, in logarithms where they are norms."""
    rng = np.random.default_rng(0)
    level = {name: rng.normal(-3, 0.2, (1, seeds, layers)) for name in STATISTICS}
    broken = int(NAN_AT * iterations)
    for start in range(0, iterations, BATCH):
        times = np.arange(start, min(start + BATCH, iterations))
        shape = (len(times), seeds, layers)
        costly = np.broadcast_to(((times < 10) | (times % 10 == 0))[:, None, None], shape)
        drift = np.sin(times / 3000)[:, None, None] * 0.1
        values, masks = {}, {}
        for name in STATISTICS:
            noise = 0.05 * rng.standard_normal(shape, np.float32)
            values[name] = _values(name, level[name] + drift + noise)
            masks[name] = np.ones(shape, bool) if name in ALWAYS else costly
        if start <= broken < start + BATCH:
            spot = broken - start, 3 % seeds, layers // 2
            values["grad_norm"][spot], values["nonfinite_count"][spot] = np.nan, 1.0
        loss = 2.3 * np.exp(-times / 2000)[:, None] + 0.05 + 0.01 * rng.random((len(times), seeds))
        steps = {"loss": loss, "learning_rate": np.full(loss.shape, 0.1), "grad_norm": 1 + 0.2 * rng.random(loss.shape),
                 "expected_decrease": 1e-3 * loss, "nonfinite_phase": np.full(loss.shape, None)}  # fmt: skip
        yield {"signals": signals_table(start, values, masks), "steps": steps_table(start, steps, seeds)}


def _values(name: str, logs: np.ndarray) -> np.ndarray:
    if name == "nonfinite_count":
        return np.zeros(logs.shape)
    if name in SHARES:
        return np.clip(0.1 + 0.05 * logs, 0, 1)
    if name.startswith("log_gain"):
        return 0.02 * (logs + 3)
    if name == "weight_norm":
        return 8 * np.exp(0.1 * logs)
    return np.exp(logs + (0 if name != "update_ratio" else -3))


if __name__ == "__main__":
    main()
