"""Dropout that leaves next to nothing."""

from __future__ import annotations

from gradlab.rules.config_numbers import config_number
from gradlab.rules.remedies import Remedy, remedy
from gradlab.rules.wording import number
from gradlab.run import Run

LOWER = "lower dropout"
# Of the numbers: with a quarter left their sums double in deviation, and 0.8 or 0.9 is what
# other libraries once gave as the share that is kept.
MOST = 0.75


def heavy_dropout(run: Run) -> str:
    """Word that a module drops more than three of four numbers; empty where none does."""
    share = config_number(run, "dropout", 0.0)
    if not MOST < share < 1:
        return ""
    return (
        f"a dropout of p = {number(share)} sets that share of its numbers to 0, and keeps "
        f"{number(1 - share)}: p is what is dropped, not what is kept"
    )


def lower_dropout(evidence: str) -> Remedy:
    """Return the remedy for a share that was taken for what is kept."""
    return remedy(LOWER, "use a dropout of 0.1 to 0.5, or none", evidence=evidence)
