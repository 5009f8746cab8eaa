"""What the README shows is run."""

import re
import shlex
from pathlib import Path

import numpy as np

from gradlab import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_python_blocks_and_then_command_lines_run(capsys, tmp_path, monkeypatch):
    """In the order of the page, in one folder: some commands read what the blocks wrote."""
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    for line in blocks("text")[0].splitlines():
        assert line in printed
    assert Path("reports/sigmoid20.html").exists()
    assert Path("runs/sigmoid20/run.json").exists()

    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{2 * a - b:.3f}" for a, b in rng.normal(size=(200, 2))]
    Path("table.csv").write_text("\n".join(["size,age,price", *rows]))
    lines = [line for block in blocks("sh")[2:] for line in block.splitlines()]
    assert len(lines) == 8
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "gradlab"
        short = ["--iterations", "20", "--seeds", "2"] if words[1] in ("train", "compare") else []
        if words[1] == "gallery":
            short = ["chain_rule", "--quick", "--experiments", str(ROOT / "experiments")]
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
