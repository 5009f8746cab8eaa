"""Command lines by a grammar: right ones, and such as a hurried, careless or hostile hand types."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from hypothesis import strategies as st

import gradlab
from gradlab import cli
from tests.fuzz.records import strictly
from tests.fuzz.tally import SECONDS, WAITING, Tally

SMALL = ("1", "2", "3")
WRONG = (
    "", "0", "-1", "-0", "1.5", "abc", "1e400", "-1e400", "nan", "inf", "0x10", "1_000", "１", "٣",
    "9" * 30, "9" * 400, "1e-320", "1e308", "True", "None", " 2", "2 ", "--", "-", "'", '"', "\x00",
    "\x1b[2J", "\n", "::error::x", "é", "\udcff", "a" * 3000, "{}", "[1]", "*", "=", ":", ",",
)  # fmt: skip
ANY_TEXT = st.text(max_size=8).filter(lambda text: "/" not in text and ".." not in text)
WORDS = st.sampled_from(WRONG) | ANY_TEXT

# Numbers that take long are no fault of anybody's: those that may be large are small or absurd.
NUMBER = st.sampled_from(SMALL) | WORDS.filter(lambda text: not _is_large(text))


def _is_large(text: str) -> bool:
    """Whether a text is a number that takes long, and not at once too much."""
    try:
        number = float(text)
    except ValueError:
        return False
    return 200 < number < 1e25


def mutated(words: list[str]) -> st.SearchStrategy[str]:
    """One of some words, or such a word with a letter changed, cut or doubled."""
    base = st.sampled_from(words)
    return base | base.flatmap(
        lambda word: st.sampled_from(
            [word[:-1], word + word[-1:], word.upper(), word + ":", word + "=", f"{word}:gain=2",
             f"{word}:gain=", f"{word}:norm=batch:norm=batch", f"{word}:x=1", f" {word}"]
        )
    ) | WORDS  # fmt: skip


NETWORK = mutated(
    ["relu", "sigmoid:glorot_normal", "tanh:gain=0.5", "relu:norm=layer:residual=0.5", "gelu:lsuv",
     "relu:dropout=0.5", "relu:gain=1e-100", "selu:lecun_normal", "identity:orthogonal"]
)  # fmt: skip
RULE_CODES = mutated(["GL101", "GL1", "GL001,GL2", "GL", "gl101", "GL999"])
DATA = mutated(["digits", "iris", "table.csv", "ragged.csv", "empty.csv", "arrays.npz", "run", "."])
RUN = mutated(["run", "other", "trained", "runs", "nothing", "broken", "table.csv", "."])
FILE = mutated(["out.html", "sub/out.html", "run", "out.json", "link.html"]) | st.sampled_from(
    ["/dev/null", "/dev/full"]
)

TRAINING = {
    "--loss": mutated(["cross_entropy", "squared_error", "huber", "perceptron"]),
    "--optimizer": mutated(["sgd", "adam:beta1=0.8", "momentum:momentum=0.95", "adamw"]),
    "--learning-rate": st.sampled_from(["0.1", "1e-3", "1e300", "1e-300"]) | NUMBER,
    "--batch-size": NUMBER,
    "--schedule": mutated(
        ["constant", "step:every=2", "cosine:warmup=1", "exponential:factor=0.9"]
    ),
    "--clip": mutated(["norm:most=1", "value:most=0.1", "norm:most=0"]),
    "--l1": st.sampled_from(["0.1", "1e300"]) | NUMBER,
    "--l2": st.sampled_from(["0.1", "1e300"]) | NUMBER,
    "--class-weights": mutated(["balanced", "1,2,3"]),
    "--label-smoothing": st.sampled_from(["0.1", "1"]) | NUMBER,
    "--data": DATA,
    "--target": mutated(["a", "label", "5"]),
    "--seeds": NUMBER,
    "--width": NUMBER,
}
NETWORK_OF = {"--network": NETWORK, "--depth": NUMBER}
GRID = {
    "--sweep": mutated(["l2=0,0.1", "width=2,3", "gain=1", "seed=0", "norm=batch,none", "depth=1"]),
    "--rows": mutated(["network", "depth", "l2"]),
    "--columns": mutated(["network", "depth", "width"]),
    "--jobs": st.just("1"),
}
OUTPUT = {
    "-o": FILE,
    "--json": FILE,
    "--runs": st.sampled_from(["runs", "run", "table.csv", "new"]),
}
COMMANDS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "train": (TRAINING | NETWORK_OF | OUTPUT | {"--force": None}, []),
    "compare": (TRAINING | NETWORK_OF | OUTPUT | {"--force": None, **GRID}, []),
    "check": (
        {
            "--select": RULE_CODES,
            "--ignore": RULE_CODES,
            "--layers": mutated(["hidden*", "/[/", "/h.*/", "output", "*"]),
            "--fail-on": mutated(["error", "warning", "note"]),
            "--format": mutated(["text", "json", "junit", "github"]),
            "--strict": None,
        },
        [RUN],
    ),
    "report": ({"-o": FILE, "--layers": mutated(["hidden*", "/(/", "output"])}, [RUN]),
    "theory": (
        {
            "--activation": mutated(["relu", "sigmoid", "tanh", "gelu"]),
            "--init": mutated(["he_normal", "orthogonal", "lsuv"]),
            "--gain": st.sampled_from(["1e50", "1e-50", "1e9", "1e-9", "1e100"]) | NUMBER,
            "--depth": NUMBER,
            "--width": NUMBER,
            "--norm": mutated(["batch", "layer"]),
            "--residual": st.sampled_from(["0.5", "1e50", "1e-50", "1e300"]) | NUMBER,
            "--dropout": st.sampled_from(["0.5", "0.999999"]) | NUMBER,
            "-o": FILE,
        },
        [],
    ),
    "diff": (
        {
            "--rounding": mutated(["float32", "bfloat16"]),
            "--offset": NUMBER,
            "--fail-on": mutated(["parting", "verdict"]),
            "--format": mutated(["text", "json"]),
            "-o": FILE,
        },
        [RUN, RUN],
    ),
    "fix": (TRAINING | {"--depth": NUMBER, **OUTPUT}, [RUN | NETWORK]),
    "live": ({"--once": None, "--interval": NUMBER, "--port": NUMBER}, [RUN]),
    "rule": ({}, [RULE_CODES]),
    "rules": ({}, []),
    "gallery": (
        {"--experiments": mutated(["nothing", "run", "course", "."]), "-o": FILE, "--quick": None},
        [WORDS],
    ),
}
USUAL = {
    "live": ["--once"],
    "train": ["--seeds", "1", "--iterations", "3", "--width", "3", "--depth", "1"],
    "compare": ["--seeds", "1", "--iterations", "3", "--width", "3", "--depth", "1", "--jobs", "1",
                "--network", "relu"],
    "gallery": ["--jobs", "1", "--quick", "--experiments", "course"],
    "fix": ["--seeds", "1", "--iterations", "3", "--width", "3", "--depth", "1",
            "--budget", "0.1", "--seconds", "0.3"],
}  # fmt: skip
SETTINGS = (
    "",
    "[tool.gradlab]\nselect = ['GL1']\n",
    "[tool]\ngradlab = 1\n",
    "tool = 1\n",
    "[tool.gradlab",
    "[tool.gradlab]\nselect = 3\n",
    "[tool.gradlab]\nlimits = {GL101 = {alarm = 'x'}}\n",
    "[tool.gradlab.mute]\nGL101 = 5\n",
    "\xff",
    "[tool.gradlab]\nunknown = true\n",
    "[tool.gradlab.limits.GL101]\nalarm = nan\n",
    "a" * 3000,
)


@st.composite
def typed(draw: st.DrawFn) -> tuple[list[str], str]:
    """Arguments, and what stands in pyproject.toml."""
    command = draw(st.sampled_from(list(COMMANDS)))
    options, places = COMMANDS[command]
    arguments = [command if draw(st.integers(0, 19)) else draw(WORDS), *USUAL.get(command, [])]
    names = st.lists(st.sampled_from(list(options)), max_size=4) if options else st.just([])
    for name in draw(names):
        strategy = options[name]
        if strategy is None:
            arguments.append(name)
        elif draw(st.integers(0, 19)):
            arguments += [name, draw(strategy)]
        else:
            arguments.append(f"{name}={draw(strategy)}")
    for place in places:
        arguments += draw(st.lists(place, max_size=2))
    if not draw(st.integers(0, 9)):
        arguments.insert(draw(st.integers(0, len(arguments))), draw(WORDS))
    settings = draw(st.sampled_from(SETTINGS)) if not draw(st.integers(0, 4)) else ""
    return arguments, settings


@functools.cache
def trained() -> gradlab.Run:
    """Return a run of the built-in engine."""
    data = gradlab.datasets.blobs(40, classes=3, features=2)
    model = gradlab.MLP([2, 3, 3], seed=0)
    return gradlab.train(model, data, batch_size=8, iterations=2, learning_rate=1e-9)


@contextlib.contextmanager
def place_to_work(settings: str) -> Iterator[Path]:
    """Make a folder with runs, data and settings, and work there."""
    from tests.rules.runs import make_run

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        make_run(8).save(home / "run")
        make_run(8, name="x\x1b[2J", delta_norm=np.nan).save(home / "other")
        make_run(8).save(home / "runs" / "one")
        trained().save(home / "trained")
        (home / "broken").mkdir()
        (home / "broken" / "run.json").write_text("{")
        (home / "course").mkdir()
        (home / "course" / "odd.py").write_text("raise SystemExit(3)")
        table = "a,b,label\n" + "".join(f"{k},{k % 3},{k % 2}\n" for k in range(12))
        (home / "table.csv").write_text(table)
        (home / "ragged.csv").write_text("a,b\n1\n2,3,4\n")
        (home / "empty.csv").write_text("")
        np.savez(home / "arrays.npz", x=np.ones((9, 2)), y=np.arange(9) % 3)
        (home / "link.html").symlink_to(home / "nowhere" / "x.html")
        if settings:
            (home / "pyproject.toml").write_text(settings, encoding="latin-1")
        os.chdir(home)
        try:
            yield home
        finally:
            os.chdir(before)


def call(arguments: list[str]) -> tuple[int, str, str]:
    """Run a command here; return its exit code and what it printed."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(arguments)
    printed = []
    for stream in (out, err):
        stream.flush()
        printed.append(stream.buffer.getvalue().decode("utf-8"))  # pyright: ignore
    return code, printed[0], printed[1]


