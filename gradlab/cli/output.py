"""What commands print and write: a bar while they train, tables of verdicts, reports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.errors import GradlabError

if TYPE_CHECKING:
    from gradlab.comparison import Cell, Comparison
    from gradlab.datasets import Data
    from gradlab.run import Run


def check_writable(*paths: Path | None) -> None:
    """Fail before the training, not after it, where the result cannot be written."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise GradlabError(f"output {str(path)!r} is a folder; give a file name")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GradlabError(
                f"output {str(path)!r} cannot be written: {error.strerror}; choose another folder"
            ) from None
        if not os.access(path.parent, os.W_OK):
            raise GradlabError(f"output {str(path)!r} cannot be written: no permission; choose another folder")


def open_page(path: Path) -> None:
    import webbrowser

    webbrowser.open(path.resolve().as_uri())


def finish(subjects: list[Any], output: Path, json_file: Path | None, make_json, judge=None) -> Path:
    """Write the report and the JSON file, and say where they are."""
    from gradlab.report import write_report
    from gradlab.run import storage

    path = write_report(subjects[0] if len(subjects) == 1 else subjects, output, judge=judge)
    print(f"report: {path}  ({path.stat().st_size / 1e6:.1f} MB, opens offline in any browser)")
    if json_file is not None:
        storage.write_text(json_file, json.dumps(make_json(), allow_nan=False, indent=1))
        print(f"verdicts: {json_file}")
    return path


def train_with_progress(plans, source: Data, *, jobs: int, runs: Path, force: bool) -> dict[Any, Cell]:
    """Train what is not finished, with a bar that says what runs and what is left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from gradlab.comparison import train_cells

    console = Console(stderr=True)
    cells: dict[Any, Cell] = {}
    order = sorted(plans, key=lambda each: each.cost, reverse=True)
    total = sum(each.cost for each in plans)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(_running(order, cells, jobs), total=total, count=f"0 of {len(plans)}")
        reported = False
        try:
            for cell in train_cells(plans, source, jobs=jobs, runs=runs, force=force):
                cells[cell.plan] = cell
                if not cell.reused and not reported:
                    reported = _say_reused(console, cells, plans)
                running, count = _running(order, cells, jobs), f"{len(cells)} of {len(plans)}"
                progress.update(bar, advance=cell.plan.cost, description=running, count=count)
                if not console.is_terminal and not cell.reused:
                    console.print(f"[{len(cells)}/{len(plans)}] {cell.name}: done", markup=False, highlight=False)
        except KeyboardInterrupt:
            console.print(
                f"\ninterrupted: {len(cells)} of {len(plans)} cells are finished and kept in {runs}; "
                "the same command goes on from there", markup=False, highlight=False,
            )  # fmt: skip
            raise
    if not reported:
        _say_reused(console, cells, plans)
    return cells


def _say_reused(console, cells: dict[Any, Cell], plans) -> bool:
    reused = sum(cell.reused for cell in cells.values())
    if reused:
        console.print(f"{reused} of {len(plans)} cells reused (--force trains anew)", markup=False, highlight=False)
    return True


def _running(order, cells: dict[Any, Cell], jobs: int) -> str:
    """Name the cells in training: workers take them in order, so they are the first of those not done."""
    workers = (os.cpu_count() or 1) if jobs == -1 else jobs
    left = [each.name for each in order if each not in cells]
    return ", ".join(left[:workers]) or "writing the report"


STYLES = {"learned": "green", "slow": "yellow", "not learned": "red"}


def print_comparison(result: Comparison) -> None:
    """Print the table network x depth, then what each root cause says, worst first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gradlab.comparison import row

    console = Console(highlight=False)
    table = Table(title=None, box=None, pad_edge=False)
    for heading, justify in (
        ("network", "left"),
        ("depth", "right"),
        ("outcome", "left"),
        ("verdict", "left"),
        ("cause", "left"),
        ("accuracy", "right"),
    ):
        table.add_column(heading, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
    previous = None
    for cell in result.cells:
        values = row(cell)
        if previous not in (None, values["network"]):
            table.add_section()
        previous = values["network"]
        accuracy = "-" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
        healthy = values["verdict"] == "healthy"
        colour = "green" if healthy else "red" if not cell.diagnosis.ok else "yellow"
        table.add_row(
            values["network"], str(values["depth"]), Text(values["outcome"], STYLES[values["outcome"]]),
            Text(f"{values['verdict']} {cell.diagnosis.share}".rstrip(), colour), values["cause"], accuracy,
        )  # fmt: skip
    console.print(table)
    console.print()


def print_run(run: Run) -> None:
    """Print a run's verdict, and how often its gradients were clipped."""
    from gradlab.diagnosis import clipped, diagnose

    print(diagnose(run))
    if (share := clipped(run)) is not None:
        print(f"Clipping made the gradient smaller in {100 * share:.0f} % of the updates.")
