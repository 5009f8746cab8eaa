"""At which scale of the weights can a deep network be trained?

Tanh networks of many depths and many scales of the initial weights, trained on the digits. Theory
has one critical scale: below it the signal and the gradient die out with depth, above it they turn
chaotic and explode. Only near it do deep networks learn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

import gradlab
from gradlab.comparison import Comparison
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import MEASURED, PREDICTED
from gradlab.theory import critical_gain, fixed_point

TITLE = "The edge of chaos"
QUESTION = "At which scale of the weights can a deep network be trained?"
ORDER = 13.0
SPREADS = True  # trains on every core
SECONDS = 90

ACTIVATION = "tanh"
GAINS = (0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 1.6, 2.0, 2.5, 3.0)
DEPTHS = (2, 4, 7, 12, 20, 35)
TRAINABLE = 6.0  # depth scales to which a net can be trained (Schoenholz et al. 2017, section 5)
WIDTH = 64


@dataclass(frozen=True)
class Result:
    """The trained cells as arrays, a row a gain and a column a depth.

    Attributes
    ----------
    gains, depths : tuple
    accuracy : ndarray (gain, depth)
        On held-out digits, mean over seeds; NaN where none stayed finite.
    factor : ndarray (gain, depth)
        What a layer multiplies the gradient by before training: geometric mean over the layers.
    critical : float
        The gain where theory has the edge.
    comparison : Comparison
    """

    gains: tuple[float, ...]
    depths: tuple[int, ...]
    accuracy: np.ndarray
    factor: np.ndarray
    critical: float
    comparison: Comparison


def run(*, quick: bool = False, runs: str | Path = "runs") -> Result:
    """Train every depth at every gain; finished cells in `runs` are reused."""
    gains = (0.5, 1.0, 3.0) if quick else GAINS
    depths = (2, 20) if quick else DEPTHS
    comparison = gradlab.compare(
        [f"{ACTIVATION}:lecun_normal"],
        depths,
        width=WIDTH,
        seeds=2,
        iterations=150 if quick else 300,
        learning_rate=0.1,
        sweep={"gain": gains},
        rows="gain",
        runs=runs,
    )
    shape = (len(gains), len(depths))
    by_gain = {each: number for number, each in enumerate(gains)}
    accuracy, factor = np.full(shape, np.nan), np.empty(shape)
    for cell in comparison.cells:
        at = by_gain[cell.plan.network.gain], depths.index(cell.plan.depth)
        known = [value for value in cell.accuracy if value is not None]
        accuracy[at] = np.mean(known) if known else np.nan
        factor[at] = _factor(cell.run)
    return Result(gains, depths, accuracy, factor, critical_gain(ACTIVATION, 1.0), comparison)


def _factor(run: gradlab.Run) -> float:
    """Return what a hidden layer multiplies the gradient by on its way back, before training."""
    delta = run["delta_norm"][0]  # seed, layer
    hidden = np.log(delta[:, 0] / delta[:, -2])  # the last layer has no activation
    return float(np.exp(hidden.mean() / (delta.shape[1] - 2)))


def scale(gain: float) -> float:
    """Return the depth over which the squared gradient changes by a factor e; inf at the edge."""
    chi = fixed_point(ACTIVATION, gain**2)[1]
    return math.inf if chi == 1 else 1 / abs(math.log(chi))


def theory_factor(gain: float) -> float:
    """Return theory's factor of a deep layer on the gradient: the root of chi."""
    return math.sqrt(fixed_point(ACTIVATION, gain**2)[1])


def phase(gain: float, depth: int, critical: float) -> str:
    """Return what theory says of a net: ordered, trainable or chaotic."""
    if depth <= TRAINABLE * scale(gain):
        return "trainable"
    return "ordered" if gain < critical else "chaotic"


def deepest(result: Result, gain: float) -> int:
    """Return the deepest net of a gain that reached half of the best accuracy; 0 for none."""
    row = result.accuracy[result.gains.index(gain)]
    reached = [
        depth for depth, each in zip(result.depths, row, strict=True) if each > _half(result)
    ]
    return max(reached, default=0)


def best_gain(result: Result) -> float:
    """Return the gain at which the deepest networks are right most often."""
    deep = np.nan_to_num(result.accuracy[:, -1])
    return result.gains[int(deep.argmax())]


