import numpy as np
import pytest

from gradlab.diagnosis import accuracy, outcome, outcomes, registry
from gradlab.run import Run
from tests.rules.runs import make_run, only


@pytest.mark.parametrize(("share", "fires"), [(0.94, False), (0.96, True), (1.5, True)])
def test_limit(share, fires):
    finding = only(make_run(steps={"loss": 2.3 * share}), "GL402")
    assert (finding is not None) == fires
    if finding:
        assert finding.value == pytest.approx(share)
        assert finding.severity == "error"
        assert finding.layers == ()


@pytest.mark.parametrize(("iterations", "fires"), [(19, False), (20, True)])
def test_nobody_expects_progress_at_once(iterations, fires):
    assert (only(make_run(iterations, steps={"loss": 2.3}), "GL402") is not None) == fires


def test_weights_that_hardly_moved_are_a_warning_about_the_learning_rate():
    finding = only(make_run(steps={"loss": 2.3}, update_ratio=1e-9), "GL402")
    assert finding.severity == "warning"
    assert "learning rate" in finding.remedies[0]


def test_without_a_baseline_the_rule_says_what_it_needs():
    run = make_run()
    bare = Run.from_arrays({"delta_norm": run["delta_norm"]})
    assert "baseline_loss" in registry()["GL402"].missing(bare)


def test_outcomes_on_either_side_of_their_limits():
    loss = np.broadcast_to(2.3 * np.array([0.1, 0.499, 0.501, 0.949, 0.951, 2.0]), (60, 6))
    run = make_run(60, 6, steps={"loss": loss})
    assert outcomes(run) == ["learned", "learned", "slow", "slow", "not learned", "not learned"]
    assert outcome(run) == "not learned"  # of a tie, the worse


def test_a_replicate_that_ended_in_nan_has_learned_nothing_and_has_no_accuracy():
    loss = np.full((60, 2), 0.1)
    loss[50:, 1] = np.nan
    run = make_run(60, steps={"loss": loss, "validation_accuracy": 0.97})
    assert outcomes(run) == ["learned", "not learned"]
    assert accuracy(run) == [0.97, None]
