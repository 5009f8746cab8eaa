"""`Run`: frozen, saved and loaded without loss, ordinary Parquet, and damage refused."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import gradlab
from gradlab.errors import ArgumentError, GradlabError, RunError
from gradlab.nn.mlp import MLP
from gradlab.run import LAYER_COLUMNS, STATISTICS, STEP_COLUMNS, WEIGHT_COLUMNS, Run, load, storage
from gradlab.training import train
from tests.helpers import make_data

INF, NAN = math.inf, math.nan


def hostile_run() -> Run:
    """Every kind of number a record can hold, and null beside each."""
    values = np.array(
        [1.5, -0.0, NAN, INF, -INF, 5e-324, 1.8e308, 0.1, -1e-31, 0.0, 2.0, 3.0]
    ).reshape(3, 2, 2)
    mask = np.ones((3, 2, 2), bool)
    mask[0, 0, 0] = mask[2, 1] = False
    return Run.from_arrays(
        {"grad_norm": values, "delta_norm": np.full((3, 2, 2), NAN), "dead_fraction": values},
        recorded={"grad_norm": mask, "dead_fraction": np.zeros((3, 2, 2), bool)},
        steps={
            "loss": np.array([[1.0, NAN], [INF, 2.0], [0.1, 0.2]]),
            "validation_loss": np.ma.MaskedArray(
                np.ones((3, 2)), [[False, False], [True, True], [True, True]]
            ),
            "nonfinite_phase": np.array([[None, "loss"], ["loss", None], [None, None]], object),
        },
        layers=[{"fan_in": 3, "fan_out": 2, "activation": "tanh"}, {"fan_in": 2, "fan_out": 2}],
        name="</script> ' \" ü 网",
        config={"activation": "tanh", "sizes": [3, 2, 2], "rate": 0.1, "none": None},
    )


def trained(iterations=25, **options) -> Run:
    return train(
        MLP([3, 4, 3], seed=0, replicates=2),
        make_data(),
        batch_size=5,
        iterations=iterations,
        **options,
    )


def bits(array) -> np.ndarray:
    return np.ascontiguousarray(array, np.float64).view(np.uint64)


def assert_same(one: Run, other: Run):
    assert (one.name, one.config, one.provenance) == (other.name, other.config, other.provenance)
    assert one.shape == other.shape
    assert one.columns == other.columns
    for name in STATISTICS:
        np.testing.assert_array_equal(one.recorded(name), other.recorded(name), err_msg=name)
        recorded = one.recorded(name)
        np.testing.assert_array_equal(
            bits(one[name][recorded]), bits(other[name][recorded]), err_msg=name
        )
    for table in ("steps", "weights", "layers"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame())


@pytest.mark.parametrize("make", [hostile_run, trained, lambda: trained(0), lambda: trained(1)])
def test_saved_and_loaded_twice_it_is_the_same(make, tmp_path):
    run = make()
    once = load(run.save(tmp_path / "once"))
    assert_same(run, once)
    assert_same(run, load(once.save(tmp_path / "deep" / "er" / "twice")))


def test_null_nan_and_infinity_stay_apart(tmp_path):
    run = load(hostile_run().save(tmp_path / "run"))
    values, recorded = run["grad_norm"], run.recorded("grad_norm")
    assert recorded.tolist() == [
        [[False, True], [True, True]],
        [[True, True], [True, True]],
        [[True, True], [False] * 2],
    ]
    assert np.isnan(values[~recorded]).all()
    assert np.isnan(values[0, 1, 0])
    assert recorded[0, 1, 0]
    assert values[0, 1, 1] == INF
    assert values[1, 0, 0] == -INF
    assert run.recorded("delta_norm").all()
    assert not run.recorded("dead_fraction").any()
    assert "delta_norm" in run  # all NaN, and recorded
    assert "dead_fraction" not in run  # never recorded


def test_columns_and_tables_have_the_promised_names():
    run = trained()
    assert tuple(run.steps.columns) == STEP_COLUMNS
    assert tuple(run.weights.columns) == WEIGHT_COLUMNS
    assert tuple(run.layers.columns) == LAYER_COLUMNS
    assert tuple(run.to_frame().columns) == ("iteration", "replicate", "layer", *STATISTICS)
    assert run.layers["layer"].tolist() == [1, 2]
    assert run.layers["name"].tolist() == ["hidden1", "output"]
    assert run.layers[["fan_in", "fan_out", "parameters"]].to_numpy().tolist() == [
        [3, 4, 16],
        [4, 3, 15],
    ]
    for name in STATISTICS:
        assert run[name].shape == run.recorded(name).shape == (25, 2, 2)
        assert type(run[name]) is np.ndarray
        assert run[name].dtype == np.float64
        frame = run.to_frame()[name].to_numpy().reshape(25, 2, 2)
        np.testing.assert_array_equal(frame, run[name])


def test_other_tools_read_the_tables_as_ordinary_parquet(tmp_path):
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    run = hostile_run()
    path = run.save(tmp_path / "run") / "signals.parquet"
    expected, recorded = run["grad_norm"].ravel(), run.recorded("grad_norm").ravel()

    np.testing.assert_array_equal(pd.read_parquet(path)["grad_norm"], expected)
    column = polars.read_parquet(path)["grad_norm"]
    assert column.is_null().to_list() == (~recorded).tolist()
    np.testing.assert_array_equal(column.drop_nulls().to_numpy(), expected[recorded])
    rows = duckdb.sql(f"select grad_norm from read_parquet('{path}')").fetchall()
    assert [value is None for (value,) in rows] == (~recorded).tolist()
    np.testing.assert_array_equal(
        [value for (value,) in rows if value is not None], expected[recorded]
    )
    keys = duckdb.sql(f"select iteration, replicate, layer from read_parquet('{path}')").fetchall()
    assert keys == [(t, k, layer) for t in range(3) for k in range(2) for layer in (1, 2)]

    phases = polars.read_parquet(path.parent / "steps.parquet")
    assert phases["nonfinite_phase"].to_list() == [None, "loss", "loss", None, None, None]
    assert phases["validation_loss"].to_list() == [1.0, 1.0, None, None, None, None]
    assert phases["loss"].is_nan().to_list() == [False, True, False, False, False, False]


def test_a_run_is_frozen():
    run = trained()
    for name in ("name", "config", "replicates", "steps", "anything"):
        with pytest.raises(AttributeError, match=r"frozen|can't|no setter"):
            setattr(run, name, 1)
    for array in (
        run["grad_norm"],
        run.recorded("grad_norm"),
        run["second_moment_rms"],
        run.step("loss"),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_what_a_caller_changes_stays_with_the_caller():
    run, untouched = trained(), trained()
    run.config["sizes"].append(99)
    run.provenance["status"] = "made up"
    for table in ("steps", "weights", "layers"):
        frame = getattr(run, table)
        frame["new"] = 1
        frame.iloc[:, 0] = 77
    frame = run.to_frame()
    frame["grad_norm"] = 0.0
    assert run.config == untouched.config
    assert run.provenance["status"] == "complete"
    for table in ("steps", "weights", "layers"):
        pd.testing.assert_frame_equal(getattr(run, table), getattr(untouched, table))
    np.testing.assert_array_equal(run.step("loss"), untouched.step("loss"))
    pd.testing.assert_frame_equal(run.to_frame(), untouched.to_frame())


def test_an_unknown_name_is_an_argument_error_that_lists_the_known_ones():
    run = trained(1)
    for ask in (
        lambda: run["gradient"],
        lambda: run.recorded("gradient"),
        lambda: run.step("gradient"),
    ):
        with pytest.raises(ArgumentError, match=r"'gradient'.*grad_norm"):
            ask()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"signals": {}}, "signals must be"),
        ({"signals": {"gradient": np.zeros((2, 1, 1))}}, r"unknown: \['gradient'\]"),
        ({"signals": {"grad_norm": np.zeros((2, 1))}}, "one shape"),
        (
            {"signals": {"grad_norm": np.zeros((2, 1, 1)), "delta_norm": np.zeros((1, 1, 1))}},
            "one shape",
        ),
        ({"steps": {"los": np.zeros((2, 1))}}, r"steps\['los'\]"),
        ({"steps": {"loss": np.zeros(2)}}, r"steps\['loss'\] has shape \(2,\)"),
        ({"steps": {"loss": np.zeros((3, 1))}}, r"steps\['loss'\] has shape \(3, 1\)"),
        ({"recorded": {"delta_norm": np.ones((2, 1, 1), bool)}}, r"recorded\['delta_norm'\]"),
        (
            {"recorded": {"grad_norm": np.ones((2, 1), bool)}},
            r"recorded\['grad_norm'\] has shape \(2, 1\)",
        ),
        ({"layers": [{}, {}]}, "describes 2 layers, but the signals have 1"),
        ({"config": {"rate": NAN}}, "config cannot be stored"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        Run.from_arrays(**({"signals": {"grad_norm": np.zeros((2, 1, 1))}} | arguments))


def contents(folder) -> dict:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_save_replaces_a_run_whole(tmp_path):
    trained(25).save(tmp_path / "run")
    trained(3).save(tmp_path / "run")
    assert load(tmp_path / "run").iterations == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "run.json", "signals.parquet", "steps.parquet", "weights.parquet",
    ]  # fmt: skip


def test_save_onto_itself_changes_nothing(tmp_path):
    run = load(trained().save(tmp_path / "run"))
    before = contents(tmp_path)
    assert run.save(tmp_path / "run") == tmp_path / "run"
    assert contents(tmp_path) == before


def no_space(*arguments, **options):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("module", "function"),
    [(storage, "copy_tables"), (storage, "write_description"), (storage, "replace_folder")],
)
def test_a_save_that_fails_leaves_the_old_run(module, function, tmp_path, monkeypatch):
    trained(25).save(tmp_path / "run")
    new, before = trained(3), contents(tmp_path)
    monkeypatch.setattr(module, function, no_space)
    with pytest.raises((OSError, RunError)):
        new.save(tmp_path / "run")
    monkeypatch.undo()
    assert contents(tmp_path) == before


def test_a_save_whose_tables_cannot_be_written_leaves_the_old_run(tmp_path, monkeypatch):
    trained(25).save(tmp_path / "run")
    before = contents(tmp_path)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", no_space)
    with pytest.raises(RunError, match="cannot be written"):
        Run.from_arrays({"grad_norm": np.ones((3, 2, 2))}).save(tmp_path / "run")
    monkeypatch.undo()
    assert contents(tmp_path) == before


def test_a_save_that_cannot_be_put_in_its_place_puts_the_old_run_back(tmp_path, monkeypatch):
    trained(25).save(tmp_path / "run")
    new, before, replace = trained(3), contents(tmp_path), os.replace

    def failing(source, target):
        if Path(target) == tmp_path / "run" and Path(source).name != ".run.old":
            no_space()
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises((OSError, RunError)):
        new.save(tmp_path / "run")
    monkeypatch.undo()
    assert contents(tmp_path) == before


def test_save_refuses_what_is_no_run(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("years of work")
    before = contents(tmp_path)
    for target in (
        tmp_path / "folder",
        tmp_path / "folder" / "thesis.txt",
        tmp_path / "folder" / "thesis.txt" / "x",
    ):
        with pytest.raises(RunError):
            trained(1).save(target)
    assert contents(tmp_path) == before


def truncate(path, keep):
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop(path, key):
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != key}))


DAMAGES = {
    "no folder": lambda run: [path.unlink() for path in run.iterdir()] + [run.rmdir()],
    "empty folder": lambda run: [path.unlink() for path in run.iterdir()],
    "no run.json": lambda run: (run / "run.json").unlink(),
    "empty run.json": lambda run: truncate(run / "run.json", 0),
    "half a run.json": lambda run: truncate(run / "run.json", 0.5),
    "run.json of bytes": lambda run: (run / "run.json").write_bytes(b"\xff\xfe\x00"),
    "run.json of a list": lambda run: (run / "run.json").write_text("[1]"),
    "run.json of null": lambda run: (run / "run.json").write_text("null"),
    "newer schema": lambda run: edit(run / "run.json", schema=3),
    "older schema": lambda run: edit(run / "run.json", schema=1),
    "schema of text": lambda run: edit(run / "run.json", schema="2"),
    "no schema": lambda run: drop(run / "run.json", "schema"),
    "no layers": lambda run: drop(run / "run.json", "layers"),
    "no config": lambda run: drop(run / "run.json", "config"),
    "layers of null": lambda run: edit(run / "run.json", layers=None),
    "layers of numbers": lambda run: edit(run / "run.json", layers=[1, 2]),
    "no layer at all": lambda run: edit(run / "run.json", layers=[]),
    "replicates of text": lambda run: edit(run / "run.json", replicates="two"),
    "no replicates": lambda run: edit(run / "run.json", replicates=0),
    "other replicates": lambda run: edit(run / "run.json", replicates=3),
    "other layers": lambda run: edit(run / "run.json", layers=[{"layer": 1}]),
    **{
        f"{table} {how}": (lambda run, table=table, change=change: change(run / f"{table}.parquet"))
        for table in ("steps", "signals", "weights")
        for how, change in {
            "missing": lambda path: path.unlink(),
            "empty": lambda path: truncate(path, 0),
            "halved": lambda path: truncate(path, 0.5),
            "less its last bytes": lambda path: truncate(path, 0.99),
            "of text": lambda path: path.write_text("iteration,layer"),
        }.items()
    },
    "steps of another run": lambda run: (run / "steps.parquet").write_bytes(
        (run.parent / "short" / "steps.parquet").read_bytes()
    ),
    "both tables missing": lambda run: [
        (run / f"{name}.parquet").unlink() for name in ("steps", "signals")
    ],
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    return contents(trained(25).save(folder / "run")), contents(trained(3).save(folder / "short"))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_refused_in_one_sentence_and_left_as_it_is(damage, saved, tmp_path):
    for name, files in zip(("run", "short"), saved, strict=True):
        (tmp_path / name).mkdir()
        for file, data in files.items():
            (tmp_path / name / file).write_bytes(data)
    folder = tmp_path / "run"
    damage(folder)
    before = contents(tmp_path)
    with pytest.raises(RunError) as caught:
        load(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    assert len(message) < 400
    assert contents(tmp_path) == before


def test_every_truncation_of_a_table_is_a_run_error(saved, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for file, data in saved[0].items():
        (folder / file).write_bytes(data)
    whole = (folder / "steps.parquet").read_bytes()
    for keep in np.unique(np.linspace(0, len(whole) - 1, 60).astype(int)):
        (folder / "steps.parquet").write_bytes(whole[:keep])
        with pytest.raises(RunError):
            load(folder)
    (folder / "steps.parquet").write_bytes(whole)
    assert load(folder).iterations == 25


def test_damage_inside_a_table_never_escapes_as_another_error(saved, tmp_path):
    """A flipped byte may pass unseen (pages carry no checksum), but no traceback comes of it."""
    folder, rng = tmp_path / "run", np.random.default_rng(0)
    folder.mkdir()
    for file, data in saved[0].items():
        (folder / file).write_bytes(data)
    whole = (folder / "signals.parquet").read_bytes()
    for place in rng.integers(0, len(whole), 40):
        (folder / "signals.parquet").write_bytes(
            whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        )
        try:
            load(folder).to_frame()
        except GradlabError:
            continue


def test_load_names_a_path_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file; give the folder"):
        load(tmp_path / "file")


def test_a_saved_run_is_readable_by_others_of_the_same_machine(tmp_path):
    umask = os.umask(0)
    os.umask(umask)
    path = trained(1).save(tmp_path / "run")
    assert path.stat().st_mode & 0o777 & ~umask == 0o755 & ~umask
    assert (path / "run.json").stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_repr_names_the_run_and_its_size():
    assert (
        repr(trained(2))
        == "<Run 'relu-glorot_uniform-depth1': 2 iterations x 2 seeds x 2 layers, complete>"
    )


def test_zero_iterations_through_the_package():
    assert gradlab.train(MLP([3, 3]), make_data(), batch_size=5, iterations=0).shape == (0, 1, 1)


def run_with_vectors(iterations=6) -> Run:
    """Two matrices and two vectors, two blocks; every number says where it stands."""
    t, s, layer = np.indices((iterations, 2, 4))
    values = 100.0 * t + 10 * s + layer + 1
    delta = np.where(layer < 2, values, np.nan)
    vector = {"kind": "vector", "fan_in": 1, "fan_out": 3}
    streams = np.ma.masked_array(values[..., :2], np.isin(t[..., :2], (0, 3)))
    return Run.from_arrays(
        {"grad_norm": values, "delta_norm": delta},
        recorded={"delta_norm": layer < 2},
        steps={"score": values[..., 0], "skipped_steps": np.zeros((iterations, 2))},
        layers=[{"block": "blocks.0"}, {}, vector, vector | {"name": "scale"}],
        blocks=[{"block": "blocks.0", "layers": [1]}, {"block": "blocks.1"}],
        block_signals={"stream_rms": streams, "branch_share": values[..., 2:]},
        output_stage=[(0, 0, 0, "softmax", 0.5), (4, 1, 0, "log", 2.0)],
    )


def test_blocks_vectors_and_the_output_stage_are_saved_and_loaded(tmp_path):
    run = run_with_vectors()
    loaded = load(run.save(tmp_path / "run"))
    assert_same(run, loaded)
    for table in ("blocks", "block_signals", "output_stage", "histograms"):
        pd.testing.assert_frame_equal(getattr(run, table), getattr(loaded, table))
    np.testing.assert_array_equal(
        run.block_statistic("stream_rms"), loaded.block_statistic("stream_rms")
    )
    assert np.isnan(loaded.block_statistic("stream_rms")[[0, 3]]).all()
    np.testing.assert_array_equal(loaded.block_statistic("stream_rms")[4], [[401, 402], [411, 412]])
    assert np.isnan(loaded.block_statistic("branch_cosine")).all()
    assert loaded.output_stage["operation"].tolist() == ["softmax", "log"]


def test_matrices_and_vectors_are_runs_of_some_layers():
    run = run_with_vectors()
    matrices, vectors = run.matrices, run.vectors
    assert run.shape == (6, 2, 4)
    assert matrices.shape == vectors.shape == (6, 2, 2)
    np.testing.assert_array_equal(matrices["grad_norm"], run["grad_norm"][..., :2])
    np.testing.assert_array_equal(vectors["grad_norm"], run["grad_norm"][..., 2:])
    np.testing.assert_array_equal(vectors.step("score"), run.step("score"))
    assert matrices.columns == ("grad_norm", "delta_norm")
    assert vectors.columns == ("grad_norm",)
    assert run.layers["name"].tolist() == ["hidden1", "output", "vector1", "scale"]
    assert vectors.layers["layer"].tolist() == [3, 4]
    assert vectors.to_frame()["layer"].unique().tolist() == [3, 4]
    assert matrices.matrices is matrices
    assert matrices.vectors is None
    assert matrices.condensed() is matrices
    np.testing.assert_array_equal(
        matrices.block_statistic("stream_rms"), run.block_statistic("stream_rms")
    )


def test_a_vector_that_is_not_finite_counts_in_the_whole_run_and_not_in_its_matrices():
    values = np.ones((4, 1, 2))
    values[2, 0, 1] = NAN
    run = Run.from_arrays({"grad_norm": values}, layers=[{}, {"kind": "vector"}])
    assert run.nonfinite[:, 0].tolist() == [False, False, True, False]
    assert not run.matrices.nonfinite.any()
    assert run.vectors.nonfinite[:, 0].tolist() == [False, False, True, False]


def test_matrices_and_vectors_can_be_saved(tmp_path):
    run = run_with_vectors()
    for part in (run.matrices, run.vectors):
        assert_same(part, load(part.save(tmp_path / "part")))


def test_a_run_without_vectors_is_its_own_matrices():
    run = trained(2)
    assert run.matrices is run
    assert run.vectors is None
    assert run.blocks.empty
    assert run.block_signals.empty
    assert run.output_stage.empty
    assert run.block_statistic("stream_rms").shape == (2, 2, 0)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"layers": [{"kind": "vector"}, {}]}, r"layers\[0\] is a vector"),
        ({"blocks": [{}]}, r"blocks\[0\] needs 'block'"),
        (
            {"blocks": [{"block": "a"}], "block_signals": {"stream_rms": np.ones((2, 1, 2))}},
            r"shape \(2, 1, 2\)",
        ),
        (
            {"blocks": [{"block": "a"}], "block_signals": {"loss": np.ones((2, 1, 1))}},
            r"block_signals\['loss'\]",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        Run.from_arrays(**({"signals": {"grad_norm": np.zeros((2, 1, 2))}} | arguments))


def test_a_statistic_of_blocks_is_asked_by_its_name():
    with pytest.raises(ArgumentError, match=r"'loss'.*stream_rms"):
        run_with_vectors().block_statistic("loss")
