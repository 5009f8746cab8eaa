"""The layers of a run in numbers, by block and role."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.wording import number
from gradlab.run import Run
from gradlab.statistics import get

SHOWN = ("grad_norm", "update_ratio", "weight_norm", "dead_fraction")  # at the start and the end


def layer_places(run: Run) -> list[dict[str, str]]:
    """Return path, block and role of each weight matrix; empty where the net has no blocks."""
    table = run.matrices.layers
    blocks = ["" if not isinstance(block, str) else block for block in table["block"]]
    if not any(blocks):
        return []
    return [
        {"path": str(path), "block": block, "role": str(role or "")}
        for path, block, role in zip(table["path"], blocks, table["role"], strict=True)
    ]


def layer_table(run: Run) -> dict[str, Any]:
    """Return a table of the weight matrices.

    Returns
    -------
    dict
        `columns`, their headings, and `rows`: for each layer its `block` ("" outside blocks), the
        `range` of gradients in its block as words, and `values`, one a column.
    """
    matrices = run.matrices
    places = layer_places(run)
    layers = matrices.layers
    part = matrices.condensed()
    shown = [name for name in SHOWN if name in part and part.iterations]
    last = series.last_finite(part) if part.iterations else 0
    numbers = {name: _ends(part, name, last) for name in shown}
    headings = [f"{get(name).title}, iteration {time}" for name in shown for time in _times(last)]
    rows = []
    for k in range(matrices.shape[2]):
        name = places[k]["role"] if places and places[k]["block"] else str(layers["name"][k])
        size = f"{_whole(layers['fan_in'][k])} → {_whole(layers['fan_out'][k])}"
        values = [str(k + 1), name, size]
        for each in shown:
            values += [number(float(end[k])) for end in numbers[each]]
        rows.append({"block": places[k]["block"] if places else "", "values": values, "range": ""})
    if "grad_norm" in numbers:
        _add_ranges(rows, numbers["grad_norm"][0])
    return {"columns": ["layer", "name", "inputs → outputs", *headings], "rows": rows}


def _times(last: int) -> tuple[int, ...]:
    return (0, last) if last else (0,)


def _ends(run: Run, name: str, last: int) -> list[np.ndarray]:
    """Return a statistic by layer at the first iteration and at the last finite one."""
    known = series.recorded_iterations(run, name)
    chosen = []
    for time in _times(last):
        before = known[known <= time]
        at = int(before[-1]) if len(before) else 0
        chosen.append(series.layer_band(run, name, at).median)
    return chosen


def _add_ranges(rows: list[dict[str, Any]], gradients: np.ndarray) -> None:
    """Say beside each block from where to where its gradients go."""
    for block in {row["block"] for row in rows} - {""}:
        members = [k for k, row in enumerate(rows) if row["block"] == block]
        finite = gradients[members][np.isfinite(gradients[members])]
        if len(finite):
            low, high = (number(float(end)) for end in (finite.min(), finite.max()))
            for k in members:
                rows[k]["range"] = f", gradients {low} to {high} at iteration 0"


def _whole(value: Any) -> str:
    return "?" if value is None or not np.isfinite(value) else f"{int(value)}"
