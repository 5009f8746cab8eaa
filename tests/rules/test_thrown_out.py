"""GL304 of a step that threw away what a net had learned."""

import numpy as np
import pytest

from tests.rules.runs import BASELINE, fires, found, make_run, severity, wavering

LONG, AT = 120, 60


def thrown(ratio=0.5, *, layers=4, before=0.5, after=1.05, back=False):
    """Small weights of 4 layers: one step at iteration 60 changes the first `layers` by `ratio`.

    The loss goes from `before` to `after` times the best constant prediction's, and `back`.
    """
    rows = np.arange(LONG)
    level = np.where(rows <= AT, before, np.where(back & (rows > AT + 15), before, after))
    hit = (rows[:, None, None] == AT) & (np.arange(4) < layers)
    size = np.where(hit, ratio, 1e-3)
    return make_run(
        LONG,
        steps={"loss": wavering(BASELINE * level, LONG, scatter=0.05)},
        weight_norm=0.1,
        update_norm=0.1 * size,
        update_ratio=size,
    )


def test_a_step_of_half_the_weights_that_undoes_what_was_learned_is_too_large():
    finding = found(thrown(), "GL304")
    assert finding.severity == "error"
    assert finding.iterations == (AT, AT)
    assert finding.value == pytest.approx(0.5)
    assert finding.layers == (1, 2, 3, 4)


@pytest.mark.parametrize(("ratio", "expected"), [(0.29, ""), (0.31, "error")])
def test_the_limit_is_that_of_a_burst(ratio, expected):
    assert severity(thrown(ratio), "GL304") == expected


@pytest.mark.parametrize(("layers", "expected"), [(1, False), (3, True)])
def test_half_of_the_layers_must_change(layers, expected):
    assert fires(thrown(layers=layers), "GL304") == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(0.5, 1.05, True), (0.99, 1.05, False), (0.5, 0.9, False)]
)
def test_something_must_have_been_learned_and_be_lost(before, after, expected):
    assert fires(thrown(before=before, after=after), "GL304") == expected


def test_what_is_learned_again_was_not_thrown_away():
    assert not fires(thrown(back=True), "GL304")
