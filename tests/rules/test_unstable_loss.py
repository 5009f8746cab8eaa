"""GL401 unstable-loss. Before the swings the loss is 1.0: the unit is the baseline, 2.3."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose, registry
from tests.rules.runs import BASELINE, LEARNED, actions, fires, found, make_run, severity

BLIND = {"baseline_loss": None}


def swinging(high, every, low=1.0, offset=0.0, end=None, **details):
    loss = np.full((160, 2), low)
    loss[10:110:every] = high
    loss[110:] = low if end is None else end
    return make_run(160, steps={"loss": loss + offset}, **details)


@pytest.mark.parametrize(
    ("high", "every", "expected"),
    # the baseline of 2.3 and a half of it are 3.45; every fifth iteration is a fifth of them
    [(3.4, 2, False), (3.5, 2, True), (3.5, 5, True), (3.5, 6, False)],
)
def test_a_loss_is_unstable_where_it_is_thrown_back_often(high, every, expected):
    assert fires(swinging(high, every), "GL401") == expected


def test_the_finding_names_the_share_of_iterations():
    finding = found(swinging(3.5, 2), "GL401")
    assert finding.value == pytest.approx(0.5)
    assert finding.limit == 0.2
    assert finding.layers == ()


@pytest.mark.parametrize(("end", "expected"), [(0.2, "note"), (2.3, "error")])
def test_swings_are_an_error_only_where_nothing_is_learned_in_the_end(end, expected):
    run = swinging(4.0, 2, low=2.3, end=end)
    assert severity(run, "GL401") == expected


@pytest.mark.parametrize("offset", [0.0, 1000.0, -9.0])
@pytest.mark.parametrize(("high", "expected"), [(2.9, False), (3.1, True)])
def test_without_a_baseline_what_was_gained_at_best_is_the_unit(high, expected, offset):
    """The start is 2.0 and the best 0.0: thrown back means above 2.0 + 1.0."""
    loss = np.full((110, 2), 2.0)
    loss[10:] = 0.0
    loss[10::5] = high
    run = make_run(110, steps={"loss": loss + offset}, config=BLIND)
    assert fires(run, "GL401") == expected


@pytest.mark.parametrize("offset", [0.0, 1000.0, -9.0])
@pytest.mark.parametrize(("high", "expected"), [(3.4, False), (3.5, True)])
def test_a_baseline_that_was_seen_is_shifted_with_the_logged_loss(high, expected, offset):
    plain = swinging(high, 2)
    value = plain.step("loss")
    steps = {"loss": value + offset, "criterion_loss": value, "criterion_baseline": 2.3}
    assert fires(make_run(160, steps=steps, config=BLIND), "GL401") == expected


@pytest.mark.parametrize(("examples", "expected"), [(32, True), (16, False)])
def test_losses_of_few_examples_are_averaged(examples, expected):
    """The mean of two neighbours, 1.0 and 4.0, is 2.5 and does not swing."""
    run = swinging(4.0, 2, config={"batch_size": examples})
    assert fires(run, "GL401") == expected


@pytest.mark.parametrize(
    "loss",
    [np.full(110, 9.0), np.geomspace(100, 0.1, 110), np.r_[np.full(10, 50.0), np.ones(100)]],
    ids=["high and still", "falling", "a bad start"],
)
def test_a_loss_that_is_high_and_still_or_only_falls_is_stable(loss):
    assert not fires(make_run(110, steps={"loss": loss[:, None]}), "GL401")


def test_a_loss_with_moving_targets_is_not_unstable():
    assert not fires(swinging(4.0, 2, config={"objective": "moving"}), "GL401")


@pytest.mark.parametrize(("ratio", "expected"), [(0.0002, False), (0.01, True)])
def test_where_the_weights_hardly_moved_no_step_threw_the_loss_back(ratio, expected):
    """160 steps of 2e-4 are 3 % of the weights' length: batches differ, and no more."""
    assert fires(swinging(3.5, 2, update_ratio=ratio), "GL401") == expected


CLASSES = {"name": "cross_entropy"}
NUMBERS = {"name": "mse_loss"}


def of_batches(criterion, loss=BASELINE, examples=64, **columns):
    """A run that knows the targets of its batches."""
    steps = {"loss": loss, "examples": examples} | columns
    return make_run(60, steps=steps, config={"criterion": criterion})


