"""The wheel: built, installed into an environment of its own, and used from an empty folder.

What gradlab depends on is borrowed from the environment of the tests; `python -m benchmarks.wheel`
is the long form, which installs all of it anew, for every Python that is there.
"""

import email
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import gradlab

ROOT = Path(__file__).parents[2]
QUICK = ("--iterations", "20", "--seeds", "2")


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


def test_every_command_works_from_an_empty_folder(environment, tmp_path):
    def run(*arguments, code=0):
        return use(environment, "gradlab", *arguments, folder=tmp_path, code=code)

    where = use(
        environment, "python", "-c", "import gradlab; print(gradlab.__file__)", folder=tmp_path
    )
    assert Path(where.strip()).is_relative_to(environment.parent)
    assert run("--version") == f"gradlab {gradlab.__version__}\n"
    assert "no-progress" in run("rules")
    assert "Limits" in run("rule", "GL101")
    assert "sigmoid" in run("theory", "--activation", "sigmoid")
    run("compare", "--network", "relu", "--depth", "2", *QUICK)
    assert (tmp_path / "reports" / "activation-depth.html").is_file()
    run("train", "--network", "sigmoid", "--depth", "12", *QUICK, "--runs", "mine")
    assert "GL101" in run("check", "mine", code=1)
    run("report", "mine")
    assert (tmp_path / "reports" / "report.html").is_file()
    assert "chain-rule.html" in run("gallery", "chain_rule", "--quick")
    assert (tmp_path / "reports" / "chain-rule.html").is_file()


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
