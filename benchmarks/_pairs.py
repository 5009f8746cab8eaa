"""Competitors side by side: taking turns, ratios within a round, a gate against noise, goals."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NOISE = 0.03  # the same thing measured twice may differ by so much; beyond, nothing is concluded
# names the file to which goals are added, for the summary of all areas
GOALS = "GRADLAB_BENCHMARK_GOALS"


@dataclass(frozen=True)
class Measured:
    """Seconds of each competitor, round by round."""

    seconds: Mapping[str, Sequence[float]]

    def __contains__(self, name: str) -> bool:
        return name in self.seconds

    def median(self, name: str) -> float:
        """The middle of a competitor's seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, base: str) -> tuple[float, float, float]:
        """Median, lower and upper quartile of the ratios to `base`, each of one round."""
        each = [a / b for a, b in zip(self.seconds[name], self.seconds[base], strict=True)]
        low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
        return middle, low, high

    def difference(self, name: str, base: str) -> tuple[float, float, float]:
        """Median and quartiles of the differences to `base` within a round, in seconds."""
        each = [a - b for a, b in zip(self.seconds[name], self.seconds[base], strict=True)]
        low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
        return middle, low, high

    def told(self, name: str, base: str) -> str:
        """Write a ratio and its quartiles; a dash where one of the two was not there."""
        if name not in self or base not in self:
            return "-"
        middle, low, high = self.ratio(name, base)
        return f"{middle:.2f} ({low:.2f}-{high:.2f})"

    def quiet(self, one: str, same: str) -> bool:
        """Whether two measurements of the same thing agree."""
        return abs(self.ratio(one, same)[0] - 1) <= NOISE


def interleaved(competitors: Mapping[str, Callable[[], object]], rounds: int) -> Measured:
    """Run every competitor once a round, in alternating order, after a round to warm up."""
    return in_turn({name: _timed(run) for name, run in competitors.items()}, rounds)


def in_turn(measures: Mapping[str, Callable[[], float]], rounds: int) -> Measured:
    """Take every measure once a round, in alternating order, after a round to warm up."""
    kept: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + 1):
        order = list(measures.items())
        for name, measure in reversed(order) if number % 2 else order:
            value = measure()
            if number:
                kept[name].append(value)
    return Measured(kept)


def _timed(run: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return measure


def gate(measured: Measured, one: str, same: str) -> str:
    """Say whether two measurements of the same thing agree."""
    apart = abs(measured.ratio(one, same)[0] - 1)
    word = "quiet enough" if apart <= NOISE else "INCONCLUSIVE: the machine was too noisy"
    return (
        f"the same thing twice differs by {100 * apart:.1f} % ({word}; limit {100 * NOISE:.0f} %)"
    )


def goal(
    what: str,
    value: float | None,
    limit: float,
    *,
    most: bool = True,
    unit: str = "x",
    quiet: bool = True,
) -> None:
    """Print a goal and whether it is met, and keep it for the summary of all areas."""
    if value is None:
        verdict, shown = "not measured: the peer is not installed", "-"
    else:
        met = value <= limit if most else value >= limit
        verdict = (
            "met"
            if met
            else f"missed by {value / limit if most else limit / value:.2f}x"
            if limit
            else "missed"
        )
        verdict, shown = verdict if quiet else f"{verdict}, INCONCLUSIVE", f"{value:.2f} {unit}"
    line = (
        f"{what:<58} {shown:>9}   {'at most' if most else 'at least'} {limit:g} {unit}: {verdict}"
    )
    print(f"goal: {line}", flush=True)
    if os.environ.get(GOALS):
        with open(os.environ[GOALS], "a") as file:  # noqa: PTH123
            file.write(json.dumps(line) + "\n")
