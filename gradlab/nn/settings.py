"""How options with settings of their own are written: `NAME[:KEY=VALUE ...]`, such as `adam:beta1=0.8:epsilon=1e-6`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gradlab.errors import ArgumentError, one_of


@dataclass(frozen=True)
class Setting:
    """One number of an option.

    Attributes
    ----------
    default : float, optional
        None: it must be given.
    least, most : float
        The range, both ends among it ...
    open_least, open_most : bool
        ... unless said otherwise.
    whole : bool
        Whether it counts something.
    optional : bool
        Whether None is a value too: "not set".
    """

    default: float | None
    least: float = -math.inf
    most: float = math.inf
    open_least: bool = False
    open_most: bool = False
    whole: bool = False
    optional: bool = False

    def allows(self, value: float) -> bool:
        """Whether `value` is finite and in range."""
        above = value > self.least if self.open_least else value >= self.least
        below = value < self.most if self.open_most else value <= self.most
        return math.isfinite(value) and above and below and not (self.whole and value != int(value))

    @property
    def words(self) -> str:
        """The range, for an error."""
        kind = "a whole number" if self.whole else "a number"
        low = f"{'above' if self.open_least else 'of at least'} {self.least:g}" if self.least > -math.inf else ""
        high = f"{'below' if self.open_most else 'at most'} {self.most:g}" if self.most < math.inf else ""
        return f"{kind} {' and '.join(part for part in (low, high) if part)}".rstrip()


def parse(argument: str, text: str, known: Mapping[str, Mapping[str, Setting]]) -> tuple[str, dict[str, float | None]]:
    """Read `NAME[:KEY=VALUE ...]` and return the name and all of its settings, defaults filled in.

    Raises
    ------
    ArgumentError
        An unknown name or key, a value that is no number of its range, or a setting that must be given and is not.
    """
    name, *parts = text.split(":") if isinstance(text, str) else (text,)
    one_of(argument, name, known)
    settings = known[name]
    values = {key: setting.default for key, setting in settings.items()}
    for part in parts:
        key, _, written = part.partition("=")
        if key not in settings:
            choice = f"it has {', '.join(settings)}" if settings else "it has none"
            raise ArgumentError(f"{argument}={text!r} has no setting {key!r}; {choice}")
        values[key] = check(f"{argument}={text!r}: {key}", written, settings[key])
    for key, setting in settings.items():
        if values[key] is None and not setting.optional:
            raise ArgumentError(f"{argument}={text!r} needs {key}, {setting.words}; write {name}:{key}=...")
    return name, values


def check(argument: str, value: str | float, setting: Setting) -> float:
    """Return `value` as the number it is; raise ArgumentError where it is none of the setting's range."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not setting.allows(number):
        raise ArgumentError(f"{argument}={value!s} must be {setting.words}")
    return int(number) if setting.whole else number
