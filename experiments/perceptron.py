"""When does the perceptron stop making mistakes?

Rosenblatt's neuron answers with a step, whose derivative says nothing. Its learning rule is
nevertheless gradient descent: on the loss max(0, -y z), one example at a time. Novikoff's theorem
bounds the number of its mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import gradlab
from experiments import _single_neuron as neuron
from experiments._single_neuron import Way
from gradlab.datasets import Data
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES, NEUTRAL

TITLE = "The perceptron: one neuron, a step"
QUESTION = "When does the perceptron stop making mistakes?"
ORDER = 3.0
SECONDS = 10


@dataclass(frozen=True)
class Result:
    """The data, the neuron's way from weights 0, its mistakes, and what Novikoff allows.

    Attributes
    ----------
    mistakes : ndarray of int
        Iterations with a mistake, that is with an update.
    radius, margin : float
        R, the longest example with its 1 for the bias, and gamma, the margin of the widest line.
    widest : ndarray (3,)
        That line's weights and bias.
    overlapping : Way
        The same on clouds that no line can separate.
    """

    data: Data
    way: Way
    mistakes: np.ndarray
    radius: float
    margin: float
    widest: np.ndarray
    overlapping: Way

    @property
    def bound(self) -> float:
        """(R / gamma)^2: no more mistakes than this, in any order (Novikoff 1962)."""
        return (self.radius / self.margin) ** 2


def run(*, quick: bool = False) -> Result:
    """Train on separable clouds and on others, one example a step, from weights 0."""
    data = neuron.two_classes(125, distance=5.5, seed=2)
    way = _learn(data, 500 if quick else 1000)
    mixed = _learn(neuron.two_classes(125, distance=2.0, seed=3), 500 if quick else 1000)
    homogeneous = np.hstack([data.x_train, np.ones((len(data.x_train), 1))])
    radius = float(np.linalg.norm(homogeneous, axis=1).max())
    widest, margin = widest_line(homogeneous, 2 * data.y_train - 1)
    changed = np.abs(np.diff(way.weights, axis=0)).sum(axis=1) + np.abs(np.diff(way.bias)) > 0
    return Result(data, way, np.flatnonzero(changed), radius, margin, widest, mixed)


def _learn(data: Data, iterations: int) -> Way:
    """Rosenblatt's rule: start at 0, take one example a step, add y x where y z <= 0."""
    model = gradlab.MLP([2, 1], "identity", dtype="float64")
    model.parameters[:] = 0
    weights, bias, loss = [np.zeros(2)], [0.0], []

    def follow(step) -> None:
        weights.append(step.model.weights[0][:, 0].copy())
        bias.append(float(step.model.biases[0][0, 0]))
        loss.append(float(step.loss))

    gradlab.train(
        model,
        data,
        loss="perceptron",
        learning_rate=1.0,
        batch_size=1,
        iterations=iterations,
        on_step=follow,
    )
    return Way(np.array(weights), np.array(bias), np.array(loss))


def widest_line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the u that separates with the widest margin, and that margin min_i y_i <u, x_i> / |u|.

    Gilbert's algorithm: u is the point of the hull of all y_i x_i that is nearest to 0. Any u gives
    a valid bound, the widest the smallest one; a margin that is not above 0 means that nothing
    separates.
    """
    signed = y[:, None] * x
    u = signed.mean(axis=0)
    for _ in range(20000):
        nearest = signed[np.argmin(signed @ u)]
        if u @ u - nearest @ u < 1e-9 * (u @ u):
            break
        towards = nearest - u
        u = u + np.clip(-(u @ towards) / (towards @ towards), 0, 1) * towards
    return u, float((signed @ u).min() / np.linalg.norm(u))


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    mistakes = result.mistakes
    answer = (
        f"If a line separates the classes, after finitely many: here after {len(mistakes)} "
        f"mistakes, the last in step {mistakes[-1] + 1}, where Novikoff's theorem allows "
        f"{result.bound:.0f}."
    )
    late = np.abs(np.diff(result.overlapping.bias[-501:])).sum()
    code = """
import gradlab

