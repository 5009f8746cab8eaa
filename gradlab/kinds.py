"""Kinds of values that arguments of public functions are, told in one sentence where they are not.

`of_kinds` checks them before the function runs:

    @of_kinds(run=RUN, iteration=WHOLE)
    def factors(run, iteration=0): ...
"""

from __future__ import annotations

import functools
import inspect
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from gradlab.errors import ArgumentError, shown

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes
    ----------
    words : str
        What a message says that the argument must be: "a text".
    fits : callable
        Whether a value is of this kind.
    """

    words: str
    fits: Callable[[Any], bool]

    @property
    def or_none(self) -> Kind:
        """The same, or None."""
        return Kind(f"{self.words}, or None", lambda value: value is None or self.fits(value))

    def check(self, argument: str, value: Any) -> None:
        """Raise ArgumentError where a value is not of this kind."""
        if not self.fits(value):
            raise ArgumentError(f"{argument}={shown(value)} must be {self.words}")


def instance(kind: type | tuple[type, ...], words: str) -> Kind:
    """Return the kind of a class's instances."""
    return Kind(words, lambda value: isinstance(value, kind))


def several(kind: Kind, words: str) -> Kind:
    """Return the kind of lists, or whatever else can be read one by one, of a kind."""
    return Kind(words, lambda value: _is_listed(value) and _all_fit(kind, value))


def _is_listed(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


def _all_fit(kind: Kind, values: Any) -> bool:
    if isinstance(values, Iterator):  # which can be read once
        return True
    try:
        return all(map(kind.fits, values))
    except TypeError:  # an array without axes
        return False


def _is_whole(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) and "\0" not in str(os.fspath(value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


TEXT = instance(str, "a text")
FLAG = Kind("True or False", lambda value: type(value).__name__ in ("bool", "bool_"))
WHOLE = Kind("a whole number", _is_whole)
PATH = Kind("a path", _is_path)
FUNCTION = Kind("a function", callable)
LISTED = Kind("a list", lambda value: isinstance(value, Sequence) and not isinstance(value, str))
MAPPING = Kind("a dict whose keys are texts", _is_mapping)
TEXTS = several(TEXT, "a list of texts")


def of_kinds(
    **kinds: Kind,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Let a function be called with arguments of these kinds alone."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
            __tracebackhide__ = True
            arguments = signature.bind(*given, **named).arguments
            for name, value in arguments.items():
                if name in kinds:
                    kinds[name].check(name, value)
            return function(*given, **named)

        return checked

    return decorate
