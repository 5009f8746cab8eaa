"""The axes that the pictures share: layers and their names, iterations, logarithms, factors."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlab.report.wording import escape, power, power_of_ten, typeset
from gradlab.rules.places import called
from gradlab.run import Run

Array = np.ndarray
Spec = dict[str, Any]

SHORT = 5  # characters: so many stand side by side
NAME_ROOM = 18  # characters of a layer's name at an axis
PLAIN_NAME = re.compile(r"(hidden|layer)[ _]?\d+|output|\d+|")


def title(text: str) -> Spec:
    """Name an axis."""
    return {"text": text}


def layer_axis(layers: int, names: Sequence[str] = ()) -> Spec:
    """An axis of layers: whole numbers at its ticks, or their names where the net has any."""
    return {
        "title": title("layer" if names else "layer (1 reads the input)"),
        "range": [0.5, layers + 0.5],
        **whole_ticks(layers, names),
        **slanted(names),
    }


def slanted(names: Sequence[str]) -> Spec:
    """Turn the names at an axis below a picture, where they are too long to stand side by side."""
    return {"tickangle": -40} if max(map(len, names), default=0) > SHORT else {}


def whole_ticks(count: int, names: Sequence[str] = ()) -> Spec:
    """Tick 1 and some of its multiples, at most a dozen; every other number is an odd one."""
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if count / size <= 11)
    ticks = [*range(1, count + 1, 2)] if step == 2 else sorted({1, *range(step, count + 1, step)})
    return {
        "tickvals": ticks,
        **({"ticktext": [escape(elided(names[k - 1])) for k in ticks]} if names else {}),
    }


def layer_names(run: Run) -> list[str]:
    """Return what the layers are called, from the first to the last.

    Nothing where that says no more than a number.
    """
    names = [str(name) for name in run.layers["name"]]
    return [] if all(map(PLAIN_NAME.fullmatch, names)) else [called(name) for name in names]


def layer_word(number: int, names: Sequence[str]) -> str:
    """Return what a layer, given by its number from 1, is called: its name, or "layer 3"."""
    return names[number - 1] if names else f"layer {number}"


def elided(name: str) -> str:
    """Shorten a name from the left, at a dot where there is one.

    What comes last tells most, "…h.3.mlp.c_fc".
    """
    if len(name) <= NAME_ROOM:
        return name
    tail = name[
        -NAME_ROOM:
    ]  # one character more than fits: a dot there means that a whole part follows
    return "…" + (tail.partition(".")[2] if "." in tail[: 2 * NAME_ROOM // 3] else tail[1:])


def time_axis(last: int, edge: float = 0.0) -> Spec:
    """An axis of iterations from 0 to `last`; a short run gets a tick at each."""
    few, edge = ({"dtick": 1} if last <= 10 else {}), edge if last else 0.5
    return {"title": title("iteration"), "range": [-edge, last + edge], **few}


def log_axis(name: str, values: Sequence[Array | float], ticks: int = 7, **more: Any) -> Spec:
    """A logarithmic axis that holds every positive finite value, with about so many ticks.

    They stand at whole powers of ten; between less than two of these, at round numbers.
    """
    given = (
        np.concatenate([np.ravel(np.asarray(value, float)) for value in values])
        if values
        else np.array([])
    )
    logs = np.log10(given[np.isfinite(given) & (given > 0)])
    low, high = (float(logs.min()), float(logs.max())) if len(logs) else (-1.0, 1.0)
    margin = max(0.3, 0.06 * (high - low))
    low, high = low - margin, high + margin
    steps: Spec = {"dtick": decades(high - low, ticks)}
    if high - low < 2:
        between = round_numbers(low, high, ticks)
        steps = {"tickvals": between, "ticktext": [typeset(f"{value:.3g}") for value in between]}
    return {
        "title": title(name),
        "type": "log",
        "exponentformat": "power",
        "range": [low, high],
        **steps,
        **more,
    }


def linear_axis(name: str, values: Array) -> Spec:
    """A linear axis that holds every finite value, with a little room."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"title": title(name), "range": [-1, 1]}
    low, high = float(finite.min()), float(finite.max())
    room = 0.08 * (high - low) or max(abs(high), 1.0) * 0.1
    return {"title": title(name), "range": [low - room, high + room]}


MOST_TICKS = 100  # more are wanted only by numbers at the ends of what a float holds


def factor_axis(name: str, low: float, high: float, ticks: int = 7) -> Spec:
    """An axis of factors from 10^low to 10^high for bars that are drawn in powers of ten.

    Its ticks read "× 0.1", "× 1", "× 1.96".
    """
    size = decades(high - low, ticks)
    with np.errstate(over="ignore"):
        first, last = np.ceil(low / size), np.floor(high / size)
        few = last - first <= MOST_TICKS
    places = np.arange(first, last + 1) * size if few else np.array([low, high])
    written = _whole_power if few else power
    if high - low < 2:
        places, written = np.log10(round_numbers(low, high, ticks)), power
    text = [f"× {written(float(place))}" for place in places]
    return {"title": title(name), "range": [low, high], "tickvals": places, "ticktext": text}


def _whole_power(log10: float) -> str:
    return power_of_ten(round(log10))


def share_ticks(parts: int = 2) -> Spec:
    """Tick 0 to 1 in so many parts, as "0 %" to "100 %"."""
    places = [k / parts for k in range(parts + 1)]
    return {"tickvals": places, "ticktext": [f"{100 * place:.0f} %" for place in places]}


def round_numbers(low: float, high: float, ticks: int) -> Array:
    """Return round numbers between 10^low and 10^high.

    Of the finest of three rows, as many as `ticks` allows.
    """
    exponents = np.arange(np.floor(low), np.ceil(high) + 1)
    with np.errstate(all="ignore"):  # at the ends of what a float holds
        found = np.minimum(np.power(10.0, [round(low)]), sys.float_info.max)
    for row in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        with np.errstate(all="ignore"):
            values = np.outer(np.power(10.0, exponents), row).ravel()
            logs = np.log10(values)
        inside = values[(logs >= low) & (logs <= high) & np.isfinite(values)]
        found = inside if len(inside) and len(inside) <= max(ticks, 3) else found
    return found


def decades(spread: float, ticks: int = 7) -> int:
    """How many powers of ten lie between two ticks, for about `ticks` of them."""
    sizes = (1, 2, 3, 5, 10, 20, 50, 100, 200)
    return next((size for size in sizes if spread / size <= ticks), 1000)
