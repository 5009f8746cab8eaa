"""GL309 shrinking-weights. Every norm starts at 8 and ends at `left` of it; T = 200."""

import numpy as np
import pytest

from gradlab.rules.shrinking_weights import ShrinkingWeights
from tests.rules.runs import (
    BASELINE,
    actions,
    fires,
    found,
    layers_of,
    make_run,
    severity,
    stepping,
    wavering,
)

FAILED, SLOW = wavering(BASELINE, 200), wavering(1.0, 200)
LEARNED = wavering(stepping(BASELINE, 0.5, 100, 200), 200)
GAINS = wavering(stepping(BASELINE, 0.7 * BASELINE, 100, 200), 200)
ADAM = {"optimizer": "adam", "weight_decay": 0.01}
ADAMW = {"optimizer": "adamw", "weight_decay": 0.1}


def shrinking(left, loss=SLOW, layers=(1, 2, 3, 4), config=None, steps=None, **details):
    norm = np.full((200, 2, 4), 8.0)
    norm[20:, :, [layer - 1 for layer in layers]] = 8.0 * left
    given = {"loss": loss} | (steps or {})
    return make_run(200, steps=given, weight_norm=norm, config=config, **details)


# -- a penalty in the loss -------------------------------------------------------------------------


@pytest.mark.parametrize(("cosine", "expected"), [(0.69, False), (0.71, True), (-0.9, False)])
def test_a_gradient_along_the_weights_is_a_penaltys(cosine, expected):
    assert fires(shrinking(0.5, grad_weight_cosine=cosine), "GL309") == expected


@pytest.mark.parametrize(("left", "expected"), [(0.69, True), (0.71, False), (1.2, False)])
def test_the_norms_must_have_fallen(left, expected):
    assert fires(shrinking(left, grad_weight_cosine=0.99), "GL309") == expected


@pytest.mark.parametrize(("layers", "expected"), [((1,), ()), ((1, 2), (1, 2))])
def test_a_penalty_acts_on_half_of_the_matrices_at_least(layers, expected):
    run = shrinking(0.5, layers=layers, grad_weight_cosine=0.99)
    assert layers_of(run, "GL309") == expected


@pytest.mark.parametrize(
    ("loss", "left", "early", "fan_in", "expected"),
    [
        (FAILED, 0.49, 0.99, 16, (1,)),
        (FAILED, 0.51, 0.99, 16, ()),
        (FAILED, 0.49, 0.69, 16, ()),  # at the start the data pulled it elsewhere
        (FAILED, 0.49, 0.99, 6, ()),  # 96 entries: chance may do it
        (SLOW, 0.49, 0.99, 16, ()),
    ],
    ids=["one", "less", "not at the start", "small", "it learns"],
)
def test_a_penalty_on_one_large_matrix_where_nothing_is_learned(
    loss, left, early, fan_in, expected
):
    cosine = np.full((200, 2, 4), 0.9)
    cosine[:20] = early
    layers = {1: {"fan_in": fan_in, "fan_out": 16}}
    run = shrinking(left, loss, layers=(1,), grad_weight_cosine=cosine, described=layers)
    assert layers_of(run, "GL309") == expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(LEARNED, ""), (GAINS, "note"), (SLOW, "warning"), (FAILED, "error")],
)
def test_weights_may_shrink_in_a_net_that_learns(loss, expected):
    assert severity(shrinking(0.5, loss, grad_weight_cosine=0.99), "GL309") == expected


def test_the_finding_names_what_is_left_and_asks_for_a_weaker_penalty():
    finding = found(shrinking(0.25, grad_weight_cosine=0.99), "GL309")
    assert finding.value == pytest.approx(0.25)
    assert finding.limit == 0.7
    assert finding.confidence == "high"
    assert actions(finding) == ["weaken penalty"]


@pytest.mark.parametrize(
    ("config", "left", "expected"),
    [
        ({"l2": 0.1}, 0.49, True),
        ({"l1": 0.1}, 0.49, True),
        ({"l2": 0.1}, 0.51, False),
        ({}, 0.06, False),
        ({}, 0.04, True),  # nothing else takes every matrix so far
    ],
)
def test_a_penalty_of_the_configuration_is_named_where_the_norms_halved_or_are_gone(
    config, left, expected
):
    assert fires(shrinking(left, config=config), "GL309") == expected


