"""GL310 ascending."""

import numpy as np
import pytest

from gradlab.diagnosis import registry
from tests.rules.runs import actions, fires, found, make_run, severity, wavering

RISING = wavering(np.linspace(2.3, 4.6, 60))


def climbing(uphill, loss=RISING, measured=60, **details):
    """A run of 60 updates, the first `uphill` of which raise the loss to first order."""
    decrease = np.where(np.arange(60) < uphill, -0.01, 0.01)[:, None].repeat(2, axis=1)
    decrease[measured:] = np.nan
    return make_run(steps={"loss": loss, "expected_decrease": decrease}, **details)


@pytest.mark.parametrize(("uphill", "expected"), [(44, False), (45, True), (60, True)])
def test_three_of_four_updates_must_climb(uphill, expected):
    assert fires(climbing(uphill), "GL310") == expected


@pytest.mark.parametrize(("measured", "expected"), [(4, False), (5, True)])
def test_fewer_than_five_updates_climb_by_chance(measured, expected):
    assert fires(climbing(60, measured=measured), "GL310") == expected


@pytest.mark.parametrize(
    ("objective", "expected"), [("minimize", True), ("maximize", False), ("moving", True)]
)
def test_climbing_may_be_meant(objective, expected):
    assert fires(climbing(60, config={"objective": objective}), "GL310") == expected


def test_the_loss_must_rise_too():
    falling = wavering(np.linspace(4.6, 2.3, 60))
    assert not fires(climbing(60, falling), "GL310")


@pytest.mark.parametrize("offset", [-10.0, 0.0, 1000.0])
def test_a_constant_added_to_the_loss_changes_nothing(offset):
    assert (
        severity(climbing(60, RISING + offset, config={"baseline_loss": None}), "GL310") == "error"
    )


def test_a_sign_that_is_flipped_is_an_error_of_the_whole_net():
    finding = found(climbing(60, config={"framework": "torch"}), "GL310")
    assert finding.severity == "error"
    assert finding.layers == ()
    assert finding.value == 1.0
    assert actions(finding) == ["flip the sign", "declare the objective"]


def test_in_the_built_in_engine_there_is_no_objective_to_declare():
    assert actions(found(climbing(60), "GL310")) == ["flip the sign"]


def test_only_the_iterations_before_the_first_nan_count():
    loss = np.exp(np.linspace(1, 80, 60))[:, None].repeat(2, axis=1)
    loss[40:] = np.nan
    finding = found(climbing(40, loss), "GL310")
    assert finding.iterations == (0, 39)


def test_without_updates_and_gradients_together_it_says_what_is_missing():
    bare = make_run(steps={"expected_decrease": np.ma.masked_all((60, 2))})
    assert "expected_decrease" in registry()["GL310"].missing(bare)


def rated(below, loss=RISING, **details):
    """A run whose learning rate falls below 0 in its last `below` iterations."""
    rate = np.where(np.arange(60) < 60 - below, 0.1, -0.05)[:, None]
    decrease = np.full((60, 2), 0.01)
    steps = {"loss": loss, "expected_decrease": decrease, "learning_rate": rate}
    return make_run(steps=steps, **details)


@pytest.mark.parametrize(("below", "expected"), [(0, False), (4, False), (5, True), (30, True)])
def test_a_rate_below_zero_climbs(below, expected):
    assert fires(rated(below), "GL310") == expected


def test_the_finding_says_from_when_on_the_rate_is_below_zero():
    finding = found(rated(20), "GL310")
    assert finding.iterations[0] == 40
    assert finding.value == -0.05
    assert actions(finding) == ["stretch schedule"]


def test_a_rate_below_zero_that_the_loss_survives_passes():
    assert not fires(rated(20, wavering(np.linspace(4.6, 2.3, 60))), "GL310")


# -- a criterion whose sign is flipped -------------------------------------------------------------


def flipped(factor=-1.0, noise=0.0, **details):
    """A run whose logged loss is its criterion times a factor; the criterion rises."""
    shaken = noise * np.sin(np.arange(60.0))[:, None]
    steps = {"criterion_loss": RISING, "criterion_baseline": 2.3}
    steps["loss"] = factor * RISING + shaken
    config = {"baseline_loss": None, "criterion": {"name": "cross_entropy"}} | details
    return make_run(steps=steps, config=config)


