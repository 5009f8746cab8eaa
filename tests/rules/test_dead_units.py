import numpy as np
import pytest

from gradlab import theory
from tests.rules.runs import make_run, only


def baseline(layer):
    return theory.silent_fraction("relu", [64] * 5, 64)[layer]


@pytest.mark.parametrize(("offset", "fires"), [(-0.01, False), (0.01, True)])
def test_the_limit_is_half_of_what_should_be_alive(offset, fires):
    dead = np.zeros((60, 2, 4))
    limit = baseline(1) + 0.5 * (1 - baseline(1))
    dead[:, :, 1] = limit + offset
    finding = only(make_run(dead_fraction=dead), "GL201")
    assert (finding is not None) == fires
    if finding:
        assert finding.layers == (2,)
        assert finding.limit == pytest.approx(limit)


def test_a_dead_layer_is_an_error():
    dead = np.zeros((60, 2, 4))
    dead[:, :, 2] = 1
    finding = only(make_run(dead_fraction=dead), "GL201")
    assert finding.severity == "error"
    assert "100 %" in finding.message


def test_a_moment_of_silence_is_no_death():
    dead = np.zeros((60, 2, 4))
    dead[20:30] = 1
    assert only(make_run(dead_fraction=dead), "GL201") is None


def test_silence_that_was_overcome_is_no_death():
    dead = np.zeros((200, 2, 4))
    dead[:120] = 1
    assert only(make_run(200, dead_fraction=dead), "GL201") is None
