"""Assertions on gradients: each at its limit, on either side, and never silent."""

import re
import unittest

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError, GradlabError, RuleError, RunError
from gradlab.run import Run
from gradlab.testing import (
    GradientError,
    assert_gradient_bounds,
    assert_gradients_match,
    assert_healthy,
    assert_no_exploding,
    assert_no_vanishing,
    assert_profile,
    assert_ratio,
)
from tests.rules.runs import BASELINE, FAILED, LEARNED, make_run, wavering

NAN, INF = float("nan"), float("inf")
EMPTY = Run.from_arrays({"grad_norm": np.ones((0, 2, 3))})


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no pyproject.toml above it


def grads(*layers, iterations=4, replicates=2, **columns):
    """Return a run of one gradient a layer, the same at every iteration and replicate."""
    return make_run(
        iterations, replicates, len(layers), grad_norm=np.array(layers, float), **columns
    )


def planted(value, at, shape=(6, 3, 4)):
    """Return a run of gradients 1 with one other value at (iteration, replicate, layer from 1)."""
    g = np.ones(shape)
    g[at[0], at[1], at[2] - 1] = value
    return make_run(*shape, grad_norm=g)


def message(assertion, *args, kind: type[Exception] = GradientError, **options):
    with pytest.raises(kind) as caught:
        assertion(*args, **options)
    return str(caught.value)


def passes(assertion, *args, **options):
    """Whether an assertion holds; what cannot be judged is raised on."""
    try:
        assertion(*args, **options)
    except GradientError:
        return False
    return True


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minimum", "maximum"),
    [(0.5, None), (1.0, None), (None, 1.0), (None, 2.0), (0.5, 2.0), (1.0, 1.0)],
)
def test_values_within_or_at_their_bounds_pass(minimum, maximum):
    assert passes(assert_gradient_bounds, grads(1, 1, 1), minimum=minimum, maximum=maximum)


@pytest.mark.parametrize(
    ("bound", "value", "expected"),
    [
        ("minimum", 0.1, True),
        ("minimum", np.nextafter(0.1, 1), True),
        ("minimum", np.nextafter(0.1, 0), False),
        ("maximum", 0.1, True),
        ("maximum", np.nextafter(0.1, 0), True),
        ("maximum", np.nextafter(0.1, 1), False),
    ],
)
def test_a_bound_is_kept_to_the_last_bit(bound, value, expected):
    assert passes(assert_gradient_bounds, grads(value, value), **{bound: 0.1}) == expected


@pytest.mark.parametrize(
    ("bound", "value"), [("minimum", np.nextafter(0.1, 0)), ("maximum", np.nextafter(0.1, 1))]
)
def test_a_value_beside_its_bound_is_written_so_that_they_differ(bound, value):
    said = message(assert_gradient_bounds, grads(value, value), **{bound: 0.1})
    assert repr(float(value)) in said  # not "0.1 is below the minimum 0.1"


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(
    "options", [{"minimum": 0.1}, {"maximum": 10}, {"minimum": 0.1, "quantile": 0.01}]
)
def test_what_is_not_finite_never_passes(value, options):
    said = message(assert_gradient_bounds, planted(value, (4, 2, 3)), **options)
    assert "of layer 3 (hidden3) is " in said
    assert "at iteration 4, replicate 2, which is not finite" in said


def test_the_message_names_the_worst_place_the_bound_the_cause_and_what_to_try():
    g, p = np.ones((6, 3, 4)), np.ones((6, 3, 4))
    g[:, :, 0] = 1e-3
    p[:, :, :2] = 0.005, 0.07
    g[2, 1, 1], g[3, 0, 0] = 1e-3, 1e-7
    run = make_run(6, 3, 4, grad_norm=g, per_example_grad_norm=p, steps={"loss": BASELINE})
    said = message(assert_gradient_bounds, run, minimum=0.01)
    first, *rest = said.splitlines()
    assert first == (
        "run 'made': grad_norm of layer 1 (hidden1) is 1.0e-7 at iteration 3, replicate 0, below "
        "the minimum 0.01; "
        "2 of 4 layers are outside."
    )
    rows = [line for line in rest if re.match(r"[> ]  +\d ", line)]
    assert len(rows) == 4
    assert rows[0].startswith(">   1 hidden1")
    assert [row.endswith("below") for row in rows] == [True, True, False, False]
    assert rows[0].count("#") < rows[1].count("#") < rows[2].count("#")
    assert all("|" in row for row in rows)
    assert any(line.startswith("  why: GL101 vanishing-gradient") for line in rest)
    assert any("the signal is multiplied by" in line for line in rest)
    assert any(line.startswith("  try: ") for line in rest)
    assert max(map(len, rest)) <= 96


