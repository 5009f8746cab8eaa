"""A long run judged by an excerpt: what is planted anywhere is found, and the verdict is that of the whole run."""

import dataclasses

import numpy as np
import pytest

import gradlab.run
from gradlab import Run, diagnose, load
from gradlab.condensing import CELLS, GRID, Excerpt, excerpt
from gradlab.diagnosis import registry
from gradlab.rules import Finding, Hits, Rule
from gradlab.rules.base import WINDOW, evenly, finite_prefix, tail_of, unfinished, window_of, windows, windows_of
from tests.corpus import corpus
from tests.rules.runs import make_run

T, S, L = 3000, 2, 4
BUDGET = 500 * S * L  # cells: a sixth of the iterations
RNG = np.random.default_rng(5)


def long_run(**planted) -> Run:
    """A healthy run of 3000 iterations, its numbers slightly noisy, with columns replaced by `planted`."""
    noise = np.exp(0.05 * RNG.normal(size=(T, S, L)))
    steps = {"loss": 2.3 * np.exp(-np.arange(T) / 800)[:, None] + 0.1 * RNG.random((T, S))} | planted.pop("steps", {})
    columns = {"grad_norm": noise, "delta_norm": noise, "update_norm": 0.01 * noise, "update_ratio": 0.001 * noise}
    return make_run(T, S, L, steps=steps, **(columns | planted))


def at(place, value, base=1.0):
    array = np.full((T, S, L), base)
    array[place] = value
    return array


def told(diagnosis):
    return [
        (each.rule, each.severity, each.layers, each.iterations, each.replicates["which"], each.message)
        for each in diagnosis.every_finding
    ]


