"""A few hostile inputs of every kind; `python -m benchmarks.fuzz --minutes 20` tries many more.

The inputs are the same at every call of the tests; the long form draws new ones.
"""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz import arguments, command_lines, facts, folders, recorders, records
from tests.fuzz.tally import Tally, TooLong, limited


def few(examples: int, steps: int = 50) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@few(15)
@given(parts=records.parts())
def test_records_of_extreme_numbers_are_judged_and_drawn(parts):
    records.attempt(parts, Tally())


@few(25)
@given(given=facts.told())
def test_whatever_a_record_says_of_itself_it_is_judged_and_drawn(given):
    facts.attempt(given, Tally())


@few(60)
@given(
    place=st.sampled_from(records.PLACES),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    at=st.sampled_from([0, 1, 30, 59]),
)
def test_a_number_that_is_none_is_never_healthy(place, value, at):
    records.check_planted(place, value, at)


@few(30)
@given(files=folders.damaged())
def test_damaged_run_folders_are_used_or_refused(files):
    folders.attempt(files, Tally())


@few(25)
@given(given=command_lines.typed())
def test_command_lines_work_or_are_refused(given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a command prints them, and goes on
        command_lines.attempt(given, Tally())


@few(2)
@given(given=command_lines.SURROUNDED)
def test_commands_in_odd_surroundings_work_or_are_refused(given):
    command_lines.attempt_in_surroundings(given, Tally())


@few(120)
@given(given=arguments.calls())
def test_wrong_arguments_are_refused_by_name(given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch and NumPy about what they are given
        arguments.attempt(given, Tally())


def test_a_recorder_loses_nothing_in_any_order_of_calls_and_faults():
    run_state_machine_as_test(recorders.Recording, settings=few(4, steps=15))


@few(8)
@given(data=st.data())
def test_watched_trainings_equal_unwatched_ones(data):
    pytest.importorskip("torch")
    from tests.fuzz import trainings

    trainings.attempt(data.draw(trainings.plans()), Tally())


# -- the tally itself


def failing() -> None:
    raise ZeroDivisionError("by hand")


def test_a_failure_is_counted_by_its_place_and_its_shortest_input_is_kept():
    tally = Tally(strict=False)
    for shown in ("longer", "short", "longest of all"):
        tally.attempt(shown, failing)
    ((what, failure),) = tally.failures.items()
    assert what.startswith("ZeroDivisionError at test_fuzz.py")
    assert (failure.count, failure.shortest) == (3, "short")
    assert tally.inputs == 3


@pytest.mark.parametrize(
    ("message", "failures"), [("one sentence", 0), ("two\nlines", 1), ("x" * 1201, 1)]
)
def test_a_refusal_must_be_one_sentence(message, failures):
    from gradlab.errors import RunError

    def refuse() -> None:
        error = RunError()
        error.args = (message,)  # past the cleaning that a RunError does of itself
        raise error

    tally = Tally(strict=False)
    tally.attempt("x", refuse)
    assert (tally.refused, len(tally.failures)) == (1, failures)


def test_what_takes_too_long_is_stopped():
    def wait() -> None:
        with limited(0.05):
            while True:
                pass

    with pytest.raises(TooLong):
        wait()
