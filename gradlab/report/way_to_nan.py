"""The last frames before the first NaN or infinity: what each module answered, at its extremes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gradlab.report.wording import typeset
from gradlab.run import Run

MOST_ROWS = 60
FACT = "nonfinite_frames"  # of the record's provenance


def way_to_nan(run: Run) -> dict[str, Any]:
    """Return a table of the modules by the iterations that lead to the first NaN.

    Returns
    -------
    dict
        `columns`, their headings, and `rows`: module, class, and for each iteration the smallest
        and the largest absolute number of the module's answer. Both are empty where the record
        holds no frames; what in them is not as gradlab writes it is left out.
    """
    frames = [(time, dict(_rows(rows))) for time, rows in _frames(run)]
    if not frames:
        return {"columns": [], "rows": []}
    names = list(dict.fromkeys(name for _, rows in frames[-1:] for name in rows))
    rows = []
    for name in names[-MOST_ROWS:]:
        kind = frames[-1][1][name][0]
        cells = [frame.get(name, ("", ""))[1] for _, frame in frames]
        rows.append([name, kind, *cells])
    return {
        "columns": ["module", "class", *(f"iteration {time}" for time, _ in frames)],
        "rows": rows,
    }


def _frames(run: Run) -> Iterator[tuple[int, list[Any]]]:
    told = run.provenance.get(FACT)
    for frame in told if isinstance(told, list) else ():
        if isinstance(frame, dict) and isinstance(frame.get("rows"), list):
            time = frame.get("iteration")
            if isinstance(time, int):
                yield time, frame["rows"]


def _rows(rows: list[Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("module"), str):
            yield row["module"], (str(row.get("class", "")), _range(row.get("output")))


def _range(pair: Any) -> str:
    """Write "0.012 to 431", or "NaN"."""
    if not isinstance(pair, list) or len(pair) != 2:
        return ""
    low, high = (_number(each) for each in pair)
    return low if low == high else f"{low} to {high}"


def _number(value: Any) -> str:
    if value in ("nan", "inf"):
        return "NaN" if value == "nan" else "∞"
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return typeset(f"{float(value):.3g}") if known else "?"