data = gradlab.datasets.blobs(125, classes=2, spread=1.0)
neuron = gradlab.MLP([2, 1], dtype="float64")
neuron.parameters[:] = 0                                      # Rosenblatt starts at 0
run = gradlab.train(neuron, data, loss="perceptron", learning_rate=1.0, batch_size=1,
                    iterations=300)
print((run["update_norm"][:, 0, 0] > 0).sum(), "updates")
"""
    sections = [
        Section(
            "Learning from mistakes alone",
            "The perceptron says class 1 where z is above 0. A step has derivative 0 wherever it "
            "has one, so there is no gradient of its answer. But max(0, −y z) has one: 0 when "
            "the answer is right, −y x when it is wrong. One step of SGD on it with learning "
            "rate 1 IS Rosenblatt's rule: right answer, nothing happens; wrong answer, add y x "
            "to the weights.",
            _loss_figure(),
            "The step jumps from 0 to 1 at zero; the perceptron loss is a ramp for negative y z "
            "and 0 beyond.",
            formula="ŷ = 1 if z > 0, else 0;  z = w₁x₁ + w₂x₂ + b\n"
            "Loss = max(0, −y z), with y = ±1\n"
            "mistake (y z ≤ 0):  w ← w + y x,  b ← b + y",
            code=code,
        ),
        Section(
            "The line jumps until nothing is wrong",
            "Press Play. Each jump of the line is one mistake. Once all points are on their "
            "side, it rests for ever; any line that separates will do, so it need not be the one "
            "in the middle (dashed: the widest).",
            neuron.boundary_figure(
                result.data, result.way, (result.widest[:2], result.widest[2]), "widest"
            ),
            "Two separate clouds; the line jumps a few times and stops between them.",
        ),
        Section(
            "Counting mistakes",
            f"On separable clouds the count stops at {len(mistakes)}. Novikoff's bound (R/γ)² = "
            f"({result.radius:.2f}/{result.margin:.2f})² = {result.bound:.0f} holds for every "
            "order of the examples; R is the longest example, γ the margin of the widest line. "
            "On clouds that overlap the perceptron never rests: in the last 500 steps its bias "
            f"still moved by {late:.0f} in all.",
            _count_figure(result),
            "Mistakes over steps: a curve that becomes level, one that keeps rising, and the "
            "bound as a dashed line.",
        ),
    ]
    facts = {
        "mistakes": len(mistakes),
        "bound": result.bound,
        "margin": result.margin,
        "radius": result.radius,
    }
    return Article("perceptron", TITLE, QUESTION, answer, sections, facts)


def _loss_figure() -> go.Figure:
    margin = np.linspace(-3, 3, 121)
    traces = [
        go.Scatter(
            x=[-3, 0, 0, 3],
            y=[0, 0, 1, 1],
            mode="lines",
            name="right answer?",
            line={"color": LINES[0], "width": 3},
        ),
        go.Scatter(
            x=margin,
            y=np.maximum(0, -margin),
            mode="lines",
            name="loss",
            line={"color": LINES[1], "width": 3},
        ),
    ]
    return go.Figure(
        traces, {"xaxis": {"title": "y z"}, "yaxis": {"title": "value"}, "height": 300}
    )


def _count_figure(result: Result) -> go.Figure:
    steps = len(result.way.loss)
    counts = [
        np.cumsum(np.abs(np.diff(way.bias[: steps + 1])) > 0)
        for way in (result.way, result.overlapping)
    ]
    traces = [
        go.Scatter(
            x=np.arange(1, len(count) + 1),
            y=count,
            mode="lines",
            name=name,
            line={"color": LINES[k], "width": 2},
        )
        for k, (count, name) in enumerate(zip(counts, ("separable", "overlapping"), strict=True))
    ]
    ends = [1, steps]
    bound = [result.bound, result.bound]
    traces.append(
        go.Scatter(
            x=ends, y=bound, mode="lines", name="Novikoff", line={"color": NEUTRAL, "dash": "dash"}
        )
    )
    return go.Figure(traces, {"xaxis": {"title": "step"}, "yaxis": {"title": "mistakes so far"}})


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "perceptron.html"))


if __name__ == "__main__":
    main()
