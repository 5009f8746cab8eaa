"""GL103 gradient-spike."""

import numpy as np
import pytest

from tests.rules.runs import (
    BASELINE,
    actions,
    fires,
    found,
    make_run,
    severity,
    stepping,
    wavering,
)

FAILED, SLOW = wavering(BASELINE, 200), wavering(1.0, 200)
UNCLEAR = wavering(0.7 * BASELINE, 200)
LEARNED = wavering(stepping(BASELINE, 0.8, 50, 200), 200)


def noisy(iterations=200, seed=0, deviation=0.3):
    return np.exp(np.random.default_rng(seed).normal(0, deviation, (iterations, 2)))


def spiked(factor, loss=LEARNED, **details):
    norm = np.ones((200, 2))
    norm[120] = factor
    return make_run(200, steps={"grad_norm": norm, "loss": loss}, **details)


@pytest.mark.parametrize(("factor", "expected"), [(9.9, False), (10.0, False), (10.1, True)])
def test_a_spike_is_more_than_ten_times_what_is_usual(factor, expected):
    assert fires(spiked(factor), "GL103") == expected


def test_the_finding_names_iteration_and_factor():
    finding = found(spiked(13.0), "GL103")
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


def raised(loss, rise, until=200):
    """Losses that stand higher from the spike at iteration 120 on, to the end or less."""
    after = loss.copy()
    after[121:until] += rise
    return after


@pytest.mark.parametrize(
    ("loss", "rise", "expected"),
    [
        (LEARNED, 0.49, "note"),  # five times the scatter of 0.1
        (LEARNED, 0.51, "warning"),
        (SLOW, 0.0, "note"),
        (SLOW, 0.51, "warning"),
        (UNCLEAR, 0.0, "warning"),
        (FAILED, 0.0, "error"),
    ],
)
def test_a_spike_without_damage_is_a_note_in_a_net_that_learns(loss, rise, expected):
    assert severity(spiked(50.0, raised(loss, rise)), "GL103") == expected


@pytest.mark.parametrize(("until", "expected"), [(140, "note"), (200, "warning")])
def test_damage_that_is_made_up_for_by_the_end_is_a_note(until, expected):
    assert severity(spiked(50.0, raised(LEARNED, 0.6, until)), "GL103") == expected


def test_a_constant_added_to_the_loss_hides_no_damage():
    run = spiked(50.0, raised(LEARNED, 0.51) + 1000, config={"baseline_loss": None})
    assert severity(run, "GL103") == "warning"


def test_a_new_level_is_no_spike():
    norm = np.ones((200, 2))
    norm[100:] = 50.0
    assert not fires(make_run(200, steps={"grad_norm": norm}), "GL103")


def tasks_taking_turns(spike_at=120):
    """Losses that fall within each task of 20 iterations, and rise where the next one begins."""
    within = np.linspace(1.0, 0.2, 20)
    scatter = np.random.default_rng(3).normal(0, 0.01, 200)
    loss = (np.tile(within, 10) + scatter)[:, None].repeat(2, axis=1)
    norm = np.ones((200, 2))
    norm[spike_at] = 50
    steps = {"grad_norm": norm, "loss": loss * np.linspace(1, 0.5, 200)[:, None]}
    return make_run(200, steps=steps)


def test_a_loss_that_rises_with_every_task_was_not_damaged_by_a_spike():
    assert severity(tasks_taking_turns(), "GL103") == "note"
