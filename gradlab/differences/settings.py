"""What differs in how two runs were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENVIRONMENT = (
    "gradlab", "torch", "numpy", "python", "platform", "data_fingerprint", "status",
)  # fmt: skip
"""Facts of the provenance that can tell two runs apart; times, say, always differ."""


@dataclass(frozen=True)
class Setting:
    """One setting that two runs do not share.

    Attributes
    ----------
    name : str
        Its key, those of a table within a table joined by points.
    values : (object, object)
        None where a run does not have it.
    """

    name: str
    values: tuple[Any, Any]


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the settings of two configurations that differ, in their order."""
    first, second = _flat(a), _flat(b)
    names = dict.fromkeys([*first, *second])
    return tuple(
        Setting(name, (first.get(name), second.get(name)))
        for name in names
        if first.get(name) != second.get(name)
    )


def differing_environment(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the versions, machines, data and ends of two runs that differ."""
    kept = [{name: facts[name] for name in ENVIRONMENT if name in facts} for facts in (a, b)]
    return differing(*kept)


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            result |= _flat(value, f"{before}{key}.")
        else:
            result[f"{before}{key}"] = value
    return result
