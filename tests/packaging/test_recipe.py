"""The conda recipe parses and says what pyproject.toml says."""

import tomllib
from pathlib import Path

import pytest

import gradlab

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def recipe() -> dict:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text(encoding="utf-8"))


def test_the_recipe_has_the_version_and_the_command(recipe):
    assert recipe["context"] == {"name": PROJECT["name"], "version": gradlab.__version__}
    (command,) = recipe["build"]["python"]["entry_points"]
    assert command == f"gradlab = {PROJECT['scripts']['gradlab']}"
    assert (ROOT / recipe["about"]["license_file"]).is_file()


def test_the_recipe_needs_what_the_package_needs(recipe):
    needed = [each.replace(">", " >", 1) for each in PROJECT["dependencies"]]
    assert recipe["requirements"]["run"] == [f"python {PROJECT['requires-python']}", *needed]
    assert "hatchling >=1.27" in recipe["requirements"]["host"]
