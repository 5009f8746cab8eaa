"""One writer a folder: who holds it, who is refused, and what a fork leaves alone."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import gradlab
from gradlab.errors import RunError
from gradlab.recorder import Recorder
from gradlab.run import locks
from gradlab.run.locks import LOCK, FolderLock, Owner, owner_of

ROOT = Path(__file__).parent.parent
LAYERS = [{"fan_in": 2, "fan_out": 2}]

HOLDER = textwrap.dedent("""
    import sys
    from gradlab.recorder import Recorder
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}], out=sys.argv[1])
    recorder.add({"grad_norm": [1.0]}, loss=1.0)
    recorder.flush()
    print("ready", flush=True)
    sys.stdin.read()
""")


@pytest.fixture
def holder(tmp_path):
    """Another process that records to tmp_path / "run"."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process
        process.kill()


def test_a_folder_that_another_process_records_to_is_refused(holder, tmp_path):
    with pytest.raises(RunError, match=f"process {holder.pid} is recording to"):
        Recorder(LAYERS, out=tmp_path / "run", overwrite=True)
    other = gradlab.Run.from_arrays({"grad_norm": np.ones((1, 1, 1))})
    with pytest.raises(RunError, match=f"process {holder.pid} is recording to"):
        other.save(tmp_path / "run")
    assert gradlab.load(tmp_path / "run").provenance["status"] == "unfinished"


def test_a_folder_whose_process_was_killed_can_be_overwritten(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert owner_of(tmp_path / "run") == Owner(
        locks._host(), holder.pid, owner_of(tmp_path / "run").started
    )
    with Recorder(LAYERS, out=tmp_path / "run", overwrite=True) as recorder:
        recorder.add({"grad_norm": [2.0]}, loss=2.0)
    assert gradlab.load(tmp_path / "run").step("loss").tolist() == [[2.0]]


def test_two_recorders_of_one_process_do_not_share_a_folder(tmp_path):
    first = Recorder(LAYERS, out=tmp_path / "run")
    with pytest.raises(RunError, match=f"process {os.getpid()} is recording"):
        Recorder(LAYERS, out=tmp_path / "run", overwrite=True)
    first.close()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.json"]
    Recorder(LAYERS, out=tmp_path / "run", overwrite=True).close()


def write_lock(folder: Path, **changes) -> None:
    here = Owner.here()
    told = {"host": here.host, "process": here.process, "started": here.started}
    (folder / LOCK).write_text(json.dumps(told | changes))


def test_a_number_that_was_given_to_another_process_since_is_no_owner(tmp_path):
    write_lock(tmp_path, started="1")  # this process, but started at another time
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert owner_of(tmp_path) == Owner.here()


def test_a_process_of_another_machine_may_still_run(tmp_path):
    write_lock(tmp_path, host="elsewhere/1/2", process=1)
    with pytest.raises(
        RunError, match=r"process 1 on 'elsewhere' is recording .* delete .*recording if that"
    ):
        FolderLock(tmp_path).acquire()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"host": 1, "process": 2, "started": ""}', "[" * 10_000]
)
def test_a_lock_without_sense_holds_nobody_up_for_long(text, tmp_path):
    (tmp_path / LOCK).write_text(text)
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert owner_of(tmp_path) == Owner.here()
    lock.release()
    assert not list(tmp_path.iterdir())


def test_only_the_owner_releases(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    write_lock(tmp_path, process=1)
    lock.release()
    assert (tmp_path / LOCK).exists()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")

FORKS = {
    "exits": "sys.exit(0)",
    "closes": "expect(lambda: recorder.close())",
    "records": "expect(lambda: recorder.add({'grad_norm': [9.0]}, loss=9.0))",
    "notes": "expect(lambda: recorder.note(x=1))",
    "leaves the block": "recorder.__exit__(None, None, None)",
    "lets go": "del recorder; gc.collect()",
}
FORKING = textwrap.dedent("""
    import gc, os, sys
    from gradlab.errors import RunError
    from gradlab.recorder import Recorder

    def expect(action):
        try:
            action()
        except RunError as error:
            assert "a fork of it" in str(error), error
        else:
            sys.exit("it was let do so")

    out = sys.argv[1] or None
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}], out=out)
    recorder.add({"grad_norm": [1.0]}, loss=1.0)
    recorder.flush()
    child = os.fork()
    if child == 0:
        ACTION
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    recorder.add({"grad_norm": [2.0]}, loss=2.0)
    assert recorder.close().step("loss").tolist() == [[1.0], [2.0]]
""")


@needs_fork
@pytest.mark.parametrize("action", FORKS.values(), ids=FORKS)
@pytest.mark.parametrize("where", ["run", ""], ids=["folder", "temporary"])
def test_a_fork_leaves_its_parents_record_alone(action, where, tmp_path):
    code = FORKING.replace("ACTION", action)
    out = str(tmp_path / where) if where else ""
    done = subprocess.run(
        [sys.executable, "-c", code, out], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
