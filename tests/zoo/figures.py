"""How right the verdicts on the zoo are, counted from the rows that `running` writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

HEALTHY = ("silent", "note", "warned", "alarmed")
FAULTY = ("root", "root, elsewhere", "symptom", "wrong", "silent")


def counts(rows: Iterable[Mapping[str, Any]], *, faulty: bool) -> Counter[str]:
    """Count the judgements of the faulty or of the healthy members."""
    return Counter(row["judgement"] for row in rows if bool(row.get("fault")) == faulty)


def of_half(rows: Iterable[Mapping[str, Any]], *, held_out: bool) -> list[Mapping[str, Any]]:
    """Return the rows of one half."""
    return [row for row in rows if bool(row.get("held_out")) == held_out]


def table(columns: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """Write several sets of verdicts side by side, as a Markdown table."""
    sets = {name: list(rows) for name, rows in columns.items()}
    lines = [f"| | {' | '.join(sets)} |", f"|---|{'---|' * len(sets)}"]
    for faulty, kinds in ((False, HEALTHY), (True, FAULTY)):
        who = "faulty" if faulty else "healthy"
        found = {name: counts(rows, faulty=faulty) for name, rows in sets.items()}
        totals = " | ".join(str(sum(each.values())) for each in found.values())
        lines.append(f"| **{who} trainings** | {totals} |")
        for kind in (*kinds, "stopped"):
            numbers = [found[name][kind] for name in sets]
            if any(numbers):
                lines.append(f"| {kind} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)
