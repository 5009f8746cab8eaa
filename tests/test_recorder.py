"""The Recorder fed by a loop of one's own: what is left out, what breaks, what does not fit."""

import gc
import itertools
import threading
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import gradlab
from gradlab import measures
from gradlab.errors import ArgumentError, GradlabError, RunError
from gradlab.recorder import Recorder, watching
from gradlab.recorder import recorder as recorder_module
from gradlab.run import LOG_GAINS, STATISTICS
from gradlab.statistics import LAYER_STATISTICS
from tests.helpers import make_data, plain_pass

SIZES = (3, 4, 2)
LAYERS = [
    {"fan_in": 3, "fan_out": 4, "activation": "tanh", "slope_bound": 1.0},
    {"fan_in": 4, "fan_out": 2},
]
NEEDED = {"weights", "weights_after", "gradients"}


def one_iteration(seed=0, lead=(), weights=None) -> dict:
    """Everything a loop of one's own can hand over for one iteration of a tanh net."""
    rng = np.random.default_rng(seed)
    data = make_data(5, 3, 2, seed=seed)
    replicas = []
    for _ in range(int(np.prod(lead))):
        w = weights or [rng.normal(size=fan) for fan in itertools.pairwise(SIZES)]
        b = [rng.normal(size=n) for n in SIZES[1:]]
        done = plain_pass(w, b, data.x_train, data.y_train, "tanh", "cross_entropy")
        replicas.append(
            {
                "loss": np.array(done.loss),
                "weights": w,
                "weights_after": [
                    x - 0.1 * g for x, g in zip(w, done.weight_gradient, strict=True)
                ],
                "gradients": done.weight_gradient,
                "batch": data.x_train,
                "preactivations": done.z,
                "activations": done.h[1:],
                "deltas": done.delta,
                "slopes": done.slope[:-1],
                "backs": done.u,
                "biases": [x[None] for x in b],
                "biases_after": [
                    x[None] - 0.1 * g for x, g in zip(b, done.bias_gradient, strict=True)
                ],
                "bias_gradients": [g[None] for g in done.bias_gradient],
            }
        )

    def stack(name):
        parts = [one[name] for one in replicas]
        if not isinstance(parts[0], list):
            return np.stack(parts) if lead else parts[0]
        return [np.stack(arrays) if lead else arrays[0] for arrays in zip(*parts, strict=True)]

    return {name: stack(name) for name in replicas[0]} | {"learning_rate": 0.1}


def record(iterations, *, lead=(), only=None, without=(), **options):
    with Recorder(LAYERS, replicates=lead[0] if lead else None, **options) as recorder:
        for t in range(iterations):
            given = one_iteration(t, lead)
            given = {
                name: value
                for name, value in given.items()
                if name not in without
                and (only is None or name in only | NEEDED | {"loss", "learning_rate"})
            }
            recorder.record(**given)
    return recorder.run


