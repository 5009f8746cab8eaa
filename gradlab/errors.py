"""Errors a user can act on: what is wrong, where, what is allowed, what to do."""

import math
import operator
from numbers import Real


class GradlabError(Exception):
    """Base of every error gradlab raises on purpose.

    The message is one sentence for a reader who has not seen the source: it names the argument as typed,
    what was got, what is allowed, and what to do. The command line prints it and exits with 2.
    """


class ArgumentError(GradlabError, ValueError):
    """An argument is outside its allowed range or does not fit another one."""


class DataError(GradlabError, ValueError):
    """A data set cannot be trained on: empty, ragged, not finite, or labels that do not match the loss."""


class RunError(GradlabError):
    """A run cannot be read or written: no run folder, a truncated file, a newer schema."""


class NonFiniteError(GradlabError, ArithmeticError):
    """A training was stopped at its first NaN or infinity; the text is the diagnosis."""


class RuleError(GradlabError):
    """A rule cannot be used: an unknown or duplicate code, or a definition that lacks a part."""


class SettingsError(GradlabError):
    """A project's [tool.gradlab] holds a mistake; the message names the file and the line."""


def whole(argument: str, value: object, least: int) -> None:
    """Raise ArgumentError unless `value` is a whole number of at least `least`."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # ints and NumPy's integers; no float, however round
    except TypeError:
        number = None
    if number is None or number < least:
        raise ArgumentError(f"{argument}={value!r} must be a whole number of at least {least}")


def is_number(value: object) -> bool:
    """Whether `value` is one finite number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def above_zero(argument: str, value: object, more: str = "") -> float:
    """Return `value` as a float; raise ArgumentError, with `more` to say, unless it is a finite number above 0."""
    if not (is_number(value) and value > 0):  # type: ignore[operator]
        raise ArgumentError(f"{argument}={value!r} must be a finite number above 0{more}")
    return float(value)  # type: ignore[arg-type]


def one_of(argument: str, value: object, allowed) -> None:
    """Raise ArgumentError unless `value` is one of `allowed`."""
    names = sorted(allowed)
    if value not in names:
        raise ArgumentError(f"{argument}={value!r} is unknown; choose one of: {', '.join(names)}")
