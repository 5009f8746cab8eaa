"""The plugin in pytest runs of its own: what passes, what fails, and what a reader sees of it."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

import gradlab.comparison
import gradlab.report.render

# loaded here once: an inner run may not import NumPy a second time
import gradlab.testing.gradients
import gradlab.training
from gradlab.pytest_plugin import _file_name

pytest_plugins = ["pytester"]

ROOT = Path(gradlab.__file__).parent.parent
PAGE = (ROOT / "docs" / "testing-gradients.md").read_text(encoding="utf-8")
INSTALLED = any(entry.name == "gradlab" for entry in metadata.entry_points(group="pytest11"))
QUICK = [
    "-p",
    "no:hypothesispytest",
]  # it would import hypothesis anew in every inner run: three seconds
PLUGIN = QUICK if INSTALLED else [*QUICK, "-p", "gradlab.pytest_plugin"]

TRAINING = """
import gradlab, pytest

def train(activation="relu", init="he_normal", depth=3, iterations=30, gain=1.0):
    model = gradlab.MLP([64] + [16] * depth + [10], activation=activation, init=init, gain=gain)
    return gradlab.train(model, gradlab.datasets.digits(), learning_rate=0.1, iterations=iterations)

def sick():
    return train("sigmoid", "glorot_normal", depth=12)
