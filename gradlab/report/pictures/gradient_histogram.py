"""How large the entries of the weight gradient are, by powers of two; only where recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.report.pictures.axes import layer_names, title, whole_ticks
from gradlab.report.pictures.colours import COLOURS
from gradlab.report.pictures.draw import Spec, spec
from gradlab.report.pictures.picture import Picture, Scene
from gradlab.report.wording import escape
from gradlab.run import Run
from gradlab.statistics import get

Array = np.ndarray

TICKS = 5  # of the colour bar


@dataclass(frozen=True)
class HistogramInfo:
    """What the picture shows; L layers, E exponents.

    Attributes
    ----------
    exponents : ndarray of int (E,)
        Entries with 2^e <= |g| < 2^(e + 1).
    shares : dict of int to ndarray (L, E)
        Iteration -> the part of a layer's entries, of all seeds together.
    zeros : dict of int to ndarray (L,)
        Iteration -> the part that is exactly 0.
    names : list of str
        Of the layers.
    """

    exponents: Array
    shares: dict[int, Array]
    zeros: dict[int, Array]
    names: list[str]


def collect(run: Run, times: Sequence[int]) -> HistogramInfo | None:
    """Collect the picture at the recorded iterations nearest to these; None without histograms."""
    table = run.histograms
    layers = run.shape[2]
    table = table[table["layer"] <= layers]
    exponents = table["exponent"].dropna().astype(int)
    if exponents.empty:
        return None
    low, high = int(exponents.min()), int(exponents.max())
    places = np.arange(low, high + 1)
    recorded = np.unique(table["iteration"].to_numpy())
    chosen = {int(recorded[np.abs(recorded - time).argmin()]) for time in times}
    shares, zeros = {}, {}
    for time in sorted(chosen):
        rows = table[table["iteration"] == time]
        exponent = rows["exponent"].to_numpy(float)
        count = rows["count"].to_numpy(float)
        layer = rows["layer"].to_numpy(int) - 1
        known = np.isfinite(exponent)
        counts = np.zeros((layers, len(places)))
        np.add.at(counts, (layer[known], exponent[known].astype(int) - low), count[known])
        none = np.zeros(layers)
        np.add.at(none, layer[~known], count[~known])
        total = counts.sum(axis=1) + none
        with np.errstate(all="ignore"):
            shares[time] = counts / total[:, None]
            zeros[time] = none / total
    return HistogramInfo(places, shares, zeros, layer_names(run))


def draw(info: HistogramInfo) -> Spec:
    """Draw the info: layer over exponent; its iterations become frames."""
    times = list(info.shares)
    most = max(float(np.nanmax(shares, initial=0.0)) for shares in info.shares.values())
    layers = len(info.shares[times[0]])
    ticks = np.linspace(0, most or 1.0, TICKS)
    heat = {
        "type": "heatmap", "x": info.exponents, "y": np.arange(1, layers + 1),
        "z": _shown(info, times[0]), "zmin": 0, "zmax": most or 1.0, "colorscale": COLOURS,
        "hoverongaps": False, "name": "share of the entries",
        "colorbar": {
            "thickness": 10, "outlinewidth": 0, "len": 1, "x": 1.01, "xpad": 4, "ypad": 0,
            "tickvals": ticks.tolist(), "ticktext": [f"{100 * each:.0f} %" for each in ticks],
            "title": {"text": "share of the entries", "side": "right"},
        },
        "hovertemplate": "layer %{y}: %{z:.1%} between 2<sup>%{x}</sup> and twice that"
        "<extra></extra>",
    }  # fmt: skip
    figure = spec(
        [heat],
        _alt(info, times[0]),
        xaxis={"title": title("|entry of the gradient|"), **_powers(info.exponents)},
        yaxis={
            "title": title("layer"),
            "range": [0.5, layers + 0.5],
            **whole_ticks(layers, info.names),
        },
    )
    if info.names:
        figure["layout"]["meta"]["layers"] = [escape(name) for name in info.names]
    if len(times) > 1:
        figure["frames"] = [
            {"name": str(time), "data": [{"z": _shown(info, time)}]} for time in times
        ]
    return figure


def _shown(info: HistogramInfo, time: int) -> Array:
    shares = info.shares[time]
    return np.where(shares > 0, shares, np.nan)


def _powers(exponents: Array) -> Spec:
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100) if len(exponents) / size <= 10)
    ticks = [int(e) for e in exponents if e % step == 0]
    text = [f"2<sup>{tick}</sup>".replace("-", "−") for tick in ticks]
    return {"tickvals": ticks, "ticktext": text}


def _alt(info: HistogramInfo, time: int) -> str:
    shares = np.nan_to_num(info.shares[time]).sum(axis=0)
    usual = int(info.exponents[int(shares.argmax())])
    text = f"Weight gradients at iteration {time}: most entries lie near 2^{usual}"
    zero = info.zeros[time]
    if np.nanmax(zero, initial=0.0) > 0:
        text += f"; up to {np.nanmax(zero):.0%} of a layer's entries are exactly 0"
    return f"{text}."


def _make(scene: Scene) -> Spec | None:
    info = collect(scene.whole, scene.times)
    return None if info is None else draw(info)


PICTURES = (
    Picture(
        key="gradient_histogram",
        title="Gradient entries by size",
        order=45,
        make=_make,
        hint="Each row is a layer; the brighter, the more of its gradient entries are this large.",
        reading=(
            "<p>float16 holds nothing below 2<sup>−24</sup>, and little below 2<sup>−14</sup>: "
            "what lies to the left is lost in mixed precision without a loss scale. bfloat16 and "
            "float32 reach to 2<sup>−126</sup>.</p>"
            f"<p class='formula'>{get('grad_histogram').formula}</p>"
        ),
    ),
)