@pytest.mark.parametrize("lead", [(), (2,)])
def test_a_loop_of_ones_own_fills_every_column(lead):
    run = record(3, lead=lead)
    assert run.shape == (3, *(lead or (1,)), 2)
    assert run.columns == tuple(
        name
        for name in STATISTICS
        if name not in ("second_moment_rms", "log_gain_block", "time_gain")
    )
    arrays = one_iteration(1, lead)
    for layer in range(2):
        axes = (-2, -1)
        expected = {
            "delta_norm": np.linalg.norm(arrays["deltas"][layer], axis=axes),
            "grad_norm": np.linalg.norm(arrays["gradients"][layer], axis=axes),
            "activation_mean": arrays["activations"][layer].mean(axis=axes),
            "update_norm": 0.1 * np.linalg.norm(arrays["gradients"][layer], axis=axes),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(run[name][1, :, layer], value, rtol=1e-9, err_msg=name)


def test_replicates_are_recorded_as_each_alone():
    stacked = record(3, lead=(2,))
    for k in range(2):
        with Recorder(LAYERS) as recorder:
            for t in range(3):
                given = one_iteration(t, (2,))
                alone = {
                    n: [a[k] for a in v] if isinstance(v, list) else v for n, v in given.items()
                }
                recorder.record(**(alone | {"loss": given["loss"][k], "batch": given["batch"][k]}))
        for name in STATISTICS:
            np.testing.assert_allclose(
                stacked[name][:, k], recorder.run[name][:, 0], rtol=1e-12, err_msg=name
            )


@pytest.mark.parametrize("lead", [(), (2,)])
def test_arrays_may_be_views_such_as_transposed_ones(lead):
    def as_view(value):
        return [np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2) for a in value]

    with Recorder(LAYERS, replicates=lead[0] if lead else None) as recorder:
        for t in range(4):
            given = one_iteration(t, lead)
            recorder.record(
                **{name: as_view(v) if isinstance(v, list) else v for name, v in given.items()}
            )
    full = record(4, lead=lead)
    for name in STATISTICS:
        np.testing.assert_allclose(recorder.run[name], full[name], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(
        recorder.run.step("expected_decrease"), full.step("expected_decrease"), rtol=1e-12
    )


ALWAYS_GIVEN = {"weights", "weights_after", "gradients"}
NEEDS = {
    each.name: set(each.made_of) - ALWAYS_GIVEN
    for each in LAYER_STATISTICS
    if each.cadence != "optional" and each.name != "time_gain"  # of recurrences, in PyTorch alone
}


@pytest.mark.parametrize(
    "given",
    [
        set(),
        {"deltas"},
        {"activations"},
        {"batch", "activations"},
        {"deltas", "slopes"},
        {"slopes"},
        {"preactivations"},
        {"batch"},
        {"deltas", "batch", "activations"},
    ],
)
def test_what_is_left_out_leaves_its_columns_empty_and_changes_no_other(given):
    run, full = record(3, only=given), record(3)
    assert set(run.columns) == {name for name, needs in NEEDS.items() if needs <= given}
    for name in run.columns:
        np.testing.assert_allclose(run[name], full[name], rtol=1e-12, err_msg=name)
    for name in set(STATISTICS) - set(run.columns):
        assert not run.recorded(name).any()
        assert np.isnan(run[name]).all()
        assert name not in run


def test_backs_are_computed_where_they_are_not_given():
    run, full = record(2, without={"backs"}), record(2)
    for name in LOG_GAINS:
        np.testing.assert_allclose(run[name], full[name], rtol=1e-12, err_msg=name)


def test_no_saturation_without_the_bound_of_the_slope():
    with Recorder([{"fan_in": 3, "fan_out": 4}, {"fan_in": 4, "fan_out": 2}]) as recorder:
        recorder.record(**one_iteration())
    assert "saturated_fraction" not in recorder.run
    assert "dead_fraction" in recorder.run


def test_rules_skip_what_was_not_recorded():
    diagnosis = gradlab.diagnose(record(20, only=set()))
    assert "skipped" in {
        str(getattr(status, "status", status)).split(":")[0]
        for status in diagnosis.statuses.values()
    }
    assert not [status for status in diagnosis.statuses.values() if "crashed" in str(status)]


def test_the_parameters_of_the_steps_are_those_given():
    without_biases = record(1, without={"biases", "biases_after", "bias_gradients"})
    with_biases, arrays = record(1), one_iteration(0)
    weights = sum((g**2).sum() for g in arrays["gradients"])
    biases = sum((g**2).sum() for g in arrays["bias_gradients"])
    np.testing.assert_allclose(without_biases.step("grad_norm"), np.sqrt(weights))
    np.testing.assert_allclose(with_biases.step("grad_norm"), np.sqrt(weights + biases))
    np.testing.assert_allclose(without_biases.step("expected_decrease"), 0.1 * weights)
    np.testing.assert_allclose(with_biases.step("expected_decrease"), 0.1 * (weights + biases))


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("preactivations", "forward"),
        ("deltas", "backward"),
        ("gradients", "backward"),
        ("weights_after", "update"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_planted_number_names_its_phase_and_replicate(name, phase, value):
    given = one_iteration(0, (2,))
    given[name][0][1, 0, 0] = value
    with Recorder(LAYERS, replicates=2) as recorder:
        assert recorder.record(**given) is False  # there is nothing before iteration 0
    run = recorder.run
    assert run.steps["nonfinite_phase"].isna().tolist() == [True, False]
    assert run.steps["nonfinite_phase"].tolist()[1] == phase
    assert run["nonfinite_count"][0].tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_names_its_phase_and_replicate(value):
    given = one_iteration(0, (2,))
    given["loss"][1] = value
    with Recorder(LAYERS, replicates=2) as recorder:
        recorder.record(**given)
    run = recorder.run
    assert run.steps["nonfinite_phase"].isna().tolist() == [True, False]
    assert run.steps["nonfinite_phase"].tolist()[1] == "loss"
    assert run["nonfinite_count"][0].tolist() == [[0, 0], [0, 0]]


def test_the_earliest_phase_wins_and_every_number_is_counted():
    given = one_iteration(0)
    for name in ("preactivations", "deltas", "gradients", "weights_after"):
        given[name][1][0, 0] = np.nan
    with Recorder(LAYERS) as recorder:
        recorder.record(**given)
    assert recorder.run.steps["nonfinite_phase"].tolist() == ["forward"]
    assert recorder.run["nonfinite_count"].tolist() == [[[0, 4]]]


def test_a_second_look_is_asked_for_once_and_only_off_the_cadence():
    """Broken at 13 and still at 14: only 13 asks, for 12. Broken at 11: 10 is costly anyway."""
    for broken, asked in ((13, [13]), (11, []), (10, []), (12, [12])):
        answers = []
        with Recorder(LAYERS) as recorder:
            for t in range(16):
                given = one_iteration(t)
                if t >= broken:
                    given["loss"] = np.nan
                if recorder.record(**given):
                    answers.append(t)
                    before = one_iteration(t - 1)
                    recorder.revisit(
                        **{n: before[n] for n in before if n not in ("loss", "learning_rate")}
                    )
        assert answers == asked, broken
        full = record(16, every=1)
        for name in (
            "grad_max",
            "update_cosine",
            "lost_fraction",
            "dead_fraction",
            "unit_similarity",
        ):
            assert recorder.run.recorded(name)[broken - 1].any(), (broken, name)
            np.testing.assert_array_equal(recorder.run[name][broken - 1], full[name][broken - 1])


def test_a_second_look_without_a_row_to_complete_is_refused():
    given = one_iteration()
    tensors = {name: given[name] for name in ("weights", "gradients")}
    with Recorder(LAYERS) as recorder:
        with pytest.raises(ArgumentError, match="revisit"):
            recorder.revisit(**tensors)
        recorder.record(**given)
        with pytest.raises(ArgumentError, match="revisit"):
            recorder.revisit(**tensors)
        with pytest.raises(ArgumentError, match="gradients"):
            recorder.revisit(weights=given["weights"])


def test_arrays_are_never_kept():
    given = one_iteration()
    with Recorder(LAYERS, every=1) as recorder:
        recorder.record(**given)
        expected = given["weights"][0].copy()
        for value in given.values():
            for array in value if isinstance(value, list) else []:
                array[...] = 1e9
        recorder.record(**one_iteration(1))
    first = recorder.run.weights.query("iteration == 0 and layer == 1")["value"]
    np.testing.assert_array_equal(first, expected.ravel())
    assert recorder.run["weight_norm"].max() < 1e3


def plant(name, change):
    def build():
        given = one_iteration(0, (2,))
        given[name] = change(given[name])
        return given

    return build


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (plant("gradients", lambda a: a[:1]), "gradients holds 1 arrays, but the recorder has 2"),
        (plant("slopes", lambda a: a * 2), "slopes holds 2 arrays, .* needs 1"),
        (
            plant("gradients", lambda a: [x.swapaxes(-1, -2) for x in a]),
            r"gradients\[0\] has shape \(2, 4, 3\)",
        ),
        (
            plant("weights", lambda a: [x[0] for x in a]),
            r"weights\[0\] has shape \(3, 4\).*\(2, 3, 4\)",
        ),
        (
            plant("weights_after", lambda a: [x[:1] for x in a]),
            r"weights_after\[0\] has shape \(1, 3, 4\)",
        ),
        (
            plant("biases", lambda a: [x[:, 0] for x in a]),
            r"biases\[0\] has shape \(2, 4\).*\(2, 1, 4\)",
        ),
        (
            plant("deltas", lambda a: [a[0], a[1][:, :3]]),
            r"deltas\[1\] has shape \(2, 3, 2\).*\(2, 5, 2\)",
        ),
        (plant("batch", lambda a: a[0]), r"batch\[0\] has shape \(5, 3\)"),
        (plant("batch", lambda a: a[..., :2]), r"batch\[0\] has shape \(2, 5, 2\)"),
        (
            plant("activations", lambda a: [x[0, 0] for x in a]),
            r"activations\[0\] has shape \(4,\)",
        ),
        (plant("weights", lambda a: [x.tolist() for x in a]), r"weights\[0\] is list"),
        (plant("weights", lambda a: [x.astype(int) for x in a]), r"weights\[0\] is int64"),
        (plant("loss", lambda a: np.zeros(3)), r"loss has shape \(3,\)"),
        (
            lambda: one_iteration(0, (2,)) | {"validation": (np.zeros(3), 0.5)},
            r"validation_loss has shape \(3,\)",
        ),
        (lambda: one_iteration(0, (2,)) | {"delta": []}, "unknown arrays delta"),
    ],
)
def test_arrays_that_do_not_fit_are_named_and_nothing_is_recorded(build, match):
    with Recorder(LAYERS, replicates=2) as recorder:
        recorder.record(**one_iteration(0, (2,)))
        with pytest.raises(ArgumentError, match=match):
            recorder.record(**build())
        recorder.record(**one_iteration(1, (2,)))
    assert recorder.run.iterations == 2
    np.testing.assert_array_equal(
        recorder.run["update_cosine"], record(2, lead=(2,))["update_cosine"]
    )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"layers": []}, "layers is empty"),
        ({"layers": [{"fan_in": 3}]}, r"layers\[0\] needs 'fan_out'"),
        ({"layers": [{"fan_in": 0, "fan_out": 1}]}, r"layers\[0\] needs 'fan_in'"),
        ({"layers": [{"fan_in": 1.5, "fan_out": 1}]}, r"layers\[0\] has fan_in=1.5"),
        ({"layers": [5]}, r"layers\[0\] is 5"),
        ({"layers": {"fan_in": 3}}, "layers is {"),
        ({"every": "3"}, "every='3'"),
        ({"weights": 1.5}, "weights=1.5"),
        ({"replicates": True and 2.0}, "replicates=2.0"),
        ({"overwrite": "yes"}, "overwrite='yes'"),
        ({"histograms": 1}, "histograms=1"),
        ({"config": [1]}, r"config=\[1\]"),
        ({"config": {"baseline_loss": "auto"}}, r"config\['baseline_loss'\]='auto'"),
        ({"out": 3}, "out=3"),
        ({"name": "\ud800"}, "name cannot be stored"),
        ({"every": 0}, "every=0"),
        ({"weights": -1}, "weights=-1"),
        ({"replicates": 0}, "replicates=0"),
        ({"seed": -1}, "seed=-1"),
        ({"config": {"learning_rate": np.nan}}, "config cannot be stored"),
        ({"config": {"net": object()}}, "config cannot be stored: it holds a object"),
        ({"provenance": {"x": {1, 2}}}, "provenance cannot be stored"),
    ],
)
def test_an_argument_outside_its_range_is_named_and_deletes_nothing(options, match, tmp_path):
    record(2, out=tmp_path / "run")
    with pytest.raises(ArgumentError, match=match):
        Recorder(**({"layers": LAYERS, "out": tmp_path / "run", "overwrite": True} | options))
    assert gradlab.load(tmp_path / "run").iterations == 2


