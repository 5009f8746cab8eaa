"""GL305 unbroken-symmetry."""

import numpy as np
import pytest

import gradlab
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


def alike(value, **details):
    """A run whose second layer has units of that cosine; the output may hold what it likes."""
    return make_run(unit_similarity=np.array([0.5, value, 0.5, 1.0]), **details)


@pytest.mark.parametrize(("value", "expected"), [(1 - 0.9e-5, True), (1 - 1.1e-5, False)])
def test_units_as_alike_as_rounding_are_the_same(value, expected):
    assert fires(alike(value), "GL305") == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(LEARNED, "note"), (SLOW, "note"), (UNCLEAR, "warning"), (FAILED, "error")],
)
def test_units_alike_are_an_error_only_where_nothing_is_learned(steps, expected):
    assert severity(alike(1.0, steps=steps), "GL305") == expected


@pytest.mark.parametrize(
    ("moved", "expected"),
    [([0.1, 0.1, 0.1, 0.1], "warning"), ([0.1, 0.0, 0.0, 0.1], "note")],
    ids=["two of three hidden layers", "none of which any step moves"],
)
def test_a_net_of_which_most_layers_are_worth_one_unit_is_warned_of_though_it_learns(
    moved, expected
):
    similarity = np.array([0.5, 1.0, 1.0, 0.5])
    run = make_run(steps=LEARNED, unit_similarity=similarity, update_norm=np.array(moved))
    assert severity(run, "GL305") == expected


@pytest.mark.parametrize(("inputs", "expected"), [(3, False), (4, True)])
def test_units_of_few_inputs_are_alike_by_chance(inputs, expected):
    assert fires(alike(1.0, described={2: {"fan_in": inputs}}), "GL305") == expected


def test_the_finding_names_the_layer():
    finding = found(alike(1.0), "GL305")
    assert finding.layers == (2,)
    assert actions(finding) == ["initialize", "check initialization"]


def test_symmetry_that_breaks_is_none():
    values = np.full((60, 1, 4), 1.0)
    values[30:] = 0.9
    assert not fires(make_run(replicates=1, unit_similarity=values), "GL305")


def test_constant_weights_are_found_in_a_real_training():
    model = gradlab.MLP([64, 8, 8, 10], "tanh")
    for weight in model.weights[:2]:
        weight[...] = 0.05
    run = gradlab.train(model, gradlab.datasets.digits(), iterations=30)
    assert found(run, "GL305").layers == (1, 2)


def test_equal_units_add_up_and_their_steps_are_the_consequence():
    run = alike(1.0, steps=FAILED, update_norm=10.0, weight_norm=5.0)
    finding, *others = gradlab.diagnose(run, select=["GL304", "GL305"]).findings
    assert (finding.rule, others) == ("GL305", [])
    assert [each.rule for each in finding.consequences] == ["GL304"]


def test_units_that_start_alike_are_no_penaltys_doing():
    """What cannot learn is all a penalty's, and no penalty makes units alike from the start."""
    shrinks = np.linspace(8, 2, 60)[:, None, None]
    run = alike(1.0, steps=FAILED, weight_norm=shrinks, grad_weight_cosine=0.99)
    (finding,) = gradlab.diagnose(run, select=["GL305", "GL309"]).findings
    assert finding.rule == "GL305"
    assert [each.rule for each in finding.consequences] == ["GL309"]
