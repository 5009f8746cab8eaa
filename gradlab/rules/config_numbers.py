"""Numbers that a run's configuration holds; it may be anybody's, and hold words in their place."""

from __future__ import annotations

from typing import Any

from gradlab.errors import is_number
from gradlab.run import Run

LARGEST = 1e100  # its square is a number, too


def config_number(run: Run, name: str, default: float) -> float:
    """Return a number of the configuration; the default where it holds none, or none that can be
    computed with.
    """
    given: Any = run.config.get(name)
    if not is_number(given) or not abs(given) <= LARGEST:
        return default
    return float(given)
