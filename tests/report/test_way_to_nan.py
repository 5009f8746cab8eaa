"""The table of the last frames before the first NaN."""

import json
from types import SimpleNamespace

import pytest

from gradlab.report.way_to_nan import FACT, way_to_nan
from tests.rules.runs import make_run


def run_with(frames):
    return SimpleNamespace(provenance={FACT: frames})


def frame(iteration, **outputs):
    rows = [{"module": n, "class": "Linear", "output": pair} for n, pair in outputs.items()]
    return {"iteration": iteration, "rows": rows}


def test_modules_by_iterations():
    frames = [frame(3, body=[0.5, 2.0]), frame(7, body=[0.25, 431.0], head=["nan", "nan"])]
    assert way_to_nan(run_with(frames)) == {
        "columns": ["module", "class", "iteration 3", "iteration 7"],
        "rows": [["body", "Linear", "0.5 to 2", "0.25 to 431"], ["head", "Linear", "", "NaN"]],
    }


def test_a_run_without_frames_has_no_table():
    assert way_to_nan(make_run(5)) == {"columns": [], "rows": []}


@pytest.mark.parametrize(
    "damaged",
    [
        "text",
        7,
        [None],
        [{"iteration": "3", "rows": []}],
        [{"iteration": 3, "rows": "all"}],
        [{"iteration": 3, "rows": [None, {"module": 5}, {"module": "a", "output": [1]}]}],
    ],
)
def test_what_is_damaged_is_left_out(damaged):
    table = way_to_nan(run_with(damaged))
    assert json.dumps(table)
    assert all(all(isinstance(each, str) for each in row) for row in table["rows"])
