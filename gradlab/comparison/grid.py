"""`compare(...)`: the same training over a grid of networks and depths, and the grid's verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import datasets, display
from gradlab.comparison.axes import combinations, place_words, words, written
from gradlab.comparison.cell import Cell, row
from gradlab.comparison.networks import Network
from gradlab.comparison.plan import DEFAULT_DEPTHS, DEFAULT_NETWORKS, Plan, plan_cells
from gradlab.comparison.schedule import train_cells
from gradlab.datasets import Data
from gradlab.diagnosis import summary
from gradlab.errors import ArgumentError, shown, suggest
from gradlab.kinds import CALLBACK, FLAG, PATH, instance, of_kinds
from gradlab.options import TrainingOptions, takes


@dataclass(frozen=True)
class Comparison:
    """A grid of trainings and their verdicts.

    Attributes
    ----------
    cells : tuple of Cell
        Row by row: networks in the order given, depths ascending, then the axes of a sweep.
    title : str
    details : dict
    rows, columns : str
        The axes that the page shows as its matrix; it has a selector for each other one.
    """

    cells: tuple[Cell, ...]
    title: str = "What depth does to a network"
    details: dict[str, Any] = field(default_factory=dict)
    rows: str = "network"
    columns: str = "depth"

    def __post_init__(self) -> None:
        axes = self.axes or {"network": [], "depth": []}
        for argument, axis in (("rows", self.rows), ("columns", self.columns)):
            if axis not in axes:
                raise ArgumentError(f"{argument}={shown(axis)} is no axis; {suggest(axis, axes)}")
        if self.rows == self.columns:
            raise ArgumentError(f"rows and columns are both {shown(self.rows)}; choose two axes")

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Each axis and its values in order: network, depth, then those of a sweep."""
        axes: dict[str, dict[Any, None]] = {}
        for cell in self.cells:
            for axis, value in cell.plan.coordinates.items():
                axes.setdefault(axis, {})[value] = None
        return {axis: list(values) for axis, values in axes.items()}

    @property
    def networks(self) -> list[str]:
        """The labels of the networks, in order."""
        return self.axes["network"]

    @property
    def depths(self) -> list[int]:
        """The numbers of hidden layers, in order."""
        return self.axes["depth"]

    @property
    def selectors(self) -> dict[str, list[Any]]:
        """The axes besides rows and columns."""
        both = (self.rows, self.columns)
        return {axis: values for axis, values in self.axes.items() if axis not in both}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the cells: two comparisons of the same ones have the same."""
        names = "\n".join(sorted(cell.plan.folder for cell in self.cells))
        return hashlib.sha256(names.encode()).hexdigest()

    def cell(self, network: str, depth: int, **others: Any) -> Cell:
        """Return the cell of a network, a depth and, in a sweep, a value of each other axis.

        The network is named by its label, or as it was typed. ArgumentError if there is no such
        cell, or several.
        """
        label = network if network in self.networks else Network.parse(network).label
        wanted = {"network": label, "depth": depth, **others}
        found = [cell for cell in self.cells if wanted.items() <= cell.plan.coordinates.items()]
        if len(found) == 1:
            return found[0]
        told = "; ".join(
            f"{axis}: {', '.join(map(written, values))}" for axis, values in self.axes.items()
        )
        asked = ", ".join(f"{axis}={shown(value)}" for axis, value in wanted.items())
        count = "several cells" if found else "no cell"
        raise ArgumentError(f"the comparison has {count} with {asked}; its axes are {told}")

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each cell: its place on each axis, outcome, verdict, cause, accuracy.

        The axes are network, depth and those of a sweep, such as learning_rate. Accuracy is the
        mean over the seeds that have one.
        """
        return pd.DataFrame([row(cell) for cell in self.cells])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what `gradlab compare --json` writes."""
        runs = [
            summary(cell.run, cell.diagnosis) | {"name": cell.name, "axes": cell.plan.coordinates}
            for cell in self.cells
        ]
        return {"schema": 1, "runs": runs}

    def __str__(self) -> str:
        rows = [[str(value) for value in _written(cell).values()] for cell in self.cells]
        return "\n".join(
            [self.title, "", *display.columns_text(list(row(self.cells[0])), rows)]
            if rows
            else [self.title]
        )

    def _repr_html_(self) -> str:
        """A matrix of outcome, verdict and accuracy for each value of the other axes."""
        axes = self.axes
        columns = axes[self.columns]
        boxes: list[str] = []
        for at in combinations(self.selectors):
            if at:
                boxes.append(display.paragraph(place_words(at)))
            rows = []
            for value in axes[self.rows]:
                found = [self.at({**at, self.rows: value, self.columns: each}) for each in columns]
                rows.append([written(value), *(_told(cell) if cell else "" for cell in found)])
            head = [f"{words(self.rows)} by {words(self.columns)}", *map(written, columns)]
            boxes.append(display.grid(head, rows))
        return display.box(display.paragraph(self.title, bold=True), *boxes)

    def at(self, place: dict[str, Any]) -> Cell | None:
        """Return the cell at a place, a value of each axis; None where none was trained."""
        return next((cell for cell in self.cells if cell.plan.coordinates == place), None)


def _told(cell: Cell) -> str:
    words = _written(cell)
    return f"{cell.outcome} {words['accuracy']}".rstrip() + f"\n{words['verdict']}"


def _written(cell: Cell) -> dict[str, Any]:
    """Return what the tables show of a cell, as words."""
    values = row(cell)
    share = "" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
    return values | {
        "verdict": cell.told,
        "accuracy": share,
    }


@takes(TrainingOptions)
@of_kinds(data=instance(Data, "a Data").or_none, runs=PATH, on_cell=CALLBACK.or_none, force=FLAG)
def compare(
    networks: Sequence[str] = DEFAULT_NETWORKS,
    depths: Sequence[int] = DEFAULT_DEPTHS,
    *,
    width: int = 64,
    data: Data | None = None,
    seeds: int = 8,
    jobs: int = -1,
    runs: str | Path = "runs",
    force: bool = False,
    on_cell: Callable[[Cell], None] | None = None,
    cluster: Any = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    rows: str = "network",
    columns: str = "depth",
    **options: Any,
) -> Comparison:
    """Train every network at every depth, `seeds` seeds each, and return the verdicts.

    A finished cell is kept in `runs` under a hash of its configuration and data, and found again:
    an interrupted comparison goes on where it stopped.

    Parameters
    ----------
    networks : sequence of str
        `ACTIVATION[:INIT][:gain=X][:norm=batch|layer][:residual=A][:dropout=P]` each; see
        `gradlab.MLP`.
    depths : sequence of int
        Numbers of hidden layers, each at least 1.
    width : int
        Units in each hidden layer.
    data : Data, optional
        Handwritten digits by default.
    seeds : int
        How many seeds to train at once, counted from 0.
    jobs : int
        Processes; -1 = one a core.
    runs : path or URL
        What keeps the cells: a folder, or a store such as "s3://bucket/sweep", which workers
        write to themselves. Stores need `gradlab-diagnostics[cluster]` and fsspec's package for
        them, such as s3fs.
    force : bool
        Train every cell anew.
    on_cell : callable, optional
        Called with each Cell as soon as it is there, reused ones first.
    cluster : str or dask.distributed.Client, optional
        Train on a Dask cluster: "local" for one of processes on this machine, the address of a
        scheduler such as "tcp://host:8786", or a client. Needs `gradlab-diagnostics[cluster]`.
    sweep : mapping, optional
        More axes, each with its values: {"learning_rate": [0.01, 0.1], "init": ["he_normal",
        "orthogonal"]}. An axis is an option below, width, seeds, seed, or what changes every
        network: init, gain, norm, residual, dropout.
    rows, columns : str
        The two axes that the page shows as its matrix.
    {options}

    Returns
    -------
    Comparison

    Raises
    ------
    ArgumentError, DataError, RunError
        A bad argument or data set, before anything is trained; a folder or store that cannot be
        written.
    GradlabError
        A worker process that was killed; a cluster that does not answer, lacks gradlab or has
        another version of it.
    """
    data = datasets.digits() if data is None else data
    plans = plan_cells(
        networks, depths, width=width, data=data, seeds=seeds, sweep=sweep, **options
    )
    compared(plans, {}, rows=rows, columns=columns)  # before anything is trained
    done: dict[Plan, Cell] = {}
    for cell in train_cells(plans, data, jobs=jobs, runs=runs, force=force, cluster=cluster):
        done[cell.plan] = cell
        if on_cell is not None:
            on_cell(cell)
    return compared(plans, done, rows=rows, columns=columns, details={"data": data.name})


def compared(plans: Sequence[Plan], done: Mapping[Plan, Cell], **options: Any) -> Comparison:
    """Return the comparison of trained cells, each at its own place.

    Two places may have one cell between them: gain=2 swept over relu and over relu:gain=3.
    """
    cells = [
        replace(done[each], plan=each) if each in done else Cell(each, Path()) for each in plans
    ]
    swept = list(cells[0].plan.coordinates)[2:]
    if swept:
        *first, last = ["depth", *map(words, swept)]
        options["title"] = f"What {', '.join(first)} and {last} do to a network"
    return Comparison(tuple(cells), **options)
