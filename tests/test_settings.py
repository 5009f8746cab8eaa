"""`[tool.gradlab]`: what it sets, and that every mistake in it is an error which names the line."""

import numpy as np
import pytest

from gradlab.diagnosis import diagnose, project, registry, toml_lines
from gradlab.errors import RuleError, SettingsError
from gradlab.rules import Rule
from tests.rules.runs import FAILED, SLOW, make_run


def vanishing(share=0.005, steps=FAILED, name="made", **details):
    """A run whose first layer has that share of the gradient (GL101: below 0.01)."""
    p = np.array([share, 0.05, 0.5, 1])
    return make_run(name=name, steps=steps, per_example_grad_norm=p, **details)


@pytest.fixture
def written(tmp_path):
    """Write a pyproject.toml and read its settings."""

    def write(text, folder=tmp_path):
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        return project.nearest(folder)

    return write


def test_without_a_file_or_a_table_the_defaults_hold(written, tmp_path):
    assert project.nearest(tmp_path) == project.Settings()
    assert written('[project]\nname = "x"\n') == project.Settings()


def test_the_nearest_file_upwards_counts(written, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert written('[tool.gradlab]\nignore = ["gl402"]\n', tmp_path / "a" / "b").ignore == (
        "GL402",
    )
    (tmp_path / "a" / "pyproject.toml").write_text(
        '[tool.gradlab]\nselect = ["GL101"]\n', encoding="utf-8"
    )
    assert project.nearest(tmp_path / "a" / "b").select == ("GL101",)


def test_a_file_that_changed_is_read_anew(written):
    assert written('[tool.gradlab]\nignore = ["GL402"]\n').ignore == ("GL402",)
    assert written('[tool.gradlab]\nignore = ["GL403", "GL401"]\n').ignore == ("GL403", "GL401")


def test_select_and_ignore_choose_rules_and_a_call_replaces_them(written):
    found = written('[tool.gradlab]\nselect = ["GL101", "GL102"]\nignore = ["GL102"]\n')
    assert list(found.judge(make_run()).statuses) == ["GL101"]
    assert list(found.judge(make_run(), select=["GL203"]).statuses) == ["GL203"]


@pytest.mark.parametrize(("share", "codes"), [(0.0049, ["GL101"]), (0.0051, [])])
def test_a_limit_of_the_project_stands_where_it_says(written, share, codes):
    found = written("[tool.gradlab.limits.GL101]\nshare = 0.005\n")
    run = vanishing(share, SLOW)
    assert [each.rule for each in found.judge(run, select=["GL101"]).findings] == codes
    (usual,) = diagnose(run, select=["GL101"]).findings  # nobody else's changed
    assert usual.limit == 0.01


HAND_MADE = ["GL104"]  # a gradient that never changes is stale
MUTED = (
    '[[tool.gradlab.mute]]\nrun = "base*"\nrule = "GL101"\n'
    'reason = "all others are compared with it"\n'
)


def test_settings_take_prefixes_of_codes(written):
    found = written('[tool.gradlab]\nselect = ["gl10", "GL402"]\nignore = ["GL103", "GL104"]\n')
    assert list(found.judge(make_run()).statuses) == [
        "GL101",
        "GL102",
        "GL105",
        "GL106",
        "GL107",
        "GL402",
    ]


def test_a_mute_takes_a_prefix_of_codes(written):
    found = written('[[tool.gradlab.mute]]\nrule = "GL1"\nreason = "a comparison"\n')
    diagnosis = found.judge(vanishing(), select=["GL101"])
    assert diagnosis.statuses == {"GL101": "muted"}


def test_a_muted_finding_does_not_count_nor_what_it_explains_and_the_reason_is_told(written):
    found = written(MUTED)
    run = make_run(
        name="baseline", steps={"loss": 2.3}, per_example_grad_norm=np.array([0.005, 0.05, 0.5, 1])
    )
    diagnosis = found.judge(run, ignore=HAND_MADE)
    (root,) = diagnose(run, ignore=HAND_MADE).findings
    explained = {each.rule for each in root.consequences}
    assert "GL402" in explained
    assert diagnosis.ok
    assert diagnosis.findings == ()
    assert {code for code, status in diagnosis.statuses.items() if status == "muted"} == {
        "GL101"
    } | explained
    assert diagnosis.reasons["GL101"].startswith(
        "all others are compared with it (it found: The gradient vanishes"
    )
    assert diagnosis.reasons["GL402"].startswith(
        "GL101 explains it and is muted: all others are compared with it"
    )
    assert "all others are compared with it" in str(diagnosis)


def test_other_runs_and_other_rules_are_not_muted(written):
    found = written(MUTED)
    assert not found.judge(vanishing(name="new")).ok
    dead = np.zeros((60, 2, 4))
    dead[:, :, 1] = 1
    diagnosis = found.judge(vanishing(name="baseline", dead_fraction=dead), ignore=HAND_MADE)
    assert [
        (root.rule, [each.rule for each in root.consequences]) for root in diagnosis.findings
    ] == [("GL201", ["GL402"])]
    assert diagnosis.statuses["GL101"] == "muted"


@pytest.mark.parametrize(("rule", "left"), [("GL001", ["GL102"]), ("GL102", ["GL001"])])
def test_nan_cannot_be_muted(written, rule, left):
    counts = np.zeros((30, 2, 4))
    counts[3:] = 5
    run = make_run(30, delta_norm=np.array([1e6, 1e4, 100, 1]), nonfinite_count=counts)
    diagnosis = written(f'[[tool.gradlab.mute]]\nrule = "{rule}"\nreason = "why not"\n').judge(run)
    assert not diagnosis.ok
    assert diagnosis.statuses[rule] == "muted"
    assert [root.rule for root in diagnosis.findings] == left


def test_the_page_shows_why_a_rule_is_muted(written, tmp_path):
    from gradlab.report.data import build

    data = build(vanishing(name="baseline"), judge=written(MUTED).judge)
    (cell,) = data["cells"]
    told = {each["code"]: (each["status"], each["reason"]) for each in cell["statuses"]}
    assert told["GL101"][0] == "muted"
    assert "all others are compared with it" in told["GL101"][1]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[tool.gradlab]\nselct = ["GL101"]\n', 2, "has no key 'selct'; did you mean 'select'?"),
        (
            "[tool.gradlab]\nx = 1\n",
            2,
            "has no key 'x'; choose one of: select, ignore, limits, mute",
        ),
        (
            '[tool.gradlab]\n\nignore = ["GL101",\n  "GL999"]\n',
            4,
            "rule 'GL999' is unknown; did you mean",
        ),
        ('[tool.gradlab]\nignore = "GL101"\n', 2, "ignore = 'GL101' must be a list of rule codes"),
        ("[tool.gradlab]\nselect = [3]\n", 2, "select = [3] must be a list of rule codes"),
        ("[tool.gradlab]\nselect = []\n", 2, "leaves nothing to judge by"),
        ("[tool]\ngradlab = 3\n", 2, "[tool.gradlab] is 3; make it a table"),
        ("[tool.gradlab.limits.GL999]\nalarm = 1\n", 1, "rule 'GL999' is unknown"),
        (
            "[tool.gradlab.limits.GL101]\nshare = 0.1\nalrm = 1\n",
            3,
            "rule GL101 has no limit 'alrm'; did you mean 'alarm'?",
        ),
        (
            '[tool.gradlab.limits.GL101]\nalarm = "low"\n',
            2,
            "limit 'alarm' of rule GL101 is 'low'; give a number",
        ),
        ("[tool.gradlab.limits.GL101]\nalarm = -1.0\n", 2, "of at least 0 (it is 0.05)"),
        ("[tool.gradlab.limits.GL101]\nalarm = nan\n", 2, "of at least 0 (it is 0.05)"),
        ("[tool.gradlab.limits.GL303]\nratios = 2.5\n", 2, "give a whole number"),
        ("[tool.gradlab]\nlimits = 3\n", 2, "limits must be tables"),
        ("[tool.gradlab]\nlimits = { GL101 = { alrm = 1 } }\n", 2, "has no limit 'alrm'"),
        (
            '[[tool.gradlab.mute]]\nrule = "GL101"\n',
            1,
            "lacks 'reason'; a mute names the rule and says why",
        ),
        ('[[tool.gradlab.mute]]\nreason = "so"\n', 1, "lacks 'rule'"),
        (
            MUTED + '\n[[tool.gradlab.mute]]\nrule = "GL102"\nreason = ""\n',
            8,
            "reason = '' must be a text",
        ),
        (
            MUTED + '\n[[tool.gradlab.mute]]\nrule = "GL9"\nreason = "x"\n',
            7,
            "rule 'GL9' is unknown",
        ),
        ("[tool.gradlab.limits.GL1]\nalarm = 1\n", 1, "rule 'GL1' is unknown"),
        (MUTED + 'run_ = "x"\n', 5, "has no key 'run_'; did you mean 'run'?"),
        ("[tool.gradlab]\nmute = 1\n", 2, "mute must be a list of tables"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_and_line(written, tmp_path, text, line, says):
    with pytest.raises(SettingsError) as raised:
        written(text)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'pyproject.toml'}:{line}: ")
    assert says in message
    assert "\n" not in message


def test_what_is_no_toml_names_the_line_too(written):
    with pytest.raises(SettingsError, match=r"pyproject\.toml cannot be read: .*line 2"):
        written("[tool.gradlab]\nselect = ]\n")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("tool", "gradlab"), 2),
        (("tool", "gradlab", "ignore"), 3),
        (("tool", "gradlab", "limits", "GL101", "alarm"), 5),
        (("tool", "gradlab", "mute", 0, "rule"), 8),
        (("tool", "gradlab", "mute", 1, "rule"), 11),
        (("tool", "gradlab", "mute", 1, "nothing"), 10),
        (("elsewhere",), 1),
    ],
)
def test_lines_of_keys(path, line):
    text = (
        '# a comment\n[tool.gradlab]\nignore = []\n[tool."gradlab".limits]\n'
        "GL101.alarm = 1\n\n[[tool.gradlab.mute]]\n"
        'rule = "a"\n\n[[tool.gradlab.mute]]\nrule = "b"\n'
    )
    assert toml_lines.find(text, path) == line


def test_a_rule_of_the_project_has_the_projects_limits(written):
    rule = written("[tool.gradlab.limits.GL101]\nalarm = 0.001\n").rule("gl101")
    assert rule.limit("alarm") == 0.001
    assert registry()["GL101"].limit("alarm") == 0.05


def test_an_unknown_rule_names_the_nearest(written):
    with pytest.raises(RuleError, match="did you mean 'GL101'"):
        written("").rule("GL1011")


class Elsewhere(Rule):
    """A rule of another file, which has a limit of its own."""

    code, name = "XX001", "elsewhere"

    def judge(self, run):
        return None


def test_codes_of_other_packages_may_be_set_too(monkeypatch, written):
    monkeypatch.setattr(
        "gradlab.diagnosis.project.registry", lambda: {**registry(), "XX001": Elsewhere()}
    )
    assert written('[tool.gradlab]\nignore = ["XX001"]\n').ignore == ("XX001",)


def test_a_file_whose_tools_are_no_table_sets_nothing(written):
    assert written("tool = 1\n") == project.Settings()
