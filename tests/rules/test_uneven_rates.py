"""GL304 where parameter groups have rates apart: layers of 64 units, half of a usual length."""

import numpy as np
import pytest

from tests.rules.runs import FAILED, LEARNED, SLOW, actions, fires, found, make_run

RATES = [0.005, 0.08]


def first_step(ratios, rates=RATES, steps=FAILED, weights=4.0):
    """Later steps are a hundredth of the weights' length."""
    ratio = np.full((60, 1, 8), 0.01)
    ratio[0, 0] = ratios
    return make_run(
        layers=8,
        steps=steps,
        config={"learning_rates": rates} if rates else {},
        update_ratio=ratio,
        weight_norm=weights,
        update_norm=ratio * weights,
    )


ONE = [1.01, *7 * [0.1]]


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"ratios": ONE}, True),
        ({"ratios": [0.99, *7 * [0.1]]}, False),
        ({"ratios": 8 * [1.01]}, False),  # then it is no matter of groups
        ({"ratios": ONE, "rates": None}, False),
        ({"ratios": ONE, "rates": [0.005, 0.0099]}, False),
        ({"ratios": ONE, "rates": [0.005, "high"]}, False),
        ({"ratios": ONE, "steps": SLOW}, True),
        ({"ratios": ONE, "steps": LEARNED}, False),
        ({"ratios": ONE, "weights": 0.07}, False),  # a LoRA's B, which begins at 0
    ],
)
def test_the_first_step_of_the_fastest_group_replaces_its_layers(details, expected):
    assert fires(first_step(**details), "GL304") == expected


def test_the_rates_and_the_layers_are_named():
    finding = found(first_step([4.0, 2.0, *6 * [0.25]]), "GL304")
    assert (finding.severity, finding.layers, finding.value) == ("error", (1, 2), 4.0)
    assert "go from 0.005 to 0.08" in finding.message
    assert "up to 400 % of their norm (limit 100 %), the others by 25 %" in finding.message
    assert actions(finding) == ["even learning rates", "warm up"]
