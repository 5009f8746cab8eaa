"""GL102 exploding-gradient: at iteration 0 by the signal's growth, later by the size of steps.

The losses waver by 0.1, which is the spread that a step's share is measured by.
"""

import numpy as np
import pytest

from tests.rules.runs import (
    BASELINE,
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    layers_of,
    make_run,
    severity,
    stepping,
    wavering,
)

SPREAD = 0.1


def delta(growth):
    return np.broadcast_to([growth, growth**0.5, 1.5, 1.0], (60, 2, 4))


# -- before the first update -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("growth", "expected"), [(1.0, False), (99.9, False), (100.1, True), (1e30, True)]
)
def test_the_limit_of_growth_at_iteration_0(growth, expected):
    assert fires(make_run(delta_norm=delta(growth)), "GL102") == expected


def test_growth_at_iteration_0_names_value_layers_and_time():
    finding = found(make_run(delta_norm=delta(1e4)), "GL102")
    assert finding.iterations == (0, 0)
    assert finding.value == pytest.approx(1e4)
    assert finding.limit == 100
    assert finding.layers == (1,)


def test_growth_is_judged_wherever_it_peaks():
    peak = np.broadcast_to([1.0, 500.0, 2.0, 1.0], (60, 2, 4))
    assert layers_of(make_run(delta_norm=peak), "GL102") == (2,)


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, "warning"), (SLOW, "warning"), (FAILED, "error")]
)
def test_growth_along_a_plain_chain_is_worth_a_word_in_a_net_that_learns(steps, expected):
    assert severity(make_run(steps=steps, delta_norm=delta(1e4)), "GL102") == expected


def test_growth_past_additions_is_a_note_in_a_net_that_learns():
    run = make_run(delta_norm=delta(1e4), log_gain_block=0.1)
    assert severity(run, "GL102") == "note"


def test_growth_past_additions_is_a_warning_where_the_loss_stays_far_above_a_constants():
    loss = BASELINE * np.repeat([100.0, 60.0, 2.0], [30, 15, 15])[:, None]
    run = make_run(steps={"loss": loss}, delta_norm=delta(1e4), log_gain_block=0.1)
    assert severity(run, "GL102") == "warning"


def test_a_gain_above_1_is_the_first_thing_to_take_back():
    gains = {"log_gain_weight": np.log(1e4) / 3 + 0.35, "log_gain_slope": -0.35}
    finding = found(make_run(delta_norm=delta(1e4), config={"gain": 2.0}, **gains), "GL102")
    assert finding.cause["dominant"] == "weight"
    assert finding.remedies[0].action == "initialize"
    assert finding.remedies[0].parameters == {"gain": 1.0, "was": 2.0}


GROWN_BY_NORMS = {
    "log_gain_block": np.log(1e4) / 3,
    "delta_norm": np.array([1e4, 464.0, 21.5, 1.0]),
}


@pytest.mark.parametrize(
    ("iterations", "loss", "expected"),
    [(60, 0.1, False), (60, 2.3, True), (20, 2.3, True), (19, 2.3, False), (1, 2.3, False)],
)
def test_growth_that_a_norm_makes_explodes_only_where_nothing_is_learned(
    iterations, loss, expected
):
    run = make_run(iterations, steps={"loss": loss}, **GROWN_BY_NORMS)
    assert fires(run, "GL102") == expected


@pytest.mark.parametrize(
    ("later", "first_loss", "ratio", "expected"),
    [
        (99.0, BASELINE, 0.01, False),
        (101.0, BASELINE, 0.01, True),
        (99.0, BASELINE / 2, 0.01, True),  # the loss has risen
        (99.0, BASELINE, 0.3, True),  # too large steps may have done it
    ],
)
def test_growth_past_norms_that_a_net_comes_out_of_unharmed_is_not_why_it_fails(
    later, first_loss, ratio, expected
):
    """As through a norm of answers that are all 0, or where a term reads an inner layer."""
    growth = stepping(1e4, later, 20, 60)[:, None, None] ** np.array([1, 2 / 3, 1 / 3, 0])
    columns = GROWN_BY_NORMS | {"delta_norm": growth, "update_ratio": ratio}
    loss = stepping(first_loss, BASELINE, 1, 60)[:, None]
    assert fires(make_run(steps={"loss": loss}, **columns), "GL102") == expected


@pytest.mark.parametrize(("growth", "expected"), [(99.0, False), (101.0, True)])
def test_in_a_net_with_a_residual_stream_the_stream_counts(growth, expected):
    stream = {"stream_grad_norm": np.array([growth, 1.0])}
    run = make_run(delta_norm=delta(1e6), blocks=("b.0", "b.1"), block_signals=stream)
    assert fires(run, "GL102") == expected


