"""How a series of batch values moved from its start to its end, in units of its own scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.windows import WINDOW

Array = np.ndarray

# Falls of the loss in units of the batch losses' own scatter. Measured: nets that learn 25 to 95,
# nets that do not 0 to 0.5, a deep relu net that crawls 10.
CLEAR_FALL = 3.0
NO_FALL = 1.0
# Standard errors of a mean that a difference of two means must exceed.
SIGNIFICANT = 3.0
ROUNDING = 1e-6  # of the loss's size: float32 keeps seven digits
FALLING = 0.15  # of the second half's fall that must lie in the last quarter
AT_ONCE = 5  # values that are a start, where a net learned within a window
SHORTEST = 5  # values in a window


@dataclass(frozen=True)
class Trend:
    """How a series of batch values moved from its start to its end.

    Attributes
    ----------
    first, last : float
        Means over the first and the last part.
    scatter : float
        The deviation of one batch's value from its neighbours': the median of |x[t+1] - x[t]|.
    error : float
        Standard error of `first - last`.
    late, latest : float
        How much it fell from the middle of the run to its end, and from three quarters of it.
    """

    first: float
    last: float
    scatter: float
    error: float
    late: float
    latest: float

    @property
    def fall(self) -> float:
        """`first - last`: positive where the values became smaller."""
        return self.first - self.last

    @property
    def progress(self) -> float:
        """The fall in units of the scatter; 0 where both are nothing but rounding."""
        floor = ROUNDING * max(abs(self.first), abs(self.last))
        if abs(self.fall) <= floor:
            return 0.0
        return self.fall / max(self.scatter, floor, np.finfo(float).tiny)

    @property
    def falls_still(self) -> bool:
        """Whether it fell, beyond chance, in the second half of the run, and falls at its end."""
        return self._fell_late and self.latest > FALLING * self.late

    @property
    def may_fall_still(self) -> bool:
        """The same, where chance may hide that it falls at its end."""
        return self._fell_late and self.latest > FALLING * self.late - self.error

    @property
    def _fell_late(self) -> bool:
        return self.late > max(SIGNIFICANT * self.error, NO_FALL * self.scatter)

    @property
    def ahead(self) -> float:
        """Where it would be after as many iterations again, at the pace of the second half.

        What is positive goes on falling by the same factor: a loss that came down from 1e13 to 1e8
        is not on its way below 0.
        """
        half = self.last + self.late
        if self.last > 0 and half > 0:
            return self.last * (self.last / half) ** 2
        return self.last - 2 * self.late


def trend(values: Array, size: int = WINDOW) -> Trend | None:
    """Compare the first with the last `size` finite values of a series (T,); None for fewer than
    two.

    A window is a quarter of a short series, and never more than half of it.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    size = min(size, len(known) // 2, max(SHORTEST, len(known) // 4))
    scatter = float(np.median(np.abs(np.diff(known))))
    half, later = (_around(known, len(known) * part // 4, size) for part in (2, 3))
    last = _middle_mean(known[-size:])
    # |x - y| of two draws has the median 0.954 sigma; the difference of two means of n the error
    # sigma sqrt(2 / n).
    error = scatter / 0.954 * float(np.sqrt(2 / size))
    return Trend(_middle_mean(known[:size]), last, scatter, error, half - last, later - last)


def fell_at_once(values: Array, found: Trend, first: int = AT_ONCE) -> bool:
    """Whether a series fell clearly, but so fast that the first window shows nothing of it.

    A net may learn in ten iterations; of a loss, it may also only leave a bad start for the
    constant answer.
    """
    start = float(np.median(values[np.isfinite(values)][:first]))
    return start - found.last > max(CLEAR_FALL * found.scatter, ROUNDING * abs(found.last))


def _around(values: Array, middle: int, size: int) -> float:
    """Return the mean of `size` values around a place."""
    first = max(0, min(middle - size // 2, len(values) - size))
    return _middle_mean(values[first : first + size])


def _middle_mean(values: Array) -> float:
    """Return the median of five means: a mean, so that rare large losses of small batches count,
    but no single one.
    """
    parts = np.array_split(values, min(5, len(values)))
    return (
        float(np.median([part.mean() for part in parts]))
        if len(values) >= 25
        else float(values.mean())
    )
