"""What a failed assertion prints: a sentence, a table with bars, the cause, what to try."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from gradlab.diagnosis import Diagnosis
from gradlab.rules import Finding
from gradlab.rules.wording import number

WIDTH = 96  # pytest puts four characters before every line
BAR, ROWS = 24, 12
HEAD, TAIL = 4, 3  # rows shown at either end of a long table

CONCERNING = {  # rules to take the cause from first, by what an assertion saw
    "below": ("GL101", "GL201", "GL302", "GL001"),
    "above": ("GL102", "GL203", "GL303", "GL001"),
    "not finite": ("GL102", "GL203", "GL001"),
}


@dataclass(frozen=True)
class Row:
    """One layer of the table; `note` says what is wrong with it, or nothing."""

    layer: int
    name: str
    value: float
    note: str = ""


def table(
    heading: str,
    rows: Sequence[Row],
    worst: int,
    bounds: tuple[float | None, float | None] = (None, None),
    *,
    of: str = "layer",
) -> list[str]:
    """Lay out a line a layer: number, name, value, a bar with the bounds, and what is wrong."""
    scale = _Scale([row.value for row in rows], bounds)
    width = max(len(row.name) for row in rows)
    lines = [f"  {of:<{width + 4}}  {heading}"]
    shown = _shown(rows, worst)
    for position, row in enumerate(rows):
        if position in shown:
            mark = ">" if row.layer == worst else " "
            lines.append(
                f"{mark} {row.layer:>3} {row.name:<{width}}  {number(row.value):>8}  "
                f"{scale.bar(row.value)}  {row.note}"
            )
        elif position - 1 in shown:
            hidden = _run_of_hidden(rows, shown, position)
            wrong = sum(bool(each.note) for each in hidden)
            more = f", {wrong} of them wrong" if wrong else ""
            lines.append(f"      ... {len(hidden)} more{more}")
    return [line.rstrip() for line in lines]


def apart(value: float, bound: float) -> str:
    """Write `value` with so many digits that it does not look like the bound it crosses."""
    same = number(value) == number(bound) and value == value  # NaN is like nothing
    return repr(float(value)) if same else number(value)


def _shown(rows: Sequence[Row], worst: int) -> set[int]:
    """Choose the rows of a long table: both ends, and the worst with its neighbours."""
    count = len(rows)
    if count <= ROWS:
        return set(range(count))
    middle = next(position for position, row in enumerate(rows) if row.layer == worst)
    near = {position for position in range(middle - 1, middle + 2) if 0 <= position < count}
    return {*range(HEAD), *range(count - TAIL, count), *near}


def _run_of_hidden(rows: Sequence[Row], shown: set[int], start: int) -> Sequence[Row]:
    stop = next((position for position in range(start, len(rows)) if position in shown), len(rows))
    return rows[start:stop]


class _Scale:
    """Places values on a bar: by their logarithm where all are positive, else by their size."""

    def __init__(self, values: Sequence[float], bounds: tuple[float | None, float | None]):
        self._bounds = [bound for bound in bounds if bound is not None]
        known = [value for value in (*values, *self._bounds) if math.isfinite(value)]
        self._logarithmic = all(value >= 0 for value in known)
        placed = [place for value in known if (place := self._place(value)) is not None]
        self._low, self._high = min(placed, default=0.0), max(placed, default=0.0)

    def _place(self, value: float) -> float | None:
        if not math.isfinite(value) or (self._logarithmic and value <= 0):
            return None
        return math.log10(value) if self._logarithmic else value

    def _column(self, value: float) -> int | None:
        place = self._place(value)
        if place is None:
            return None
        share = 1.0 if self._high == self._low else (place - self._low) / (self._high - self._low)
        return round(share * (BAR - 1))

    def bar(self, value: float) -> str:
        """Draw `value` as a row of #, with a | where a bound lies."""
        column = self._column(value)
        cells = ["#" if column is not None and k <= column else "." for k in range(BAR)]
        for bound in self._bounds:
            if (at := self._column(bound)) is not None:
                cells[at] = "|"
        return "".join(cells)


def reasons(diagnosis: Diagnosis, seen: str) -> list[str]:
    """Say why, by the finding that concerns what was seen, and what to try."""
    finding = concerning(diagnosis, seen)
    if finding is None:
        said = (
            "gradlab's own rules find nothing wrong with this run: the assertion asks for more "
            "than they do"
        )
        return wrapped(
            "why: ", said if diagnosis.ok else f"no rule names a cause ({diagnosis.verdict})"
        )
    return finding_lines(finding)


def finding_lines(finding: Finding) -> list[str]:
    """Name a rule's finding with its cause and its first remedies."""
    lines = wrapped("why: ", f"{finding.rule} {finding.name}: {finding.message}")
    if finding.cause:
        lines += wrapped("     ", f"{finding.cause['sentence']}.")
    for remedy in finding.remedies[:3]:
        lines += wrapped("try: ", str(remedy))
    return lines


def concerning(diagnosis: Diagnosis, seen: str) -> Finding | None:
    """Return the root that concerns what was seen, or whose consequence does.

    Else the worst one.
    """
    wanted = CONCERNING.get(seen, ())
    for code in wanted:
        for root in diagnosis.faults:
            if code == root.rule or code in [each.rule for each in root.consequences]:
                return root
    return diagnosis.faults[0] if diagnosis.faults else None


def wrapped(label: str, text: str) -> list[str]:
    """Wrap `text` behind a label, as lines of the message."""
    indent = " " * (2 + len(label))
    return textwrap.wrap(
        f"  {label}{text}", WIDTH, subsequent_indent=indent, break_on_hyphens=False
    ) or [""]