def test_the_worse_of_two_bounds_is_named_and_a_healthy_run_is_said_to_be_healthy():
    said = message(assert_gradient_bounds, grads(0.01, 1, 1e6), minimum=0.1, maximum=10)
    assert (
        "layer 3 (output) is 1.0e6 at iteration 0, replicate 0, above the maximum 10; 2 of 3"
        in said
    )
    assert "below" in said
    assert "the assertion asks for more than" in said


def test_a_deep_net_has_a_short_table():
    said = message(assert_gradient_bounds, grads(*np.geomspace(1e-12, 1, 60)), minimum=1e-3)
    assert len(said.splitlines()) < 22
    assert re.search(r"\.\.\. 53 more, \d+ of them wrong", said)


def test_zero_is_below_every_positive_minimum_and_statistics_may_be_negative():
    assert "is 0 at" in message(assert_gradient_bounds, grads(0, 1), minimum=1e-300)
    assert_gradient_bounds(grads(0, 1), minimum=0)
    run = make_run(log_gain_weight=-2.0)
    assert_gradient_bounds(run, minimum=-2, maximum=-2, statistic="log_gain_weight")
    assert "is -2 at" in message(
        assert_gradient_bounds, run, minimum=-1.5, statistic="log_gain_weight"
    )


def outside_in(values):
    """Return a run of twenty values a layer, some of which are small in layer 2."""
    g = np.ones((10, 2, 2))
    g.reshape(20, 2)[:values, 1] = 1e-6
    return make_run(10, 2, 2, grad_norm=g)


@pytest.mark.parametrize(("outside", "expected"), [(1, True), (2, True), (3, False)])
def test_a_quantile_spares_that_share_of_a_layers_values(outside, expected):
    found = passes(assert_gradient_bounds, outside_in(outside), minimum=0.1, quantile=0.9)
    assert found == expected


def test_a_quantile_that_is_not_enough_is_named():
    said = message(assert_gradient_bounds, outside_in(3), minimum=0.1, quantile=0.9)
    assert "as more than 10 % of its values are" in said


@pytest.mark.parametrize(
    ("layers", "sees"),
    [
        (None, True),
        ("hidden*", True),
        ("hidden2", True),
        ("hidden[13]", False),
        ("output", False),
        (2, True),
        ([1, 3], False),
        ([1, "hidden2"], True),
        (re.compile("2$"), True),
        (r"hidden\d", True),
        ("hidden(1|3)", False),
    ],
)
def test_layers_are_chosen_by_pattern_regular_expression_or_number(layers, sees):
    run = planted(1e-6, (0, 0, 2))
    assert passes(assert_gradient_bounds, run, minimum=0.1, layers=layers) != sees


def with_bias(value):
    """Return a run of two layers, and of a bias behind them with a gradient of its own."""
    layers = [{"name": "hidden1"}, {"name": "output"}, {"name": "hidden1.bias", "kind": "vector"}]
    return Run.from_arrays({"grad_norm": np.ones((4, 1, 3)) * [1.0, 1.0, value]}, layers=layers)


@pytest.mark.parametrize("layers", [None, "hidden*", [1, 2], re.compile("hidden")])
def test_vectors_are_not_among_the_layers(layers):
    assert_gradient_bounds(with_bias(1e-6), minimum=0.1, layers=layers)


@pytest.mark.parametrize("layers", ["*.bias", 3, re.compile("bias$")])
def test_vectors_may_be_asked_for(layers):
    said = message(assert_gradient_bounds, with_bias(1e-6), minimum=0.1, layers=layers)
    assert "layer 3 (hidden1.bias)" in said


def test_a_profile_is_of_the_layers(tmp_path):
    path = tmp_path / "p.toml"
    assert_profile(with_bias(1e-6), path, update=True)
    assert_profile(with_bias(1.0), path)


