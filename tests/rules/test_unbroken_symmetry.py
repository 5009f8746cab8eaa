"""GL305 unbroken-symmetry."""

import numpy as np
import pytest

import gradlab
from tests.rules.runs import actions, fires, found, make_run


def alike(value):
    """A run whose second layer has units of that cosine.

    The output layer may hold what it likes.
    """
    return make_run(unit_similarity=np.array([0.5, value, 0.5, 1.0]))


@pytest.mark.parametrize(("value", "expected"), [(1 - 0.9e-5, True), (1 - 1.1e-5, False)])
def test_units_as_alike_as_rounding_are_the_same(value, expected):
    assert fires(alike(value), "GL305") == expected


def test_the_finding_names_the_layer():
    finding = found(alike(1.0), "GL305")
    assert finding.layers == (2,)
    assert finding.severity == "error"
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
