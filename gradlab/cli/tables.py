"""The table of a comparison, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from gradlab.comparison import Cell, Comparison

COLOURS = {"learned": "green", "slow": "yellow", "not learned": "red"}  # others have none
NUMBERS = ("depth", "accuracy")


def print_comparison(result: Comparison) -> None:
    """Print a row for each cell, network by network."""
    table = Table(title=None, box=None, pad_edge=False)
    axes = list(result.axes)
    for heading in (*axes, "outcome", "verdict", "cause", "accuracy"):
        justify = "right" if heading in NUMBERS else "left"
        table.add_column(heading.replace("_", "\n"), justify=justify, no_wrap=True)
    previous = None
    for cell in result.cells:
        network = cell.plan.coordinates["network"]
        if previous not in (None, network):
            table.add_section()
        previous = network
        table.add_row(*_row(cell, axes))
    console = Console(highlight=False)
    if not console.is_terminal:  # a file or another program loses no letter
        wide = console.options.update(width=1000)
        console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)
    console.print()


def _row(cell: Cell, axes: list[str]) -> list[str | Text]:
    from gradlab.comparison import row, written

    values = row(cell)
    accuracy = "-" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
    return [
        *(written(values[axis]) for axis in axes),
        Text(values["outcome"], COLOURS.get(values["outcome"], "")),
        Text(cell.told, _colour(cell)),
        values["cause"],
        accuracy,
    ]


def _colour(cell: Cell) -> str:
    if not cell.diagnosis.ok:
        return "red"
    if cell.diagnosis.faults:
        return "yellow"
    return "green" if cell.told == cell.diagnosis.verdict else ""
