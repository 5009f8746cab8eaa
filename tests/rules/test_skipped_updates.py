"""GL307 skipped-updates."""

import numpy as np
import pytest

from gradlab.run import Run
from tests.rules.runs import FAILED, LEARNED, SLOW, actions, fires, found, make_run, severity


def skipping(late, first=0, steps=SLOW, iterations=60):
    """A run with `first` steps skipped before its first one, and `late` later, all in one place."""
    skipped = np.zeros((iterations, 1))
    skipped[0] = first
    skipped[iterations // 2] = late
    return make_run(iterations, 1, steps=one_seed(steps) | {"skipped_steps": skipped})


def one_seed(steps):
    return {"loss": steps["loss"][:, :1]}


@pytest.mark.parametrize(
    ("late", "expected"),
    [(0, False), (6, False), (7, True), (58, True)],  # 6 of 66 are 9.1 %, 7 of 67 are 10.4 %
)
def test_the_limit_of_the_share_that_was_skipped(late, expected):
    assert fires(skipping(late), "GL307") == expected


@pytest.mark.parametrize(("late", "expected"), [(4, False), (5, True)])
def test_a_few_skipped_steps_are_the_scalers_own_search(late, expected):
    skipped = np.zeros((20, 1))
    skipped[10] = late
    run = make_run(20, 1, steps={"skipped_steps": skipped, "loss": 1.0})
    assert fires(run, "GL307") == expected


@pytest.mark.parametrize(("count", "expected"), [(94, False), (95, True)])
def test_of_a_record_with_one_step_those_skipped_after_it_count(count, expected):
    """The scaler had found its scale, and then every gradient was NaN."""
    steps = {"skipped_steps": np.full((1, 1), 90.0), "loss": 1.0}
    run = make_run(1, 1, steps=steps, provenance={"skipped_steps": {"count": count}})
    assert fires(run, "GL307") == expected


def test_steps_before_the_first_one_do_not_count():
    assert not fires(skipping(0, first=100), "GL307")
    assert found(skipping(20, first=100), "GL307").value == pytest.approx(20 / 80)


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, "warning"), (SLOW, "warning"), (FAILED, "error")]
)
def test_it_is_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(skipping(30, steps=steps), "GL307") == expected


def test_the_provenance_tells_where_the_column_is_missing():
    noted = {"skipped_steps": {"count": 22, "before_iterations": [0, 0, *[30] * 20]}}
    finding = found(make_run(provenance=noted), "GL307")
    assert finding.value == pytest.approx(20 / 80)
    assert actions(finding)[0] == "use bfloat16"


def test_a_run_that_skipped_nothing_passes():
    assert not fires(make_run(), "GL307")


def nothing_done(skipped, **details):
    """A record without a single iteration, of a loop that skipped so many steps."""
    noted = {"skipped_steps": {"count": skipped, "before_iterations": []} | details}
    return Run.from_arrays({"grad_norm": np.ones((0, 1, 3))}, provenance=noted)


@pytest.mark.parametrize(("skipped", "expected"), [(4, ""), (5, "error"), (199, "error")])
def test_a_run_in_which_no_step_took_place_is_judged_by_its_skipped_steps(skipped, expected):
    assert severity(nothing_done(skipped), "GL307") == expected


def test_where_no_step_took_place_the_guard_is_looked_at_first():
    finding = found(nothing_done(199), "GL307")
    assert finding.value == 1.0
    assert finding.iterations == (0, 0)
    assert actions(finding)[0] == "loosen guard"


def test_where_the_loop_took_no_step_another_optimizer_may_have():
    finding = found(nothing_done(9, thrown_away=9), "GL307")
    assert "The optimizer took no step: 9 times its gradients were thrown away" in finding.message
    assert actions(finding) == ["loosen guard", "step optimizer"]


def guarded(counts):
    """A run before whose updates so many steps were thrown away by the loop itself."""
    counts = np.asarray(counts, float)
    noted = {"skipped_steps": {"count": int(counts.sum()), "thrown_away": int(counts.sum())}}
    steps = {"skipped_steps": counts[:, None].repeat(2, axis=1)}
    return make_run(steps=FAILED | steps, provenance=noted)


def test_where_the_loop_throws_gradients_away_its_condition_is_looked_at():
    counts = np.arange(60) % 7
    assert actions(found(guarded(counts), "GL307")) == ["loosen guard"]


@pytest.mark.parametrize("every", [1, 2])
def test_as_many_before_every_step_is_the_loops_own_way(every):
    assert not fires(guarded(np.full(60, every)), "GL307")


def test_steps_thrown_away_behind_the_last_one_count():
    noted = {"skipped_steps": {"count": 90, "thrown_away": 90}}
    steps = FAILED | {"skipped_steps": np.zeros((60, 2))}
    finding = found(make_run(60, steps=steps, provenance=noted), "GL307")
    assert finding.value == pytest.approx(90 / 150)
