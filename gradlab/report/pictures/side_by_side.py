"""The gradient signal of several nets in one picture, each relative to its own last layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import layer_axis, layer_names, layer_word, log_axis
from gradlab.report.pictures.draw import (
    DASHES,
    LAYER_HOVER,
    LINES,
    NEUTRAL,
    Spec,
    existing,
    line,
    marked,
    named,
    positive,
    spec,
)
from gradlab.report.wording import number
from gradlab.run import Run

Array = np.ndarray


@dataclass(frozen=True)
class SideBySideInfo:
    """What the picture shows.

    Attributes
    ----------
    names : list of str
        Of the nets.
    ratios : list of ndarray (L,)
        ||delta_l|| / ||delta_L|| of each net, the median over seeds.
    layers : list of list of str
        The names of each net's layers.
    """

    names: list[str]
    ratios: list[Array]
    layers: list[list[str]]

    @property
    def deepest(self) -> int:
        """The number of layers of the deepest net."""
        return max(map(len, self.ratios), default=1)


def collect(runs: Sequence[Run], names: Sequence[str] | None, iteration: int) -> SideBySideInfo:
    """Collect `gradlab.figures.gradient_profiles`.

    Raises
    ------
    ArgumentError
        A run does not have this iteration, or does not hold `delta_norm`.
    """
    names = [run.name for run in runs] if names is None else list(names)
    ratios = []
    for run in runs:
        decades = series.relative_decades(run, existing(run, "delta_norm", iteration))
        with np.errstate(over="ignore"):
            ratios.append(10**decades)
    return SideBySideInfo(names, ratios, [layer_names(run) for run in runs])


def draw(info: SideBySideInfo) -> Spec:
    """Draw the info."""
    data = []
    ends = []
    for k, (name, ratio) in enumerate(zip(info.names, info.ratios, strict=True)):
        colour = LINES[k % len(LINES)]
        x = np.arange(1, len(ratio) + 1)
        style = {"dash": DASHES[k % len(DASHES)]}
        mode = marked(len(x))
        curve = line(x, positive(ratio), colour, name, LAYER_HOVER, mode=mode, line=style)
        data += named({"data": [curve]}, info.layers[k])["data"]
        ends.append((name, float(ratio[0]), layer_word(1, info.layers[k])))
    level = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1, "y1": 1}
    level["line"] = {"color": NEUTRAL, "width": 1}
    axis = log_axis("‖δ‖ relative to the last layer", [np.ones(1), *info.ratios])
    left = [f"{name}: {number(end)} of the signal is left at {first}." for name, end, first in ends]
    return spec(data, " ".join(left), xaxis=layer_axis(info.deepest), yaxis=axis, shapes=[level])
