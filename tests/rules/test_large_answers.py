"""GL203 on nets of bare parameters, whose activations nobody sees: 4 matrices of 64 x 64."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose, registry
from tests.rules.runs import FAILED, LEARNED, fires, found, make_run, severity

HE = 8 * np.sqrt(2)  # the length of such a matrix whose gain is the square root of 2
RAND = 64 / np.sqrt(3)  # and of one that is uniform between 0 and 1


def by_hand(first, *, steps=FAILED, weights=RAND, name="cross_entropy", mean=True, **columns):
    """A run without activations whose criterion came to `first` at iteration 0."""
    given = {"name": name, "reduction": "mean" if mean else "sum", "answer_shape": [20, 3]}
    seen = np.where(np.arange(60) > 0, 2.3, first)[:, None]
    return make_run(
        steps=steps | {"criterion_loss": seen, "input_rms": 1.0} | columns,
        weight_norm=weights,
        config={"criterion": given},
        described={n: {"fan_in": 64, "fan_out": 64} for n in (1, 2, 3, 4)},
        recorded={"activation_rms": False},
    )


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("cross_entropy", np.log(3) + 2 * 100),
        ("binary_cross_entropy_with_logits", np.log(2) + 100),
        ("mse_loss", 100.0**2),
        ("l1_loss", 100.0),
    ],
)
def test_what_a_criterion_says_of_the_answers_at_least(name, first):
    assert not fires(by_hand(first * 0.999, name=name), "GL203")
    assert fires(by_hand(first * 1.001, name=name), "GL203")


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, "error"),
        ({"steps": LEARNED}, ""),
        ({"weights": HE}, ""),  # four times the root of 2: something else made the answers large
        ({"input_rms": 100.0}, ""),  # the data are as large
    ],
)
def test_only_of_weights_that_made_them_so_in_a_net_that_fails(details, expected):
    assert severity(by_hand(4000.0, **details), "GL203") == expected


def test_targets_that_are_as_large_are_another_matter():
    assert fires(by_hand(1e8, name="mse_loss", target_rms=99.0), "GL203")
    assert not fires(by_hand(1e8, name="mse_loss", target_rms=101.0), "GL203")


def test_it_comes_before_what_the_steps_do():
    run = by_hand(4000.0)
    finding = found(run, "GL203")
    assert finding.iterations == (0, 0)
    assert finding.layers == (1, 2, 3, 4)
    assert finding.message.startswith("The answers are at least 1999 times as large as")
    assert diagnose(run).findings[0].rule == "GL203"


@pytest.mark.parametrize(
    "details",
    [{"mean": False}, {"name": "triplet_margin_loss"}],
    ids=["a sum over the batch", "a criterion that bounds nothing"],
)
def test_a_criterion_that_does_not_tell_is_not_asked(details):
    assert "activation_rms" in registry()["GL203"].missing(by_hand(4000.0, **details))
