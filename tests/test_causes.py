"""Which finding explains which: by the rules' own tables, in time, and in the seeds they share."""

import pytest

from gradlab.diagnosis import causes
from gradlab.rules import BUILT_IN, Finding, Rule

CODES = {rule.code for rule in BUILT_IN}


class Made(Rule):
    """A rule that says what it is told to."""

    def __init__(self, code, explains=(), timeless=False, exact=False, cause=False, later=()):
        self.code = code
        self.name = code.lower()
        self.explains = explains
        self.explains_later = later
        self.timeless = timeless
        self.exact = exact
        self._cause = cause

    def judge(self, run):
        raise NotImplementedError

    def is_cause(self, finding):
        return self._cause


def finding(code, iterations=(100, 120), severity="error", which=(0, 1)):
    replicates = {"hit": len(which), "total": 4, "which": list(which)}
    return Finding(code, code.lower(), severity, (), iterations, replicates, 1.0, 1.0, code)


def told(*found):
    """Return {root: codes under it} of (rule, finding) pairs."""
    roots, crashed = causes.fold(found)
    assert not crashed
    return {root.rule: [each.rule for each in root.consequences] for root in roots}


def pair(cause_at, effect_at, effect=None, **about_cause):
    """A rule A that explains B, both with a finding at those iterations."""
    return (
        (Made("A", explains=("B",), **about_cause), finding("A", cause_at)),
        (effect or Made("B"), finding("B", effect_at)),
    )


# -- in time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        (0, {"A": ["B"]}),
        (100, {"A": ["B"]}),
        (109, {"A": ["B"]}),  # nine late: a statistic is measured at every tenth iteration
        (110, {"A": [], "B": []}),
        (500, {"A": [], "B": []}),
    ],
)
def test_what_began_later_is_no_cause(began, expected):
    assert told(*pair((began, 600), (100, 120))) == expected


@pytest.mark.parametrize(("began", "expected"), [(100, {"A": ["B"]}), (101, {"A": [], "B": []})])
def test_a_time_that_is_measured_at_every_step_is_exact(began, expected):
    assert told(*pair((began, 600), (100, 120), exact=True)) == expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [(200, {"A": ["B"]}), (50, {"A": ["B"]}), (49, {"A": [], "B": []}), (0, {"A": ["B"]})],
)
def test_what_was_over_long_before_is_no_cause_but_what_is_built_in_lasts(ended, expected):
    """An effect may take 50 iterations to show; iteration 0 alone means the net was made so."""
    assert told(*pair((0, ended), (100, 120))) == expected


def test_an_effect_that_speaks_of_the_end_may_be_caused_at_any_time():
    effect = Made("B", timeless=True)
    assert told(*pair((500, 600), (100, 120), effect)) == {"A": ["B"]}


def test_a_cause_that_speaks_of_the_whole_run_may_begin_at_any_time():
    assert told(*pair((500, 600), (100, 120), timeless=True)) == {"A": ["B"]}


@pytest.mark.parametrize(("began", "expected"), [(99, {"A": ["B"]}), (100, {"A": [], "B": []})])
def test_some_are_explained_only_by_what_began_before_them(began, expected):
    first = Made("A", later=("B",))
    assert (
        told((first, finding("A", (began, 300))), (Made("B"), finding("B", (100, 300)))) == expected
    )


# -- in the seeds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "expected"),
    [((0, 1, 2, 3), {"A": ["B"]}), ((0, 1), {"A": ["B"]}), ((0,), {"A": [], "B": []})],
)
def test_a_cause_hits_half_of_the_seeds_that_its_effect_hits(which, expected):
    first = (Made("A", explains=("B",)), finding("A", which=which))
    second = (Made("B"), finding("B", which=(0, 1, 2, 3)))
    assert told(first, second) == expected


# -- by what they are ------------------------------------------------------------------------------


def test_a_cause_beyond_doubt_is_nobodys_effect():
    assert told(*pair((0, 600), (100, 120), Made("B", cause=True))) == {"A": [], "B": []}


@pytest.mark.parametrize(
    ("of_cause", "of_effect", "expected"),
    [
        ("note", "error", ["B", "A"]),
        ("note", "warning", ["B", "A"]),
        ("note", "note", ["A"]),
        ("warning", "error", ["A"]),
    ],
)
def test_what_is_harmless_explains_no_harm(of_cause, of_effect, expected):
    first = (Made("A", explains=("B",)), finding("A", severity=of_cause))
    second = (Made("B"), finding("B", severity=of_effect))
    assert list(told(first, second)) == expected


@pytest.mark.parametrize("of_effect", ["error", "warning", "note"])
def test_what_rises_is_as_severe_as_what_it_explains(of_effect):
    rising = Made("A", explains=("B",))
    rising.rises = True
    first = (rising, finding("A", severity="note"))
    roots, _ = causes.fold((first, (Made("B"), finding("B", severity=of_effect))))
    assert [(root.rule, root.severity) for root in roots] == [("A", of_effect)]


def test_a_chain_is_followed_to_its_end():
    found = [
        (Made("A", explains=("B",)), finding("A", (0, 10))),
        (Made("B", explains=("C",)), finding("B", (20, 60))),
        (Made("C"), finding("C", (100, 120))),
    ]
    assert told(*found) == {"A": ["B", "C"]}


def test_a_chain_that_breaks_in_time_has_two_roots():
    found = [
        (Made("A", explains=("B",)), finding("A", (0, 10))),
        (Made("B", explains=("C",)), finding("B", (20, 30))),
        (Made("C"), finding("C", (100, 120))),
    ]
    assert told(*found) == {"A": ["B"], "C": []}


def test_of_two_that_explain_each_other_the_first_code_is_the_root():
    found = [
        (Made("B", explains=("A",)), finding("B")),
        (Made("A", explains=("B",)), finding("A")),
    ]
    assert told(*found) == {"A": ["B"]}


def test_a_rule_that_crashes_explains_nothing():
    class Crashing(Made):
        def effects(self, finding):
            raise ValueError("no")

    roots, crashed = causes.fold([(Crashing("A"), finding("A")), (Made("B"), finding("B"))])
    assert [root.rule for root in roots] == ["A", "B"]
    assert "ValueError: no" in crashed["A"]


def test_errors_come_first_and_then_those_that_explain_most():
    found = [
        (Made("A"), finding("A", severity="warning")),
        (Made("B"), finding("B")),
        (Made("C", explains=("D",)), finding("C")),
        (Made("D"), finding("D")),
    ]
    assert list(told(*found)) == ["C", "B", "A"]


# -- the rules' own tables -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.code)
def test_a_rule_explains_codes_that_exist_and_not_itself(rule):
    named = {*rule.explains, *rule.explains_later}
    assert named <= CODES
    assert rule.code not in named


def test_nothing_is_learned_is_explained_by_every_rule_that_can_be_its_cause():
    explaining = {rule.code for rule in BUILT_IN if "GL402" in rule.explains}
    assert explaining == CODES - {"GL402", "GL405"}
