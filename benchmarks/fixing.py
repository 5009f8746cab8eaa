"""What the two benchmarks of `fix` have in common: rows that are kept as they come, and a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]

COUNTED = (
    ("right", "cured by gradlab's winner"),
    ("first_right", "cured by gradlab's first remedy"),
    ("random", "cured by as many random changes"),
    ("tenfold", "cured by a tenth of the learning rate"),
)


def each_once(cases: Iterable[Any], fixed: Callable[[Any], Row], file: Path | None) -> list[Row]:
    """Fix each case that the file does not hold yet; print and keep each row as it comes.

    Parameters
    ----------
    cases : iterable
        Each with a `name`.
    fixed : callable
        Returns the row of a case.
    file : path, optional
        Of JSON; a run that was stopped goes on where it was.
    """
    rows: list[Row] = json.loads(file.read_text()) if file is not None and file.exists() else []
    done = {row["name"] for row in rows}
    for case in cases:
        if case.name in done:
            continue
        row = fixed(case)
        rows.append(row)
        print(_told(row), flush=True)
        if file is not None:
            file.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def _told(row: Row) -> str:
    mark = "right" if row["right"] else "WRONG" if row["cured"] else "no"
    wanted = row.get("wanted", row.get("learned"))
    return (
        f"{'c' if row['curable'] else '-'} {mark:6} {row['name']:46.46} {row['before']} -> "
        f"{row['score']} ({wanted:.3g}) first {row['first']}: {row['first_score']}; "
        f"{row['headline']} {row['spent']:.3g} {row['seconds']:.0f} s"
    )


def summary(rows: list[Row]) -> list[str]:
    """Return the lines of the table in docs/explanation/fix.md."""
    able = [row for row in rows if row["curable"]]
    rest = [row for row in rows if not row["curable"]]
    lines = [f"{len(rows)} faulty trainings, {len(able)} of them curable"]
    for key, words in COUNTED:
        asked = [row for row in able if key in row]
        count = sum(row[key] for row in asked)
        share = 100 * count / max(1, len(asked))
        lines.append(f"{words}: {count} of {len(asked)} ({share:.0f} %)")
    wrong = [row["name"] for row in rows if row["called_wrongly"]]
    lines.append(f"called cured and not: {len(wrong)} {wrong}")
    worse = [row["name"] for row in rows if row["cured"] and row["score"] < row["before"]]
    lines.append(f"called cured, and worse than before: {len(worse)} {worse}")
    said = sum(not row["cured"] for row in rest)
    lines.append(f"not curable, and said so: {said} of {len(rest)}")
    for key, words in (("spent", "whole trainings"), ("seconds", "seconds")):
        values = sorted(row[key] for row in rows)
        lines.append(f"{words}: median {values[len(values) // 2]:.3g}, most {values[-1]:.3g}")
    return lines
