"""Every benchmark, or those named: python -m benchmarks [training startup report plugin_overhead long_run diagnosis].

Each prints a table whose rows are ratios measured in one run, competitors interleaved, medians; see `_pairs.py`.
"""

from __future__ import annotations

import subprocess
import sys

AREAS = {
    "training": "one step against its matrix products and PyTorch; recording against the bare step",
    "startup": "how fast the commands start",
    "report": "the report against a plain Plotly page",
    "plugin_overhead": "what the pytest plugin adds to a run that does not use it",
    "long_run": "verdict and report against the number of iterations (up to 8 GB of temporary files)",
    "diagnosis": "how right the verdicts are",
}


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
    for name in named:
        print(f"== {name}: {AREAS[name]}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
