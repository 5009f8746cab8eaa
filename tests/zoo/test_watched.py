"""Watched or not, a training of the zoo leaves the same weights, buffers, optimizers and
generators, bit for bit; `python -m tests.zoo.watched` compares every fast member.
"""

import pytest

pytest.importorskip("torch")

from tests.zoo import watched
from tests.zoo.member import Member

MEMBERS = watched.one_of_each_family()[::6]  # the others by the command above


@pytest.mark.parametrize("member", MEMBERS, ids=[member.name for member in MEMBERS])
def test_a_watched_training_is_bit_for_bit_the_unwatched_one(member: Member):
    if member.missing:
        pytest.skip(member.missing)
    assert watched.differences(member) == []
