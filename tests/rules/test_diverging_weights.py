"""GL303 diverging-weights. The runaway 2.2 -> 10.8 -> 100.6 is worked out by hand in theory.md."""

import numpy as np
import pytest

import gradlab
from gradlab.datasets import Data
from tests.rules.runs import actions, fires, found, make_run

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
def runaway():
    start = 8.6 / (RATIO - 1)
    return trained([1, 1, 1], line(1e12), start, "mean_absolute_error", RATIO - 1)


@pytest.fixture(scope="module")
def overshoot():
    """Distance from the minimum times 1 - eta lambda a step, lambda = 2."""
    start = 3.0 - 8.6 / (RATIO + 1)
    return trained([1, 1], line(3.0), start, "squared_error", (1 + RATIO) / 2)


def test_the_lectures_runaway_is_told_by_its_cosine(runaway):
    finding = found(runaway, "GL303")
    assert finding.value == pytest.approx(RATIO, rel=1e-3)
    assert runaway["update_cosine"][1:].min() == pytest.approx(1.0)
    assert actions(finding)[0] == "bound the loss"


def test_an_overshoot_of_the_same_sizes_is_told_by_its_cosine(overshoot):
    finding = found(overshoot, "GL303")
    assert finding.value == pytest.approx(RATIO, rel=1e-3)
    assert overshoot["update_cosine"][1:].max() == pytest.approx(-1.0)
    assert finding.remedies[0].action == "lower learning rate"
    assert finding.remedies[0].parameters["factor"] == pytest.approx((1 + RATIO) / 2, rel=1e-3)


@pytest.mark.parametrize(("rate", "expected"), [(0.99, False), (1.2, True)])
def test_gradient_descent_diverges_past_two_over_lambda(rate, expected):
    """lambda = 2 mean x^2 = 2: the limit is a learning rate of 1."""
    run = trained([1, 1], line(3.0), 2.0, "squared_error", rate, iterations=40)
    assert fires(run, "GL303") == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(2.0, 2.0, True), (2.0, 1.01, True), (2.0, 0.5, False)]
)
def test_growing_steps_that_halve_the_loss_are_good_ones(start, end, expected):
    run = make_run(update_norm=GROWING, steps={"loss": np.linspace(start, end, 60)[:, None]})
    assert fires(run, "GL303") == expected


def test_steps_that_go_no_farther_than_the_weights_length_do_not_diverge():
    run = make_run(update_norm=GROWING / 1000, steps={"loss": np.full((60, 1), 2.0)})
    assert not fires(run, "GL303")