def test_a_config_of_numpy_numbers_and_tuples_is_the_same_live_and_loaded(tmp_path):
    config = {
        "rate": np.float32(0.5),
        "sizes": (3, np.int64(4)),
        "on": np.bool_(True),
        "none": None,
        "x": np.eye(1),
    }
    run = record(1, config=config, out=tmp_path / "run")
    assert run.config == {"rate": 0.5, "sizes": [3, 4], "on": True, "none": None, "x": [[1.0]]}
    assert gradlab.load(tmp_path / "run").config == run.config


def test_a_closed_recorder_takes_no_more_and_returns_the_same_run():
    with Recorder(LAYERS) as recorder:
        recorder.record(**one_iteration())
    assert recorder.close() is recorder.run
    with pytest.raises(ArgumentError, match="closed"):
        recorder.record(**one_iteration())


def test_an_exception_in_the_block_closes_the_run_with_its_name():
    recorder = Recorder(LAYERS)

    def fail():
        with recorder:
            recorder.record(**one_iteration())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert recorder.run.iterations == 1
    assert recorder.run.provenance["status"] == "interrupted by ZeroDivisionError"


def test_a_live_run_is_readable_and_stays_so_once_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "FLUSH_ITERATIONS", 4)
    recorder = Recorder(LAYERS, out=tmp_path / "run")
    for t in range(10):
        recorder.record(**one_iteration(t))
    live = recorder.run
    assert recorder.acknowledged == live.iterations == 9  # the newest waits for a second look
    assert live.provenance["status"] == "unfinished"
    loss = live.step("loss").copy()
    recorder.record(**one_iteration(10))
    closed = recorder.close()
    assert closed.iterations == 11
    assert live.shape == (9, 1, 2)
    np.testing.assert_array_equal(live["grad_norm"], closed["grad_norm"][:9])
    np.testing.assert_array_equal(live.step("loss"), loss)
    assert len(live.to_frame()) == 9 * 2
    assert live.weights["iteration"].max() == 9


