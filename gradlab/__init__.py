"""gradlab finds out why a neural network does not learn.

    import gradlab

    data = gradlab.datasets.digits(seed=0)
    model = gradlab.MLP([64] + [64] * 20 + [10], activation="sigmoid", seed=0)
    run = gradlab.train(model, data, learning_rate=0.1, iterations=500)
    print(gradlab.diagnose(run))

Names are loaded on first use, so that `import gradlab` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gradlab._version import __version__ as __version__

if TYPE_CHECKING:
    from gradlab import datasets as datasets
    from gradlab import live as live
    from gradlab import testing as testing
    from gradlab import theory as theory
    from gradlab.auditing import audit as audit
    from gradlab.comparison import Comparison as Comparison
    from gradlab.comparison import compare as compare
    from gradlab.diagnosis import Diagnosis as Diagnosis
    from gradlab.diagnosis import diagnose as diagnose
    from gradlab.differences import Difference as Difference
    from gradlab.differences import diff as diff
    from gradlab.errors import GradlabError as GradlabError
    from gradlab.fixes import Fix as Fix
    from gradlab.fixes import fix as fix
    from gradlab.nn.mlp import MLP as MLP
    from gradlab.recorder import Recorder as Recorder
    from gradlab.report import figures as figures
    from gradlab.report import write_report as write_report
    from gradlab.rules import Finding as Finding
    from gradlab.rules import Rule as Rule
    from gradlab.run import Run as Run
    from gradlab.run import load as load
    from gradlab.training import train as train

_ATTRIBUTES = {
    "MLP": "gradlab.nn.mlp",
    "train": "gradlab.training",
    "compare": "gradlab.comparison",
    "Comparison": "gradlab.comparison",
    "Recorder": "gradlab.recorder",
    "Run": "gradlab.run",
    "load": "gradlab.run",
    "audit": "gradlab.auditing",
    "diagnose": "gradlab.diagnosis",
    "Diagnosis": "gradlab.diagnosis",
    "diff": "gradlab.differences",
    "Difference": "gradlab.differences",
    "Finding": "gradlab.rules",
    "Rule": "gradlab.rules",
    "fix": "gradlab.fixes",
    "Fix": "gradlab.fixes",
    "write_report": "gradlab.report",
    "figures": "gradlab.report",
    "GradlabError": "gradlab.errors",
}
_MODULES = ("datasets", "live", "testing", "theory")

__all__ = sorted([*_ATTRIBUTES, *_MODULES])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"gradlab.{name}")
    if name in _ATTRIBUTES:
        value = getattr(importlib.import_module(_ATTRIBUTES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gradlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
