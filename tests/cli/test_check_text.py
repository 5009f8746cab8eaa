"""What `gradlab check` prints for people."""

import pytest

from gradlab.cli.check_formats import Judged
from gradlab.cli.check_text import coloured, lines, totals
from gradlab.diagnosis import Diagnosis
from gradlab.rules import Finding
from tests.cli.calls import call
from tests.rules.runs import make_run


def finding(severity: str) -> Finding:
    seeds = {"hit": 1, "total": 1, "which": [0]}
    return Finding("XX001", "made-up", severity, (1,), (0, 8), seeds, 1.0, 0.0, "It is odd.")


def judged(*severities: str, skipped=(), status="complete", fail_on="error") -> Judged:
    run = make_run(9, 1, 2, provenance={"status": status})
    statuses = {"XX001": "fired"} | dict.fromkeys(skipped, "skipped")
    statuses |= {"XX000": "passed"}
    found = tuple(map(finding, severities))
    reasons = dict.fromkeys(skipped, "needs what is not there")
    return Judged(run, Diagnosis("made", found, statuses, reasons), fail_on)


def test_a_healthy_run_has_one_line():
    printed = list(lines([judged(skipped=["XX002"]), judged()]))
    assert printed[0].startswith("made: healthy")
    assert printed[1].startswith("made: healthy")
    assert printed[2:] == ["", "2 runs checked, 0 failed; found nothing"]


def test_what_was_skipped_is_one_line():
    codes = [f"XX01{digit}" for digit in range(6)]
    printed = list(lines([judged("error", skipped=codes)]))
    named = "XX010, XX011, XX012, XX013 ..."
    assert f"  6 rules skipped ({named}): --verbose says why" in printed
    assert not any("needs what is not there" in line for line in printed)
    wordy = "\n".join(lines([judged("error", skipped=codes)], verbose=True))
    assert "needs what is not there" in wordy
    assert "--verbose" not in wordy


def test_an_unfinished_run_says_where_it_ends():
    head = next(lines([judged("error", status="unfinished")]))
    assert head == "made: 1 error (unfinished at iteration 8)"


@pytest.mark.parametrize(
    ("severities", "fail_on", "words"),
    [
        ((), "error", "1 run checked, 0 failed; found nothing"),
        (("warning",), "error", "1 run checked, 0 failed; found 1 warning"),
        (("warning",), "warning", "1 run checked, 1 failed; found 1 warning"),
        (
            ("error", "error", "note"),
            "error",
            "1 run checked, 1 failed; found 2 errors, 1 note",
        ),
    ],
)
def test_the_totals(severities, fail_on, words):
    assert totals([judged(*severities, fail_on=fail_on)]) == words


def test_runs_with_findings_are_parted_by_an_empty_line():
    printed = list(lines([judged("error"), judged("error")]))
    heads = [place for place, line in enumerate(printed) if line.startswith("made:")]
    assert printed[heads[1] - 1] == ""


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("  GL101 vanishing-gradient (error)", [("GL101", "bold"), ("error", "bold red")]),
        ("  GL404 unscaled-data (warning)", [("GL404", "bold"), ("warning", "bold yellow")]),
        ("  note GL105 disconnected: none", [("note", "bold cyan")]),
        ("    why: because", [("    why:", "cyan")]),
        ("    Words that why: ever", []),
        ("made: 2 errors", [("2 errors", "bold red")]),
        ("made: healthy: 3 of 4", [(": healthy", "green")]),
    ],
)
def test_what_is_coloured(line, parts):
    text = coloured(line)
    assert text.plain == line
    assert [(line[span.start : span.end], span.style) for span in text.spans] == parts


def test_no_colours_where_nobody_sees_them(capsys, run_with):
    assert "\x1b" not in call(capsys, "check", run_with("error"))[1]


def test_open_writes_the_page_and_opens_it(capsys, run_with, tmp_path, monkeypatch):
    opened: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert call(capsys, "check", run_with("error"), "--open")[0] == 1
    assert opened == [(tmp_path / "reports" / "check.html").as_uri()]
