"""A member of the zoo: a small training of a public model, and the label it has earned."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.zoo import members

INSTALL = "pip install torch==2.13.0 && pip install -e '.[zoo]'"


@dataclass(frozen=True)
class Member:
    """One training.

    Attributes
    ----------
    name : str
        Unique, lower case with hyphens; what is built and how it is trained: "bert-64-adamw".
    family : str
        The architecture, such as "BERT".
    make : callable
        () -> (model, optimizer), or a list of optimizers; seeds PyTorch itself.
    train : callable
        (model, optimizer, recorder) -> None; a plain loop that calls `recorder.log(loss=...)` where
        its user would.
    score : callable
        (model) -> float, higher is better: held-out accuracy, reward, negative error. It knows no
        rule of gradlab.
    learned : float
        The score from which the training counts as one that works: well above what guessing gives.
    fault : str
        What is planted, as a kind: "softmax before cross-entropy"; empty: healthy.
    root : tuple of str
        Codes of which the first root finding must be one.
    symptoms : tuple of str
        Codes that are true of the run too, though they are not the root cause.
    where : str
        Regular expression over module paths; one of the layers or blocks named must match. Empty:
        the whole net.
    counterpart : str
        Of a faulty member: the healthy one that is the same training without the fault.
    harmless : bool
        A fault that must be seen although the score does not suffer, such as updates that rounding
        swallows.
    watch : mapping
        Options of `gradlab.adapters.torch.watch`, such as `objective` or `baseline_loss`, that a
        careful user gives.
    needs : tuple of str
        Modules that must be importable.
    fast : bool
        Whether it takes only a few seconds and so runs in CI.
    """

    name: str
    family: str
    make: Callable[[], tuple[Any, Any]]
    train: Callable[[Any, Any, Any], None]
    score: Callable[[Any], float]
    learned: float
    fault: str = ""
    root: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()
    where: str = ""
    counterpart: str = ""
    harmless: bool = False
    watch: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    fast: bool = False

    @property
    def healthy(self) -> bool:
        """Whether nothing is planted."""
        return not self.fault

    @property
    def held_out(self) -> bool:
        """Whether nobody looks at the member while rules are mended; its name decides."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 1

    @property
    def missing(self) -> str:
        """Say which module is missing and how to get it; empty where nothing is."""
        absent = [name for name in ("torch", *self.needs) if importlib.util.find_spec(name) is None]
        return f"{self.name} needs {', '.join(absent)}: {INSTALL}" if absent else ""


def load() -> list[Member]:
    """Return every member of every family, sorted by name."""
    found: list[Member] = []
    for each in pkgutil.iter_modules(members.__path__):
        found += importlib.import_module(f"{members.__name__}.{each.name}").MEMBERS
    names = [member.name for member in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two members are called {', '.join(sorted(twice))}")
    return sorted(found, key=lambda member: member.name)
