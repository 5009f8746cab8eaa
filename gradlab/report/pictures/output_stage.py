"""The operations between the last layer and the loss, and the factor of the gradient at each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures.axes import factor_axis
from gradlab.report.pictures.draw import BROKEN, LATER, MEASURED, NEUTRAL, ON_BAR, Spec, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import power
from gradlab.rules.wording import OF_LOSS
from gradlab.run import Run

Array = np.ndarray

TOGETHER = "before the loss"
SMALL = -3.0  # decades: less than healthy losses leave; it is coloured
ROOM = 0.45  # of the span, beside the bars: what is written there, in a narrow picture, too


@dataclass(frozen=True)
class OutputStageInfo:
    """What the picture shows, in the order of the forward pass.

    Attributes
    ----------
    operations : list of str
        From the last layer's output to the loss.
    decades : list of float
        log10 of each operation's factor of the gradient, -inf for 0: medians over iterations and
        seeds, as a finding says them.
    total : float
        log10 of what the operations before the criterion pass on together: the median of
        `output_gain` where it was recorded, else their product.
    """

    operations: list[str]
    decades: list[float]
    total: float


def collect(run: Run) -> OutputStageInfo | None:
    """Collect the picture; None where no output stage was recorded."""
    stage = [(name, factor) for name, factor in run.output_factors if not np.isnan(factor)]
    if not stage:
        return None
    with np.errstate(all="ignore"):
        decades = [float(np.log10(factor)) for _, factor in stage]
        gains = run.step("output_gain")
        known = np.isfinite(gains).any()
        gain = float(np.log10(np.nanmedian(gains))) if known else np.nan
    names = [name for name, _ in stage]
    before = sum(each for name, each in zip(names, decades, strict=True) if OF_LOSS not in name)
    return OutputStageInfo(names, decades, gain if np.isfinite(gain) else before)


def draw(info: OutputStageInfo) -> Spec:
    """Draw the info: one bar an operation, the loss at the top, as the gradient travels."""
    names = [*_distinct(info.operations)[::-1], TOGETHER]
    decades = [*info.decades[::-1], info.total]
    finite = [each for each in decades if np.isfinite(each)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    low, high = min(low, -1.0), max(high, 0.5)
    room = ROOM * (high - low)
    drawn = [each if np.isfinite(each) else low for each in decades]  # nothing passes: to the edge
    colours = [
        BROKEN if each < SMALL else LATER if OF_LOSS in name else MEASURED
        for name, each in zip(names[:-1], decades[:-1], strict=True)
    ]
    bar = {
        "type": "bar", "orientation": "h", "y": names, "x": drawn, "name": "factor",
        "text": [f"× {power(each)}" for each in decades], "textposition": "outside",
        "insidetextfont": {"color": ON_BAR}, "constraintext": "none", "cliponaxis": False,
        "marker": {"color": [*colours, NEUTRAL]}, "hovertemplate": "%{y}: %{text}<extra></extra>",
    }  # fmt: skip
    listed = ", ".join(
        f"{name} {power(each)}" for name, each in zip(names[:-1], decades[:-1], strict=True)
    )
    axis = factor_axis("factor of the gradient", low - room, high + room, ticks=5)
    return spec(
        [bar],
        f"From the loss back to the last layer: {listed}; what stands before the criterion lets "
        f"{power(info.total)} pass.",
        xaxis=axis,
        yaxis={"autorange": "reversed"},
        showlegend=False,
        margin={"l": 112, "r": 12, "t": 8, "b": 44},
    )


def _distinct(names: list[str]) -> list[str]:
    """Number operations of the same name: a bar chart has one bar a name."""
    counted: dict[str, int] = {}
    result = []
    for name in names:
        counted[name] = counted.get(name, 0) + 1
        result.append(name if counted[name] == 1 else f"{name} ({counted[name]})")
    return result


def _make(scene: Scene) -> Spec | None:
    info = collect(scene.whole)
    return None if info is None else draw(info)


PICTURES = (
    Picture(
        key="output_stage",
        title="From the loss back to the last layer",
        order=5,
        make=_make,
        answers=("GL106",),
        hint=(
            "What each operation between the last layer and the loss does to the gradient, medians "
            "over the iterations. Violet: the loss itself, which is not counted below. Pink: less "
            "than a thousandth passes."
        ),
        reading=(
            "<p>This is the first link of the chain: what is lost here is lost to every layer. A "
            "softmax before a cross-entropy that applies softmax itself, or a saturated sigmoid, "
            "shows as a small factor. A small factor alone is no fault.</p><p class='formula'>"
            "factor = ‖∂Loss/∂(input of the operation)‖ / ‖∂Loss/∂(its output)‖</p>"
        ),
    ),
)
