"""GL103 gradient-spike."""

import numpy as np
import pytest

from tests.rules.runs import actions, fires, found, make_run, severity


def noisy(iterations=200, seed=0, deviation=0.3):
    return np.exp(np.random.default_rng(seed).normal(0, deviation, (iterations, 2)))


def spiked(factor):
    norm = np.ones((200, 2))
    norm[120, 0] = factor
    return make_run(200, steps={"grad_norm": norm})


@pytest.mark.parametrize(("factor", "expected"), [(9.9, False), (10.0, False), (10.1, True)])
def test_a_spike_is_more_than_ten_times_what_is_usual(factor, expected):
    assert fires(spiked(factor), "GL103") == expected


def test_the_finding_names_iteration_and_factor():
    finding = found(spiked(13.0), "GL103")
    assert finding.severity == "warning"
    assert finding.iterations == (120, 120)
    assert finding.value == pytest.approx(13.0)
    assert actions(finding)[0] == "inspect batch"
    assert finding.remedies[0].parameters == {"iteration": 120}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(20.0, False), (200.0, True)],  # 3 and 5.3 deviations
)
def test_where_norms_scatter_a_spike_must_leave_the_scatter(value, expected):
    norm = noisy(deviation=1.0)
    norm[120, 0] = value
    assert fires(make_run(200, steps={"grad_norm": norm}), "GL103") == expected


@pytest.mark.parametrize("seed", range(10))
def test_healthy_noise_does_not_ring_in_two_thousand_iterations(seed):
    assert not fires(make_run(1000, steps={"grad_norm": noisy(1000, seed, 0.4)}), "GL103")


@pytest.mark.parametrize(("after", "expected"), [(1.5, "warning"), (1.51, "error")])
def test_a_spike_that_does_damage_is_an_error(after, expected):
    norm, loss = np.ones((200, 2)), np.full((200, 2), 1.0)
    norm[120] = 50.0
    loss[121:135] = after
    assert severity(make_run(200, steps={"grad_norm": norm, "loss": loss}), "GL103") == expected


def test_a_new_level_is_no_spike():
    norm = np.ones((200, 2))
    norm[100:] = 50.0
    assert not fires(make_run(200, steps={"grad_norm": norm}), "GL103")
