"""When do weights run away, and when do they overshoot?

2 x 2 x 2 = 8: factors above 1 explode as factors below 1 vanish. The lecture's trajectory 2.2 ->
10.8 -> 100.6 keeps its sign and grows: a runaway. A learning rate past 2/lambda makes weights jump
to and fro, farther each time: an overshoot. Both are reproduced in networks that were really
trained, and told apart by what was recorded of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

import gradlab
from experiments._draw import level, powers
from gradlab.datasets import Data
from gradlab.report.article import Article, Section, write_article
from gradlab.report.explorable import Explorable
from gradlab.report.pictures.draw import LINES, PREDICTED
from gradlab.run import LOG_GAINS, Run

TITLE = "Exploding gradients: 2 × 2 × 2"
QUESTION = "When do weights run away, and when do they overshoot?"
ORDER = 10.0
SECONDS = 2

TRAJECTORY = (2.2, 10.8, 100.6)
STEPS = TRAJECTORY[1] - TRAJECTORY[0], TRAJECTORY[2] - TRAJECTORY[1]
RATIO = STEPS[1] / STEPS[0]
NEXT = TRAJECTORY[2] + STEPS[1] * RATIO
DEPTH = 20
TRY = (
    "Move the controls: theory at initialization answers, computed in this page. Twice the usual "
    "weights double every step of relu; what do they do to tanh, whose slope falls as inputs grow?"
)


@dataclass(frozen=True)
class Result:
    """The exploding network before training, and both kinds of divergence, recorded.

    Attributes
    ----------
    deep : Run
        relu with twice the weights, 20 hidden layers.
    factors : ndarray (20,)
        What the signal is multiplied with on the step into layer 20, ..., 1, before training:
        geometric mean over seeds.
    runaway, overshoot : Run
    curvature : float
        lambda of the loss that overshoots.
    """

    deep: Run
    factors: np.ndarray
    runaway: Run
    overshoot: Run
    curvature: float

    @property
    def grown(self) -> float:
        """||delta_1|| / ||delta_L|| of the deep network before training."""
        return float(np.prod(self.factors))


def run(*, quick: bool = False) -> Result:
    """Record a deep net that explodes, two weights that run away, and a neuron that overshoots."""
    model = gradlab.MLP(
        [64] + [64] * DEPTH + [10], "relu", init="he_normal", gain=2.0, replicates=2 if quick else 4
    )
    deep = gradlab.train(model, gradlab.datasets.digits(), iterations=10, learning_rate=0.03)
    factors = np.exp(np.sum([deep[name][0, :, :-1] for name in LOG_GAINS], axis=0).mean(axis=0))[
        ::-1
    ]
    data = _symmetric(1e12)
    # Two weights in a row, both u, and a target out of reach: dLoss/du = -u, so u <- u (1 + eta),
    # always away from 0.
    start = STEPS[0] / (RATIO - 1)
    runaway = _train([1, 1, 1], data, start, "mean_absolute_error", RATIO - 1)
    # One weight on a parabola of curvature lambda: its distance from the minimum is multiplied by 1
    # - eta lambda.
    data, curvature = _symmetric(3.0), 2.0
    start = 3.0 - STEPS[0] / (RATIO + 1)
    overshoot = _train([1, 1], data, start, "squared_error", (1 + RATIO) / curvature)
    return Result(deep, factors, runaway, overshoot, curvature)


def _symmetric(slope: float) -> Data:
    """y = slope x at x = -1 and 1: the loss has curvature 2 mean x^2 = 2, and biases stay 0."""
    x = np.array([[1.0], [-1.0]])
    return Data("a line", x, slope * x[:, 0], x, slope * x[:, 0])


def _train(sizes: list[int], data: Data, start: float, loss: str, learning_rate: float) -> Run:
    model = gradlab.MLP(sizes, "identity", dtype="float64")
    model.weights.flat[:] = start
    return gradlab.train(
        model, data, loss=loss, learning_rate=learning_rate, batch_size=2, iterations=5, every=1
    )


def trajectory(each: Run) -> np.ndarray:
    """The first layer's weight at every iteration."""
    return each.weights.query("layer == 1").sort_values("iteration")["value"].to_numpy()


