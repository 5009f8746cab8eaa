"""The search, on a bench of our own: which trial wins, in which order, within which budget."""

import math

import pytest

import gradlab
from gradlab.diagnosis import Diagnosis
from gradlab.fixes.search import FINALISTS, MOST_PAIRS, Search
from gradlab.fixes.trial import Change, Score, Trial
from gradlab.rules import Finding, Remedy

HIT = {"hit": 1, "total": 1, "which": [0]}


def finding(code="GL101", severity="error"):
    return Finding(code, "vanishing-gradient", severity, (1,), (0, 1), HIT, 0.0, 1.0, "m")


def verdict(*findings):
    statuses = {"GL101": "fired" if findings else "passed"}
    return Diagnosis("bench", tuple(findings), statuses)


def change(name):
    return Change(name, Remedy(name, name), name, None)


class Bench:
    """Scores and findings by the names of the changes; everything else is broken as before."""

    def __init__(self, scores, singles, partners=(), findings=None, interrupt=None):
        self.scores, self.singles, self.partners = scores, singles, partners
        self.findings = findings or {}
        self.interrupt = interrupt
        self.trained = []

    def candidates(self, trial):
        names = self.partners if trial.changes else self.singles
        return [change(name) for name in names]

    def train(self, changes, share):
        names = "+".join(each.words for each in changes)
        if names == self.interrupt:
            raise KeyboardInterrupt
        self.trained.append((names, share))
        value = self.scores.get(names, 0.1)
        score = Score(value, value >= 0.5, value >= 0.8, f"{value:g}")
        found = self.findings.get(names, () if value >= 0.5 else (finding(),))
        return Trial(changes, share, round(100 * share), score, 0.0, None, verdict(*found))


def searched(bench, budget=12.0, seconds=60.0):
    search = Search(bench, bench.train((), 1.0), budget, seconds)
    bench.trained.clear()
    search.run()
    return search


def test_the_first_remedy_is_tried_in_full_and_ends_the_search_where_it_clearly_cures():
    search = searched(Bench({"a": 0.9, "b": 0.99}, "ab"))
    assert search.bench.trained == [("a", 1.0)]
    assert search.winner.words == "a"


def test_a_cure_that_is_not_sure_is_compared_with_others():
    search = searched(Bench({"a": 0.6, "b": 0.79}, "abc"))
    assert search.winner.words == "b"


def test_of_cures_that_gain_nearly_the_same_the_one_with_the_better_evidence_wins():
    search = searched(Bench({"a": 0.75, "b": 0.79}, "abc"))
    assert search.winner.words == "a"


@pytest.mark.parametrize(("gain", "winner"), [(0.90, "a"), (0.89, "b")])
def test_nearly_the_same_is_nine_tenths_of_what_the_best_gained(gain, winner):
    scores = {"": 0.0, "a": 0.78 * gain, "b": 0.78, "c": 0.0}
    assert searched(Bench(scores, "abc")).winner.words == winner


def test_an_error_that_is_left_is_no_cure():
    search = searched(Bench({"a": 0.9}, "a", findings={"a": (finding("GL201"),)}))
    assert search.winner is None


@pytest.mark.parametrize(("code", "cured"), [("GL101", False), ("GL201", True)])
def test_the_old_root_cause_as_a_warning_is_no_cure_and_another_warning_is(code, cured):
    search = searched(Bench({"a": 0.9}, "a", findings={"a": (finding(code, "warning"),)}))
    assert (search.winner is not None) is cured


def test_no_error_and_nothing_learned_is_no_cure():
    search = searched(Bench({"a": 0.49}, "a", findings={"a": ()}))
    assert search.winner is None


@pytest.mark.parametrize(("after", "cured"), [(0.76, True), (0.75, False)])
def test_a_net_that_learned_before_must_not_do_worse(after, cured):
    findings = {"": (finding(),)}
    bench = Bench({"": 0.8, "a": after}, "a", findings=findings)
    assert (searched(bench).winner is not None) is cured


def test_many_changes_are_halved_on_short_trainings():
    names = "abcdefgh"
    scores = {name: place / 100 for place, name in enumerate(names)}
    search = searched(Bench(scores, names), budget=100)
    short = [name for name, share in search.bench.trained if share == 0.25 and len(name) == 1]
    middle = [name for name, share in search.bench.trained if share == 0.5 and len(name) == 1]
    whole = [name for name, share in search.bench.trained if share == 1 and len(name) == 1]
    assert short == list("bcdefgh")
    assert middle == list("efgh")
    assert whole == ["a", *"fgh"]
    assert len(whole) == 1 + FINALISTS


def test_pairs_join_the_best_with_what_its_own_verdict_proposes():
    search = searched(Bench({"b": 0.3, "b+x": 0.9}, "ab", partners="xy"))
    assert search.winner.words == "b + x"
    assert ("b+x", 1.0) in search.bench.trained


def test_single_changes_are_preferred_to_pairs():
    search = searched(Bench({"b": 0.6, "b+x": 0.99}, "ab", partners="x"))
    assert search.winner.words == "b"
    assert not [name for name, _ in search.bench.trained if "+" in name]


def test_no_more_pairs_are_tried_than_the_limit():
    names = [f"n{k}" for k in range(20)]
    search = searched(Bench({}, names, partners=[f"p{k}" for k in range(20)]), budget=1000)
    pairs = {name for name, _ in search.bench.trained if "+" in name}
    assert len(pairs) == MOST_PAIRS


@pytest.mark.parametrize(("budget", "trained"), [(2.0, 2), (1.99, 1)])
def test_the_budget_counts_whole_trainings(budget, trained):
    search = searched(Bench({}, "abc"), budget=budget)
    assert len(search.trials) == trained
    assert search.stopped == f"the budget of {budget:g} is used up"


def test_the_time_is_bounded():
    search = searched(Bench({}, "abc"), seconds=1e-9)
    assert search.trials == []
    assert search.stopped == "the time of 1e-09 s is used up"


def test_an_interrupt_keeps_the_best_so_far():
    search = searched(Bench({"a": 0.6}, "abc", interrupt="b"))
    assert search.stopped == "interrupted"
    assert search.winner.words == "a"


def test_scores_that_are_not_a_number_lose():
    search = searched(Bench({"a": math.nan, "b": 0.9}, "ab"))
    assert search.winner.words == "b"


def test_nothing_to_try_is_no_cure():
    search = searched(Bench({}, ""))
    assert search.winner is None
    assert search.trials == []


def test_fix_is_public():
    assert gradlab.fix.__module__ == "gradlab.fixes.engine"