"""


@pytest.fixture
def inner(pytester):
    """Run pytest with the plugin on a file; returns its result."""
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers -p no:cacheprovider\nfilterwarnings = error"
    )

    def run(*arguments, **files):
        for name, source in files.items():
            pytester.path.joinpath(f"{name}.py").write_text(TRAINING + source, encoding="utf-8")
        return pytester.runpytest(*PLUGIN, *arguments)

    return run


def shown(result):
    return "\n".join(result.outlines)


# ---------------------------------------------------------------------------------------------- the
# page's examples


FILES = dict(
    re.findall(
        r"<!-- file: (\S+); [^>]* -->\n```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL
    )
)
EXPECTED = dict(re.findall(r"<!-- file: (\S+); (.*?) -->", PAGE))
BROKEN = re.findall(
    r"<!-- broken: (\S+); (.*?) => (.*?); 1 failed -->\n```console\n(.*?)^```", PAGE, re.M | re.S
)

OTHERS = ("test_profile.py", "test_torch.py")  # tested below, and where PyTorch is


def run_page(pytester, name, source, *arguments):
    pytester.path.joinpath(name).write_text(source, encoding="utf-8")
    return pytester.runpytest(*PLUGIN, "--strict-markers", name, *arguments)


def test_the_page_has_its_examples():
    assert len(FILES) == len(EXPECTED) == 6
    assert [name for name, *_ in BROKEN] == ["test_first.py", "test_backward.py", "test_profile.py"]


@pytest.mark.parametrize("name", [name for name in FILES if name not in OTHERS])
def test_an_example_of_the_page_passes(pytester, name):
    result = run_page(pytester, name, FILES[name])
    outcomes = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", EXPECTED[name])}
    result.assert_outcomes(**outcomes)


@pytest.mark.parametrize(("name", "old", "new", "lines"), BROKEN[:2], ids=["first", "backward"])
def test_a_broken_example_fails_as_the_page_shows(pytester, name, old, new, lines):
    assert old in FILES[name]
    result = run_page(pytester, name, FILES[name].replace(old, new))
    result.assert_outcomes(failed=1)
    for line in lines.splitlines():
        assert line.strip() in shown(result), line


def test_the_profile_of_the_page_is_missing_then_made_then_kept_then_left(pytester):
    name = "test_profile.py"
    result = run_page(pytester, name, FILES[name])
    result.assert_outcomes(failed=1)
    command = 'pytest "test_profile.py::test_the_profile" --gradlab-update'
    assert f"make it by: {command}" in shown(result)
    run_page(pytester, name, FILES[name], "--gradlab-update").assert_outcomes(passed=1)
    stored = pytester.path / "gradient_profiles" / "test_profile-relu-6.toml"
    example = next(
        block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.S) if "schema" in block
    )
    shows, holds = tomllib.loads(example), tomllib.loads(stored.read_text(encoding="utf-8"))
    for layer, value in shows["layers"].items():
        assert holds["layers"][layer] == pytest.approx(value, abs=0.01)
    assert example.splitlines()[:5] == stored.read_text(encoding="utf-8").splitlines()[:5]
    run_page(pytester, name, FILES[name]).assert_outcomes(passed=1)
    _, old, new, lines = BROKEN[2]
    result = run_page(pytester, name, FILES[name].replace(old, new))
    result.assert_outcomes(failed=1)
    for line in lines.splitlines():
        assert line.strip() in shown(result), line


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("gradients.assert_gradient_bounds(minimum=0, layers='hiden*')", "did you mean 'hidden3'?"),
        ("gradients.assert_gradient_bounds(minimum=0, statistic='grad')", "no statistic 'grad'"),
        ("gradients.assert_healthy(selct=['GL101'])", "no argument 'selct'; did you mean 'select'"),
        ("gradients.assert_healthy(select=['GL1O1'])", "did you mean 'GL101'?"),
        ("testing.assert_ratio(3, first_to_last=1)", "run is int; give a Run"),
        ("testing.assert_profile(gradients.run, 'x', decads=1)", "did you mean 'decades'?"),
    ],
)
def test_a_mistake_is_told_at_the_callers_line(inner, call, words):
    body = f"from gradlab import testing\ndef test_it(gradients):\n    train()\n    {call}\n"
    result = inner(test_it=body)
    result.assert_outcomes(failed=1)
    assert words in shown(result)
    failure = shown(result).partition("= FAILURES =")[2].partition("- gradlab -")[0]
    places = re.findall(r"^(\S+\.py):\d+: ", failure, flags=re.MULTILINE)
    assert places == ["test_it.py"]


def test_a_mistake_in_a_marker_is_told_with_the_nearest_argument(inner):
    body = "@pytest.mark.gradients(minimun=1)\ndef test_it():\n    train()\n"
    result = inner(test_it=body)
    result.assert_outcomes(errors=1)
    assert "takes no argument 'minimun'; did you mean 'minimum'?" in shown(result)
    assert "pytest_plugin.py" not in shown(result)


# ------------------------------------------------------------------------------------------------
# fixture and marker


def test_a_marked_test_that_trains_a_sick_net_fails_with_layer_and_cause(inner):
    result = inner(test_it="@pytest.mark.gradients\ndef test_it():\n    sick()\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*GL101 vanishing-gradient (error), worst in layer 1 (hidden1) at iteration*",
            "*> * 1 hidden1*#*",
            "*why: *",
        ]
    )
    assert "the slope of sigmoid is never above 0.25" in re.sub(r"\s+", " ", shown(result))
    assert "array(" not in shown(result)
    assert "=== gradlab ===" in shown(result)
    assert "1 run recorded in 1 test, 1 failed on gradients" in shown(result)


def test_what_a_fixture_trains_is_the_tests_too(inner):
    result = inner(
        test_it="@pytest.fixture\ndef trained():\n    return train()\n"
        "def test_run(trained, gradients):\n    assert gradients.run is trained\n"
        "@pytest.mark.gradients\ndef test_marked(trained):\n    pass\n"
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "marker", ["", "(minimum=1e-9)", "(first_to_last=1e-9)", "(select=['GL101'], minimum=1e-9)"]
)
def test_a_marked_test_that_trains_nothing_fails_and_says_so_once(inner, marker):
    result = inner(test_it=f"@pytest.mark.gradients{marker}\ndef test_it():\n    pass\n")
    result.assert_outcomes(failed=1)
    failures = shown(result).partition("=== gradlab")[0]
    assert failures.count("nothing was trained in this test") == 1


def test_a_recorder_without_an_iteration_is_no_pass(inner):
    result = inner(
        test_it="@pytest.mark.gradients\ndef test_it():\n"
        "    gradlab.Recorder([{'fan_in': 2, 'fan_out': 2}]).close()\n"
    )
    result.assert_outcomes(failed=1)
    assert "holds no iteration" in shown(result)


def test_the_fixture_without_a_training_is_silent_until_it_is_asked(inner):
    result = inner(
        test_it="def test_unused(gradients):\n    assert gradients.runs == []\n"
        "def test_asked(gradients):\n    gradients.assert_no_vanishing()\n"
    )
    result.assert_outcomes(passed=1, failed=1)


def test_trainings_of_another_test_do_not_count(inner):
    result = inner(
        test_it="def test_one(gradients):\n    train()\n    assert len(gradients.runs) == 1\n"
        "def test_two(gradients):\n    assert gradients.runs == []\n    train(); train()\n"
        "    assert len(gradients.runs) == 2\n    gradients.assert_no_exploding()\n    "
        "gradients.run\n"
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "the test trained 2 runs" in shown(result)


def test_a_run_from_elsewhere_can_be_handed_over(inner):
    result = inner(
        test_it="@pytest.fixture(scope='module')\ndef trained():\n    return train()\n"
        "@pytest.mark.gradients(maximum=1000)\n@pytest.mark.parametrize('k', [1, 2])\n"
        "def test_it(trained, gradients, k):\n    gradients.add(trained)\n    assert "
        "len(gradients.runs) == 1\n"
    )
    result.assert_outcomes(passed=2)


def test_a_fixture_asked_for_late_records_from_then_on(inner):
    result = inner(
        test_it="def test_it(request):\n"
        "    kept = request.getfixturevalue('gradients')\n    train()\n    kept.run\n"
    )
    result.assert_outcomes(passed=1)


def test_a_live_recorder_is_judged_with_its_newest_iteration(inner):
    result = inner(
        test_it="""
