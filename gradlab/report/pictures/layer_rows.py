"""The rows of the picture of layer statistics: updates, units, activations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradlab.report.pictures import series
from gradlab.report.pictures.axes import Spec, linear_axis, log_axis, share_ticks, title
from gradlab.report.pictures.draw import (
    LATER,
    MEASURED,
    NEUTRAL,
    PREDICTED,
    band,
    line,
    marked,
    positive,
)
from gradlab.report.wording import number
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

# Of the weights' own norm: where training goes well (CS231n, Neural Networks 3).
USUAL_UPDATE = 1e-3


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
        self.columns, self.draw, self.axis, self.alt, self._all_needed = (
            columns,
            draw,
            axis,
            alt,
            all_needed,
        )

    def present(self, run: Run) -> bool:
        """Whether this run holds what is to be drawn."""
        return (all if self._all_needed else any)(name in run for name in self.columns)

    def read(self, run: Run, iteration: int) -> list[Array]:
        """Return median, smallest and largest value over seeds (L,) of each column.

        NaN where there is none.
        """
        read = []
        for name in self.columns:
            if name in run:
                over = series.layer_band(run, name, recorded_before(run, name, iteration))
                read += [over.median, over.low, over.high]
            else:
                read += [np.full(run.shape[2], np.nan)] * 3
        return read


def recorded_before(run: Run, column: str, iteration: int) -> int:
    """Return the last iteration up to this one at which a statistic was recorded.

    The first one where none was.
    """
    known = series.recorded_iterations(run, column)
    return int(known[max(int(np.searchsorted(known, iteration, side="right")) - 1, 0)])


def _draw_update(x: Array, values: list[Array]) -> list[Spec]:
    median, low, high = map(positive, values)
    hover = "layer %{x}: the update is %{y:.2g} of ‖W‖<extra></extra>"
    return [
        *band(x, low, high, MEASURED),
        line(x, median, MEASURED, get("update_ratio").title, hover, mode=marked(len(x))),
        line(
            x,
            np.full(len(x), USUAL_UPDATE),
            NEUTRAL,
            "usual: 10⁻³",
            "%{fullData.name}<extra></extra>",
            line={"dash": "dash", "width": 1.5},
        ),
    ]


def _draw_units(x: Array, values: list[Array]) -> list[Spec]:
    hover = "layer %{x}: %{y:.0%}<extra>%{fullData.name}</extra>"
    dead, saturated = values[0], values[3]
    return [
        line(x, dead, PREDICTED, "dead units", hover, mode=marked(len(x))),
        line(
            x, saturated, LATER, "saturated units", hover, mode=marked(len(x)), line={"dash": "dot"}
        ),
    ]


def _draw_activations(x: Array, values: list[Array]) -> list[Spec]:
    mean, deviation = values[0], values[3]
    hover = "layer %{x}: mean %{y:.3g}, deviation %{customdata:.3g}<extra></extra>"
    with np.errstate(all="ignore"):
        low, high = mean - deviation, mean + deviation
    return [
        *band(x, low, high, MEASURED),
        line(
            x,
            mean,
            MEASURED,
            "activations: mean ± deviation",
            hover,
            mode=marked(len(x)),
            customdata=deviation,
        ),
    ]


def _activation_axis(seen: list[Array]) -> Spec:
    """Hold mean ± deviation of every moment.

    `seen` is median, low, high of the mean, then of the deviation.
    """
    pairs = zip(seen[0::6], seen[3::6], strict=True)
    with np.errstate(all="ignore"):
        ends = [end for mean, deviation in pairs for end in (mean - deviation, mean + deviation)]
    return linear_axis("activations", np.concatenate(ends)) | {
        "exponentformat": "power",
        "nticks": 5,
    }


def _share(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return f"up to {finite.max():.0%}" if len(finite) else "not recorded"


def _span(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return (
        f"{number(float(finite.min()))} to {number(float(finite.max()))}"
        if len(finite)
        else "no finite number"
    )


ROWS = (
    Row(
        ("update_ratio",),
        _draw_update,
        lambda seen: log_axis("update", [*seen, USUAL_UPDATE], ticks=3),
        lambda values: f"an update is {_span(values[0])} of the weights' norm",
    ),
    Row(
        ("dead_fraction", "saturated_fraction"),
        _draw_units,
        lambda seen: {
            "title": title("units"),
            "range": [-0.04, 1.04],
            **share_ticks(),
        },
        lambda values: f"dead units {_share(values[0])}, saturated units {_share(values[3])}",
    ),
    Row(
        ("activation_mean", "activation_std"),
        _draw_activations,
        _activation_axis,
        lambda values: f"mean activation {_span(values[0])}, deviation {_span(values[3])}",
        all_needed=True,
    ),
)
