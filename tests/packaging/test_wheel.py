"""The wheel: built, installed into an environment of its own, and used from an empty folder.

What gradlab depends on is borrowed from the environment of the tests; `python -m benchmarks.wheel`
is the long form, which installs all of it anew, for every Python that is there.
"""

import email
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import gradlab
from tests.test_public import COMMANDS

ROOT = Path(__file__).parents[2]
QUICK = "--iterations 20 --seeds 2"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """The folder of an environment's programs, with gradlab from the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    borrowed = sysconfig.get_paths()["purelib"]
    (Path(paths["purelib"]) / "borrowed.pth").write_text(borrowed, encoding="utf-8")
    python = Path(paths["scripts"]) / "python"
    install = ["install", "--no-deps", "--no-index", "--quiet", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
    return Path(paths["scripts"])


def use(environment: Path, program: str, *arguments, folder: Path, code: int = 0) -> str:
    """Run a program of the environment in a folder, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [environment / program, *arguments]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_the_course_the_data_and_the_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "gradlab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    course = {f"gradlab/course/experiments/{path.name}" for path in ROOT.glob("experiments/*.*")}
    assert {name for name in names if ".dist-info/" not in name} == source | course
    assert {"gradlab/py.typed", "gradlab/data/digits.npz"} <= names


def test_the_version_comes_from_one_place(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [each for each in archive.namelist() if each.endswith("METADATA")]
    assert email.message_from_bytes(archive.read(name))["Version"] == gradlab.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changes.startswith(f"# Changelog\n\n## {gradlab.__version__}")


# What is typed in an empty folder, and what has to be in the answer.
TYPED = (
    ("rules", "no-progress"),
    ("rule GL101", "Limits"),
    ("theory --activation sigmoid", "sigmoid"),
    ("compare --network relu --depth 2 --jobs 1 --runs grid", "reports/activation-depth.html"),
    ("train --network sigmoid --depth 12 --runs mine", "GL101"),
    ("check mine", "GL101 vanishing-gradient (error)"),
    ("report mine", "reports/report.html"),
    ("diff grid mine", "part at iteration 0"),
    ("live mine/* --once", "sigmoid"),
    ("fix sigmoid --depth 12 --runs mine --budget 1", "nothing helped"),
    ("kernels --help", "kernel"),
    ("gallery chain_rule --quick --jobs 1", "reports/chain-rule.html"),
)
FAILS = {"check", "diff", "fix"}  # an error was found; the runs part; 20 iterations cure nothing
SESSION = """
import glob, json, sys
from gradlab import cli
for line in json.loads(sys.argv[1]):
    print("\\n>", line, flush=True)
    words = [each for word in line.split() for each in (glob.glob(word) or [word])]
    print("exit", cli.run(words), flush=True)
"""


def test_every_command_works_from_an_empty_folder(environment, tmp_path):
    where = use(
        environment, "python", "-c", "import gradlab; print(gradlab.__file__)", folder=tmp_path
    )
    assert Path(where.strip()).is_relative_to(environment.parent)
    version = use(environment, "gradlab", "--version", folder=tmp_path)
    assert version == f"gradlab {gradlab.__version__}\n"
    lines = [with_training(line) for line, _ in TYPED]
    out = use(environment, "python", "-c", SESSION, json.dumps(lines), folder=tmp_path)
    answers = out.split("\n> ")[1:]
    assert [answer.splitlines()[0] for answer in answers] == lines
    assert {line.split()[0] for line in lines} == set(COMMANDS)
    for (line, wanted), answer in zip(TYPED, answers, strict=True):
        assert wanted in answer
        code = int(line.split()[0] in FAILS)
        assert answer.rstrip().splitlines()[-1] == f"exit {code}", answer
    for page in ("activation-depth", "report", "chain-rule", "fix"):
        assert (tmp_path / "reports" / f"{page}.html").is_file()


def with_training(line: str) -> str:
    """Return a command that trains with what makes it short."""
    return f"{line} {QUICK}" if line.split()[0] in ("compare", "train", "fix") else line


def test_pytest_finds_the_plugin(environment, tmp_path):
    (tmp_path / "test_one.py").write_text(
        "import gradlab\n\ndef test_one(gradients):\n"
        "    model = gradlab.MLP([64, 16, 10], 'relu')\n"
        "    gradlab.train(model, gradlab.datasets.digits(), iterations=30, learning_rate=0.1)\n"
        "    gradients.assert_healthy()\n",
        encoding="utf-8",
    )
    done = use(environment, "python", "-m", "pytest", "-q", folder=tmp_path)
    assert "1 passed" in done


def test_the_distribution_for_pytests_list_of_plugins_brings_the_plugin(tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT / "packaging" / "pytest-gradlab",
        check=True,
        capture_output=True,
    )
    (path,) = tmp_path.glob("pytest_gradlab-*.whl")
    archive = zipfile.ZipFile(path)
    assert {name.split("/")[0] for name in archive.namelist()} == {
        f"pytest_gradlab-{gradlab.__version__}.dist-info"
    }
    (name,) = [each for each in archive.namelist() if each.endswith("METADATA")]
    needs = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    assert f"gradlab-diagnostics=={gradlab.__version__}" in (needs or [])