OTHERS_WORDS = ("No such option", "Missing ", "requires an arg", "Invalid value", "Input should",
                "unexpected extra", "does not take")  # fmt: skip
"""Of typer and pydantic, whose messages say neither what is allowed nor what to do."""


def check(arguments: list[str], code: int, out: str, err: str) -> None:
    """Check what a command did: it worked, or said in one sentence why not."""
    assert code in (0, 1, 2), code
    assert not [words for words in OTHERS_WORDS if words in err], err
    assert "Traceback" not in err
    assert "internal error" not in err, err
    assert not set("\x1b\x07\u202e\x00") & set(out + err)
    assert not any(line.startswith("##[") for line in out.splitlines())
    complaints = [line for line in err.splitlines() if line.startswith("gradlab: ")]
    if code == 2 and "failed:" not in out:
        assert len(complaints) == 1 or not arguments, err
        assert 20 < len(err) < 1300, err
    if (
        code != 2
        and arguments[0] in ("check", "diff")
        and "--help" not in arguments
        and "-h" not in arguments
    ):
        form = [after for name, after in itertools.pairwise(arguments)
                if name == "--format"]  # fmt: skip
        if form[-1:] == ["json"]:
            strictly(out)
        if form[-1:] == ["junit"]:
            ElementTree.fromstring(out)


