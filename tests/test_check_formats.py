"""What `gradlab check` prints for machines: held against what Jenkins, GitLab and GitHub accept."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from gradlab.cli import check_text
from gradlab.cli.check_formats import FORMATS, Judged
from gradlab.diagnosis import diagnose
from gradlab.rules import Finding, Remedy, Rule
from tests.rules.runs import make_run

# Jenkins' schema junit-10.xsd: element -> (attributes it may have, those it must have, children it
# may have)
SCHEMA = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        },
        {"name", "tests", "failures", "errors"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"name"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set(), set()),
    "error": ({"type", "message"}, set(), set()),
    "skipped": ({"type", "message"}, set(), set()),
    "system-out": (set(), set(), set()),
}
STRANGE = 'sigmoid <"20"> & \x00\x1b[31m, 100 %: Ünï\nnext'


class Crashing(Rule):
    """Broken on purpose."""

    code, name = "XX001", "crashing"

    def judge(self, run):
        raise ValueError("what it <says> & how ]]> it ends")


class Planted(Rule):
    """Finds what the run's configuration says."""

    code, name = "XX002", "planted"

    def judge(self, run):
        severity = run.config.get("severity")
        if severity is None:
            return None
        seeds = {"hit": 1, "total": 1, "which": [0]}
        message = "The gradient vanishes in layer 1: 1 % changes nothing."
        remedies = (Remedy("use activation", "use relu & wait", {"name": "relu"}),)
        return Finding(
            self.code, self.name, severity, (1,), (0, 9), seeds, 1.0, 0.0, message, None, remedies
        )


class Quiet(Rule):
    """Finds nothing."""

    code, name = "XX003", "quiet"

    def judge(self, run):
        return None


RULES = (Quiet(), Planted())


def judged(run, fail_on="error", rules=RULES, **options):
    return Judged(run, diagnose(run, rules=rules, **options), fail_on)


def found(severity, **details):
    """A run with one finding of a severity."""
    return make_run(config={"severity": severity}, **details)


def every_kind():
    """One run of each kind: healthy, failing, warned, crashed, muted, broken, empty."""
    return [
        judged(make_run()),
        judged(found("error")),
        judged(found("warning")),
        judged(make_run(), rules=(*RULES, Crashing())),
        judged(found("error"), mute={"XX002": "a <known> & old story"}),
        judged(make_run(5, delta_norm=np.nan)),
        judged(make_run(0)),
    ]


def check_element(element):
    allowed, needed, children = SCHEMA[element.tag]
    assert set(element.attrib) <= allowed, element.tag
    assert needed <= set(element.attrib), element.tag
    assert {child.tag for child in element} <= children, element.tag
    for child in element:
        check_element(child)


def test_junit_is_what_jenkins_schema_allows_and_its_sums_are_right():
    root = ElementTree.fromstring(FORMATS["junit"](every_kind()))
    check_element(root)
    assert root.tag == "testsuites"
    for suite in (root, *root):
        cases = list(suite.iter("testcase"))
        assert int(suite.get("tests")) == len(cases)
        assert int(suite.get("failures")) == sum(case.find("failure") is not None for case in cases)
        assert int(suite.get("errors")) == sum(case.find("error") is not None for case in cases)
    for suite in root:
        assert int(suite.get("skipped")) == len(list(suite.iter("skipped")))


def test_junit_fails_exactly_the_runs_that_fail():
    every = every_kind()
    suites = ElementTree.fromstring(FORMATS["junit"](every)).findall("testsuite")
    failing = [
        suite.find(".//failure") is not None or suite.find(".//error") is not None
        for suite in suites
    ]
    assert (
        failing == [each.failed for each in every] == [False, True, False, True, False, True, True]
    )


def test_gitlab_tells_cases_apart_by_class_and_name_and_shows_the_text():
    """GitLab shows a failure's text, not its message, and tells cases apart by class and name."""
    for suite in ElementTree.fromstring(FORMATS["junit"](every_kind())):
        cases = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
        assert len(set(cases)) == len(cases)
    root = ElementTree.fromstring(FORMATS["junit"]([every_kind()[1]]))
    failure = root.find(".//testcase[@name='XX002']/failure")
    assert "vanishes in layer 1" in failure.text
    assert "try: " in failure.text
    assert failure.get("message") in failure.text


def test_a_warning_passes_with_its_words_and_strictly_fails():
    warned = every_kind()[2]
    root = ElementTree.fromstring(FORMATS["junit"]([warned]))
    assert "warning: " in root.find(".//system-out").text
    strict = ElementTree.fromstring(
        FORMATS["junit"]([Judged(warned.run, warned.diagnosis, "warning")])
    )
    assert strict.find(".//failure") is not None


def named(name):
    return judged(found("error", name=name))


def test_names_of_any_kind_are_escaped_everywhere():
    strange = named(STRANGE)
    suite = ElementTree.fromstring(FORMATS["junit"]([strange])).find("testsuite")
    assert suite.get("name").startswith('sigmoid <"20"> & \\x00\\x1b[31m')
    assert json.loads(FORMATS["json"]([strange]))["runs"][0]["name"] == STRANGE
    annotations = FORMATS["github"]([strange]).splitlines()
    assert all(line.startswith(("::error title=", "gradlab: ")) for line in annotations)


def read_annotation(line):
    """Read a workflow command as GitHub's runner does: `::level key=value,...::message`."""
    level, properties, message = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line).groups()
    title = dict(pair.split("=", 1) for pair in properties.split(","))["title"]
    for escaped, plain in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        title, message = title.replace(escaped, plain), message.replace(escaped, plain)
    return level, title, message


def test_github_gets_one_annotation_a_root_and_a_line_that_counts():
    every = every_kind()
    *lines, last = FORMATS["github"](every).splitlines()
    read = [read_annotation(line) for line in lines]
    assert last == "gradlab: 7 runs checked, 4 failed"
    assert [level for level, _, _ in read[:4]] == ["error", "warning", "error", "notice"]
    for each in every:  # an error for each run that fails, and for no other
        levels = [read_annotation(line)[0] for line in FORMATS["github"]([each]).splitlines()[:-1]]
        assert ("error" in levels) == each.failed
    _, title, message = read[0]
    assert title == "XX002 planted in made"
    assert "in layer 1: 1 % changes nothing." in message
    assert "a <known> & old story" in read[3][2]


def test_text_and_json_tell_the_same_verdicts():
    every = every_kind()
    data = json.loads(FORMATS["json"](every))
    assert data["schema"] == 1
    assert [run["ok"] for run in data["runs"]] == [each.diagnosis.ok for each in every]
    told = [line for each in every for line in each.diagnosis.lines() if line]
    assert told == [line for line in check_text.lines(every, verbose=True) if line][:-1]


@pytest.mark.parametrize(("details", "code"), [({}, 0), ({"delta_norm": np.nan}, 1)])
def test_exit_codes_and_formats_of_the_command(tmp_path, details, code):
    make_run(20, **details).save(tmp_path / "run")
    for name in FORMATS:
        command = [
            sys.executable,
            "-m",
            "gradlab",
            "check",
            str(tmp_path / "run"),
            "--format",
            name,
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (code, ""), name
        assert done.stdout