@pytest.mark.parametrize(
    ("iterations", "sees"),
    [
        (None, True),
        (slice(3, None), True),
        (slice(4, None), False),
        (slice(0, 3), False),
        (3, True),
        ([0, 5], False),
        (range(2, 4), True),
        (slice(-3, None), True),
    ],
)
def test_iterations_are_chosen_by_slice_or_number(iterations, sees):
    run = planted(1e-6, (3, 1, 2))
    assert passes(assert_gradient_bounds, run, minimum=0.1, iterations=iterations) != sees


@pytest.mark.parametrize("iterations", [None, slice(3, None), 3, range(2, 4), slice(-3, None)])
def test_an_iteration_is_named_by_its_own_number(iterations):
    run = planted(1e-6, (3, 1, 2))
    said = message(assert_gradient_bounds, run, minimum=0.1, iterations=iterations)
    assert "at iteration 3, replicate 1" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "neither minimum nor maximum is given"),
        ({"minimum": NAN}, "minimum=nan must be a finite number"),
        ({"maximum": NAN}, "maximum=nan must be a finite number"),
        ({"maximum": INF}, "maximum=inf must be a finite number"),
        ({"minimum": "1"}, "minimum='1' must be a finite number"),
        ({"minimum": True}, "minimum=True must be a finite number"),
        ({"minimum": 2, "maximum": 1}, "minimum=2 is above maximum=1"),
        (
            {"minimum": 0, "layers": "conv*"},
            "layers='conv*' fits no layer; give numbers from 1 to 3",
        ),
        ({"minimum": 0, "layers": re.compile("conv")}, "layers='conv' fits no layer"),
        ({"minimum": 0, "layers": "hidden(*"}, "is no regular expression"),
        ({"minimum": 0, "layers": 0}, "layers=0 is no layer of this run; give numbers from 1 to 3"),
        ({"minimum": 0, "layers": 4}, "layers=4 is no layer of this run"),
        ({"minimum": 0, "layers": []}, "names no layer"),
        ({"minimum": 0, "layers": 1.5}, "layers=1.5 must be a pattern, a number"),
        ({"minimum": 0, "iterations": slice(4, None)}, "chooses none of the run's 4 iterations"),
        ({"minimum": 0, "iterations": []}, "chooses none"),
        (
            {"minimum": 0, "iterations": [4]},
            "iterations=4 is not in this run; give numbers from 0 to 3",
        ),
        ({"minimum": 0, "statistic": "grads"}, "a run has no statistic 'grads'"),
        ({"minimum": 0, "statistic": "second_moment_rms"}, "was not recorded in any layer"),
        ({"minimum": 0, "quantile": 0}, "quantile=0 must be a finite number above 0, at most 1"),
        ({"minimum": 0, "quantile": 1.01}, "quantile=1.01 must be"),
        ({"minimum": 0, "quantile": NAN}, "quantile=nan must be"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence_and_never_a_pass(options, said):
    got = message(assert_gradient_bounds, grads(1, 1, 1), kind=ArgumentError, **options)
    assert said in got
    assert "\n" not in got


def test_a_layer_asked_for_by_name_that_holds_nothing_is_no_pass():
    recorded = np.ones((4, 2, 3), bool)
    recorded[:, :, 2] = False
    run = Run.from_arrays({"slope_rms": np.ones((4, 2, 3))}, recorded={"slope_rms": recorded})
    assert_gradient_bounds(run, minimum=0.5, statistic="slope_rms")
    said = message(
        assert_gradient_bounds,
        run,
        kind=ArgumentError,
        minimum=0.5,
        statistic="slope_rms",
        layers=[1, 3],
    )
    assert "was not recorded in layer 3" in said


@pytest.mark.parametrize(
    ("assertion", "options"),
    [
        (assert_healthy, {}),
        (assert_no_vanishing, {}),
        (assert_no_exploding, {}),
        (assert_gradient_bounds, {"minimum": 0}),
        (assert_ratio, {"first_to_last": 0}),
        (assert_profile, {"path": "x.toml", "update": True}),
    ],
)
def test_a_run_without_iterations_passes_nothing(assertion, options):
    assert "holds no iteration" in message(assertion, EMPTY, **options)


def test_what_is_no_run_is_told_what_is():
    assert "give a Run, the path" in message(assert_healthy, 3, kind=ArgumentError)
    assert "no/such" in message(assert_healthy, "no/such", kind=RunError)


def test_paths_and_live_recorders_are_runs(tmp_path):
    path = planted(1e-6, (1, 1, 1)).save(tmp_path / "run")
    for subject in (path, str(path)):
        message(assert_gradient_bounds, subject, minimum=0.1)
    recorder = gradlab.Recorder([{"fan_in": 2, "fan_out": 2}])
    weights = [np.ones((2, 2))]

    def record(gradient):
        gradients = [np.full((2, 2), gradient)]
        recorder.record(
            loss=1.0, learning_rate=0.1, weights=weights, weights_after=weights, gradients=gradients
        )

    for count in (1, 32, 36):  # beyond a block: some rows are on disk, some in memory
        for _ in range(count):
            record(0.5)
        assert_gradient_bounds(recorder, minimum=1, maximum=1)
    record(NAN)
    assert "is NaN at iteration 69, replicate 0" in message(
        assert_gradient_bounds, recorder, minimum=1
    )
    run = recorder.close()
    assert run.iterations == 70
    assert "is NaN at iteration 69" in message(assert_gradient_bounds, run, minimum=1)


def test_a_snapshot_equals_the_run_it_becomes():
    recorder = gradlab.Recorder([{"fan_in": 2, "fan_out": 3}, {"fan_in": 3, "fan_out": 2}])
    rng = np.random.default_rng(0)
    for _ in range(5):
        w = [rng.normal(size=(2, 3)), rng.normal(size=(3, 2))]
        recorder.record(loss=1.0, learning_rate=0.1, weights=w, weights_after=w, gradients=w)
    before = recorder.snapshot()
    after = recorder.close()
    assert before.iterations == after.iterations == 5
    np.testing.assert_array_equal(before["grad_norm"], after["grad_norm"])
    np.testing.assert_array_equal(before.recorded("grad_max"), after.recorded("grad_max"))
    assert recorder.snapshot() is after


# -- ratio -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (0.25, True),
        (0.2501, False),
        (0.2499, True),
        ((None, 0.25), True),
        ((None, 0.2499), False),
        ((0.25, 0.25), True),
        ((0.1, 0.2), False),
        ((0.3, 0.4), False),
        ((None, 0.2501), True),
    ],
)
def test_a_ratio_at_its_limit_and_on_either_side(allowed, expected):
    assert passes(assert_ratio, grads(0.5, 7, 2), first_to_last=allowed) == expected


