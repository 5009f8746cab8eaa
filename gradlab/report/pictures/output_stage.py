"""The operations between the last layer and the loss, and the factor of the gradient at each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures.axes import factor_axis
from gradlab.report.pictures.draw import BROKEN, MEASURED, NEUTRAL, ON_BAR, Spec, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import power
from gradlab.run import Run

Array = np.ndarray

SMALL = -3.0  # decades: less than healthy losses leave; it is coloured
ROOM = 0.3  # of the span, beside the bars: what is written there, in a narrow picture, too


@dataclass(frozen=True)
class OutputStageInfo:
    """What the picture shows, in the order of the forward pass.

    Attributes
    ----------
    iteration : int
    operations : list of str
        From the last layer's output to the loss.
    decades : list of float
        log10 of each operation's factor of the gradient: the median over seeds; -inf for 0.
    """

    iteration: int
    operations: list[str]
    decades: list[float]

    @property
    def total(self) -> float:
        """log10 of the whole product."""
        return sum(self.decades)


def collect(run: Run, iteration: int | None = None) -> OutputStageInfo | None:
    """Collect the picture of an iteration; by default of the one at which least passes.

    None where no output stage was recorded.
    """
    table = run.output_stage
    if table.empty:
        return None
    with np.errstate(all="ignore"):
        table = table.assign(decades=np.log10(table["factor"].to_numpy(float)))
    keys = ["iteration", "position", "operation"]
    medians = table.groupby(keys, sort=True, as_index=False)["decades"].median()
    if iteration is None:
        sums = medians.groupby("iteration")["decades"].sum()
        iteration = int(sums.fillna(np.inf).idxmin())
    chosen = medians[medians["iteration"] == iteration].sort_values("position")
    operations = [str(name) for name in chosen["operation"]]
    return OutputStageInfo(iteration, operations, [float(each) for each in chosen["decades"]])


def draw(info: OutputStageInfo) -> Spec:
    """Draw the info: one bar an operation, the loss at the top, as the gradient travels."""
    names = [*_distinct(info.operations)[::-1], "all together"]
    decades = [*info.decades[::-1], info.total]
    finite = [each for each in decades if np.isfinite(each)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    low, high = min(low, -1.0), max(high, 0.5)
    room = ROOM * (high - low)
    drawn = [each if np.isfinite(each) else low for each in decades]  # nothing passes: to the edge
    colours = [BROKEN if each < SMALL else MEASURED for each in decades[:-1]]
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
        f"From the loss back to the last layer, at iteration {info.iteration}: {listed}; all "
        f"together {power(info.total)}.",
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
            "What each operation between the last layer and the loss does to the gradient. Pink: "
            "less than a thousandth passes."
        ),
        reading=(
            "<p>This is the first link of the chain: what is lost here is lost to every layer. A "
            "softmax before a cross-entropy that applies softmax itself, or a saturated sigmoid, "
            "shows as a small factor. A small factor alone is no fault.</p><p class='formula'>"
            "factor = ‖∂Loss/∂(input of the operation)‖ / ‖∂Loss/∂(its output)‖</p>"
        ),
    ),
)
