"""Every write of a recording fails, or is interrupted, at every point in turn: no acknowledged
iteration is lost.

As SQLite is tested: a scenario is run again and again, the fault one operation later each time,
until it no longer meets it. Every number says which iteration it belongs to, so that a row out of
place shows.
"""

import io
import itertools
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradlab
from gradlab.errors import RunError
from gradlab.recorder import Recorder
from gradlab.recorder import recorder as recorder_module
from gradlab.run import writer

LAYERS = [{"fan_in": 2, "fan_out": 2}, {"fan_in": 2, "fan_out": 1}]
BLOCKS = [{"block": "blocks.0"}]
ITERATIONS = 5


class Faults:
    """Raises an error at some of the operations that are counted."""

    def __init__(self, error: type[BaseException], first: int, count: int):
        self._error, self._first, self._count = error, first, count
        self.seen = 0

    def point(self) -> None:
        self.seen += 1
        if self._first <= self.seen < self._first + self._count:
            raise self._error(28, "No space left on device")

    @property
    def was_met(self) -> bool:
        return self.seen >= self._first


class TornFile(io.RawIOBase):
    """A file whose writes may fail with half of the bytes on disk.

    A batch is written as its description, long, and then many short buffers: each description is a
    point, and so is the first buffer after it.
    """

    def __init__(self, faults: Faults, path: str, mode: str):
        faults.point()
        self._faults, self._file = faults, Path(path).open(mode, buffering=0)  # noqa: SIM115
        self._description = False

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        data = bytes(data)
        half, description = len(data) // 2, len(data) > 200
        self._file.write(data[:half])
        if description or self._description:
            self._faults.point()
        self._file.write(data[half:])
        self._description = description
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def counted(faults: Faults, function):
    def call(*arguments, **options):
        faults.point()
        return function(*arguments, **options)

    return call


@contextmanager
def injected(faults: Faults):
    """Make every write to disk a point at which the fault may strike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer.pa, "OSFile", lambda path, mode: TornFile(faults, path, mode))
        patch.setattr(
            pq.ParquetWriter, "write_table", counted(faults, pq.ParquetWriter.write_table)
        )
        patch.setattr(os, "replace", counted(faults, os.replace))
        patch.setattr(tempfile, "mkstemp", counted(faults, tempfile.mkstemp))
        patch.setattr(Path, "unlink", counted(faults, Path.unlink))
        yield


def recorded(recorder: Recorder) -> None:
    """Record one iteration, whose every number is its own."""
    t = recorder.iterations
    weights = [np.full((2, 2), 10.0 + t), np.full((2, 1), 20.0 + t)]
    recorder.record(
        loss=t,
        learning_rate=1.0,
        weights=weights,
        weights_after=weights,
        gradients=weights,
        score=t,
        block_signals={"stream_rms": [30.0 + t]},
        output_stage=[("softmax", 40.0 + t)],
    )


def added(recorder: Recorder) -> None:
    """The same of one iteration that was measured elsewhere."""
    t = recorder.iterations
    recorder.add(
        {"weight_norm": [2 * (10.0 + t), 2**0.5 * (20.0 + t)]},
        loss=t,
        score=t,
        followed=np.full(6, 10.0 + t),
        block_signals={"stream_rms": [30.0 + t]},
        output_stage=[("softmax", 40.0 + t)],
    )


def added_together(recorder: Recorder) -> None:
    """The same of two iterations at once."""
    t = recorder.iterations + np.arange(2.0)
    recorder.add_block(
        {"weight_norm": np.stack([2 * (10 + t), 2**0.5 * (20 + t)], axis=1)},
        {"loss": t, "score": t},
        phases=[None, None],
        followed=(np.arange(2), np.repeat(10 + t, 6).reshape(2, 6)),
        block_signals={"stream_rms": 30 + t[:, None]},
        output_stage={0: [("softmax", 40 + t[0])], 1: [("softmax", 40 + t[1])]},
    )


def attempt(action, *arguments) -> bool:
    """Do something that may fail; return whether it did not."""
    try:
        action(*arguments)
    except (RunError, KeyboardInterrupt):
        return False
    return True


def scenario(folder: Path, step) -> gradlab.Run:
    """Record and close, going on after every fault; check after each what would survive a kill
    now.
    """
    recorder = Recorder(LAYERS, out=folder, blocks=BLOCKS, weights=6)
    while recorder.iterations < ITERATIONS:
        if not attempt(step, recorder):
            run = gradlab.load(folder)
            assert run.iterations >= recorder.acknowledged
            check(run)
    assert any(attempt(recorder.close) for _ in range(30))
    return recorder.run


def check(run: gradlab.Run) -> None:
    t = np.arange(run.iterations, dtype=float)
    np.testing.assert_array_equal(run.step("loss")[:, 0], t)
    np.testing.assert_array_equal(run.step("score")[:, 0], t)
    np.testing.assert_allclose(
        run["weight_norm"][:, 0], np.stack([2 * (10 + t), 2**0.5 * (20 + t)], axis=1)
    )
    np.testing.assert_array_equal(run.block_statistic("stream_rms")[:, 0, 0], 30 + t)
    stage = run.output_stage
    np.testing.assert_array_equal(stage["factor"], 40.0 + stage["iteration"])
    assert stage["iteration"].tolist() == t.tolist()
    first = run.weights.query(
        "layer == 1 and row == 0 and column == 0 and iteration < @run.iterations"
    )
    assert first["iteration"].tolist() == t.tolist()
    np.testing.assert_array_equal(first["value"], 10 + t)


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
    for first in itertools.count(3):  # the first two open the record: where they fail there is none
        faults = Faults(error, first, count)
        with injected(faults):
            run = scenario(tmp_path / str(first), step)
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
    """Raises a KeyboardInterrupt before one of the lines that keep and write rows, and notes them
    all.
    """

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