def test_a_ratio_names_both_layers():
    said = message(assert_ratio, grads(0.5, 7, 2), first_to_last=0.3)
    assert (
        "grad_norm of layer 1 (hidden1) is 0.25 times that of layer 3 (output) at iteration 0"
        in said
    )


def test_a_ratio_names_the_worst_iteration_and_replicate_and_may_be_of_other_layers():
    run = planted(1e-4, (4, 1, 1))
    assert "is 1.0e-4 times that of layer 4 (output) at iteration 4, replicate 1" in message(
        assert_ratio, run, 0.1
    )
    assert_ratio(run, 0.1, layers=[2, 3, 4])
    assert_ratio(run, 0.1, quantile=0.9)
    assert_ratio(run, 0.1, statistic="delta_norm")


@pytest.mark.parametrize(("first", "last"), [(0.0, 0.0), (1.0, 0.0), (NAN, 1.0), (INF, INF)])
def test_a_ratio_that_is_no_number_fails(first, last):
    assert "which is not finite" in message(assert_ratio, grads(first, 1, last), first_to_last=0.0)


@pytest.mark.parametrize(
    ("run", "allowed", "said"),
    [
        (grads(1, 1), NAN, "first_to_last's least=nan must be a finite number"),
        (grads(1, 1), (2, 1), "is above"),
        (grads(1, 1), (None, None), "neither"),
        (grads(1, 1), (1, 2, 3), "must be one number, the least, or a pair"),
        (grads(1), 0.1, "a ratio needs two layers"),
    ],
)
def test_a_ratio_that_cannot_be_judged_is_one_sentence(run, allowed, said):
    assert said in message(assert_ratio, run, kind=ArgumentError, first_to_last=allowed)


# -- health ----------------------------------------------------------------------------------------