@pytest.mark.parametrize(
    ("factor", "noise", "expected"),
    [(-1.0, 0.0, "error"), (-3.0, 0.0, "error"), (1.0, 0.0, ""), (-1.0, 0.2, "")],
)
def test_a_loss_that_is_its_criterions_negative_and_falls_is_an_error(factor, noise, expected):
    """With something else in the loss, the criterion may be meant to rise: a preference's part."""
    assert severity(flipped(factor, noise), "GL310") == expected


def test_the_finding_says_whose_sign_is_flipped():
    finding = found(flipped(framework="torch"), "GL310")
    assert "the loss is cross_entropy with its sign flipped" in finding.message
    assert "times the best constant prediction's" in finding.message
    assert actions(finding) == ["flip the sign", "declare the objective"]


def test_climbing_that_is_declared_is_no_flipped_sign():
    assert not fires(flipped(objective="maximize"), "GL310")


def scored(first, last, *, loss=(-1.0, 1.0), ratio=0.01):
    """A run whose score goes from one value to another, and whose loss tells nothing by default."""
    score = wavering(np.where(np.arange(60) < 8, first, last), scatter=0.1)
    tossed = np.where(np.arange(60) % 2, *loss)[:, None]
    steps = {"score": score, "loss": tossed, "expected_decrease": 0.1}
    return make_run(steps=steps, update_ratio=ratio)


@pytest.mark.parametrize(("last", "expected"), [(0.6, True), (0.8, False), (2.0, False)])
def test_a_score_that_falls_below_its_start_goes_against_what_is_meant(last, expected):
    """By more than three times its scatter of 0.1."""
    assert fires(scored(1.0, last), "GL310") == expected


@pytest.mark.parametrize(
    ("details", "expected"),
    [({"loss": (2.0, 2.0)}, True), ({"ratio": 0.21}, False)],
)
def test_too_large_steps_ruin_a_score_whatever_their_sign(details, expected):
    assert fires(scored(1.0, 0.0, **details), "GL310") == expected


@pytest.mark.parametrize(("left", "expected"), [(0.6, False), (0.4, True)])
def test_a_criterion_of_the_right_sign_goes_against_a_score_only_where_it_knows_its_targets(
    left, expected
):
    """A net that answers with the frequent class has a lower F1 than one that guesses."""
    loss = np.repeat(np.linspace(1, left, 30), 2)[:, None]
    run = scored(1.0, 0.0)
    seen = {"loss": loss, "criterion_loss": loss, "criterion_baseline": 1.0}
    steps = {"score": run.step("score"), "expected_decrease": 0.1} | seen
    run = make_run(steps=steps, config={"criterion": {"name": "cross_entropy"}})
    assert fires(run, "GL310") == expected


def test_a_loss_that_rises_while_the_score_falls_is_no_flipped_sign():
    run = scored(1.0, 0.0)
    steps = {"score": run.step("score"), "loss": np.linspace(1, 3, 60)[:, None]}
    assert not fires(make_run(steps=steps | {"expected_decrease": 0.1}), "GL310")


def running(loss, gradient):
    steps = {"loss": loss[:, None], "grad_norm": gradient[:, None], "expected_decrease": 1.0}
    return make_run(60, 1, steps=steps)


SQUARE, GROWS = -(np.arange(60.0) ** 3) / 100 + 1, np.linspace(1, 9, 60)


@pytest.mark.parametrize(
    ("loss", "gradient", "expected"),
    [
        (SQUARE, GROWS, True),
        (SQUARE, GROWS[::-1], False),  # it comes to an end
        (-0.04 * SQUARE[::-1], GROWS, False),  # it starts as large
        (-300 * (1 - np.exp(-np.arange(60) / 10)) + 1, GROWS, False),  # ever slower
        (np.abs(SQUARE[::-1]), GROWS, False),  # above 0
    ],
)
def test_a_loss_that_nothing_holds(loss, gradient, expected):
    assert fires(running(loss, gradient), "GL310") == expected


def test_labels_that_are_no_probabilities_say_why_nothing_holds_the_loss():
    config = {"criterion": {"name": "binary_cross_entropy"}}
    steps = {"loss": SQUARE[:, None], "grad_norm": GROWS[:, None], "expected_decrease": 1.0}
    run = make_run(60, 1, steps=steps | {"target_rms": 1.0, "target_mean": 0.0}, config=config)
    assert not fires(run, "GL310")
