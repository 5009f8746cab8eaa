"""The fast members of the zoo, trained and judged: no false alarm, and the right root."""

import json
import warnings
from pathlib import Path

import pytest

pytest.importorskip("torch")

import gradlab
from tests.zoo import running
from tests.zoo.member import Member, load

PUBLISHED = Path(__file__).with_name("verdicts.json")
FAST = [member for member in load() if member.fast]


def published() -> dict[str, str]:
    """Return name -> judgement, as the last whole run of the zoo gave it."""
    return {row["name"]: row["judgement"] for row in json.loads(PUBLISHED.read_text())}


@pytest.mark.parametrize("member", FAST, ids=[member.name for member in FAST])
def test_a_fast_member_is_judged_as_published(member: Member):
    if member.missing:
        pytest.skip(member.missing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the libraries
        run, score = running.record(member)
    assert (score >= member.learned) == member.healthy or member.harmless
    said = running.row(member, gradlab.diagnose(run))
    assert running.judgement(member, said) == published()[member.name]


def test_every_label_is_whole():
    members = {member.name: member for member in load()}
    for member in members.values():
        assert bool(member.fault) == bool(member.root)
        assert not member.counterpart or members[member.counterpart].healthy


def test_both_halves_hold_healthy_and_faulty_members():
    kinds = {(member.held_out, member.healthy) for member in load()}
    assert kinds == {(False, False), (False, True), (True, False), (True, True)}
