"""What the pages in docs/ show is run, and prints what they say it prints."""

import linecache
import re
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest

import gradlab
from gradlab import cli
from gradlab.run import STATISTICS

DOCS = Path(__file__).parent.parent / "docs"
OWN = ("testing-gradients", "performance")  # shell blocks that another test runs, or nobody here
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if not {"_build", "generated"} & set(page.relative_to(DOCS).parts)
)
FRAMEWORKS = ("torch", "lightning", "transformers")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    needed = [name for name in FRAMEWORKS if uses(text, name)]
    for name in needed:
        pytest.importorskip(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if needed else "error")  # a framework's are not ours
        run_blocks(page, text, capsys)


def uses(text, framework):
    """Whether a page imports a framework, or gradlab's adapter for it."""
    pattern = rf"^(import|from) (gradlab\.adapters\.)?{framework}\b"
    return re.search(pattern, text, flags=re.MULTILINE) is not None


def run_blocks(page, text, capsys):
    namespace: dict = {}
    for block in blocks(text, "python"):
        named = re.match(r"# (\w+\.py)\b", block)  # what is shown may name its own lines
        name = named[1] if named else page.name
        linecache.cache[name] = (len(block), None, block.splitlines(keepends=True), name)
        exec(compile(block, name, "exec"), namespace)
    printed = capsys.readouterr().out
    for block in blocks(text, "text"):
        for line in block.splitlines():
            assert line in printed, line
    if page.stem not in OWN:
        run_commands(text)


def run_commands(text):
    """Run the lines of shell blocks, which are gradlab's; `# exit 1` is the status expected."""
    lines = "\n".join(blocks(text, "sh")).splitlines()
    for line in filter(None, lines):
        words = shlex.split(line, comments=True)
        assert words[0] == "gradlab", line
        told = re.search(r"# exit (\d)", line)
        assert cli.run(words[1:]) == (int(told[1]) if told else 0), line


def test_a_loop_of_ones_own_is_recorded_like_the_built_in_engine(tmp_path, monkeypatch):
    """The page's loop, statement for statement, against `gradlab.train` on the same batches."""
    monkeypatch.chdir(tmp_path)
    code = blocks((DOCS / "own-loop.md").read_text(encoding="utf-8"), "python")[0]
    data = gradlab.datasets.digits()
    model = gradlab.MLP([64] + [64] * 12 + [10], "sigmoid", init="glorot_normal", dtype="float64")
    rows = {row.tobytes(): number for number, row in enumerate(data.x_train)}
    kept = {"weights": [weight.copy() for weight in model.weights], "chosen": []}

    def keep(step):
        kept["chosen"].append([rows[row.tobytes()] for row in step.work.batch])

    engine = gradlab.train(model, data, learning_rate=0.1, iterations=100, on_step=keep)
    code = re.sub(r"^W = .*$", "W = kept['weights']", code, flags=re.MULTILINE)
    code = re.sub(r"chosen = .*$", "chosen = kept['chosen'][step]", code, flags=re.MULTILINE)
    namespace: dict = {"kept": kept, "np": np}
    exec(compile(code, "own-loop.md", "exec"), namespace)
    mine = namespace["recorder"].run
    assert mine.iterations == engine.iterations == 100
    for column in STATISTICS:
        np.testing.assert_allclose(
            mine[column], engine[column], rtol=1e-9, atol=1e-12, err_msg=column
        )
    assert [each.rule for each in gradlab.diagnose(mine).findings] == [
        each.rule for each in gradlab.diagnose(engine).findings
    ]
