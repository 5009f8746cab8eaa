"""A run folder may come from anybody: loading it gives a Run or a RunError, nothing else."""

import json
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradlab
from gradlab.errors import RunError
from gradlab.run import load, storage
from gradlab.run.tables import COLUMNS, REQUIRED_COLUMNS
from tests.fuzz import folders
from tests.fuzz.folders import JSON, everything, with_bytes_changed, write

FOLDERS = {kind: folders.FOLDERS[kind] for kind in ("closed", "live")}


def outcome(folder: Path) -> dict[str, object] | None:
    """Read a folder; None where it is refused, in one sentence."""
    try:
        return everything(load(folder))
    except RunError as error:
        return refused(str(error))


def refused(sentence: str) -> None:
    """Check that a refusal is one sentence."""
    assert "\n" not in sentence
    assert len(sentence) < 600


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    return all(
        value.equals(other[name]) if hasattr(value, "equals") else value == other[name]
        for name, value in one.items()
    )


MANY = settings(max_examples=80, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_folders_load_whole(kind, tmp_path):
    run = load(write(FOLDERS[kind], tmp_path / "run"))
    assert run.shape == ({"closed": 24, "live": 23}[kind], 2, 3)
    assert everything(run)


@MANY
@given(files=with_bytes_changed(FOLDERS["closed"]))
def test_a_damaged_closed_run_gives_a_run_or_one_sentence(files):
    with tempfile.TemporaryDirectory() as name:
        outcome(write(files, Path(name) / "run"))


@MANY
@given(files=with_bytes_changed(FOLDERS["live"]))
def test_a_damaged_live_run_gives_a_run_or_one_sentence(files):
    with tempfile.TemporaryDirectory() as name:
        outcome(write(files, Path(name) / "run"))


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return everything(load(write(FOLDERS["closed"], tmp_path_factory.mktemp("untouched") / "run")))


@MANY
@given(
    table=st.sampled_from([name for name in FOLDERS["closed"] if name.endswith(".parquet")]),
    share=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_a_bit_that_flipped_in_a_closed_table_is_noticed_or_changes_nothing(
    table, share, bit, untouched
):
    data = bytearray(FOLDERS["closed"][table])
    data[int(share * len(data))] ^= 1 << bit
    with tempfile.TemporaryDirectory() as name:
        found = outcome(write({**FOLDERS["closed"], table: bytes(data)}, Path(name) / "run"))
    assert found is None or same(found, untouched)


KEYS = (
    "schema",
    "name",
    "closed",
    "replicates",
    "config",
    "provenance",
    "layers",
    "blocks",
    "tables",
)


@MANY
@given(kind=st.sampled_from(sorted(FOLDERS)), key=st.sampled_from(KEYS), value=JSON)
def test_any_json_in_the_description_gives_a_run_or_one_sentence(kind, key, value):
    description = json.loads(FOLDERS[kind]["run.json"]) | {key: value}
    with tempfile.TemporaryDirectory() as name:
        text = json.dumps(description).encode()
        outcome(write({**FOLDERS[kind], "run.json": text}, Path(name) / "run"))


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"schema": 2, "name": "\\ud800"}',
        b"\xff",
        b"",
        b"NaN",
        b'{"schema": NaN}',
        b'{"schema": 1e999}',
        b'{"schema": true}',
        b'{"schema": ' + b"9" * 5000 + b"}",
        b'"' + b"x" * 100_000,
    ],
    ids=range(11),
)
def test_a_description_that_is_none_is_refused(text, tmp_path):
    assert outcome(write({**FOLDERS["closed"], "run.json": text}, tmp_path / "run")) is None


def edited(folder: Path, **changes) -> Path:
    description = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(description | changes))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"replicates": 10**9},
        {"replicates": 10**25},
        {"layers": [{"layer": n + 1} for n in range(10**5)], "replicates": 10**4},
        {"layers": [{"layer": 1}, {"layer": 3}, {"layer": 4}]},
        {"layers": [{"layer": 1, "name": 5}] * 3},
        {"layers": [{"layer": n, "fan_in": -1} for n in (1, 2, 3)]},
        {"blocks": [{"block": "a"}, {"block": "a"}]},
        {"blocks": [{"block": "a", "layers": "1"}]},
        {"tables": {"thesis": {}}},
    ],
)
@pytest.mark.parametrize("kind", ["closed", "live"])
def test_a_description_that_asks_for_too_much_is_refused(kind, changes, tmp_path):
    assert outcome(edited(write(FOLDERS[kind], tmp_path / "run"), **changes)) is None


def test_a_small_file_that_claims_many_rows_is_refused_before_memory_is_taken(tmp_path):
    folder = write(FOLDERS["closed"], tmp_path / "run")
    rows = 1 << 27
    table = pa.table({"iteration": pa.nulls(0, pa.int32()), "replicate": pa.nulls(0, pa.int32())})
    with pq.ParquetWriter(folder / "output_stage.parquet", table.schema) as file:
        nothing = pa.nulls(1 << 20, pa.int32())
        for _ in range(rows >> 20):
            file.write_table(pa.table({"iteration": nothing, "replicate": nothing}))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        assert outcome(edited(folder, tables=None)) is None
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 1e6


def test_a_compressed_stream_is_not_unpacked(tmp_path):
    """A live record is never compressed: what claims to be could ask for any amount of memory."""
    folder = write(FOLDERS["live"], tmp_path / "run")
    with pa.OSFile(str(folder / "steps.0.arrow")) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    path = str(folder / "steps.0.arrow")
    with (
        pa.OSFile(path, "wb") as file,
        pa.ipc.new_stream(file, table.schema, options=options) as stream,
    ):
        stream.write_table(table)
    assert load(folder).iterations == 0


