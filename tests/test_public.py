"""What users type: names that are imported, and commands. Nothing here may change by accident."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import gradlab
from gradlab.cli.application import application

ROOT = Path(gradlab.__file__).parent.parent
TYPED = [
    ROOT / "README.md",
    ROOT / "experiments" / "README.md",
    *sorted((ROOT / "docs").glob("[!_g]*/*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

NAMES = {
    "gradlab": [
        "MLP",
        "train",
        "compare",
        "audit",
        "Recorder",
        "Run",
        "load",
        "diagnose",
        "diff",
        "Diagnosis",
        "Difference",
        "Finding",
        "Rule",
        "write_report",
        "Comparison",
        "fix",
        "Fix",
        "GradlabError",
        "datasets",
        "theory",
        "figures",
        "testing",
        "__version__",
    ],
    "gradlab.run": ["Run", "load", "STATISTICS", "STEP_COLUMNS", "LOG_GAINS", "BLOCK_GAIN"],
    "gradlab.recorder": ["Recorder"],
    "gradlab.diagnosis": ["Diagnosis", "diagnose"],
    "gradlab.differences": ["Difference", "diff"],
    "gradlab.live": ["LiveView", "show"],
    "gradlab.comparison": ["Comparison", "compare"],
    "gradlab.datasets": [
        "Data",
        "blobs",
        "bundled",
        "circles",
        "course_function",
        "digits",
        "from_file",
        "linear",
        "split",
    ],
    "gradlab.theory": [
        "INITIALIZERS",
        "Branch",
        "Prediction",
        "StreamPrediction",
        "critical_gain",
        "dead_at_init",
        "depth_below",
        "fixed_point",
        "predict",
        "predict_stream",
        "silent_fraction",
        "weight_variance",
    ],
    "gradlab.testing": [
        "GradientError",
        "assert_gradient_bounds",
        "assert_gradients_match",
        "assert_healthy",
        "assert_no_exploding",
        "assert_no_vanishing",
        "assert_profile",
        "assert_ratio",
    ],
    "gradlab.rules": ["Finding", "Rule"],
    "gradlab.nn.paths": ["derivative"],
    "gradlab.report": ["write_report"],
    "gradlab.training": ["train"],
    "gradlab.auditing": ["audit"],
    "gradlab.fixes": ["Change", "Fix", "Score", "Trial", "fix"],
}

KEYWORDS = {
    "train": [
        "model",
        "data",
        "name",
        "out",
        "overwrite",
        "every",
        "weights",
        "validate_every",
        "on_step",
        "on_finding",
        "loss",
        "optimizer",
        "learning_rate",
        "batch_size",
        "iterations",
        "schedule",
        "clip",
        "l1",
        "l2",
        "class_weights",
        "label_smoothing",
    ],
    "compare": [
        "networks",
        "depths",
        "width",
        "data",
        "seeds",
        "jobs",
        "runs",
        "force",
        "on_cell",
        "cluster",
        "sweep",
        "rows",
        "columns",
        "loss",
        "optimizer",
        "learning_rate",
        "batch_size",
        "iterations",
        "schedule",
        "clip",
        "l1",
        "l2",
        "class_weights",
        "label_smoothing",
    ],
    "fix": ["run", "data", "budget", "seconds", "prepare", "train", "on_trial"],
    "audit": ["model", "data", "loss", "batch_size"],
    "diff": ["a", "b", "judge", "rounding", "offset"],
    "MLP": [
        "sizes",
        "activation",
        "init",
        "gain",
        "seed",
        "replicates",
        "dtype",
        "norm",
        "residual",
        "dropout",
    ],
}

COMMANDS = {
    "compare": [
        "--network",
        "--depth",
        "--width",
        "--data",
        "--target",
        "--loss",
        "--seeds",
        "--iterations",
        "--optimizer",
        "--learning-rate",
        "--batch-size",
        "--schedule",
        "--clip",
        "--l1",
        "--l2",
        "--class-weights",
        "--label-smoothing",
        "--jobs",
        "--cluster",
        "--sweep",
        "--rows",
        "--columns",
        "--runs",
        "--force",
        "-o",
        "--output",
        "--json",
        "--open",
    ],
    "train": [
        "--network",
        "--depth",
        "--width",
        "--data",
        "--target",
        "--loss",
        "--seeds",
        "--iterations",
        "--optimizer",
        "--learning-rate",
        "--batch-size",
        "--schedule",
        "--clip",
        "--l1",
        "--l2",
        "--class-weights",
        "--label-smoothing",
        "--runs",
        "--force",
        "-o",
        "--output",
        "--json",
    ],
    "check": ["--strict", "--select", "--ignore", "--format", "--fail-on", "--layers"],
    "diff": ["--rounding", "--offset", "--fail-on", "--format", "-o", "--output", "--open"],
    "live": ["--browser", "--port", "--open", "--once", "--interval"],
    "report": ["-o", "--output", "--open", "--layers"],
    "gallery": ["-o", "--output", "--experiments", "--quick", "--jobs", "--open"],
    "theory": [
        "--activation",
        "--init",
        "--gain",
        "--depth",
        "--width",
        "--norm",
        "--residual",
        "--dropout",
        "-o",
        "--output",
    ],
    "fix": [
        "--budget",
        "--seconds",
        "--data",
        "--target",
        "--depth",
        "--learning-rate",
        "--iterations",
        "-o",
        "--output",
        "--json",
        "--open",
    ],
    "rules": [],
    "rule": [],
    "kernels": [],
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names_can_be_imported(module):
    found = importlib.import_module(module)
    assert [name for name in NAMES[module] if not hasattr(found, name)] == []


@pytest.mark.parametrize("name", KEYWORDS)
def test_public_functions_keep_their_arguments(name):
    parameters = inspect.signature(getattr(gradlab, name)).parameters
    assert set(KEYWORDS[name]) <= set(parameters)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_keep_their_options(name):
    import typer

    command = typer.main.get_command(application()).commands[name]
    options = {option for each in command.params for option in each.opts}
    assert set(COMMANDS[name]) <= options


def imports_typed():
    """Every `from gradlab... import ...` of the pages, as (page, module, name)."""
    for page in TYPED:
        text = page.read_text(encoding="utf-8")
        for module, names in re.findall(
            r"^ *from (gradlab[\w.]*) import ([\w, ]+)$", text, flags=re.MULTILINE
        ):
            yield from (
                (page.name, module, name.split(" as ")[0].strip()) for name in names.split(",")
            )


FRAMEWORKS = {
    "gradlab.adapters.torch": ["torch"],
    "gradlab.adapters.lightning": ["torch", "lightning"],
    "gradlab.adapters.transformers": ["torch", "transformers"],
}


@pytest.mark.parametrize(("page", "module", "name"), sorted(set(imports_typed())))
def test_what_a_page_imports_is_there(page, module, name):
    for framework in FRAMEWORKS.get(module, ()):
        pytest.importorskip(framework)
    assert hasattr(importlib.import_module(module), name)
