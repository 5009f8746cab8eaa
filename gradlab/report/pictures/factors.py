"""The product that makes or breaks the backward signal: which factor, and at which layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures import series
from gradlab.report.pictures.axes import (
    factor_axis,
    layer_names,
    layer_word,
    slanted,
    title,
    whole_ticks,
)
from gradlab.report.pictures.draw import NEUTRAL, ON_BAR, TERM_COLOURS, Spec, existing, named, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import TERM_WORDS, power
from gradlab.run import Run

Array = np.ndarray

ROOM = 0.16  # of the whole range, beside the bars: what is written at their ends
TOTAL = "all together"


@dataclass(frozen=True)
class FactorsInfo:
    """What the picture shows; logarithms are decimal.

    Attributes
    ----------
    iteration : int
    names : list of str
        Of the layers; empty where a name says no more than the number.
    steps : ndarray of int
        The lower layer of each step, L-1 .. 1: the way the signal travels.
    terms : dict of str to ndarray
        Term -> log10 of its factor in each step.
    """

    iteration: int
    names: list[str]
    steps: Array
    terms: dict[str, Array]

    @property
    def sums(self) -> dict[str, float]:
        """Term -> log10 of what it does on the whole way."""
        return {term: float(value.sum()) for term, value in self.terms.items()}

    @property
    def total(self) -> float:
        """log10 of the whole product."""
        return sum(self.sums.values())


def collect(run: Run, iteration: int) -> FactorsInfo:
    """Collect `gradlab.figures.factors`.

    Raises
    ------
    ArgumentError
        The run does not hold finite log gains at this iteration.
    """
    iteration = existing(run, series.TERMS["weight"], iteration)
    found = series.factors(run, iteration)
    if found is None:
        raise ArgumentError(
            f"run {run.name!r} has no seed whose log gains are finite at iteration {iteration}"
        )
    terms = {term: value / np.log(10) for term, value in found.terms.items()}
    return FactorsInfo(iteration, layer_names(run), found.steps, terms)


def draw(info: FactorsInfo) -> Spec:
    """Draw the info: a waterfall of the terms above, step by step below."""
    lowest = layer_word(int(info.steps[-1]), info.names)
    parts = ", ".join(f"{TERM_WORDS[term]} {power(value)}" for term, value in info.sums.items())
    reach = len(info.steps) + 0.5
    whole = power(info.total)
    figure = spec(
        [_waterfall(info), *_steps(info)],
        f"From the last layer to {lowest} the signal is multiplied by {whole}: {parts}.",
        barmode="relative",
        margin={"l": 112, "r": 12, "t": 8, "b": 44},
        showlegend=False,  # the bars above name the colours
        xaxis=_sum_axis(info) | {"anchor": "y"},
        yaxis={"domain": [0.65, 1], "autorange": "reversed", "anchor": "x"},
        xaxis2={
            "title": title("step into layer"),
            "range": [reach, 0.5],
            "anchor": "y2",
            **whole_ticks(len(info.steps), info.names),
            **slanted(info.names),
        },
        yaxis2=_step_axis(info) | {"domain": [0, 0.47], "anchor": "x2"},
    )
    return named(figure, info.names)


def _sum_axis(info: FactorsInfo) -> Spec:
    ends = [0.0, *np.cumsum(list(info.sums.values()))]
    room = ROOM * max(max(ends) - min(ends), 1e-3)
    low, high = min(ends) - room, max(ends) + room
    return factor_axis("factor, all layers together", low, high, ticks=5)


def _step_axis(info: FactorsInfo) -> Spec:
    """Bars of one sign stand on each other, those above 1 upwards and those below 1 downwards."""
    stacked = np.array(list(info.terms.values()))
    with np.errstate(all="ignore"):
        up = float(np.where(stacked > 0, stacked, 0).sum(axis=0).max(initial=0.0))
        down = float(np.where(stacked < 0, stacked, 0).sum(axis=0).min(initial=0.0))
    room = 0.05 * max(up - down, 0.2)
    return factor_axis("factor", down - room, up + room, ticks=5)


def _waterfall(info: FactorsInfo) -> Spec:
    """Each bar starts where the one above it ends; the last one is the result."""
    sums = info.sums
    values = [*sums.values(), info.total]
    longest = max(map(abs, values)) or 1.0
    # A phone has no room beside a long bar.
    beside = ["inside" if abs(value) > 0.4 * longest else "outside" for value in values]
    return {
        "type": "bar", "orientation": "h", "y": [*(TERM_WORDS[term] for term in sums), TOTAL],
        "x": values, "base": [0.0, *np.cumsum(list(sums.values()))[:-1], 0.0],
        "marker": {"color": [*(TERM_COLOURS[term] for term in sums), NEUTRAL]},
        "showlegend": False, "text": [f"× {power(value)}" for value in values],
        "textposition": beside, "insidetextanchor": "middle", "insidetextfont": {"color": ON_BAR},
        "constraintext": "none", "cliponaxis": False,
        "hovertemplate": "%{y}: %{text}<extra></extra>", "name": "all layers together",
    }  # fmt: skip


def _steps(info: FactorsInfo) -> list[Spec]:
    return [
        {
            "type": "bar", "x": info.steps, "y": value, "name": TERM_WORDS[term], "xaxis": "x2",
            "yaxis": "y2", "marker": {"color": TERM_COLOURS[term]},
            "customdata": [power(float(each)) for each in value],
            "hovertemplate": "into layer %{x}: × %{customdata}<extra>%{fullData.name}</extra>",
        }
        for term, value in info.terms.items()
    ]  # fmt: skip


def _at_start(scene: Scene) -> Spec | None:
    return None if series.factors(scene.run, 0) is None else draw(collect(scene.run, 0))


def _at_end(scene: Scene) -> Spec | None:
    last = series.last_finite(scene.run)
    if last == 0 or series.factors(scene.run, last) is None:
        return None
    return draw(collect(scene.run, last))


# They stand with the product written out, not in a panel of their own.
TITLE = "The product, layer by layer"
PICTURES = (
    Picture("factors_start", TITLE, 1, _at_start, shape="tall", panel=False),
    Picture("factors_end", TITLE, 2, _at_end, shape="tall", panel=False),
)
