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
from typing import Any, ParamSpec, TypeGuard, TypeVar

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
    listed : bool
        Whether it is a list of values; of an iterator, which can be read once, a list is made.
    """

    words: str
    fits: Callable[[Any], bool]
    listed: bool = False

    @property
    def or_none(self) -> Kind:
        """The same, or None."""
        words = f"{self.words}, or None"
        return Kind(words, lambda value: value is None or self.fits(value), self.listed)

    def check(self, argument: str, value: Any) -> Any:
        """Return a value; raise ArgumentError where it is not of this kind."""
        if self.listed and isinstance(value, Iterator):
            value = list(value)
        if not self.fits(value):
            raise ArgumentError(f"{argument}={shown(value)} must be {self.words}")
        return value


def instance(kind: type | tuple[type, ...], words: str) -> Kind:
    """Return the kind of a class's instances."""
    return Kind(words, lambda value: isinstance(value, kind))


def several(kind: Kind, words: str) -> Kind:
    """Return the kind of lists, or whatever else can be read one by one, of a kind."""
    return Kind(words, lambda value: is_listed(value) and all(map(kind.fits, value)), listed=True)


def is_listed(value: Any) -> TypeGuard[Iterable[Any]]:
    """Whether a value can be read one by one, and is no text and no dict."""
    if isinstance(value, (str, bytes, bytearray, Mapping)):
        return False
    try:
        iter(value)
    except TypeError:  # an array without axes, too
        return False
    return True


def is_whole(value: Any) -> bool:
    """Whether a value is one whole number: Python's, or another's, but neither True nor 5.0."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return type(value).__name__ not in ("bool", "bool_") and not getattr(value, "shape", ())


def is_path(value: Any) -> bool:
    """Whether a value is a path that a file system can be asked for."""
    if not isinstance(value, (str, os.PathLike)):
        return False
    path = os.fspath(value)
    if not isinstance(path, str) or "\0" in path:
        return False
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _is_text(value: Any) -> bool:
    """Whether a value is a text that a file can hold: half of a surrogate pair cannot."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def takes(value: Any, arguments: int, **keywords: Any) -> bool:
    """Whether a value is a function that can be called with so many arguments, and these."""
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind(*range(arguments), **keywords)
    except TypeError:
        return False
    except ValueError:  # of a built-in class, which does not say
        return not isinstance(value, type)
    return True


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


TEXT = Kind("a text of valid Unicode", _is_text)
FLAG = Kind("True or False", lambda value: type(value).__name__ in ("bool", "bool_"))
WHOLE = Kind("a whole number", is_whole)
PATH = Kind("a path", is_path)
FUNCTION = Kind("a function", callable)
CALLBACK = Kind("a function of one argument", lambda value: takes(value, 1))
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
            bound = signature.bind(*given, **named)
            for name, value in bound.arguments.items():
                if name in kinds:
                    bound.arguments[name] = kinds[name].check(name, value)
            return function(*bound.args, **bound.kwargs)

        return checked

    return decorate
