"""GL201 dead-units."""

import numpy as np
import pytest

from gradlab import theory
from tests.rules.runs import fires, found, make_run

EXPECTED = theory.silent_fraction("relu", [64] * 5, 64)[1]  # of layer 2, in a healthy net
LIMIT = EXPECTED + 0.5 * (1 - EXPECTED)


def silent(share, layer=2):
    dead = np.zeros((60, 2, 4))
    dead[:, :, layer - 1] = share
    return make_run(dead_fraction=dead)


@pytest.mark.parametrize(("offset", "expected"), [(-0.01, False), (0.0, False), (0.01, True)])
def test_the_limit_is_half_of_what_should_be_alive(offset, expected):
    assert fires(silent(LIMIT + offset), "GL201") == expected


def test_the_finding_names_layer_and_limit():
    finding = found(silent(LIMIT + 0.01), "GL201")
    assert finding.layers == (2,)
    assert finding.limit == pytest.approx(LIMIT)
    assert finding.value == pytest.approx(LIMIT + 0.01)


def test_a_dead_layer_is_an_error():
    finding = found(silent(1.0, layer=3), "GL201")
    assert finding.severity == "error"
    assert finding.value == 1.0


def test_a_moment_of_silence_is_no_death():
    dead = np.zeros((60, 2, 4))
    dead[20:30] = 1
    assert not fires(make_run(dead_fraction=dead), "GL201")


def test_silence_that_was_overcome_is_no_death():
    dead = np.zeros((200, 2, 4))
    dead[:120] = 1
    assert not fires(make_run(200, dead_fraction=dead), "GL201")


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_slope_of_0_of_a_saturating_activation_is_no_death(activation):
    hidden = np.array([1.0, 1.0, 1.0, 0.0])
    assert not fires(make_run(activation=activation, dead_fraction=hidden), "GL201")