@pytest.mark.parametrize("table", ["steps", "signals", "block_signals"])
def test_a_table_of_another_run_is_refused_or_fits(table, tmp_path):
    """Rows of another run, in another order, or with a gap never stand at a wrong iteration."""
    folder = edited(write(FOLDERS["closed"], tmp_path / "run"), tables=None)
    whole = pq.read_table(folder / f"{table}.parquet")
    for rows in (
        whole.slice(1),
        whole.take(np.arange(len(whole))[::-1]),
        pa.concat_tables([whole, whole]),
    ):
        pq.write_table(rows, folder / f"{table}.parquet")
        assert outcome(folder) is None


@pytest.mark.parametrize("table", ["weights", "output_stage", "histograms"])
def test_rows_must_ascend_by_iteration(table, tmp_path):
    folder = edited(write(FOLDERS["closed"], tmp_path / "run"), tables=None)
    whole = pq.read_table(folder / f"{table}.parquet")
    pq.write_table(whole.take(np.arange(len(whole))[::-1]), folder / f"{table}.parquet")
    assert outcome(folder) is None


@pytest.mark.parametrize("name", ["iteration", "replicate", "layer"])
def test_keys_are_compared_with_what_they_must_be(name, tmp_path):
    folder = edited(write(FOLDERS["closed"], tmp_path / "run"), tables=None)
    whole = pq.read_table(folder / "signals.parquet")
    number = whole.column_names.index(name)
    changed = whole[name].to_numpy().copy()
    changed[7] += 1
    pq.write_table(whole.set_column(number, name, pa.array(changed)), folder / "signals.parquet")
    with pytest.raises(RunError, match="damaged"):
        load(folder)


REQUIRED = [(table, name) for table, names in REQUIRED_COLUMNS.items() for name in names]


@pytest.mark.parametrize(("table", "name"), REQUIRED)
def test_a_table_without_a_column_that_it_must_have_is_refused(table, name, tmp_path):
    folder = edited(write(FOLDERS["closed"], tmp_path / "run"), tables=None)
    path = folder / f"{table}.parquet"
    pq.write_table(pq.read_table(path).drop_columns([name]), path)
    with pytest.raises(RunError, match=f"{table}.parquet is damaged: its columns"):
        load(folder)


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("weights", "replicate", 2),
        ("weights", "layer", 4),
        ("weights", "layer", 0),
        ("weights", "row", -1),
        ("weights", "column", None),
        ("output_stage", "replicate", -1),
        ("output_stage", "position", -1),
        ("histograms", "layer", 4),
        ("histograms", "exponent", 128),
        ("histograms", "exponent", -150),
        ("histograms", "count", -1),
    ],
)
def test_a_row_of_what_the_run_does_not_have_is_refused(table, name, value, tmp_path):
    folder = edited(write(FOLDERS["closed"], tmp_path / "run"), tables=None)
    path = folder / f"{table}.parquet"
    whole = pq.read_table(path)
    values = whole[name].to_pylist()
    values[7] = value
    number = whole.column_names.index(name)
    changed = pa.array(values, whole.schema.field(name).type)
    pq.write_table(whole.set_column(number, name, changed), path)
    with pytest.raises(RunError, match=f"its column {name} is not that of this run"):
        load(folder)


def test_the_vectors_of_a_run_are_saved_read_and_drawn_alone(tmp_path):
    run = load(write(FOLDERS["closed"], tmp_path / "run"))
    alone = load(run.vectors.save(tmp_path / "vectors"))
    assert alone.weights.empty
    assert set(alone.histograms["layer"]) == {3}
    assert set(run.matrices.weights["layer"]) == {1, 2}
    gradlab.write_report(alone, tmp_path / "page.html")


def test_what_another_tool_wrote_anew_is_read(tmp_path):
    """pandas and others write other types, groups and encodings; the numbers are the same."""
    folder = write(FOLDERS["closed"], tmp_path / "run")
    before = everything(load(folder))
    for table in ("steps", "signals", "block_signals"):
        frame = pq.read_table(folder / f"{table}.parquet").to_pandas()
        frame.astype({"iteration": "int64", "replicate": "int16"}).to_parquet(
            folder / f"{table}.parquet", index=False
        )
    after = everything(load(folder))
    np.testing.assert_array_equal(
        before["signals"].to_numpy(float), after["signals"].to_numpy(float)
    )
    np.testing.assert_array_equal(before["steps"]["score"], after["steps"]["score"])
    assert before["streams"] == after["streams"]


def test_every_table_of_a_folder_is_known():
    assert set(storage.TABLES) == set(COLUMNS)
    stored = {
        name.removesuffix(".parquet") for name in FOLDERS["closed"] if name.endswith(".parquet")
    }
    assert stored == set(storage.TABLES)
    assert gradlab.load is load


def refusal(folder: Path) -> str:
    with pytest.raises(RunError) as raised:
        load(folder)
    return str(raised.value)


def test_what_is_no_run_folder_says_what_to_give_instead(tmp_path):
    (tmp_path / "runs").mkdir()
    run = write(FOLDERS["closed"], tmp_path / "runs" / "one")
    assert refusal(run / "steps.parquet").endswith(f"give the folder that it lies in, {run}")
    assert refusal(tmp_path / "runs").endswith("holds some: one; give one of them")
    for name in "abcd":
        write(FOLDERS["closed"], tmp_path / "runs" / name)
    assert "holds some: a, b, c and 2 more; give one of them" in refusal(tmp_path / "runs")
    (tmp_path / "table.csv").write_text("a,b\n")
    assert refusal(tmp_path / "table.csv").endswith("is a file; give the folder of a recorded run")
    (tmp_path / "run.json").write_text('{"tool": "another"}')
    assert "names no schema, so it is not of a run that gradlab recorded" in refusal(tmp_path)