def recorded(each: Run) -> tuple[np.ndarray, np.ndarray]:
    """Ratio of neighbouring steps' sizes, and the cosine between them, of layer 1."""
    size = each["update_norm"][:, 0, 0]
    return size[1:] / size[:-1], each["update_cosine"][1:, 0, 0]


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    (ran, same), (over, opposite) = recorded(result.runaway), recorded(result.overshoot)
    answer = (
        f"A runaway's steps keep their sign (cosine {same[0]:+.0f}) and an overshoot's alternate "
        f"(cosine {opposite[0]:+.0f}): both of these grow by {ran[0]:.2f} a step, as the weight "
        "2.2 → 10.8 → 100.6 does, which keeps its sign."
    )
    code = """
import gradlab

data = gradlab.datasets.digits()
net = gradlab.MLP([64] + [64] * 20 + [10], "relu", init="he_normal", gain=2.0, replicates=2)
run = gradlab.train(net, data, iterations=10)
print(gradlab.diagnose(run))
"""
    finding = gradlab.diagnose(result.deep).findings[0]
    said = [gradlab.diagnose(run).findings[0].message for run in (result.runaway, result.overshoot)]
    each = result.grown ** (1 / len(result.factors))
    sections = [
        Section(
            "2 × 2 × 2 = 8",
            "What vanishes with factors below 1 explodes with factors above it. A relu network "
            f"with twice the usual weights multiplies the gradient by about {each:.2f} a layer. "
            f"Three layers make about 8; {len(result.factors)} layers make {result.grown:.1e}. "
            "Bars: the factor of each step back, before training. Line: their product so far.",
            _factor_figure(result),
            "Bars near two for every layer, and a line of their product that rises to about a "
            "million.",
            formula="2 · 2 · 2 = 8;  2²⁰ = 1 048 576",
            code=code,
        ),
        Section("Try other weights", TRY, explore=Explorable("relu", DEPTH, 2.0)),
        Section(
            "2.2 → 10.8 → 100.6: what it is",
            f"The steps are +{STEPS[0]:.1f} and +{STEPS[1]:.1f}: the same sign, and each "
            f"{RATIO:.2f} times the one before. If that goes on, the next value is {NEXT:.1f}. "
            "Nothing swings here; the weight runs away. It is often drawn as the picture of a "
            "learning rate that is too large. That would look different: past the minimum, back "
            "past it, farther each time.",
            table=_table(result),
        ),
        Section(
            "Both, in real networks",
            "Runaway: two weights in a row and a target out of reach. Each makes the other's "
            "gradient larger, and both grow by 1 + η a step. Overshoot: one neuron on a parabola "
            f"of curvature λ = {result.curvature:g}, with a learning rate of "
            f"{(1 + RATIO) / result.curvature:.2f}, past 2/λ = {2 / result.curvature:g}: its "
            "distance from the best weight is multiplied by 1 − ηλ, which is negative. Learning "
            "rates were chosen so that both grow like 2.2 → 10.8 → 100.6. Shown is how far "
            "the first weight is from where it began.",
            _trajectory_figure(result),
            "One curve climbs ever faster; the other swings from one side to the other, farther "
            "each time.",
            formula=(
                "runaway: u ← u (1 + η)\novershoot: w − w* ← (1 − ηλ)(w − w*), which grows where "
                "η > 2/λ"
            ),
        ),
        Section(
            "How a record tells them apart",
            "Two recorded columns are enough. The ratio of neighbouring steps says that it "
            "diverges: above 1. The cosine between neighbouring steps says how: +1 is the same "
            "way again, −1 is straight back. A remedy for one does not help the other: a runaway "
            "wants smaller weights or a clipped gradient, an overshoot a smaller learning "
            f"rate.\n\nRule GL303 reads just that. Of the runaway: {said[0]} Of the overshoot: "
            f"{said[1]}",
            _columns_figure(result),
            "Ratio and cosine by step: both runs have the ratio 10.44; the cosines are plus one "
            "and minus one.",
        ),
        Section(
            "What gradlab says of the deep network",
            f"{finding.rule} {finding.name}: {finding.message}\n\nFirst remedy: "
            f"{finding.remedies[0]}.",
        ),
    ]
    facts = {
        "ratio": RATIO,
        "next": NEXT,
        "grown": result.grown,
        "runaway": float(ran[0]),
        "overshoot": float(over[0]),
    }
    return Article("exploding", TITLE, QUESTION, answer, sections, facts)


