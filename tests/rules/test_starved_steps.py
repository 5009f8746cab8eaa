"""GL312 starved-steps. The weights of a plain run go 60 x 0.00125 = 0.075 of their length."""

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
    wavering,
)


def clipped(left, steps=SLOW, ratio=1e-4):
    given = {"clipped_grad_norm": left, "grad_norm": 1.0}
    return make_run(steps=steps | given, update_ratio=ratio)


def scheduled(idle, low, steps=SLOW, **details):
    """A learning rate that falls to `low` times its largest for the last `idle` iterations."""
    rate = np.where(np.arange(60) < 60 - idle, 0.1, 0.1 * low)[:, None]
    return make_run(steps=steps | {"learning_rate": rate}, **details)


def with_epsilon(epsilon, moment=1e-3, steps=SLOW, **details):
    config = {"optimizer": "adam", "epsilon": epsilon}
    return make_run(steps=steps, config=config, second_moment_rms=moment, **details)


@pytest.mark.parametrize(("left", "expected"), [(0.0099, True), (0.0101, False), (1.0, False)])
def test_clipping_that_leaves_less_than_a_hundredth(left, expected):
    assert fires(clipped(left), "GL312") == expected


@pytest.mark.parametrize(("ratio", "expected"), [(0.99e-3, True), (1.01e-3, False)])
def test_clipping_starves_only_steps_that_follow_its_size(ratio, expected):
    """Adam's do not: it divides by the clipped gradient's own size."""
    assert fires(clipped(1e-6, ratio=ratio), "GL312") == expected


@pytest.mark.parametrize(
    ("idle", "low", "expected"),
    [
        (29, 0.0, False),
        (30, 0.0, True),
        (30, 0.0099, True),
        (30, 0.011, False),
        (59, 1e-36, True),
        (0, 1.0, False),  # the rate never changes
    ],
)
def test_a_schedule_that_ends_before_half_of_the_run(idle, low, expected):
    assert fires(scheduled(idle, low), "GL312") == expected


@pytest.mark.parametrize(
    "details",
    [{"steps": LEARNED}, {"update_ratio": 0.1, "update_norm": 0.8}],
    ids=["learned", "went far"],
)
@pytest.mark.parametrize(("low", "expected"), [(0.00099, True), (0.0011, False)])
def test_where_steps_were_enough_only_a_rate_of_nothing_is_told(details, low, expected):
    assert fires(scheduled(40, low, **details), "GL312") == expected


def test_a_schedule_that_rises_too_late_is_named_from_its_start():
    rate = np.where(np.arange(60) < 40, 0.0, 0.1)[:, None]
    finding = found(make_run(steps=SLOW | {"learning_rate": rate}), "GL312")
    assert finding.iterations == (0, 59)
    assert actions(finding) == ["stretch schedule"]


@pytest.mark.parametrize(
    ("first", "way", "expected"),
    [
        (0.0099, 0.04, ["shorten warm-up"]),
        (0.0101, 0.04, []),  # it was never low
        (0.0099, 0.06, []),  # and the weights moved all the same
    ],
)
def test_a_warm_up_longer_than_the_run(first, way, expected):
    rate = np.linspace(first, 0.1, 60)[:, None]
    run = make_run(steps=SLOW | {"learning_rate": rate}, update_ratio=way / 60)
    finding = registry()["GL312"].judge(run)
    assert [action for each in [finding] if each for action in actions(each)] == expected


@pytest.mark.parametrize(
    ("stairs", "way", "expected"),
    [
        ([20, 20, 20], 0.4, ["shorten warm-up"]),  # one step of the schedule an epoch
        ([20, 20, 20], 0.6, []),  # the weights went far all the same
        ([20, 19, 21], 0.4, []),  # the last stair is the longest: it is over
        ([30, 30], 0.4, []),  # a switch, as where layers join
    ],
)
def test_a_warm_up_that_is_stepped_once_an_epoch(stairs, way, expected):
    rate = np.repeat(0.02 * np.arange(1, len(stairs) + 1), stairs)[:, None]
    went = {"update_ratio": way / 60, "update_norm": 8 * way / 60}
    run = make_run(steps=FAILED | {"learning_rate": rate}, **went)
    finding = registry()["GL312"].judge(run)
    assert [action for each in [finding] if each for action in actions(each)] == expected


