"""The wording of findings, held in one file. After a change that is meant, run
`python -m tests.rules.wording` and read the difference.
"""

import pytest

from gradlab.rules import BUILT_IN
from gradlab.rules.wording import part_of
from tests.rules.wording import MADE, SNAPSHOT, spoken


def test_the_rules_say_what_the_snapshot_holds():
    assert spoken() == SNAPSHOT.read_text(encoding="utf-8")


def test_every_rule_is_in_the_snapshot():
    assert {code for code, _ in MADE.values()} == {rule.code for rule in BUILT_IN}


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.125, "12.5 % of"), (9.99, "999 % of"), (10.0, "10 times"), (1.5e14, "1.5e14 times")],
)
def test_a_ratio_is_told_in_per_cent_up_to_a_thousand(ratio, words):
    assert part_of(ratio) == words
