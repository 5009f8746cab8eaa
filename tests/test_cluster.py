"""Comparisons on a Dask cluster of real processes, some of them killed.

`python -m benchmarks.cluster` kills twenty, restarts a scheduler and measures the scaling.
"""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

import gradlab
from gradlab.comparison import cluster as clusters
from gradlab.comparison import plan_cells, train_cells
from gradlab.errors import ArgumentError, GradlabError

distributed = pytest.importorskip(
    "distributed", reason="needs pip install 'gradlab-diagnostics[cluster]'"
)

DATA = gradlab.datasets.blobs(60, classes=3, features=4)
SMALL = {"width": 8, "data": DATA, "seeds": 2, "batch_size": 8}
GRID = {"networks": ["tanh", "relu"], "depths": [1, 4], "iterations": 40, **SMALL}
LONG = {"networks": ["tanh", "relu"], "depths": [2, 4], "iterations": 250, **SMALL}


@pytest.fixture(scope="module")
def made():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit="1GB"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def client(made):
    """A client of two workers in good health."""
    made.wait_for_workers(2, timeout=60)
    return made


@pytest.fixture
def no_shared_disk(monkeypatch):
    """Workers look for a token that is not in the folder they see, as on another machine."""
    monkeypatch.setattr(clusters, "_shared", lambda runs: contextlib.nullcontext("another.token"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The grid trained in this process."""
    return gradlab.compare(**GRID, jobs=1, runs=tmp_path_factory.mktemp("alone"))


def tables_of(cell):
    """Return the tables of a record, byte by byte."""
    folder = cell.run._source.folder  # a temporary one, where the cell lies at a URL
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def assert_same_records(one, other):
    assert [cell.name for cell in one.cells] == [cell.name for cell in other.cells]
    for mine, theirs in zip(one.cells, other.cells, strict=True):
        assert len(tables_of(mine)) == 3
        assert tables_of(mine) == tables_of(theirs)
        assert str(mine.diagnosis) == str(theirs.diagnosis)


def test_a_cluster_that_sees_the_folder_records_the_same(client, alone, tmp_path):
    result = gradlab.compare(**GRID, runs=tmp_path, cluster=client)
    assert_same_records(alone, result)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.usefixtures("no_shared_disk")
def test_a_cluster_without_a_shared_disk_records_the_same(client, alone, tmp_path):
    seen = []
    result = gradlab.compare(**GRID, runs=tmp_path, cluster=client, on_cell=seen.append)
    assert_same_records(alone, result)
    assert len(seen) == 4
    assert list(tmp_path.glob(".*")) == []


def test_workers_write_to_a_url_themselves(client, alone, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters._Sweep, "_keep", None)  # for files that came by the scheduler
    options = GRID | {"runs": f"file://{tmp_path}/sweep", "cluster": client}
    assert_same_records(alone, gradlab.compare(**options))
    assert list((tmp_path / "sweep").glob(".*")) == []
    assert [cell.reused for cell in gradlab.compare(**options).cells] == [True] * 4


def test_a_cluster_of_threads_writes_to_the_memory_of_its_process(alone):
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.Client(processes=False, **options) as threads:
        result = gradlab.compare(**GRID, runs="memory://of-threads", cluster=threads)
    assert_same_records(alone, result)


def test_workers_that_see_another_store_are_refused(client):
    with pytest.raises(GradlabError, match="'memory://here' leads to another place here than"):
        gradlab.compare(**GRID, runs="memory://here", cluster=client)


def test_an_address_is_as_good_as_a_client(client, alone, tmp_path):
    address = client.scheduler.address
    assert_same_records(alone, gradlab.compare(**GRID, runs=tmp_path, cluster=address))


def plans_of(grid):
    options = grid | {}
    return plan_cells(options.pop("networks"), options.pop("depths"), **options)


def long_plans():
    return plans_of(LONG)


def test_an_interrupted_comparison_frees_the_cluster_and_goes_on(client, tmp_path):
    def interrupt(cell):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gradlab.compare(**LONG, runs=tmp_path, cluster=client, on_cell=interrupt)
    until = time.monotonic() + 10
    while any(client.processing().values()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(client.processing().values())
    kept = len(list(tmp_path.glob("[!.]*")))
    assert kept >= 1
    told = []
    options = {"runs": tmp_path, "cluster": client}
    options["on_progress"] = lambda plan, share: told.append((plan, share))
    cells = list(train_cells(long_plans(), DATA, **options))
    assert [cell.reused for cell in cells] == [True] * kept + [False] * (4 - kept)
    assert {plan for plan, _ in told} == {cell.plan for cell in cells[kept:]}
    assert {0 < share <= 1 for _, share in told} == {True}


@pytest.mark.parametrize(
    ("done", "undone", "sentence"),
    [
        (
            "import sys; sys.modules['gradlab._version'] = None",
            "import sys; del sys.modules['gradlab._version']; import gradlab._version",
            "cannot import gradlab; run there: pip install",
        ),
        (
            "import gradlab._version as v; v.kept = v.__version__; v.__version__ = '9.9'",
            "import gradlab._version as v; v.__version__ = v.kept",
            "has gradlab 9.9; install the same version everywhere",
        ),
    ],
)
def test_a_worker_with_another_gradlab_or_none_is_refused(client, tmp_path, done, undone, sentence):
    where = next(iter(client.nthreads()))
    client.run(exec, done, workers=[where])
    try:
        with pytest.raises(GradlabError, match=sentence):
            gradlab.compare(**GRID, runs=tmp_path, cluster=client)
    finally:
        client.run(exec, undone, workers=[where])


def test_a_worker_that_changed_its_version_later_is_refused(client, tmp_path, monkeypatch):
    monkeypatch.setattr("gradlab.comparison.connection._compare_versions", lambda client: None)
    monkeypatch.setattr(clusters, "__version__", "9.9")
    with pytest.raises(GradlabError, match=r"this is gradlab 9\.9, but tcp://.* has gradlab"):
        gradlab.compare(**GRID, runs=tmp_path, cluster=client)


def test_a_cell_that_no_worker_can_hold_is_refused(client, tmp_path):
    options = GRID | {"depths": [1, 60], "width": 1000}
    with pytest.raises(GradlabError, match="depth 60 needs at least 2 GB of memory, and worker"):
        gradlab.compare(**options | {"seeds": 8}, runs=tmp_path, cluster=client)


FULL_DISK = """
import gradlab.comparison.remote, pathlib

gradlab.comparison.remote.kept = gradlab.comparison.remote.record
full = pathlib.Path("/dev/full")  # whatever is written there does not fit
gradlab.comparison.remote.record = lambda *_, full=full: full.write_bytes(b"a byte too many")
"""
ROOM_AGAIN = "import gradlab; gradlab.comparison.remote.record = gradlab.comparison.remote.kept"


def test_where_one_disk_is_full_the_cell_is_trained_elsewhere(client, alone, tmp_path):
    where = next(iter(client.nthreads()))
    client.run(exec, FULL_DISK, workers=[where])
    try:
        assert_same_records(alone, gradlab.compare(**GRID, runs=tmp_path, cluster=client))
    finally:
        client.run(exec, ROOM_AGAIN, workers=[where])


def test_where_all_disks_are_full_it_is_told(client, tmp_path):
    client.run(exec, FULL_DISK)
    try:
        with pytest.raises(GradlabError, match=r"tcp://.*No space left on device.*cells are kept"):
            gradlab.compare(**GRID, runs=tmp_path, cluster=client)
    finally:
        client.run(exec, ROOM_AGAIN)
    assert list(tmp_path.glob("*")) == []


@pytest.mark.usefixtures("no_shared_disk")
def test_a_full_disk_here_keeps_what_is_finished(client, tmp_path, monkeypatch):
    unpack = clusters._unpack

    def fill_up(plan, files, folder):
        """Leave room for the first cell alone."""
        if list(tmp_path.glob("[!.]*")):
            Path("/dev/full").write_bytes(b"a byte too many")
        unpack(plan, files, folder)

    monkeypatch.setattr(clusters, "_unpack", fill_up)
    with pytest.raises(GradlabError, match=r"runs=.*No space left on device.*cells are kept"):
        gradlab.compare(**GRID, runs=tmp_path, cluster=client)
    (kept,) = tmp_path.iterdir()
    monkeypatch.undo()
    cells = list(train_cells(plans_of(GRID), DATA, runs=tmp_path, cluster=client))
    assert [cell.reused for cell in cells] == [True, False, False, False]
    assert cells[0].folder == kept


@pytest.mark.parametrize(
    ("cluster", "sentence"),
    [
        ("lokal", "cluster='lokal' must be local, or the address of a Dask scheduler"),
        ("tcp://", "cluster='tcp://' must be local, or"),
        ("ftp://host:8786", "cluster='ftp://host:8786' must be local, or"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers there; start one by `dask scheduler`"),
        (8786, "cluster=8786 must be 'local', the address"),
    ],
)
def test_what_is_no_cluster_is_told_in_one_sentence(tmp_path, monkeypatch, cluster, sentence):
    monkeypatch.setattr("gradlab.comparison.connection.ANSWER", 0.5)
    with pytest.raises(GradlabError, match=sentence) as caught:
        gradlab.compare(**GRID, runs=tmp_path, cluster=cluster)
    assert "\n" not in str(caught.value)


def test_processes_of_this_machine_are_no_matter_of_a_cluster(tmp_path):
    with pytest.raises(ArgumentError, match="jobs=2 counts processes of this machine"):
        gradlab.compare(**GRID, runs=tmp_path, jobs=2, cluster="tcp://127.0.0.1:9")


def kill_a_worker(client):
    known = client.cluster.scheduler.workers
    nannies = [each for each in client.cluster.workers.values() if each.worker_address in known]
    process = random.choice([each.pid for each in nannies])
    os.kill(process, signal.SIGKILL)
    return process


@pytest.mark.usefixtures("no_shared_disk")
def test_two_killed_workers_lose_no_cell(client, tmp_path):
    killed = []

    def on_progress(plan, share):
        """Kill at the first word from a cell in training, and at the next one."""
        if len(killed) < 2:
            killed.append(kill_a_worker(client))

    options = {"runs": tmp_path, "cluster": client, "on_progress": on_progress}
    cells = list(train_cells(long_plans(), DATA, **options))
    assert len(killed) == 2
    assert {cell.plan for cell in cells} == set(long_plans())
    assert [cell.run.iterations for cell in cells] == [250] * 4


def test_a_cell_that_kills_its_workers_is_given_up(client, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "TRIES", 1)
    scheduler = client.cluster.scheduler
    monkeypatch.setattr(scheduler, "allowed_failures", 0)
    options = {"runs": tmp_path, "cluster": client}
    options["on_progress"] = lambda plan, share: kill_a_worker(client)
    with pytest.raises(GradlabError, match=r"was killed .out of memory.*; finished cells are kept"):
        list(train_cells(long_plans(), DATA, **options))
