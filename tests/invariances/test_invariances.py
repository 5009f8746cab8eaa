"""What leaves alone what is learned must leave alone the verdict: root cause, severity, layers.

Hypothesis draws the constants. A verdict that changes here is a bug in a yardstick.
"""

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import gradlab  # noqa: E402
from tests.invariances.trainings import (  # noqa: E402
    MEMBERS,
    changed,
    relogged,
    train,
    unchanged,
    verdict,
)

ALL = pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
BY_NAME = {member.name: member for member in MEMBERS}
FEW = pytest.mark.parametrize(
    "member",
    [
        BY_NAME[name]
        for name in (
            "relu with adam",
            "sigmoid 6",
            "relu 6 at gain 4",
            "a rate of 1e-5",
            "softmax before cross-entropy",
        )
    ],
    ids=lambda member: member.name,
)
DRAWN = settings(max_examples=2, derandomize=True)


@ALL
def test_each_training_has_the_verdict_that_it_was_made_for(member):
    roots = {code for code, _, _ in verdict(unchanged(member))}
    assert roots <= set(member.expected)
    assert bool(roots) == bool(member.expected)


@ALL
@settings(max_examples=5, derandomize=True)
@given(offset=st.floats(-1000, 1000))
def test_a_constant_added_to_the_logged_loss(member, offset):
    run = unchanged(member)
    assert verdict(relogged(run, offset)) == verdict(run)


@ALL
@DRAWN
@given(exponent=st.sampled_from([-7, -3, 5, 9]))
def test_a_factor_of_the_loss_with_a_rate_divided_by_it(member, exponent):
    """SGD's rate is divided by it and its decay and clipping multiplied; Adam's epsilon is."""
    assert verdict(train(member, changed(scale=2.0**exponent))) == verdict(unchanged(member))


@FEW
@pytest.mark.parametrize(
    "change",
    [
        changed(permuted=True),
        changed(identity=True, renamed=True, wrapped=True),
        changed(parts=4),
        changed(every=5),
        changed(every=10),
        changed(dtype=torch.float64),
    ],
    ids=["units permuted", "modules", "accumulation", "every 5th", "every 10th", "float64"],
)
def test_the_same_training_in_other_words(member, change):
    assert verdict(train(member, change)) == verdict(unchanged(member))


@pytest.mark.parametrize(
    ("activation", "options", "rate"),
    [("relu", {}, 0.02), ("sigmoid", {}, 0.02), ("relu", {"gain": 3.0}, 0.02)],
)
def test_the_built_in_engine_in_float64(activation, options, rate):
    data = gradlab.datasets.digits(seed=0)
    found = []
    for dtype in ("float32", "float64"):
        model = gradlab.MLP(
            [64, *[24] * 6, 10], activation, init="he_normal", dtype=dtype, **options
        )
        found.append(verdict(gradlab.train(model, data, iterations=120, learning_rate=rate)))
    assert found[0] == found[1]
