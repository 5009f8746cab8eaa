"""Who may import whom, held as data; and a start that loads next to nothing."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import gradlab

ROOT = Path(gradlab.__file__).parent


@dataclass(frozen=True)
class Room:
    """What a module may import: modules of gradlab, and third parties.

    "nn.*" is a package and all in it. The standard library is open to all.
    """

    ours: set[str]
    others: set[str]


def room(ours: str = "", others: str = "") -> Room:
    return Room(set(ours.split()), set(others.split()))


# `diagnosis` only to word the exception of a training that is stopped at its first NaN
ADAPTED = (
    "activations adapters.* diagnosis errors fixes fixes.* kinds live live.judging measures ranges "
    "recorder rules rules.expressions rules.remedies rules.yardsticks run run.storage statistics "
    "sums"
)
SHARED = (
    "rules.base rules.by_role rules.config_numbers rules.expressions rules.limits rules.remedies "
    "rules.already rules.places rules.snippets rules.stream_places "
    "rules.step_size rules.windows rules.wording rules.yardsticks rules.yardsticks.*"
)
RULE = (
    "activations errors measures rules.alike_inputs rules.by_heart rules.carried_away rules.cause "
    "rules.cut_short rules.heavy_dropout rules.held_out rules.large_answers "
    "rules.largest_feature rules.mistaken_answers rules.mixed_examples rules.no_parameters "
    "rules.one_class rules.origin rules.out_of_use rules.outgrown rules.output_range rules.pulls "
    "rules.runaway rules.score_falls rules.target_range rules.thrown_out rules.undone "
    "rules.uneven_rates rules.unseen_cuts rules.warm_up run statistics theory " + SHARED
)

# The longest key that a module's name starts with is its room.
ROOMS = {
    "_version": room(),
    "errors": room(),
    "kinds": room("errors"),
    "ranges": room("errors kinds"),
    "options": room("errors kinds ranges"),
    "files": room("errors"),
    "layerstack": room("", "numpy"),
    "normal": room("", "numpy"),
    "activations": room("errors normal", "numpy"),
    "sums": room("", "numpy"),
    "measures": room("sums", "numpy"),
    "display": room("", "numpy"),
    "statistics": room(),
    "nn": room("activations errors kinds layerstack nn.* ranges", "numpy"),
    "datasets": room("kinds datasets.* errors ranges", "numpy sklearn"),
    "run": room("kinds display errors files ranges run.* statistics", "numpy pandas pyarrow"),
    "recorder": room(
        "kinds _version errors layerstack measures ranges recorder.* run.* statistics sums",
        "numpy pandas pyarrow",
    ),
    "training": room(
        "kinds datasets errors live nn.* options ranges recorder rules run training.*",
        "numpy threadpoolctl",
    ),
    "theory": room("activations errors normal ranges theory.*", "numpy"),
    "rules": room(RULE, "numpy"),
    "rules.__init__": room("rules.*"),  # it lists them
    "diagnosis": room(
        f"kinds diagnosis.* display errors files rules run statistics theory {SHARED}", "numpy"
    ),
    "auditing": room("kinds datasets diagnosis nn.mlp training"),
    "fixes": room(
        "kinds datasets diagnosis display errors fixes.* nn.* options ranges rules run training "
        "rules.remedies rules.yardsticks",
        "numpy",
    ),
    "live": room(
        "diagnosis diagnosis.verdict display errors live.* recorder rules run run.locks", "numpy"
    ),
    "live.server": room("errors live.* report report.wording"),
    "live.terminal": room("display errors live.*", "rich"),
    "live.notebook": room("display errors live.* ranges", "IPython"),
    "differences": room(
        "kinds diagnosis diagnosis.verdict differences.* display errors rules.base rules.wording "
        "run statistics",
        "numpy",
    ),
    "comparison": room(
        "kinds _version activations comparison.* datasets diagnosis display errors files nn.* "
        "options ranges run.* training",
        "dask distributed fsspec joblib numpy pandas",
    ),
    "report": room(
        "kinds _version comparison diagnosis diagnosis.expectation differences differences.telling "
        "activations errors files fixes fixes.* live ranges report.* rules run "
        f"run.storage statistics theory theory.gaussian {SHARED}",
        "jinja2 joblib markupsafe numpy pandas plotly tsdownsample",
    ),
    "adapters": room(ADAPTED, "numpy"),
    "adapters.torch": room(ADAPTED, "numpy torch"),
    "adapters.lightning": room(ADAPTED, "lightning torch"),
    "adapters.transformers": room(ADAPTED, "torch transformers"),
    "testing": room(
        "kinds diagnosis diagnosis.project errors files ranges recorder rules run statistics "
        f"testing.* {SHARED}",
        "numpy",
    ),
    "pytest_plugin": room("diagnosis.project errors report testing.*", "pytest"),
    "cli": room(
        "_version activations cli.* comparison comparison.networks datasets diagnosis "
        "diagnosis.project differences errors files fixes live live.* options ranges report "
        "report.article report.forecast report.gallery report.layer_filter rules run run.storage "
        f"statistics theory training {SHARED}",
        "numpy rich threadpoolctl typer",
    ),
    "__main__": room("cli"),
}


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts)


def room_of(module: str) -> Room | None:
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if (room := ROOMS.get(".".join(parts[:end]))) is not None:
            return room
    return None


def imports(tree: ast.AST, module: str, known: set[str]):
    """Yield (line, dotted name) of every import, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = ["gradlab", *module.split(".")][: -node.level]
                base = ".".join([*parts, base] if base else parts)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                # `from gradlab import run` names a module, `from gradlab.run import Run` something
                # in one
                yield node.lineno, whole if whole.removeprefix("gradlab.") in known else base
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).split(".")[-1]
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def allowed(name: str, room: Room) -> bool:
    top, _, inner = name.partition(".")
    if top != "gradlab":
        return top in sys.stdlib_module_names or top in room.others
    if not inner:
        return True  # the package itself: its version
    return any(
        inner == entry or (entry.endswith(".*") and f"{inner}.".startswith(entry[:-1]))
        for entry in room.ours
    )


