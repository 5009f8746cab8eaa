"""`compare(...)`: the same training over a grid of networks and depths, and the grid's verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import datasets, display
from gradlab.comparison.cell import Cell, row
from gradlab.comparison.networks import Network
from gradlab.comparison.plan import DEFAULT_DEPTHS, DEFAULT_NETWORKS, Plan, plan_cells
from gradlab.comparison.schedule import train_cells
from gradlab.datasets import Data
from gradlab.diagnosis import summary
from gradlab.errors import ArgumentError
from gradlab.kinds import CALLBACK, FLAG, PATH, instance, of_kinds
from gradlab.options import TrainingOptions, takes


@dataclass(frozen=True)
class Comparison:
    """A grid of trainings and their verdicts.

    Attributes
    ----------
    cells : tuple of Cell
        Row by row: networks in the order given, depths ascending.
    """

    cells: tuple[Cell, ...]
    title: str = "What depth does to a network"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> list[Network]:
        """The rows, in order."""
        return list(dict.fromkeys(cell.plan.network for cell in self.cells))

    @property
    def depths(self) -> list[int]:
        """The columns, in order."""
        return list(dict.fromkeys(cell.plan.depth for cell in self.cells))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the cells: two comparisons of the same ones have the same."""
        names = "\n".join(sorted(cell.plan.folder for cell in self.cells))
        return hashlib.sha256(names.encode()).hexdigest()

    def cell(self, network: str, depth: int) -> Cell:
        """Return the cell of a network and a depth.

        The network is named by its label, or as it was typed. ArgumentError if there is no such
        cell.
        """
        by_label = {each.label: each for each in self.networks}
        wanted = by_label[network] if network in by_label else Network.parse(network)
        for cell in self.cells:
            if (cell.plan.network, cell.plan.depth) == (wanted, depth):
                return cell
        raise ArgumentError(
            f"the comparison has no cell {network!r} at depth {depth}; it has "
            f"{', '.join(by_label)} at depths {', '.join(map(str, self.depths))}"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each cell: network, depth, outcome, verdict, cause and accuracy.

        Accuracy is the mean over the seeds that have one.
        """
        return pd.DataFrame([row(cell) for cell in self.cells])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what `gradlab compare --json` writes."""
        return {"schema": 1, "runs": [summary(cell.run, cell.diagnosis) for cell in self.cells]}

    def __str__(self) -> str:
        rows = [[str(value) for value in _written(cell).values()] for cell in self.cells]
        return "\n".join(
            [self.title, "", *display.columns_text(list(row(self.cells[0])), rows)]
            if rows
            else [self.title]
        )

    def _repr_html_(self) -> str:
        """A row a network, a column a depth: outcome, verdict and accuracy."""
        rows = []
        for network in self.networks:
            at = {cell.plan.depth: cell for cell in self.cells if cell.plan.network == network}
            rows.append(
                [network.label, *(_told(at[depth]) if depth in at else "" for depth in self.depths)]
            )
        head = ["hidden layers", *map(str, self.depths)]
        return display.box(display.paragraph(self.title, bold=True), display.grid(head, rows))


def _told(cell: Cell) -> str:
    words = _written(cell)
    return f"{cell.outcome} {words['accuracy']}".rstrip() + f"\n{words['verdict']}"


def _written(cell: Cell) -> dict[str, Any]:
    """Return what the tables show of a cell, as words."""
    values = row(cell)
    share = "" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
    return values | {
        "verdict": f"{values['verdict']} {cell.diagnosis.share}".rstrip(),
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
    runs : path
        Folder that keeps the cells.
    force : bool
        Train every cell anew.
    on_cell : callable, optional
        Called with each Cell as soon as it is there, reused ones first.
    cluster : str or dask.distributed.Client, optional
        Train on a Dask cluster: "local" for one of processes on this machine, the address of a
        scheduler such as "tcp://host:8786", or a client. Needs `gradlab-diagnostics[cluster]`.
    {options}

    Returns
    -------
    Comparison

    Raises
    ------
    ArgumentError, DataError, RunError
        A bad argument or data set, before anything is trained; a folder that cannot be written.
    GradlabError
        A worker process that was killed; a cluster that does not answer, lacks gradlab or has
        another version of it.
    """
    data = datasets.digits() if data is None else data
    plans = plan_cells(networks, depths, width=width, data=data, seeds=seeds, **options)
    done: dict[Plan, Cell] = {}
    for cell in train_cells(plans, data, jobs=jobs, runs=runs, force=force, cluster=cluster):
        done[cell.plan] = cell
        if on_cell is not None:
            on_cell(cell)
    return Comparison(tuple(done[each] for each in plans), details={"data": data.name})
