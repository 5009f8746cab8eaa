"""Gradient norm and learning rate over the iterations, up to the first NaN or infinity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import linear_axis, log_axis, time_axis
from gradlab.report.pictures.draw import (
    BROKEN,
    LATER,
    MEASURED,
    RATE,
    Spec,
    band,
    direct,
    end_labels,
    line,
    marked,
    positive,
    spec,
)
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import number
from gradlab.run import Run

Array = np.ndarray

AFTER = 0.06  # of the time before the break: so much is left behind it
SPLIT = 0.34  # of the height: below it is the learning rate


@dataclass(frozen=True)
class NormAndRateInfo:
    """What the picture shows, at the iterations `times` (T,).

    Attributes
    ----------
    times : ndarray of int
    norm : Band
        The gradient's norm over all parameters, over seeds.
    clipped : ndarray or None
        Its norm after clipping, the median over seeds.
    rate : ndarray or None
        The learning rate, the median over seeds.
    broken : int or None
        The first iteration with a NaN or infinity in any seed.
    last : int
        The last iteration that is shown.
    """

    times: Array
    norm: series.Band
    clipped: Array | None
    rate: Array | None
    broken: int | None
    last: int


def collect(run: Run, points: int = 500) -> NormAndRateInfo:
    """Collect the picture; after the first NaN or infinity, nothing is shown."""
    bad = np.flatnonzero(run.nonfinite.any(axis=1))
    broken = int(bad[0]) if len(bad) else None
    stop = run.iterations if broken is None else broken + 1
    norm = series.over_seeds(*_recorded(run, "grad_norm", stop), axis=1)
    chosen = series.thin([norm.low, norm.high], points)
    last = run.iterations - 1
    if broken is not None:
        last = min(last, max(broken + 1, round(broken * (1 + AFTER))))
    return NormAndRateInfo(
        chosen,
        series.Band(norm.median[chosen], norm.low[chosen], norm.high[chosen], norm.broken[chosen]),
        _median(run, "clipped_grad_norm", stop, chosen),
        _median(run, "learning_rate", stop, chosen),
        broken,
        max(last, 0),
    )


def _recorded(run: Run, column: str, stop: int) -> tuple[Array, Array]:
    return run.step(column)[:stop], run.step_recorded(column)[:stop]


def _median(run: Run, column: str, stop: int, chosen: Array) -> Array | None:
    values, recorded = _recorded(run, column, stop)
    if not recorded.any():
        return None
    return series.over_seeds(values, recorded, axis=1).median[chosen]


def draw(info: NormAndRateInfo) -> Spec:
    """Draw the info: the norm above, the learning rate below."""
    hover = "iteration %{x}: %{y:.3g}<extra>%{fullData.name}</extra>"
    mode = marked(len(info.times))
    norm = info.norm
    ends = [(_last(norm.median), "gradient norm", MEASURED)]
    data = [
        *band(info.times, positive(norm.low), positive(norm.high), MEASURED),
        line(info.times, positive(norm.median), MEASURED, "gradient norm", hover, mode=mode),
    ]
    drawn = [norm.low, norm.high]
    if info.clipped is not None:
        style = {"dash": "dot"}
        clipped = positive(info.clipped)
        data.append(line(info.times, clipped, LATER, "after clipping", hover, line=style))
        ends.append((_last(info.clipped), "after clipping", LATER))
        drawn.append(info.clipped)
    above = log_axis("gradient norm ‖G‖", drawn, ticks=5)
    layout: Spec = {"yaxis": above | {"domain": [0, 1]}}
    labels = end_labels(ends, above)
    if info.rate is not None:
        below = linear_axis("rate", info.rate) | {"nticks": 3, "exponentformat": "power"}
        top = float(np.nanmax(info.rate, initial=0.0))
        below["range"] = [-0.06 * top, 1.1 * top or 1.0]
        layout["yaxis"]["domain"] = [SPLIT, 1]
        layout["yaxis2"] = below | {"domain": [0, SPLIT - 0.08]}
        data.append(line(info.times, info.rate, RATE, "learning rate", hover, yaxis="y2"))
        labels += end_labels([(_last(info.rate), "learning rate", RATE)], below, "y2")
    margins = direct(labels)
    margins["margin"]["t"] = 24  # the break's label stands above the picture
    shapes = []
    if info.broken is not None:
        shapes.append(_break_line(info.broken))
        labels.append(_break_label(info))
    axis = time_axis(info.last, edge=0.02 * max(info.last, 1))
    axis["anchor"] = "y2" if info.rate is not None else "y"
    return spec(
        data, _alt(info), xaxis=axis, shapes=shapes, annotations=labels, **layout, **margins
    )


def _break_line(at: int) -> Spec:
    style = {"color": BROKEN, "width": 1.5, "dash": "dot"}
    return {"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": style}


def _break_label(info: NormAndRateInfo) -> Spec:
    at = info.broken or 0
    early = at < 0.3 * max(info.last, 1)
    return {
        "text": f"NaN or infinity at iteration {at}", "x": at, "yref": "paper", "y": 1,
        "xanchor": "left" if early else "right", "yanchor": "bottom", "showarrow": False,
        "font": {"size": 12, "color": BROKEN},
    }  # fmt: skip


def _last(values: Array) -> float:
    finite = values[np.isfinite(values) & (values > 0)]
    return float(finite[-1]) if len(finite) else float("nan")


def _alt(info: NormAndRateInfo) -> str:
    finite = info.norm.median[np.isfinite(info.norm.median)]
    text = "The gradient's norm is never finite"
    if len(finite):
        first, last = number(float(finite[0])), number(float(finite[-1]))
        text = f"The gradient's norm goes from {first} to {last}"
    if info.broken is not None:
        text += f"; the first NaN or infinity is at iteration {info.broken}"
    return f"{text}."


def _make(scene: Scene) -> Spec | None:
    run = scene.whole
    if not run.step_recorded("grad_norm").any():
        return None
    info = collect(run, scene.detail.points)
    # A run that is broken from its first iteration on has no norm to show.
    return draw(info) if np.isfinite(info.norm.median).any() else None


PICTURES = (
    Picture(
        key="norm_and_rate",
        title="Gradient norm and learning rate",
        order=32,
        make=_make,
        shape="",
        marks=("time",),
        answers=("GL001", "GL103", "GL104", "GL307", "GL312"),
        hint=(
            "The norm of the whole gradient<span data-if='seeds'>, median and range over seeds"
            "</span><span data-if='broken'>, up to the first NaN or infinity (dotted line)</span>; "
            "below it the learning rate."
        ),
        reading=(
            "<p>A norm that climbs for many iterations before a NaN: the steps are too large. A "
            "norm that jumps at once: look at the batch of that iteration. Compare with the "
            "learning rate below: is it still warming up?</p><p class='formula'>‖G‖ = "
            "‖∂Loss/∂θ‖ over all parameters θ</p>"
        ),
    ),
)
