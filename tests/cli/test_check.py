"""`gradlab check`: at what it fails, which rules and layers it looks at."""

import json

import pytest

from tests.cli.calls import call, error


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1), ("note", 1)])
def test_check_fails_at_the_level_it_is_told_to(capsys, run_with, level, code):
    assert call(capsys, "check", run_with("warning"), "--fail-on", level)[0] == code


@pytest.mark.parametrize("level", ["error", "warning", "note"])
def test_an_error_fails_at_every_level(capsys, run_with, level):
    assert call(capsys, "check", run_with("error"), "--fail-on", level)[0] == 1


@pytest.mark.parametrize(("severity", "code"), [("error", 1), ("warning", 1), ("note", 0)])
def test_strict_is_the_level_of_warnings(capsys, run_with, severity, code):
    assert call(capsys, "check", run_with(severity), "--strict")[0] == code


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 0), ("note", 1)])
def test_a_note_fails_only_where_notes_are_to(capsys, run_with, level, code):
    assert call(capsys, "check", run_with("note"), "--fail-on", level)[0] == code


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
        (["--layers", "/(/"], "--layers='/(/' is no regular expression"),
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
        ("hidden1", ["XX001"]),
        ("hidden*", ["XX001"]),
        ("/den1$/", ["XX001"]),
        ("output", []),
        ("hidden[23]", []),
    ],
)
def test_check_of_some_layers(capsys, run_with, pattern, rules):
    run = run_with("error")
    _, out, _ = call(capsys, "check", run, "--layers", pattern, "--format", "json")
    assert [each["rule"] for each in json.loads(out)["runs"][0]["findings"]] == rules


def test_what_is_left_of_a_verdict_is_written_in_every_format(capsys, run_with):
    run = run_with("error")
    for form in ("text", "json", "junit", "github"):
        code, out, _ = call(capsys, "check", run, "--layers", "output", "--format", form)
        assert code == 0
        assert out


@pytest.mark.parametrize(("pattern", "code"), [("hidden*", 0), ("hiden1", 2)])
def test_a_report_of_some_layers(capsys, tmp_path, healthy, pattern, code):
    page = tmp_path / "page.html"
    assert call(capsys, "report", healthy, "--layers", pattern, "-o", page)[0] == code
    assert page.exists() == (code == 0)