def _half(result: Result) -> float:
    """Half way from guessing one of ten digits to the best network."""
    return float(0.5 * (0.1 + np.nanmax(result.accuracy)))


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    low, high = result.gains[0], result.gains[-1]
    last = result.depths[-1]
    by_gain = dict(zip(result.gains, result.accuracy[:, -1], strict=True))
    best = best_gain(result)
    words = {gain: _percent(by_gain[gain]) for gain in (low, best, high)}
    answer = (
        f"Near theory's critical scale, {result.critical:.2f} times 1/√n. With {last} hidden "
        f"layers a tanh network does best at {best:g}: right in {words[best]} of cases, against "
        f"{words[low]} at {low:g} and {words[high]} at {high:g}."
    )
    code = """
import gradlab

print(gradlab.theory.critical_gain("tanh", 1.0))
result = gradlab.compare(
    ["tanh:lecun_normal"], [2, 5], sweep={"gain": [0.5, 1.0, 3.0]}, rows="gain",
    iterations=50, seeds=1, width=16,
)
print(result)
"""
    sections = [
        Section(
            "Three phases",
            "Each square is a trained network: its accuracy on held-out digits. The dashed line is "
            "the critical scale of the weights. Below it (ordered) two inputs become alike with "
            "depth and the gradient vanishes; above it (chaotic) like inputs become unlike and the "
            "gradient explodes. The curves are six times the depth scale of theory: deeper than "
            "that, a network forgets what it was given. The trainable region narrows around the "
            "critical line as the networks get deeper.",
            _diagram(result),
            "A map of accuracy over depth and scale of the weights; for deep networks only a band "
            "around the critical line at 1 is bright.",
            formula=(
                "χ(σ) = σ² E[φ′(√q* z)²],  z ~ N(0, 1);  critical: χ = 1\n"
                "depth scale ξ = 1 / |ln χ|;  trainable up to about 6 ξ"
            ),
            code=code,
        ),
        Section(
            "The same line in the gradient, before any training",
            "What a layer multiplies the gradient by, measured in the networks before their first "
            "update, and theory's √χ for an endlessly deep one, which is 1 at the critical scale. "
            "Just there the signal takes longest to settle: its variance falls like one over the "
            "depth, and each layer on its way still lowers the gradient a little. So in a network "
            f"of {last} layers the gradient keeps its size at a slightly larger scale.",
            _factors(result, last),
            "Measured factors by scale of the weights lie on theory's curve, but a little below it "
            "around the critical scale.",
        ),
    ]
    last_factors = map(float, result.factor[:, -1])
    facts: dict[str, Any] = {
        "critical": result.critical,
        "factors": dict(zip(result.gains, last_factors, strict=True)),
        "best": best_gain(result),
        "deepest": {gain: deepest(result, gain) for gain in result.gains},
    }
    return Article("phase_diagram", TITLE, QUESTION, answer, sections, facts)


def _percent(share: float) -> str:
    return "no" if not np.isfinite(share) else f"{100 * share:.0f} %"


def _diagram(result: Result) -> go.Figure:
    squares = go.Heatmap(
        x=list(range(len(result.depths))),
        customdata=[list(result.depths)] * len(result.gains),
        y=list(result.gains),
        z=result.accuracy,
        zmin=0.1,
        zmax=1.0,
        colorscale="Viridis",
        colorbar={"title": "accuracy"},
        hovertemplate="%{customdata} hidden layers, gain %{y}: %{z:.2f}<extra></extra>",
    )
    traces: list[Any] = [squares]
    low, high = min(result.gains), max(result.gains)
    for side in (np.linspace(low, 0.999, 60), np.linspace(1.001, high, 60)):
        places = [_place(result.depths, TRAINABLE * scale(gain)) for gain in side]
        inside = [(x, gain) for x, gain in zip(places, side, strict=True) if x is not None]
        traces.append(
            go.Scatter(
                x=[x for x, _ in inside],
                y=[gain for _, gain in inside],
                mode="lines",
                line={"color": "white", "width": 2.5},
                name="6 depth scales",
                showlegend=False,
                hoverinfo="skip",
            )
        )
    edge = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": {"color": "white"}}
    edge |= {"y0": result.critical, "y1": result.critical}
    edge["line"] |= {"dash": "dash", "width": 2.5}
    return go.Figure(
        traces,
        {
            "xaxis": {
                "title": "hidden layers",
                "tickvals": list(range(len(result.depths))),
                "ticktext": [str(depth) for depth in result.depths],
            },
            "yaxis": {"title": "scale of the weights, times 1/√n"},
            "shapes": [edge],
        },
    )


def _place(depths: tuple[int, ...], depth: float) -> float | None:
    """Return where a depth lies among the columns of the map; None outside."""
    if not depths[0] <= depth <= depths[-1]:
        return None
    return float(np.interp(np.log(depth), np.log(depths), np.arange(len(depths))))


def _factors(result: Result, depth: int) -> go.Figure:
    smooth = np.linspace(min(result.gains), max(result.gains), 120)
    theory = {"color": PREDICTED, "width": 2.5}
    return go.Figure(
        [
            go.Scatter(
                x=smooth,
                y=[theory_factor(gain) for gain in smooth],
                mode="lines",
                line=theory,
                name="theory",
            ),
            go.Scatter(
                x=list(result.gains),
                y=result.factor[:, -1],
                mode="markers",
                marker={"color": MEASURED, "size": 10},
                name=f"measured, {depth} hidden layers",
            ),
        ],
        {
            "xaxis": {"title": "scale of the weights, times 1/√n"},
            "yaxis": {"title": "factor of a layer on the gradient"},
        },
    )


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "phase-diagram.html"))


if __name__ == "__main__":
    main()
