"""The wording of findings, held in one file. After a change that is meant, run
`python -m tests.rules.wording` and read the difference.
"""

from gradlab.rules import BUILT_IN
from tests.rules.wording import MADE, SNAPSHOT, spoken


def test_the_rules_say_what_the_snapshot_holds():
    assert spoken() == SNAPSHOT.read_text(encoding="utf-8")


def test_every_rule_is_in_the_snapshot():
    assert {code for code, _ in MADE.values()} == {rule.code for rule in BUILT_IN}
