"""How large inputs and targets are, beside what a network handles well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import factor_axis
from gradlab.report.pictures.draw import BROKEN, MEASURED, NEUTRAL, Spec, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import number
from gradlab.run import Run
from gradlab.statistics import get

COLUMNS = ("input_rms", "target_rms", "target_mean")
FAR = 1.0  # decades from 1
ROOM = 0.2


@dataclass(frozen=True)
class ScalesInfo:
    """What the picture shows.

    A statistic's label -> its size at the first iteration it is known.
    """

    sizes: dict[str, float]


def collect(run: Run) -> ScalesInfo | None:
    """Collect the picture; None where neither inputs nor targets were measured."""
    sizes = {}
    for column in COLUMNS:
        recorded = run.step_recorded(column)
        known = np.flatnonzero(recorded.any(axis=1))
        if len(known):
            row = known[:1]
            over = series.over_seeds(np.abs(run.step(column)[row]), recorded[row], axis=1)
            sizes[get(column, "step").label] = float(over.median[0])
    return ScalesInfo(sizes) if sizes else None


def draw(info: ScalesInfo) -> Spec:
    """Draw the info: bars in powers of ten, to the right of 1 and to the left of it."""
    with np.errstate(all="ignore"):
        decades = np.log10(np.array(list(info.sizes.values()), float))
    finite = decades[np.isfinite(decades)]
    low, high = min(finite.min(initial=0.0), -2.0), max(finite.max(initial=0.0), 2.0)
    room = ROOM * (high - low)
    drawn = np.where(np.isfinite(decades), decades, 0.0)
    colours = [
        NEUTRAL if not np.isfinite(each) else BROKEN if abs(each) > FAR else MEASURED
        for each in decades
    ]
    words = [number(value) for value in info.sizes.values()]
    bar = {
        "type": "bar", "orientation": "h", "y": list(info.sizes), "x": drawn, "name": "size",
        "text": words, "textposition": "outside", "cliponaxis": False,
        "marker": {"color": colours}, "hovertemplate": "%{y}: %{text}<extra></extra>",
    }  # fmt: skip
    axis = factor_axis("size", low - room, high + room, ticks=5)
    axis["ticktext"] = [text.removeprefix("× ") for text in axis["ticktext"]]
    listed = ", ".join(f"{name} {word}" for name, word in zip(info.sizes, words, strict=True))
    return spec(
        [bar],
        f"Sizes: {listed}. Networks handle sizes near 1 well.",
        xaxis=axis,
        yaxis={"autorange": "reversed"},
        showlegend=False,
        margin={"l": 112, "r": 12, "t": 8, "b": 44},
    )


def _make(scene: Scene) -> Spec | None:
    info = collect(scene.whole)
    return None if info is None else draw(info)


PICTURES = (
    Picture(
        key="scales",
        title="Size of inputs and targets",
        order=34,
        make=_make,
        answers=("GL404",),
        hint="Networks handle sizes near 1 well. Pink: more than tenfold away from 1.",
        reading=(
            "<p>Targets in the thousands make a loss in the millions, and gradients of the same "
            "size; inputs far from 1 do the same to the first layer. Standardize both.</p>"
            "<p class='formula'>rms: √ mean x²; the target's mean is shown by its size</p>"
        ),
    ),
)
