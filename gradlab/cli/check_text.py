"""What `gradlab check` prints for people: findings, one line of what was skipped, and totals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from gradlab.cli.check_formats import Judged
from gradlab.cli.output import clean
from gradlab.diagnosis import Diagnosis

COLOURS = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
LABELS = r"^ {4}(layers|why|confidence \w+|try|then|explains):"
FINDING = re.compile(r"^  (?P<code>[A-Z]+\d+) (?P<name>\S+) \((?P<severity>error|warning|note)\)$")
NOTE = re.compile(r"^  note [A-Z]+\d+")
NAMED_CODES = 4


def print_text(judged: Sequence[Judged], *, verbose: bool = False) -> None:
    """Print every verdict, and below them the totals; coloured on a terminal."""
    console = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
    for line in lines(judged, verbose=verbose):
        console.print(coloured(clean(line)))


def lines(judged: Sequence[Judged], *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines: a healthy run has one, and an empty line parts the others."""
    before: list[str] = []
    for each in judged:
        body = list(_verdict(each, verbose))
        if before and max(len(before), len(body)) > 1:
            yield ""
        yield from body
        before = body
    yield ""
    yield totals(judged)


def _verdict(judged: Judged, verbose: bool) -> Iterator[str]:
    diagnosis = judged.diagnosis
    unfinished = _unfinished(judged)
    head, *rest = diagnosis.lines(skipped=verbose)
    yield head + (f" ({unfinished})" if unfinished else "")
    yield from rest
    if not verbose and rest:
        yield from _skipped(diagnosis)


def _unfinished(judged: Judged) -> str:
    """Say where a run ends whose recording did not; empty for a whole one."""
    if judged.run.provenance.get("status") != "unfinished":
        return ""
    times = judged.run.times
    return f"unfinished at iteration {times[-1]}" if len(times) else "unfinished, nothing recorded"


def _skipped(diagnosis: Diagnosis) -> Iterator[str]:
    codes = [code for code, status in diagnosis.statuses.items() if status == "skipped"]
    if codes:
        named = ", ".join(codes[:NAMED_CODES]) + (" ..." if len(codes) > NAMED_CODES else "")
        plural = "" if len(codes) == 1 else "s"
        yield f"  {len(codes)} rule{plural} skipped ({named}): --verbose says why"


def totals(judged: Sequence[Judged]) -> str:
    """Return one line: how many runs, how many of them failed, and what was found."""
    findings = [finding for each in judged for finding in each.diagnosis.findings]
    counts = [
        _count(sum(finding.severity == severity for finding in findings), severity)
        for severity in COLOURS
    ]
    failed = sum(each.failed for each in judged)
    unfinished = sum(bool(_unfinished(each)) for each in judged)
    parts = [f"{_count(len(judged), 'run')} checked", f"{failed} failed"]
    parts += [f"{unfinished} unfinished"] if unfinished else []
    found = ", ".join(count for count in counts if not count.startswith("0 "))
    return f"{', '.join(parts)}; found {found or 'nothing'}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def coloured(line: str) -> Text:
    """Return a line with its severities, labels and totals in colour."""
    text = Text(line)
    if (found := FINDING.match(line)) is not None:
        text.stylize("bold", *found.span("code"))
        text.stylize(COLOURS[found["severity"]], *found.span("severity"))
    elif NOTE.match(line):
        text.stylize(COLOURS["note"], 2, 6)
    elif " checked, " in line:
        text.stylize("bold")
    elif not line.startswith(" "):
        text.highlight_regex(r": healthy\b", "green")
        text.highlight_regex(r"\b\d+ errors?\b", COLOURS["error"])
        text.highlight_regex(r"\b\d+ warnings?\b", COLOURS["warning"])
        text.highlight_regex(r"\(unfinished .*\)$", "yellow")
    else:
        text.highlight_regex(LABELS, "cyan")
        text.highlight_regex(r"^  .* skipped.*$", "dim")
    return text