def vanishing(share, level=BASELINE):
    """Return a run whose first layer has that share of the gradient (GL101: below 0.01).

    It learns nothing, which makes a finding an error; at a level of 1 it does, a little.
    """
    p = np.array([share, 0.07, 1.0, 1.0])
    return make_run(60, 4, steps={"loss": wavering(level, 60, 4)}, per_example_grad_norm=p)


def growing(factor, steps=LEARNED):
    """Return a run whose signal at iteration 0 grows by `factor` (GL102: above 100)."""
    return make_run(delta_norm=np.array([factor, 1, 1, 1.0]), steps=steps)


def test_a_healthy_run_passes_everything():
    for assertion in (assert_healthy, assert_no_vanishing, assert_no_exploding):
        assertion(make_run())
        assertion(make_run(), strict=True)


@pytest.mark.parametrize("assertion", [assert_healthy, assert_no_vanishing])
@pytest.mark.parametrize(
    ("share", "level", "fails", "fails_strictly"),
    [
        (0.0099, BASELINE, True, True),
        (0.0099, 1.0, False, True),
        (0.0101, 1.0, False, False),
    ],
)
def test_vanishing_at_the_limits_of_its_rule(assertion, share, level, fails, fails_strictly):
    run = vanishing(share, level)
    assert passes(assertion, run) != fails
    assert passes(assertion, run, strict=True) != fails_strictly
    assert passes(assert_no_exploding, run)


@pytest.mark.parametrize("assertion", [assert_healthy, assert_no_vanishing])
def test_a_vanishing_gradient_is_told_with_its_place_and_what_to_try(assertion):
    said = message(assertion, vanishing(0.0099))
    assert "GL101 vanishing-gradient" in said
    assert "worst in layer 1 (hidden1) at iteration " in said
    assert "against limit 0.01" in said
    assert "  try: " in said


@pytest.mark.parametrize("assertion", [assert_healthy, assert_no_exploding])
@pytest.mark.parametrize(("factor", "fails"), [(99.9, False), (100.0, False), (100.1, True)])
def test_exploding_at_the_limit_of_its_rule(assertion, factor, fails):
    assert passes(assertion, growing(factor), strict=True) != fails
    assert passes(assert_no_vanishing, growing(factor))


@pytest.mark.parametrize("assertion", [assert_healthy, assert_no_exploding])
def test_an_exploding_gradient_is_told_with_its_place(assertion):
    said = message(assertion, growing(1e4, FAILED))
    place = "worst in layer 1 (hidden1) at iteration 0, replicate 0"
    assert f"GL102 exploding-gradient (error), {place}" in said


@pytest.mark.parametrize("assertion", [assert_healthy, assert_no_vanishing, assert_no_exploding])
def test_nan_passes_no_assertion_on_health(assertion):
    said = message(assertion, planted(NAN, (3, 1, 2)))
    assert "GL001 non-finite" in said


def test_nan_is_found_where_no_rule_asked_names_it():
    said = message(assert_healthy, planted(NAN, (3, 1, 2)), select=["GL203"])
    assert "NaN or infinity from iteration 3, replicate 1" in said


def test_a_prefix_is_judged_by_those_of_its_rules_that_can_be():
    assert_healthy(make_run(), select=["GL3"])  # GL301 and others lack their columns
    run = Run.from_arrays({"grad_norm": np.ones((5, 1, 3))}, layers=[{"activation": "tanh"}] * 3)
    said = message(assert_healthy, run, select=["GL0", "GL2"])
    assert "cannot be judged by GL201" in said


@pytest.mark.parametrize("assertion", [assert_no_vanishing, assert_no_exploding])
def test_a_run_that_lacks_what_the_rule_needs_is_no_pass(assertion):
    run = Run.from_arrays({"grad_norm": np.ones((5, 1, 3))})
    said = message(assertion, run)
    assert "cannot be judged by GL10" in said
    assert "needs " in said
    message(assert_healthy, run, select=["GL101", "GL001"])


