"""What the branches of a residual stream's blocks take of the gradient, by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.draw import LINES
from gradlab.run import ADDITION, Run

Array = np.ndarray

SHARE, SKIP = "branch_share", "skip_log_gain"
WHOLE = "branches"
BRANCH_LINES = LINES[1:]  # the first is the gradient's
UNCHANGED = 1e-6  # ln: such a skip is the stream itself


def branches_of(run: Run, blocks: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return branch -> place of a block -> row of `run.blocks`: "attn", "mlp", ..."""
    places: dict[str, dict[int, int]] = {}
    table = run.blocks
    for k, (name, kind) in enumerate(zip(table["block"], table["kind"], strict=True)):
        owner = next((b for b in blocks if str(name).startswith(f"{b}.")), None)
        if kind == ADDITION and owner is not None:
            branch = str(name).removeprefix(f"{owner}.")
            places.setdefault(branch, {})[blocks.index(owner)] = k
    return places


def shares(
    run: Run, row: int, inside: Sequence[int], places: dict[str, dict[int, int]]
) -> dict[str, Array]:
    """Return each branch's share by block; of all branches together where none was told apart."""
    found = _by_branch(run, SHARE, row, len(inside), places)
    values = run.block_statistic(SHARE)[row][:, list(inside)]
    whole = series.over_seeds(values, np.isfinite(values), axis=0).median
    return found or ({WHOLE: whole} if np.isfinite(whole).any() else {})


def skips(run: Run, row: int, count: int, places: dict[str, dict[int, int]]) -> dict[str, Array]:
    """Return the factor of each branch's skip by block; NaN where it is the stream itself."""
    logs = _by_branch(run, SKIP, row, count, places)
    return {
        branch: np.where(np.abs(each) > UNCHANGED, np.exp(each), np.nan)
        for branch, each in logs.items()
    }


def _by_branch(
    run: Run, name: str, row: int, count: int, places: dict[str, dict[int, int]]
) -> dict[str, Array]:
    """Return a statistic of additions by branch and block (B,), the median over seeds."""
    values = run.block_statistic(name)[row]
    median = series.over_seeds(values, np.isfinite(values), axis=0).median
    found = {}
    for branch, rows in list(places.items())[: len(BRANCH_LINES)]:
        found[branch] = np.full(count, np.nan)
        found[branch][list(rows)] = median[list(rows.values())]
    return found
