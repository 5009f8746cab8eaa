"""GL404 unscaled-data."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    make_run,
    severity,
    stepping,
)

WORSE = {"loss": np.full((60, 2), 1e6 * BASELINE)}  # far above the best constant's loss


def scaled(target=1.0, given=1.0, steps=SLOW, criterion="mse_loss", **columns):
    steps = steps | {"target_rms": target, "input_rms": given} | columns
    return make_run(steps=steps, config={"criterion": {"name": criterion}})


@pytest.mark.parametrize(
    ("target", "given", "expected"),
    [(29.9, 29.9, []), (30.1, 1.0, ["standardize target"]), (1.0, 30.1, ["standardize inputs"])],
)
def test_the_limits_of_the_targets_and_the_inputs_scale(target, given, expected):
    finding = registry()["GL404"].judge(scaled(target, given))
    assert [action for each in [finding] if each for action in actions(each)] == expected


def test_targets_come_before_inputs():
    assert actions(found(scaled(350_000.0, 147.0), "GL404")) == ["standardize target"]


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [("mse_loss", True), ("cross_entropy", False), ("nll_loss", False), ("ctc_loss", False)],
)
def test_classes_have_no_scale(criterion, expected):
    assert fires(scaled(350_000.0, criterion=criterion), "GL404") == expected


@pytest.mark.parametrize(
    ("log_input", "behind", "expected"),
    [
        ({}, [], False),  # as PyTorch has it by itself
        ({"log_input": True}, [], False),
        ({"log_input": False}, [], True),
        ({"log_input": False}, [(0, 0, 0, "exp", 1.0)], False),
    ],
)
@pytest.mark.parametrize(("steps", "harmed"), [(SLOW, False), (FAILED, True)])
def test_counts_whose_logarithm_is_answered_do_harm_where_nothing_is_learned(
    log_input, behind, expected, steps, harmed
):
    steps = steps | {"target_rms": 131.0}
    criterion = {"name": "poisson_nll_loss"} | log_input
    run = make_run(steps=steps, config={"criterion": criterion}, output_stage=behind)
    assert fires(run, "GL404") == (expected or harmed)


@pytest.mark.parametrize("last", ["cross_entropy", "mse_loss"])
@pytest.mark.parametrize(("size", "expected"), [(30.0, False), (31.0, True)])
def test_of_several_criteria_the_largest_targets_set_the_loss(last, size, expected):
    tasks = {"name": last, "tasks": ["mse_loss", "cross_entropy"]}
    run = make_run(steps=SLOW | {"target_rms": size}, config={"criterion": tasks})
    assert fires(run, "GL404") == expected


@pytest.mark.parametrize(
    ("criterion", "fallen_at", "expected"),
    [
        ("l1_loss", 6, "warning"),  # the deviation is 60, and a tenth of the run has gone by
        ("l1_loss", 5, ""),
        ("mse_loss", 30, ""),  # its square is 3600
    ],
)
def test_a_sum_of_criteria_that_a_constant_beats_for_long_is_set_by_its_largest_targets(
    criterion, fallen_at, expected
):
    tasks = {"name": "cross_entropy", "tasks": ["cross_entropy", criterion]}
    loss = np.where(np.arange(60) < fallen_at, 61.0, np.linspace(59, 10, 60))[:, None]
    steps = {"loss": loss, "target_rms": 100.0, "target_mean": 80.0}
    run = make_run(steps=steps, config={"criterion": tasks, "baseline_loss": None})
    assert severity(run, "GL404") == expected


@pytest.mark.parametrize(("target", "expected"), [(1.0, False), (1.01, True)])
def test_targets_of_a_binary_cross_entropy_are_probabilities(target, expected):
    assert fires(scaled(target, criterion="binary_cross_entropy"), "GL404") == expected


@pytest.mark.parametrize(
    ("size", "mean", "expected"),
    [(1.0, 0.0, True), (0.51**0.5, 0.5, True), (0.5**0.5, 0.5, False), (0.7, 0.5, False)],
)
def test_no_numbers_between_0_and_1_have_a_mean_square_above_their_mean(size, mean, expected):
    run = scaled(
        size, steps=LEARNED, target_mean=mean, criterion="binary_cross_entropy_with_logits"
    )
    assert (severity(run, "GL404") == "warning") == expected


def test_labels_of_another_code_are_to_be_brought_to_0_and_1():
    run = scaled(1.0, target_mean=0.0, criterion="binary_cross_entropy")
    assert actions(found(run, "GL404")) == ["bring targets to 0 and 1"]


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, "warning"), (FAILED, "error")]
)
def test_a_net_that_learns_from_unscaled_inputs_needs_no_other(steps, expected):
    assert severity(scaled(given=147.0, steps=steps), "GL404") == expected


def test_the_finding_names_the_scale_and_its_mean():
    finding = found(scaled(350_000.0, target_mean=300_000.0), "GL404")
    assert finding.value == 350_000.0
    assert finding.limit == 30.0
    assert finding.layers == ()
    assert "3.5e5 around a mean of 3.0e5" in finding.message


def test_the_first_batches_tell_and_a_later_one_changes_nothing():
    rms = np.where(np.arange(60) < 50, 1.0, 1e9)[:, None]
    assert not fires(scaled(rms), "GL404")


def test_the_configuration_tells_where_no_batch_was_seen():
    assert fires(make_run(steps=SLOW, config={"target_rms": 350_000.0}), "GL404")


def test_without_any_scale_it_says_what_is_missing():
    assert "input_rms, target_rms" in registry()["GL404"].missing(make_run())


@pytest.mark.parametrize(("steps", "expected"), [(SLOW, "note"), (FAILED, "error")])
def test_targets_whose_scale_was_overcome_are_a_note(steps, expected):
    assert severity(scaled(target=171.0, steps=steps), "GL404") == expected


def test_one_pass_before_training_is_a_warning():
    steps = {"loss": 2.3, "target_rms": 171.0}
    run = make_run(1, steps=steps, config={"criterion": {"name": "mse_loss"}})
    assert severity(run, "GL404") == "warning"


@pytest.mark.parametrize(
    ("target", "steps", "expected"),
    [
        (0.034, WORSE, False),
        (0.033, WORSE, True),
        (1e-6, WORSE, True),
        (1e-6, SLOW, False),  # it beats the best constant: small targets do it no harm
        (0.0, WORSE, False),  # targets of 0 have no scale
    ],
)
def test_small_targets_that_a_constant_would_answer_better(target, steps, expected):
    assert fires(scaled(target, steps=steps), "GL404") == expected


@pytest.mark.parametrize(
    ("given", "steps", "expected"),
    [(0.034, FAILED, ""), (0.033, FAILED, "error"), (0.002, FAILED, "error"), (0.002, SLOW, "")],
)
def test_inputs_next_to_nothing(given, steps, expected):
    """As of images of 0 to 1 that are divided by 255 once more."""
    assert severity(scaled(given=given, steps=steps), "GL404") == expected


def coming_down(above, left=0.11):
    """Losses of a net that learns, but stands above the best constant's for so many of 60, and
    ends at a share of it.
    """
    return {"loss": stepping(9 * BASELINE, left * BASELINE, above, 60)[:, None]}


@pytest.mark.parametrize(("above", "expected"), [(3, ""), (5, ""), (6, "warning"), (30, "warning")])
def test_a_constant_that_answers_better_for_long_is_what_scaled_targets_save(above, expected):
    assert severity(scaled(target=171.0, steps=coming_down(above)), "GL404") == expected


@pytest.mark.parametrize(("left", "expected"), [(0.09, ""), (0.11, "warning")])
def test_a_late_start_did_no_lasting_harm_where_nine_tenths_are_learned(left, expected):
    assert severity(scaled(target=171.0, steps=coming_down(10, left)), "GL404") == expected


def test_of_scaled_targets_a_slow_start_is_no_matter():
    assert not fires(scaled(target=29.9, steps=coming_down(30)), "GL404")


def test_the_finding_says_for_how_long_a_constant_was_better():
    finding = found(scaled(target=171.0, steps=coming_down(15)), "GL404")
    assert "for 25 % of the run a constant answered better" in finding.message
    assert actions(finding) == ["standardize target"]


def with_feature(rms, others=1.0, features=65, steps=SLOW):
    """A run whose second layer reads one feature of this size, beside others."""
    seen = {"layer": "l2", "feature": 64, "features": features, "rms": rms, "others_rms": others}
    return make_run(
        steps=steps | {"input_rms": 1.0},
        described={2: {"path": "l2"}},
        config={"input_feature": seen},
    )


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"rms": 577.0}, "warning"),
        ({"rms": 577.0, "steps": FAILED}, "error"),
        ({"rms": 577.0, "steps": LEARNED}, ""),
        ({"rms": 79.5}, ""),  # 79.5^2 is .98998 of it and of 64 x 1^2
        ({"rms": 79.7}, "warning"),
        ({"rms": 29.9, "features": 2, "others": 0.0}, ""),
        ({"rms": 30.1, "features": 1, "others": 0.0}, "warning"),
        ({"rms": 1e300}, ""),  # no data has it: its square is no number
        ({"rms": "577"}, ""),
    ],
)
def test_one_feature_beside_which_the_others_do_not_count(details, expected):
    assert severity(with_feature(**details), "GL404") == expected


def test_the_feature_is_named_with_the_layer_that_reads_it():
    finding = found(with_feature(577.0), "GL404")
    assert "feature 64 of 65 in what layer 2 reads has a root mean square of 577" in finding.message
    assert actions(finding) == ["standardize inputs"]


@pytest.mark.parametrize(
    ("size", "mean", "expected"),
    [
        (0.5**0.5, 0.5, ["bring targets to -1 and 1"]),
        (1.0, 0.0, []),  # signs, as many of each
        (1.0, 1.0, []),  # one of them alone
        (0.9, 0.1, []),  # softened signs
    ],
)
def test_a_criterion_of_signs_is_given_0_and_1(size, mean, expected):
    run = scaled(size, steps=LEARNED, target_mean=mean, criterion="soft_margin_loss")
    finding = registry()["GL404"].judge(run)
    assert [action for each in [finding] if each for action in actions(each)] == expected


def alike(cosine, given=1.0, steps=FAILED):
    return make_run(steps=steps | {"input_rms": given}, config={"input_correlation": cosine})


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (alike(0.9991), True),
        (alike(0.9989), False),
        (alike(0.9991, steps=LEARNED), False),
        (alike(0.5, given=0.0), True),  # all inputs are 0
        (alike(1.0), False),  # multiples of one vector: their length tells
        (alike(0.0), False),
    ],
)
def test_inputs_that_hardly_differ(run, expected):
    assert fires(run, "GL404") == expected


def test_what_inputs_share_is_to_be_taken_off():
    assert actions(found(alike(0.9991), "GL404")) == ["standardize inputs"]
