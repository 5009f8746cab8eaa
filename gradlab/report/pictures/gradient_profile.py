"""The gradient signal by layer, with what theory predicts before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import layer_axis, layer_names, layer_word, log_axis
from gradlab.report.pictures.draw import (
    LATER,
    LAYER_HOVER,
    MEASURED,
    PREDICTED,
    Spec,
    band,
    direct,
    end_labels,
    ends_of,
    existing,
    flags,
    line,
    marked,
    named,
    positive,
    spec,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import number
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray


@dataclass(frozen=True)
class GradientProfileInfo:
    """What the picture shows.

    Attributes
    ----------
    names : list of str
        Of the layers, first one first; empty where a name says no more than the number.
    iteration, last : int
        The one drawn, and the last finite one.
    bands : dict of int to Band
        Iteration -> ||delta|| by layer over seeds: `iteration`, `last` and those of the replay.
    times : list of int
        The iterations of the replay.
    predicted : Predicted or None
        ||delta|| by layer before training (L,), scaled to the measured norm of the last layer.
    """

    names: list[str]
    iteration: int
    last: int
    bands: dict[int, series.Band]
    times: list[int]
    predicted: series.Predicted | None

    @property
    def now(self) -> series.Band:
        """The band of the iteration drawn."""
        return self.bands[self.iteration]

    @property
    def drawn(self) -> list[Array]:
        """All that the axis must hold; of other moments the medians: one seed must not set it."""
        values = [self.now.low, self.now.high, *(each.median for each in self.bands.values())]
        if self.predicted is not None:
            values += [self.predicted.low, self.predicted.high]
        return values


def collect(run: Run, iteration: int, times: Sequence[int] = ()) -> GradientProfileInfo:
    """Collect `gradlab.figures.gradient_profile`.

    Raises
    ------
    ArgumentError
        The run does not have this iteration, or does not hold `delta_norm`.
    """
    iteration = existing(run, "delta_norm", iteration)
    last = series.last_finite(run)
    wanted = {iteration, last, *map(int, times)}
    bands = {time: series.layer_band(run, "delta_norm", time) for time in wanted}
    predicted = series.prediction(run)
    if predicted is not None:
        start = series.layer_band(run, "delta_norm", 0).median[-1]
        predicted = predicted.scaled(start)
    return GradientProfileInfo(
        layer_names(run), iteration, last, bands, [int(time) for time in times], predicted
    )


def draw(info: GradientProfileInfo) -> Spec:
    """Draw the info; the first four traces change from frame to frame."""
    now = info.now
    x = np.arange(1, len(now.median) + 1)
    median = line(
        x,
        positive(now.median),
        MEASURED,
        f"iteration {info.iteration}",
        LAYER_HOVER,
        mode=marked(len(x)),
    )
    measured = [
        *band(x, positive(now.low), positive(now.high), MEASURED),
        median,
        flags(x, now, info.drawn),
    ]
    data = [*measured, *_theory(x, info), *_end(x, info)]
    axis = log_axis(get("delta_norm").title, info.drawn)
    # The player moves the measured line, so that its label must not name an iteration.
    ends = ends_of(data, {f"iteration {info.iteration}": "measured"})
    labels = end_labels(ends, axis) if len(ends) > 1 else []
    figure = spec(
        data,
        _alt(info),
        xaxis=layer_axis(len(x), info.names),
        yaxis=axis,
        annotations=labels,
        **direct(labels),
    )
    if len(info.times) > 1:
        figure["frames"] = [_frame(x, time, info) for time in info.times]
    return named(figure, info.names)


def _theory(x: Array, info: GradientProfileInfo) -> list[Spec]:
    if info.predicted is None:
        return []
    low, high, middle = (
        positive(part) for part in (info.predicted.low, info.predicted.high, info.predicted.ratio)
    )
    dashed = line(x, middle, PREDICTED, "predicted", LAYER_HOVER, line={"dash": "dash"})
    return [*band(x, low, high, PREDICTED), dashed]


def _end(x: Array, info: GradientProfileInfo) -> list[Spec]:
    if info.last == info.iteration:
        return []
    end = positive(info.bands[info.last].median)
    name = f"iteration {info.last}"
    return [line(x, end, LATER, name, LAYER_HOVER, line={"dash": "dot"})]


def _frame(x: Array, iteration: int, info: GradientProfileInfo) -> Spec:
    """One moment of the replay: what the first four traces become."""
    measured = info.bands[iteration]
    data = [
        {"y": positive(measured.high)},
        {"y": positive(measured.low)},
        {"y": positive(measured.median), "name": f"iteration {iteration}"},
        flags(x, measured, info.drawn),
    ]
    return {"name": str(iteration), "traces": [0, 1, 2, 3], "data": data}


def _alt(info: GradientProfileInfo) -> str:
    median = info.now.median
    first = layer_word(1, info.names)
    text = (
        f"Gradient norm by layer at iteration {info.iteration}: {number(median[0])} at {first}, "
        f"{number(median[-1])} at the last layer, {len(median)}."
    )
    if info.predicted is None:
        return text
    left = number(info.predicted.ratio[0] / info.predicted.ratio[-1])
    return f"{text} Predicted before training: {left} of the last layer's is left at {first}."


def _make(scene: Scene) -> Spec | None:
    if "delta_norm" not in scene.run:
        return None
    return draw(collect(scene.run, 0, scene.times))


PICTURES = (
    Picture(
        key="profile",
        title="Gradient by layer",
        order=10,
        make=_make,
        marks=("layer",),
        answers=("GL1",),
        hint=(
            "Blue: measured<span data-if='seeds'>, the median with the range over seeds</span>."
            "<span data-if='predicted'> Orange, dashed: what theory predicts before "
            "training.</span> "
            "A slope means that early layers get a smaller or larger gradient than late ones."
        ),
        reading=(
            "<p>A level line: every layer gets a gradient of the same size. A line that falls "
            "towards "
            "layer 1: the gradient vanishes, and early layers hardly learn. A line that rises "
            "towards "
            "layer 1: the gradient explodes. A cross marks a layer whose value is NaN, infinite or "
            "exactly 0.</p>"
            "<p class='formula'>‖δ<sub>l</sub>‖ = ‖∂Loss/∂z<sub>l</sub>‖<sub>F</sub> of the batch "
            "loss. Prediction: ‖δ<sub>l</sub>‖² ≈ χ(q<sub>l</sub>) ‖δ<sub>l+1</sub>‖², χ(q) = "
            "σ<sub>w</sub>² E[φ′(√q z)²], z ~ N(0, 1), scaled to the measured ‖δ‖ of the last "
            "layer; "
            "the band is the spread that a finite width brings.</p>"
        ),
    ),
)