def _factor_figure(result: Result) -> go.Figure:
    into = np.arange(len(result.factors), 0, -1)
    product = {"color": PREDICTED, "width": 2.5}
    traces = [
        go.Bar(x=into, y=result.factors, name="factor", marker={"color": LINES[0]}),
        go.Scatter(
            x=into, y=np.cumprod(result.factors), name="product", mode="lines+markers", line=product
        ),
    ]
    x = {"title": "step into layer", "range": [DEPTH + 0.7, 0.3], "tickvals": [20, 15, 10, 5, 1]}
    y = powers("factor, product", range=[-0.3, 7])
    return go.Figure(traces, {"xaxis": x, "yaxis": y, "shapes": [level(2)]})


def _table(result: Result) -> pd.DataFrame:
    rows = {"the example": [*TRAJECTORY, NEXT]}
    rows |= {
        "runaway": list(trajectory(result.runaway)[:4]),
        "overshoot": list(trajectory(result.overshoot)[:4]),
    }
    return pd.DataFrame(
        [
            {
                "": name,
                "weight": " → ".join(f"{value:.1f}" for value in values),
                "steps": ", ".join(f"{step:+.1f}" for step in np.diff(values)),
                "ratio": abs(np.diff(values)[1] / np.diff(values)[0]),
                "sign": "same" if np.diff(values)[0] * np.diff(values)[1] > 0 else "alternates",
            }
            for name, values in rows.items()
        ]
    )


def _trajectory_figure(result: Result) -> go.Figure:
    traces = []
    for name, each, colour in (
        ("runaway", result.runaway, LINES[1]),
        ("overshoot", result.overshoot, LINES[0]),
    ):
        way = trajectory(each)[:5]
        moved = way - way[0]
        traces.append(
            go.Scatter(
                x=np.arange(len(moved)),
                y=np.sign(moved) * np.log10(1 + np.abs(moved)),
                name=name,
                mode="lines+markers",
                line={"color": colour, "width": 2.5},
                text=[f"{m:+,.1f}" for m in moved],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    ticks = [-10000, -100, 0, 100, 10000]
    places = [math.copysign(math.log10(1 + abs(tick)), tick) for tick in ticks]
    axis = {
        "title": "moved by (powers of ten)",
        "tickvals": places,
        "ticktext": [f"{tick:+,}" if tick else "0" for tick in ticks],
    }
    return go.Figure(traces, {"xaxis": {"title": "step", "dtick": 1}, "yaxis": axis})


def _columns_figure(result: Result) -> go.Figure:
    traces = []
    for name, each, colour in (
        ("runaway", result.runaway, LINES[1]),
        ("overshoot", result.overshoot, LINES[0]),
    ):
        ratio, cosine = recorded(each)
        steps, line = np.arange(2, len(ratio) + 2), {"color": colour, "width": 2.5}
        dash = {**line, "dash": "solid" if name == "runaway" else "dot"}
        traces.append(go.Scatter(x=steps, y=ratio, name=name, mode="lines+markers", line=dash))
        below = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
        traces.append(go.Scatter(x=steps, y=cosine, mode="lines+markers", line=line, **below))
    layout = {
        "xaxis": {"title": "", "dtick": 1, "anchor": "y"},
        "yaxis": {"title": "ratio of steps", "domain": [0.58, 1], "rangemode": "tozero"},
        "xaxis2": {"title": "step", "dtick": 1, "anchor": "y2"},
        "yaxis2": {"title": "cosine", "domain": [0, 0.42], "range": [-1.2, 1.2]},
    }
    return go.Figure(traces, layout)


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "exploding.html"))


if __name__ == "__main__":
    main()
