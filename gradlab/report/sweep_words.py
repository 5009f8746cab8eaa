"""What the page of a sweep says above its matrix: what helps, where to start, what fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradlab.comparison import Cell, Comparison, place_words
from gradlab.report.summary import Summary
from gradlab.report.wording import words

Pair = tuple[Cell, Summary]


@dataclass(frozen=True)
class Telling:
    """The axis whose values part the runs that learn from the others most.

    Attributes
    ----------
    axis : str
    best : object
        The value at which most learn.
    groups : list of (value, pairs)
        The cells with each value.
    spread : float
        Share of runs that learn at the best value, minus that at the worst.
    """

    axis: str
    best: Any
    groups: list[tuple[Any, list[Pair]]]
    spread: float


def words_of(comparison: Comparison, summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return headline, line and lines of a sweep's page."""
    pairs = list(zip(comparison.cells, summaries, strict=True))
    fine = _fine(pairs)
    total = len(pairs)
    telling = most_telling(comparison, pairs)
    if fine == total:
        headline = f"All {total} runs learn without an error"
    elif not fine:
        headline = f"None of {total} runs learns without an error{_commonest(pairs)}"
    elif telling is not None and telling.spread > 0:
        best = _called(telling.axis, telling.best)
        headline = f"{fine} of {total} runs learn; {best} does best"
    else:
        headline = f"{fine} of {total} runs learn without an error"
    return {
        "headline": headline,
        "line": _start(pairs),
        "lines": [] if telling is None or fine in (0, total) else _by_value(telling),
    }


def most_telling(comparison: Comparison, pairs: Sequence[Pair]) -> Telling | None:
    """Return the axis that tells most about who learns; None where no axis has two values."""
    found = None
    for axis, values in comparison.axes.items():
        if len(values) < 2:
            continue
        groups = [
            (value, [pair for pair in pairs if pair[0].plan.coordinates[axis] == value])
            for value in values
        ]
        shares = [_fine(group) / len(group) if group else 0.0 for _, group in groups]
        spread = max(shares) - min(shares)
        if found is None or spread > found.spread:
            found = Telling(axis, values[shares.index(max(shares))], groups, spread)
    return found


def _called(axis: str, value: Any) -> str:
    """Name a value of an axis: "depth 2", "learning rate 0.1"."""
    return f"depth {value}" if axis == "depth" else place_words({axis: value})


def _fine(pairs: Sequence[Pair]) -> int:
    return sum(summary.fine for _, summary in pairs)


def _accuracy(cell: Cell) -> float:
    known = [value for value in cell.accuracy if value is not None]
    return sum(known) / len(known) if known else -1.0


def _start(pairs: Sequence[Pair]) -> str:
    """Say which of them to start from: of those that learn, the one with the best accuracy."""
    cell, summary = max(pairs, key=lambda pair: (pair[1].fine, _accuracy(pair[0])))
    if not summary.fine:
        return "Pick a cell to see why it does not learn, and what to try first."
    accuracy = _accuracy(cell)
    much = f": {100 * accuracy:.0f} % of the held-out data are right" if accuracy >= 0 else ""
    return f"Start from {cell.name}{much}."


def _causes(pairs: Sequence[Pair]) -> list[tuple[str, int]]:
    """Count what the runs that do not learn have, the commonest first."""
    names = [
        words(summary.root.name) if summary.root else summary.label
        for _, summary in pairs
        if not summary.fine
    ]
    return Counter(names).most_common()


def _commonest(pairs: Sequence[Pair]) -> str:
    name, count = _causes(pairs)[0]
    return f": {name} in {count}"


def _by_value(telling: Telling) -> list[str]:
    """Say for each value of the telling axis how many learn, and what the others have."""
    lines = []
    for value, group in telling.groups:
        causes = ", ".join(f"{name} in {count}" for name, count in _causes(group))
        others = f"; {causes}" if causes else ""
        label = _called(telling.axis, value)
        lines.append(f"{label}: {_fine(group)} of {len(group)} learn{others}.")
    return lines
