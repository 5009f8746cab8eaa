"""A run folder that is read while it grows: what is seen, how often, and when it is judged."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import gradlab
from gradlab.diagnosis import Diagnosis
from gradlab.errors import RunError
from gradlab.live import follower as following
from gradlab.live.follower import Follower
from tests.live.growing import Growing
from tests.live.recorders import Clock, found


class Counting:
    """A judge that counts, takes a second, and finds nothing but what it is told to."""

    def __init__(self, clock, *rules):
        self.clock, self.rules, self.iterations = clock, rules, []

    def __call__(self, run):
        self.clock.now += 1.0
        self.iterations.append(run.iterations)
        return Diagnosis("night", tuple(map(found, self.rules)), {"GL101": "passed"})


@pytest.fixture
def growing(tmp_path):
    return Growing(tmp_path / "night")


def follower_of(growing, *rules):
    clock = Clock()
    judge = Counting(clock, *rules)
    return Follower(growing.recorder.folder, judge=judge, clock=clock), clock, judge


def test_a_frame_holds_what_is_on_disk(growing):
    growing.grow(41)
    frame = Follower(growing.recorder.folder).look()
    assert (frame.name, frame.state) == ("night", "recording")
    assert (frame.iterations, frame.seeds, frame.layers) == (40, 1, 6)  # the newest row waits
    assert dict(frame.numbers) == pytest.approx({"loss": 2.31, "learning rate": 0.1, "gradient": 1})
    assert [time for time, _ in frame.losses] == list(range(40))
    assert [bar.decades for bar in frame.bars] == pytest.approx([-10, -8, -6, -4, -2, 0])
    assert frame.bars_at == 39
    assert [told.rule for told in frame.findings] == ["GL101"]
    assert frame.findings[0].remedy.startswith("use ")


def test_the_end_is_seen(growing):
    follower = Follower(growing.recorder.folder)
    growing.grow(30)
    follower.look()
    growing.grow(30).end()
    frame = follower.look()
    assert (frame.state, frame.status, frame.iterations) == ("ended", "complete", 60)
    assert frame.judged_at == 60


def test_the_end_of_a_recording_is_not_slept_through(growing):
    follower = Follower(growing.recorder.folder, rest=10**6)
    for _ in range(2):
        growing.grow(30)
        follower.look()
    assert follower.pause > 60
    growing.end()
    assert not follower.wait(threading.Event(), 0.01)


def test_who_looks_no_more_is_told_so(growing):
    stopped = threading.Event()
    stopped.set()
    assert Follower(growing.recorder.folder).wait(stopped, 60.0)


def test_a_run_without_an_iteration_is_shown(growing):
    frame = Follower(growing.recorder.folder).look()
    assert (frame.iterations, frame.losses, frame.bars, frame.verdict) == (0, (), (), "")


def test_a_step_takes_the_time_between_two_looks(growing):
    follower, clock, _ = follower_of(growing)
    growing.grow(11)
    follower.look()
    start = clock.now
    clock.now = start + 9.0  # and the verdict took one second before
    growing.grow(100)
    assert follower.look().seconds == pytest.approx(10.0 / 100)


def test_before_a_second_look_the_average_is_shown(growing):
    growing.grow(101)
    folder = growing.recorder.folder
    created = gradlab.load(folder).provenance["created"]
    began = following.datetime.fromisoformat(created).timestamp()
    for stream in folder.glob("steps.*.arrow"):
        os.utime(stream, (began + 50, began + 50))
    assert Follower(folder).look().seconds == pytest.approx(0.5)


@pytest.mark.parametrize(("seconds", "state"), [(28.9, "recording"), (30.1, "silent")])
def test_a_run_without_a_new_row_for_half_a_minute_is_silent(growing, seconds, state):
    follower, clock, _ = follower_of(growing)
    growing.grow(20)
    follower.look()  # whose verdict takes a second
    clock.now += seconds
    assert follower.look().state == state


def test_a_run_whose_process_has_gone_was_killed(tmp_path):
    code = (
        "import os, signal, sys; sys.path.insert(0, '.');"
        "from tests.live.growing import Growing; g = Growing(sys.argv[1]).grow(30);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "night")], check=False)
    frame = Follower(tmp_path / "night").look()
    assert (frame.state, frame.iterations) == ("killed", 29)


@pytest.mark.parametrize(
    ("seconds", "iterations", "verdicts"),
    [(20.0, 44, 2), (19.9, 44, 1), (20.0, 43, 1)],
)
def test_a_verdict_is_made_again_in_time_and_when_the_record_has_grown(
    growing, seconds, iterations, verdicts
):
    """Forty rows are judged in a second: again after 20 seconds, with 44 rows."""
    follower, clock, judge = follower_of(growing)
    growing.grow(41)
    follower.look()
    clock.now += seconds
    growing.grow(iterations - 40)
    follower.look()
    assert len(judge.iterations) == verdicts


def test_the_end_is_judged_whatever_the_time(growing):
    follower, _, judge = follower_of(growing)
    growing.grow(41)
    follower.look()
    growing.end()
    follower.look()
    follower.look()
    assert judge.iterations == [40, 41]


def test_what_only_the_end_can_show_waits_for_it(growing):
    follower, clock, _ = follower_of(growing, "GL402", "GL101")
    growing.grow(41)
    assert [told.rule for told in follower.look().findings] == ["GL101"]
    growing.end()
    clock.now += 100
    assert [told.rule for told in follower.look().findings] == ["GL402", "GL101"]


def test_a_large_run_that_is_still_recorded_is_looked_at_in_parts(growing, monkeypatch):
    monkeypatch.setattr("gradlab.live.portion.MOST", 0)
    monkeypatch.setattr("gradlab.live.portion.portion.__defaults__", (0,))
    follower, _, judge = follower_of(growing)
    growing.grow(601)
    frame = follower.look()
    assert judge.iterations == [256]
    assert frame.iterations == 600
    assert frame.losses[-1][0] == 599


def test_nothing_is_written_to_the_folder(growing):
    growing.grow(41)
    folder = growing.recorder.folder
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    Follower(folder).look()
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_that_is_no_run_is_said(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        Follower(tmp_path / "nothing").look()


def test_a_run_that_is_held_stays_as_it_was(growing):
    growing.grow(41)
    held = gradlab.load(growing.recorder.folder).held()
    growing.grow(50).end()
    assert held.iterations == 40
    assert held["delta_norm"].shape == (40, 1, 6)
    assert held.provenance["status"] == "unfinished"


def test_blocks_are_shown_where_the_stream_is_recorded(tmp_path):
    blocks = [{"block": "h.0"}, {"block": "h.0.mlp", "kind": "addition"}, {"block": "h.1"}]
    recorder = gradlab.Recorder([{"fan_in": 4, "fan_out": 4}], out=tmp_path / "run", blocks=blocks)
    norms = {"stream_grad_norm": np.array([100.0, 5.0, 1.0])}
    for _ in range(3):
        recorder.add({"grad_norm": np.ones(1)}, loss=1.0, block_signals=norms)
    recorder.flush()
    frame = Follower(tmp_path / "run").look()
    assert [(bar.name, bar.decades) for bar in frame.bars] == [("h.0", 2.0), ("h.1", 0.0)]


def test_a_frame_becomes_json(growing):
    from gradlab.live.server import _told

    growing.grow(41, loss=float("nan"))
    told = json.loads(_told(Follower(growing.recorder.folder).look(), 3))
    assert told["report"] == 3
    assert ["loss", "NaN"] in told["words"]
    assert told["curve"] == ""
