"""One trained cell of a comparison, its verdict, and what the tables show of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlab.comparison.plan import Plan
from gradlab.comparison.stores import Stored
from gradlab.diagnosis import NOT_LEARNED, SLOW, Diagnosis, accuracy, diagnose, outcome
from gradlab.run import Run, load

NO_FAULT = "no fault found"


@dataclass(frozen=True)
class Cell:
    """One trained cell of a comparison.

    Its plan, where its run lies, and whether it was found finished.
    """

    plan: Plan
    folder: Path | Stored
    reused: bool = False

    @property
    def name(self) -> str:
        """What the cell is called in tables and reports."""
        return self.plan.name

    @functools.cached_property
    def run(self) -> Run:
        """The recorded run."""
        if isinstance(self.folder, Stored):
            return self.folder.load()
        return load(self.folder)

    @functools.cached_property
    def diagnosis(self) -> Diagnosis:
        """Its verdict."""
        return diagnose(self.run)

    @functools.cached_property
    def outcome(self) -> str:
        """ "learned", "slow", "not learned" or "unknown"."""
        return outcome(self.run)

    @property
    def told(self) -> str:
        """The verdict as tables tell it, with the seeds that share it.

        A net that does not learn, or slowly, is not called healthy because no rule found a fault.
        """
        verdict = self.diagnosis
        if verdict.ok and not verdict.faults and self.outcome in (SLOW, NOT_LEARNED):
            return NO_FAULT
        return f"{verdict.verdict} {verdict.share}".rstrip()

    @functools.cached_property
    def accuracy(self) -> list[float | None]:
        """One a seed; None where there is none."""
        return accuracy(self.run)


def row(cell: Cell) -> dict[str, Any]:
    """Return what the tables show of a cell."""
    root = cell.diagnosis.faults[0] if cell.diagnosis.faults else None
    known = [value for value in cell.accuracy if value is not None]
    return {
        **cell.plan.coordinates,
        "outcome": cell.outcome,
        "verdict": cell.diagnosis.verdict,
        "cause": "" if root is None or not root.cause else root.cause["dominant"],
        "accuracy": sum(known) / len(known) if known else None,
    }
