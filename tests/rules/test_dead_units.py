"""GL201 dead-units."""

import numpy as np
import pytest

from gradlab import theory
from gradlab.diagnosis import registry
from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    UNCLEAR,
    actions,
    fires,
    found,
    make_run,
    severity,
    wavering,
)

EXPECTED = theory.silent_fraction("relu", [64] * 5, 64)[1]  # of layer 2, in a healthy net
LIMIT = EXPECTED + 0.5 * (1 - EXPECTED)


def silent(share, layer=2, **details):
    dead = np.zeros((60, 2, 4))
    dead[:, :, layer - 1] = share
    return make_run(dead_fraction=dead, **details)


@pytest.mark.parametrize(("offset", "expected"), [(-0.01, False), (0.0, False), (0.01, True)])
def test_the_limit_is_half_of_what_should_be_alive(offset, expected):
    assert fires(silent(LIMIT + offset), "GL201") == expected


def test_the_finding_names_layer_and_limit():
    finding = found(silent(LIMIT + 0.01), "GL201")
    assert finding.layers == (2,)
    assert finding.limit == pytest.approx(LIMIT)
    assert finding.value == pytest.approx(LIMIT + 0.01)


@pytest.mark.parametrize(
    ("share", "steps", "expected"),
    [
        (0.89, LEARNED, "note"),
        (0.91, LEARNED, "note"),
        (0.89, SLOW, "note"),
        (0.89, UNCLEAR, "warning"),
        (0.91, SLOW, "note"),
        (0.89, FAILED, "warning"),
        (0.91, FAILED, "error"),
    ],
)
def test_a_layer_that_is_gone_is_an_error_where_nothing_is_learned(share, steps, expected):
    assert severity(silent(share, steps=steps), "GL201") == expected


@pytest.mark.parametrize(("share", "expected"), [(0.89, False), (0.91, True)])
def test_a_layer_that_is_half_silent_explains_nothing(share, expected):
    finding = found(silent(share), "GL201")
    assert bool(registry()["GL201"].effects(finding)) == expected


def test_a_moment_of_silence_is_no_death():
    dead = np.zeros((60, 2, 4))
    dead[20:30] = 1
    assert not fires(make_run(dead_fraction=dead), "GL201")


def test_silence_that_was_overcome_is_no_death():
    dead = np.zeros((200, 2, 4))
    dead[:120] = 1
    assert not fires(make_run(200, dead_fraction=dead), "GL201")


def test_a_last_batch_that_wakes_units_up_leaves_the_time_of_death():
    dead = np.ones((60, 2, 4))
    dead[:20] = dead[59] = 0
    assert found(make_run(dead_fraction=dead), "GL201").iterations[0] == 20


@pytest.mark.parametrize(("records", "expected"), [(2, False), (3, True)])
def test_silence_on_fewer_than_three_batches_is_no_proof(records, expected):
    measured = np.isin(np.arange(60), [40, 50, 59][:records])[:, None, None]
    run = make_run(dead_fraction=1.0, recorded={"dead_fraction": measured})
    assert fires(run, "GL201") == expected


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_slope_of_0_of_a_saturating_activation_is_no_death(activation):
    hidden = np.array([1.0, 1.0, 1.0, 0.0])
    assert not fires(make_run(activation=activation, dead_fraction=hidden), "GL201")


@pytest.mark.parametrize(("examples", "expected"), [(15, False), (16, True)])
def test_in_small_batches_units_are_silent_by_chance(examples, expected):
    run = silent(0.99, config={"batch_size": examples})
    assert fires(run, "GL201") == expected


def test_a_layer_that_is_whole_silent_on_every_small_batch_is_dead():
    assert fires(silent(1.0, config={"batch_size": 1}), "GL201")


def test_a_layer_that_answers_one_of_its_small_batches_is_not():
    dead = np.zeros((60, 2, 4))
    dead[:, :, 1] = 1.0
    dead[55, :, 1] = 0.98
    assert not fires(make_run(dead_fraction=dead, config={"batch_size": 1}), "GL201")


def dying(step):
    """A layer that dies at iteration 60 of 120, after a step of that size at iteration 59."""
    dead, ratio = np.zeros((120, 2, 4)), np.full((120, 2, 4), 1e-3)
    dead[60:, :, 1] = 1.0
    ratio[59] = step
    steps = {"loss": wavering(BASELINE, 120)}
    return make_run(120, dead_fraction=dead, update_ratio=ratio, steps=steps)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0.09, ["use activation"]), (0.11, ["lower learning rate", "use activation"])],
)
def test_the_learning_rate_is_blamed_only_for_a_large_step_before_the_death(step, expected):
    finding = found(dying(step), "GL201")
    assert finding.iterations[0] == 60
    assert actions(finding) == expected


def test_what_is_dead_from_the_start_was_so_initialized():
    assert actions(found(silent(1.0), "GL201"))[:2] == ["zero biases", "initialize"]
