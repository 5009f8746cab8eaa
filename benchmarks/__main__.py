"""Every benchmark, or those named: python -m benchmarks [training recording grid ... diagnosis].

Each prints a table whose rows are ratios measured in one run, competitors taking turns, medians
with their quartiles; see `_pairs.py` and `_workers.py`. Peers that are not installed are left out:
pip install 'gradlab-diagnostics[bench]'. The goals of all areas are printed at the end.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._pairs import GOALS

AREAS = {
    "training": "one step against its matrix products, PyTorch, JAX and scikit-learn",
    "recording": "recording against the bare step",
    "torch_watch": "watching a PyTorch training against the bare step, and other watchers",
    "grid": "the comparison grid against torch.bmm, on one core and two",
    "storage": "writing against TensorBoard's event files; memory; kill -9",
    "startup": "how fast the commands start",
    "report": "the report against a plain Plotly page",
    "scaling": "time and memory against iterations, layers, width and seeds",
    "plugin_overhead": "what the pytest plugin adds to a run that does not use it",
    "long_run": "verdict and report by the number of iterations (up to 8 GB of temporary files)",
    "diagnosis": "how right the verdicts are",
    "live": "verdicts while it trains, and a view from another process",
    "pages": "ten pages in every width and theme, walked through with axe",
    "first_nan": "who names operation, module and line of the first NaN",
}
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def machine() -> str:
    """Say in a line what this is measured on."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    name = next(
        (line.split(": ", 1)[1] for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    cores = f"{os.cpu_count()} cores"
    return f"{datetime.date.today()}, {name}, {cores}, Python {platform.python_version()}"


def main() -> int:
    """Run the areas named, one after the other."""
    named = sys.argv[1:] or list(AREAS)
    unknown = [name for name in named if name not in AREAS]
    if unknown:
        print(f"benchmarks: no area {unknown[0]!r}; choose from:")
        for name, words in AREAS.items():
            print(f"  {name:<16} {words}")
        return 2
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        goals = Path(folder) / "goals"
        settings = os.environ | dict.fromkeys(THREADS, "1") | {GOALS: str(goals)}
        print(machine())
        for name in named:
            print(f"== {name}: {AREAS[name]}", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}"]
            worst = max(worst, subprocess.run(command, check=False, env=settings).returncode)
        if goals.exists():
            print("== goals")
            for line in goals.read_text().splitlines():
                print(json.loads(line))
    return worst


if __name__ == "__main__":
    sys.exit(main())
