"""GL401 unstable-loss."""

import numpy as np
import pytest

from tests.rules.runs import fires, found, make_run


def swinging(high, every):
    loss = np.full((110, 2), 1.0)
    loss[10::every] = high
    return make_run(110, steps={"loss": loss})


@pytest.mark.parametrize(
    ("high", "every", "expected"),
    # 1.5 times the baseline of 2.3 is 3.45; every fifth iteration is a fifth of them
    [(3.4, 2, False), (3.5, 2, True), (3.5, 5, True), (3.5, 6, False)],
)
def test_a_loss_is_unstable_where_it_is_thrown_back_often(high, every, expected):
    assert fires(swinging(high, every), "GL401") == expected


def test_the_finding_names_the_share_of_iterations():
    finding = found(swinging(3.5, 2), "GL401")
    assert finding.value == pytest.approx(0.5)
    assert finding.limit == 0.2
    assert finding.layers == ()


@pytest.mark.parametrize(
    "loss",
    [np.full(110, 9.0), np.geomspace(100, 0.1, 110), np.r_[np.full(10, 50.0), np.ones(100)]],
    ids=["high and still", "falling", "a bad start"],
)
def test_a_loss_that_is_high_and_still_or_only_falls_is_stable(loss):
    assert not fires(make_run(110, steps={"loss": loss[:, None]}), "GL401")
