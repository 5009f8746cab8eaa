"""`train_cells`: finished cells are found, the others trained by local processes or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gradlab.comparison import cluster as clusters
from gradlab.comparison import local
from gradlab.comparison.cell import Cell
from gradlab.comparison.plan import Plan
from gradlab.comparison.stores import Store, Stored, is_url
from gradlab.comparison.workers import is_finished, remove_leftovers
from gradlab.datasets import Data
from gradlab.errors import RunError
from gradlab.ranges import check_jobs

ASKED_AT_ONCE = 16
"""Cells of a store that are looked for at once: an answer takes some hundredths of a second."""

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
    runs : path or URL
        What keeps the cells: a folder, or a store such as "s3://bucket/sweep".
    force : bool
        Train every cell anew.
    in_place : bool
        Record into the cell's own folder, so that what a killed training had recorded is found
        there; `runs` is a folder. Otherwise the cell appears once it is complete.
    cluster : optional
        As for `gradlab.compare`.
    on_progress : callable, optional
        Called now and then with a plan in training and the share of its iterations that is done,
        from another thread.

    Raises
    ------
    ArgumentError, RunError
        `jobs` or `cluster` cannot be used; a folder or store that cannot be written.
    GradlabError
        A worker process that was killed, a cluster that went away.
    """
    jobs = check_jobs(jobs)
    clusters.check(cluster, jobs)
    place = Store(str(runs)) if is_url(runs) else _prepared(Path(runs))
    wanted = list(dict.fromkeys(plans))
    todo = []
    for each, found in zip(wanted, _found(wanted, place, force), strict=True):
        if found:
            yield _cell(each, place, reused=True)
        else:
            todo.append(each)
    if isinstance(place, Path):
        remove_leftovers(place)
    if not todo:
        return
    todo.sort(key=lambda each: each.cost, reverse=True)
    told = on_progress or _ignore
    if cluster is None:
        trained = local.train(todo, data, place, jobs, told, in_place=in_place)
    else:
        trained = clusters.train(todo, data, place, cluster, jobs, told)
    for each in trained:
        yield _cell(each, place)


def finished(plans: Sequence[Plan], runs: str | Path) -> Iterator[bool]:
    """Yield for each plan whether its finished cell lies in the folder or at the URL `runs`."""
    return _found(plans, Store(str(runs)) if is_url(runs) else Path(runs), force=False)


def _found(plans: Sequence[Plan], place: Path | Store, force: bool) -> Iterator[bool]:
    if force:
        yield from [False] * len(plans)
    elif isinstance(place, Store):
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            yield from pool.map(lambda each: place.is_finished(each.folder), plans)
    else:
        yield from (is_finished(place / each.folder) for each in plans)


def _cell(each: Plan, place: Path | Store, *, reused: bool = False) -> Cell:
    if isinstance(place, Store):
        return Cell(each, Stored(place, each.folder), reused)
    return Cell(each, place / each.folder, reused)


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
