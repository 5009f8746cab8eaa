"""`gradlab.diff`: resumed, re-seeded and cross-precision runs, other lengths and other layers."""

import json

import numpy as np
import pytest

import gradlab
from gradlab.datasets import Data
from gradlab.errors import ArgumentError
from gradlab.run import row_groups
from tests.differences.test_partings import diff
from tests.helpers import make_data
from tests.rules.runs import make_run
from tests.test_long_runs import GROUP, folder_of

DATA = make_data(40)


def trained(iterations=30, *, seed=0, depth=3, dtype="float64", replicates=2, **options):
    sizes = [3, *[8] * depth, 3]
    model = gradlab.MLP(sizes, "tanh", seed=seed, dtype=dtype, replicates=replicates)
    settings = {"learning_rate": 0.1, "batch_size": 8, "iterations": iterations} | options
    return gradlab.train(model, DATA, **settings)


@pytest.fixture(scope="module")
def first():
    return trained()


def test_a_run_agrees_with_itself(first):
    found = gradlab.diff(first, first)
    assert found.same
    assert not found.worse
    assert (found.configuration, found.rules, found.offset) == ((), (), 0)
    assert "agree to rounding in all 30 iterations" in str(found)


def test_a_setting_that_differs_is_named_and_parts_them_in_the_update(first):
    found = diff(first, trained(learning_rate=0.2))
    assert [(each.name, each.values) for each in found.configuration] == [
        ("learning_rate", (0.1, 0.2))
    ]
    assert (found.parting.statistic, found.parting.iteration) == ("learning_rate", (0, 0))
    assert not found.same


def test_another_seed_starts_from_other_weights(first):
    found = diff(first, trained(seed=1))
    assert (found.parting.statistic, found.parting.layers) == ("weight_norm", (1, 1))
    assert "start from different weights" in found.parting.meaning
    assert [each.name for each in found.configuration] == ["seed"]


def test_another_order_of_the_data_parts_them_in_the_forward_pass(first):
    examples = DATA.x_train[::-1], DATA.y_train[::-1], DATA.x_test, DATA.y_test
    shuffled = Data("made", *examples)
    model = gradlab.MLP([3, 8, 8, 8, 3], "tanh", seed=0, dtype="float64", replicates=2)
    b = gradlab.train(model, shuffled, learning_rate=0.1, batch_size=8, iterations=30)
    found = diff(first, b)
    assert (found.parting.phase, found.parting.iteration) == ("forward", (0, 0))
    assert "data_fingerprint" in [each.name for each in found.environment]


def test_two_precisions_agree_until_training_has_amplified_the_rounding():
    double, single = (trained(20, dtype=dtype) for dtype in ("float64", "float32"))
    found = diff(double, single)
    assert found.same
    assert found.rounding.dtype == "float32"
    strict = diff(double, single, rounding="float64")
    assert strict.parting.iteration == (0, 0)


def test_runs_of_other_lengths_are_compared_as_far_as_both_go(first):
    found = diff(first, trained(12))
    assert found.same
    assert found.compared == (0, 12)
    assert [each.name for each in found.configuration] == ["iterations"]


def test_layers_are_matched_by_path():
    a = make_run(layers=3, described={1: {"path": "in"}, 2: {"path": "mid"}, 3: {"path": "out"}})
    described = {n: {"path": path} for n, path in enumerate(("in", "new", "mid", "out"), 1)}
    b = make_run(layers=4, described=described, weight_norm=[8, 5, 9, 8])
    found = diff(a, b)
    assert (found.parting.place, found.parting.layers) == ("mid", (2, 3))
    assert found.layers.alone == ((), ("new",))
    assert "Only made (B) has new." in str(found)


def test_a_layer_of_another_size_is_said():
    a, b = (make_run(described={2: {"fan_in": fan_in}}) for fan_in in (4, 5))
    assert ("hidden2", "fan_in", "4", "5") in diff(a, b).layers.changed


def test_runs_without_a_common_layer_are_not_the_same():
    runs = [make_run(layers=1, described={1: {"path": path, "name": path}}) for path in ("a", "b")]
    found = diff(*runs)
    assert not found.same
    assert "no layer of one path in common" in str(found)


def test_seeds_of_one_number_are_paired():
    a, b = trained(12, replicates=3), trained(12, replicates=2)
    found = diff(a, b)
    assert found.parting is None
    assert "3 and 2 seeds" in str(found)


