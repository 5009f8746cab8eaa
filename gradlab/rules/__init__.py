"""The rules: one file each, and what they share.

A rule measures and judges; it never prints, draws, or knows another rule. To add one, subclass
`Rule` in a file of its own in this folder (or, from another package, name it in the entry point
group `gradlab.rules`).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from gradlab.rules.base import Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy


def _in_this_folder() -> tuple[type[Rule], ...]:
    """Return the rule of every file of this folder that has one, by their codes."""
    found: list[type[Rule]] = []
    for file in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{file.name}")
        found += [
            each
            for each in vars(module).values()
            if inspect.isclass(each)
            and issubclass(each, Rule)
            and each.__module__ == module.__name__
            and not inspect.isabstract(each)
        ]
    return tuple(sorted(found, key=lambda rule: rule.code))


BUILT_IN: tuple[type[Rule], ...] = _in_this_folder()

__all__ = ["BUILT_IN", "Finding", "Hits", "Limit", "Remedy", "Rule", "Window"]
