"""One moment of every layer: how far it steps, how many units answer, how its activations are spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradlab.errors import ArgumentError
from gradlab.report.pictures import series
from gradlab.report.pictures.draw import (
    LATER,
    MEASURED,
    NEUTRAL,
    PREDICTED,
    Spec,
    band,
    existing,
    layer_axis,
    layer_names,
    line,
    log_axis,
    marked,
    named,
    positive,
    spec,
    title,
)
from gradlab.report.wording import number
from gradlab.run import Run

Array = np.ndarray

USUAL_STEP = 1e-3  # of the weights' own norm: where training goes well (CS231n, Neural Networks 3)
GAP = 0.09  # between two rows, of the picture's height


def layer_statistics(run: Run, iteration: int, times: Sequence[int]) -> Spec:
    """Draw `gradlab.figures.layer_statistics`; `times` become frames."""
    rows = [row for row in ROWS if row.present(run)]
    if not rows:
        raise ArgumentError(f"run {run.name!r} holds no update ratio, no dead fraction and no activations to draw")
    iteration = existing(run, rows[0].columns[0], iteration)
    moments = {int(t): [row.read(run, int(t)) for row in rows] for t in {iteration, *times}}
    x, names = np.arange(1, run.shape[2] + 1), layer_names(run)
    height = (1 - GAP * (len(rows) - 1)) / len(rows)
    data, layout = [], {}
    for k, row in enumerate(rows):
        axis = "y" if k == 0 else f"y{k + 1}"
        data += [trace | {"yaxis": axis} for trace in row.draw(x, moments[iteration][k])]
        top = 1 - k * (height + GAP)
        seen = [values for moment in moments.values() for values in moment[k]]
        layout[f"yaxis{axis[1:]}"] = row.axis(seen) | {"domain": [max(0.0, top - height), top]}
    layout["xaxis"] = layer_axis(len(x), names) | {"anchor": f"y{len(rows)}" if len(rows) > 1 else "y"}
    alt = f"By layer at iteration {iteration}: " + "; ".join(
        row.alt(values) for row, values in zip(rows, moments[iteration], strict=True)
    )
    figure = spec(data, f"{alt}.", **layout)
    figure["frames"] = [_frame(int(t), rows, x, moments[int(t)]) for t in times]
    return named(figure, names)


def _frame(iteration: int, rows: Sequence[Row], x: Array, values: Sequence[list[Array]]) -> Spec:
    drawn = [trace for row, each in zip(rows, values, strict=True) for trace in row.draw(x, each)]
    moving = ("y", "customdata")
    return {"name": str(iteration), "data": [{key: trace[key] for key in moving if key in trace} for trace in drawn]}


class Row:
    """One of the pictures that share the axis of layers.

    Parameters
    ----------
    columns : tuple of str
        The statistics it is drawn from; those a run does not hold are left out.
    all_needed : bool
        Whether it is drawn only where the run holds all of them.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        draw: Callable[[Array, list[Array]], list[Spec]],
        axis: Callable[[list[Array]], Spec],
        alt: Callable[[list[Array]], str],
        *,
        all_needed: bool = False,
    ):
        self.columns, self.draw, self.axis, self.alt, self._all_needed = columns, draw, axis, alt, all_needed

    def present(self, run: Run) -> bool:
        """Whether this run holds what is to be drawn."""
        return (all if self._all_needed else any)(name in run for name in self.columns)

    def read(self, run: Run, iteration: int) -> list[Array]:
        """Return median, smallest and largest value over seeds (L,) of each column; NaN where there is none."""
        read = []
        for name in self.columns:
            if name in run:
                over = series.layer_band(run, name, recorded_before(run, name, iteration))
                read += [over.median, over.low, over.high]
            else:
                read += [np.full(run.shape[2], np.nan)] * 3
        return read


def recorded_before(run: Run, column: str, iteration: int) -> int:
    """Return the last iteration up to this one at which a statistic was recorded; the first one where none was."""
    known = series.recorded_iterations(run, column)
    return int(known[max(int(np.searchsorted(known, iteration, side="right")) - 1, 0)])


def _draw_step(x: Array, values: list[Array]) -> list[Spec]:
    median, low, high = map(positive, values)
    hover = "layer %{x}: a step is %{y:.2g} of ‖W‖<extra></extra>"
    return [
        *band(x, low, high, MEASURED),
        line(x, median, MEASURED, "step ‖ΔW‖ / ‖W‖", hover, mode=marked(len(x))),
        line(x, np.full(len(x), USUAL_STEP), NEUTRAL, "usual: 10⁻³", "%{fullData.name}<extra></extra>",
             line={"dash": "dash", "width": 1.5}),
    ]  # fmt: skip


def _draw_units(x: Array, values: list[Array]) -> list[Spec]:
    hover = "layer %{x}: %{y:.0%}<extra>%{fullData.name}</extra>"
    dead, saturated = values[0], values[3]
    return [
        line(x, dead, PREDICTED, "dead units", hover, mode=marked(len(x))),
        line(x, saturated, LATER, "saturated units", hover, mode=marked(len(x)), line={"dash": "dot"}),
    ]


def _draw_activations(x: Array, values: list[Array]) -> list[Spec]:
    mean, deviation = values[0], values[3]
    hover = "layer %{x}: mean %{y:.3g}, deviation %{customdata:.3g}<extra></extra>"
    with np.errstate(all="ignore"):
        low, high = mean - deviation, mean + deviation
    return [
        *band(x, low, high, MEASURED),
        line(x, mean, MEASURED, "activations: mean ± deviation", hover, mode=marked(len(x)), customdata=deviation,
             showlegend=False),
    ]  # fmt: skip


def _linear(values: Array) -> Spec:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"range": [-1, 1]}
    low, high = float(finite.min()), float(finite.max())
    room = 0.08 * (high - low) or max(abs(high), 1.0) * 0.1
    return {"range": [low - room, high + room]}


def _activation_axis(seen: list[Array]) -> Spec:
    """Hold mean ± deviation of every moment; `seen` is median, low, high of the mean, then of the deviation."""
    pairs = zip(seen[0::6], seen[3::6], strict=True)
    with np.errstate(all="ignore"):
        ends = [end for mean, deviation in pairs for end in (mean - deviation, mean + deviation)]
    return {"title": title("activations"), "exponentformat": "power", "nticks": 5, **_linear(np.concatenate(ends))}


def _share(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return f"up to {finite.max():.0%}" if len(finite) else "not recorded"


def _span(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return f"{number(float(finite.min()))} to {number(float(finite.max()))}" if len(finite) else "no finite number"


ROWS = (
    Row(("update_ratio",), _draw_step, lambda seen: log_axis("step", [*seen, USUAL_STEP], ticks=3),
        lambda values: f"a step is {_span(values[0])} of the weights' norm"),
    Row(("dead_fraction", "saturated_fraction"), _draw_units,
        lambda seen: {"title": title("units"), "range": [-0.04, 1.04], "tickformat": ".0%", "tickvals": [0, 0.5, 1]},
        lambda values: f"dead units {_share(values[0])}, saturated ones {_share(values[3])}"),
    Row(("activation_mean", "activation_std"), _draw_activations, _activation_axis,
        lambda values: f"mean activation {_span(values[0])}, deviation {_span(values[3])}", all_needed=True),
)  # fmt: skip
