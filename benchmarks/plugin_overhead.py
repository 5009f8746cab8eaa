"""What the pytest plugin adds to a pytest run that does not use it, as pairs of whole processes.

    python -m benchmarks.plugin_overhead [--rounds 25]

The goal is 50 ms. `-p no:gradlab` keeps the plugin out; the same command twice shows the noise of
the machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks._pairs import gate, interleaved

GOAL = 0.050  # seconds
TESTS = "def test_nothing():\n    pass\n" + "".join(
    f"def test_{k}():\n    assert {k} + 1 > {k}\n" for k in range(50)
)


def run(folder: Path, *arguments: str) -> None:
    """Run pytest once on a file of 51 small tests."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def main() -> int:
    """Print the table; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_small.py").write_text(TESTS, encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        without = partial(run, folder, "-p", "no:gradlab")
        measured = interleaved(
            {"without": without, "again": without, "with": partial(run, folder)}, rounds
        )
    middle, low, high = measured.difference("with", "without")
    print(f"pytest without the plugin   {1e3 * measured.median('without'):7.1f} ms")
    print(f"pytest with it, not used    {1e3 * measured.median('with'):7.1f} ms")
    print(
        f"difference, median of {rounds}    {1e3 * middle:7.1f} ms   quartiles {1e3 * low:.1f} to "
        f"{1e3 * high:.1f} ms"
    )
    print(
        f"goal                        {1e3 * GOAL:7.1f} ms   "
        f"{'met' if middle <= GOAL else 'MISSED'}"
    )
    print(gate(measured, "again", "without"))
    return 0 if middle <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
