"""Runs too large for memory: judged and drawn from a subset, to the same verdict."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

import gradlab
from gradlab.report.data import build
from gradlab.report.pictures import series
from gradlab.rules.base import Window
from gradlab.rules.windows import gaps, windows
from gradlab.run import Run, row_groups, writer

GROUP = 40  # iterations, in these tests


def folder_of(path, iterations=2000, seeds=2, layers=3, *, change=None, counted=True):
    """Write a closed run of made-up healthy numbers, GROUP iterations a row group.

    `change(signals, steps)` may change them before.
    """
    shape = (iterations, seeds, layers)
    rng = np.random.default_rng(1)
    signals = {
        name: size * np.exp(0.05 * rng.normal(size=shape))
        for name, size in (
            ("grad_norm", 1.0),
            ("delta_norm", 1.0),
            ("weight_norm", 8.0),
            ("update_norm", 8e-3),
            ("update_ratio", 1e-3),
            ("per_example_grad_norm", 1.0),
            ("activation_rms", 1.0),
        )
    }
    if counted:
        signals["nonfinite_count"] = np.zeros(shape)
    loss = 2.3 * np.exp(-3 * np.arange(iterations) / iterations)[:, None] * np.ones(seeds)
    steps = {"loss": loss, "grad_norm": np.sqrt(layers) * np.ones_like(loss)}
    if change:
        change(signals, steps)
    run = Run.from_arrays(signals, steps=steps, config={"baseline_loss": 2.3}, name="made up")
    write_in_groups(run, path, GROUP)
    return path


def write_in_groups(run, path, iterations):
    """Save a run so that each row group of its statistics holds so many iterations."""
    run.save(path)
    rows = iterations * run.shape[1] * run.shape[2]
    pq.write_table(
        pq.read_table(path / "signals.parquet"), path / "signals.parquet", row_group_size=rows
    )


@pytest.fixture
def short_of_memory(monkeypatch):
    """From here on, a run of more than 12 row groups of these tests is long."""
    monkeypatch.setattr(row_groups, "BUDGET", 12 * GROUP * 2 * 3)


def test_a_part_holds_whole_spans_first_and_last_among_them(tmp_path, short_of_memory):
    run = gradlab.load(folder_of(tmp_path / "run"))
    part = run.condensed()
    times = part.times
    assert part.iterations < run.iterations / 3
    assert {0, GROUP, run.iterations - 1} <= set(times.tolist())
    assert len(times) % GROUP == 0
    assert (np.diff(times) >= 1).all()
    assert np.array_equal(part["grad_norm"], run["grad_norm"][times])
    assert np.array_equal(part.step("loss"), run.step("loss")[times])
    assert part.columns == run.columns
    assert part.condensed() is part
    assert 777 in run.condensed([777]).times


def test_a_run_that_fits_is_its_own_part(tmp_path):
    run = gradlab.load(folder_of(tmp_path / "run", 200))
    assert run.condensed() is run
    assert np.array_equal(run.times, np.arange(200))


@pytest.mark.parametrize("where", [0, 39, 40, 733, 1999])
@pytest.mark.parametrize("column", ["grad_norm", "update_ratio", "delta_norm"])
@pytest.mark.parametrize("value", [1e6, 0.0])
def test_a_single_extreme_number_is_kept_and_drawn(where, column, value, tmp_path, short_of_memory):
    def change(signals, steps):
        signals[column][where, 1, 2] = value

    run = gradlab.load(folder_of(tmp_path / "run", change=change))
    assert where in run.condensed().times
    figure = gradlab.figures.heatmap(run, column, columns=20)
    assert where in figure.data[0].x


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("where", [0, 733, 1999])
def test_a_single_nonfinite_number_is_found_where_it_is(
    where, counted, value, tmp_path, short_of_memory
):
    def change(signals, steps):
        signals["delta_norm"][where, 1, 2] = value
        for name in {"nonfinite_count"} & set(signals):
            signals[name][where, 1, 2] = 1

    run = gradlab.load(folder_of(tmp_path / "run", change=change, counted=counted))
    verdict = gradlab.diagnose(run)
    assert not verdict.ok
    finding = next(each for each in verdict.every_finding if each.rule == "GL001")
    assert (finding.iterations, finding.layers, finding.replicates["which"]) == (
        (where, where),
        (3,),
        [1],
    )
    assert f"iteration {where} in layer 3" in finding.message
    assert where in run.condensed().times


def test_an_infinite_norm_without_a_count_of_it_is_found_too(tmp_path, short_of_memory):
    def change(signals, steps):
        signals["weight_norm"][900, 0, 1] = np.inf  # the norm overflows, no entry does

    run = gradlab.load(folder_of(tmp_path / "run", change=change))
    assert np.flatnonzero(run.nonfinite[:, 0]).tolist() == [900]


def test_a_spike_is_told_by_its_iteration_and_a_note_says_how_much_was_read(
    tmp_path, short_of_memory
):
    def change(signals, steps):
        signals["grad_norm"][1111] *= 1e3
        steps["grad_norm"][1111] *= 1e3

    run = gradlab.load(folder_of(tmp_path / "run", change=change))
    verdict = gradlab.diagnose(run)
    assert [(finding.rule, finding.iterations) for finding in verdict.findings] == [
        ("GL103", (1111, 1111))
    ]
    assert any("of 2,000 iterations" in note for note in verdict.remarks)
    data = build(run)
    assert 1111 in data["cells"][0]["figures"]["moments"]
    assert data["cells"][0]["shape"]["iterations"] == 2000
    heatmap = data["cells"][0]["figures"]["heatmap"]["grad_norm"]
    assert {0, 1111, 1999} <= set(heatmap["data"][0]["x"])


def test_findings_are_told_by_iterations_not_by_rows(tmp_path, short_of_memory):
    def change(signals, steps):
        signals["update_ratio"][1300:] = 2.0  # from then on every step is twice the weights
        signals["update_norm"][1300:] = 16.0
        steps["loss"][:] = 2.3  # and nothing is learned

    verdict = gradlab.diagnose(gradlab.load(folder_of(tmp_path / "run", change=change)))
    finding = next(each for each in verdict.every_finding if each.rule == "GL304")
    first, last = finding.iterations
    kept = gradlab.load(tmp_path / "run").condensed().times
    since = int(kept[kept >= 1300][0])  # the first that was read of those that are hit
    assert first - GROUP <= since <= first + GROUP
    assert since <= last <= 1999
    said = [
        int(number) for number in re.search(r"in iterations (\d+)-(\d+)", finding.message).groups()
    ]
    assert 1300 <= said[1] <= last
    assert said[0] in kept


def test_growth_is_not_read_across_a_gap():
    times = np.array([0, 1, 2, 10, 11, 12])
    assert gaps(times).tolist() == [2]
    assert windows(6, 2, times) == [Window(0, 2), Window(1, 3), Window(3, 5), Window(4, 6)]
    assert windows(6, 50, times) == [Window(0, 3), Window(3, 6)]
    assert windows(4, 50, times) == [Window(0, 3), Window(3, 4)]


NETS = {
    "healthy": (dict(activation="tanh", init="glorot_normal"), 6, {}),
    "vanishing": (dict(activation="sigmoid", init="glorot_normal"), 12, {}),
    "exploding": (dict(activation="relu", init="he_normal", gain=2.0), 12, {}),
    "unlearned": (dict(activation="tanh", init="glorot_normal"), 4, {"learning_rate": 1e-7}),
    "thrown about": (dict(activation="relu", init="he_normal"), 4, {"learning_rate": 3.0}),
    "adam": (
        dict(activation="relu", init="he_normal"),
        4,
        {"learning_rate": 0.002, "optimizer": "adam"},
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_the_verdict_on_a_part_is_the_verdict_on_the_whole(name, tmp_path, monkeypatch):
    model, depth, training = NETS[name]
    net = gradlab.MLP([64] + [16] * depth + [10], seed=0, replicates=2, **model)
    trained = gradlab.train(
        net,
        gradlab.datasets.digits(seed=0),
        **{"learning_rate": 0.05, "iterations": 900} | training,
    )
    write_in_groups(trained, tmp_path / "run", 50)
    whole = gradlab.diagnose(gradlab.load(tmp_path / "run"))
    monkeypatch.setattr(row_groups, "BUDGET", 9 * 50 * 2 * (depth + 1))
    run = gradlab.load(tmp_path / "run")
    part = gradlab.diagnose(run)
    if trained.iterations == 900:
        assert run.condensed().iterations < 600
        assert any("of 900 iterations" in note for note in part.remarks)
    told = [[(f.rule, f.severity, f.layers) for f in verdict.findings] for verdict in (whole, part)]
    assert told[0] == told[1]
    assert {f.rule for f in whole.every_finding} == {f.rule for f in part.every_finding}


def test_a_long_run_is_copied_file_by_file(tmp_path, short_of_memory):
    run = gradlab.load(folder_of(tmp_path / "run"))
    again = gradlab.load(run.save(tmp_path / "copy"))
    assert again.to_frame().equals(run.to_frame())
    assert again.steps.equals(run.steps)


def test_a_row_group_need_not_hold_whole_iterations(tmp_path, monkeypatch):
    folder_of(tmp_path / "run", 400)
    table = pq.read_table(tmp_path / "run" / "signals.parquet")
    pq.write_table(
        table, tmp_path / "run" / "signals.parquet", row_group_size=100
    )  # 16 iterations and 4 rows
    monkeypatch.setattr(row_groups, "BUDGET", 8 * 100)
    run = gradlab.load(tmp_path / "run")
    part = run.condensed()
    assert part is not run
    assert np.array_equal(part["grad_norm"], run["grad_norm"][part.times])
    assert series.row_of(part, int(part.times[-1])) == part.iterations - 1
    assert gradlab.diagnose(run).ok


def closed_by_gradlab(path, change, **options):
    """Close the run as a recorder does, so that the footer counts NaN and infinity."""
    run = gradlab.load(folder_of(path, change=change, **options))
    rows = GROUP * run.shape[1] * run.shape[2]
    batches = (
        pq.read_table(path / "signals.parquet").combine_chunks().to_batches(max_chunksize=rows)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "ROW_GROUP", rows)
        writer.write_parquet(path, "signals", iter(batches))
    return gradlab.load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("column", ["delta_norm", "weight_norm"])
def test_the_footer_tells_in_which_group_a_number_is_not_finite(
    column, counted, value, tmp_path, short_of_memory, monkeypatch
):
    def change(signals, steps):
        # Nobody counted it: a norm that overflowed, a loop of one's own.
        signals[column][733, 1, 2] = value

    run = closed_by_gradlab(tmp_path / "run", change, counted=counted)
    read, usual = [], row_groups.RowGroups.read
    monkeypatch.setattr(
        row_groups.RowGroups,
        "read",
        lambda self, groups, names: read.extend(groups) or usual(self, groups, names),
    )
    assert np.argwhere(run.nonfinite).tolist() == [[733, 1]]
    assert set(read) == {733 // GROUP}
    (root,) = gradlab.diagnose(run).findings
    assert (root.rule, root.iterations, root.layers) == ("GL001", (733, 733), (3,))


def test_a_count_in_the_footer_of_other_groups_than_these_is_not_believed(
    tmp_path, short_of_memory
):
    def change(signals, steps):
        signals["delta_norm"][733, 1, 2] = np.nan

    path = tmp_path / "run"
    closed_by_gradlab(path, change, counted=False)
    stored = pq.read_metadata(path / "signals.parquet").metadata[row_groups.NONFINITE.encode()]
    assert json.loads(stored) == {"groups": 50, "columns": {"delta_norm": {str(733 // GROUP): 1}}}
    table = pq.read_table(path / "signals.parquet")
    table = table.replace_schema_metadata({row_groups.NONFINITE: stored.decode()})
    pq.write_table(
        table, path / "signals.parquet", row_group_size=6 * 25
    )  # by another tool, in groups of its own
    assert np.argwhere(gradlab.load(path).nonfinite).tolist() == [[733, 1]]


@pytest.mark.parametrize(
    "footer",
    [b"{", b"[1]", b'{"groups": 50, "columns": {"delta_norm": {"999": 1}}}', b'{"groups": 50}'],
)
def test_a_footer_that_makes_no_sense_is_no_obstacle(footer, tmp_path, short_of_memory):
    def change(signals, steps):
        signals["delta_norm"][733, 1, 2] = np.nan

    path = folder_of(tmp_path / "run", change=change, counted=False) / "signals.parquet"
    table = pq.read_table(path)
    marked = table.replace_schema_metadata({row_groups.NONFINITE: footer})
    pq.write_table(marked, path, row_group_size=GROUP * 2 * 3)
    run = gradlab.load(path.parent)
    assert len(run._sampling.row_groups) == 50
    assert np.flatnonzero(run.nonfinite[:, 1]).tolist() == [733]


def test_the_way_that_weights_went_is_the_wholes_not_the_parts(tmp_path, short_of_memory):
    """GL402 asks whether weights moved: an early burst, read in full, must not count twice."""

    def change(signals, steps):
        signals["update_ratio"][:] = 1e-6
        # Adds up to 0.042 in all; as if it had gone on so, 0.1 and more.
        signals["update_ratio"][:GROUP] = 1e-3
        signals["update_ratio"][700, 0, 0] = 5e-3
        steps["loss"][:] = 2.3

    run = gradlab.load(folder_of(tmp_path / "run", change=change))
    finding = next(each for each in gradlab.diagnose(run).every_finding if each.rule == "GL402")
    assert "no layer's weights moved by more than" in finding.message
    said = float(re.search(r"more than ([\d.]+) %", finding.message)[1])
    assert said == pytest.approx(100 * run["update_ratio"].sum(axis=0).max(axis=1).mean(), rel=0.1)