def violations(sources: dict[str, str]) -> list[str]:
    """Check modules by name, such as {"nn.mlp": SOURCE}, and say what breaks the table."""
    known = known_modules(sources)
    found = []
    for module, source in sources.items():
        room = room_of(module)
        if room is None:
            found.append(f"{module} has no room in the table")
            continue
        found += [
            f"{module}:{line} imports {name}"
            for line, name in imports(ast.parse(source), module, known)
            if not allowed(name, room)
        ]
    return found


def known_modules(sources: dict[str, str]) -> set[str]:
    return {name.removesuffix(".__init__") for name in sources} | {
        name for name in ROOMS if "__" not in name
    }


def circles(sources: dict[str, str]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or by way of others.

    Imports inside functions and under TYPE_CHECKING count.
    """
    known = known_modules(sources)
    edges = {name.removesuffix(".__init__"): set() for name in sources}
    for module, source in sources.items():
        here = module.removesuffix(".__init__")
        for _, name in imports(ast.parse(source), module, known):
            inner = name.removeprefix("gradlab.")
            if name.startswith("gradlab.") and inner in edges and inner != here:
                edges[here].add(inner)
    reach = {name: reachable(name, edges) for name in edges}
    groups = {frozenset(other for other in reach[name] if name in reach[other]) for name in edges}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    frontier = [start]
    while frontier:
        new = edges[frontier.pop()] - seen
        seen |= new
        frontier += new
    return seen


def sources() -> dict[str, str]:
    return {
        module_name(path, ROOT): path.read_text(encoding="utf-8")
        for path in sorted(ROOT.rglob("*.py"))
    }


def test_every_import_keeps_to_the_table():
    found = violations({name: text for name, text in sources().items() if name != "__init__"})
    assert not found, "\n".join(found)


def test_no_modules_import_each_other():
    assert circles({name: text for name, text in sources().items() if name != "__init__"}) == []


@pytest.mark.parametrize(
    "planted",
    [
        {"a": "from gradlab import b", "b": "from gradlab import a"},
        {
            "a": "from gradlab.b import f",
            "b": "def f():\n    from gradlab.c import g",
            "c": "import gradlab.a",
        },
        {"a": "if TYPE_CHECKING:\n    from gradlab.b import B", "b": "from gradlab import a"},
        {"p.__init__": "from gradlab.p.a import f", "p.a": "from gradlab.p import g"},
    ],
)
def test_a_planted_circle_is_found(planted):
    assert len(circles(planted)) == 1


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("errors", "import numpy", "errors:1 imports numpy"),
        ("measures", "from gradlab import run", "measures:1 imports gradlab.run"),
        ("measures", "from gradlab.run import Run", "measures:1 imports gradlab.run"),
        ("measures", "import gradlab.run as r", "measures:1 imports gradlab.run"),
        ("measures", "from .run import Run", "measures:1 imports gradlab.run"),
        ("nn.mlp", "from .. import recorder", "nn.mlp:1 imports gradlab.recorder"),
        (
            "nn.mlp",
            "def f():\n    from gradlab.recorder import Recorder",
            "nn.mlp:2 imports gradlab.recorder",
        ),
        ("nn.mlp", "if False:\n    import torch", "nn.mlp:2 imports torch"),
        (
            "run",
            "import importlib\nimportlib.import_module('gradlab.report')",
            "run:2 imports gradlab.report",
        ),
        ("run", "from gradlab.recorder import Recorder", "run:1 imports gradlab.recorder"),
        (
            "rules.dead_units",
            "from gradlab.rules.nonfinite import NonFinite",
            "imports gradlab.rules.nonfinite",
        ),
        (
            "rules.dead_units",
            "from gradlab.rules import nonfinite",
            "imports gradlab.rules.nonfinite",
        ),
        ("rules.dead_units", "from . import nonfinite", "imports gradlab.rules.nonfinite"),
        ("rules.dead_units", "from gradlab import report", "imports gradlab.report"),
        (
            "diagnosis",
            "from gradlab.rules.nonfinite import NonFinite",
            "imports gradlab.rules.nonfinite",
        ),
        (
            "report.data",
            "from gradlab.rules.nonfinite import NonFinite",
            "imports gradlab.rules.nonfinite",
        ),
        ("training", "from gradlab.diagnosis import diagnose", "imports gradlab.diagnosis"),
        ("comparison", "from gradlab.report import write_report", "imports gradlab.report"),
        ("adapters.keras", "import torch", "imports torch"),
        ("report.data", "from gradlab import cli", "imports gradlab.cli"),
        ("statistics", "from gradlab.run import Run", "imports gradlab.run"),
        ("surprise", "import os", "surprise has no room"),
    ],
)
def test_the_checker_sees_a_violation(module, source, expected):
    found = violations({"rules.nonfinite": "", "rules.base": "", module: source})
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "nn.loop",
            "import numpy as np\nfrom gradlab.nn.mlp import MLP\nfrom gradlab.nn import losses",
        ),
        (
            "rules.dead_units",
            "from gradlab.rules import cause\nfrom gradlab.rules.base import Rule",
        ),
        ("rules.__init__", "from gradlab.rules.nonfinite import NonFinite"),
        ("recorder.recorder", "from gradlab._version import __version__"),
        ("adapters.torch", "import torch\nfrom gradlab.adapters.base import Watch"),
        ("__main__", "def main():\n    from gradlab import cli"),
    ],
)
def test_the_checker_lets_through_what_is_allowed(module, source):
    assert (
        violations({"rules.nonfinite": "", "rules.cause": "", "nn.losses": "", module: source})
        == []
    )


def test_nobody_but_the_start_may_import_the_command_line():
    assert [name for name, room in ROOMS.items() if {"cli", "cli.*"} & room.ours] == [
        "cli",
        "__main__",
    ]
    assert not [name for name, room in ROOMS.items() if "__main__" in room.ours]


def test_the_package_imports_its_own_modules_for_type_checkers_only():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    outside = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    names = {name for node in outside for _, name in imports(node, "__init__", set())}
    assert names - {"gradlab._version"} <= set(sys.stdlib_module_names)


def test_import_gradlab_is_light():
    heavy = ("numpy", "pandas", "pyarrow", "plotly", "joblib", "jinja2", "typer", "torch")
    code = f"import gradlab, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had():
    assert [name for name in gradlab.__all__ if not hasattr(gradlab, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        gradlab.nonsense  # noqa: B018


def test_no_module_bears_the_name_of_something_that_its_package_exports():
    names = [name for name in sources() if not name.startswith("adapters")]
    packages = [
        "gradlab",
        *(f"gradlab.{name[:-9]}" for name in names if name.endswith(".__init__")),
    ]
    clashes = []
    for package in map(importlib.import_module, packages):
        inside = {each.name for each in pkgutil.iter_modules(package.__path__)}
        public = getattr(package, "__all__", ())
        exported = {name for name in public if not inspect.ismodule(getattr(package, name))}
        clashes += [f"{package.__name__}.{name}" for name in inside & exported]
    assert clashes == []


def test_a_verdict_imports_no_pandas(tmp_path):
    run, model = tmp_path / "run", gradlab.MLP([64, 16, 16, 10], "sigmoid")
    gradlab.train(model, gradlab.datasets.digits(), iterations=30, out=run)
    code = f"import sys; from gradlab import cli; cli.run(['check', {str(run)!r}]); "
    code += "print('pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert done.stdout.splitlines()[-1] == "False"