# -- the optimizer's weight decay ------------------------------------------------------------------


@pytest.mark.parametrize(("gradient", "expected"), [(0.039, True), (0.041, False)])
def test_weight_decay_rules_where_it_is_larger_than_the_gradient(gradient, expected):
    """0.01 x 4 = 0.04, against ||G||; the norm is left at a half, not below it."""
    run = shrinking(0.5, config=ADAM, grad_norm=gradient)
    assert fires(run, "GL309") == expected


@pytest.mark.parametrize(("rate", "expected"), [(0.034, False), (0.036, True)])
def test_decoupled_decay_rules_where_it_took_half_of_the_norm(rate, expected):
    """(1 - rate x 0.1)^200 is a half at a rate of 0.0347; the gradient is larger than any decay."""
    run = shrinking(0.49, config=ADAMW, steps={"learning_rate": rate}, grad_norm=10.0)
    assert fires(run, "GL309") == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [(ADAM, ["lower weight decay", "decouple weight decay"]), (ADAMW, ["lower weight decay"])],
)
def test_the_remedies_are_a_hundredth_of_the_decay_and_adamw_for_adam(config, expected):
    run = shrinking(0.3, config=config, steps={"learning_rate": 0.1}, grad_norm=0.001)
    finding = found(run, "GL309")
    assert actions(finding) == expected
    lower = finding.remedies[0].parameters["weight_decay"]
    assert lower == pytest.approx(config["weight_decay"] / 100)


@pytest.mark.parametrize(("iterations", "expected"), [(4, False), (5, True)])
def test_a_run_of_fewer_than_five_iterations_tells_nothing(iterations, expected):
    """Called whole: at five iterations the first norms are the last, so that none has fallen."""
    rule = ShrinkingWeights().with_limits({"fallen": 1.1})
    run = make_run(iterations, steps={"loss": 2.3}, grad_weight_cosine=0.99)
    assert (rule.judge(run) is not None) == expected


# -- weights that began near 0 and are held there --------------------------------------------------


def held(decay, *, norm=1.0, loss=FAILED, optimizer="adamw", rate=0.01):
    config = {"optimizer": optimizer, "weight_decay": decay}
    steps = {"loss": loss, "learning_rate": rate}
    return make_run(200, steps=steps, weight_norm=norm, config=config)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (held(8.1), True),  # no weight above 1 / 8.1, and LeCun's are 1 / 8 for 64 inputs
        (held(7.9), False),
        (held(8.1, norm=8.1), False),  # a usual layer's norm is 8
        (held(8.1, loss=SLOW), False),
        (held(8.1, optimizer="sgd"), False),
        (held(8.1, optimizer="lion"), True),
        (held(8.1, rate=1e-4), False),  # it had not the time
    ],
)
def test_a_decoupled_decay_may_let_no_weight_grow_to_a_usual_size(run, expected):
    assert fires(run, "GL309") == expected


def test_weights_that_are_held_are_not_said_to_shrink():
    finding = found(held(20.0), "GL309")
    assert "stay near 0" in finding.message
    assert "it leaves no weight above 0.05, and the norms end at 0.125" in finding.message
    assert finding.remedies[0].action == "lower weight decay"


@pytest.mark.parametrize(
    ("decay", "low", "last", "expected"),
    [
        (1e-3, 0.9e-3, 1e-2, False),
        (1.1e-3, 0.9e-3, 1e-2, True),  # no usual decay
        (1e-3, 1.1e-3, 1e-2, True),  # a tenth of the largest gradient had reached them
        (1e-3, 0.6e-3, 0.7e-2, True),  # nowhere does the gradient outweigh the decay
    ],
)
def test_a_usual_decay_takes_what_no_gradient_reaches(decay, low, last, expected):
    """Graph convolutions, twenty deep: what keeps the signal from the layers is the cause."""
    gradient = np.full((200, 1, 4), 1e-9)
    gradient[:20] = low, low, low, last
    config = {"optimizer": "adam", "weight_decay": decay}
    run = shrinking(0.01, layers=(1, 2, 3), config=config, grad_norm=gradient)
    assert fires(run, "GL309") == expected