@pytest.mark.parametrize(
    ("falls", "first", "way", "stairs", "expected"),
    [
        (0.6, 0.0099, 0.4, 60, ["shorten warm-up"]),  # it is on its way
        (0.0, 0.0099, 0.4, 60, []),  # what noise leaves
        (0.6, 0.0101, 0.4, 60, []),  # it was never low
        (0.6, 0.0099, 0.6, 60, []),  # and went far
        (0.6, 0.0099, 0.6, 6, ["shorten warm-up"]),  # a schedule of steps, stepped once an epoch
    ],
)
def test_a_warm_up_that_outlasts_a_run_that_is_on_its_way(falls, first, way, stairs, expected):
    loss = 1.8 - falls * np.linspace(0, 1, 60)[:, None] ** 2
    rate = np.repeat(np.linspace(first, 0.1, stairs), 60 // stairs)
    steps = {"loss": loss, "learning_rate": rate[:, None]}
    went = {"update_ratio": way / 60, "update_norm": 8 * way / 60}
    finding = registry()["GL312"].judge(make_run(steps=steps, **went))
    assert [action for each in [finding] if each for action in actions(each)] == expected


def test_a_schedule_that_ended_is_named_from_its_end():
    assert found(scheduled(40, 0.0), "GL312").iterations[0] == 20


@pytest.mark.parametrize(
    ("epsilon", "moment", "expected"),
    [
        (1.0, 0.99, True),
        (1.0, 1.01, False),
        (1e-8, 1e-12, False),  # the default: GL306's matter
    ],
)
def test_an_epsilon_larger_than_the_gradients(epsilon, moment, expected):
    assert fires(with_epsilon(epsilon, moment), "GL312") == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda **details: clipped(1e-6, **details), "raise clip norm"),
        (lambda **details: scheduled(40, 0.0, **details), "stretch schedule"),
        (lambda **details: with_epsilon(1.0, **details), "set epsilon"),
    ],
    ids=["clipping", "schedule", "epsilon"],
)
def test_the_finding_names_which(make, expected):
    assert actions(found(make(), "GL312")) == [expected]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (clipped(1e-6, steps=LEARNED), ""),
        (with_epsilon(1.0, steps=LEARNED), ""),
        (scheduled(40, 0.0, steps=LEARNED), "note"),  # it could have learned more
    ],
    ids=["clipping", "epsilon", "schedule"],
)
def test_a_net_that_learned_had_steps_enough(run, expected):
    assert severity(run, "GL312") == expected


@pytest.mark.parametrize(("way", "expected"), [(0.49, True), (0.51, False)])
def test_weights_that_went_half_their_length_had_steps_enough(way, expected):
    steps = {"update_ratio": way / 60, "update_norm": 8 * way / 60}
    assert fires(with_epsilon(1.0, **steps), "GL312") == expected


def test_a_schedule_may_end_after_weights_went_far():
    assert fires(scheduled(40, 0.0, update_ratio=0.1, update_norm=0.8), "GL312")


@pytest.mark.parametrize(
    ("steps", "way", "expected"),
    [(SLOW, 0.1, "warning"), (FAILED, 0.04, "warning"), (FAILED, 0.06, "error")],
)
def test_not_learning_is_the_steps_harm_only_where_the_weights_moved(steps, way, expected):
    assert severity(with_epsilon(1.0, steps=steps, update_ratio=way / 60), "GL312") == expected


