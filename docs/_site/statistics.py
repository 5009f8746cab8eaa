"""The reference of recorded statistics, from the table that recorder and reports read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from _site.markdown import cell, table
from gradlab.statistics import BLOCK_STATISTICS, LAYER_STATISTICS, STEP_STATISTICS, Statistic

WHEN = {
    "always": "every iteration",
    "costly": "0-9, then every 10th",
    "optional": "where asked for",
}
BAD = {"high": "high", "low": "low", "both": "high and low", "": "-"}
INTRODUCTION = """# Statistics

What a Run holds. In formulas, layer l has weights W (fan_in, fan_out), gradient G = dLoss/dW,
preactivations z, activations h and delta = dLoss/dz. Row `t` is the state before update `t`.
`run["name"]` is an array (iteration, seed, layer); `run.to_frame()` is a table;
`run.step("name")` gives a statistic of the step.

The costly ones are taken at iterations 0-9 and then at every 10th; `every=1` takes them always.
Null means not recorded.
"""


def pages(folder: Path) -> dict[str, str]:
    """Return the page of all statistics."""
    parts = [
        INTRODUCTION,
        "## Of each layer\n\n`run[name]`, shape (iteration, seed, layer).\n",
        _table(LAYER_STATISTICS),
        "\n## Of each step\n\n`run.step(name)`, shape (iteration, seed); the table `run.steps`.\n",
        _table(STEP_STATISTICS),
        "\n## Of each block\n\n`run.block_statistic(name)`, shape (iteration, seed, block).\n",
        _table(BLOCK_STATISTICS),
    ]
    return {"statistics.md": "\n".join(parts) + "\n"}


def _table(statistics: Iterable[Statistic]) -> str:
    heads = ("statistic", "what it is", "formula", "unit", "when", "trouble where")
    return table(heads, map(_row, statistics))


def _row(each: Statistic) -> tuple[str, ...]:
    formula = f"`{each.formula}`" if each.formula else ""
    what = f"{each.label} ({each.symbol})" if each.symbol else each.label
    return f"`{each.name}`", cell(what), formula, each.unit, WHEN[each.cadence], BAD[each.bad]
