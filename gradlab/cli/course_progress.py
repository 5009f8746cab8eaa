"""The course's experiments with a bar that says what is left, then their pages in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.cli import progress

if TYPE_CHECKING:
    from gradlab.report.gallery import Built, Experiment


def build(
    chosen: Sequence[Experiment],
    folder: Path,
    *,
    course: Sequence[Experiment],
    quick: bool,
    jobs: int,
) -> list[Built]:
    """Run experiments with a bar; see `gradlab.report.gallery.build`.

    Returns
    -------
    list of Built
        In the course's order, whichever was done first.
    """
    from gradlab.report import gallery

    console = progress.console()
    workers = (os.cpu_count() or 1) if jobs == -1 else jobs
    finished: list[Built] = []
    with progress.bar(console) as shown:
        total = sum(each.seconds for each in chosen)
        task = shown.add_task(_running(chosen, finished, workers), total=total, count="")
        for built in gallery.build(chosen, folder, course=course, quick=quick, jobs=jobs):
            finished.append(built)
            count = f"{len(finished)} of {len(chosen)}"
            shown.update(
                task,
                advance=built.experiment.seconds,
                description=_running(chosen, finished, workers),
                count=count,
            )
            if not console.is_terminal:
                console.print(f"[{len(finished)}/{len(chosen)}] {built.experiment.name}: done")
    return sorted(finished, key=lambda each: chosen.index(each.experiment))


def _running(chosen: Sequence[Experiment], finished: Sequence[Built], workers: int) -> str:
    """Name what runs: those that spread over the cores one by one, the rest from the last."""
    done = {each.experiment for each in finished}
    alone = [each.name for each in chosen if each.spreads and each not in done]
    rest = [each.name for each in reversed(chosen) if not each.spreads and each not in done]
    return ", ".join(alone[:1] or rest[:workers]) or "writing the pages"


def summary(built: Sequence[Built], folder: Path) -> Iterator[str]:
    """Yield a line for each page: its place in the course, how long it took, and where it is."""
    width = max(len(each.experiment.name) for each in built)
    for each in built:
        where = f"failed: {each.error}" if each.error else str(folder / each.experiment.page)
        place = f"{each.experiment.order:g}"
        yield f"{place:>4}  {each.experiment.name:<{width}}  {each.seconds:4.0f} s  {where}"
