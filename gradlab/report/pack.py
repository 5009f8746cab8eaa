"""How the page's data become small.

Rounded, heatmaps as steps between neighbours, deflated, base64.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from typing import Any

import numpy as np

DIGITS = 4
WHOLE = 1 << 50  # steps from 0 that a browser counts exactly
LEVELS = 1000  # steps in a heatmap's range: finer than its 256 colours


def plain(value: Any) -> Any:
    """Turn a figure into lists, strings and numbers of four significant digits.

    NaN and infinity become None.
    """
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return _short(float(value))
    return value.item() if isinstance(value, np.generic) else value


def _short(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def grid(rows: list[list[float | None]]) -> dict[str, Any]:
    """Write a table of numbers as whole steps from each to the next of its row.

    None stays None and is stepped over.
    """
    rows = [[None if _is_none(value) else value for value in row] for row in rows]
    finite = [value for row in rows for value in row if value is not None]
    most = max(map(abs, finite), default=0.0)
    spread = max(finite) / LEVELS - min(finite) / LEVELS if finite else 1.0
    step = float(f"{max(spread, most / WHOLE, 1e-12):.2g}")
    table = []
    for row in rows:
        before, steps = 0, []
        for value in row:
            level = None if value is None else _level(value, step)
            steps.append(None if level is None else level - before)
            before = before if level is None else level
        table.append(steps)
    return {"step": step, "steps": table}


def _level(value: float, step: float) -> int:
    """Return how many steps a value is away from 0; as many as make a number, near the largest."""
    level = round(value / step)
    return level if math.isfinite(level * step) else math.trunc(value / step)


def ungrid(packed: dict[str, Any]) -> list[list[float | None]]:
    """Undo `grid`, as the page does."""
    rows = []
    for steps in packed["steps"]:
        level, row = 0, []
        for step in steps:
            level += step or 0
            row.append(None if step is None else level * packed["step"])
        rows.append(row)
    return rows


def shrink(value: Any, under: str = "") -> Any:
    """Replace each trace's table "z" by its grid, and what is no number of JSON by None.

    Traces lie in a figure's list `data`, which is what `under` says; what else is called "z", such
    as an option of the user's training, stays.
    """
    if isinstance(value, dict):
        in_trace = under == "data"
        return {
            key: grid(each) if in_trace and key == "z" and _is_table(each) else shrink(each, key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [shrink(each, under) for each in value]
    return None if _is_none(value) else value


def _is_table(value: Any) -> bool:
    """Whether a value is rows of numbers, some of which may be None."""
    if not isinstance(value, list) or not value or not all(isinstance(row, list) for row in value):
        return False
    return all(each is None or isinstance(each, int | float) for row in value for each in row)


def _is_none(value: Any) -> bool:
    """Whether a value is None, NaN or infinite."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def deflated(text: str) -> str:
    """Deflate (zlib) and encode as base64: what `DecompressionStream("deflate")` reads."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def payload(data: dict[str, Any]) -> str:
    """Pack a report's data."""
    return deflated(
        json.dumps(shrink(data), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    )
