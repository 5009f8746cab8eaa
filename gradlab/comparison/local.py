"""Cells trained by processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradlab.comparison.plan import Plan
from gradlab.comparison.stores import Store, train_into
from gradlab.comparison.workers import train_cell
from gradlab.datasets import Data
from gradlab.errors import GradlabError
from gradlab.files import real
from gradlab.nn.loop import Step

EVERY = 0.25  # seconds between two looks at how far the cells are


def train(
    plans: Sequence[Plan],
    data: Data,
    runs: Path | Store,
    jobs: int,
    on_progress: Callable[[Plan, float], None],
    *,
    in_place: bool = False,
) -> Iterator[Plan]:
    """Yield each plan as its cell is complete in `runs`; see `train_cells`.

    Raises
    ------
    GradlabError
        A worker process that was killed.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    by_folder = {each.folder: each for each in plans}
    workers = min(joblib.effective_n_jobs(jobs), len(plans))
    with _watched(plans, on_progress) as progress, _place(runs, in_place) as place:
        here = (place, os.getpid(), progress)
        tasks = (joblib.delayed(_work)(each, data, *here) for each in plans)
        try:
            parallel = joblib.Parallel(workers, return_as="generator_unordered", batch_size=1)  # pyright: ignore
            for folder in parallel(tasks):
                yield by_folder[str(folder)]
        except TerminatedWorkerError:
            raise GradlabError(
                "a worker process was killed (out of memory?); finished cells are kept, run the "
                "same command again with fewer --jobs"
            ) from None


@dataclass(frozen=True)
class _Place:
    """Where a worker puts its cells, and how: see `train_cells` and `Store.marked`."""

    runs: Path | Store
    in_place: bool = False
    token: str = ""


@contextlib.contextmanager
def _place(runs: Path | Store, in_place: bool) -> Iterator[_Place]:
    if isinstance(runs, Store):
        with runs.marked() as token:
            yield _Place(runs, token=token)
    else:
        yield _Place(real(runs), in_place)


def _work(each: Plan, data: Data, place: _Place, main_process: int, progress: Path) -> str:
    """Train a cell in a worker, and return its folder's name.

    At Ctrl-C the main process ends the worker, without a traceback.
    """
    if os.getpid() != main_process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Ticks(progress / each.folder) as ticks:
        if isinstance(place.runs, Store):
            train_into(each, data, place.runs, place.token, ticks)
        else:
            train_cell(each, data, place.runs, in_place=place.in_place, on_step=ticks)
    return each.folder


class Ticks:
    """The iterations done, in a file that the main process reads."""

    def __init__(self, path: Path):
        self._path = path
        self._file = -1
        self._next = 0.0

    def __enter__(self) -> Ticks:
        with contextlib.suppress(OSError):  # a full disk hinders no training here
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT)
        return self

    def __call__(self, step: Step) -> None:
        """Write how many iterations are done, now and then."""
        now = time.monotonic()
        if now < self._next or self._file < 0:
            return
        self._next = now + EVERY
        with contextlib.suppress(OSError):
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, f"{step.iteration + 1:12d}".encode())

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)


@contextlib.contextmanager
def _watched(plans: Sequence[Plan], on_progress: Callable[[Plan, float], None]) -> Iterator[Path]:
    """Give a folder for `Ticks`, and tell `on_progress` from a thread what lies in it."""
    ended = threading.Event()
    by_folder = {each.folder: each for each in plans}
    with tempfile.TemporaryDirectory(prefix="gradlab-", ignore_cleanup_errors=True) as made:
        folder = Path(made)

        def look() -> None:
            while not ended.wait(EVERY):
                for path in folder.iterdir():
                    plan = by_folder[path.name]
                    with contextlib.suppress(OSError, ValueError):
                        on_progress(plan, int(path.read_bytes()) / plan.training.iterations)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield folder
        finally:
            ended.set()
            thread.join()
