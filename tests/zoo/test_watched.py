"""Watched or not, a training of the zoo leaves the same weights, buffers and generators, bit for
bit.
"""

import inspect
import warnings

import pytest

pytest.importorskip("torch")

import torch

from gradlab.adapters.torch import watch
from tests import bitwise
from tests.zoo.member import Member, load
from tests.zoo.running import Unwatched

FAST = [member for member in load() if member.fast]


def trained(member: Member, watched: bool) -> dict[str, object]:
    """Train a member; return what it leaves behind."""
    bitwise.seed(0)
    model, optimizer = member.make()
    optimizers = optimizer if isinstance(optimizer, (list, tuple)) else [optimizer]
    if watched:
        known = inspect.signature(watch).parameters
        options = {name: value for name, value in member.watch.items() if name in known}
        with watch(model, optimizer, **options) as recorder:
            member.train(model, optimizer, recorder)
        assert recorder.run.provenance["status"] == "complete"
    else:
        member.train(model, optimizer, Unwatched())
    return bitwise.state_of(model, optimizers)


@pytest.mark.parametrize("member", FAST, ids=[member.name for member in FAST])
def test_a_watched_training_is_bit_for_bit_the_unwatched_one(member: Member):
    if member.missing:
        pytest.skip(member.missing)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order are other sums
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the libraries
            bare, watched = trained(member, False), trained(member, True)
    finally:
        torch.set_num_threads(threads)
    assert bitwise.different(bare, watched) == []
