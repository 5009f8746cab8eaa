"""Trainings with a bar that says what runs and what is left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from gradlab.comparison import Cell, Plan
    from gradlab.datasets import Data


def train(
    plans: Sequence[Plan],
    source: Data,
    *,
    jobs: int,
    runs: Path,
    force: bool,
    in_place: bool = False,
    cluster: str | None = None,
) -> dict[Plan, Cell]:
    """Train what is not finished; see `gradlab.comparison.train_cells`."""
    from gradlab.comparison import train_cells

    shown = _Progress(plans, jobs, runs)
    options = {"jobs": jobs, "runs": runs, "force": force, "in_place": in_place}
    options |= {"cluster": cluster}
    with shown.bar:
        try:
            for cell in train_cells(plans, source, **options):
                shown.advance(cell)
        except KeyboardInterrupt:
            shown.interrupted(in_place)
            raise
    shown.say_reused()
    return shown.cells


def console() -> Console:
    """Return what progress is written to: stderr, so that stdout holds results alone."""
    return Console(stderr=True, markup=False, highlight=False)


def bar(console: Console) -> Progress:
    """Return a bar with what runs, the count, the time that went by and what is left."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class _Progress:
    """The bar on a terminal, or a line a cell elsewhere."""

    def __init__(self, plans: Sequence[Plan], jobs: int, runs: Path):
        self.cells: dict[Plan, Cell] = {}
        self._console = console()
        self._order = sorted(plans, key=lambda each: each.cost, reverse=True)
        self._workers = (os.cpu_count() or 1) if jobs == -1 else jobs
        self._runs = runs
        self._reused_said = False
        self.bar = bar(self._console)
        total = sum(each.cost for each in plans)
        self._task = self.bar.add_task(self._running(), total=total, count=f"0 of {len(plans)}")

    def advance(self, cell: Cell) -> None:
        """Take in a cell that is there."""
        self.cells[cell.plan] = cell
        count = f"{len(self.cells)} of {len(self._order)}"
        if not cell.reused:
            self.say_reused()
        self.bar.update(
            self._task, advance=cell.plan.cost, description=self._running(), count=count
        )
        if not self._console.is_terminal and not cell.reused:
            self._console.print(f"[{len(self.cells)}/{len(self._order)}] {cell.name}: done")

    def say_reused(self) -> None:
        """Say, once, how many cells were found finished."""
        reused = sum(cell.reused for cell in self.cells.values())
        if reused and not self._reused_said:
            count = len(self._order)
            self._console.print(f"{reused} of {count} cells reused (--force trains anew)")
        self._reused_said = True

    def interrupted(self, in_place: bool) -> None:
        """Say what an interrupted training leaves."""
        count = len(self._order)
        if in_place and count > len(self.cells):
            folder = self._runs / self._order[0].folder
            self._console.print(f"\ninterrupted: what was recorded is kept in {folder}")
            return
        self._console.print(
            f"\ninterrupted: {len(self.cells)} of {count} cells are finished and kept in "
            f"{self._runs}; the same command goes on from there"
        )

    def _running(self) -> str:
        """Name the cells in training: workers take them in order, the first of those not done."""
        left = [each.name for each in self._order if each not in self.cells]
        return ", ".join(left[: self._workers]) or "writing the report"