@pytest.mark.parametrize(
    ("kind", "beyond", "expected"),
    [
        ("Linear", -1.0, True),
        ("Linear", np.log(1e4 / 101), True),
        ("Linear", np.log(1e4 / 99), False),
        ("Conv2d", np.log(1e4 / 99), True),
    ],
)
def test_what_is_more_than_the_weights_can_pass_on_is_no_growth_through_layers(
    kind, beyond, expected
):
    """||W d|| <= ||W||_F ||d||: an alignment above ln sqrt(fan_out), of 64 units, cannot be."""
    alignment = np.array([0.0, 0.0, np.log(64) / 2 + beyond, np.nan])
    described = {number: {"kind": kind} for number in (1, 2, 3, 4)}
    growing = {"delta_norm": delta(1e4), "log_gain_alignment": alignment}
    assert fires(make_run(described=described, **growing), "GL102") == expected


# -- while training --------------------------------------------------------------------------------


def stepped(share, count=60, loss=FAILED["loss"]):
    """A run whose updates should change the loss by `share` times 0.1, in `count` of them."""
    decrease = np.full((60, 2), 0.01)
    decrease[20 : 20 + count] = share * SPREAD
    return make_run(steps={"loss": loss, "expected_decrease": decrease})


@pytest.mark.parametrize(("count", "expected"), [(1, False), (2, True)])
def test_two_steps_above_the_alarm_make_an_explosion(count, expected):
    assert fires(stepped(101.0, count), "GL102") == expected


@pytest.mark.parametrize(("share", "expected"), [(99.0, False), (101.0, True)])
def test_the_step_alarm_stands_at_100(share, expected):
    assert fires(stepped(share), "GL102") == expected


def test_an_explosion_while_training_names_its_iterations():
    finding = found(stepped(101.0, 2), "GL102")
    assert finding.iterations == (20, 21)
    assert finding.value == pytest.approx(101.0, rel=1e-6)


@pytest.mark.parametrize(("steps", "expected"), [(LEARNED, ""), (SLOW, ""), (FAILED, "error")])
def test_large_steps_of_a_net_that_learns_are_no_explosion(steps, expected):
    assert severity(stepped(1e4, loss=steps["loss"]), "GL102") == expected


@pytest.mark.parametrize("offset", [-10.0, 0.0, 1000.0])
def test_a_constant_added_to_the_loss_changes_nothing(offset):
    decrease = np.full((60, 2), 101.0 * SPREAD)
    steps = {"loss": FAILED["loss"] + offset, "expected_decrease": decrease}
    blind = {"baseline_loss": None}
    assert fires(make_run(steps=steps, config=blind), "GL102")
    steps["expected_decrease"] = 99.0 * SPREAD
    assert not fires(make_run(steps=steps, config=blind), "GL102")


def test_a_loss_that_is_nothing_but_rounding_measures_no_step():
    steps = {"loss": BASELINE, "expected_decrease": 1e9}
    assert not fires(make_run(steps=steps), "GL102")


@pytest.mark.parametrize(
    ("share", "rise", "expected"),
    [(4.1, 0.051, True), (3.9, 0.051, False), (4.1, 0.049, False), (41, 0.0, False)],
)
def test_large_steps_explode_only_while_the_loss_stands_higher(share, rise, expected):
    loss = wavering(BASELINE + rise)
    loss[0] = BASELINE
    run = make_run(steps={"loss": loss, "expected_decrease": share * SPREAD})
    assert fires(run, "GL102") == expected


@pytest.mark.parametrize(
    ("end", "expected"), [(0.0, False), (0.1, False), (0.13, True), (0.5, True)]
)
def test_a_loss_that_comes_back_was_no_explosion(end, expected):
    """The losses spread by 0.6 - end, a quarter of which they must stay above the first one."""
    loss = wavering(BASELINE + stepping(0.5, end, 50, 60))
    loss[0] = BASELINE
    steps = {"loss": loss, "expected_decrease": 5.0}
    run = make_run(steps=steps, config={"baseline_loss": 1.0})
    assert fires(run, "GL102") == expected


def test_an_explosion_that_ends_in_nan_is_an_error_in_one_seed():
    decrease = np.full((60, 4), 0.1)
    decrease[3:5, 0] = 1e6
    loss = wavering(1.0, 60, 4)
    loss[5:, 0] = np.nan
    finding = found(make_run(60, 4, steps={"loss": loss, "expected_decrease": decrease}), "GL102")
    assert finding.severity == "error"
    assert finding.replicates["hit"] == 1


def test_harmless_factors_blame_the_step_size():
    assert actions(found(stepped(1e3), "GL102")) == ["lower learning rate", "clip gradient"]


def test_a_stream_of_blocks_that_no_layer_belongs_to_has_a_remedy_all_the_same():
    stream = {"stream_log_gain": np.full((60, 2, 2), 8.0)}
    stream |= {"stream_grad_norm": np.full((60, 2, 2), [1e8, 1.0])}
    run = make_run(delta_norm=delta(1e10), blocks=("b.0", "b.1"), block_signals=stream)
    finding = found(run, "GL102")
    assert finding.blocks == ("b.0", "b.1")
    assert finding.remedies
