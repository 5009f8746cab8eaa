"""The pytest plugin: fixture and marker `gradients`, options, a section of the summary.

It loads with every pytest run of every project that has gradlab installed, so that nothing heavy
may be imported before a test asks for it; tests/test_pytest_plugin.py and
benchmarks/plugin_overhead.py watch over that.

PYTEST_DONT_REWRITE: there is no assert in here to rewrite, and a test may have imported it before
pytest does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradlab.testing.gradients import Gradients

KEY = pytest.StashKey["Gradients"]()
NAME = "gradients"  # of the fixture and of the marker

MARKER = (
    "gradients(select, ignore, strict, minimum, maximum, first_to_last, statistic, layers, "
    "iterations, quantile): "
    "judge every network that the test trains; with no argument, by all of gradlab's rules (see "
    "`gradlab rules`)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; None where they are not given, so that the ini file's count."""
    group = parser.getgroup("gradlab", "gradients of neural networks")
    group.addoption(
        "--gradlab-report",
        metavar="DIR",
        default=None,
        help="write the HTML report of each failing test that trains",
    )
    group.addoption("--gradlab-off", action="store_true", default=None, help="judge no gradients")
    group.addoption(
        "--gradlab-update",
        action="store_true",
        default=False,
        help="rewrite the stored gradient profiles",
    )
    parser.addini(
        "gradlab_report",
        "folder for the HTML reports of failing tests, as --gradlab-report",
        default="",
    )
    parser.addini("gradlab_off", "judge no gradients, as --gradlab-off", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def gradients(request: pytest.FixtureRequest) -> Gradients:
    """What the test trains, recorded, with assertions such as `gradients.assert_healthy()`."""
    item = request.node
    if KEY not in item.stash:  # asked for by request.getfixturevalue
        item.stash[KEY] = _start(item)
    return item.stash[KEY]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start to record before the test's fixtures are made: some of them train."""
    marker = item.get_closest_marker(NAME)
    if marker is None and NAME not in getattr(item, "fixturenames", ()):
        return
    if marker is not None:
        _check(marker)
    item.stash[KEY] = _start(item)


def _check(marker: pytest.Mark) -> None:
    from gradlab.errors import GradlabError
    from gradlab.testing.gradients import check_marker

    try:
        check_marker(marker.args, marker.kwargs)
    except GradlabError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _start(item: pytest.Item) -> Gradients:
    from gradlab.testing.gradients import Gradients

    config = item.config
    kept = Gradients(
        item.nodeid,
        item.path,
        folder=config.rootpath,
        update=bool(config.getoption("--gradlab-update")),
        off=_is_off(config),
    )
    return kept.start()


def _is_off(config: pytest.Config) -> bool:
    given = config.getoption("--gradlab-off")
    return bool(config.getini("gradlab_off") if given is None else given)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Judge a marked test as soon as its body is done.

    The test itself fails then, so that xfail and --lf understand it.
    """
    result = yield
    marker = item.get_closest_marker(NAME)
    if marker is not None and KEY in item.stash:
        _judge(item.stash[KEY], marker)
    return result


def _judge(kept: Gradients, marker: pytest.Mark) -> None:
    from gradlab.errors import GradlabError
    from gradlab.testing import GradientError

    try:
        kept.judge(marker.kwargs)
    except (GradientError, GradlabError) as error:
        message = str(error)
    else:
        return
    failure = pytest.fail.Exception(message, pytrace=False)
    failure.gradlab = True  # type: ignore[attr-defined]  # it has said all about the gradients
    raise failure


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Stop to record, after the test's fixtures are gone."""
    if KEY in item.stash:
        item.stash[KEY].stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a line about the training to a test's report, and the verdict to a failure's."""
    report = yield
    if KEY in item.stash and (report.when == "call" or (report.when == "setup" and report.failed)):
        kept = item.stash[KEY]
        error = None if call.excinfo is None else call.excinfo.value
        report.gradlab = {  # type: ignore[attr-defined]  # plain data: xdist sends it from the workers
            "runs": len(kept.runs),
            "spared": kept.spared,
            "profiles": [str(path) for path in kept.profiles_written],
            "headline": _headline(error) if report.failed else "",
            "page": _explain(item, report, kept, error) if report.failed else "",
        }
    return report


def _headline(error: BaseException | None) -> str:
    """Return the first line of a failure that is about gradients."""
    return str(error).partition("\n")[0] if _is_ours(error) else ""


def _is_ours(error: BaseException | None) -> bool:
    from gradlab.testing import GradientError

    return isinstance(error, GradientError) or hasattr(error, "gradlab")


def _explain(
    item: pytest.Item, report: pytest.TestReport, kept: Gradients, error: BaseException | None
) -> str:
    """Add a section to a failure: the diagnosis, where the failure does not give it, and the page.

    Return its path.
    """
    runs = [run for run in kept.runs if run.iterations]
    if not runs:
        return ""
    lines = [] if _is_ours(error) else _said(item.config, runs)
    page = _write_page(item, runs)
    if page:
        lines.append(page if page.startswith("no report") else f"report: {page}")
    if lines:
        _add_section(report, "\n".join(lines))
    return "" if page.startswith("no report") else page


def _said(config: pytest.Config, runs: list[Any]) -> list[str]:
    from gradlab.diagnosis import project
    from gradlab.errors import GradlabError
    from gradlab.testing.health import said_of

    try:
        judge = project.nearest(config.rootpath).judge
        return [said_of(run, judge(run)) for run in runs]
    except GradlabError as error:
        return [str(error)]


def _add_section(report: pytest.TestReport, text: str) -> None:
    """Put text into the failure itself, where JUnit files and every --tb show it.

    Else beside it.
    """
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add("gradlab", text, "-")
    else:
        report.sections.append(("gradlab", text))


def _write_page(item: pytest.Item, runs: list[Any]) -> str:
    """Write the HTML report where one is asked for.

    Return its path, or a sentence that says why there is none.
    """
    folder = _report_folder(item.config)
    if folder is None:
        return ""
    from gradlab.diagnosis import project
    from gradlab.errors import GradlabError
    from gradlab.report import write_report

    try:
        path = folder / _file_name(item.nodeid)
        write_report(
            runs[0] if len(runs) == 1 else runs,
            path,
            judge=project.nearest(item.config.rootpath).judge,
        )
    except (GradlabError, OSError) as error:
        return f"no report could be written: {error}"
    return str(path)


def _report_folder(config: pytest.Config) -> Path | None:
    given = config.getoption("--gradlab-report")
    if given is not None:
        return config.invocation_params.dir / given
    named = config.getini("gradlab_report")
    return (config.rootpath / named) if named else None


def _file_name(nodeid: str) -> str:
    """Make a file name of a test's id.

    One that loses something by it gets a short hash, so that no two are alike.
    """
    word = re.sub(r"[^A-Za-z0-9_.-]+", "-", nodeid.replace(".py::", "-")).strip("-")
    if "[" in nodeid or len(word) > 100:
        word = f"{word[:100]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:6]}"
    return f"{word}.html"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the section `gradlab`, where a test trained something or was spared."""
    reports = [
        (report, report.gradlab)
        for group in terminalreporter.stats.values()
        for report in group
        if hasattr(report, "gradlab")
    ]
    lines = list(_summary(reports))
    if lines:
        terminalreporter.section("gradlab", sep="=")
        for line in lines:
            terminalreporter.write_line(line)


def _summary(reports: list[tuple[Any, dict[str, Any]]]) -> Generator[str]:
    """Yield the lines of the summary."""
    training = [data for _, data in reports if data["runs"]]
    if training:
        failed = sum(bool(data["headline"]) for data in training)
        runs = sum(data["runs"] for data in training)
        verdict = f"{failed} failed on gradients" if failed else "none failed on its gradients"
        yield f"{_count(runs, 'run')} recorded in {_count(len(training), 'test')}, {verdict}"
    for report, data in reports:
        if data["headline"]:
            yield f"{report.nodeid}: {data['headline']}"
        if data["page"]:
            yield f"{report.nodeid}: report {data['page']}"
        yield from (f"profile written: {path}" for path in data["profiles"])
    spared = sum(data["spared"] for _, data in reports)
    if spared:
        yield f"off: {_count(spared, 'assertion')} on gradients not made"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