def test_out_must_be_new_empty_or_a_run_to_overwrite(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="holds no run"):
            Recorder(LAYERS, out=tmp_path / "full", overwrite=overwrite)
        with pytest.raises(RunError, match="is a file"):
            Recorder(LAYERS, out=tmp_path / "full" / "thesis.txt", overwrite=overwrite)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert record(1, out=tmp_path / "empty").iterations == 1
    with pytest.raises(GradlabError, match="already holds a run"):
        Recorder(LAYERS, out=tmp_path / "empty")


def test_a_temporary_folder_lives_as_long_as_its_run():
    run = record(2)
    folder = run._source.folder
    assert folder.exists()
    del run
    assert not folder.exists()


@pytest.mark.parametrize(("block", "seconds", "most"), [(4, 1e9, 4), (10**9, 0.0, 1)])
def test_rows_go_to_disk_when_either_limit_is_reached(block, seconds, most, monkeypatch):
    monkeypatch.setattr(recorder_module, "FLUSH_ITERATIONS", block)
    monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", seconds)
    with Recorder(LAYERS) as recorder:
        for t in range(21):
            recorder.record(**one_iteration(0))
            assert t + 1 - recorder.acknowledged <= most + 1


def test_memory_does_not_grow_with_the_number_of_iterations(monkeypatch):
    """Python's and Arrow's bytes together, from the 100th iteration to the 1,000th."""
    monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", 1e9)
    given, sizes = (
        {
            n: v
            for n, v in one_iteration().items()
            if n in NEEDED | {"loss", "learning_rate", "deltas"}
        },
        {},
    )
    with Recorder(LAYERS) as recorder:
        tracemalloc.start()
        try:
            for t in range(1001):
                recorder.record(**given)
                if t in (100, 1000):
                    recorder.flush()
                    gc.collect()
                    sizes[t] = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
        finally:
            tracemalloc.stop()
    assert sizes[1000] - sizes[100] < 40_000
    assert recorder.run.iterations == 1001


