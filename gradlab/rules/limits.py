"""Other limits for a rule, from outside: those a project sets in its `[tool.gradlab.limits.CODE]`.

A rule's limits are the numbers written in capitals in its file: `ALARM = 0.01` is the limit `alarm`. A rule with other
limits is its file run once more with those numbers, so that no rule needs to know of it and nobody else's rule changes.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from types import ModuleType

from gradlab.errors import RuleError
from gradlab.rules import base, windows
from gradlab.rules.base import Rule


def limits_of(rule: Rule) -> dict[str, float]:
    """Return a rule's limits by their names, such as {"alarm": 0.01, "warn": 0.1}."""
    return {
        name.lower(): value
        for name, value in vars(sys.modules[type(rule).__module__]).items()
        if name.isupper() and type(value) in (int, float) and not _is_private(name)
    }


def _is_private(name: str) -> bool:
    """Whether a rule does not own the number: it imported it from what rules share, or keeps it to itself."""
    return name.startswith("_") or hasattr(base, name) or hasattr(windows, name)


def problem(rule: Rule, name: str, value: object) -> str | None:
    """Say what is wrong with a limit set for a rule, in one sentence; None where nothing is."""
    known = limits_of(rule)
    if not known:
        return f"rule {rule.code} has no limit that can be set; remove it, or ignore the rule"
    if name not in known:
        return f"rule {rule.code} has no limit {name!r}; choose one of: {', '.join(known)}"
    wanted = "a whole number" if type(known[name]) is int else "a number"
    fits = type(value) is int or (type(value) is float and type(known[name]) is float)
    if not fits or not 0 <= value < float("inf"):  # type: ignore[operator]
        return f"limit {name!r} of rule {rule.code} is {value!r}; give {wanted} of at least 0 (it is {known[name]:g})"
    return None


def adjusted(rule: Rule, given: Mapping[str, float]) -> Rule:
    """Return a copy of `rule` that judges by other limits.

    Parameters
    ----------
    rule : Rule
    given : mapping of str to float
        Some of `limits_of(rule)`, by the same names.

    Raises
    ------
    RuleError
        A limit the rule has not, or a value that is no number of at least 0.
    """
    for name, value in given.items():
        if wrong := problem(rule, name, value):
            raise RuleError(wrong)
    if not given:
        return rule
    module = _again(sys.modules[type(rule).__module__])
    vars(module).update({name.upper(): value for name, value in given.items()})
    return getattr(module, type(rule).__qualname__)()


def _again(module: ModuleType) -> ModuleType:
    """Run a module's file once more, as a module of its own that nobody else can import."""
    spec = module.__spec__
    if spec is None or spec.loader is None:
        raise RuleError(f"the limits of rules in {module.__name__} cannot be set: it was loaded from no file")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh
