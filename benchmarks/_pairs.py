"""Measure competitors side by side: interleaved, medians, a gate against a noisy machine, a table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NOISE = 0.03  # the same thing measured twice may differ by so much; beyond, nothing is concluded


@dataclass(frozen=True)
class Measured:
    """Seconds of each competitor, round by round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """The middle of a competitor's seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, base: str) -> tuple[float, float, float]:
        """Median, lower and upper quartile of the ratios to `base`, each of one round."""
        each = [a / b for a, b in zip(self.seconds[name], self.seconds[base], strict=True)]
        low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
        return middle, low, high

    def difference(self, name: str, base: str) -> tuple[float, float, float]:
        """Median, lower and upper quartile of the differences to `base`, each of one round, in seconds."""
        each = [a - b for a, b in zip(self.seconds[name], self.seconds[base], strict=True)]
        low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
        return middle, low, high


def interleaved(competitors: Mapping[str, Callable[[], object]], rounds: int) -> Measured:
    """Run every competitor once a round, every other round in reverse order; one round before does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for number in range(rounds + 1):
        order = list(competitors.items())
        for name, run in reversed(order) if number % 2 else order:
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return Measured(seconds)


def gate(measured: Measured, one: str, same: str) -> str:
    """Say whether two measurements of the same thing agree."""
    apart = abs(measured.ratio(one, same)[0] - 1)
    word = "quiet enough" if apart <= NOISE else "INCONCLUSIVE: the machine was too noisy"
    return f"the same thing twice differs by {100 * apart:.1f} % ({word}; limit {100 * NOISE:.0f} %)"
