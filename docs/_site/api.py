"""The reference of public names: a page a module, from its docstrings and types."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path

from _site.markdown import toctree

MODULES = {
    "gradlab": (
        "The names that `import gradlab` gives.",
        "train compare audit diagnose load write_report MLP Recorder Run Diagnosis Finding Rule "
        "Comparison GradlabError",
    ),
    "gradlab.adapters.torch": ("PyTorch: watch a training, audit a model.", "watch audit"),
    "gradlab.adapters.lightning": ("Lightning's callback.", "GradlabCallback"),
    "gradlab.adapters.transformers": ("Hugging Face's callback.", "GradlabCallback"),
    "gradlab.testing": (
        "Assertions on runs, with pytest or without.",
        "assert_healthy assert_no_vanishing assert_no_exploding assert_gradient_bounds "
        "assert_ratio assert_profile assert_gradients_match GradientError",
    ),
    "gradlab.theory": (
        "What to expect at initialization, by mean field theory.",
        "predict predict_stream depth_below critical_gain fixed_point weight_variance "
        "silent_fraction dead_at_init Prediction StreamPrediction Branch",
    ),
    "gradlab.datasets": (
        "Data sets: digits, toy problems, scikit-learn's, files of your own.",
        "Data digits blobs circles linear course_function bundled from_file split",
    ),
    "gradlab.figures": (
        "The report's pictures as Plotly figures.",
        "gradient_profile gradient_profiles heatmap factors layer_statistics loss weights",
    ),
    "gradlab.rules": (
        "What a rule of your own is made of.",
        "Rule Finding Remedy Limit Hits Window",
    ),
    "gradlab.nn.paths": ("Derivatives as the sum over paths.", "derivative"),
    "gradlab.errors": (
        "What gradlab raises; every message names the argument and what to do.",
        "GradlabError ArgumentError NonFiniteError RunError RuleError",
    ),
}
INTRODUCTION = """# Public names

What stands here is stable: nothing of it changes without a word in the changelog.
"""
FRAMEWORKS = {
    "gradlab.adapters.torch": "torch",
    "gradlab.adapters.lightning": "lightning",
    "gradlab.adapters.transformers": "transformers",
}
REAL = {"gradlab.figures": "gradlab.report.figures"}  # where attributes of the package live


def pages(folder: Path) -> dict[str, str]:
    """Return a page a module, and the page that lists them."""
    shown: set[int] = set()
    found = {f"api/{module}.md": _page(module, *about, shown) for module, about in MODULES.items()}
    lines = [f"- [`{name}`]({name}.md): {words}" for name, (words, _) in MODULES.items()]
    found["api/index.md"] = "\n".join([INTRODUCTION, *lines, "", toctree(MODULES), ""])
    return found


def _page(module: str, words: str, names: str, shown: set[int]) -> str:
    real = REAL.get(module, module)
    framework = FRAMEWORKS.get(module)
    if framework and not importlib.util.find_spec(framework):
        return f"# {module}\n\n{words} Not shown: this site was built without {framework}.\n"
    home = importlib.import_module(real)
    parts = [f"# {module}\n", f"{words}\n", "```{eval-rst}", f".. currentmodule:: {real}", ""]
    for name in names.split():
        thing = getattr(home, name)
        parts += _directive(thing, f"{real}.{name}")
        if id(thing) in shown:  # links lead to the page that showed it first
            parts.insert(-1, "   :no-index:")
        shown.add(id(thing))
    return "\n".join([*parts, "```", ""])


def _directive(thing: object, path: str) -> list[str]:
    if not inspect.isclass(thing):
        return [f".. autofunction:: {path}", ""]
    if issubclass(thing, BaseException):
        return [f".. autoexception:: {path}", "   :show-inheritance:", ""]
    return [f".. autoclass:: {path}", "   :members:", ""]
