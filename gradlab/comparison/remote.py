"""What runs on a worker of a cluster: one cell at a time, into a temporary folder of the worker.

The finished cell then goes to the URL of the comparison, where it has one, or into its folder,
where this machine sees the same folder; otherwise its files go back as bytes.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from gradlab._version import __version__
from gradlab.comparison.plan import Plan
from gradlab.comparison.stores import Store, is_url, train_into
from gradlab.comparison.workers import appear, record
from gradlab.datasets import Data
from gradlab.errors import GradlabError
from gradlab.nn.loop import Step

TOPIC = "gradlab-progress"
"""Under it, workers say how far their cells are."""

_one_at_a_time = threading.Lock()
_stopped: set[str] = set()

Files = dict[str, bytes]


@dataclass(frozen=True)
class Failure:
    """A cell that a worker could not train, for a reason that may be the worker's alone."""

    worker: str
    words: str


class Stopped(Exception):
    """The comparison that asked for a cell wants it no more."""


@dataclass(frozen=True)
class Order:
    """What all cells of a comparison have in common.

    Attributes
    ----------
    sweep : str
        A name that no other comparison has.
    version : str
        Of gradlab where the comparison was asked for.
    runs : str
        The folder of the comparison, there, or its URL.
    token : str
        A file in it: a machine that finds it there sees the same folder or store.
    every : float
        Seconds between two messages of a cell's progress.
    """

    sweep: str
    version: str
    runs: str
    token: str
    every: float


def train_here(each: Plan, data: Data, order: Order) -> Files | Failure | None:
    """Train a cell on this worker.

    Returns
    -------
    dict of bytes, Failure or None
        The cell's files by name; None where the cell lies in `order.runs` already.
    """
    from distributed import get_worker

    where = get_worker().address
    if order.version != __version__:
        return Failure(where, differs(order.version, __version__, where))
    try:
        with _one_at_a_time:
            return _train(each, data, order)
    except Stopped:
        return Failure(where, "stopped")
    except Exception as error:
        return Failure(where, f"{each.name} failed on worker {where}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Say why a cell failed, a full disk in the system's words."""
    if isinstance(error, OSError) and error.strerror:
        place = error.filename2 or error.filename
        return f"{error.strerror}: {place}" if place else error.strerror
    if isinstance(error, GradlabError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _train(each: Plan, data: Data, order: Order) -> Files | None:
    from distributed import get_worker

    here = get_worker().local_directory
    telling = _Telling(each, order)
    if is_url(order.runs):
        train_into(each, data, Store(order.runs), order.token, telling, beside=here)
        return None
    with tempfile.TemporaryDirectory(dir=here) as place:
        folder = Path(place) / each.folder
        record(each, data, folder, telling)
        if (Path(order.runs) / order.token).exists():
            appear(each, Path(order.runs), lambda part: _copy(folder, part))
            return None
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _copy(folder: Path, to: Path) -> None:
    to.mkdir()
    for path in folder.iterdir():
        shutil.copyfile(path, to / path.name)


def stop(sweep: str) -> None:
    """End the cells of a comparison on this worker at their next iteration."""
    _stopped.add(sweep)


def differs(ours: str, theirs: str, where: str) -> str:
    """Say that two versions of gradlab met."""
    return (
        f"this is gradlab {ours}, but {where} has gradlab {theirs}; install the same version "
        "everywhere, for cells of two versions cannot be compared"
    )


class _Telling:
    """Tells the cluster's clients, now and then, how far a cell is."""

    def __init__(self, each: Plan, order: Order):
        self._plan = each
        self._order = order
        self._next = 0.0

    def __call__(self, step: Step) -> None:
        if self._order.sweep in _stopped:
            raise Stopped
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._order.every
        from distributed import get_worker

        share = (step.iteration + 1) / self._plan.training.iterations
        message = {"sweep": self._order.sweep, "cell": self._plan.folder, "share": share}
        get_worker().log_event(TOPIC, message)
