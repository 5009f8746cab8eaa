"""Time and memory by iterations, layers, width and seeds: nothing may outgrow its work.

    python -m benchmarks.scaling [--iterations 1000 10000 100000] [--output reports/scaling.html]

Each row is a process of its own: trained and recorded to disk, judged, reported. "power" is the
exponent with which the training's seconds grew with its work from the row before: 1 where it grows
as the work does. The work is iterations x seeds x weights. `--iterations ... 1000000` takes some
minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

from benchmarks._pairs import goal

MEASURE = """
import json, resource, sys, tempfile, time
import numpy as np
import gradlab
layers, width, seeds, iterations = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
data = gradlab.datasets.digits(seed=0)
sizes = [64] + [width] * layers + [10]
model = gradlab.MLP(sizes, activation="relu", init="he_normal", replicates=seeds)
gradlab.train(gradlab.MLP([64, 4, 10]), data, iterations=2)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
clock, told = time.process_time, {"start": peak()}
with tempfile.TemporaryDirectory() as folder:
    start = clock()
    options = {"learning_rate": 1e-4, "batch_size": 16, "iterations": iterations}
    run = gradlab.train(model, data, **options, out=folder + "/run", validate_every=10**9)
    told |= {"train": clock() - start, "memory": peak()}
    start = clock()
    gradlab.diagnose(run)
    told["judge"] = clock() - start
    start = clock()
    page = gradlab.write_report(run, folder + "/page.html")
    told |= {"report": clock() - start, "page": page.stat().st_size / 1e6, "peak": peak()}
    told["disk"] = sum(path.stat().st_size for path in (page.parent / "run").iterdir()) / 1e6
print(json.dumps(told))
"""
LAYERS, WIDTHS, SEEDS = (2, 10, 100, 1000), (16, 64, 256, 1024), (1, 8, 64)
COLUMNS = {
    "train": "train s",
    "judge": "judge s",
    "report": "report s",
    "memory": "training MB",
    "peak": "peak MB",
    "disk": "disk MB",
    "page": "page MB",
}


def weights(layers: int, width: int) -> int:
    """How many weights a net has."""
    return 64 * width + (layers - 1) * width**2 + 10 * width


def measured(layers: int, width: int, seeds: int, iterations: int) -> dict[str, float]:
    """Train, judge and report in a process of its own."""
    command = [sys.executable, "-c", MEASURE, json.dumps([layers, width, seeds, iterations])]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told | {"work": float(iterations * seeds * weights(layers, width))}


def table(name: str, values: tuple[int, ...], fixed: dict[str, int]) -> list[dict[str, float]]:
    """Print how one of the four numbers makes time and memory grow; return the rows."""
    kept = ", ".join(f"{value:,} {key}" for key, value in fixed.items())
    print(f"{name} ({kept}), batch 16")
    print(f"{'':>10}" + "".join(f"{column:>13}" for column in COLUMNS.values()) + f"{'power':>9}")
    rows: list[dict[str, float]] = []
    for value in values:
        row = measured(**{**fixed, name: value}) | {"value": float(value)}
        power = ""
        if rows:
            last = rows[-1]
            row["power"] = math.log(row["train"] / last["train"]) / math.log(
                row["work"] / last["work"]
            )
            power = f"{row['power']:.2f}"
        rows.append(row)
        print(
            f"{value:10,}" + "".join(f"{row[key]:13.2f}" for key in COLUMNS) + f"{power:>9}",
            flush=True,
        )
    return rows


def plot(tables: dict[str, list[dict[str, float]]], output: Path) -> None:
    """Write a page of the four tables: seconds on the left, megabytes on the right, logarithmic."""
    from plotly.subplots import make_subplots

    titles = [f"{what} by {name}" for name in tables for what in ("seconds", "megabytes")]
    figure = make_subplots(rows=len(tables), cols=2, subplot_titles=titles)
    for number, (name, rows) in enumerate(tables.items(), 1):
        for column, keys in (
            (1, ("train", "judge", "report")),
            (2, ("memory", "peak", "disk", "page")),
        ):
            for key in keys:
                x, y = [row["value"] for row in rows], [row[key] for row in rows]
                figure.add_scatter(
                    x=x,
                    y=y,
                    name=COLUMNS[key],
                    legendgroup=key,
                    showlegend=number == 1,
                    row=number,
                    col=column,
                )
        figure.update_xaxes(type="log", title_text=name, row=number)
    figure.update_yaxes(type="log")
    figure.update_layout(height=360 * len(tables), title_text="How gradlab scales")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.write_html(
        output, config={"showSendToCloud": False, "plotlyServerURL": "", "displaylogo": False}
    )
    print(f"plotted in {output}")


def main() -> int:
    """Print the tables, plot them, and print the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--output", type=Path, default=Path("reports/scaling.html"))
    options = parser.parse_args()
    usual = {"layers": 4, "width": 16, "seeds": 1, "iterations": 100}
    cases: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
        "iterations": (tuple(options.iterations), {}),
        "layers": (LAYERS, {}),
        "width": (WIDTHS, {}),
        "seeds": (SEEDS, {}),
    }
    tables = {
        name: table(
            name, values, {key: value for key, value in (usual | other).items() if key != name}
        )
        for name, (values, other) in cases.items()
    }
    plot(tables, options.output)
    for name, rows in tables.items():
        goal(
            f"seconds grow with the work of more {name}, to the power",
            rows[-1]["power"],
            1.1,
            unit="",
        )
    memory = tables["iterations"]
    goal(
        "memory of training, last number of iterations over the one before",
        memory[-1]["memory"] / memory[-2 if len(memory) > 1 else 0]["memory"],
        1.1,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
