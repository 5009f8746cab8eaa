"""GL304 of steps that no ratio shows: the weights grew along with them, and nothing comes back."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose
from tests.corpus.corpus import Case, train
from tests.rules.runs import BASELINE, found, make_run, severity, wavering

LONG = 200
LEARNED = {"loss": np.linspace(BASELINE, 0.1, LONG)[:, None]}
SLOW = {"loss": wavering(1.0, LONG)}
FAILED = {"loss": wavering(BASELINE, LONG)}
THROWN = {"loss": wavering(2 * BASELINE, LONG)}


def carried(grown=2.0, left=1e-5, *, layers=4, over=40, steps=FAILED):
    """A run whose first `layers` of 4 grow within iterations 20 to 20 + `over`, and fade."""
    way = np.clip((np.arange(LONG) - 20) / over, 0, 1)[:, None, None]
    hit = np.arange(4) < layers
    return make_run(
        LONG,
        steps=steps,
        weight_norm=np.where(hit, 8 * grown**way, 8.0),
        grad_norm=left**way,
    )


@pytest.mark.parametrize(("grown", "expected"), [(1.40, ""), (1.43, "error")])
def test_the_weights_must_come_out_at_a_right_angle_at_least(grown, expected):
    assert severity(carried(grown), "GL304") == expected


@pytest.mark.parametrize(("start", "expected"), [(8 / 3**0.5, "error"), (3.0, "")])
def test_pytorchs_own_start_is_a_start_and_less_has_to_grow(start, expected):
    """Layers of 64 outputs start at a norm of 8 / sqrt(3) there."""
    way = np.clip((np.arange(LONG) - 20) / 40, 0, 1)[:, None, None]
    run = make_run(LONG, steps=FAILED, weight_norm=start * 1.5**way, grad_norm=1e-5**way)
    assert severity(run, "GL304") == expected


@pytest.mark.parametrize(("left", "expected"), [(1.1e-3, ""), (0.9e-3, "error")])
def test_where_gradients_go_on_the_steps_took_nothing_away(left, expected):
    assert severity(carried(left=left), "GL304") == expected


def test_what_is_left_is_read_off_all_steps_where_weights_are_measured_less_and_less():
    known = np.isin(np.arange(LONG), [*range(25), *range(30, 80, 2), 150, 199])
    gradient = np.where(np.arange(LONG) < 145, 1.0, 1e-9)[:, None, None]
    way = np.clip((np.arange(LONG) - 20) / 40, 0, 1)[:, None, None]
    recorded = {"weight_norm": np.broadcast_to(known[:, None, None], (LONG, 2, 4))}
    grown = {"weight_norm": 8 * 2**way, "grad_norm": gradient}
    assert severity(make_run(LONG, steps=FAILED, recorded=recorded, **grown), "GL304") == "error"


@pytest.mark.parametrize(("layers", "expected"), [(1, ""), (3, "error"), (4, "error")])
def test_half_of_the_layers_must_be_carried_along(layers, expected):
    assert severity(carried(layers=layers), "GL304") == expected


@pytest.mark.parametrize(("over", "expected"), [(40, "error"), (180, "")])
def test_weights_that_grow_in_their_own_time_are_not_thrown(over, expected):
    assert severity(carried(1.6, over=over), "GL304") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, ""), (FAILED, "error"), (THROWN, "error")]
)
def test_only_a_net_that_learned_nothing_is_judged(steps, expected):
    assert severity(carried(steps=steps), "GL304") == expected


@pytest.mark.parametrize(("steps", "expected"), [(FAILED, ""), (THROWN, "error")])
def test_a_loss_far_above_a_constants_needs_no_fading_gradient(steps, expected):
    assert severity(carried(left=0.5, steps=steps), "GL304") == expected


def late(share, above):
    """Losses that stand above the constant's for a share of the run, and end at `share` of it."""
    rows = np.arange(LONG)
    wave = 0.01 * np.where(rows % 2, 1, -1)
    level = np.where(rows < above * LONG, 1.05, share)
    return {"loss": BASELINE * (level + wave)[:, None]}


@pytest.mark.parametrize(
    ("share", "above", "expected"),
    [(0.97, 0.7, "warning"), (0.97, 0.3, ""), (0.80, 0.7, "")],
)
def test_what_is_learned_when_the_rate_has_fallen_is_little(share, above, expected):
    assert severity(carried(left=0.5, steps=late(share, above)), "GL304") == expected


def test_measurements_further_apart_than_a_window_are_judged_two_by_two():
    length = 1200
    measured = np.arange(length)[:, None, None] % 60 == 0
    way = np.clip((np.arange(length) - 120) / 60, 0, 1)[:, None, None]
    run = make_run(
        length,
        steps={"loss": wavering(BASELINE, length)},
        recorded={"weight_norm": measured, "grad_norm": measured},
        weight_norm=8 * 2.0**way,
        grad_norm=1e-5**way,
    )
    assert severity(run, "GL304") == "error"


def test_the_finding_names_the_layers_that_grew_and_when():
    finding = found(carried(layers=3), "GL304")
    assert finding.layers == (1, 2, 3)
    assert finding.value > finding.limit == pytest.approx(2**0.5)
    assert 0 <= finding.iterations[0] <= 20
    assert finding.iterations[1] == LONG - 1  # what was carried away does not come back


WARM = {"schedule": "constant:warmup=60", "batch_size": 32, "iterations": 200}


def root(rate, network="relu", depth=3, data="digits", optimizer="adam"):
    """Train three seeds; return the code of the first root that is no note, empty without one."""
    training = WARM | {"learning_rate": rate, "optimizer": optimizer, "on_finding": print}
    made = Case("made", "tune", network=network, depth=depth, data=data, training=training)
    return next((each.rule for each in diagnose(train(made).run).faults), "")


@pytest.mark.parametrize(
    ("rate", "network", "depth", "optimizer"),
    [
        (0.3, "elu", 3, "adam"),
        (0.3, "relu", 5, "adam"),
        (0.1, "selu:lecun_normal", 4, "adamw"),
    ],
)
def test_a_warm_up_to_a_rate_that_is_too_high_is_the_root(rate, network, depth, optimizer):
    assert root(rate, network, depth, optimizer=optimizer) == "GL304"


@pytest.mark.parametrize("network", ["elu", "relu"])
def test_a_warm_up_to_a_rate_that_the_net_can_bear_is_none(network):
    assert root(0.03, network) == ""


@pytest.mark.parametrize("network", ["relu", "tanh", "sigmoid"])
def test_labels_that_have_nothing_to_do_with_the_inputs_are_no_matter_of_the_steps(network):
    assert root(0.03, network, data="unrelated") == "GL402"
