"""`Range`: which numbers an argument may be, and how a message says so.

Sizes, counts and shares have a range of their own, which all public functions use.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from numbers import Real

from gradlab.errors import LONGEST, ArgumentError, shown
from gradlab.kinds import is_listed, is_whole

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
            ends.append(f"{'above' if self.open_least else 'of at least'} {_plain(self.least)}")
        if self.most < math.inf:
            ends.append(f"{'below' if self.open_most else 'at most'} {_plain(self.most)}")
        return f"{kind} {' and '.join(ends)}".rstrip()

    def fits(self, value: object) -> bool:
        """Whether `value` is a number at all, and one of this range."""
        if self.whole:
            return is_whole(value) and self.allows(value)  # type: ignore[arg-type]
        return isinstance(value, Real) and not isinstance(value, bool) and self.allows(value)  # type: ignore[arg-type]

    def check(self, argument: str, value: object) -> float:
        """Return `value` as a number, an int where the range is one of whole numbers.

        Raises
        ------
        ArgumentError
            `value` is no number, or none of this range. True and False are no numbers, and 5.0 is
            no whole number: whoever computed it may have meant 4.9999.
        """
        if not self.fits(value):
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


def _plain(end: float) -> str:
    return f"{end:,}" if isinstance(end, int) else f"{end:g}"


ABOVE_0 = Range(0, open_least=True)
AT_LEAST_0 = Range(0)
COUNT = Range(1, whole=True)
COUNT_OR_0 = Range(0, whole=True)
SIZE = Range(1, 10**9, whole=True)  # units of a layer, replicates, features, classes
STORED = Range(0, (1 << 53) - 1, whole=True)  # what every reader of a record's JSON can hold
FRACTION = Range(0, 1, open_most=True)
INTERVAL = Range(0, 86_400, open_least=True)  # seconds from one look to the next: a day at most
PORT = Range(0, 65_535, whole=True)
VARIANCE = Range(1e-120, 1e120)  # the product of two is a number, too
VARIANCE_OR_0 = Range(0, 1e120)
GAIN = Range(1e-50, 1e50)  # its square is a variance, whatever initializer it multiplies


def check_sizes(sizes: object) -> tuple[int, ...]:
    """Return the units of each layer, input first; ArgumentError unless there are at least two."""
    if not is_listed(sizes):
        raise ArgumentError(f"sizes={shown(sizes)} must be a list, such as [64, 32, 10]")
    given = list(sizes)
    if len(given) < 2:
        raise ArgumentError(
            f"sizes={shown(given)} must name at least an input and an output, such as [64, 32, 10]"
        )
    return tuple(int(SIZE.check("sizes", size)) for size in given)


LARGEST_TASK = 2 * 10**9
"""Numbers that one net, data set or record may need at a time: more take 8 GB and more."""


def check_memory(numbers: float, *sizes: str) -> None:
    """Raise ArgumentError where so many numbers, which these sizes need, fit no usual machine."""
    if numbers > LARGEST_TASK:
        first, *others = sizes
        named = f"{first} with {' and '.join(others)}" if others else first
        which = "one of them" if others else "it"
        raise ArgumentError(
            f"{named} needs at least {4e-9 * numbers:,.0f} GB of memory; make {which} smaller"
        )


def check_jobs(jobs: object) -> int:
    """Return a number of processes; ArgumentError unless it is at least 1, or -1: one a core."""
    most = Range(-1, 10**6, whole=True)
    if not (is_whole(jobs) and most.allows(jobs) and jobs != 0):  # type: ignore[arg-type]
        raise ArgumentError(
            f"jobs={shown(jobs)} must be a number of processes of at least 1, or -1 for one a core"
        )
    return int(jobs)  # type: ignore[call-overload]
