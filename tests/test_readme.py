"""What the README shows is run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from gradlab import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.fixture
def _here(workplace, monkeypatch):
    monkeypatch.chdir(workplace)


@pytest.mark.usefixtures("_here")
def test_python_blocks_run_in_order(capsys):
    namespace: dict = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    for line in blocks("text")[0].splitlines():
        assert line in printed
    assert Path("reports/sigmoid20.html").exists()
    assert Path("runs/sigmoid20/run.json").exists()


@pytest.mark.usefixtures("_here")
def test_command_lines_run():
    """After the blocks above, whose run some of them read; trainings are shortened, nothing else is changed."""
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{2 * a - b:.3f}" for a, b in rng.normal(size=(200, 2))]
    Path("table.csv").write_text("\n".join(["size,age,price", *rows]))
    lines = [line for block in blocks("sh")[2:] for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "gradlab"
        short = ["--iterations", "20", "--seeds", "2"] if words[1] in ("train", "compare") else []
        expected = 1 if words[1] == "check" else 0
        assert cli.run([*words[1:], *short]) == expected, line


def test_ci_runs_the_two_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = blocks("sh")[:2]
    assert "gradlab compare" in commands[0]
    assert "pytest" in commands[1]
    for name in ("main-command", "test-command"):
        assert f"<!-- {name} -->" in README
        assert f"readme_command {name}" in script


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
