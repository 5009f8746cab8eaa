"""Faults at every write to disk, and recordings whose every number says where it belongs."""

import io
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import gradlab
from gradlab.recorder import Recorder
from gradlab.run import writer

LAYERS = [{"fan_in": 2, "fan_out": 2}, {"fan_in": 2, "fan_out": 1}]
BLOCKS = [{"block": "blocks.0"}]
OPERATIONS = (
    (os, "replace"),
    (os, "fdopen"),
    (os, "fsync"),
    (shutil, "copyfile"),
    (tempfile, "mkstemp"),
    (tempfile, "mkdtemp"),
    (Path, "chmod"),
    (Path, "mkdir"),
    (Path, "unlink"),
    (Path, "write_text"),
)
"""What touches the disk besides the files of a live record."""


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
        for owner, name in OPERATIONS:
            patch.setattr(owner, name, counted(faults, getattr(owner, name)))
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