def attempt(given: tuple[list[str], str], tally: Tally) -> None:
    """Run a command line in a folder of its own."""
    arguments, settings = given

    def act() -> None:
        with place_to_work(settings):
            code, out, err = call(arguments)
            tally.refused += code == 2
            check(arguments, code, out, err)
            assert (Path("/dev/null").stat().st_mode & 0o170000) == 0o020000

    tally.attempt(json.dumps([arguments, settings]), act)


# -- processes of their own, in odd surroundings

SURROUNDINGS = {
    "full": "exec >/dev/full",
    "closed output": "exec >&-",
    "closed errors": "exec 2>&-",
    "both closed": "exec >&- 2>&-",
    "no input": "exec <&-",
    "ascii": "export PYTHONIOENCODING=ascii LC_ALL=C",
    "posix": "export LC_ALL=POSIX PYTHONUTF8=0",
    "no home": "unset HOME; export COLUMNS=1",
    "narrow": "export COLUMNS=0 LINES=0",
    "gone": 'mkdir gone && cd gone && rmdir "$PWD"',
    "unwritable": "mkdir dark && chmod 500 dark && cd dark",
    "small files": "ulimit -f 8",
}
HEAD = '"$@" | head -c 1'


def in_surroundings(arguments: list[str], where: str, piped: bool) -> None:
    """Run a command in a process of its own, in odd surroundings."""
    usable = [word.encode("utf-8", "surrogateescape") for word in map(_encodable, arguments)]
    run = HEAD if piped else 'exec "$@"'
    root = Path(__file__).parent.parent.parent
    with place_to_work(""):
        done = subprocess.run(
            [
                "sh",
                "-c",
                f"ulimit -t {SECONDS}; {SURROUNDINGS[where]}; {run}",
                "sh",
                sys.executable,
                "-m",
                "gradlab",
                *usable,
            ],
            check=False,
            capture_output=True,
            timeout=WAITING * SECONDS,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
    assert done.returncode in (0, 1, 2), done
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    assert b"internal error" not in done.stderr, done.stderr.decode(errors="replace")
    assert b"Exception ignored" not in done.stderr, done.stderr.decode(errors="replace")


def _encodable(word: str) -> str:
    """Return a word as a shell can hand it over."""
    return word.replace("\x00", "0").encode("utf-8", "replace").decode()


SURROUNDED = st.tuples(typed(), st.sampled_from(list(SURROUNDINGS)), st.booleans())


def attempt_in_surroundings(given: Any, tally: Tally) -> None:
    """Run a command line in a process of its own."""
    (arguments, _), where, piped = given
    shown = json.dumps([arguments, where, piped])
    tally.attempt(shown, lambda: in_surroundings(arguments, where, piped))
