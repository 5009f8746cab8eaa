"""GL105 on weights that are no parameters. The net's own hold 16,384 numbers."""

import pytest

from tests.rules.runs import FAILED, LEARNED, actions, found, make_run, severity

OWN = 4 * 4096


def unheld(numbers=OWN, steps=FAILED, **facts):
    """A run whose forward pass uses so many numbers that are none of its parameters."""
    known = {"tensors": 2, "numbers": numbers, "shapes": [[64, 64], [64]], "anew": False}
    known |= {"names": ["hidden[0].weight", "hidden[0].bias"], **facts}
    return make_run(steps=steps, provenance={"unheld": known})


@pytest.mark.parametrize(
    ("numbers", "steps", "expected"),
    [
        (OWN, FAILED, "error"),
        (OWN // 3 + 1, FAILED, "error"),  # a quarter of all
        (OWN // 3, FAILED, "warning"),
        (OWN // 99 + 1, FAILED, "warning"),  # a hundredth of all
        (OWN // 99, FAILED, "note"),
        (OWN, LEARNED, "note"),  # fixed on purpose, perhaps
    ],
)
def test_it_is_an_error_where_a_quarter_is_missing_from_a_net_that_fails(numbers, steps, expected):
    assert severity(unheld(numbers, steps), "GL105") == expected


def test_points_that_a_loss_is_differentiated_by_are_not_told_of_a_net_that_learns():
    assert severity(unheld(steps=LEARNED, plain=True), "GL105") == ""
    assert severity(unheld(plain=True), "GL105") == "error"


def test_the_finding_says_where_they_stand_and_what_share_they_are():
    finding = found(unheld(), "GL105")
    assert "2 tensors that forward uses as weights (hidden[0].weight, " in finding.message
    assert (finding.value, finding.layers) == (pytest.approx(0.5), ())
    assert actions(finding) == ["register"]
    assert "nn.ModuleList" in finding.remedies[0].words


def test_what_forward_makes_is_to_be_made_once():
    finding = found(unheld(names=[], anew=True), "GL105")
    assert "(of 64 x 64, 64 numbers)" in finding.message
    assert "in __init__, once" in finding.remedies[0].words
