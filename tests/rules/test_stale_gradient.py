"""GL104 stale-gradient. The first batch of each run is clean: nothing older is there yet."""

import numpy as np
import pytest

import gradlab
from gradlab.diagnosis import registry
from tests.rules.runs import (
    FAILED,
    LEARNED,
    SLOW,
    actions,
    fires,
    found,
    layers_of,
    make_run,
    severity,
)


def stale(ratio, layers=(1, 2, 3, 4), iterations=60, first=1.0, steps=SLOW, **details):
    """A run whose gradients are `ratio` times what a batch can make, but for its first batch."""
    norm = np.ones((iterations, 2, 4))
    norm[1:, :, [layer - 1 for layer in layers]] = ratio
    norm[0] = first
    return make_run(iterations, grad_norm=norm, per_example_grad_norm=1.0, steps=steps, **details)


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, False), (1.1, False), (1.11, True)])
def test_a_gradient_larger_than_its_batch_can_make_it_is_stale(ratio, expected):
    assert fires(stale(ratio), "GL104") == expected


@pytest.mark.parametrize(("ratio", "limit"), [(1.11, 1.1), (2.0, 1.1), (2.01, 2.0)])
def test_the_finding_names_the_limit_that_it_crosses(ratio, limit):
    assert found(stale(ratio), "GL104").limit == limit


@pytest.mark.parametrize(
    ("steps", "expected"), [(LEARNED, "warning"), (SLOW, "warning"), (FAILED, "error")]
)
def test_it_is_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(stale(5.0, steps=steps), "GL104") == expected


def test_the_finding_names_value_and_layers():
    finding = found(stale(2.5), "GL104")
    assert finding.value == pytest.approx(2.5)
    assert finding.layers == (1, 2, 3, 4)
    assert actions(finding)[0] == "empty gradients"


@pytest.mark.parametrize(("layers", "expected"), [((3,), ()), ((2, 3), (2, 3))])
def test_nobody_forgets_some_layers_alone(layers, expected):
    """Where few layers are hit, p more likely lacks something there."""
    assert layers_of(stale(5.0, layers), "GL104") == expected


@pytest.mark.parametrize(("known", "expected"), [((1,), (1,)), ((1, 2), ())])
def test_one_layer_of_two_is_no_forgotten_gradient(known, expected):
    """Its answer may be multiplied by five, and with it what its examples make."""
    run = stale(5.0, (1,))
    least = np.where(np.isin(np.arange(1, 5), known), 1.0, 0.0)
    measured = dict(grad_norm=run["grad_norm"], per_example_grad_norm=least + 0 * run["grad_norm"])
    assert layers_of(make_run(60, steps=SLOW, **measured), "GL104") == expected


@pytest.mark.parametrize(("iterations", "expected"), [(2, False), (3, True)])
def test_two_records_decide_nothing(iterations, expected):
    run = stale(5.0, iterations=iterations, steps={"loss": 2.3})
    assert fires(run, "GL104") == expected


@pytest.mark.parametrize(("first", "expected"), [(1.1, True), (1.11, False)])
def test_where_the_first_batch_is_too_large_already_p_is_incomplete(first, expected):
    assert fires(stale(5.0, first=first), "GL104") == expected


@pytest.mark.parametrize(("cosine", "expected"), [(0.5, True), (0.51, False), (-0.51, True)])
def test_a_gradient_along_the_weights_is_a_penaltys(cosine, expected):
    assert fires(stale(5.0, grad_weight_cosine=cosine), "GL104") == expected


@pytest.mark.parametrize(
    ("count", "of", "expected"), [(2, 2, False), (3, 3, True), (5, 10, False), (6, 10, True)]
)
def test_gradients_that_were_seen_to_be_left_over_need_no_statistic(count, of, expected):
    noted = {"stale_gradients": {"count": count, "of": of}}
    assert fires(make_run(steps=FAILED, provenance=noted), "GL104") == expected


def test_counts_that_are_no_numbers_say_nothing():
    noted = {"stale_gradients": {"count": [], "of": {}}}
    assert not fires(make_run(steps=FAILED, provenance=noted), "GL104")


def test_gradients_that_were_seen_to_be_left_over_are_a_cause_beyond_doubt():
    noted = {"stale_gradients": {"count": 9, "of": 10}}
    finding = found(make_run(steps=FAILED, provenance=noted), "GL104")
    assert finding.layers == ()
    assert finding.value == 0.9
    assert registry()["GL104"].is_cause(finding)
    assert not registry()["GL104"].is_cause(found(stale(5.0), "GL104"))


@pytest.mark.parametrize("seed", range(3))
def test_the_engine_never_makes_a_stale_gradient(seed):
    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP([64, 16, 10], activation="relu", seed=seed)
    run = gradlab.train(model, data, iterations=40, batch_size=4, learning_rate=0.3)
    assert (run["grad_norm"] <= run["per_example_grad_norm"] * (1 + 1e-5)).all()
