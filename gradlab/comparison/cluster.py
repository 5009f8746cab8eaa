"""Cells trained on a Dask cluster.

Each worker that is free gets the costliest cell that is left. At most one cell a worker is asked
for, so that scheduler and client hold few finished runs at a time, however many cells there are.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab._version import __version__
from gradlab.comparison import remote
from gradlab.comparison.connection import (
    PATIENCE,
    address_of,
    check,
    check_memory,
    connected,
    replace_lost,
    workers_of,
)
from gradlab.comparison.plan import Plan
from gradlab.comparison.stores import Store
from gradlab.comparison.workers import appear, is_sealed, write_owner
from gradlab.datasets import Data
from gradlab.errors import GradlabError, RunError
from gradlab.files import real

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["check", "train"]

TRIES = 2
"""Times a cell is asked for; where a worker dies, Dask itself runs it again elsewhere."""
MESSAGES = 50
"""Messages of progress a second, of all workers together."""

OnProgress = Callable[[Plan, float], None]


def train(
    plans: Sequence[Plan],
    data: Data,
    runs: Path | Store,
    cluster: Any,
    jobs: int,
    on_progress: OnProgress,
) -> Iterator[Plan]:
    """Yield each plan as its cell is complete in `runs`; see `train_cells`.

    Raises
    ------
    GradlabError
        A cluster that cannot be used or went away, a cell that cannot be trained.
    """
    with connected(cluster, jobs) as client, _shared(runs) as token:
        check_memory(client, plans)
        yield from _Sweep(client, plans, data, runs, token, on_progress).run()


@contextlib.contextmanager
def _shared(runs: Path | Store) -> Iterator[str]:
    """Lay a file into `runs` by which a worker knows that it sees the same folder or store."""
    if isinstance(runs, Store):
        with runs.marked() as name:
            yield name
        return
    token = runs / f".gradlab-{uuid.uuid4().hex}.token"
    write_owner(token)
    try:
        yield token.name
    finally:
        token.unlink(missing_ok=True)


class _Sweep:
    """The cells of one comparison on one cluster."""

    def __init__(
        self,
        client: Client,
        plans: Sequence[Plan],
        data: Data,
        runs: Path | Store,
        token: str,
        on_progress: OnProgress,
    ):
        self._client = client
        self._waiting = list(reversed(plans))  # the costliest last, to be taken first
        self._data = data
        self._runs = runs if isinstance(runs, Store) else real(runs)
        self._on_progress = on_progress
        self._tries: Counter[Plan] = Counter()
        self._failed: dict[Plan, list[str]] = {}
        self._bound: dict[Future, list[str]] = {}  # to these workers alone
        self._asked: dict[Future, Plan] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._by_folder = {each.folder: each for each in plans}
        self._workers = workers_of(client)
        self._at_first = len(self._workers)
        self._looked = time.monotonic()
        self._seen = self._looked  # when there was a worker last
        every = max(1.0, len(self._workers) / MESSAGES)
        where = self._runs.url if isinstance(self._runs, Store) else str(self._runs)
        self._order = remote.Order(uuid.uuid4().hex, __version__, where, token, every)
        self._sent: Future | None = None

    def run(self) -> Iterator[Plan]:
        """Yield plans as their cells are there."""
        self._client.subscribe_topic(remote.TOPIC, self._hear)
        try:
            self._ask()
            while self._asked:
                try:
                    future = self._ended.get(timeout=1.0)
                except queue.Empty:
                    self._ask()
                    continue
                plan = self._asked.pop(future, None)
                if plan is None:
                    continue
                self._ask()  # first: the worker that is free now shall not wait for the disk
                yield from self._take(plan, future)
                self._ask()
        finally:
            self._leave()

    def _hear(self, event: tuple[float, Any]) -> None:
        _, message = event
        if message["sweep"] == self._order.sweep:
            self._on_progress(self._by_folder[message["cell"]], message["share"])

    def _ask(self) -> None:
        """Ask for cells until each worker has one."""
        self._look()
        free = len(self._workers) - len(self._asked)
        if not self._asked:
            free = max(1, free)  # what is asked for of a cluster without workers waits for one
        for _ in range(min(free, len(self._waiting))):
            plan = self._waiting.pop()
            self._tries[plan] += 1
            failed = self._failed.get(plan, [])
            others = [each for each in self._workers if each not in failed] if failed else []
            future = self._client.submit(
                remote.train_here,
                plan,
                self._sent_data(),
                self._order,
                key=f"{plan.folder}-{uuid.uuid4().hex}",
                priority=int(plan.cost),
                pure=False,
                workers=others or None,
            )
            self._asked[future] = plan
            if others:
                self._bound[future] = others
            future.add_done_callback(self._ended.put)

    def _look(self) -> None:
        """Look, not more than once a second, which workers there are."""
        now = time.monotonic()
        if now < self._looked + 1.0:
            return
        self._looked = now
        self._workers = workers_of(self._client)
        if len(self._workers) < self._at_first:
            replace_lost(self._client, self._at_first)
        self._unbind()
        if self._workers:
            self._seen = now
        elif now > self._seen + PATIENCE:
            raise GradlabError(
                f"the cluster at {address_of(self._client)} has had no worker for "
                f"{PATIENCE:.0f} s; {KEPT}"
            )

    def _unbind(self) -> None:
        """Ask anew for cells whose every chosen worker is gone: nobody else would take them."""
        for future, workers in list(self._bound.items()):
            if future not in self._asked:
                del self._bound[future]
            elif not set(workers) & set(self._workers):
                del self._bound[future]
                plan = self._asked.pop(future)
                self._tries[plan] -= 1
                self._waiting.append(plan)
                future.cancel()

    def _sent_data(self) -> Future:
        """Return the data on the cluster: sent once; a worker that lacks them asks another one.

        Unlike scattered data they are not lost with the last worker that has them.
        """
        if self._sent is None or self._sent.status in ("cancelled", "error", "lost"):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Sending large graph")
                self._sent = self._client.submit(
                    pickle.loads, pickle.dumps(self._data), key=f"data-{uuid.uuid4().hex}"
                )
        return self._sent

    def _take(self, plan: Plan, future: Future) -> Iterator[Plan]:
        """Yield the plan where its cell has arrived; otherwise ask for it again, or raise."""
        from distributed import CancelledError

        try:
            result = future.result()
        except CancelledError:  # with the connection to the scheduler
            self._reconnect()
            self._tries[plan] -= 1
            self._waiting.append(plan)
            return
        except Exception as error:
            result = remote.Failure("", _words(plan, error))
        finally:
            future.release()
        if isinstance(result, remote.Failure):
            if self._tries[plan] >= TRIES:
                raise GradlabError(f"{result.words}; {KEPT}")
            self._failed.setdefault(plan, []).append(result.worker)
            self._waiting.append(plan)
            return
        if result is not None:
            assert isinstance(self._runs, Path)
            self._keep(plan, result, self._runs)
        yield plan

    def _keep(self, plan: Plan, files: remote.Files, runs: Path) -> None:
        """Write a cell that came from a worker."""
        try:
            appear(plan, runs, lambda folder: _unpack(plan, files, folder))
        except OSError as error:
            raise RunError(
                f"runs={str(runs)!r} cannot be written to: {error.strerror}; free some space "
                f"or choose another folder; {KEPT}"
            ) from None

    def _reconnect(self) -> None:
        """Wait until the client has found a scheduler again, which it looks for by itself."""
        until = time.monotonic() + PATIENCE
        while self._client.status == "connecting" and time.monotonic() < until:
            time.sleep(0.1)
        if self._client.status != "running":
            raise GradlabError(f"the scheduler at {address_of(self._client)} went away; {KEPT}")
        self._client.subscribe_topic(remote.TOPIC, self._hear)

    def _leave(self) -> None:
        """Call off what was asked for and did not come."""
        from distributed import TimeoutError

        with contextlib.suppress(OSError, TimeoutError, ValueError):
            self._client.unsubscribe_topic(remote.TOPIC)
            if self._asked and self._client.status == "running":
                self._client.cancel(list(self._asked))
                self._client.run(remote.stop, self._order.sweep, on_error="ignore")


KEPT = "finished cells are kept, and the same command goes on from there"


def _words(plan: Plan, error: Exception) -> str:
    """Say in one sentence why a cell was given up."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return (
            f"each worker that trained {plan.name} was killed (out of memory?); start workers with "
            "more memory"
        )
    return f"{plan.name} failed on the cluster: {type(error).__name__}: {error}"


def _unpack(plan: Plan, files: remote.Files, folder: Path) -> None:
    """Write the files of a cell that came from a worker, and check that they are whole."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if not is_sealed(folder, plan.folder):
        raise RunError(f"the cell {plan.name} was damaged on its way; run the same command again")
