"""`python -m gradlab` and the `gradlab` script: a start that loads nothing it does not need."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; whatever goes wrong inside exits with 2, never with a traceback."""
    # One BLAS thread: the products are small, and the cores train separate cells. Must precede the
    # import of NumPy.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # glibc hands large arrays back to the system after each use and faults them in again: a tenth
    # of a comparison's time. Worker processes read these at their start and keep the memory
    # instead.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 30))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(1 << 32))
    from gradlab import cli

    sys.exit(cli.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
