"""A run read in spans says what the run read whole says: closed, live, in memory, in groups of any size."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradlab.run
from gradlab import Run, load, storage
from gradlab._parts import NONFINITE, BatchParts, ParquetParts, Parts, regroup
from gradlab.run import signals_table, steps_table

T, S, L = 230, 2, 3
COLUMNS = ("grad_norm", "delta_norm", "dead_fraction", "slope_rms", "nonfinite_count")


def arrays():
    rng = np.random.default_rng(3)
    values = {name: rng.normal(size=(T, S, L)) for name in COLUMNS[:-1]}
    values["nonfinite_count"] = np.zeros((T, S, L))
    masks = {name: np.ones((T, S, L), bool) for name in values}
    masks["dead_fraction"][:] = (np.arange(T) % 10 == 0)[:, None, None]
    values["grad_norm"][171, 1, 2], values["delta_norm"][40, 0, 0] = np.nan, -np.inf
    values["dead_fraction"][33] = np.nan  # not recorded: no NaN
    values["nonfinite_count"][171, 1, 2] = 4.0
    return values, masks


def live(folder, batch):
    """A folder as a recorder leaves it that was killed; `batch` iterations were written at a time."""
    values, masks = arrays()
    writer = storage.Writer(folder)
    layers = [{"layer": k + 1, "name": str(k), "activation": "relu"} for k in range(L)]
    description = {"name": "long", "closed": False, "replicates": S, "config": {}, "provenance": {}, "layers": layers}
    storage.write_description(folder, description)
    for start in range(0, T, batch):
        part = slice(start, start + batch)
        cut = [{name: each[part] for name, each in given.items()} for given in (values, masks)]
        loss = np.ones((len(cut[0]["grad_norm"]), S))
        for name, table in (
            ("signals", signals_table(start, *cut)),
            ("steps", steps_table(start, {"loss": loss}, S)),
        ):
            writer.append(name, table.combine_chunks().to_batches()[0])
    return writer, description


@pytest.fixture(params=["live", "closed", "foreign", "memory"])
def run(request, tmp_path, monkeypatch):
    monkeypatch.setattr(gradlab.run, "WHOLE", 100)
    monkeypatch.setattr("gradlab._reading.MEMORY_PART", 40)
    monkeypatch.setattr(storage, "ROW_GROUP", 50)  # 8 iterations of 6 rows
    values, masks = arrays()
    if request.param == "memory":
        monkeypatch.setattr("gradlab._parts.MEMORY_PART", 50)
        return Run.from_arrays(values, recorded=masks)
    writer, description = live(tmp_path, 7)
    if request.param != "live":
        writer.close()
        storage.write_description(tmp_path, description | {"closed": True})
        writer.remove_streams()
    if request.param == "foreign":  # written by another tool: groups end within an iteration, and it counts no NaN
        table = pq.read_table(tmp_path / "signals.parquet").replace_schema_metadata(None)
        pq.write_table(table, tmp_path / "signals.parquet", row_group_size=20)
    return load(tmp_path)


def test_a_long_run_read_in_spans_is_the_run_read_whole(run):
    values, masks = arrays()
    assert run.columns == tuple(name for name in gradlab.run.STATISTICS if name in values)
    asked = [0, 229, 171, 40, 41, 40, -1]
    for name in values:
        truth = np.where(masks[name], values[name], np.nan)
        for got, expected in zip(run.at(name, asked), (truth[asked], masks[name][asked]), strict=True):
            np.testing.assert_array_equal(got, expected)
        spans = list(run.in_spans(name))
        np.testing.assert_array_equal(np.concatenate([part for _, part, _ in spans]), truth)
        assert [first for first, _, _ in spans] == np.cumsum([0, *(len(part) for _, part, _ in spans)])[:-1].tolist()
        assert len(spans) > 20
        bad = (masks[name] & ~np.isfinite(values[name])).any(axis=2)
        np.testing.assert_array_equal(run.nonfinite(name), bad)
        np.testing.assert_array_equal(run.positive(name), (masks[name] & (truth > 0)).any(axis=2))
        np.testing.assert_array_equal(run.recorded_iterations(name), np.flatnonzero(masks[name].any(axis=(1, 2))))
    assert run._read == {}, "a column was read whole"
    np.testing.assert_array_equal(run["grad_norm"], values["grad_norm"])


def test_near_some_iterations_the_recorded_ones_are_known_and_the_first_and_last(run):
    near = run.recorded_iterations("dead_fraction", near=[104])
    assert {0, 100, 110, 220} <= set(near.tolist()) <= set(range(0, T, 10))
    assert len(near) < T / 10


def test_a_column_that_was_not_recorded_is_null_everywhere_and_an_unknown_one_an_error(run):
    values, recorded = run.at("weight_norm", [3, 200])
    assert np.isnan(values).all()
    assert not recorded.any()
    assert "weight_norm" not in run
    with pytest.raises(gradlab.errors.ArgumentError, match="no statistic 'slope'"):
        run.at("slope", [0])
    with pytest.raises(gradlab.errors.ArgumentError, match=r"iterations=\[0, 230\] must lie in 0 to 229"):
        run.at("grad_norm", [0, 230])


def test_a_long_run_is_saved_batch_by_batch_and_comes_back_whole(run, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "_table", None)  # it would read the table whole
    values, masks = arrays()
    saved = load(run.save(tmp_path / "saved"))
    monkeypatch.undo()
    for name in values:
        np.testing.assert_array_equal(saved[name], np.where(masks[name], values[name], np.nan))
        np.testing.assert_array_equal(saved.recorded(name), masks[name])
    assert len(saved.steps) == T * S
    again = load(saved.save(tmp_path / "again"))  # what its footer says is said of its own groups
    assert np.argwhere(again.nonfinite("grad_norm")).tolist() == [[171, 1]]
    metadata = pq.read_metadata(tmp_path / "again" / "signals.parquet").metadata
    assert json.loads(metadata[NONFINITE.encode()])["grad_norm"] == {"0": 1}


@pytest.mark.parametrize("batch", [1, 5, 8, 64])
@pytest.mark.parametrize("size", [4, 6, 50, 10_000])
def test_groups_hold_whole_iterations_and_every_row(batch, size):
    values, masks = arrays()
    table = signals_table(0, values, masks).select(["iteration", "replicate", "layer", "slope_rms"])
    groups = list(regroup(table.to_batches(max_chunksize=batch * L), size))
    assert pa.concat_tables(groups).equals(table)
    ends = [set(group["iteration"].to_pylist()) for group in groups]
    assert sum(map(len, ends)) == T, "an iteration lies in two groups"
    assert max(len(group) for group in groups) <= max(size, S * L)


def test_the_footer_counts_what_is_nan_or_infinite_and_agrees_with_the_numbers(run, tmp_path):
    values, masks = arrays()
    table = signals_table(0, values, masks)
    parts: list[Parts] = [BatchParts.of(table)]
    if (tmp_path / "signals.parquet").exists():
        parts.append(ParquetParts(tmp_path / "signals.parquet"))
    for each in parts:
        for name in values:
            found = each.statistics(name)
            known = values[name][masks[name]]
            assert found.nonfinite.sum() == (~np.isfinite(known)).sum()
            assert found.nulls.sum() == (~masks[name]).sum()
            assert np.nanmin(found.low) == np.nanmin(known)
            assert np.nanmax(found.high) == np.nanmax(known)
