"""The colours of heatmaps: their scale, and the bar beside them."""

from __future__ import annotations

import numpy as np

from gradlab.report.pictures.axes import Spec, decades
from gradlab.report.wording import LOGARITHMIC, escape, power
from gradlab.statistics import get

Array = np.ndarray

COLOURS = "Cividis"
BAR_TITLE = 34  # characters beside a colour bar


def limits(values: Array) -> tuple[float, float]:
    """Return the ends of the colours: of one value alone, half a unit around it."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    return (low, high) if high - low >= 1e-6 else (low - 0.5, high + 0.5)


def colour_bar(column: str, low: float, high: float) -> Spec:
    """Return a colour bar with its statistic's name; `low` and `high` are what is coloured."""
    name = get(column).title
    name = name if len(name) <= BAR_TITLE else f"{name[: BAR_TITLE - 1]}…"
    bar: Spec = {
        "thickness": 10, "outlinewidth": 0, "len": 1, "x": 1.01, "xpad": 4, "ypad": 0,
        "title": {"text": escape(name), "side": "right"},
    }  # fmt: skip
    if column in LOGARITHMIC:
        size = decades(high - low)
        ticks = np.arange(np.ceil(low / size), np.floor(high / size) + 1) * size
        ticks = ticks if len(ticks) > 1 else np.array([low, high])
        bar |= {"tickvals": ticks, "ticktext": [_tick(float(tick)) for tick in ticks]}
    return bar


def _tick(decade: float) -> str:
    return _power_of_ten(int(decade)) if decade == int(decade) else power(decade)


def _power_of_ten(exponent: int) -> str:
    return f"10<sup>{exponent}</sup>".replace("-", "−")
