"""The published figures: what the README says of the verdicts must not get worse."""

import pytest
from joblib import Parallel, delayed

from gradlab.diagnosis import registry
from tests.corpus import figures
from tests.corpus.corpus import load


@pytest.fixture(scope="module")
def outcomes():
    return Parallel(n_jobs=-1)(delayed(figures.verdict)(case) for case in load())


@pytest.fixture(scope="module")
def of_test(outcomes):
    return [each for each in outcomes if each.case.split == "test"]


def test_the_corpus_is_large_enough_and_says_which_half_is_which():
    cases = load()
    healthy = [case for case in cases if case.healthy]
    assert len(cases) >= 120
    assert len(healthy) >= 50
    assert len({case.name for case in cases}) == len(cases)
    for split in ("tune", "test"):
        planted = {code for case in cases if case.split == split for code in case.required}
        assert planted == set(registry()), split
        assert 0.3 < sum(case.split == split for case in cases) / len(cases) < 0.7


def test_every_label_is_proved_by_a_measurement_of_its_own(outcomes):
    assert {each.case.name: each.unproved for each in outcomes if each.unproved} == {}


def test_no_healthy_run_has_an_error(outcomes):
    assert {each.case.name: each.errors for each in outcomes if each.case.healthy and each.errors} == {}


def test_no_rule_crashes(outcomes):
    assert {each.case.name: each.crashed for each in outcomes if each.crashed} == {}


def test_precision_and_recall_of_the_test_split(of_test):
    counts = figures.count(of_test, registry())
    assert counts.recall >= 0.97
    assert counts.precision >= 0.93
    errors, alarmed, healthy = figures.healthy_alarms(of_test)
    assert errors == 0
    assert alarmed / healthy <= 0.05


def test_root_layer_and_iteration_of_the_test_split(of_test):
    for figure, least in ((figures.root_right, 0.95), (figures.layer_right, 0.95), (figures.iteration_right, 0.85)):
        right, total = figure(of_test)
        assert right / total >= least, figure.__name__
