"""How findings are worded: numbers, layers, seeds and iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab.rules.base import Window
from gradlab.run import Run

OF_LOSS = "loss: "  # begins the name of an operation behind the criterion's answer
SMALL_SHARE = 1e-4  # 0.01 %
LARGE_SHARE = 10.0  # 1000 %


def seeds(replicates: Mapping[str, Any]) -> str:
    """Word how many seeds are hit: "in 6 of 8 seeds"; nothing for a single net."""
    return (
        ""
        if replicates["total"] == 1
        else f" in {replicates['hit']} of {replicates['total']} seeds"
    )


def number(value: float) -> str:
    """Write a number as a reader wants it: three significant digits, powers of ten only where they
    help.
    """
    value = float(value)
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    if 1000 <= abs(value) < 1e4:
        return f"{value:.0f}"
    if 1e-3 <= abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def share(value: float) -> str:
    """Write a part of a whole: "12.5 %", but "1.2e-12" where a percentage would be no easier."""
    if 0 < abs(value) < SMALL_SHARE:
        return number(value)
    return f"{number(100 * value)} %"


def part_of(value: float) -> str:
    """Write a ratio before what it is a ratio to: "12.5 % of", and from 1000 % on "17 times"."""
    return f"{number(value)} times" if abs(value) >= LARGE_SHARE else f"{share(value)} of"


def are_hit(layers: Sequence[int]) -> str:
    """Word which layers are hit: "layers 1-3 are hit"."""
    return f"{span(layers)} {'are' if len(layers) > 1 else 'is'} hit"


def during(run: Run, window: Window) -> str:
    """Word a span of rows by their iterations: "in iterations 40-89", "in iteration 0"."""
    first, last = (int(run.times[row]) for row in window.iterations)
    return f"in iteration {first}" if first == last else f"in iterations {first}-{last}"


def span(layers: Sequence[int]) -> str:
    """Write layer numbers compactly: "layers 1-9", "layers 1-3 and 7", "layer 4"."""
    if not layers:
        return "the net"
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    words = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"layer{'s' if len(layers) > 1 else ''} {listed}"
