"""The benchmarks' own tools: ratios, the gate, goals, and competitors in processes."""

import json

import pytest

from benchmarks import _pairs
from benchmarks._pairs import Measured
from benchmarks._workers import Worker, taking_turns


def test_a_ratio_is_the_median_of_those_within_a_round():
    # the machine slowed down tenfold for a round
    drifting = Measured({"a": [2.0, 20.0, 6.0], "b": [1.0, 10.0, 2.0]})
    assert drifting.ratio("a", "b") == (2.0, 2.0, 2.5)
    assert drifting.told("a", "b") == "2.00 (2.00-2.50)"
    assert drifting.told("a", "not installed") == "-"


@pytest.mark.parametrize(
    ("second", "quiet"), [(1.029, True), (1.031, False), (0.971, True), (0.969, False)]
)
def test_beyond_three_percent_nothing_is_concluded(second, quiet):
    measured = Measured({"once": [1.0] * 5, "again": [second] * 5})
    assert measured.quiet("again", "once") is quiet
    assert ("INCONCLUSIVE" in _pairs.gate(measured, "again", "once")) is not quiet


def test_every_measure_is_taken_in_turn_and_the_first_round_does_not_count():
    taken = []

    def measure(name):
        return lambda: taken.append(name) or float(len(taken))

    kept = _pairs.in_turn({"a": measure("a"), "b": measure("b")}, rounds=2).seconds
    assert taken == ["a", "b", "b", "a", "a", "b"]
    assert kept == {"a": [4.0, 5.0], "b": [3.0, 6.0]}


@pytest.mark.parametrize(
    ("value", "options", "says"),
    [
        (1.35, {}, "met"),
        (1.5, {}, "missed by 1.11x"),
        (1.5, {"most": False}, "met"),
        (1.0, {"most": False}, "missed by 1.35x"),
        (1.0, {"quiet": False}, "met, INCONCLUSIVE"),
        (None, {}, "not measured"),
    ],
)
def test_a_goal_says_whether_it_is_met_and_is_kept(
    value, options, says, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(_pairs.GOALS, str(tmp_path / "goals"))
    _pairs.goal("what", value, 1.35, **options)
    line = json.loads((tmp_path / "goals").read_text())
    assert line.split(": ", 1)[1].startswith(says)
    assert line in capsys.readouterr().out


def test_workers_take_turns_and_one_that_is_not_installed_is_left_out():
    workers = {
        "products": Worker("benchmarks.nets:products", 2, 8, 4),
        "bare": Worker("benchmarks.nets:bare", 2, 8, 4),
        "peer": Worker("no_such_peer:steps"),
    }
    measured = taking_turns(workers, rounds=2)
    assert set(measured.seconds) == {"products", "bare"}
    assert measured.ratio("bare", "products")[0] > 1  # a step is its products and more
