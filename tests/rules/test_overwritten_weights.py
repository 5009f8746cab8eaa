"""GL308 overwritten-weights. Every step of the optimizer has the norm 0.01."""

import numpy as np
import pytest

from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    UNCLEAR,
    actions,
    fires,
    found,
    make_run,
    severity,
)


def written(share, steps=SLOW, layer=2, every=1, **details):
    outside = np.zeros((60, 1, 4))
    outside[every - 1 :: every, :, layer - 1] = 0.01 * share
    return make_run(steps=steps, outside_update_norm=outside, **details)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, False), (0.299, False), (0.301, True), (1.0, True)]
)
def test_the_limit_of_what_else_moves_the_weights(share, expected):
    assert fires(written(share), "GL308") == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(LEARNED, "note"), (SLOW, "note"), (UNCLEAR, "note"), (FAILED, "error")],
)
def test_other_code_may_write_the_weights_of_a_net_that_learns(steps, expected):
    """WGAN clips its critic's weights, and moving averages are copied in, on purpose."""
    assert severity(written(0.49, steps), "GL308") == expected


@pytest.mark.parametrize(
    ("share", "every", "steps", "expected"),
    [
        (0.51, 1, SLOW, "warning"),
        (0.51, 1, UNCLEAR, "note"),
        (0.51, 1, LEARNED, "note"),
        (9.9, 20, SLOW, ""),
        (20.1, 20, SLOW, "warning"),
    ],
)
def test_where_little_is_learned_writes_that_undo_the_steps_are_more_than_a_note(
    share, every, steps, expected
):
    """`share`: of a step; each write comes after so many of them."""
    assert severity(written(share, steps, every=every), "GL308") == expected


@pytest.mark.parametrize(("share", "expected"), [(0.49, "note"), (0.51, "warning")])
def test_writes_that_are_looked_at_now_and_then_are_taken_for_those_of_every_step(share, expected):
    """A clamp after each step, of which every sixth is measured."""
    seen = (np.arange(60) % 6 == 0)[:, None, None]
    run = written(share, recorded={"outside_update_norm": seen, "update_norm": seen})
    assert severity(run, "GL308") == expected


def test_the_finding_names_the_layer_and_the_share():
    finding = found(written(0.8, layer=3), "GL308")
    assert finding.layers == (3,)
    assert finding.value == pytest.approx(0.8)
    assert finding.confidence == "high"
    assert actions(finding) == ["find the other writer"]


@pytest.mark.parametrize(("often", "expected"), [(29, False), (30, True)])
def test_a_checkpoint_that_is_loaded_once_is_no_other_writer(often, expected):
    outside = np.where(np.arange(60) < often, 0.01, 0.0)[:, None, None]
    assert fires(make_run(steps=SLOW, outside_update_norm=outside), "GL308") == expected


@pytest.mark.parametrize(("count", "expected"), [(2, False), (3, True)])
def test_fewer_than_three_measurements_decide_nothing(count, expected):
    measured = (np.arange(60) < 10 * count) & (np.arange(60) % 10 == 0)
    recorded = {"outside_update_norm": measured[:, None, None]}
    run = make_run(steps=SLOW, outside_update_norm=0.01, recorded=recorded)
    assert fires(run, "GL308") == expected


def test_a_layer_that_the_optimizer_does_not_move_is_not_overwritten():
    """Its weights may be set by hand on purpose: an average of another net."""
    run = make_run(steps=SLOW, outside_update_norm=0.01, update_norm=0.0)
    assert not fires(run, "GL308")


def test_a_record_without_the_measurement_passes():
    assert not fires(make_run(), "GL308")


@pytest.mark.parametrize(
    ("size", "every", "expected"),
    [
        (0.61, 60, False),  # once
        (0.31, 30, False),  # twice, 31 steps' way each
        (0.21, 20, True),  # three times 21 steps' way, in 60 steps
        (0.19, 20, False),  # three times 19 steps' way
    ],
)
def test_rare_writes_count_where_they_undo_what_the_steps_did(size, every, expected):
    """As of a model whose weights are drawn anew in each epoch."""
    outside = np.where(np.arange(60) % every == 0, size, 0.0)[:, None, None]
    assert fires(make_run(steps=SLOW, outside_update_norm=outside), "GL308") == expected


def test_of_rare_writes_the_mean_is_told():
    outside = np.where(np.arange(60) % 20 == 0, 0.4, 0.0)[:, None, None]
    finding = found(make_run(steps=FAILED, outside_update_norm=outside), "GL308")
    assert finding.value == pytest.approx(2.0)  # 3 x 40 steps' way in 60 steps
    assert finding.severity == "error"
