"""How much of the gradient is left on its way back: by block in a stream, else by layer.

In a net of blocks with residual connections, the gradient from layer to layer goes up and down
with the layers' roles and says little; what reaches the first block is the stream's gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.report.pictures import series, stream
from gradlab.report.wording import number, power
from gradlab.rules.places import called, telling_names
from gradlab.run import Run

Array = np.ndarray

HEAD, TAIL, WHOLE = 4, 3, 10  # factors that are written at the ends, and how many without a gap


@dataclass(frozen=True)
class WayBack:
    """The gradient in every place, relative to the last.

    Attributes
    ----------
    iteration : int
    decades : ndarray (P,)
        log10 of the gradient's norm over that of the last place, the first place first; the median
        over seeds. NaN where it is not known.
    places : list of str
        What the P places are called, such as "layer 1" or "blocks.0".
    by_block : bool
        The places are blocks, and the gradient is that of the residual stream.
    """

    iteration: int
    decades: Array
    places: list[str]
    by_block: bool

    @property
    def arrives(self) -> float:
        """log10 of the part of it that reaches the first place."""
        return float(self.decades[0])


def way_back(run: Run, iteration: int = 0) -> WayBack | None:
    """Follow the gradient back; None where it was not recorded."""
    if not run.iterations:
        return None
    found = stream.collect(run, [iteration]) if len(run.blocks) else None
    if found is not None:
        (at, held), *_ = found.moments.items()
        with np.errstate(all="ignore"):
            logs = np.log10(held["stream_grad_norm"].median)
            return WayBack(at, logs - logs[-1], found.blocks, True)
    if "delta_norm" not in run:
        return None
    decades = series.relative_decades(run, iteration)
    return WayBack(iteration, decades, layer_words(run)[: len(decades)], False)


def layer_words(run: Run) -> list[str]:
    """Return what a sentence calls each layer: its name, or "layer 3" where that says no more."""
    names = telling_names(run)
    return [called(name) or f"layer {number}" for number, name in enumerate(names, 1)]


def chains(run: Run) -> dict[str, Any]:
    """Write the product out, before training and at the last finite iteration.

    Returns
    -------
    dict
        "start" and "end", each with iteration, from, to (words), by_block, head, left_out (count
        and typical factor), tail, and total; a factor has from, into (words) and factor. Empty
        where the factors are not known.
    """
    last = series.last_finite(run) if run.iterations else 0
    made = {}
    for key, iteration in (("start", 0), ("end", last)):
        found = _by_block(run, iteration) or _by_layer(run, iteration)
        if found is not None:
            made[key] = found
    return made


def _by_block(run: Run, iteration: int) -> dict[str, Any] | None:
    way = way_back(run, iteration)
    if way is None or not way.by_block:
        return None
    with np.errstate(all="ignore"):
        logs = (way.decades[:-1] - way.decades[1:])[::-1] * np.log(10)
    return _chain(logs, way.places[::-1], way.iteration, True) if np.isfinite(logs).all() else None


def _by_layer(run: Run, iteration: int) -> dict[str, Any] | None:
    found = series.factors(run, iteration)
    if found is None:
        return None
    names = layer_words(run)
    places = [names[layer - 1] for layer in (int(found.steps[0]) + 1, *found.steps)]
    return _chain(found.total, places, iteration, False)


def _chain(logs: Array, places: list[str], iteration: int, by_block: bool) -> dict[str, Any]:
    """Return one factor a step, from the last place to the first, abridged where it is long."""
    with np.errstate(all="ignore"):
        each = np.exp(logs)
    shown = [
        {"from": start, "into": end, "factor": number(value)}
        for start, end, value in zip(places[:-1], places[1:], each, strict=True)
    ]
    left_out = len(shown) - HEAD - TAIL if len(shown) > WHOLE else 0
    middle = logs[HEAD : len(logs) - TAIL] if left_out else np.zeros(1)
    with np.errstate(all="ignore"):
        typical = number(float(np.exp(middle.mean())))
    return {
        "iteration": iteration,
        "from": places[0],
        "to": places[-1],
        "by_block": by_block,
        "head": shown[:HEAD] if left_out else shown,
        "left_out": {"count": left_out, "typical": typical},
        "tail": shown[-TAIL:] if left_out else [],
        "total": power(float(logs.sum() / np.log(10))),
    }
