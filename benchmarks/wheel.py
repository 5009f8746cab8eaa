"""The wheel, installed with all it depends on, on every Python that is here, and used.

    python -m benchmarks.wheel [PYTHON ...]

Each Python gets a new environment and an empty folder; the default network, the whole comparison
and the course's short form run there. `tests/packaging` is the short form, without an installation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
COMMANDS = (
    "--version",
    "rules",
    "rule GL101",
    "theory --activation sigmoid --depth 20",
    "train --runs mine",
    "check mine",
    "report mine",
    "diff mine mine",
    "fix sigmoid --depth 20 --iterations 150 --seeds 2",
    "kernels",
    "compare",
    "gallery --quick",
)


def run(*command: str | Path, folder: Path) -> None:
    """Run a program in a folder, away from this source; its output is told where it fails."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def try_on(python: str, wheel: Path, folder: Path) -> None:
    """Install the wheel for one Python and use it."""
    run(python, "-m", "venv", "environment", folder=folder)
    programs = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    empty = folder / "empty"
    empty.mkdir()
    start = time.perf_counter()
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel, folder=empty)
    print(f"{python:<12} installed in {time.perf_counter() - start:.0f} s", flush=True)
    for command in COMMANDS:
        start = time.perf_counter()
        run(programs / "gradlab", *command.split(), folder=empty)
        print(f"{python:<12} gradlab {command}: {time.perf_counter() - start:.1f} s", flush=True)


def main() -> None:
    """Build the wheel and try it on each Python."""
    named = sys.argv[1:] or [each for each in PYTHONS if shutil.which(each)]
    missing = [each for each in PYTHONS if not shutil.which(each)]
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder) / "dist"
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist]
        run(*build, folder=ROOT)
        (wheel,) = dist.glob("*.whl")
        for number, python in enumerate(named):
            place = Path(folder) / str(number)
            place.mkdir()
            try_on(python, wheel, place)
    print(f"not here, so not tried: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()
