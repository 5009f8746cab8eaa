"""Run folders as a stranger may hand them over: real ones, damaged in every way."""

from __future__ import annotations

import copy
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

import gradlab
from gradlab.recorder import Recorder
from gradlab.run import Run, load
from tests.fuzz.records import judge
from tests.fuzz.tally import Tally

Files = dict[str, bytes]

TABLES_OF_A_RUN = (
    "layers",
    "blocks",
    "steps",
    "weights",
    "block_signals",
    "output_stage",
    "histograms",
)


def fill(recorder: Recorder) -> None:
    """Record 24 iterations of random numbers, in three batches."""
    rng = np.random.default_rng(0)
    for t in range(24):
        recorder.add(
            {"grad_norm": rng.normal(size=(2, 3)), "delta_norm": rng.normal(size=(2, 3))},
            loss=rng.normal(size=2),
            phase=[None, "loss" if t == 9 else None],
            score=t,
            followed=rng.normal(size=(2, 5)),
            block_signals={"stream_rms": rng.normal(size=(2, 2))},
            output_stage=[("softmax", 0.5), ("log", 2.0)],
            histogram=rng.integers(0, 2, size=(3, 278)),
        )
        if t % 10 == 9:
            recorder.flush()


def opened(folder: Path) -> Recorder:
    """Open a record of two matrices and a vector, with blocks."""
    layers = [
        {"fan_in": 2, "fan_out": 2},
        {"fan_in": 2, "fan_out": 2},
        {"fan_in": 1, "fan_out": 2, "kind": "vector"},
    ]
    blocks = [{"block": "blocks.0", "layers": [1]}, {"block": "blocks.1"}]
    config = {"baseline_loss": 2.3, "activation": "relu"}
    return Recorder(layers, out=folder, replicates=2, blocks=blocks, weights=5, config=config)


