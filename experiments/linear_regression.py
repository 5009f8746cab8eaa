"""Does gradient descent find the line that the normal equation computes?

One neuron without an activation, trained on the squared error, is linear regression. Its solution
can be written down, so one can watch gradient descent walk there, and check that it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import gradlab
from experiments import _single_neuron as neuron
from experiments._draw import powers
from experiments._single_neuron import Way
from gradlab.datasets import Data
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import MEASURED, NEUTRAL, PREDICTED

TITLE = "Linear regression: one neuron, a straight line"
QUESTION = "Does gradient descent find the line that the normal equation computes?"
ORDER = 1.0
SECONDS = 1

LEARNING_RATE = 0.1


@dataclass(frozen=True)
class Result:
    """The data, the neuron's way, and the weight and bias of the normal equation."""

    data: Data
    way: Way
    weight: float
    bias: float

    @property
    def distance(self) -> np.ndarray:
        """|(w, b) - (w*, b*)| at every iteration."""
        return np.hypot(self.way.weights[:, 0] - self.weight, self.way.bias - self.bias)


def run(*, quick: bool = False) -> Result:
    """Fit a line to 100 noisy points by gradient descent, all points in every step."""
    data = gradlab.datasets.linear(125, features=1, noise=0.6, seed=0)
    way = neuron.train(
        data, loss="squared_error", learning_rate=LEARNING_RATE, batch_size=len(data.x_train),
        iterations=120 if quick else 200,
    )  # fmt: skip
    design = np.hstack([data.x_train, np.ones((len(data.x_train), 1))])
    weight, bias = np.linalg.solve(design.T @ design, design.T @ data.y_train)  # X^T X w = X^T y
    return Result(data, way, float(weight), float(bias))


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    way, distance = result.way, result.distance
    answer = (
        f"Yes: after {len(way.loss)} steps the neuron's line is w = {way.weights[-1, 0]:.6f}, b = "
        f"{way.bias[-1]:.6f}, within {distance[-1]:.0e} of the normal equation's."
    )
    code = """
import numpy as np
import gradlab

data = gradlab.datasets.linear(125, features=1, noise=0.6)
neuron = gradlab.MLP([1, 1], "identity", dtype="float64")  # one weight, one bias, no activation
run = gradlab.train(neuron, data, loss="squared_error", learning_rate=0.1, batch_size=100,
                    iterations=200)
print(neuron.weights[0].item(), neuron.biases[0].item())
print(np.polyfit(data.x_train[:, 0], data.y_train, 1))     # the same line, computed
"""
    sections = [
        Section(
            "The line turns and rises until it fits",
            "Each dot is one example. The neuron computes z = w x + b, a straight line; its loss "
            "is the mean squared distance of the dots from it, measured upwards. Press Play: "
            "every frame is some steps of gradient descent further. The dashed line is the best "
            "one there is, computed at once by the normal equation.",
            _line_figure(result),
            "Dots around a rising line; the neuron's line starts flat and ends on the dashed "
            "best line.",
            formula="z = w x + b\nLoss = mean (z − y)²\nw ← w − η ∂Loss/∂w, b ← b − η ∂Loss/∂b\n"
            "normal equation: XᵀX (w, b)ᵀ = Xᵀy",
            code=code,
        ),
        Section(
            "Weight and bias settle",
            "Dashed: the values of the normal equation. Both numbers come closer by the same "
            "factor at every step, fast at first in absolute terms, then ever more slowly.",
            neuron.weights_figure(way, (np.array([result.weight]), result.bias)),
            "Two curves that bend towards their dashed levels and stay there.",
        ),
        Section(
            "How fast",
            "The distance from the solution falls by a constant factor a step: a straight line "
            "on this logarithmic axis. The inputs have variance 1, so the loss bends by λ = 2 in "
            f"both directions, and the factor is 1 − ηλ = 1 − {LEARNING_RATE} · 2 = "
            f"{1 - 2 * LEARNING_RATE:.1f}. With η above 2/λ = 1 it would grow instead: that is "
            "the overshoot of page 10.",
            _distance_figure(distance),
            "A straight falling line on a logarithmic axis, on top of the predicted one.",
        ),
    ]
    facts = {"weight": result.weight, "bias": result.bias, "distance": float(distance[-1])}
    return Article("linear_regression", TITLE, QUESTION, answer, sections, facts)


def _line_figure(result: Result) -> go.Figure:
    x = np.array([result.data.x_train.min() - 0.2, result.data.x_train.max() + 0.2])
    way, best = result.way, result.weight * x + result.bias
    last = way.weights[-1, 0] * x + way.bias[-1]
    traces = [
        go.Scatter(
            x=result.data.x_train[:, 0],
            y=result.data.y_train,
            mode="markers",
            name="examples",
            marker={"color": MEASURED, "size": 6},
        ),
        go.Scatter(
            x=x,
            y=best,
            mode="lines",
            name="normal equation",
            line={"color": NEUTRAL, "dash": "dash"},
        ),
        go.Scatter(x=x, y=last, mode="lines", name="neuron", line={"color": PREDICTED, "width": 3}),
    ]
    frames = [
        go.Frame(
            name=f"step {t}",
            traces=[2],
            data=[go.Scatter(x=x, y=way.weights[t, 0] * x + way.bias[t])],
        )
        for t in way.moments()
        if t <= 60
    ]
    heights = [*result.data.y_train, *best]
    room = {"range": [min(heights) - 0.5, max(heights) + 0.5]}
    return go.Figure(traces, {"xaxis": {"title": "x"}, "yaxis": {"title": "y", **room}}, frames)


def _distance_figure(distance: np.ndarray) -> go.Figure:
    steps = np.arange(len(distance))
    shown = distance > 1e-14
    theory = distance[0] * (1 - 2 * LEARNING_RATE) ** steps
    traces = [
        go.Scatter(
            x=steps[shown],
            y=distance[shown],
            mode="lines",
            name="measured",
            line={"color": MEASURED, "width": 3},
        ),
        go.Scatter(
            x=steps[shown],
            y=theory[shown],
            mode="lines",
            name="theory",
            line={"color": PREDICTED, "dash": "dash"},
        ),
    ]
    axis = powers("distance from the solution", dtick=2)
    return go.Figure(traces, {"xaxis": {"title": "step"}, "yaxis": axis})


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "linear-regression.html"))


if __name__ == "__main__":
    main()
