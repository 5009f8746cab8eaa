"""Layer x iteration: a statistic as coloured squares, and what is no number as itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError, suggest
from gradlab.report.pictures import series
from gradlab.report.pictures.axes import layer_names, layer_word, time_axis, title, whole_ticks
from gradlab.report.pictures.colours import COLOURS, colour_bar, limits
from gradlab.report.pictures.draw import BROKEN, NEUTRAL, Spec, existing, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import LOGARITHMIC, RARER_WORDS, STATISTIC_WORDS, escape, number
from gradlab.run import STATISTICS, Run

Array = np.ndarray


@dataclass(frozen=True)
class HeatmapInfo:
    """What the picture shows; L layers, C iterations drawn.

    Attributes
    ----------
    column : str
    times : ndarray of int (C,)
    median : ndarray (L, C)
        Over the seeds that are finite; NaN where there is none.
    broken, zero : ndarray of bool (L, C)
        At least half of the seeds hold NaN or infinity; the median is exactly 0 on a logarithmic
        scale.
    first : tuple of int, or None
        (iteration, seed, layer from 1) of the first NaN or infinity.
    agrees : bool
        Whether the verdict names this place too.
    seeds : int
    names : list of str
        Of the layers.
    """

    column: str
    times: Array
    median: Array
    broken: Array
    zero: Array
    first: tuple[int, int, int] | None
    agrees: bool
    seeds: int
    names: list[str]

    @property
    def values(self) -> Array:
        """What is coloured: the median, or its decimal logarithm; NaN where broken or 0."""
        with np.errstate(all="ignore"):
            logs = np.where(self.median > 0, np.log10(self.median), np.nan)
        values = logs if self.column in LOGARITHMIC else self.median
        return np.where(self.broken, np.nan, values)


def collect(
    run: Run, column: str, columns: int, stated: tuple[int, int] | None = None
) -> HeatmapInfo:
    """Collect `gradlab.figures.heatmap`.

    `stated`: where the verdict says that the first number which is not finite stands (iteration,
    layer); the mark goes there where this column is broken at that place too, so that picture and
    verdict name one.

    Raises
    ------
    ArgumentError
        An unknown statistic, or one that this run does not hold.
    """
    if column not in STATISTICS:
        raise ArgumentError(f"column={column!r} is no statistic; {suggest(column, STATISTICS)}")
    existing(run, column, 0)
    first = series.first_broken(run, column)
    around = () if first is None else (first[0] - 1, first[0])
    keep = (series.last_finite(run), *series.extremes(run, column), *around)
    times = series.sample(series.recorded_iterations(run, column), columns, keep)
    rows = np.searchsorted(run.times, times)
    over = series.over_seeds(run[column][rows], run.recorded(column)[rows], axis=1)
    median = over.median.T
    broken = run.replicates <= 2 * over.broken.T
    zero = (median == 0) & ~broken & (column in LOGARITHMIC)
    agrees = True
    if first is not None:
        first = _agreed(run, column, first, stated)
        agrees = stated is None or stated == (first[0], first[2])
    return HeatmapInfo(
        column, times, median, broken, zero, first, agrees, run.replicates, layer_names(run)
    )


def draw(info: HeatmapInfo) -> Spec:
    """Draw the info."""
    data = [_heat(info)]
    for mask, colour, name in (
        (info.broken, BROKEN, "NaN or infinite"),
        (info.zero, NEUTRAL, "exactly 0"),
    ):
        if mask.any():
            data.append(_flagged(info.times, mask, colour, name))
    if info.first is not None:
        # Elsewhere the verdict names another place, before this column.
        word = "the first" if info.agrees else "the first of this statistic"
        data.append(_first_broken(info, word))
    last = int(info.times[-1]) if len(info.times) else 0
    layers = len(info.median)
    figure = spec(
        data,
        _alt(info),
        xaxis=time_axis(last, edge=max(0.5, 0.008 * last)),
        yaxis={
            "title": title("layer"),
            "range": [0.5, layers + 0.5],
            **whole_ticks(layers, info.names),
        },
    )
    if info.names:
        figure["layout"]["meta"]["layers"] = [escape(name) for name in info.names]
    return figure


def named_squares(figure: Spec) -> Spec:
    """Let every square of a heatmap say its layer's name.

    The page does the same, so that no name travels twice.
    """
    names = figure["layout"]["meta"].get("layers", ())
    for trace in figure["data"]:
        if names and trace["type"] == "heatmap":
            trace["text"] = [[name] * len(trace["x"]) for name in names]
            trace["hovertemplate"] = trace["hovertemplate"].replace("layer %{y}", "%{text}")
    return figure


def _agreed(
    run: Run, column: str, first: tuple[int, int, int], stated: tuple[int, int] | None
) -> tuple[int, int, int]:
    """Return the verdict's first place that is not finite, where this column agrees with it."""
    if stated is None or stated[0] != first[0]:
        return first
    row, layer = series.row_of(run, stated[0]), stated[1]
    values = run[column][row, :, layer - 1]
    bad = run.recorded(column)[row, :, layer - 1] & ~np.isfinite(values)
    return (stated[0], int(bad.argmax()), layer) if bad.any() else first