def test_a_block_of_iterations_is_recorded_as_one_by_one():
    rng = np.random.default_rng(0)
    names = ("grad_norm", "update_cosine", "log_gain_block")
    columns = {
        name: np.ma.masked_array(rng.normal(size=(5, 2)), rng.random((5, 2)) < 0.3)
        for name in names
    }
    columns["grad_norm"][3] = np.nan
    steps = {
        "loss": np.ma.masked_array(np.arange(5.0), [0, 0, 1, 0, 0]),
        "learning_rate": np.full(5, 0.1),
    }
    phases = [None, None, None, "backward", "forward"]
    one, many = Recorder(LAYERS, weights=3), Recorder(LAYERS, weights=3)
    followed = rng.normal(size=(5, 3))
    for t in range(5):
        row = {
            name: None if column[t] is np.ma.masked else float(column[t])
            for name, column in steps.items()
        }
        here = {name: column[t] for name, column in columns.items()}
        one.add(here, phase=phases[t], followed=followed[t] if t != 2 else None, **row)
    many.add_block({}, {}, phases=[])
    for rows in (slice(0, 2), slice(2, 5)):
        read = np.flatnonzero(np.arange(5)[rows] != 2)
        many.add_block(
            {name: column[rows] for name, column in columns.items()},
            {name: column[rows] for name, column in steps.items()},
            phases=phases[rows],
            followed=(read, followed[rows][read]),
        )
    assert many.acknowledged == many.iterations == 5
    first, second = one.close(), many.close()
    assert first.steps.equals(second.steps)
    assert first.weights.equals(second.weights)
    assert first.to_frame().equals(second.to_frame())


