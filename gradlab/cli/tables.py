"""The table of a comparison, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from gradlab.comparison import Cell, Comparison

COLOURS = {"learned": "green", "slow": "yellow", "not learned": "red"}  # others have none
COLUMNS = ("network", "depth", "outcome", "verdict", "cause", "accuracy")
NUMBERS = ("depth", "accuracy")


def print_comparison(result: Comparison) -> None:
    """Print a row for each cell, network by network."""
    table = Table(title=None, box=None, pad_edge=False)
    for heading in COLUMNS:
        justify = "right" if heading in NUMBERS else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    previous = None
    for cell in result.cells:
        network = cell.plan.network
        if previous not in (None, network):
            table.add_section()
        previous = network
        table.add_row(*_row(cell))
    console = Console(highlight=False)
    console.print(table)
    console.print()


def _row(cell: Cell) -> list[str | Text]:
    from gradlab.comparison import row

    values = row(cell)
    accuracy = "-" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
    verdict = f"{values['verdict']} {cell.diagnosis.share}".rstrip()
    return [
        values["network"],
        str(values["depth"]),
        Text(values["outcome"], COLOURS.get(values["outcome"], "")),
        Text(verdict, _colour(cell, values["verdict"])),
        values["cause"],
        accuracy,
    ]


def _colour(cell: Cell, verdict: str) -> str:
    if verdict == "healthy":
        return "green"
    return "yellow" if cell.diagnosis.ok else "red"
