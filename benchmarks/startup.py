"""How fast `gradlab --help` and `gradlab check` start, and which imports they pay for.

    python -m benchmarks.startup [--rounds 15]

Whole processes, interleaved, beside a Python that does nothing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import gradlab
from benchmarks._pairs import gate, goal, interleaved


def python(*arguments: str) -> None:
    """Run Python in a process of its own; `gradlab check` may find something."""
    subprocess.run([sys.executable, *arguments], check=False, capture_output=True)


def costs(*arguments: str, most: int = 8) -> list[tuple[str, float]]:
    """Return the imports that take longest, each with all it imports, in milliseconds."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        check=False,
        capture_output=True,
        text=True,
    ).stderr
    found = [
        (name, int(us) / 1000)
        for us, name in re.findall(r"\|\s+(\d+) \| ?(\S+)$", told, re.MULTILINE)
    ]
    return sorted(found, key=lambda pair: -pair[1])[:most]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        run = str(Path(name) / "run")
        gradlab.train(
            gradlab.MLP([64, 16, 10], seed=0),
            gradlab.datasets.digits(seed=0),
            iterations=50,
            out=run,
        )
        commands = {
            "python -c pass": ("-c", "pass"),
            "again": ("-c", "pass"),
            "import gradlab": ("-c", "import gradlab"),
            "import typer": ("-c", "import typer"),
            "import pandas, pyarrow": ("-c", "import pandas, pyarrow.parquet"),
            "gradlab --help": ("-m", "gradlab", "--help"),
            "gradlab check RUN": ("-m", "gradlab", "check", run),
        }
        measured = interleaved(
            {name: partial(python, *words) for name, words in commands.items()}, rounds
        )
        for command in commands:
            print(f"{command:<24} {1e3 * measured.median(command):7.0f} ms")
        print(gate(measured, "again", "python -c pass"))
        quiet = measured.quiet("again", "python -c pass")
        goal(
            "gradlab --help over importing typer",
            measured.ratio("gradlab --help", "import typer")[0],
            1.5,
            quiet=quiet,
        )
        over = measured.ratio("gradlab check RUN", "import pandas, pyarrow")[0]
        goal("gradlab check of a small run over importing pandas, pyarrow", over, 1.5, quiet=quiet)
        for command in ("gradlab --help", "gradlab check RUN"):
            print(f"imports of {command}, each with what it imports:")
            for module, milliseconds in costs(*commands[command]):
                print(f"    {module:<40} {milliseconds:6.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
