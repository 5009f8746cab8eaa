"""Axes of a sweep besides network and depth: what they are called, and which values they take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gradlab.comparison.networks import KEYS, checked
from gradlab.errors import ArgumentError, shown, suggest
from gradlab.options import TrainingOptions, option_of
from gradlab.ranges import COUNT_OR_0, SIZE, Range

OF_NETWORKS = ("init", *KEYS)
OF_PLANS = {"width": SIZE, "seeds": SIZE, "seed": COUNT_OR_0}
OF_TRAININGS = {
    each.name: option_of(each).allowed
    for each in fields(TrainingOptions)
    if each.name not in ("class_weights", "histograms")
}
NAMES = (*OF_TRAININGS, *OF_PLANS, *OF_NETWORKS)
"""What may be swept: options of the training, of the grid, and what changes every network."""

Axes = Mapping[str, tuple[Any, ...]]


def read(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read axes as they are typed: "learning_rate=0.01,0.03"; a dash is as good as "_".

    Raises
    ------
    ArgumentError
        A text without "=", or an axis that is given twice.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise ArgumentError(
                f"sweep={shown(text)} must be AXIS=VALUE,VALUE,..., such as learning_rate=0.01,0.03"
            )
        if name in axes:
            raise ArgumentError(f"sweep={shown(text)} gives the axis {name} a second time")
        axes[name] = [value.strip() for value in values.split(",")]
    return axes


def check(sweep: Mapping[str, Sequence[Any]] | None) -> Axes:
    """Return the axes of a sweep with their values checked, each value once.

    Raises
    ------
    ArgumentError
        An unknown axis, no values, or one that is not allowed.
    """
    axes = {}
    for name, values in (sweep or {}).items():
        if name not in NAMES:
            raise ArgumentError(f"sweep={shown(name)} is no axis; {suggest(name, NAMES)}")
        if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
            raise ArgumentError(
                f"sweep: the values of {name} are {shown(values)}, and must be a list of at least "
                "one"
            )
        axes[name] = tuple(dict.fromkeys(_value(name, value) for value in values))
    return axes


def _value(name: str, value: Any) -> Any:
    """Return one value of an axis, a number where a text holds one."""
    argument = f"sweep: {name}"
    if name in OF_NETWORKS:
        return checked(argument, name, value)
    allowed = OF_PLANS[name] if name in OF_PLANS else OF_TRAININGS[name]
    if isinstance(allowed, Range):
        if isinstance(value, str):
            return allowed.read(argument, value)
        return allowed.check(argument, value)
    TrainingOptions(**{name: value})
    return value


def written(value: Any) -> str:
    """Write a value of an axis as tables and selectors show it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def words(axis: str) -> str:
    """Return what an axis is called in a sentence."""
    return "hidden layers" if axis == "depth" else axis.replace("_", " ")


def place_words(place: Mapping[str, Any]) -> str:
    """Write a place: "learning rate 0.01, width 32"."""
    return ", ".join(f"{words(axis)} {written(value)}" for axis, value in place.items())


def combinations(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every place that these axes have; the one empty place where there is none."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
