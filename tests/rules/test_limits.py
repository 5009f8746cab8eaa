"""Limits: data on the rule, changed on a copy, and never anybody else's."""

from typing import ClassVar

import pytest

from gradlab.errors import RuleError
from gradlab.rules import BUILT_IN, Finding, Hits, Limit, Rule, Window
from tests.rules.runs import make_run

EVERY = [(rule, name) for rule in BUILT_IN for name in rule.limits]
MEASURED = [rule for rule in BUILT_IN if rule.code != "GL001"]  # a NaN is one without a limit


class Counting(Rule):
    """A rule of another package: it has a limit, and state of its own."""

    code, name = "XX001", "counting"
    limits: ClassVar = {"most": Limit(3, "layers", "A count.")}

    def __init__(self, colour):
        self.colour = colour

    def judge(self, run) -> Finding | None:
        if run.shape[2] <= self.limit("most"):
            return None
        hits = Hits(run.recorded("grad_norm").any(axis=0))
        return self.finding(hits, Window(0, 1), value=4.0, limit=3.0, message=self.colour)


@pytest.mark.parametrize("rule", MEASURED, ids=lambda rule: rule.code)
def test_every_rule_has_limits_each_with_a_unit_and_a_reason(rule):
    assert rule.limits
    assert all(limit.unit and limit.reason for limit in rule.limits.values())


@pytest.mark.parametrize(("rule", "name"), EVERY, ids=lambda each: getattr(each, "code", each))
def test_a_limit_is_changed_on_a_copy_alone(rule, name):
    usual = rule().limit(name)
    changed = rule().with_limits({name: usual + 1})
    assert changed.limit(name) == usual + 1
    assert rule().limit(name) == usual
    assert rule.limits[name].value == usual
    assert changed.limits[name].reason == rule.limits[name].reason


def test_a_rule_of_another_package_keeps_its_own_state():
    changed = Counting("red").with_limits({"most": 4})
    assert changed.colour == "red"
    assert changed.judge(make_run(layers=4)) is None


def test_the_rule_that_was_copied_judges_as_before():
    rule = Counting("red")
    rule.with_limits({"most": 4})
    finding = rule.judge(make_run(layers=4))
    assert finding is not None
    assert finding.message == "red"


def test_no_limits_at_all_change_nothing():
    rule = Counting("red")
    assert rule.with_limits({}) is rule


@pytest.mark.parametrize("value", [0, 1, 100])
def test_a_whole_number_of_at_least_0_fits(value):
    assert Counting("red").with_limits({"most": value}).limit("most") == value


@pytest.mark.parametrize("value", [-1, 2.5, float("nan"), float("inf"), True, "2", None])
def test_what_does_not_fit_is_an_error(value):
    with pytest.raises(RuleError, match="give a whole number of at least 0"):
        Counting("red").with_limits({"most": value})


def test_an_unknown_limit_names_the_nearest():
    with pytest.raises(RuleError, match="no limit 'mst'; did you mean 'most'"):
        Counting("red").with_limits({"mst": 1})


def test_the_explanation_shows_limits_units_and_reasons():
    text = Counting("red").explanation()
    assert "most = 3 layers\n    A count." in text


def test_the_explanation_shows_the_limits_in_force():
    text = Counting("red").with_limits({"most": 4}).explanation()
    assert "most = 4 layers (set by the project; the rule's own: 3)" in text
