"""Every write fails, or is interrupted, at every point: no acknowledged iteration is lost.

As SQLite is tested: a scenario is run again and again, the fault one operation later each time,
until it no longer meets it. Every number says which iteration it belongs to, so that a row out of
place shows.
"""

import contextlib
import itertools
import sys
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradlab
from gradlab.errors import ArgumentError, RunError
from gradlab.recorder import Recorder
from gradlab.recorder import recorder as recorder_module
from gradlab.run import writer
from tests.faults import (
    BLOCKS,
    LAYERS,
    Faults,
    added,
    added_together,
    check,
    injected,
    recorded,
)

ITERATIONS = 5


def attempt(action, *arguments) -> bool:
    """Do something that may fail; return whether it did not."""
    try:
        action(*arguments)
    except (RunError, KeyboardInterrupt):
        return False
    return True


def recorded_through(recorder: Recorder, faults: Faults, step) -> gradlab.Run:
    """Record and close, going on after every fault; check what would survive a kill now."""
    with injected(faults):
        while recorder.iterations < ITERATIONS:
            if not attempt(step, recorder):
                run = gradlab.load(recorder.folder)
                assert run.iterations >= recorder.acknowledged
                check(run)
        assert any(attempt(recorder.close) for _ in range(30))
    return recorder.run


@pytest.fixture
def small_flushes(monkeypatch):
    monkeypatch.setattr(recorder_module, "FLUSH_ITERATIONS", 2)
    monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", 1e9)


@pytest.mark.parametrize(
    ("step", "error", "count"),
    [
        (recorded, OSError, 1),
        (recorded, KeyboardInterrupt, 1),
        (recorded, OSError, 9),
        (added, KeyboardInterrupt, 1),
        (added_together, OSError, 1),
        (added_together, KeyboardInterrupt, 9),
    ],
)
def test_a_fault_at_any_write_costs_nothing(step, error, count, small_flushes, tmp_path):
    # Where nine fail in a row, every third start still has each operation fail three times.
    for first in itertools.count(1, (count + 2) // 3):
        recorder = Recorder(LAYERS, out=tmp_path / str(first), blocks=BLOCKS, weights=6)
        faults = Faults(error, first, count)
        run = recorded_through(recorder, faults, step)
        assert run.iterations == (ITERATIONS + 1 if step is added_together else ITERATIONS)
        check(run)
        check(gradlab.load(tmp_path / str(first)))
        if not faults.was_met:
            break
    assert first > 20


TRACED = {
    *(
        str(Path(recorder_module.__file__).with_name(name))
        for name in ("recorder.py", "step_reader.py", "buffers.py", "run_folder.py")
    ),
    writer.__file__,
}


class Interrupts:
    """Raises a KeyboardInterrupt before one of the lines that write rows, and notes them all."""

    def __init__(self, at: int | None = None):
        self._at, self.lines = at, []

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            self.lines.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.lines) - 1 == self._at:
                raise KeyboardInterrupt
        return self.trace

    @contextmanager
    def striking(self):
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(before)


def with_interrupts(folder: Path, interrupts: Interrupts) -> gradlab.Run:
    """Record and close under interrupts, without looking at what is on disk before the end."""
    recorder = Recorder(LAYERS, out=folder, blocks=BLOCKS, weights=6)
    while recorder.iterations < 4:
        with interrupts.striking():
            attempt(recorded, recorder)
    with interrupts.striking():
        assert any(attempt(recorder.close) for _ in range(3))
    return recorder.run


def one_of_each(lines: list) -> list[int]:
    """Return when each line runs, of the many times in the middle."""
    when: dict = {}
    for number, line in enumerate(lines):
        when.setdefault(line, []).append(number)
    return sorted(numbers[len(numbers) // 2] for numbers in when.values())


def test_an_interrupt_before_any_line_leaves_a_record_in_order(small_flushes, tmp_path):
    usual = Interrupts()
    check(with_interrupts(tmp_path / "usual", usual))
    places = one_of_each(usual.lines)
    assert len(places) > 100
    for place in places:
        run = with_interrupts(tmp_path / str(place), Interrupts(place))
        assert run.iterations == 4
        check(run)
        check(gradlab.load(tmp_path / str(place)))


def test_a_file_may_tear_in_the_middle_of_a_batch(tmp_path):
    """The torn half of a batch stays on disk, and the batch follows whole in the next segment."""
    faults = Faults(OSError, 4, 1)
    stream = writer.Writer(tmp_path)
    table = pa.table(
        {
            "iteration": pa.array([0, 1], pa.int32()),
            "replicate": pa.array([0, 0], pa.int32()),
            "loss": [0.0, 1.0],
        }
    )
    with injected(faults):
        with pytest.raises(RunError, match="cannot be written to"):
            stream.write({"steps": table})
        stream.write({"steps": table})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["steps.0.arrow", "steps.1.arrow"]
    writer.compact(tmp_path, "steps")
    assert pq.read_table(tmp_path / "steps.parquet")["loss"].to_pylist() == [0.0, 1.0]


def test_an_interrupt_of_closing_loses_nothing_whatever_follows(small_flushes, tmp_path):
    """The record goes on, or is closed already and says so; what was acknowledged is there."""
    for first in itertools.count(1):
        recorder = Recorder(LAYERS, out=tmp_path / str(first), blocks=BLOCKS, weights=6)
        for _ in range(ITERATIONS):
            recorded(recorder)
        faults = Faults(KeyboardInterrupt, first, 1)
        with injected(faults):
            attempt(recorder.close)
        recorder.note(word=1)
        with contextlib.suppress(ArgumentError):  # it is closed
            added_together(recorder)
        assert gradlab.load(recorder.folder).iterations >= recorder.acknowledged
        assert recorder.close().iterations == recorder.iterations
        check(gradlab.load(recorder.folder))
        if not faults.was_met:
            break
    assert first > 15
