"""What a Run, a Diagnosis and a Comparison show of themselves, in a terminal and in a notebook."""

import html
import re

import numpy as np
import pytest

import gradlab
from gradlab import display
from gradlab.run import Run, distinct_names
from tests.report.test_data import RATE, STRANGE, cells_of, made

HOSTILE = "<script>alert(1)</script>"


def bars_of(text):
    """(name, value, powers lost, powers gained) of every bar of a printed run."""
    found = re.findall(r"^ +\d+  (\S+) +(\S+)  *(-*)\|(\+*)$", text, re.MULTILINE)
    return [(name, value, len(lost), len(gained)) for name, value, lost, gained in found]


def test_a_run_prints_its_profile_a_bar_a_layer_in_eighty_columns():
    text = str(made())
    bars = bars_of(text)
    assert [name for name, *_ in bars] == [
        "hidden1",
        "hidden2",
        "hidden3",
        "hidden4",
        "hidden5",
        "output",
    ]
    assert [float(value) for _, value, _, _ in bars] == pytest.approx(
        [RATE**k for k in (5, 4, 3, 2, 1, 0)], rel=5e-3
    )
    assert [lost for _, _, lost, _ in bars] == [
        40,
        32,
        24,
        16,
        8,
        0,
    ]  # proportional to the powers of ten
    assert max(map(len, text.splitlines())) <= 80
    assert "loss 2.3 at first, 2.2 at last (a constant guess: 2.3)" in text


def test_what_grows_points_to_the_other_side():
    assert [(lost, gained) for _, _, lost, gained in bars_of(str(made(rate=10.0, layers=3)))] == [
        (0, 40),
        (0, 20),
        (0, 0),
    ]


def test_the_median_leaves_out_a_broken_replicate():
    norms = np.array([[1e-2, 1.0], [np.nan, 1.0], [1e-4, 1.0], [0.0, 1.0]])
    assert display.decades(norms) == pytest.approx([-3, 0])


@pytest.mark.parametrize(
    ("decades", "value"),
    [
        (600.0, "1.0e600"),
        (-299.5, "3.2e-300"),
        (2.0, "100"),
        (-1.0, "0.1"),
        (np.nan, "NaN"),
        (-np.inf, "0"),
    ],
)
def test_shares_that_no_float_holds_are_written(decades, value):
    assert display.Bar(1, "a", decades).value == value


def test_a_deep_net_is_abridged_in_its_middle():
    text = str(made(iterations=3, layers=300))
    assert len(bars_of(text)) == 20
    assert "... 280 more layers" in text
    assert gradlab.diagnose(made(iterations=3, layers=300))._repr_html_().startswith("<div")


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_runs_show_themselves(strange):
    run = STRANGE[strange]()
    assert str(run).startswith(run.name)
    assert "<script" not in run._repr_html_() + gradlab.diagnose(run)._repr_html_()


def test_names_are_escaped_in_a_notebook(tmp_path):
    run = made(name=HOSTILE)
    for shown in (run, gradlab.diagnose(run)):
        assert "&lt;script&gt;" in shown._repr_html_()
        assert "<script" not in shown._repr_html_()


def test_a_diagnosis_tells_cause_and_remedies_in_a_notebook():
    model = gradlab.MLP([64] + [16] * 12 + [10], "sigmoid", init="glorot_normal", seed=0)
    run = gradlab.train(model, gradlab.datasets.digits(seed=0), iterations=120)
    diagnosis = gradlab.diagnose(run)
    told = diagnosis._repr_html_()
    root = diagnosis.findings[0]
    assert root.rule == "GL101"
    words = [html.escape(str(remedy)) for remedy in root.remedies]
    assert all(f"<li>{each}</li>" in told for each in words)
    assert root.cause is not None
    assert root.cause["sentence"] in told


def test_a_comparison_is_a_table_in_a_notebook(tmp_path):
    told = cells_of(tmp_path)._repr_html_()
    assert told.count("<tr>") == 3
    assert "<br>" in told
    assert "not learned<br>no-progress" in told


def test_a_comparison_is_a_table_in_a_terminal(tmp_path):
    lines = str(cells_of(tmp_path)).splitlines()
    assert lines[0] == "What depth does to a network"
    assert lines[2].split() == ["network", "depth", "outcome", "verdict", "cause", "accuracy"]
    assert lines[4].split()[:4] == ["sigmoid", "2", "not", "learned"]
    assert max(map(len, lines)) <= 80
    assert str(gradlab.comparison.Comparison(())) == "What depth does to a network"


def test_long_names_of_layers_keep_their_end():
    bar = display.Bar(3, "transformer.h.11.mlp.c_proj", -1.0)
    assert "…mer.h.11.mlp.c_proj"[-17:] in display.bars_text([bar])[0]
    assert max(map(len, display.bars_text([bar]))) <= 80


def test_a_diagnosis_fits_eighty_columns():
    assert max(map(len, str(gradlab.diagnose(made())).splitlines())) <= 80


def test_a_run_knows_the_folder_it_lies_in_and_two_of_one_name_are_told_apart(tmp_path):
    run = Run.from_arrays({"grad_norm": np.ones((2, 1, 3))}, name="GPT")
    assert run.folder is None
    first, second = (gradlab.load(run.save(tmp_path / name)) for name in ("small", "large"))
    assert first.folder == tmp_path / "small"
    assert distinct_names([first, second]) == ["GPT (small)", "GPT (large)"]
    assert distinct_names([first, run]) == ["GPT (small)", "GPT"]
    assert distinct_names([first]) == ["GPT"]
