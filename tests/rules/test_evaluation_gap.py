"""GL405 evaluation-gap. The training loss ends at 0.2; its losses spread by about 2."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose
from tests.rules.runs import BASELINE, actions, fires, found, make_run, stepping, wavering

ROWS = 100
TRAINING = wavering(stepping(BASELINE, 0.2, 50, ROWS), ROWS, scatter=0.0)


def evaluated(value, every=10, training=TRAINING, config=None, **columns):
    """A run whose batches, once in evaluation mode, have the loss `value` at every `every`-th."""
    losses = np.full((ROWS, 2), np.nan)
    losses[::every] = value
    steps = {"loss": training, "evaluation_loss": losses} | columns
    return make_run(ROWS, steps=steps, config=config)


def late(value):
    """Evaluation losses that are the training's but for the second half of the run."""
    return np.where(np.arange(0, ROWS, 10) < 50, BASELINE, value)[:, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    # a quarter of the spread, 2.1, above 0.2: that is 0.725
    [(0.2, False), (0.1, False), (0.72, False), (0.73, True), (1e5, True)],
)
def test_the_distance_counts_in_units_of_the_training_losses_spread(value, expected):
    assert fires(evaluated(late(value)), "GL405") == expected


@pytest.mark.parametrize(("value", "expected"), [(3.99, False), (4.01, True)])
def test_the_loss_must_be_twice_the_training_modes(value, expected):
    training = wavering(stepping(BASELINE, 2.0, 50, ROWS), ROWS, scatter=0.0)
    assert fires(evaluated(late(value), training=training), "GL405") == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.94 * BASELINE, "warning"), (0.96 * BASELINE, "error")]
)
def test_it_is_an_error_where_the_net_fails_in_evaluation_mode(value, expected):
    assert found(evaluated(late(value)), "GL405").severity == expected


@pytest.mark.parametrize(("value", "expected"), [(2.29, "warning"), (2.31, "error")])
def test_without_a_baseline_its_own_start_tells_whether_it_fails(value, expected):
    run = evaluated(late(value), config={"baseline_loss": None})
    assert found(run, "GL405").severity == expected


def test_the_same_batchs_loss_in_training_mode_outranks_a_logged_loss_that_was_divided():
    run = evaluated(late(0.2), training=TRAINING / 8, evaluation_train_loss=TRAINING)
    assert not fires(run, "GL405")


@pytest.mark.parametrize(("every", "expected"), [(50, False), (49, True)])
def test_fewer_than_three_measurements_decide_nothing(every, expected):
    training = wavering(np.linspace(BASELINE, 0.2, ROWS), ROWS, scatter=0.0)
    assert fires(evaluated(1e5, every, training), "GL405") == expected


@pytest.mark.parametrize(("last", "expected"), [(0.2, False), (1e5, True)])
def test_a_gap_that_closes_at_the_last_measurement_is_none(last, expected):
    value = np.where(np.arange(0, ROWS, 10) < ROWS - 10, 1e5, last)[:, None]
    assert fires(evaluated(value), "GL405") == expected


def test_averages_that_lagged_at_first_and_fit_now_are_no_gap():
    value = np.where(np.arange(0, ROWS, 10) < 50, 1e5, 0.2)[:, None]
    assert not fires(evaluated(value), "GL405")


@pytest.mark.parametrize(
    ("momentum", "expected"), [(None, False), (0.1, False), (0.49, False), (0.5, True), (1, True)]
)
def test_of_averages_that_follow_single_batches_the_mean_counts(momentum, expected):
    swings = np.where(np.arange(10) % 2 == 0, 0.2, 2.0)[:, None]
    run = evaluated(swings, config=None if momentum is None else {"norm_momentum": momentum})
    assert fires(run, "GL405") == expected
    if expected:
        finding = found(run, "GL405")
        assert "its momentum is" in finding.message
        assert actions(finding) == ["lower norm momentum"]
        assert finding.value == pytest.approx((2 * 0.2 + 3 * 2.0) / 5 / 0.2)


def test_averages_that_follow_single_batches_and_fit_are_no_gap():
    swings = np.where(np.arange(10) % 2 == 0, 0.2, 0.7)[:, None]
    assert not fires(evaluated(swings, config={"norm_momentum": 1.0}), "GL405")


def test_the_finding_names_the_ratio_and_the_last_measurements():
    finding = found(evaluated(late(2.0)), "GL405")
    assert finding.value == pytest.approx(10.0)
    assert finding.limit == 2.0
    assert finding.iterations == (70, 99)
    assert finding.remedies[0].action == "raise norm momentum"


def test_a_model_that_behaves_alike_in_both_modes_passes():
    assert not fires(make_run(), "GL405")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["raise norm momentum", "recompute averages"]),
        ({"running_averages": True}, ["raise norm momentum", "recompute averages"]),
        ({"running_averages": False}, ["align modes"]),
    ],
    ids=["not known", "averages", "none"],
)
def test_without_running_averages_the_models_own_code_is_looked_at(config, expected):
    finding = found(evaluated(late(1e5), config=config), "GL405")
    assert actions(finding)[: len(expected)] == expected
    assert ("BatchNorm" in finding.message) == (expected != ["align modes"])


FALLING = BASELINE * np.exp(-np.arange(ROWS) / 30)


def held_out(first, last, begins=0):
    """A run that learns, with held-out losses from iteration `begins` on at every tenth."""
    losses = np.full(ROWS, np.nan)
    rows = np.arange(begins, ROWS, 10)
    losses[rows] = np.linspace(first, last, len(rows))
    training = wavering(FALLING, ROWS, scatter=0.01)
    return make_run(ROWS, steps={"loss": training, "validation_loss": losses[:, None]})


@pytest.mark.parametrize(
    ("first", "last", "begins", "expected"),
    [
        (2.01 * BASELINE, 4 * BASELINE, 0, True),
        (1.99 * BASELINE, 4 * BASELINE, 0, False),
        (100.0, 51.0, 0, True),
        (100.0, 30.0, 0, False),  # it gains as the training does: in other units
        (9.9 * BASELINE, 20.0, 40, False),  # the training examples may be known by heart by then
        (10.1 * BASELINE, 24.0, 40, True),
    ],
)
def test_held_out_losses_above_the_trainings_start_from_the_first_on_are_of_other_data(
    first, last, begins, expected
):
    assert fires(held_out(first, last, begins), "GL405") == expected


def test_data_of_another_kind_are_to_be_prepared_alike():
    assert actions(found(held_out(100.0, 100.0), "GL405")) == ["prepare alike"]


@pytest.mark.parametrize(("training", "expected"), [(FALLING, True), (FALLING * 0 + 2.3, False)])
def test_a_score_of_theirs_that_does_not_rise_is_explained(training, expected):
    losses = np.where(np.arange(ROWS) % 10, np.nan, 4 * BASELINE)[:, None]
    scores = np.where(np.arange(ROWS) % 10, np.nan, 0.1)[:, None]
    steps = {"loss": training[:, None], "validation_loss": losses, "score": scores}
    diagnosis = diagnose(make_run(ROWS, steps=steps))
    assert (diagnosis.statuses["GL405"] == "fired") == expected
    assert diagnosis.statuses["GL402"] == "fired"
    assert [each.rule for each in diagnosis.findings][:1] == [["GL402"], ["GL405"]][expected]