def moving(iterations, begin=0, **columns):
    """Return a run whose weights grow by a thousandth each iteration, from iteration `begin` on."""
    time = np.arange(begin, begin + iterations)[:, None, None]
    return make_run(iterations, weight_norm=8 + 1e-3 * time, steps={"loss": 1.0}, **columns)


@pytest.mark.parametrize(("begin", "compared"), [(20, (20, 60)), (59, (59, 60)), (0, (0, 60))])
def test_a_resumed_run_is_compared_from_where_it_goes_on(begin, compared):
    found = diff(moving(60), moving(60, begin))
    assert (found.offset, found.compared, found.parting) == (begin, compared, None)
    assert found.same


def test_a_run_that_goes_on_may_be_the_first_of_the_two():
    found = diff(moving(60, 20), moving(60))
    assert (found.offset, found.compared, found.parting) == (-20, (0, 40), None)
    assert "made (A) begins with the weights that made (B) had at iteration 20" in str(found)


def test_a_resumed_run_parts_at_its_own_iteration_and_the_first_ones():
    grown = np.where(np.arange(60) < 5, 0.01, 0.02)[:, None, None]
    found = diff(moving(60), moving(60, 20, update_norm=grown))
    assert found.parting.iteration == (25, 5)
    assert "iteration 25 of the first run, 5 of the second" in str(found)


def test_a_run_that_begins_where_another_ended_has_nothing_in_common_with_it():
    model = gradlab.MLP([3, 8, 3], "tanh", seed=0, replicates=2)
    a, b = (gradlab.train(model, DATA, iterations=15, batch_size=8) for _ in range(2))
    found = diff(a, b)
    assert (found.offset, found.compared) == (15, (15, 15))
    assert not found.same
    assert "No iteration is in both records" in str(found)


def test_an_offset_can_be_given():
    assert diff(moving(60), moving(60), offset=30).parting.iteration == (30, 0)


def test_a_long_run_is_compared_whole_though_it_is_never_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(row_groups, "BUDGET", 12 * GROUP * 2 * 3)

    def change(signals, steps):
        signals["delta_norm"][1777, 1, 2] *= 2

    a, b = (
        gradlab.load(folder_of(tmp_path / name, change=how))
        for name, how in (("a", None), ("b", change))
    )
    assert 1777 not in a.condensed().times
    (found,) = diff(a, b).partings
    assert (found.statistic, found.iteration) == ("delta_norm", (1777, 1777))
    assert (found.replicate, found.layers) == (1, (3, 3))


@pytest.mark.parametrize("span", [(0, 1), (39, 41), (500, 700), (1990, 5000), (0, 2000)])
def test_a_part_between_two_iterations_holds_them(tmp_path, monkeypatch, span):
    monkeypatch.setattr(row_groups, "BUDGET", 12 * GROUP * 2 * 3)
    run = gradlab.load(folder_of(tmp_path / "run"))
    part = run.between(*span)
    asked = np.arange(span[0], min(span[1], 2000))
    rows = np.searchsorted(part.times, asked)
    assert np.array_equal(part.times[rows], asked)
    assert np.array_equal(part["grad_norm"][rows], run["grad_norm"][asked])
    assert part.iterations <= len(asked) + 3 * GROUP


def test_plain_data_holds_all_of_it_and_is_json(first):
    found = gradlab.diff(first, trained(seed=1))
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["partings"][0]["statistic"] == "weight_norm"
    assert told["configuration"] == [{"name": "seed", "values": [0, 1]}]
    assert [run["iterations"] for run in told["runs"]] == [30, 30]
    assert told["rounding"] == {"dtype": "float64", "units": 64, "relative": 64 * 2.0**-52}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rounding": "fp8"}, "rounding='fp8' is unknown"),
        ({"judge": 3}, "judge=3 must be a function"),
        ({"judge": lambda run: 3}, "a function that returns a Diagnosis"),
        ({"offset": 1.5}, "offset=1.5 must be a whole number"),
    ],
)
def test_arguments_of_another_kind_are_refused(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        gradlab.diff(make_run(), make_run(), **arguments)


def test_a_notebook_shows_the_same_words_escaped():
    a, b = make_run(name="<b>"), make_run(name="b", weight_norm=9.0)
    shown = gradlab.diff(a, b)._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "start from different weights" in shown