SPOT = 1777, 1, 2  # iteration, replicate, layer from 0
BURST = np.s_[1500:1600, :, 2]
GROWING = at(np.s_[2500:2508, 1, 1], 0.01 * 4.0 ** np.arange(8), base=0.01)
PLANTED = {
    "one NaN": ("GL001", {"grad_norm": at(SPOT, np.nan)}),
    "one inf": ("GL001", {"delta_norm": at(SPOT, np.inf)}),
    "one count of NaN": ("GL001", {"nonfinite_count": at(SPOT, 1.0, base=0.0)}),
    "NaN in every seed, one late": ("GL001", {"grad_norm": at(SPOT, np.nan) * at((400, 0, 3), np.nan)}),
    "a burst of large updates": ("GL304", {"update_ratio": at(BURST, 0.6, base=0.001)}),
    "exact zeros for a while": ("GL101", {"per_example_grad_norm": at(np.s_[2000:2100, 0, :2], 0.0)}),
    "steps that grow": ("GL303", {"update_norm": GROWING, "update_cosine": at(np.s_[:], 0.99)}),
    "one spike of the gradient": (
        "GL103",
        {"steps": {"grad_norm": np.where(np.arange(T) == 1234, 400.0, 1.0)[:, None]}},
    ),
    "an explosion at the start": ("GL102", {"delta_norm": at(np.s_[0, :, 0], 1e4)}),
    "activations that explode late": ("GL203", {"activation_rms": at(np.s_[2200:2400, :, 1:], 1e4)}),
    "units that die at the end": ("GL201", {"dead_fraction": at(np.s_[-60:, :, 1], 0.9, base=0.0)}),
    "alike from first to last": ("GL305", {"unit_similarity": at(np.s_[:, :, 0], 1.0, base=0.3)}),
    "a layer that stands still": ("GL302", {"update_ratio": at(np.s_[:, :, 1], 0.0, base=0.001), "weight_norm": 8.0}),
    "rounding for a while": ("GL301", {"lost_fraction": at(np.s_[700:800, :, 0], 0.95, base=0.0)}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_in_a_long_run_is_found_as_in_the_whole(name):
    code, columns = PLANTED[name]
    run = long_run(**columns)
    part, whole = diagnose(run, cells=BUDGET), diagnose(run, cells=float("inf"))
    assert code in {each.rule for each in whole.every_finding}
    assert told(part) == told(whole)
    assert part.statuses == whole.statuses


def test_one_nan_is_found_with_its_iteration_layer_and_seed():
    (root,) = diagnose(long_run(grad_norm=at(SPOT, np.nan)), cells=BUDGET).findings
    assert (root.rule, root.iterations, root.layers) == ("GL001", (1777, 1777), (3,))
    assert root.replicates == {"hit": 1, "total": 2, "which": [1]}


# A diverse dozen, three times as long as in the corpus: healthy, and sick early, late and all the time.
CASES = (
    "relu 2", "adam", "batchnorm relu 5", "sigmoid 8", "dead layer 1", "inputs in the hundreds",
    "rate 1e-9 in float32", "frozen layer 2", "adam at 0.3", "constant weights", "adam, epsilon 10",
    "a row in other units", "inputs that say nothing", "overfitted noise",
)  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_training_judged_by_an_excerpt_has_the_verdict_of_the_whole(name):
    (case,) = (each for each in corpus.load() if each.name == name)
    longer = case.training | {"iterations": 3 * case.training["iterations"]}
    run = corpus.train(dataclasses.replace(case, training=longer)).run
    cells = int(0.6 * np.prod(run.shape))
    kept = excerpt(run, cells)
    assert kept.iterations < 0.75 * run.iterations
    part, whole = diagnose(run, cells=cells), diagnose(run, cells=float("inf"))
    assert [(each.rule, each.severity) for each in part.findings] == [
        (each.rule, each.severity) for each in whole.findings
    ]
    for one, other in zip(part.findings, whole.findings, strict=True):
        assert one.layers == other.layers
        if np.isin(np.arange(other.iterations[0], other.iterations[1] + 1), kept.times).all():
            assert one.iterations == other.iterations


def test_a_short_run_is_judged_whole_and_nothing_is_said():
    run = make_run(300)
    assert excerpt(run) is run
    assert excerpt(run, float("inf")) is run
    assert diagnose(run).notes == ()
    assert CELLS == gradlab.run.WHOLE


def test_an_excerpt_keeps_the_ends_the_extremes_and_an_even_spread_within_its_budget():
    run = long_run(update_ratio=at(SPOT, 0.5, base=0.001))
    kept = excerpt(run, BUDGET)
    assert isinstance(kept, Excerpt)
    assert kept.iterations <= 1.2 * BUDGET / (S * L)
    assert {*range(100), *range(T - 100, T), *range(1727, 1827)} <= set(kept.times.tolist())
    assert np.diff(kept.times).max() < T / 2
    starts = kept.times[np.flatnonzero(np.diff(kept.times, prepend=-2) > 1)]
    assert (starts % GRID == 0).all()


def test_the_rows_of_an_excerpt_are_those_of_the_run_it_was_taken_from(tmp_path):
    run = long_run(dead_fraction=at(SPOT, 0.5, base=0.0))
    kept = excerpt(run, BUDGET)
    times = kept.times
    assert kept.whole is run
    assert kept.shape == (len(times), S, L)
    for name in ("dead_fraction", "grad_norm"):
        np.testing.assert_array_equal(kept[name], run[name][times])
        np.testing.assert_array_equal(kept.recorded(name), run.recorded(name)[times])
        np.testing.assert_array_equal(kept.at(name, [0, -1])[0], run[name][times[[0, -1]]])
    np.testing.assert_array_equal(kept.step("loss"), run.step("loss")[times])
    np.testing.assert_array_equal(kept.steps["loss"].to_numpy().reshape(-1, S), run.step("loss")[times])
    frame = kept.to_frame()
    np.testing.assert_array_equal(frame["iteration"].unique(), times)
    np.testing.assert_array_equal(frame["grad_norm"].to_numpy().reshape(kept.shape), kept["grad_norm"])
    assert kept.columns == run.columns
    assert kept.weights.equals(run.weights)
    assert load(kept.save(tmp_path / "run")).iterations == T
    with pytest.raises(AttributeError, match="frozen"):
        kept.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_windows_of_an_excerpt_are_windows_of_the_whole_run_and_reach_over_no_gap():
    run = long_run()
    kept = excerpt(run, BUDGET)
    assert windows_of(run, T) == windows(T)
    whole = {(each.start, each.stop) for each in windows(T)}
    cut = windows_of(kept, kept.iterations)
    assert len(cut) > 10
    for each in cut:
        first, last = each.iterations
        assert (first, last + 1) in whole
        assert kept.times[each.start : each.stop].tolist() == list(range(first, last + 1))
    assert cut[-1].iterations == (T - WINDOW, T - 1)
    gap = int(np.flatnonzero(np.diff(kept.times) > 1)[0]) + 1
    assert tail_of(kept, gap + 10).iterations == (kept.times[gap], kept.times[gap] + 9)
    assert window_of(kept, 0, gap + 1).iterations == (0, kept.times[gap])


def test_a_replicate_that_broke_ends_where_it_does_in_the_whole_run():
    kept = excerpt(long_run(grad_norm=at(SPOT, np.nan)), BUDGET)
    first, second = finite_prefix(kept)
    assert first == kept.iterations
    assert kept.times[second] == 1777
    assert kept.times[second - 100 : second].tolist() == list(range(1677, 1777))


def test_an_even_choice_of_rows_counts_every_part_of_the_run_alike():
    kept = excerpt(long_run(update_ratio=at(SPOT, 0.5, base=0.001)), 3 * BUDGET)
    chosen = kept.times[evenly(kept, 2000)]
    assert chosen.max() < 2000
    asked = np.linspace(0, 1999, len(chosen))
    nearest = [kept.times[np.abs(kept.times - each).argmin()] for each in asked]
    assert (np.abs(chosen - asked) <= np.abs(nearest - asked) + 1e-9)[asked < 1900].all()
    assert evenly(kept.whole, 2000) == slice(0, 2000)


@pytest.mark.parametrize("length", [1, 4, 11, 40, 300])
def test_what_is_unfinished_is_the_plain_median_of_eleven(length):
    loss = np.abs(np.random.default_rng(length).normal(0.02, 0.02, (length, 3)))
    loss[length // 2, 1], loss[length // 3, 2] = np.nan, np.inf
    run = Run.from_arrays({"grad_norm": np.ones((length, 3, 1))}, steps={"loss": loss}, config={"baseline_loss": 2.0})
    padded = np.pad(loss, ((5, 5), (0, 0)), mode="edge")
    smooth = np.array([np.median(padded[t : t + 11], axis=0) for t in range(length)])
    np.testing.assert_array_equal(unfinished(run), ~(smooth <= 0.02))


class Asked(Rule):
    """A rule of another package."""

    code, name = "XX001", "asked"

    def judge(self, run: Run) -> Finding | None:
        """Fire at the last row, wherever that is."""
        window = window_of(run, run.iterations - 1, run.iterations)
        return self.finding(Hits(np.ones((S, L), bool)), window, value=float(run.iterations), limit=0.0, message="x")


class AskedOfExcerpts(Asked):
    """The same, which asks for the times."""

    code, excerpts = "XX002", True


def test_a_rule_of_another_package_gets_the_whole_run_unless_it_asks_for_excerpts():
    run = long_run()
    one, other = diagnose(run, rules=[Asked(), AskedOfExcerpts()], cells=BUDGET).findings
    assert (one.value, one.iterations) == (T, (T - 1, T - 1))
    assert other.value < T / 2
    assert other.iterations == (T - 1, T - 1)


def test_rules_that_judge_the_steps_alone_get_the_whole_run():
    assert {code for code, rule in registry().items() if not rule.excerpts} == {
        "GL001", "GL102", "GL103", "GL401", "GL402", "GL403",
    }  # fmt: skip


def test_the_diagnosis_and_the_report_say_what_was_judged(monkeypatch):
    from gradlab.report import build

    monkeypatch.setattr(gradlab.run, "WHOLE", 1000)
    run = long_run(grad_norm=at(SPOT, np.nan))
    page = build(run, judge=lambda each: diagnose(each, cells=BUDGET))
    (note,) = (each for each in page["cells"][0]["notes"] if "is long" in each)
    kept = excerpt(run, BUDGET)
    assert f"judged {kept.iterations} of its 3000 iterations" in note
    assert run._read == {}, "a column was read whole"
    figure = page["cells"][0]["figures"]["heatmaps"]["grad_norm"]["figure"]
    assert any("iteration 1777, layer 3, seed 1" in trace.get("name", "") for trace in figure["data"])