import numpy as np

def live():
    recorder = gradlab.Recorder([{"fan_in": 2, "fan_out": 2}])
    for k in range(3):
        w = [np.ones((2, 2))]
        gradients = [w[0] * (1 if k < 2 else 9)]
        recorder.record(
            loss=1.0, learning_rate=0.1, weights=w, weights_after=w, gradients=gradients
        )
    return recorder

def test_it(gradients):
    recorder = live()
    assert gradients.run.iterations == 3
    gradients.assert_gradient_bounds(maximum=2.0)

@pytest.mark.gradients(maximum=18)
def test_at_the_limit():
    recorder = live()
"""
    )
    result.assert_outcomes(failed=1, passed=1)
    assert (
        "grad_norm of layer 1 (output) is 18 at iteration 2, replicate 0, above the maximum 2"
        in shown(result)
    )


def test_the_marker_fails_the_test_itself_so_that_xfail_works(inner):
    result = inner(
        test_it="@pytest.mark.xfail(strict=True)\n"
        "@pytest.mark.gradients(minimum=1e-3)\ndef test_it():\n    sick()\n"
        "@pytest.mark.gradients\ndef test_skipped():\n    pytest.skip('no')\n"
        "@pytest.mark.gradients\ndef test_own():\n    sick()\n    assert 1 > 2\n"
    )
    result.assert_outcomes(xfailed=1, skipped=1, failed=1)
    assert "assert 1 > 2" in shown(result)
    assert "GL101 vanishing-gradient" in shown(result)  # why it failed, perhaps


def test_the_marker_judges_unittest_methods(inner):
    result = inner(
        test_it="import unittest\nclass Case(unittest.TestCase):\n"
        "    @pytest.mark.gradients\n    def test_good(self):\n        train()\n"
        "    @pytest.mark.gradients\n    def test_bad(self):\n        sick()\n"
    )
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("(minium=1)", "takes no argument 'minium'; did you mean 'minimum'"),
        ("(1e-6)", "got 1e-06 without a name"),
        ("(minimum=float('nan'))", "minimum=nan must be a finite number"),
        ("(minimum=2, maximum=1)", "minimum=2 is above maximum=1"),
        ("(minimum=1e-9, layers='conv*')", "layers='conv*' fits no layer"),
        ("(layers='hidden*')", "neither minimum nor maximum is given"),
        ("(select=['GL999'])", "rule 'GL999' is unknown"),
        ("(minimum=1e-9, iterations=slice(99, None))", "chooses none of the run's 30 iterations"),
    ],
)
def test_a_marker_that_cannot_be_judged_is_one_sentence(inner, marker, said):
    result = inner(test_it=f"@pytest.mark.gradients{marker}\ndef test_it():\n    train()\n")
    assert result.ret == 1
    assert said in shown(result)
    assert "Traceback" not in shown(result)
    assert "pytest_plugin.py" not in shown(result)


def test_a_marker_for_rules_and_bounds_names_both_failures(inner):
    result = inner(
        test_it="@pytest.mark.gradients(select=['GL101'], minimum=1e-3, first_to_last=0.1)\n"
        "def test_it():\n    sick()\n"
    )
    text = shown(result)
    assert "is not healthy: GL101" in text
    assert "below the minimum 0.001" in text
    assert "below the least allowed, 0.1" in text


# ------------------------------------------------------------------------------------------ options


def test_a_failing_test_gets_its_report_and_the_failure_names_it(inner, pytester):
    source = (
        "@pytest.mark.gradients\ndef test_bad():\n    sick()\n"
        "def test_good(gradients):\n    train()\n"
    )
    result = inner("--gradlab-report=out", "--junit-xml=junit.xml", test_it=source)
    page = pytester.path / "out" / "test_it-test_bad.html"
    assert [page] == list(page.parent.iterdir())
    assert f"report: {page}" in shown(result)
    failure = ElementTree.parse(pytester.path / "junit.xml").find(".//failure")
    assert failure is not None
    assert str(page) in (failure.text or "")
    assert "vanishing-gradient" in failure.get("message", "")


def test_the_ini_file_sets_the_report_and_the_command_line_wins(pytester, inner):
    inner(test_it="@pytest.mark.gradients\ndef test_bad():\n    sick()\n")
    pytester.makeini("[pytest]\ngradlab_report = from-ini\n")
    pytester.runpytest(*PLUGIN)
    assert (pytester.path / "from-ini" / "test_it-test_bad.html").exists()
    pytester.runpytest(*PLUGIN, "--gradlab-report=chosen")
    assert (pytester.path / "chosen" / "test_it-test_bad.html").exists()


def test_a_report_that_cannot_be_written_is_said_and_hides_no_failure(inner, pytester):
    pytester.path.joinpath("out").write_text("a file")
    result = inner(
        "--gradlab-report=out", test_it="@pytest.mark.gradients\ndef test_bad():\n    sick()\n"
    )
    result.assert_outcomes(failed=1)
    assert "no report could be written" in shown(result)


@pytest.mark.parametrize("how", ["--gradlab-off", "ini"])
def test_switched_off_nothing_is_judged_and_the_summary_counts_it(inner, pytester, how):
    source = (
        "@pytest.mark.gradients\ndef test_marked():\n    sick()\n"
        "def test_called(gradients):\n    sick()\n    gradients.assert_healthy()\n    "
        "gradients.assert_profile('x')\n"
    )
    arguments = ["--gradlab-off"] if how != "ini" else ["-o", "gradlab_off=true"]
    result = inner(*arguments, test_it=source)
    result.assert_outcomes(passed=2)
    assert "off: 3 assertions on gradients not made" in shown(result)


def test_a_profile_name_may_lead_nowhere_else(inner):
    result = inner(
        "--gradlab-update",
        test_it="def test_it(gradients):\n    gradients.assert_profile('../x')\n",
    )
    result.assert_outcomes(failed=1)
    assert "profile name '../x' must be of letters" in shown(result)


def test_under_xdist_reports_profiles_and_the_summary_come_through(inner, pytester):
    source = (
        "@pytest.mark.gradients\ndef test_bad():\n    sick()\n"
        "def test_profile(gradients):\n    train()\n    gradients.assert_profile('p')\n"
    )
    result = inner("-n", "2", "--gradlab-report=out", "--gradlab-update", test_it=source)
    result.assert_outcomes(passed=1, failed=1)
    text = shown(result)
    assert "2 runs recorded in 2 tests, 1 failed on gradients" in text
    assert "profile written: " in text
    assert f"report {pytester.path / 'out' / 'test_it-test_bad.html'}" in text


def test_the_projects_settings_hold_for_the_marker(inner, pytester):
    source = "@pytest.mark.gradients\ndef test_bad():\n    sick()\n"
    pytester.makepyprojecttoml('[tool.gradlab]\nignore = ["GL101", "GL301", "GL302", "GL402"]\n')
    inner("-c", "tox.ini", "--rootdir=.", test_it=source).assert_outcomes(passed=1)
    pytester.makepyprojecttoml('[tool.gradlab]\nignor = ["GL101"]\n')
    result = inner("-c", "tox.ini", "--rootdir=.")
    result.assert_outcomes(failed=1)
    assert "pyproject.toml:2: [tool.gradlab] has no key 'ignor'; did you mean 'ignore'?" in shown(
        result
    )


def test_names_of_reports_differ_where_tests_do():
    assert _file_name("tests/test_a.py::Test::test_b") == "tests-test_a-Test-test_b.html"
    one, two = _file_name("test_a.py::test[a/b]"), _file_name("test_a.py::test[a-b]")
    assert one != two
    assert all(re.fullmatch(r"[\w.-]+", name) for name in (one, two))
    assert len(_file_name("x" * 400)) < 130


# ------------------------------------------------------------------------------------------- unused


def test_importing_the_plugin_loads_nothing_heavy():
    heavy = (
        "numpy",
        "pandas",
        "pyarrow",
        "plotly",
        "joblib",
        "jinja2",
        "gradlab.testing",
        "gradlab.run",
    )
    code = (
        f"import gradlab.pytest_plugin, sys; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_a_run_that_does_not_use_it_shows_nothing_and_loads_nothing(pytester):
    pytester.makepyfile(
        "import sys\ndef test_it():\n    assert not {'numpy', 'pandas', 'gradlab.run'} & "
        "set(sys.modules)"
    )
    pytester.makeconftest("")
    result = pytester.runpytest_subprocess(*PLUGIN, "--strict-markers")
    result.assert_outcomes(passed=1)
    assert "gradlab" not in shown(result).replace("plugins: gradlab", "").replace(
        "gradlab-diagnostics", ""
    )
    assert "gradients(select, ignore" in shown(pytester.runpytest_subprocess(*PLUGIN, "--markers"))
    help_text = shown(pytester.runpytest_subprocess(*PLUGIN, "--help"))
    for option in ("--gradlab-report=DIR", "--gradlab-off", "--gradlab-update", "gradlab_report"):
        assert option in help_text
