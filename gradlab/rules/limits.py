"""`Limit`: a number that a rule judges by, with its unit and the reason for it.

A rule holds its limits as data, and `[tool.gradlab.limits.CODE]` of a project sets others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from gradlab.errors import suggest

WIDTH = 80  # of a printed line


@dataclass(frozen=True)
class Limit:
    """A number that a rule judges by.

    Attributes
    ----------
    value : int or float
        At least 0. A limit whose value is an `int` counts something, and takes whole numbers only.
    unit : str
        What the number is measured in, such as "iterations" or "of the weights' norm".
    reason : str
        Where the number comes from: a measurement, a paper, or a definition.
    """

    value: float
    unit: str
    reason: str


Limits = Mapping[str, Limit]


def problem(code: str, limits: Limits, name: str, value: object) -> str | None:
    """Say what is wrong with a value set for a limit of rule `code`, in one sentence.

    None if nothing.
    """
    if not limits:
        return f"rule {code} has no limit that can be set; remove it, or ignore the rule"
    if name not in limits:
        return f"rule {code} has no limit {name!r}; {suggest(name, limits)}"
    usual = limits[name].value
    counts = type(usual) is int
    fits = type(value) is int or (type(value) is float and not counts)
    if not fits or not 0 <= value < float("inf"):  # type: ignore[operator]
        wanted = "a whole number" if counts else "a number"
        return (
            f"limit {name!r} of rule {code} is {value!r}; give {wanted} of at least 0 (it is "
            f"{usual:g})"
        )
    return None


def describe(limits: Limits, own: Limits) -> str:
    """List limits with their units and reasons, as the last section of `gradlab rule CODE`.

    Parameters
    ----------
    limits : mapping of str to Limit
        The limits in force.
    own : mapping of str to Limit
        The rule's own limits: where they differ, both values are shown.
    """
    lines = ["Limits", "------"]
    for name, limit in limits.items():
        usual = own[name].value
        changed = (
            "" if limit.value == usual else f" (set by the project; the rule's own: {usual:g})"
        )
        lines.append(f"{name} = {limit.value:g} {limit.unit}{changed}")
        lines += textwrap.wrap(limit.reason, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)
