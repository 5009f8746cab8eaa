"""Facts of a run's configuration, which may be anybody's, and hold anything in any place."""

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


def config_word(run: Run, name: str, default: str) -> str:
    """Return a word of the configuration; the default where it holds none."""
    given: Any = run.config.get(name)
    return given if isinstance(given, str) else default
