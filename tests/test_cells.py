"""Cells of a comparison on disk: which are found, which are trained anew, what is deleted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

import gradlab
from gradlab.comparison import plan_cells, train_cells, workers
from gradlab.run.locks import Owner

DATA = gradlab.datasets.blobs(60, classes=3, features=4)
SMALL = {"width": 4, "data": DATA, "seeds": 1, "iterations": 5, "batch_size": 8}


def trained(runs, depths=(1,), **options):
    """Train cells here; return them by depth."""
    plans = plan_cells(["relu"], depths, **SMALL)
    return {
        each.plan.depth: each for each in train_cells(plans, DATA, jobs=1, runs=runs, **options)
    }


def test_a_finished_cell_is_found(tmp_path):
    assert not trained(tmp_path)[1].reused
    assert trained(tmp_path)[1].reused


@pytest.mark.parametrize("file", ["run.json", "steps.parquet", "signals.parquet", "cell.json"])
def test_a_cell_with_one_flipped_bit_is_trained_anew(tmp_path, file):
    path = trained(tmp_path)[1].folder / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    again = trained(tmp_path)[1]
    assert not again.reused
    assert again.run.iterations == 5


@pytest.mark.parametrize("file", ["run.json", "steps.parquet", "signals.parquet", "cell.json"])
def test_a_cell_that_lacks_a_file_is_trained_anew(tmp_path, file):
    (trained(tmp_path)[1].folder / file).unlink()
    again = trained(tmp_path)[1]
    assert not again.reused
    assert again.run.iterations == 5


def test_swapped_cells_are_trained_anew(tmp_path):
    cells = trained(tmp_path, [1, 2])
    one, two = cells[1].folder, cells[2].folder
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    again = trained(tmp_path, [1, 2])
    assert [each.reused for each in again.values()] == [False, False]
    assert {depth: len(each.run.layers) for depth, each in again.items()} == {1: 2, 2: 3}


def leftover(runs, **owner):
    """Make a folder as a process leaves that was killed while it wrote a cell."""
    part = runs / ".relu-depth-1.0123.part"
    part.mkdir()
    (part / workers.OWNER).write_text(json.dumps(asdict(Owner.here()) | owner))
    return part


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_an_ended_process_left_is_deleted(tmp_path):
    part = leftover(tmp_path, process=ended_process())
    workers.remove_leftovers(tmp_path)
    assert not part.exists()


def test_what_a_process_left_whose_number_another_has_now_is_deleted(tmp_path):
    part = leftover(tmp_path, process=os.getpid(), started="0")
    workers.remove_leftovers(tmp_path)
    assert not part.exists()


def test_what_a_running_process_writes_stays(tmp_path):
    part = leftover(tmp_path)
    workers.remove_leftovers(tmp_path)
    assert part.exists()


def test_what_another_machine_writes_stays(tmp_path):
    part = leftover(tmp_path, host=f"not-{Owner.here().host}", process=ended_process())
    workers.remove_leftovers(tmp_path)
    assert part.exists()


def test_the_token_of_a_killed_command_is_deleted_that_of_a_running_one_stays(tmp_path):
    gone, running, odd = (tmp_path / f".gradlab-{name}.token" for name in ("gone", "here", "odd"))
    gone.write_text(json.dumps(asdict(Owner.here()) | {"process": ended_process()}))
    workers.write_owner(running)
    odd.touch()
    workers.remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == [running, odd]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"host": 1}', "null"])
def test_a_folder_of_somebody_else_stays(tmp_path, content):
    for number in (1, 2):
        folder = tmp_path / f".mine{number}.99999999.part"
        folder.mkdir()
        (folder / "data").write_text("precious")
    (folder / workers.OWNER).write_text(content)
    trained(tmp_path)
    assert len(list(tmp_path.glob(".mine*/data"))) == 2


def test_a_training_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("stop")

    monkeypatch.setattr(workers, "train", fail)
    (plan,) = plan_cells(["relu"], [1], **SMALL)
    with pytest.raises(RuntimeError, match="stop"):
        workers.train_cell(plan, DATA, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_train_keeps_its_record_where_check_finds_it(tmp_path):
    command = [sys.executable, "-m", "gradlab"]
    options = ["train", "--depth", "2", "--width", "8", "--seeds", "1", "--iterations", "200000"]
    process = subprocess.Popen([*command, *options], cwd=tmp_path, stderr=subprocess.DEVNULL)
    started = time.monotonic()
    while not list(tmp_path.glob("runs/[!.]*/signals.*.arrow")):
        assert time.monotonic() < started + 300
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (folder,) = tmp_path.glob("runs/[!.]*")
    recorded = gradlab.load(folder).iterations
    assert recorded > 0
    checked = subprocess.run(
        [*command, "check", "runs"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "relu depth 2" in checked.stdout


def test_the_same_command_after_a_kill_trains_anew(tmp_path):
    folder = trained(tmp_path, in_place=True)[1].folder
    (folder / workers.SEAL).unlink()
    again = trained(tmp_path, in_place=True)[1]
    assert not again.reused
    assert again.folder == folder
    shutil.rmtree(folder)