def entropy(first):
    return np.where(np.arange(60) == 0, first, 2.0)[:, None]


@pytest.mark.parametrize(("first", "expected"), [(0.99, ["shuffle"]), (1.01, [])])
def test_a_first_batch_of_half_the_entropy_of_all_was_not_drawn_by_chance(first, expected):
    finding = registry()["GL401"].judge(of_batches(CLASSES, criterion_baseline=entropy(first)))
    assert [each for found in [finding] if found for each in actions(found)] == expected


@pytest.mark.parametrize(("within", "expected"), [(0.9, True), (1.1, False)])
def test_means_that_scatter_as_far_as_the_examples_of_a_batch_are_no_chance(within, expected):
    """Means of -1 and 1 have the deviation 1.48 by their median distance: 2.2 of 2.2 + 1.48^2."""
    means = np.where(np.arange(60) % 2, 1.0, -1.0)[:, None]
    size = np.sqrt(1 + (1.48 * within) ** 2)
    assert fires(of_batches(NUMBERS, target_mean=means, target_rms=size), "GL401") == expected


@pytest.mark.parametrize(("examples", "expected"), [(15, False), (16, True)])
def test_of_small_batches_chance_leaves_out_classes(examples, expected):
    run = of_batches(CLASSES, examples=examples, criterion_baseline=entropy(0.0))
    assert fires(run, "GL401") == expected


def test_sorted_data_that_are_learned_all_the_same_are_nothing():
    run = of_batches(CLASSES, LEARNED["loss"], criterion_baseline=entropy(0.0))
    assert not fires(run, "GL401")


def test_no_layer_explains_the_order_of_the_data():
    run = of_batches(CLASSES, criterion_baseline=entropy(0.0))
    assert registry()["GL401"].is_cause(found(run, "GL401"))


def test_units_that_die_while_the_loss_is_thrown_about_are_a_consequence():
    dead = np.where(np.arange(160) < 80, 0.0, 1.0)[:, None, None] * [0.0, 0.0, 1.0, 0.0]
    run = swinging(40.0, 2, low=2.3, end=2.3, dead_fraction=dead, replicates=2)
    finding = diagnose(run).findings[0]
    assert finding.rule == "GL401"
    assert "GL201" in [each.rule for each in finding.consequences]


def warmed_up_for_good(climbs, rises, after=0.0):
    """From 2.3 to 0.3 in half of 400 iterations, then `climbs` of the gain of 2.0 higher, and back
    to `after` above the lowest; the learning rate rises `rises` times in the second half.
    """
    scatter = 0.02 * np.random.default_rng(0).standard_normal(400)
    down, up = np.linspace(2.3, 0.3, 200), np.full(120, 0.3 + 2.0 * climbs)
    loss = np.concatenate([down, up, np.full(80, 0.3 + after)]) + scatter
    rate = np.concatenate([np.linspace(0.001, 0.01, 200), np.linspace(0.01, 0.01 * rises, 200)])
    return make_run(400, steps={"loss": loss[:, None], "learning_rate": rate[:, None]})


@pytest.mark.parametrize(
    ("climbs", "rises", "after", "expected"),
    [
        (0.3, 3, 0.1, True),
        (0.2, 3, 0.1, False),
        (0.3, 1.1, 0.1, False),
        (0.3, 3, -0.1, False),
    ],
)
def test_a_rate_that_rises_for_good_undoes_what_was_learned(climbs, rises, after, expected):
    run = warmed_up_for_good(climbs, rises, after)
    assert fires(run, "GL401") == expected


def test_the_rise_is_to_end_where_the_loss_was_lowest():
    finding = found(warmed_up_for_good(0.3, 3, 0.1), "GL401")
    assert finding.severity == "warning"
    lowest = 0.395  # the mean of the last 20 losses on the way down
    assert finding.value == pytest.approx((0.9 - lowest) / (2.3 - lowest), abs=0.01)
    assert finding.iterations[0] == 0
    assert {"GL103", "GL304"} <= set(registry()["GL401"].effects(finding))
    assert finding.remedies[0].action == "end the rise"
    assert finding.remedies[0].parameters["iterations"] == pytest.approx(190, abs=10)