def test_rules_are_selected_and_ignored():
    run = vanishing(0.005)
    assert_healthy(run, select=["GL102", "gl203"])
    assert_healthy(run, select="GL102,GL203")
    assert_healthy(run, select=["GL0", "GL2"])
    assert_healthy(run, ignore=["GL1", "GL4"])
    message(assert_healthy, run, select="GL1")
    assert_healthy(run, ignore=["GL101", "GL402"])
    message(assert_healthy, run, ignore=["GL102"])
    assert "'GL999' is unknown" in message(assert_healthy, run, kind=RuleError, select=["GL999"])
    assert "leaves nothing" in message(assert_healthy, run, kind=ArgumentError, select=[])
    assert "no rule" in message(
        assert_healthy, run, kind=ArgumentError, select=["GL101"], ignore=["GL101"]
    )


def test_a_crashed_rule_fails_and_says_how(monkeypatch):
    from gradlab import diagnosis

    monkeypatch.setattr(type(diagnosis.registry()["GL203"]), "judge", lambda self, run: 1 / 0)
    said = message(assert_healthy, make_run())
    assert "GL203 crashed: ZeroDivisionError" in re.sub(r"\s+", " ", said)


def test_the_projects_settings_hold(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.gradlab.limits.GL101]\nshare = 0.0001\nalarm = 0.0001\n"
    )
    run = vanishing(0.005)
    assert_no_vanishing(run)
    assert_healthy(run, ignore=["GL402"])
    (tmp_path / "sub").mkdir()
    assert_healthy(run, ignore=["GL402"], folder=tmp_path / "sub")


class InUnittest(unittest.TestCase):
    """The functions raise what unittest calls a failure."""

    def test_a_failure_is_an_assertion_error(self):
        with self.assertRaises(self.failureException):  # noqa: PT027
            assert_healthy(growing(1e5, FAILED))


# -- profile ---------------------------------------------------------------------------------------


def test_a_profile_at_its_limit_and_on_either_side(tmp_path):
    path = tmp_path / "deep" / "p.toml"
    assert "there is no profile" in message(assert_profile, grads(1, 1, 1), path)
    assert_profile(grads(1, 1, 1), path, update=True)
    for factor in (10**0.5, 10**-0.5, 1.0):
        assert_profile(grads(1, factor, 1), path, decades=0.5)
    for factor, moved in ((10**0.502, "+0.502"), (10**-0.502, "-0.502")):
        said = message(assert_profile, grads(1, factor, 1), path, decades=0.5, command="make it so")
        assert (
            f"the gradient of layer 2 (hidden2) moved by {moved} decades, from 1 in p.toml" in said
        )
        assert "1 of 3 layers moved" in said
        assert said.endswith("if that is meant, rewrite the profile by: make it so")
        assert_profile(grads(1, factor, 1), path, decades=0.503)


def test_a_profile_is_the_median_over_iterations_and_replicates_in_a_small_text_file(tmp_path):
    g = np.ones((5, 1, 2)) * np.array([1e-3, 1e-5, 1e-4, 1e-1, 1e-6])[:, None, None]
    path = tmp_path / "p.toml"
    assert_profile(make_run(5, 1, 2, grad_norm=g), path, update=True)
    text = path.read_text()
    assert text.splitlines()[-2:] == ['"hidden1" = -4.000', '"output"  = -4.000']
    assert len(text) < 250


def test_a_gradient_of_zero_is_stored_and_a_layer_that_dies_or_wakes_has_moved(tmp_path):
    path = tmp_path / "p.toml"
    assert_profile(grads(0, 1), path, update=True)
    assert_profile(grads(0, 1), path)
    assert "moved by +inf decades, from 0 in" in message(
        assert_profile, grads(1e-9, 1), path, decades=5
    )
    assert_profile(grads(1, 1), path, update=True)
    assert "moved by -inf decades" in message(assert_profile, grads(0, 1), path, decades=5)


def test_other_layers_are_named(tmp_path):
    path = tmp_path / "p.toml"
    assert_profile(grads(1, 1, 1), path, update=True)
    assert "hidden3 new" in message(assert_profile, grads(1, 1, 1, 1), path)
    assert "hidden2 gone" in message(assert_profile, grads(1, 1), path)
    assert "is of grad_norm, not of delta_norm" in message(
        assert_profile, grads(1, 1, 1), path, statistic="delta_norm"
    )


