"""`python -m gradlab` and the `gradlab` script: a start that loads nothing it does not need."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; whatever goes wrong inside exits with 2, never with a traceback."""
    # One BLAS thread: the products are small, and the cores train separate cells. Must precede the import of NumPy.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from gradlab import cli

    sys.exit(cli.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