@pytest.mark.parametrize(
    ("columns", "steps", "said"),
    [
        ({"grad_norm": np.zeros((2, 2))}, {}, "grad_norm has shape"),
        ({}, {"loss": np.zeros(2)}, "loss has shape"),
        ({"nonsense": np.zeros((3, 2))}, {}, "unknown columns nonsense"),
    ],
)
def test_a_block_that_does_not_fit_is_named(columns, steps, said):
    with pytest.raises(ArgumentError, match=said):
        Recorder(LAYERS).add_block(columns, steps, phases=[None] * 3)


def test_what_changes_the_weights_between_two_steps_is_measured():
    """The loop of these tests takes new weights each time: W before t is not W after t - 1."""
    run = record(14)
    expected = [
        [np.linalg.norm(now - after) for now, after in zip(*pair, strict=True)]
        for t in range(1, 14)
        for pair in [(one_iteration(t)["weights"], one_iteration(t - 1)["weights_after"])]
    ]
    recorded = run.recorded("outside_update_norm").all(axis=(1, 2))
    assert np.flatnonzero(recorded).tolist() == list(range(1, 11))
    np.testing.assert_allclose(run["outside_update_norm"][1:11, 0], expected[:10], rtol=1e-12)


def test_a_penalty_shows_as_gradients_that_point_along_the_weights():
    given = one_iteration()
    given["gradients"] = [3.0 * given["weights"][0], -2.0 * given["weights"][1]]
    with Recorder(LAYERS) as recorder:
        recorder.record(**given)
        recorder.record(**given | {"gradients": [0 * w for w in given["weights"]]})
    np.testing.assert_allclose(recorder.run["grad_weight_cosine"][0], [[1, -1]], rtol=1e-12)
    assert not recorder.run.recorded("grad_weight_cosine")[1].any()


BLOCKS = [
    {"block": "blocks.0", "kind": "Block", "layers": [1]},
    {"block": "blocks.1", "layers": [2]},
]
STAGE = [("softmax", 0.05), ("log", 2.0)]


def test_blocks_output_stage_and_step_columns_go_in_with_an_iteration(tmp_path):
    with Recorder(LAYERS, blocks=BLOCKS, out=tmp_path / "run") as recorder:
        recorder.record(**one_iteration(0), score=0.5, examples=5, output_gain=0.1)
        recorder.record(
            **one_iteration(1),
            block_signals={"stream_rms": np.ma.masked_array([1.0, 2.0], [True, False])},
            output_stage=STAGE,
        )
        recorder.add(
            {"grad_norm": np.ones(2)}, loss=1.0, block_signals={"branch_share": [0.25, 0.5]}
        )
    for run in (recorder.run, gradlab.load(tmp_path / "run")):
        assert run.blocks["block"].tolist() == ["blocks.0", "blocks.1"]
        assert run.blocks["path"].tolist() == ["blocks.0", "blocks.1"]
        assert run.blocks["layers"].tolist() == [[1], [2]]
        np.testing.assert_array_equal(
            run.block_statistic("stream_rms"),
            [[[np.nan, np.nan]], [[np.nan, 2.0]], [[np.nan, np.nan]]],
        )
        np.testing.assert_array_equal(run.block_statistic("branch_share")[2], [[0.25, 0.5]])
        assert run.block_signals["iteration"].tolist() == [1, 1, 2, 2]
        assert run.output_stage.to_numpy().tolist() == [
            [1, 0, 0, "softmax", 0.05],
            [1, 0, 1, "log", 2.0],
        ]
        np.testing.assert_array_equal(run.step("score")[:, 0], [0.5, np.nan, np.nan])
        np.testing.assert_array_equal(run.step("examples")[:, 0], [5, np.nan, np.nan])


