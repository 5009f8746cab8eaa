"""The table of statistics: one row each, and what is derived from it."""

import inspect

import numpy as np
import pytest

from gradlab import statistics
from gradlab.recorder import Recorder
from gradlab.run import BLOCK_GAIN, BLOCK_STATISTICS, LOG_GAINS, STATISTICS, STEP_COLUMNS, Run
from gradlab.statistics import BLOCK_STATISTICS as BLOCK_ROWS
from gradlab.statistics import LAYER_STATISTICS, STEP_STATISTICS

ROWS = [*LAYER_STATISTICS, *STEP_STATISTICS, *BLOCK_ROWS]


@pytest.mark.parametrize("rows", [LAYER_STATISTICS, STEP_STATISTICS, BLOCK_ROWS])
def test_names_are_unique_within_their_kind(rows):
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert len({row.kind for row in rows}) == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind} {row.name}")
def test_every_row_is_complete(row):
    assert row.label
    assert row.formula
    assert row.title.startswith(row.label)
    assert row.made_of or row.name == "nonfinite_phase"
    assert statistics.get(row.name, row.kind) is row


def test_the_columns_of_a_run_are_those_of_the_table():
    scalars = [row.name for row in LAYER_STATISTICS if row.name != "grad_histogram"]
    assert list(STATISTICS) == scalars
    assert list(STEP_COLUMNS) == ["iteration", "replicate", *(row.name for row in STEP_STATISTICS)]
    assert list(BLOCK_STATISTICS) == [row.name for row in BLOCK_ROWS]
    assert {*LOG_GAINS, BLOCK_GAIN} == {name for name in STATISTICS if name.startswith("log_gain")}


def test_what_a_statistic_is_made_of_are_arguments_of_record():
    known = set(inspect.signature(Recorder.record).parameters) | set(STEP_COLUMNS)
    documented = inspect.getdoc(Recorder.record)
    for row in ROWS:
        for argument in row.made_of:
            assert argument in known or argument in documented, (row.name, argument)


def test_what_else_is_needed_is_told_with_the_last_argument():
    assert statistics.get("saturated_fraction").arguments == (
        "slopes (and slope_bound with each layer)",
    )
    assert statistics.get("delta_norm").arguments == ("deltas",)


def test_an_unknown_statistic_is_a_key_error():
    with pytest.raises(KeyError, match="gradient"):
        statistics.get("gradient")
    with pytest.raises(KeyError, match="loss"):
        statistics.get("loss")
    assert statistics.get("loss", "step").label == "loss"


def test_every_statistic_and_step_column_can_be_in_a_run():
    shape = 2, 1, 1
    numbers = [row.name for row in STEP_STATISTICS if row.unit != "word"]
    run = Run.from_arrays(
        {name: np.full(shape, float(n)) for n, name in enumerate(STATISTICS)},
        steps={name: np.full((2, 1), float(n)) for n, name in enumerate(numbers)},
    )
    assert run.columns == STATISTICS
    assert [run[name][0, 0, 0] for name in STATISTICS] == list(range(len(STATISTICS)))
    assert [run.step(name)[0, 0] for name in numbers] == list(range(len(numbers)))
