"""How the page's data become small.

Rounded, heatmaps as steps between neighbours, deflated, base64.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

DIGITS = 4
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
    finite = [value for row in rows for value in row if value is not None]
    step = max((max(finite) - min(finite)) / LEVELS, 1e-12) if finite else 1.0
    step = float(f"{step:.2g}")
    table = []
    for row in rows:
        before, steps = 0, []
        for value in row:
            level = None if value is None else round(value / step)
            steps.append(None if level is None else level - before)
            before = before if level is None else level
        table.append(steps)
    return {"step": step, "steps": table}


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


def shrink(value: Any) -> Any:
    """Replace every table named "z" by its grid."""
    if isinstance(value, dict):
        return {
            key: grid(each) if key == "z" and each and isinstance(each[0], list) else shrink(each)
            for key, each in value.items()
        }
    return [shrink(each) for each in value] if isinstance(value, list) else value


def deflated(text: str) -> str:
    """Deflate (zlib) and encode as base64: what `DecompressionStream("deflate")` reads."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def payload(data: dict[str, Any]) -> str:
    """Pack a report's data."""
    return deflated(
        json.dumps(shrink(data), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    )
