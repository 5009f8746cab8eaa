"""`gradlab check`: at what it fails, which rules and layers it looks at."""

import json

import pytest

from gradlab.rules import Finding, Rule
from tests.cli.calls import call, error
from tests.rules.runs import make_run


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """A run whose only finding is a note."""

    class Odd(Rule):
        """Finds every run odd."""

        code, name, summary = "XX001", "odd", "every run"

        def judge(self, run):
            seeds = {"hit": 1, "total": 1, "which": [0]}
            return Finding("XX001", "odd", "note", (1,), (0, 9), seeds, 1.0, 0.0, "It is odd.")

    monkeypatch.setattr("gradlab.diagnosis.judge.registry", lambda: {"XX001": Odd()})
    monkeypatch.setattr("gradlab.diagnosis.project.registry", lambda: {"XX001": Odd()})
    return make_run().save(tmp_path / "noted")


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1), ("note", 1)])
def test_check_fails_at_the_level_it_is_told_to(capsys, warned, level, code):
    assert call(capsys, "check", warned, "--fail-on", level)[0] == code


@pytest.mark.parametrize("level", ["error", "warning", "note"])
def test_an_error_fails_at_every_level(capsys, sick, level):
    assert call(capsys, "check", sick, "--fail-on", level)[0] == 1


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 0), ("note", 1)])
def test_a_note_fails_only_where_notes_are_to(capsys, noted, level, code):
    assert call(capsys, "check", noted, "--fail-on", level)[0] == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail-on", "warnings"], "--fail-on='warnings' is unknown; did you mean 'warning'?"),
        (["--format", "jsn"], "--format='jsn' is unknown; did you mean 'json'?"),
        (["--select", "GL901"], "GL901"),
        (
            ["--layers", "hiden1"],
            "--layers='hiden1' fits no layer of made; did you mean 'hidden1'?",
        ),
        (["--layers", "("], "--layers='(' fits no layer"),
    ],
)
def test_what_check_cannot_do_is_one_sentence(capsys, healthy, arguments, words):
    assert words in error(capsys, "check", healthy, *arguments)


@pytest.mark.parametrize(
    ("prefix", "count"), [("GL1", 4), ("GL10", 4), ("GL101", 1), ("GL1,GL203", 5)]
)
def test_check_selects_by_prefix(capsys, healthy, prefix, count):
    _, out, _ = call(capsys, "check", healthy, "--select", prefix, "--format", "json")
    assert len(json.loads(out)["runs"][0]["statuses"]) >= count
    families = tuple(prefix.split(","))
    assert all(code.startswith(families) for code in json.loads(out)["runs"][0]["statuses"])


@pytest.mark.parametrize(
    ("pattern", "rules"),
    [
        ("hidden1", ["GL101"]),
        ("hidden*", ["GL101"]),
        ("den1$", ["GL101"]),
        ("output", []),
        ("hidden[23]", []),
    ],
)
def test_check_of_some_layers(capsys, vanished, pattern, rules):
    _, out, _ = call(
        capsys, "check", vanished, "--select", "GL101", "--layers", pattern, "--format", "json"
    )
    assert [each["rule"] for each in json.loads(out)["runs"][0]["findings"]] == rules


def test_what_is_left_of_a_verdict_is_written_in_every_format(capsys, vanished):
    for form in ("text", "json", "junit", "github"):
        code, out, _ = call(
            capsys, "check", vanished, "--select", "GL101", "--layers", "output", "--format", form
        )
        assert code == 0
        assert out


@pytest.mark.parametrize(("pattern", "code"), [("hidden*", 0), ("hiden1", 2)])
def test_a_report_of_some_layers(capsys, tmp_path, vanished, pattern, code):
    page = tmp_path / "page.html"
    assert call(capsys, "report", vanished, "--layers", pattern, "-o", page)[0] == code
    assert page.exists() == (code == 0)
