"""The size of files and functions, with a short list of exceptions that each give a reason."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("gradlab", "experiments", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 300, 50

LONG_FILES = {
    "gradlab/adapters/torch/origin/looking.py": "how each kind of operation breaks, side by side",
    "gradlab/adapters/torch/origin/loss_graph.py": "one walk through autograd's graph",
    "gradlab/recorder/recorder.py": "one public class, half of it documentation of its methods",
    "gradlab/run/record.py": "one public class, half of it documentation of its methods",
    "gradlab/rules/remedies.py": "one sentence a remedy, in three frameworks' words",
    "gradlab/rules/yardsticks.py": "what rules measure by; rules import each number from one place",
    "gradlab/rules/vanishing_gradient.py": "the cause of what vanishes, in four terms and a fifth",
    "gradlab/statistics.py": "a table, one statistic a row",
    "experiments/batch_size.py": "half of it is the text of its page",
    "experiments/bias_variance.py": "half of it is the text of its page",
    "experiments/composition.py": "half of it is the text of its page",
    "experiments/cures.py": "half of it is the text of its page",
    "experiments/memoization.py": "half of it is the text of its page",
}
LONG_FUNCTIONS = {
    "article": "the text of a page, read from top to bottom",
    "tests/corpus/corpus.py make_data": "one data set a branch",
    "tests/corpus/drawn.py healthy": "one draw a line",
    "tests/fuzz/arguments.py targets": "a table, one public function a row",
    "tests/helpers.py _signals": "one definition a statistic",
    "tests/helpers.py train_plainly": "a training loop that is read from top to bottom",
    "a member of the zoo": "a public library's model or loop, as its users write it",
}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    whole = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return whole
    docstring = function.body[0]
    return whole - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def long_functions(source: str) -> list[str]:
    """Name the functions of a file that are longer than they may be."""
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    return [each.name for each in functions if lines_of(each) > FUNCTION_LINES]


def found_in(path: str) -> list[str]:
    """Return the keys of LONG_FUNCTIONS that stand for the long functions of a file."""
    names = long_functions((ROOT / path).read_text(encoding="utf-8"))
    if path.startswith("tests/zoo/members/"):
        return ["a member of the zoo"] * len(names)
    return [name if name == "article" else f"{path} {name}" for name in names]


def test_files_are_short_but_for_the_exceptions():
    long = {
        path for path in FILES if (ROOT / path).read_text(encoding="utf-8").count("\n") > FILE_LINES
    }
    assert long - set(LONG_FILES) == set()


def test_functions_are_short_but_for_the_exceptions():
    long = {key for path in (*FILES, *TESTS) for key in found_in(path)}
    assert long - set(LONG_FUNCTIONS) == set()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (FUNCTION_LINES - 1, []),
        (FUNCTION_LINES, ["f"]),
    ],
)
def test_a_function_may_have_fifty_lines_besides_its_docstring(body, names):
    source = 'def f():\n    """One line.\n\n    And more.\n    """\n' + "    x = 1\n" * body
    assert long_functions(source) == names
