"""`gradlab diff`: exit codes, formats, and the page."""

import json

import numpy as np
import pytest

from tests.cli.calls import call, error
from tests.rules.runs import make_run


@pytest.fixture
def other(tmp_path):
    return make_run(name="other", delta_norm=1.5).save(tmp_path / "other")


def test_two_records_that_agree_are_fine(capsys, healthy):
    code, out, err = call(capsys, "diff", healthy, healthy)
    assert (code, err) == (0, "")
    assert "agree to rounding" in out


def test_two_records_that_part_exit_with_1_and_say_where(capsys, healthy, other):
    code, out, _ = call(capsys, "diff", healthy, other)
    assert code == 1
    assert "part at iteration 0" in out


@pytest.mark.parametrize(("order", "code"), [((0, 1), 1), ((1, 0), 0)])
def test_only_a_worse_verdict_fails_where_it_is_asked_for(capsys, healthy, sick, order, code):
    runs = [(healthy, sick)[place] for place in order]
    assert call(capsys, "diff", *runs, "--fail-on", "verdict")[0] == code


def test_json_is_the_difference(capsys, healthy, other):
    code, out, _ = call(capsys, "diff", healthy, other, "--format", "json")
    told = json.loads(out)
    assert (code, told["same"]) == (1, False)
    assert told["partings"][0]["statistic"] == "delta_norm"


def test_an_offset_and_a_rounding_can_be_given(capsys, tmp_path, healthy):
    near = make_run(delta_norm=1 + np.float64(0.01)).save(tmp_path / "near")
    assert call(capsys, "diff", healthy, near)[0] == 1
    assert call(capsys, "diff", healthy, near, "--rounding", "bfloat16")[0] == 0
    out = call(capsys, "diff", healthy, healthy, "--offset", "50", "--format", "json")[1]
    assert json.loads(out)["compared"] == [50, 60]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rounding", "int8"], "--rounding='int8' is unknown"),
        (["--format", "xml"], "--format='xml' is unknown"),
        (["--fail-on", "never"], "--fail-on='never' is unknown"),
    ],
)
def test_what_diff_cannot_do_is_one_sentence(capsys, healthy, arguments, words):
    assert words in error(capsys, "diff", healthy, healthy, *arguments)


def test_a_folder_of_several_runs_is_refused(capsys, tmp_path, healthy, other):
    assert "hold 3" in error(capsys, "diff", tmp_path, healthy)


def test_a_page_begins_with_where_they_part(capsys, tmp_path, healthy, other):
    page = tmp_path / "page.html"
    assert call(capsys, "diff", healthy, other, "-o", page)[0] == 1
    text = page.read_text(encoding="utf-8")
    assert 0 < text.index("Where they part</h2>") < text.index("The runs</h2>")
