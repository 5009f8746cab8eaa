"""GL402 no-progress."""

import pytest

from gradlab.diagnosis import registry
from gradlab.run import Run
from tests.rules.runs import actions, fires, found, make_run


@pytest.mark.parametrize(("share", "expected"), [(0.94, False), (0.96, True), (1.5, True)])
def test_the_limit_is_95_per_cent_of_the_constant_predictors_loss(share, expected):
    assert fires(make_run(steps={"loss": 2.3 * share}), "GL402") == expected


def test_the_finding_is_an_error_of_the_whole_net():
    finding = found(make_run(steps={"loss": 2.3 * 1.5}), "GL402")
    assert finding.value == pytest.approx(1.5)
    assert finding.severity == "error"
    assert finding.layers == ()


@pytest.mark.parametrize(("iterations", "expected"), [(19, False), (20, True)])
def test_nobody_expects_progress_at_once(iterations, expected):
    assert fires(make_run(iterations, steps={"loss": 2.3}), "GL402") == expected


@pytest.mark.parametrize(("path", "expected"), [(0.0499, "warning"), (0.0501, "error")])
def test_weights_that_went_less_than_5_per_cent_are_a_warning(path, expected):
    finding = found(make_run(steps={"loss": 2.3}, update_ratio=path / 60), "GL402")
    assert finding.severity == expected


def test_weights_that_hardly_moved_ask_for_a_larger_learning_rate():
    finding = found(make_run(steps={"loss": 2.3}, update_ratio=1e-9), "GL402")
    assert actions(finding)[0] == "raise learning rate"


def test_without_a_baseline_the_rule_says_what_it_needs():
    run = make_run()
    bare = Run.from_arrays({"delta_norm": run["delta_norm"]})
    assert "baseline_loss" in registry()["GL402"].missing(bare)
