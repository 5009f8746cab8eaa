"""What the page of two runs says of where they part."""

from __future__ import annotations

from typing import Any

from gradlab.differences import Difference, telling
from gradlab.report.wording import typeset


def words_of(difference: Difference) -> dict[str, Any]:
    """Return the words and tables of a difference.

    Returns
    -------
    dict
        headline, lines (sentences), and tables: a list of caption, head (texts) and rows (lists of
        texts), those without rows left out.
    """
    names = [side.name for side in difference.sides]
    tables = [
        ("Made differently", ["setting", *names], telling.settings(difference)),
        (
            "Where each statistic parts",
            ["statistic", "iteration", "in", *names],
            telling.places(difference),
        ),
        ("Verdicts side by side", ["", *names], telling.verdicts(difference)),
    ]
    return {
        "headline": typeset(f"{telling.headline(difference)}."),
        "lines": [typeset(line) for line in telling.sentences(difference)],
        "tables": [
            {"caption": caption, "head": head, "rows": [_typeset(row) for row in rows]}
            for caption, head, rows in tables
            if rows
        ],
    }


def _typeset(row: tuple[str, ...]) -> list[str]:
    """Write the numbers of a row as the page does; its first word is a name."""
    return [row[0], *map(typeset, row[1:])]