def test_clipping_comes_before_the_schedule_and_that_before_epsilon():
    rate = np.where(np.arange(60) < 10, 0.1, 0.0)[:, None]
    steps = SLOW | {"learning_rate": rate, "clipped_grad_norm": 1e-6}
    config = {"optimizer": "adam", "epsilon": 1.0}
    details = {"config": config, "second_moment_rms": 1e-3, "update_ratio": 1e-4}
    assert actions(found(make_run(steps=steps, **details), "GL312")) == ["raise clip norm"]
    del steps["clipped_grad_norm"]
    assert actions(found(make_run(steps=steps, **details), "GL312")) == ["stretch schedule"]


@pytest.mark.parametrize(("way", "expected"), [(0.49, ["shorten warm-up"]), (0.51, [])])
def test_a_slow_start_that_is_over_starved_no_net_that_went_far(way, expected):
    """As of a range test, in which the rate grows until the net breaks."""
    rate = 1e-9 * 1.5 ** np.arange(60)[:, None]
    went = {"update_ratio": way / 60, "update_norm": 8 * way / 60}
    run = make_run(steps=FAILED | {"learning_rate": rate}, **went)
    finding = registry()["GL312"].judge(run)
    assert [action for each in [finding] if each for action in actions(each)] == expected


def falling(rate, steps=SLOW, **details):
    """A learning rate (200,) of a net whose weights hardly go anywhere."""
    steps = {"loss": np.resize(steps["loss"][:, 0], 200)[:, None], "learning_rate": rate[:, None]}
    return make_run(200, steps=steps, update_ratio=1e-4, update_norm=8e-4, **details)


TIMES = np.arange(200)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.1 / (1 + 0.96 * TIMES), ["stretch schedule"]),  # Adagrad's lr_decay
        (0.1 * 0.9**TIMES, ["stretch schedule"]),
        (0.1 * 0.96**TIMES, []),
        (0.1 / np.sqrt(1 + TIMES), []),
        (0.1 * 0.99**TIMES, []),
        (0.05 * (1 + np.cos(np.pi * TIMES / 200)), []),
        (0.1 * np.minimum(1, (TIMES + 1) / 150), []),
        (0.1 * (TIMES + 1) / 5000, ["shorten warm-up"]),
    ],
    ids=["lr_decay", "0.9", "0.96", "inverse root", "0.99", "cosine", "warm", "warming"],
)
def test_a_rate_that_falls_too_fast_is_worth_few_iterations(rate, expected):
    finding = registry()["GL312"].judge(falling(rate))
    assert [action for each in [finding] if each for action in actions(each)] == expected


def test_the_finding_says_how_many_iterations_the_rate_is_worth():
    finding = found(falling(0.1 / (1 + 0.96 * TIMES)), "GL312")
    assert finding.value * 200 == pytest.approx(np.log(1 + 0.96 * 200) / 0.96, rel=0.05)
    assert finding.limit == 0.05
    assert "all 200 iterations together are worth 5." in finding.message


def test_a_rate_below_zero_starves_nobody():
    assert not fires(scheduled(40, -0.5), "GL312")


def stopped(fall, working, scatter=0.01, rest=None):
    """A loss that falls by `fall` while the rate works, and stands where it was from then on."""
    rows = np.arange(120)
    level = BASELINE - fall * np.minimum(rows, working) / working
    level = level if rest is None else np.where(rows < working / 4, BASELINE, rest)
    rate = np.where(rows < working, 0.1, 0.0)[:, None]
    return make_run(
        120, steps={"loss": wavering(level, 120, scatter=scatter), "learning_rate": rate}
    )


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (stopped(1.5, 40), "warning"),  # learned by .35 of the constant's, and was still learning
        (stopped(0.0, 40, rest=0.5), "note"),  # there was nothing left
        (stopped(0.0, 40, rest=1.8), "note"),  # nor here: the rest is noise in the targets
        (stopped(0.0, 20, rest=1.8), "warning"),  # a sixth of the run tells nothing of that
    ],
    ids=["still falling", "at rest", "at rest above noise", "too short"],
)
def test_a_rate_that_ends_while_the_loss_still_falls_was_taken_too_early(run, expected):
    assert severity(run, "GL312") == expected
