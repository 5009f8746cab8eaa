"""Storage: what survives kill -9, a torn tail, and memory that does not grow."""

import json
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradlab.errors import ArgumentError, RunError
from gradlab.recorder import Recorder
from gradlab.recorder import recorder as recorder_module
from gradlab.run import load, steps_table, storage, streams, writer

ROOT = Path(__file__).parent.parent

# Iteration t has loss t and weights of norm 10 + t, so that a reader can tell every row from every
# other.
CHILD = textwrap.dedent("""
    import sys
    import numpy as np
    from gradlab.recorder import recorder as module
    module.FLUSH_ITERATIONS = int(sys.argv[2])
    recorder = module.Recorder([{"fan_in": 2, "fan_out": 2}], out=sys.argv[1])
    last = -1
    for t in range(10**9):
        w = np.full((2, 2), (10 + t) / 2)
        recorder.record(loss=t, learning_rate=1.0, weights=[w], weights_after=[w], gradients=[w])
        if recorder.acknowledged != last:
            last = recorder.acknowledged
            print(last, flush=True)
""")


def check_rows(run):
    expected = np.arange(run.iterations, dtype=float)
    np.testing.assert_array_equal(run.step("loss")[:, 0], expected)
    np.testing.assert_allclose(run["weight_norm"][:, 0, 0], 10 + expected, rtol=1e-12)
    assert len(run.to_frame()) == run.iterations
    assert (run.weights["iteration"] <= run.iterations).all()


def test_a_killed_recording_loads_every_acknowledged_iteration(tmp_path):
    delays = random.Random(0)
    children = {}
    for number, block in enumerate((1, 5, 64)):
        folder = tmp_path / f"run{number}"
        command = [sys.executable, "-c", CHILD, str(folder), str(block)]
        children[folder] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for folder, child in children.items():
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "0"
        time.sleep(0.2 + 0.4 * delays.random())
        child.send_signal(signal.SIGKILL)
        printed = ["0", *child.stdout.read().split("\n")]
        child.wait()
        child.stdout.close()
        acknowledged = int([line for line in printed if line][-1])
        run = load(folder)
        assert acknowledged > 0
        assert run.iterations >= acknowledged
        assert run.provenance["status"] == "unfinished"
        check_rows(run)
        kept = load(run.save(tmp_path / "kept"))
        assert kept.iterations == run.iterations
        assert kept.provenance["status"] == "unfinished"
        check_rows(kept)


def live_folder(folder, iterations=13, block=4):
    """Record without ever closing, as a killed process leaves it; return what was acknowledged."""
    recorder = Recorder([{"fan_in": 2, "fan_out": 2}], out=folder)
    for t in range(iterations):
        w = np.full((2, 2), (10 + t) / 2)
        recorder.record(loss=t, learning_rate=1.0, weights=[w], weights_after=[w], gradients=[w])
    return recorder.acknowledged


@pytest.fixture
def live(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "FLUSH_ITERATIONS", 4)
    monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", 1e9)
    assert live_folder(tmp_path / "live") == 12
    return tmp_path / "live"


def batch_ends(path) -> list[int]:
    """Return the offset after the schema and after each batch of a stream."""
    ends = []
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        ends.append(file.tell())
        while True:
            try:
                reader.read_next_batch()
            except (StopIteration, pa.ArrowInvalid):
                return ends
            ends.append(file.tell())


def torn(table, live, tmp_path):
    """Yield (where, run) of copies of a live run whose table ends there, at every kind of place."""
    ends = batch_ends(live / f"{table}.0.arrow")
    whole = (live / f"{table}.0.arrow").read_bytes()
    cuts = {0, 1, ends[0] - 1, ends[0], *ends, len(whole) - 1}
    cuts |= set(np.linspace(ends[-2], ends[-1] - 1, 16).astype(int).tolist())
    for cut in sorted(cuts):
        copy = tmp_path / "torn"
        shutil.copytree(live, copy)
        (copy / f"{table}.0.arrow").write_bytes(whole[:cut])
        yield cut, load(copy)
        shutil.rmtree(copy)


def check_torn(run, tmp_path):
    """Check that the tables of a torn run fit each other, and that it can be saved."""
    check_rows(run)
    assert run["weight_norm"].shape == run.shape
    assert load(run.save(tmp_path / "kept")).shape == run.shape


@pytest.mark.parametrize("table", ["steps", "signals"])
def test_a_torn_tail_costs_no_more_than_its_own_batch(table, live, tmp_path):
    ends = batch_ends(live / f"{table}.0.arrow")
    iterations = np.concatenate([[0], np.cumsum(_rows(live, table))])
    for cut, run in torn(table, live, tmp_path):
        complete = max((i for i, end in enumerate(ends) if end <= cut), default=0)
        assert run.iterations == iterations[complete], cut
        check_torn(run, tmp_path)


def test_torn_weights_cost_no_iteration(live, tmp_path):
    for _, run in torn("weights", live, tmp_path):
        assert run.iterations == 12
        check_torn(run, tmp_path)


def _rows(folder, table) -> list[int]:
    return [batch.num_rows for batch in streams.batches(folder, table)]


def test_rubbish_after_the_last_batch_is_skipped(live):
    with (live / "steps.0.arrow").open("ab") as file:
        file.write(b"\x00rubbish" * 10)
    run = load(live)
    assert run.iterations == 12
    check_rows(run)


