import re
from pathlib import Path

import pytest

from gradlab.cli import run as command
from gradlab.errors import ArgumentError
from gradlab.report import gallery

ROOT = Path(__file__).parents[1]

GOOD = """
from gradlab.report.article import Article, Section
from {package} import _shared

TITLE, QUESTION, ORDER = "{title}", "Why {title}?", {order}

def run(*, quick=False):
    return 0.5 if quick else 0.25

def article(result):
    answer = f"Because {{result}} <{{_shared.WORD}}>."
    return Article("{name}", TITLE, QUESTION, answer, [Section("One", "Text.")])
"""


def write(folder: Path, name: str, order: float, title: str = "", text: str = GOOD) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "_shared.py").write_text("WORD = 'b'\n")
    filled = (
        text.format(name=name, title=title or name, order=order, package=folder.name)
        if text is GOOD
        else text
    )
    (folder / f"{name}.py").write_text(filled)


@pytest.fixture
def folder(tmp_path, request) -> Path:
    # Modules are cached by name: each test has its own.
    folder = tmp_path / f"course_{abs(hash(request.node.name))}"
    write(folder, "second", 2)
    write(folder, "first_one", 1.5, "the <first>")
    return folder


def test_finds_experiments_in_the_courses_order(folder):
    assert [(each.name, each.page, each.order) for each in gallery.experiments(folder)] == [
        ("first_one", "first-one.html", 1.5),
        ("second", "second.html", 2.0),
    ]


def test_builds_pages_that_link_to_their_neighbours_and_an_index(folder, tmp_path):
    course = gallery.experiments(folder)
    built = list(gallery.build(course, tmp_path / "out", quick=True, jobs=1))
    index = gallery.write_index(built, tmp_path / "out").read_text(encoding="utf-8")
    assert index.index("the &lt;first&gt;") < index.index("Why second?")
    assert "Because 0.5 &lt;b&gt;." in index
    page = (tmp_path / "out" / "first-one.html").read_text(encoding="utf-8")
    assert set(re.findall(r'<a href="([^"]*)"', page)) == {"index.html", "second.html"}


def test_a_page_of_its_own_gets_the_way_through_the_course_too(tmp_path):
    text = """
TITLE, QUESTION, ORDER = "Own", "How?", 1
def run(*, quick=False):
    return 7
def write(result, path, links):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(links))
def answer(result):
    return f"So: {result}."
"""
    write(tmp_path / "own_course", "own", 1, text=text)
    write(tmp_path / "own_course", "later", 2)
    course = gallery.experiments(tmp_path / "own_course")
    own = next(
        each
        for each in gallery.build(course, tmp_path / "out", jobs=1)
        if each.experiment.name == "own"
    )
    assert (own.answer, own.error) == ("So: 7.", "")
    assert (
        tmp_path / "out" / "own.html"
    ).read_text() == "[('The course', 'index.html'), ('later →', 'later.html')]"


def test_a_broken_experiment_is_one_row_and_exit_2(folder, tmp_path, capsys):
    broken = (
        'TITLE, QUESTION, ORDER = "T", "Q?", 3\ndef run(*, quick=False):\n'
        '    raise ValueError("no <luck>")\n'
    )
    write(folder, "broken", 3, text=broken)
    code = command(
        [
            "gallery",
            "--experiments",
            str(folder),
            "-o",
            str(tmp_path / "out"),
            "--quick",
            "--jobs",
            "2",
        ]
    )
    out = capsys.readouterr().out
    assert code == 2
    assert "failed: ValueError: no <luck>" in out
    assert "Not built: ValueError: no &lt;luck&gt;" in (tmp_path / "out" / "index.html").read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "out" / "second.html").is_file()


def test_one_experiment_by_name_leaves_the_index_alone(folder, tmp_path, capsys):
    arguments = [
        "gallery",
        "second",
        "--experiments",
        str(folder),
        "-o",
        str(tmp_path / "out"),
        "--quick",
        "--jobs",
        "1",
    ]
    assert command(arguments) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second.html"]
    assert "second.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope"], "experiment 'nope' is unknown; choose one of: first_one, second"),
        (["--jobs", "0"], "jobs=0 must be"),
    ],
)
def test_wrong_arguments_get_one_sentence(folder, tmp_path, capsys, arguments, sentence):
    assert (
        command(
            ["gallery", *arguments, "--experiments", str(folder), "-o", str(tmp_path), "--quick"]
        )
        == 2
    )
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_folder_without_experiments_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="holds no experiments"):
        gallery.experiments(tmp_path)
    write(tmp_path / "half", "half", 1, text="TITLE = 'T'\nQUESTION = 'Q?'\nORDER = 1\n")
    with pytest.raises(ArgumentError, match="it has no run"):
        gallery.experiments(tmp_path / "half")
    write(tmp_path / "syntax", "wrong", 1, text="def (\n")
    with pytest.raises(ArgumentError, match="cannot be imported: SyntaxError"):
        gallery.experiments(tmp_path / "syntax")


def test_every_experiment_of_the_course_has_a_test_and_a_place_of_its_own():
    course = gallery.experiments(ROOT / "experiments")
    orders = [each.order for each in course]
    assert len(set(orders)) == len(orders)
    for each in course:
        assert (ROOT / "tests" / "experiments" / f"test_{each.name}.py").is_file(), each.name
        assert each.question.endswith("?")


def test_the_readmes_example_is_a_whole_experiment(tmp_path):
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    source = text.split("```python\n")[1].split("```")[0]
    assert len(source.splitlines()) <= 30
    write(tmp_path / "fresh_course", "price_of_depth", 11, text=source)
    (built,) = gallery.build(
        gallery.experiments(tmp_path / "fresh_course"), tmp_path / "out", quick=True, jobs=1
    )
    assert not built.error
    assert re.search(r"\d+ % of cases, with 1 in \d+ %", built.answer)
    assert (tmp_path / "out" / "price-of-depth.html").is_file()


@pytest.mark.parametrize("where", ["at its import", "while it runs"])
def test_an_experiment_that_exits_does_not_end_the_command(tmp_path, capsys, monkeypatch, where):
    from gradlab import cli

    monkeypatch.chdir(tmp_path)
    leave = "raise SystemExit(0)"
    code = {
        "at its import": leave,
        "while it runs": f'TITLE = QUESTION = "x"\nORDER = 1\ndef run(quick):\n    {leave}\n',
    }
    (tmp_path / "leaving").mkdir()
    (tmp_path / "leaving" / "one.py").write_text(code[where])
    arguments = ["gallery", "--experiments", "leaving", "--jobs", "1", "-o", "pages"]
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert "SystemExit" in captured.out + captured.err
