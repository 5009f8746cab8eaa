"""A model in shards is run backward by all of its processes, or by none."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch.origin.together import APART, Together  # noqa: E402

OURS = ((0, 1), True)


@pytest.mark.parametrize(
    ("theirs", "goes"),
    [
        (((0, 1), True), True),
        (((0, 1), False), True),  # to keep us company
        (((0,), True), False),  # its second output has no gradient: it would gather other weights
        (((), False), False),  # its forward pass broke, or cannot be run again
    ],
)
def test_all_go_back_from_the_same_outputs_or_none(theirs, goes):
    together = Together(lambda mine: [mine, theirs])
    assert together.go(*OURS) == goes
    assert together.trouble == ""


def test_nobody_goes_back_where_nobody_wants_to():
    assert not Together(lambda mine: [mine, mine]).go((0, 1), False)


def test_one_that_cannot_be_reached_is_no_company():
    together = Together(lambda mine: [mine, None])
    assert not together.go(*OURS)
    assert together.trouble == APART


def test_a_process_that_cannot_go_tells_the_others_once():
    said = []
    together = Together(lambda mine: [said.append(mine), mine])
    together.part(nn.Linear(2, 2))
    together.part(nn.Linear(2, 2))
    assert said == [((), False)]


def test_a_model_that_lies_in_one_process_asks_nobody():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    together = Together()
    assert together.go((), True)
    assert not together.go((0,), False)
    assert together.leaves(model, []) == [model.weight]