def test_blocks_of_many_iterations_are_recorded_as_one_by_one():
    streams = {
        "stream_rms": np.ma.masked_array(
            np.arange(8.0).reshape(4, 2), [[0, 0], [1, 1], [0, 1], [1, 1]]
        )
    }
    one, many = Recorder(LAYERS, blocks=BLOCKS), Recorder(LAYERS, blocks=BLOCKS)
    for t in range(4):
        recorded = {} if t in (1, 3) else {"stream_rms": streams["stream_rms"][t]}
        one.add({}, loss=1.0, block_signals=recorded, output_stage=STAGE if t == 2 else [])
    many.add_block(
        {}, {"loss": np.ones(4)}, phases=[None] * 4, block_signals=streams, output_stage={2: STAGE}
    )
    first, second = one.close(), many.close()
    assert first.block_signals.equals(second.block_signals)
    assert first.output_stage.equals(second.output_stage)
    assert first.block_signals["iteration"].tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"block_signals": {"stream_rms": np.ones(3)}},
            r"block_signals\['stream_rms'\] has shape \(3,\)",
        ),
        ({"block_signals": {"stream": np.ones(2)}}, "block_signals got 'stream'"),
        ({"output_stage": [("softmax", np.ones(3))]}, r"output_stage\[0\] has shape \(3,\)"),
        ({"score": np.ones(3)}, r"score has shape \(3,\)"),
    ],
)
def test_what_does_not_fit_the_blocks_is_named_and_nothing_is_recorded(given, said):
    with Recorder(LAYERS, blocks=BLOCKS) as recorder:
        with pytest.raises(ArgumentError, match=said):
            recorder.add({}, loss=1.0, **given)
        with pytest.raises(ArgumentError, match=said):
            recorder.record(**one_iteration(), **given)
    assert recorder.run.iterations == 0


@pytest.mark.parametrize(
    "blocks", [[{}], [{"block": ""}], [{"block": "a"}, {"block": "a"}], ["blocks.0"]]
)
def test_blocks_need_names_of_their_own(blocks):
    with pytest.raises(ArgumentError, match=r"blocks\[[01]\] needs 'block'"):
        Recorder(LAYERS, blocks=blocks)


VECTOR = {
    "kind": "vector",
    "fan_in": 1,
    "fan_out": 4,
    "name": "norm.scale",
    "block": "blocks.0",
    "role": "norm",
}


def test_vectors_come_last_and_are_added_not_recorded():
    with pytest.raises(ArgumentError, match=r"layers\[0\] is a vector"):
        Recorder([VECTOR, *LAYERS])
    with Recorder([*LAYERS, VECTOR]) as recorder:
        with pytest.raises(ArgumentError, match="holds 1 vectors"):
            recorder.record(**one_iteration())
        recorder.add({"grad_norm": [1.0, 2.0, 3.0]}, loss=1.0)
        assert set(recorder.positions[:, 0]) == {1, 2}
    layers = recorder.run.layers
    assert layers["name"].tolist() == ["hidden1", "output", "norm.scale"]
    assert layers["parameters"].tolist() == [16, 10, 4]
    assert layers["path"].tolist() == ["hidden1", "output", "norm.scale"]
    assert layers["block"].tolist() == ["", "", "blocks.0"]
    assert layers["role"].tolist() == ["hidden1", "output", "norm"]


