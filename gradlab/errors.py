"""Errors a user can act on: what is wrong, where, what is allowed, what to do."""

import math
import re
from collections.abc import Iterable
from numbers import Real

LISTED = 20  # known names in a message
LONGEST = 100  # characters of a value in a message
LONGEST_MESSAGE = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class GradlabError(Exception):
    """Base of every error gradlab raises on purpose.

    The message is one sentence for a reader who has not seen the source: it names the argument as
    typed, what was got, what is allowed, and what to do. The command line prints it and exits with
    2. Names in it may be anybody's: control characters are escaped, and the middle of a very long
    one is left out.
    """

    def __init__(self, message: object = ""):
        super().__init__(one_sentence(str(message)))


class ArgumentError(GradlabError, ValueError):
    """An argument is outside its allowed range or does not fit another one."""


class DataError(GradlabError, ValueError):
    """A data set cannot be trained on.

    It is empty, ragged or not finite, or its labels do not match the loss.
    """


class RunError(GradlabError):
    """A run cannot be read or written: no run folder, a truncated file, a newer schema."""


class NonFiniteError(GradlabError, ArithmeticError):
    """A training was stopped at its first NaN or infinity; the text is the diagnosis."""

    def __init__(self, message: object = ""):
        Exception.__init__(self, message)  # it has several lines


class FindingError(GradlabError):
    """A training was stopped at a finding, as `on_finding="raise"` asks for."""


class RuleError(GradlabError):
    """A rule cannot be used: an unknown or duplicate code, or a definition that lacks a part."""


class SettingsError(GradlabError):
    """A project's [tool.gradlab] holds a mistake; the message names the file and the line."""


def one_sentence(text: str) -> str:
    """Return text in one line that only prints, and of a length that can be read."""
    line = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    if len(line) <= LONGEST_MESSAGE:
        return line
    return f"{line[: LONGEST_MESSAGE // 2]} ... {line[-LONGEST_MESSAGE // 2 :]}"


def flag(argument: str, value: object) -> None:
    """Raise ArgumentError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{argument}={shown(value)} must be True or False")


def is_number(value: object) -> bool:
    """Whether `value` is one finite number; True and False are none."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False


def above_zero(argument: str, value: object, more: str = "") -> float:
    """Return `value` as a float; raise ArgumentError unless it is a finite number above 0.

    `more` is added to the message.
    """
    if not (is_number(value) and value > 0):  # type: ignore[operator]
        raise ArgumentError(f"{argument}={shown(value)} must be a finite number above 0{more}")
    return float(value)  # type: ignore[arg-type]


def one_of(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Raise ArgumentError, naming the nearest allowed value, unless `value` is one of `allowed`."""
    names = sorted(allowed)
    if not isinstance(value, str) or value not in names:
        raise ArgumentError(f"{argument}={shown(value)} is unknown; {suggest(value, names)}")


def shown(value: object) -> str:
    """Return `value` as a message shows it: quoted, control characters escaped, cut when long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of anybody's class
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def suggest(value: object, known: Iterable[str]) -> str:
    """Say what could have been meant by an unknown `value`.

    Parameters
    ----------
    value : object
        What was typed.
    known : iterable of str
        What could have been typed, in the order in which it is to be listed.

    Returns
    -------
    str
        "did you mean 'adam'? Choose one of: sgd, adam", or without the question where nothing
        known is near. Of more than 20 known names the first 20 are listed.

    Examples
    --------
    >>> suggest("adm", ["sgd", "adam"])
    "did you mean 'adam'? Choose one of: sgd, adam"
    """
    names = list(known)
    listed = ", ".join(names[:LISTED])
    if len(names) > LISTED:
        listed += f" and {len(names) - LISTED} more"
    near = nearest(value, names)
    if near is None:
        return f"choose one of: {listed}"
    return f"did you mean {near!r}? Choose one of: {listed}"


def nearest(value: object, known: Iterable[str]) -> str | None:
    """Return the known name that is spelt most like `value`, or None where none is alike."""
    import difflib  # at a mistake only

    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(value).lower()[:LONGEST], by_lower, n=1)
    return by_lower[found[0]] if found else None