def test_a_run_killed_before_its_first_block_loads_with_0_iterations(tmp_path):
    Recorder([{"fan_in": 2, "fan_out": 2}], out=tmp_path / "run")
    run = load(tmp_path / "run")
    assert run.shape == (0, 1, 1)
    assert run.provenance["status"] == "unfinished"
    assert run["weight_norm"].shape == (0, 1, 1)


def test_parquet_without_a_closed_description_is_not_read(live):
    """Killed after the tables were rewritten, before the run was closed: streams still count."""
    writer.compact(live, "steps")
    run = load(live)
    assert run.iterations == 12
    check_rows(run)


def test_streams_left_behind_by_a_closed_run_do_no_harm(live, tmp_path):
    run = load(load(live).save(tmp_path / "closed"))
    for name in ("steps", "signals", "weights"):
        shutil.copy(live / f"{name}.0.arrow", tmp_path / "closed")
    again = load(tmp_path / "closed")
    assert again.shape == run.shape
    check_rows(again)


def batches(count, rows=8):
    """Steps of a run of one replicate, `rows` iterations at a time; loss t at iteration t."""
    for number in range(count):
        times = np.arange(number * rows, (number + 1) * rows)
        yield steps_table(int(times[0]), {"loss": times[:, None].astype(float)}, 1)


def losses(table) -> list[float]:
    return table["loss"].to_pylist()


def test_a_new_writer_opens_a_new_segment_and_order_is_kept_beyond_ten(tmp_path):
    for number, table in enumerate(batches(12, rows=1)):
        writer.Writer(tmp_path).write({"steps": table})
        assert (tmp_path / f"steps.{number}.arrow").exists()
    written = pa.Table.from_batches(streams.batches(tmp_path, "steps"))
    assert losses(written) == list(range(12))
    writer.compact(tmp_path, "steps")
    assert losses(pq.read_table(tmp_path / "steps.parquet")) == list(range(12))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_closing_keeps_every_row_in_order_in_groups_of_the_stated_size(
    count, tmp_path, monkeypatch
):
    monkeypatch.setattr(writer, "ROW_GROUP", 64)
    stream = writer.Writer(tmp_path)
    for table in batches(count):
        stream.write({"steps": table})
    stream.close()
    assert losses(pq.read_table(tmp_path / "steps.parquet")) == list(range(8 * count))
    metadata = pq.read_metadata(tmp_path / "steps.parquet")
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) <= 64
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("rows", [1, 7, 10, 33, 64])
def test_the_same_rows_are_the_same_file_however_they_were_flushed(rows, tmp_path, monkeypatch):
    """Batches end where the clock says so; row groups hold whole iterations of 7 rows."""
    monkeypatch.setattr(writer, "ROW_GROUP", 64)
    losses = np.random.default_rng(0).standard_normal(700).reshape(100, 7)
    table = steps_table(0, {"loss": losses}, 7)
    (tmp_path / "whole").mkdir()
    for name, per_batch in (("whole", 100), (".", rows)):
        parts = [table.slice(7 * t, 7 * per_batch) for t in range(0, 100, per_batch)]
        flushed = (part.combine_chunks().to_batches()[0] for part in parts)
        writer.write_parquet(tmp_path / name, "steps", flushed)
    file = tmp_path / "steps.parquet"
    assert file.read_bytes() == (tmp_path / "whole" / "steps.parquet").read_bytes()
    assert pq.read_table(file)["loss"].to_pylist() == losses.ravel().tolist()
    metadata = pq.read_metadata(file)
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert groups == [70] * 10  # the first whole number of iterations from 64 rows on


def test_closing_holds_no_more_than_one_row_group_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "ROW_GROUP", 1 << 10)
    peaks = []
    for count in (8, 80):
        folder = tmp_path / str(count)
        folder.mkdir()
        stream = writer.Writer(folder)
        for table in batches(count, rows=1 << 10):
            stream.write({"steps": table})
        before, peak = pa.total_allocated_bytes(), 0
        usual = pq.ParquetWriter.write_table

        def noting(self, *arguments, usual=usual, before=before):
            nonlocal peak
            peak = max(peak, pa.total_allocated_bytes() - before)
            return usual(self, *arguments)

        monkeypatch.setattr(pq.ParquetWriter, "write_table", noting)
        stream.close()
        monkeypatch.setattr(pq.ParquetWriter, "write_table", usual)
        peaks.append(peak)
    assert peaks[1] <= 2 * peaks[0] + 4096


def test_a_text_is_written_whole_or_not_at_all(tmp_path):
    storage.write_text(tmp_path / "page.html", "first")
    with pytest.raises(UnicodeEncodeError):
        storage.write_text(tmp_path / "page.html", "half \ud800")
    assert (tmp_path / "page.html").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(RunError, match="cannot be written"):
        storage.write_text(tmp_path / "page.html" / "below", "x")


def test_the_description_says_its_schema_and_tables(live, tmp_path):
    saved = json.loads((load(live).save(tmp_path / "run") / "run.json").read_text())
    assert saved["schema"] == storage.SCHEMA_VERSION == 2
    assert list(saved["tables"]) == ["steps", "signals", "weights"]
    for name, seal in saved["tables"].items():
        assert seal["bytes"] == (tmp_path / "run" / f"{name}.parquet").stat().st_size
    assert "tables" not in json.loads((live / "run.json").read_text())


def test_a_recorder_that_is_refused_makes_no_folder(tmp_path):
    with pytest.raises(ArgumentError):
        Recorder([{"fan_in": 2, "fan_out": 0}], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
