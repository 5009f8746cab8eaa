"""GL303 diverging-weights. The runaway 2.2 -> 10.8 -> 100.6 is worked out by hand in theory.md."""

import numpy as np
import pytest

import gradlab
from gradlab.datasets import Data
from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    make_run,
    severity,
    stepping,
    wavering,
)

RATIO = 89.8 / 8.6
GROWING = np.geomspace(0.01, 100, 60)[:, None, None]


def line(slope):
    x = np.array([[1.0], [-1.0]])
    return Data("a line", x, slope * x[:, 0], x, slope * x[:, 0])


def trained(sizes, data, start, loss, rate, iterations=5):
    model = gradlab.MLP(sizes, "identity", dtype="float64")
    model.weights.flat[:] = start
    return gradlab.train(
        model, data, loss=loss, learning_rate=rate, batch_size=2, iterations=iterations, every=1
    )


@pytest.fixture(scope="module")
def overshoot():
    """Distance from the minimum times 1 - eta lambda a step, lambda = 2."""
    start = 3.0 - 8.6 / (RATIO + 1)
    return trained([1, 1], line(3.0), start, "squared_error", (1 + RATIO) / 2)


def test_the_lectures_runaway_is_told_by_its_cosine():
    """Steps of 8.6, 89.8 and so on, all the same way, at a loss that gains nothing by them."""
    steps = 8.6 * RATIO ** np.arange(6)[:, None, None]
    loss = {"loss": wavering(2.3, 6)}
    run = make_run(6, update_norm=steps, update_cosine=1.0, steps=loss)
    finding = found(run, "GL303")
    assert finding.value == pytest.approx(RATIO)
    assert actions(finding)[0] == "bound the loss"


def test_an_overshoot_of_the_same_sizes_is_told_by_its_cosine(overshoot):
    finding = found(overshoot, "GL303")
    assert finding.value == pytest.approx(RATIO, rel=1e-3)
    assert overshoot["update_cosine"][1:].max() == pytest.approx(-1.0)
    assert finding.remedies[0].action == "lower learning rate"
    assert finding.remedies[0].parameters["factor"] == pytest.approx(1 + RATIO, rel=1e-3)


@pytest.mark.parametrize(("rate", "expected"), [(0.99, False), (1.2, True)])
def test_gradient_descent_diverges_past_two_over_lambda(rate, expected):
    """lambda = 2 mean x^2 = 2: the limit is a learning rate of 1."""
    run = trained([1, 1], line(3.0), 2.0, "squared_error", rate, iterations=40)
    assert fires(run, "GL303") == expected


def growing(until, cosine=1.0, fall=0.0):
    """Steps that grow to `until` in 60 iterations; the losses spread by 1.0 and fall by `fall`."""
    norm = np.full((120, 1, 1), 0.001)
    norm[:60] = np.geomspace(0.01, until, 60)[:, None, None]
    loss = stepping(2.3, 2.3 - fall, 30, 120)
    loss[100:] = 1.3
    config = {"baseline_loss": 1.3}  # nothing is learned
    steps = {"loss": loss[:, None]}
    return make_run(120, steps=steps, update_norm=norm, update_cosine=cosine, config=config)


@pytest.mark.parametrize(("fall", "expected"), [(0.49, True), (0.51, False)])
def test_growing_steps_by_which_the_loss_falls_are_good_ones(fall, expected):
    assert fires(growing(100.0, fall=fall), "GL303") == expected


@pytest.mark.parametrize(
    ("until", "cosine", "expected"),
    [
        (9.0, 0.71, True),
        (9.0, -0.71, True),
        (9.0, 0.69, False),
        (9.0, -0.69, False),
        (11.0, 0.0, True),  # more than a thousandfold: the direction does not matter
    ],
)
def test_steps_along_one_line_diverge_and_others_only_past_all_bounds(until, cosine, expected):
    assert fires(growing(until, cosine), "GL303") == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, ""), (SLOW, "warning"), (FAILED, "error")]
)
def test_whatever_grew_in_a_net_that_learned_was_overcome(steps, expected):
    run = make_run(update_norm=GROWING, update_cosine=1.0, steps=steps)
    assert severity(run, "GL303") == expected


def test_steps_that_go_no_farther_than_the_weights_length_do_not_diverge():
    run = make_run(update_norm=GROWING / 1000, update_cosine=1.0, steps=FAILED)
    assert not fires(run, "GL303")


def test_steps_that_grow_beyond_all_numbers_are_judged():
    """Two stretches, each from the smallest number to the largest: ratio^steps overflows."""
    step = np.tile(np.geomspace(5e-324, 1.7e308, 30), 2)[:, None, None]
    assert fires(make_run(steps=FAILED, update_norm=step), "GL303")
