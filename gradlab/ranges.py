"""`Range`: which numbers an argument may be, and how a message says so."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from gradlab.errors import LONGEST, ArgumentError, shown

LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Range:
    """The finite numbers from `least` to `most`.

    Attributes
    ----------
    least, most : float
        The ends; both are in the range ...
    open_least, open_most : bool
        ... unless the end is open.
    whole : bool
        Whether only whole numbers are meant.
    """

    least: float = -math.inf
    most: float = math.inf
    open_least: bool = False
    open_most: bool = False
    whole: bool = False

    def allows(self, value: float) -> bool:
        """Whether `value` is a finite number of this range."""
        if not isinstance(value, int):
            value = float(value)  # NumPy compares its float32 in float32
        if not -LARGEST <= value <= LARGEST:  # NaN and infinity too
            return False
        above = value > self.least if self.open_least else value >= self.least
        below = value < self.most if self.open_most else value <= self.most
        return above and below and not (self.whole and value != int(value))

    @property
    def words(self) -> str:
        """The range in words: "a whole number of at least 1"."""
        kind = "a whole number" if self.whole else "a number"
        ends = []
        if self.least > -math.inf:
            ends.append(f"{'above' if self.open_least else 'of at least'} {self.least:g}")
        if self.most < math.inf:
            ends.append(f"{'below' if self.open_most else 'at most'} {self.most:g}")
        return f"{kind} {' and '.join(ends)}".rstrip()

    def check(self, argument: str, value: object) -> float:
        """Return `value` as a number, an int where the range is one of whole numbers.

        Raises
        ------
        ArgumentError
            `value` is no number, or none of this range. True and False are no numbers, and 5.0 is
            no whole number: whoever computed it may have meant 4.9999.
        """
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        counts = not self.whole or hasattr(value, "__index__")
        if not (is_number and counts and self.allows(value)):  # type: ignore[arg-type]
            raise ArgumentError(f"{argument}={shown(value)} must be {self.words}")
        return int(value) if self.whole else float(value)  # type: ignore[call-overload]

    def read(self, argument: str, text: str) -> float:
        """Return the number that `text` holds; ArgumentError as for `check`."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not self.allows(number):
            raise ArgumentError(f"{argument}={text[:LONGEST]} must be {self.words}")
        return int(number) if self.whole else number


ABOVE_0 = Range(0, open_least=True)
AT_LEAST_0 = Range(0)
COUNT = Range(1, whole=True)
COUNT_OR_0 = Range(0, whole=True)
FRACTION = Range(0, 1, open_most=True)
GAIN = Range(1e-100, 1e100)  # its square is a number, too


def check_sizes(sizes: object) -> tuple[int, ...]:
    """Return the units of each layer, input first; ArgumentError unless there are at least two."""
    if not isinstance(sizes, Sequence) and not hasattr(sizes, "__array__"):
        raise ArgumentError(f"sizes={shown(sizes)} must be a list, such as [64, 32, 10]")
    try:
        given = list(sizes)  # type: ignore[call-overload]
    except TypeError:  # an array without axes
        given = [sizes]
    if isinstance(sizes, str) or len(given) < 2:
        raise ArgumentError(
            f"sizes={shown(given)} must name at least an input and an output, such as [64, 32, 10]"
        )
    return tuple(int(COUNT.check("sizes", size)) for size in given)
