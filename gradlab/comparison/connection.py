"""Connections to a Dask cluster that can train cells; what is wrong with one, in one sentence."""

from __future__ import annotations

import contextlib
import logging
import os
import pkgutil
import signal
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from gradlab._version import __version__
from gradlab.comparison.plan import Plan
from gradlab.comparison.remote import differs
from gradlab.errors import ArgumentError, GradlabError, shown

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
PATIENCE = 120.0
"""Seconds to wait for a scheduler that went away, and for a worker where there is none."""
ANSWER = 10.0
"""Seconds for a scheduler to answer at first."""
KEEP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""Let glibc keep large arrays instead of giving them back after each use; see `__main__`."""
LITTLE_ASIDE = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}
"""Dask's workers look a hundred times a second at what they do, which takes time from training."""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def check(cluster: Any, jobs: int) -> None:
    """Raise ArgumentError for what is no cluster, GradlabError where Dask is not installed."""
    if cluster is None:
        return
    try:
        import distributed
    except ImportError:
        raise GradlabError(
            f"cluster={shown(cluster)} needs Dask; run: pip install 'gradlab-diagnostics[cluster]'"
        ) from None
    if isinstance(cluster, str):
        if cluster != LOCAL and not _is_address(cluster):
            raise ArgumentError(
                f"cluster={shown(cluster)} must be local, or the address of a Dask scheduler, such "
                "as tcp://host:8786"
            )
    elif not isinstance(cluster, distributed.Client):
        raise ArgumentError(
            f"cluster={shown(cluster)} must be 'local', the address of a Dask scheduler, or a "
            "dask.distributed.Client"
        )
    if jobs != -1 and cluster != LOCAL:
        raise ArgumentError(
            f"jobs={jobs} counts processes of this machine; leave it out, for a cluster trains on "
            "all its workers"
        )


def _is_address(text: str) -> bool:
    """Whether it names a way of talking that Dask knows, a host and a port."""
    from distributed.comm.addressing import get_address_host_port

    try:
        host, port = get_address_host_port(text)
    except ValueError:
        return False
    return "://" in text and bool(host) and port > 0


@contextlib.contextmanager
def connected(cluster: Any, jobs: int) -> Iterator[Client]:
    """Yield a client of the cluster, whose workers have this version of gradlab.

    A client that was given stays open.
    """
    import distributed

    with contextlib.ExitStack() as stack:
        if isinstance(cluster, distributed.Client):
            client = cluster
        else:
            stack.enter_context(_quiet())
            client = stack.enter_context(_started(jobs) if cluster == LOCAL else _found(cluster))
        _wait_for_workers(client)
        _compare_versions(client)
        yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own messages from the terminal: what matters is told in gradlab's words."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)


@contextlib.contextmanager
def _started(jobs: int) -> Iterator[Client]:
    """Start a cluster of processes on this machine."""
    from dask import config
    from distributed import Client, LocalCluster

    workers = (os.cpu_count() or 1) if jobs == -1 else jobs
    with config.set(LITTLE_ASIDE):
        made = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: two commands may run at once
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL + 1,
            env=KEEP | ONE_THREAD,
        )
    with made, Client(made, set_as_default=False) as client:
        client.register_plugin(_deaf_to_interrupts())
        yield client


def _deaf_to_interrupts() -> Any:
    """Return what makes workers ignore Ctrl-C: this process ends them, without a traceback."""
    from distributed import WorkerPlugin

    class DeafToInterrupts(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return DeafToInterrupts()


@contextlib.contextmanager
def _found(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        Client(address, timeout=ANSWER, set_as_default=False).close()
    except OSError:
        raise GradlabError(
            f"cluster={address!r}: no Dask scheduler answers there; start one by `dask scheduler`, "
            "which prints its address"
        ) from None
    # One that waits longer, where the scheduler goes away and is started again.
    with Client(address, timeout=PATIENCE, set_as_default=False) as client:
        yield client


def _wait_for_workers(client: Client) -> None:
    """Raise GradlabError where no worker comes."""
    until = time.monotonic() + PATIENCE
    while not workers_of(client):
        if time.monotonic() > until:
            raise GradlabError(
                f"the cluster at {address_of(client)} has no worker; start some by `dask worker "
                f"{address_of(client)} --nthreads 1`"
            )
        time.sleep(0.1)


def address_of(client: Client) -> str:
    """Return where the scheduler is."""
    return str(client.scheduler.address) if client.scheduler else "?"


def workers_of(client: Client) -> list[str]:
    """Return the addresses of the workers that are there now; none while the scheduler is away."""
    try:
        return list(cast(dict, client.nthreads()))
    except (OSError, AttributeError, ValueError):
        return []


def replace_lost(client: Client, count: int) -> None:
    """Let a cluster of this machine have `count` workers again.

    Where a worker is killed, its nanny starts another one; where it is killed while it starts, the
    nanny gives up, and only the cluster can start a new pair.
    """
    from distributed import LocalCluster

    cluster = client.cluster
    if isinstance(cluster, LocalCluster) and getattr(cluster, "_adaptive", None) is None:
        cluster.scale(count)


def _compare_versions(client: Client) -> None:
    """Raise GradlabError where the scheduler or a worker lacks gradlab, or has another version."""
    asked = "gradlab._version:__version__"  # resolve_name is there even where gradlab is not
    found = cast(dict, client.run(pkgutil.resolve_name, asked, on_error="return"))
    try:
        found["the scheduler"] = client.run_on_scheduler(pkgutil.resolve_name, asked)
    except ImportError as error:
        found["the scheduler"] = error
    for where, version in found.items():
        if isinstance(version, Exception):
            raise GradlabError(
                f"{where} of the cluster cannot import gradlab; run there: "
                f"pip install 'gradlab-diagnostics[cluster]=={__version__}'"
            )
        if version != __version__:
            raise GradlabError(differs(__version__, version, where))


def check_memory(client: Client, plans: Sequence[Plan]) -> None:
    """Raise GradlabError where a cell does not fit into a worker."""
    most = max(plans, key=lambda each: each.memory)
    workers = client.scheduler_info(n_workers=-1)["workers"]
    limits = {where: each["memory_limit"] for where, each in workers.items()}
    limits = {where: limit for where, limit in limits.items() if limit}
    if not limits:
        return
    where = min(limits, key=lambda each: limits[each])
    if most.memory > limits[where]:
        raise GradlabError(
            f"{most.name} needs at least {most.memory / 1e9:.2g} GB of memory, and worker {where} "
            f"has {limits[where] / 1e9:.2g} GB; start workers with a larger --memory-limit, or "
            "make --width, --seeds or --depth smaller"
        )