def test_recorders_made_in_other_threads_are_told_of():
    told = []
    with watching(told.append):
        recorders = []
        threads = [
            threading.Thread(target=lambda: recorders.append(Recorder(LAYERS))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    Recorder(LAYERS)
    assert sorted(map(id, told)) == sorted(map(id, recorders))


def test_a_callback_may_itself_watch_and_record():
    told = []

    def callback(recorder):
        told.append(recorder)
        if len(told) == 1:
            with watching(told.append):
                Recorder(LAYERS)

    with watching(callback):
        Recorder(LAYERS)
    assert len(told) == 3


def test_histograms_are_recorded_with_the_costly_statistics_where_they_are_asked_for():
    with Recorder(LAYERS, replicates=2, every=2, histograms=True) as recorder:
        for t in range(3):
            recorder.record(**one_iteration(t, (2,)))
    table = recorder.run.histograms
    assert table["iteration"].unique().tolist() == [0, 2]
    gradient = one_iteration(2, (2,))["gradients"][1][1]
    expected = Counter(np.floor(np.log2(np.abs(gradient))).astype(int).ravel().tolist())
    rows = table.query("iteration == 2 and replicate == 1 and layer == 2")
    assert dict(zip(rows["exponent"].astype(int), rows["count"], strict=True)) == expected
    assert record(2).histograms.empty


def test_histograms_measured_elsewhere_are_kept():
    counts = np.zeros((2, 2, measures.BINS), int)
    counts[0, 0, 0] = 3  # zeros
    counts[1, 1, 1 - measures.LOWEST_EXPONENT] = 4  # 1 <= |g| < 2
    one, many = Recorder(LAYERS), Recorder(LAYERS)
    for t in range(2):
        one.add({}, loss=1.0, histogram=counts[t])
    many.add_block({}, {"loss": np.ones(2)}, phases=[None] * 2, histograms=(np.arange(2), counts))
    first, second = one.close(), many.close()
    assert first.histograms.equals(second.histograms)
    assert first.histograms.fillna(-999).to_numpy().tolist() == [
        [0, 0, 1, -999, 3],
        [1, 0, 2, 0, 4],
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"learning_rate": "oops"}, "learning_rate='oops' must be a number"),
        ({"loss": None}, "loss is None"),
        ({"loss": [[1.0]]}, r"loss has shape \(1, 1\)"),
        ({"loss": np.ma.masked_array([1.0], [True])}, "loss is masked"),
        ({"score": object()}, "score=<object"),
        ({"gradients": None}, "gradients is None"),
        ({"weights_after": None}, "weights_after is None"),
        ({"gradients": 5}, "gradients is a int"),
        ({"gradients": [1, 2]}, r"gradients\[0\] is int"),
        ({"validation": 3}, "validation=3"),
        ({"validation": ("a", 1)}, "validation_loss='a'"),
        ({"nonfinite_phase": "loss"}, "nonfinite_phase"),
        ({"second_moment_scale": "x"}, "second_moment_scale='x'"),
        (
            {
                "others": [np.zeros(3)],
                "others_after": [np.zeros(3)],
                "other_gradients": [np.zeros(3)],
            },
            r"others\[0\]",
        ),
        (
            {"others": [np.zeros((1, 3))], "other_gradients": []},
            "other_gradients has arrays of shapes",
        ),
        ({"block_signals": 3}, "block_signals=3"),
        ({"output_stage": ["softmax"]}, r"output_stage\[0\]='softmax'"),
        ({"output_stage": 3}, "output_stage=3"),
        ({"batch": np.ma.masked_array(np.zeros((5, 3)))}, r"batch\[0\] is a masked array"),
        ({"batch": np.zeros((5, 3), ">f8")}, r"batch\[0\] is >f8"),
    ],
)
def test_a_value_of_another_kind_is_refused_at_the_call_that_brings_it(given, said):
    with Recorder(LAYERS) as recorder:
        recorder.record(**one_iteration(0))
        with pytest.raises(ArgumentError, match=said):
            recorder.record(**one_iteration(1) | given)
        recorder.record(**one_iteration(1))
    assert recorder.run.iterations == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"columns": [1]}, r"columns=\[1\]"),
        ({"columns": {"grad_norm": ["a", "b"]}}, "grad_norm="),
        ({"columns": {"gradnorm": [1, 2]}}, "did you mean 'grad_norm'"),
        ({"phase": "before"}, "phase='before'"),
        ({"phase": ["loss", "loss"]}, "phase="),
        ({"followed": np.zeros(3)}, r"followed has shape \(3,\)"),
        ({"histogram": np.zeros((2, 3), int)}, "histogram is int64"),
        ({"histogram": np.zeros((2, measures.BINS))}, "histogram is float64"),
    ],
)
def test_what_add_cannot_record_is_refused_at_the_call_that_brings_it(given, said):
    with Recorder(LAYERS) as recorder, pytest.raises(ArgumentError, match=said):
        recorder.add(**{"columns": {}, "loss": 1.0} | given)
    assert recorder.run.iterations == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"phases": "loss"}, "phases='loss'"),
        ({"steps": {"loss": ["a", "b", "c"]}}, "loss="),
        ({"followed": ([0, 3], np.zeros((2, 26)))}, "followed names iterations"),
        ({"followed": ([0], np.zeros((1, 3)))}, "followed is float64"),
        ({"output_stage": [("softmax", 1.0)]}, "must be a dict by iteration"),
        ({"output_stage": {3: []}}, "output_stage has the iteration 3"),
        ({"histograms": ([0], np.zeros((1, 2, 3), int))}, "histograms is int64"),
        ({"block_signals": {"stream_rms": np.zeros((3, 1))}}, "block_signals"),
    ],
)
def test_what_add_block_cannot_record_is_refused_at_the_call_that_brings_it(given, said):
    with Recorder(LAYERS, weights=26) as recorder, pytest.raises(ArgumentError, match=said):
        recorder.add_block(**{"columns": {}, "steps": {}, "phases": [None] * 3} | given)
    assert recorder.run.iterations == 0