def test_layers_of_strange_and_equal_names_are_kept_apart(tmp_path):
    path = tmp_path / "p.toml"
    layers = [{"name": name} for name in ('a "b" = \\', "x", "x", "ü\n\x1b\x7f")]
    run = Run.from_arrays({"grad_norm": np.ones((2, 1, 4))}, layers=layers)
    assert_profile(run, path, update=True)
    assert '"x 2"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_broken_run_makes_no_profile(tmp_path, value):
    path = tmp_path / "p.toml"
    assert "holds " in message(assert_profile, planted(value, (5, 0, 2)), path, update=True)
    assert not path.exists()


@pytest.mark.parametrize("decades", [NAN, INF, 0, -1, "1"])
def test_decades_must_be_a_number_above_0(tmp_path, decades):
    message(
        assert_profile,
        grads(1, 1),
        tmp_path / "p.toml",
        kind=ArgumentError,
        decades=decades,
        update=True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x =",
        "schema = 2\n[layers]\na = 1.0",
        "schema = 1\n[layers]\na = nan",
        "schema = 1\n[layers]\n",
    ],
)
def test_a_damaged_profile_is_one_sentence(tmp_path, text):
    path = tmp_path / "p.toml"
    path.write_text(text)
    assert "make it anew" in message(assert_profile, grads(1, 1), path, kind=RunError)


# -- finite differences ----------------------------------------------------------------------------


def quadratic(scale=1.0):
    """Return x -> (sum of x^2, scale times its gradient)."""
    return lambda x: ((x**2).sum(), scale * 2 * x)


X = np.array([[1.0, -2.0], [0.5, 3.0]])


@pytest.mark.parametrize(
    ("off", "expected"),
    [(0.0, True), (0.9e-3, True), (-0.9e-3, True), (1.1e-3, False), (-1.1e-3, False)],
)
def test_a_gradient_at_its_tolerance_and_on_either_side(off, expected):
    assert passes(assert_gradients_match, quadratic(1 + off), X, tolerance=1e-3) == expected


def test_the_tolerance_is_named():
    said = message(assert_gradients_match, quadratic(1.0011), X, tolerance=1e-3)
    assert "more than the tolerance 0.001" in said


@pytest.mark.parametrize(
    ("scale", "hint"),
    [
        (-1, "turn its sign"),
        (4, "divide it by 4"),
        (1 / 8, "multiply it by 8"),
        (1.3, None),
        (0, None),
    ],
)
def test_a_wrong_gradient_is_shown_with_the_mistake_where_it_gives_itself_away(scale, hint):
    said = message(assert_gradients_match, quadratic(scale), X)
    assert "4 of 4 entries are wrong" in said
    assert (hint in said) if hint else ("  try: " not in said)


def test_one_wrong_entry_is_named():
    def function(x):
        g = 2 * x
        g[1, 0] += 0.01
        return (x**2).sum(), g

    said = message(assert_gradients_match, function, {"W": X})
    assert said.startswith(
        "the gradient of W[1, 0] is 1.01, but differences of the function give 1:"
    )
    assert "1 of 4 entries are wrong" in said


def test_the_function_takes_its_parameters_one_by_one_together_or_not_at_all():
    a, b = np.array([1.0, 2.0]), np.array(3.0)
    kept = a.copy()

    def value(a, b):
        return (a**2).sum() * b, [2 * a * b, (a**2).sum()]

    assert_gradients_match(value, [a, b])
    assert_gradients_match(lambda *given: value(*given), (a, b))
    assert_gradients_match(lambda given: value(*given), [a, b])
    assert_gradients_match(lambda given: value(given["a"], given["b"]), {"a": a, "b": b})
    assert_gradients_match(lambda: value(a, b), [a, b])
    np.testing.assert_array_equal(a, kept)
    assert "neither 2 arguments" in message(
        assert_gradients_match, lambda a, b, c: value(a, b), [a, b], kind=ArgumentError
    )


def test_a_kink_may_have_any_slope_between_its_sides_and_no_other():
    x = np.array([0.0, 1.0, -1.0])

    def relu(at_zero):
        return lambda x: (
            np.maximum(x, 0).sum(),
            np.where(x > 0, 1.0, np.where(x < 0, 0.0, at_zero)),
        )

    for slope in (0.0, 0.5, 1.0):
        assert_gradients_match(relu(slope), x)
    for slope in (-0.01, 1.01):
        message(assert_gradients_match, relu(slope), x)


def test_float32_is_checked_with_its_own_tolerance():
    x = X.astype(np.float32)
    assert_gradients_match(quadratic(), x)
    message(assert_gradients_match, quadratic(1.05), x)


