"""`train_cells`: finished cells are found, the others trained by local processes or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gradlab.comparison import cluster as clusters
from gradlab.comparison import local
from gradlab.comparison.cell import Cell
from gradlab.comparison.plan import Plan
from gradlab.comparison.workers import is_finished, remove_leftovers
from gradlab.datasets import Data
from gradlab.errors import RunError
from gradlab.ranges import check_jobs

OnProgress = Callable[[Plan, float], None]


def train_cells(
    plans: Sequence[Plan],
    data: Data,
    *,
    jobs: int = -1,
    runs: str | Path = "runs",
    force: bool = False,
    in_place: bool = False,
    cluster: Any = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Cell]:
    """Yield each cell as soon as it is there: finished ones first, then the others as they end.

    Parameters
    ----------
    plans : sequence of Plan
        From `plan_cells`; the cells that take longest are started first.
    data : Data
    jobs : int
        Processes on this machine; -1 = one a core.
    runs : path
        Folder that keeps the cells.
    force : bool
        Train every cell anew.
    in_place : bool
        Record into the cell's own folder, so that what a killed training had recorded is found
        there. Otherwise the folder appears once the cell is complete.
    cluster : optional
        As for `gradlab.compare`.
    on_progress : callable, optional
        Called now and then with a plan in training and the share of its iterations that is done,
        from another thread.

    Raises
    ------
    ArgumentError, RunError
        `jobs` or `cluster` cannot be used; a folder that cannot be written.
    GradlabError
        A worker process that was killed, a cluster that went away.
    """
    jobs = check_jobs(jobs)
    clusters.check(cluster, jobs)
    folder = _prepared(Path(runs))
    todo = []
    for each in dict.fromkeys(plans):
        if not force and is_finished(folder / each.folder):
            yield Cell(each, folder / each.folder, reused=True)
        else:
            todo.append(each)
    remove_leftovers(folder)
    if not todo:
        return
    todo.sort(key=lambda each: each.cost, reverse=True)
    told = on_progress or _ignore
    if cluster is None:
        trained = local.train(todo, data, folder, jobs, told, in_place=in_place)
    else:
        trained = clusters.train(todo, data, folder, cluster, jobs, told)
    for each in trained:
        yield Cell(each, folder / each.folder)


def _ignore(each: Plan, share: float) -> None:
    """Take no notice of progress."""


def _prepared(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"runs={str(folder)!r} cannot be made: {error.strerror}; choose a folder you may "
            "write to"
        ) from None
    return folder
