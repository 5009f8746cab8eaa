"""What the README shows is run."""

import re
import shlex
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gradlab import cli
from tests.readme import README as PAGE
from tests.readme import blocks
from tests.rules.runs import make_run

ROOT = Path(__file__).parent.parent
README = PAGE.read_text(encoding="utf-8")


QUICK = ["--iterations", "20", "--seeds", "2"]
GALLERY = ["chain_rule", "--quick", "--experiments", str(ROOT / "experiments")]
SHORT = {"train": QUICK, "compare": QUICK, "gallery": GALLERY}  # what keeps a command short
CODES = {"check": 1}  # exit statuses other than 0


def test_python_blocks_and_then_command_lines_run(capsys, tmp_path, monkeypatch):
    """In the order of the page, in one folder: some commands read what the blocks wrote."""
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    # The whole verdict, to the last letter: `python -m tests.readme` writes it anew.
    assert printed.startswith(blocks("text")[0])
    assert Path("reports/sigmoid20.html").exists()
    assert Path("runs/sigmoid20/run.json").exists()

    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{2 * a - b:.3f}" for a, b in rng.normal(size=(200, 2))]
    Path("table.csv").write_text("\n".join(["size,age,price", *rows]))
    lines = [line for block in blocks("sh")[2:] for line in block.splitlines()]
    assert len(lines) == 7
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "gradlab"
        more, code = SHORT.get(words[1], []), CODES.get(words[1], 0)
        assert cli.run([*words[1:], *more]) == code, line


def test_ci_runs_the_two_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = blocks("sh")[:2]
    assert "gradlab compare" in commands[0]
    assert "pytest" in commands[1]
    for name in ("main-command", "test-command"):
        assert f"<!-- {name} -->" in README
        assert f"readme_command {name}" in script


PAGES = [
    ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
]

DOCS = [*(ROOT / "docs").glob("[!_g]*/*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", [*PAGES, *DOCS], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    known = [each for each in targets if "://" not in each and "generated/" not in each]
    lost = [each for each in known if not (page.parent / each).exists()]
    assert lost == []


def test_the_readme_is_short():
    assert len(README.splitlines()) < 120


def test_the_numbers_of_the_corpus_add_up():
    """What docs/how-truth-is-measured.md says of the cases is what cases.toml holds."""
    text = (ROOT / "docs" / "how-truth-is-measured.md").read_text(encoding="utf-8")
    cases = tomllib.loads((ROOT / "tests/corpus/cases.toml").read_text(encoding="utf-8"))["cases"]
    faulty = Counter(case["split"] for case in cases if case.get("fault"))
    every = Counter(case["split"] for case in cases)
    for split in ("tune", "test", "fresh"):
        healthy = every[split] - faulty[split]
        assert f"| `{split}` | {every[split]} | {faulty[split]} | {healthy} |" in text
    held_out = every["test"] + every["fresh"]
    assert f"describes {len(cases)} small trainings" in text
    assert (
        f"{faulty.total()} have one planted fault each and {len(cases) - faulty.total()} are"
        in text
    )
    assert f"On the {held_out} held-out trainings" in text
    assert f"83 + 92 + 3 = {held_out}" in text


def test_the_rule_of_the_contributing_guide_judges():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    namespace: dict = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), namespace)
    rule = namespace["DominantLayer"]()
    found = rule.judge(make_run(weight_norm=np.array([1.0, 1.0, 1.0, 101.0])))
    assert found is not None
    assert (found.rule, found.layers, found.value) == ("GL399", (4,), 101.0)
    assert rule.judge(make_run(weight_norm=np.array([1.0, 1.0, 1.0, 100.0]))) is None
