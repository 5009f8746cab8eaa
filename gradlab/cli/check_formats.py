"""What `gradlab check` prints for programs: JSON, JUnit XML and GitHub annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape as _escape
from xml.sax.saxutils import quoteattr as _quoteattr

from gradlab.cli.output import clean
from gradlab.diagnosis import Diagnosis, registry, summary
from gradlab.rules import Finding
from gradlab.rules.base import ERROR, NOTE, WARNING
from gradlab.run import Run

LEVELS = (NOTE, WARNING, ERROR)  # the gravest last


@dataclass(frozen=True)
class Judged:
    """One run and its verdict.

    Attributes
    ----------
    run : Run
    diagnosis : Diagnosis
    fail_on : str
        One of `LEVELS`: a finding of this severity, or of a graver one, is a failure.
    """

    run: Run
    diagnosis: Diagnosis
    fail_on: str = "error"

    def fails(self, finding: Finding) -> bool:
        """Whether a finding is grave enough to be a failure."""
        return LEVELS.index(finding.severity) >= LEVELS.index(self.fail_on)

    @property
    def failed(self) -> bool:
        """Whether this run makes the command exit with 1."""
        grave = any(self.fails(finding) for finding in self.diagnosis.every_finding)
        return grave or not self.diagnosis.ok


def as_json(judged: Sequence[Judged]) -> str:
    """Write one JSON object: {"schema": 1, "runs": [...]}."""
    runs = [summary(each.run, each.diagnosis) for each in judged]
    return json.dumps({"schema": 1, "runs": runs}, allow_nan=False)


@dataclass(frozen=True)
class _Case:
    """One rule's verdict on one run, as CI viewers list it.

    `kind` is passed, failure, error or skipped.
    """

    name: str
    kind: str = "passed"
    message: str = ""
    details: str = ""
    output: str = ""  # of a case that passed


def _cases(judged: Judged) -> list[_Case]:
    """Return one case a rule; at least one is a failure or an error where the run fails."""
    diagnosis = judged.diagnosis
    found = {finding.rule: finding for finding in diagnosis.every_finding}
    names = {code: f"{code} {rule.name}" for code, rule in registry().items()}
    cases = []
    for code, status in diagnosis.statuses.items():
        name, reason = names.get(code, code), diagnosis.reasons.get(code, "")
        if status == "fired":
            cases.append(_fired(judged, name, found[code]))
        elif status == "crashed":
            cases.append(_Case(name, "error", reason, reason))
        elif status in ("skipped", "muted"):
            cases.append(_Case(name, "skipped", f"{status}: {reason}"))
        else:
            cases.append(_Case(name))
    if judged.failed and not any(case.kind in ("failure", "error") for case in cases):
        text = str(diagnosis)
        cases.append(_Case("judged", "failure", text.partition("\n")[0], text))
    return cases


def _fired(judged: Judged, name: str, finding: Finding) -> _Case:
    details = "\n".join(_details(finding))
    if judged.fails(finding):
        return _Case(name, "failure", finding.message, details)
    return _Case(name, output=f"{finding.severity}: {finding.message}\n{details}")


def _details(finding: Finding) -> list[str]:
    lines = [finding.message]
    if finding.cause:
        lines.append(f"why: {finding.cause['sentence']}")
    lines += [f"try: {remedy}" for remedy in finding.remedies]
    if finding.consequences:
        explained = ", ".join(f"{each.rule} {each.name}" for each in finding.consequences)
        lines.append(f"explains: {explained}")
    return lines


def junit(judged: Sequence[Judged]) -> str:
    """Write JUnit XML, which Jenkins, GitLab and others show.

    A run is a test suite, and a rule a test case.
    """
    suites = [_suite(each, _cases(each)) for each in judged]
    every = [case for each in judged for case in _cases(each)]
    total = _counts(every, skipped=False)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n".join(
        [head, f'<testsuites name="gradlab check" {total} time="0">', *suites, "</testsuites>"]
    )


def _counts(cases: Sequence[_Case], *, skipped: bool) -> str:
    count = {
        kind: sum(case.kind == kind for case in cases) for kind in ("failure", "error", "skipped")
    }
    # Jenkins' schema has no such sum over suites.
    tail = f' skipped="{count["skipped"]}"' if skipped else ""
    return f'tests="{len(cases)}" failures="{count["failure"]}" errors="{count["error"]}"{tail}'


def _suite(judged: Judged, cases: Sequence[_Case]) -> str:
    name = _attribute(judged.diagnosis.run)
    lines = [f'  <testsuite name={name} {_counts(cases, skipped=True)} time="0">']
    lines += [_case(name, case) for case in cases]
    return "\n".join([*lines, "  </testsuite>"])


def _case(suite: str, case: _Case) -> str:
    opening = f'    <testcase classname={suite} name={_attribute(case.name)} time="0"'
    if case.kind == "passed" and not case.output:
        return f"{opening}/>"
    if case.kind == "passed":
        return f"{opening}><system-out>{_content(case.output)}</system-out></testcase>"
    if case.kind == "skipped":
        return f"{opening}><skipped message={_attribute(case.message)}/></testcase>"
    kind = _attribute(case.name.split(" ")[0])
    head = f"<{case.kind} message={_attribute(case.message)} type={kind}>"
    return f"{opening}>{head}{_content(case.details)}</{case.kind}></testcase>"


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _content(value: str) -> str:
    return _escape(_NOT_XML.sub("?", clean(value)))


def _attribute(value: str) -> str:
    return _quoteattr(_NOT_XML.sub("?", clean(value)))


def github(judged: Sequence[Judged]) -> str:
    """Write a workflow command for each finding, and a line that counts.

    GitHub shows the commands on the page of the workflow's run.
    """
    lines = []
    for each in judged:
        lines += _annotations(each)
    failed = sum(each.failed for each in judged)
    lines.append(
        f"gradlab: {len(judged)} run{'' if len(judged) == 1 else 's'} checked, {failed} failed"
    )
    return "\n".join(lines)


def _annotations(judged: Judged) -> list[str]:
    diagnosis = judged.diagnosis
    lines = []
    for finding in diagnosis.findings:
        grave = any(map(judged.fails, (finding, *finding.consequences)))
        level = "error" if grave else finding.severity.replace(NOTE, "notice")  # GitHub's word
        title = f"{finding.rule} {finding.name} in {judged.diagnosis.run}"
        lines.append(_command(level, title, "\n".join(_details(finding))))
    for code, status in diagnosis.statuses.items():
        if status in ("crashed", "muted"):
            level = "error" if status == "crashed" else "notice"
            title = f"{code} {status} in {judged.diagnosis.run}"
            lines.append(_command(level, title, diagnosis.reasons.get(code, "")))
    if judged.failed and not any(line.startswith("::error") for line in lines):
        lines.append(_command("error", judged.diagnosis.run, str(diagnosis)))
    return lines


def _command(level: str, title: str, message: str) -> str:
    """Write a workflow command.

    Its syntax reserves %, line ends and, in the title, colon and comma.
    """
    head = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={head}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\n", "%0A")


FORMATS: dict[str, Callable[[Sequence[Judged]], str]] = {
    "json": as_json,
    "junit": junit,
    "github": github,
}
