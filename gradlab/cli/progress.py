"""Trainings with a bar that says what runs and how much time is left."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from gradlab.comparison import Cell, Plan
    from gradlab.datasets import Data

BAR = 12  # characters
OTHERS = 44
"""Characters of a line besides what runs: the bar, "312 of 500 iterations", "12:34 left"."""


def train(
    plans: Sequence[Plan],
    source: Data,
    *,
    jobs: int,
    runs: str | Path,
    force: bool,
    in_place: bool = False,
    cluster: str | None = None,
) -> dict[Plan, Cell]:
    """Train what is not finished; see `gradlab.comparison.train_cells`."""
    from gradlab.comparison import train_cells

    shown = _Progress(plans, jobs, runs)
    options = {"jobs": jobs, "runs": runs, "force": force, "in_place": in_place}
    options |= {"cluster": cluster, "on_progress": shown.hear}
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
    """Return a bar with what runs, the count and the time that is left: a line of any width."""
    room = Column(max_width=max(8, console.width - OTHERS), no_wrap=True, overflow="ellipsis")
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=room),
        BarColumn(BAR),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        TimeLeft(table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class TimeLeft(ProgressColumn):
    """The one clock, with its label: "1:23 left", or "0:02 so far" while nothing is done."""

    def render(self, task: Task) -> Text:
        """Return the time that is left at the rate so far."""
        rate = task.fields.get("rate") or Rate((0.0, 0.0), (task.elapsed or 0.0, task.completed))
        left = rate.left(task.total or 0.0, task.elapsed or 0.0)
        if left is None:
            return Text(f"{clock(task.elapsed or 0.0)} so far")
        return Text(f"{clock(left)} left")


@dataclass(frozen=True)
class Rate:
    """How fast the work goes, between two moments: each a time and what was done by then."""

    first: tuple[float, float]
    last: tuple[float, float]

    def left(self, whole: float, now: float) -> float | None:
        """Return the seconds that are left; None before anything is done."""
        seconds, done = (end - start for start, end in zip(self.first, self.last, strict=True))
        if done <= 0:
            return None
        return max(0.0, seconds / done * (whole - self.last[1]) - (now - self.last[0]))


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Progress:
    """The bar on a terminal, or a line a cell elsewhere."""

    def __init__(self, plans: Sequence[Plan], jobs: int, runs: str | Path):
        self.cells: dict[Plan, Cell] = {}
        self._console = console()
        self._order = sorted(plans, key=lambda each: each.cost, reverse=True)
        self._workers = (os.cpu_count() or 1) if jobs == -1 else jobs
        self._runs = runs
        self._reused_said = False
        self._shares: dict[Plan, float] = {}  # of the cells in training
        self._lock = threading.Lock()
        self._rate: Rate | None = None
        self.bar = bar(self._console)
        self._task = self.bar.add_task("", total=None, count="", rate=None)
        self._show()

    def advance(self, cell: Cell) -> None:
        """Take in a cell that is there."""
        with self._lock:
            self.cells[cell.plan] = cell
            self._shares.pop(cell.plan, None)
        if not cell.reused:
            self.say_reused()
        self._show()
        if not self._console.is_terminal and not cell.reused:
            self._console.print(f"[{len(self.cells)}/{len(self._order)}] {cell.name}: done")

    def hear(self, plan: Plan, share: float) -> None:
        """Take in how far a cell in training is; called from another thread."""
        with self._lock:
            if plan in self.cells:
                return
            self._shares[plan] = share
        self._show()

    def _show(self) -> None:
        """Redraw the bar: cells count by what they cost, those in training by their share."""
        with self._lock:
            new = [each for each in self._order if not self._is_reused(each)]
            done = sum(each.cost for each in new if each in self.cells)
            done += sum(each.cost * share for each, share in self._shares.items())
            moment = (self.bar.tasks[0].elapsed or 0.0, done)
            if done and self._rate is None:  # the start of a cluster is no part of the rate
                self._rate = Rate(moment, moment)
            elif self._rate is not None and done > self._rate.last[1]:
                self._rate = Rate(self._rate.first, moment)
            self.bar.update(
                self._task,
                total=sum(each.cost for each in new),
                completed=done,
                description=self._running(),
                count=self._count(),
                rate=self._rate or Rate((0.0, 0.0), (0.0, 0.0)),
            )

    def _is_reused(self, plan: Plan) -> bool:
        return plan in self.cells and self.cells[plan].reused

    def _count(self) -> str:
        if len(self._order) > 1:
            return f"{len(self.cells)} of {len(self._order)}"
        (plan,) = self._order
        whole = plan.training.iterations
        done = whole if self.cells else round(self._shares.get(plan, 0.0) * whole)
        return f"{done} of {whole} iterations"

    def say_reused(self) -> None:
        """Say, once, how many cells were found finished."""
        reused = sum(cell.reused for cell in self.cells.values())
        if reused and not self._reused_said:
            count = len(self._order)
            self._console.print(f"{reused} of {count} cells reused (--force trains anew)")
        self._reused_said = True

    def interrupted(self, in_place: bool) -> None:
        """Say what an interrupted training leaves, as it lies in the folder."""
        from gradlab.comparison import finished
        from gradlab.errors import GradlabError

        count = len(self._order)
        if in_place and count > len(self.cells):
            self._say(_recorded(Path(self._runs) / self._order[0].folder, self._order[0]))
            return
        others = [each for each in self._order if each not in self.cells]
        kept = len(self.cells)
        with contextlib.suppress(GradlabError):  # a store that cannot be reached any more
            kept += sum(finished(others, self._runs))
        if not kept:
            self._say(f"interrupted: none of {count} cells is finished, nothing is kept")
            return
        self._say(
            f"interrupted: {kept} of {count} cells are finished and kept in {self._runs}; the same "
            "command goes on from there"
        )

    def _say(self, text: str) -> None:
        self._console.print(f"\n{text}", soft_wrap=True)

    def _running(self) -> str:
        """Name the cells in training: those that were heard of, else those to be started first."""
        heard = sorted(self._shares, key=lambda each: each.cost, reverse=True)
        left = [each for each in self._order if each not in self.cells]
        names = [each.name for each in heard or left[: self._workers]]
        return ", ".join(names) or "writing the report"


def _recorded(folder: Path, plan: Plan) -> str:
    """Say how much of a training that was interrupted is recorded."""
    from gradlab.errors import RunError
    from gradlab.run import load

    try:
        iterations = load(folder).iterations
    except RunError:
        iterations = 0
    if not iterations:
        return "interrupted: nothing was recorded yet"
    return (
        f"interrupted: {iterations} of {plan.training.iterations} iterations are recorded and kept "
        f"in {folder}; gradlab check judges them, the same command trains anew"
    )