def test_of_a_large_parameter_a_sample_is_checked_and_the_message_says_so():
    x = np.ones(5000)
    assert_gradients_match(quadratic(), x, entries=50)
    assert "(50 of its 5000 entries checked)" in message(
        assert_gradients_match, quadratic(2), x, entries=50
    )
    calls = []
    assert_gradients_match(lambda x: (calls.append(1), quadratic()(x))[1], x, entries=10)
    assert len(calls) == 22  # the value twice, then both sides of ten entries


def test_the_built_in_engines_gradients_match():
    from tests.helpers import plain_pass

    rng = np.random.default_rng(0)
    weights, biases = [rng.normal(size=(3, 4)), rng.normal(size=(4, 3))], [np.zeros(4), np.zeros(3)]
    x, y = rng.normal(size=(5, 3)), np.array([0, 1, 2, 1, 0])

    def function(*parameters):
        done = plain_pass(list(parameters[:2]), list(parameters[2:]), x, y, "tanh", "cross_entropy")
        return done.loss, [*done.weight_gradient, *done.bias_gradient]

    assert_gradients_match(function, [*weights, *biases])


@pytest.mark.parametrize(
    ("function", "parameters", "kind", "said"),
    [
        (quadratic(), [], ArgumentError, "parameters is empty"),
        (
            quadratic(),
            np.array([1, 2]),
            ArgumentError,
            "holds 2 numbers of int64; give a floating-point array",
        ),
        (quadratic(), np.array([]), ArgumentError, "not empty"),
        (quadratic(), [1.0], ArgumentError, "parameter 1 is float"),
        (lambda x: (x**2).sum(), X, ArgumentError, "returns a value alone"),
        (lambda x: (x**2, 2 * x), X, ArgumentError, "value has shape (2, 2)"),
        (lambda x: (1.0, 2.0, 3.0), X, ArgumentError, "returns 3 things"),
        (lambda x: (1.0, [x, x]), X, ArgumentError, "returns 2 gradients for 1 parameters"),
        (lambda x: (1.0, [None]), X, GradientError, "gets no gradient"),
        (
            lambda x: ((x**2).sum(), [2 * x[0]]),
            X,
            GradientError,
            "has shape (2,), but the parameter has (2, 2)",
        ),
        (lambda x: ((x**2).sum() * NAN, 2 * x), X, GradientError, "the function gives NaN"),
        (lambda x: ((x**2).sum(), 2 * x * NAN), X, GradientError, "is NaN, but differences"),
        (
            lambda x: (np.random.default_rng().normal(), x),
            X,
            ArgumentError,
            "fix what is random in it",
        ),
    ],
)
def test_a_function_that_cannot_be_checked_is_no_pass(function, parameters, kind, said):
    assert said in message(assert_gradients_match, function, parameters, kind=kind)


@pytest.mark.parametrize(
    "options", [{"tolerance": 0}, {"tolerance": NAN}, {"step": -1}, {"entries": 0}]
)
def test_options_of_the_check_are_checked(options):
    message(assert_gradients_match, quadratic(), X, kind=ArgumentError, **options)


def test_torch_modules_and_custom_backward_passes():
    torch = pytest.importorskip("torch")

    class Cube(torch.autograd.Function):
        factor = 3

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * Cube.factor * x**2

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)
    ).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    before = [p.detach().clone() for p in net.parameters()]
    assert_gradients_match(lambda: Cube.apply(net(x)).mean(), net.named_parameters())
    assert_gradients_match(lambda w: Cube.apply(w).sum(), torch.randn(4, dtype=torch.float64))
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    Cube.factor = 2
    said = message(
        assert_gradients_match, lambda: Cube.apply(net(x)).mean(), net.named_parameters()
    )
    assert re.match(r"the gradient of [02]\.(weight|bias)\[", said)
    assert "off by 0.333 of its size" in said
    assert "gets no gradient" in message(
        assert_gradients_match, lambda a, b: (a**2).sum(), [x[0].clone(), x[1].clone()]
    )
    assert "a detach" in message(assert_gradients_match, lambda a: (a.detach() ** 2).sum(), x)
    with pytest.raises(GradlabError, match="too coarse"):
        assert_gradients_match(lambda a: (a**2).sum(), x.half())
