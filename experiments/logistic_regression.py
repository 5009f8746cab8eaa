"""Does one sigmoid neuron find the same boundary as scikit-learn's logistic regression?

A neuron whose output goes through the sigmoid, trained on the log loss, is logistic regression. The
loss is convex: whoever descends far enough arrives at the same line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from experiments import _single_neuron as neuron
from experiments._draw import level
from experiments._single_neuron import Way
from gradlab.datasets import Data
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES

TITLE = "Logistic regression: one neuron, a probability"
QUESTION = "Does one sigmoid neuron find the boundary that maximum likelihood asks for?"
ORDER = 2.0
SECONDS = 3

LEARNING_RATE = 1.0


@dataclass(frozen=True)
class Result:
    """The data, the neuron's way, and the maximum-likelihood weights, by Newton's method."""

    data: Data
    way: Way
    weights: np.ndarray
    bias: float

    @property
    def distance(self) -> float:
        """|(w, b) - (w*, b*)| at the end."""
        return float(
            np.linalg.norm([*(self.way.weights[-1] - self.weights), self.way.bias[-1] - self.bias])
        )

    @property
    def accuracy(self) -> float:
        """On the held-out examples."""
        z = self.data.x_test @ self.way.weights[-1] + self.way.bias[-1]
        return float(((z > 0) == self.data.y_test).mean())


def run(*, quick: bool = False) -> Result:
    """Separate two overlapping clouds by gradient descent on the log loss."""
    data = neuron.two_classes(250, distance=2.2, seed=1)
    way = neuron.train(
        data,
        loss="binary_cross_entropy",
        learning_rate=LEARNING_RATE,
        batch_size=len(data.x_train),
        iterations=600 if quick else 1000,
    )
    weights, bias = newton(data.x_train, data.y_train)
    return Result(data, way, weights, bias)


def newton(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights and bias of maximum likelihood, by iteratively reweighted least squares."""
    design, w = np.hstack([x, np.ones((len(x), 1))]), np.zeros(x.shape[1] + 1)
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ w))
        hessian = design.T @ (design * (p * (1 - p))[:, None])
        w -= np.linalg.solve(hessian, design.T @ (p - y))
    return w[:-1], float(w[-1])


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    way = result.way
    answer = (
        f"Yes: after {len(way.loss)} steps its weights are within {result.distance:.0e} of the "
        f"maximum-likelihood ones, and {100 * result.accuracy:.0f} % of new points fall on the "
        "right side."
    )
    code = """
import gradlab

data = gradlab.datasets.blobs(250, classes=2, spread=4.0)
neuron = gradlab.MLP([2, 1], dtype="float64")                 # z = w1 x1 + w2 x2 + b
run = gradlab.train(neuron, data, loss="binary_cross_entropy", learning_rate=1.0,
                    batch_size=200, iterations=300)
print(neuron.weights[0].ravel(), neuron.biases[0].item())
"""
    sections = [
        Section(
            "A probability instead of a number",
            "The neuron's z can be any number. The sigmoid turns it into a probability between 0 "
            "and 1, and 1/2 stands exactly at z = 0: that is the boundary. The log loss punishes "
            "a wrong answer the more, the surer it was.",
            _sigmoid_figure(),
            "The sigmoid, an S from 0 to 1 through one half at zero, and the log loss of both "
            "classes.",
            formula="p = σ(z) = 1 / (1 + e^−z)\n"
            "Loss = mean of −ln p for class 1, −ln(1 − p) for class 0\n"
            "∂Loss/∂z = p − y for one example: what the neuron said minus what was right",
        ),
        Section(
            "The boundary turns into place",
            "Press Play. The direction of the line is found within a few steps; after that the "
            "neuron mostly grows surer: its weights get longer, and the line hardly moves.",
            neuron.boundary_figure(
                result.data, way, (result.weights, result.bias), "maximum likelihood"
            ),
            "Two overlapping clouds and a line between them that turns onto the dashed line.",
            code=code,
        ),
        Section(
            "The weights settle where the likelihood is largest",
            "Dashed: the weights of maximum likelihood, found by another method (Newton's). The "
            "clouds overlap, so the best weights are finite; could the clouds be told apart "
            "without a mistake, they would grow for ever.",
            neuron.weights_figure(way, (result.weights, result.bias), logarithmic=True),
            "Three curves that bend to their dashed levels.",
        ),
    ]
    facts = {"distance": result.distance, "accuracy": result.accuracy}
    return Article("logistic_regression", TITLE, QUESTION, answer, sections, facts)


def _sigmoid_figure() -> go.Figure:
    z = np.linspace(-6, 6, 121)
    curves = [
        ("σ(z)", 1 / (1 + np.exp(-z)), {"color": LINES[0], "width": 3}),
        ("loss, class 1", np.logaddexp(0, -z), {"color": LINES[1]}),
        ("loss, class 0", np.logaddexp(0, z), {"color": LINES[2], "dash": "dot"}),
    ]
    traces = [go.Scatter(x=z, y=y, mode="lines", name=name, line=line) for name, y, line in curves]
    return go.Figure(
        traces,
        {
            "xaxis": {"title": "z"},
            "yaxis": {"title": "p, or loss"},
            "shapes": [level(0.5, "dot")],
            "height": 320,
        },
    )


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "logistic-regression.html"))


if __name__ == "__main__":
    main()