def _heat(info: HeatmapInfo) -> Spec:
    values = info.values
    logarithmic = info.column in LOGARITHMIC
    low, high = limits(values)
    shown = "10<sup>%{z:.2f}</sup>" if logarithmic else "%{z:.3g}"
    return {
        "type": "heatmap", "x": info.times, "y": np.arange(1, len(values) + 1), "z": values,
        "zmin": low, "zmax": high, "colorscale": COLOURS, "hoverongaps": False,
        "colorbar": colour_bar(info.column, low, high), "name": "median",
        "showscale": bool(np.isfinite(values).any()),
        "hovertemplate": f"iteration %{{x}}, layer %{{y}}: {shown}<extra></extra>",
    }  # fmt: skip


def _flagged(times: Array, mask: Array, colour: str, name: str) -> Spec:
    return {
        "type": "heatmap",
        "x": times,
        "y": np.arange(1, len(mask) + 1),
        "z": np.where(mask, 1.0, np.nan),
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "colorscale": [[0, colour], [1, colour]],
        "name": name,
        "showlegend": True,
        "hoverongaps": False,
        "hovertemplate": f"iteration %{{x}}, layer %{{y}}: {name}<extra></extra>",
    }


def _first_broken(info: HeatmapInfo, word: str) -> Spec:
    assert info.first is not None
    iteration, seed, layer = info.first
    of = f", seed {seed}" if info.seeds > 1 else ""
    where = escape(layer_word(layer, info.names))
    return {
        "type": "scatter",
        "x": [iteration],
        "y": [layer],
        "mode": "markers",
        "cliponaxis": False,
        "showlegend": True,
        "name": f"{word}: iteration {iteration}, {where}{of}",
        "hovertemplate": "%{fullData.name}<extra></extra>",
        "marker": {
            "symbol": "x",
            "size": 11,
            "color": BROKEN,
            "line": {"width": 1.5, "color": "#ffffff"},
        },
    }


def _alt(info: HeatmapInfo) -> str:
    word = (STATISTIC_WORDS | RARER_WORDS).get(info.column, info.column)
    text = f"{word} by layer and iteration"
    finite = info.median[np.isfinite(info.median)]
    if len(finite):
        text += f", from {number(float(finite.min()))} to {number(float(finite.max()))}"
    if info.first is not None:
        at = f"iteration {info.first[0]}, {layer_word(info.first[2], info.names)}"
        text += f"; the first NaN or infinity is at {at}"
    return f"{text}; {len(info.times)} iterations drawn."


def columns(scene: Scene) -> list[str]:
    """Name the statistics that are drawn: the usual ones, and rarer ones that a finding names."""
    run = scene.run
    usual = [name for name in STATISTIC_WORDS if name in run and run.recorded(name).any()]
    rarer = [
        name
        for name in RARER_WORDS
        if name in scene.named_columns and name in run and run.recorded(name).any()
    ]
    return usual + rarer


def first_not_finite(scene: Scene) -> tuple[int, int] | None:
    """Return (iteration, layer) where the verdict says the first NaN stands."""
    for finding in scene.findings:
        if "nonfinite_count" in finding.columns and finding.layers:
            return finding.iterations[0], finding.layers[0]
    return None


def _make(scene: Scene) -> dict[str, Spec]:
    place = first_not_finite(scene)
    return {
        column: draw(collect(scene.run, column, scene.detail.columns, place))
        for column in columns(scene)
    }


PICTURES = (
    Picture(
        key="heatmap",
        title="Layer by iteration",
        order=20,
        make=_make,
        marks=("time", "row"),
        answers=("GL0", "GL107", "GL301", "GL303", "GL305", "GL308", "GL309"),
        per_statistic=True,
        chooser=True,
        hint=(
            "Each square is one layer at one iteration; the brighter, the larger. Pink is NaN or "
            "infinity. <span class='onscreen'>Click a square to move every picture there.</span>"
        ),
        reading=(
            "<p>A dark lower edge in the gradient signal: the gradient vanished on its way to "
            "layer 1. With several seeds, a square shows the median of the finite values. It is "
            "pink where at least half of the seeds hold NaN or infinity, and grey where the value "
            "is exactly 0; a cross marks the first NaN or infinity. Norms and ratios are drawn on "
            "a logarithmic scale.</p><p class='formula' id='column-formula'></p>"
        ),
    ),
)