def contents(folder: Path) -> Files:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(files: Files, folder: Path) -> Path:
    """Make a folder of these files."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def made() -> dict[str, Files]:
    """Return a closed folder, a live one, and that of a training by the built-in engine."""
    with tempfile.TemporaryDirectory() as name:
        closed, live = opened(Path(name) / "closed"), opened(Path(name) / "live")
        fill(closed)
        closed.close()
        fill(live)
        live.flush()
        data = gradlab.datasets.blobs(60, classes=3, features=4)
        model = gradlab.MLP([4, 5, 5, 3], seed=0, replicates=2)
        options = {"iterations": 30, "batch_size": 8, "out": Path(name) / "trained"}
        gradlab.train(model, data, **options)
        return {
            "closed": contents(closed.folder),
            "live": contents(live.folder),
            "trained": contents(Path(name) / "trained"),
        }


FOLDERS = made()


def everything(run: Run) -> dict[str, object]:
    """Read all that there is of a run, by every way in."""
    str(run), repr(run), run._repr_html_()
    frames = {name: getattr(run, name) for name in TABLES_OF_A_RUN}
    return frames | {
        "signals": run.to_frame(),
        "nonfinite": run.nonfinite.tolist(),
        "columns": run.columns,
        "matrices": run.matrices.shape,
        "streams": run.block_statistic("stream_rms").tobytes(),
        "condensed": run.condensed().shape,
        "config": run.config,
    }


# -- damage

BYTES = ("flip", "cut", "insert", "remove", "copy", "lose", "rename", "repeat", "zero")
NAMES = (
    "steps.².arrow",
    "steps.99999999999999999999.arrow",
    "steps..arrow",
    "run.json",
    ".recording",
)


@st.composite
def with_bytes_changed(draw: st.DrawFn, files: Files) -> Files:
    """A folder with one of its files changed in one place, cut, lost, or taken for another."""
    files = dict(files)
    name, other = draw(st.sampled_from(sorted(files))), draw(st.sampled_from(sorted(files)))
    data = files[name]
    place = draw(st.integers(0, max(len(data) - 1, 0)))
    change = draw(st.sampled_from(BYTES))
    if change == "flip" and data:
        flipped = data[place] ^ (1 << draw(st.integers(0, 7)))
        files[name] = data[:place] + bytes([flipped]) + data[place + 1 :]
    elif change == "cut":
        files[name] = data[:place]
    elif change == "insert":
        files[name] = data[:place] + draw(st.binary(min_size=1, max_size=40)) + data[place:]
    elif change == "remove":
        files[name] = data[:place] + data[place + draw(st.integers(1, 200)) :]
    elif change == "copy":
        files[name] = files[other]
    elif change == "lose":
        del files[name]
    elif change == "rename":
        files[draw(st.sampled_from(NAMES))] = data
    elif change == "zero":
        count = min(draw(st.integers(1, 64)), len(data) - place)
        files[name] = data[:place] + bytes(count) + data[place + count :]
    else:
        files[name] = data + data[place:]
    return files


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def with_description_changed(draw: st.DrawFn, files: Files) -> Files:
    """A folder whose run.json says something else, somewhere."""
    try:
        description = json.loads(files["run.json"])
    except (KeyError, ValueError):
        return files
    target, depth = description, draw(st.integers(0, 3))
    for _ in range(depth):
        inner = [each for each in _members(target) if isinstance(each, (dict, list)) and each]
        if not inner:
            break
        target = draw(st.sampled_from(inner))
    if isinstance(target, dict) and target:
        key = draw(st.sampled_from(sorted(target)) | st.text(max_size=5))
        target[key] = draw(JSON)
    elif isinstance(target, list) and target:
        target[draw(st.integers(0, len(target) - 1))] = draw(JSON)
    return {**files, "run.json": json.dumps(description).encode()}


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


EXTREMES = (0.0, -1.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"), None)
TYPES = (pa.int8(), pa.int64(), pa.float32(), pa.string(), pa.bool_(), pa.binary(), pa.float16())


@st.composite
def with_rows_changed(draw: st.DrawFn, files: Files) -> Files:
    """A closed folder with a table that another tool might have written: it is no longer sealed."""
    tables = sorted(name for name in files if name.endswith(".parquet"))
    if not tables:
        return files
    name = draw(st.sampled_from(tables))
    try:
        table = pq.read_table(io.BytesIO(files[name]))
        description = json.loads(files["run.json"])
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return files
    table = draw(_edited(table))
    written = io.BytesIO()
    options = {
        "compression": draw(st.sampled_from(["none", "snappy", "gzip", "zstd"])),
        "row_group_size": draw(st.sampled_from([1, 7, 1 << 20])),
    }
    try:
        pq.write_table(table, written, **options)
    except (pa.ArrowException, ValueError):
        return files
    text = json.dumps(description | {"tables": None}) if isinstance(description, dict) else "{}"
    return {**files, name: written.getvalue(), "run.json": text.encode()}


@st.composite
def _edited(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    """A table with rows or a column changed."""
    change = draw(
        st.sampled_from(["drop", "double", "shuffle", "slice", "cast", "rename", "set", "lose"])
    )
    rows = table.num_rows
    number = draw(st.integers(0, table.num_columns - 1))
    name = table.column_names[number]
    if change == "drop":
        return table.drop_columns([name]) if table.num_columns > 1 else table
    if change == "double":
        return pa.concat_tables([table, table])
    if change == "shuffle":
        order = np.random.default_rng(draw(st.integers(0, 9))).permutation(rows)
        return table.take(pa.array(order))
    if change == "slice":
        return table.slice(draw(st.integers(0, rows)), draw(st.integers(0, rows)))
    if change == "cast":
        return _cast(table, number, draw(st.sampled_from(TYPES)))
    if change == "rename":
        names = list(table.column_names)
        names[number] = draw(st.sampled_from([*table.column_names, "x", ""]))
        return table.rename_columns(names)
    if change == "set" and rows:
        values = table[name].to_pylist()
        values[draw(st.integers(0, rows - 1))] = draw(st.sampled_from(EXTREMES))
        return _replaced(table, number, values)
    return table.slice(0, 0)


def _cast(table: pa.Table, number: int, kind: pa.DataType) -> pa.Table:
    try:
        column = table.column(number).cast(kind, safe=False)
    except (pa.ArrowException, NotImplementedError):
        return table
    return table.set_column(number, table.column_names[number], column)


def _replaced(table: pa.Table, number: int, values: list[Any]) -> pa.Table:
    field = table.schema.field(number)
    try:
        return table.set_column(number, field, pa.array(values, field.type, from_pandas=False))
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return table


@st.composite
def damaged(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(FOLDERS)) -> Files:
    """A real run folder, damaged one to three times."""
    files = copy.copy(FOLDERS[draw(st.sampled_from(kinds))])
    for _ in range(draw(st.integers(1, 3))):
        if not files:
            break
        way = draw(
            st.sampled_from([with_bytes_changed, with_description_changed, with_rows_changed])
        )
        files = draw(way(files))
    return files


def use(folder: Path) -> None:
    """Do with a folder all that gradlab does with a stranger's run."""
    run = load(folder)
    everything(run)
    judge(run)


def attempt(files: Files, tally: Tally) -> None:
    """Use a folder of these files."""
    with tempfile.TemporaryDirectory() as name:
        folder = write(files, Path(name) / "run")
        known = {name: data for template in FOLDERS.values() for name, data in template.items()}
        changed = {
            name: data.hex()[:2000] for name, data in files.items() if known.get(name) != data
        }
        tally.attempt(json.dumps(changed), lambda: use(folder))
