"""How many examples should a step look at?

The same problem, the same learning rate, and steps that look at all 10,000 examples, at one, or at
32 to 256. The loss is a bowl in two weights, so the way down can be drawn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

import gradlab
from experiments import _bare
from experiments._draw import powers
from gradlab.datasets import Data
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES, MEASURED, NEUTRAL, PREDICTED

TITLE = "Gradient descent, SGD and mini-batches"
QUESTION = "How many examples should a step look at?"
ORDER = 4.0
SECONDS = 10

POINTS, LEARNING_RATE, START = 10_000, 0.05, np.array([-2.5, 2.0])
SIZES = (1, 32, 64, 100, 128, 256)
REPEATS = 3


@dataclass(frozen=True)
class Way:
    """One training: weights (T + 1, 2), the loss over ALL examples, and seconds, by step."""

    weights: np.ndarray
    loss: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True)
class Result:
    """The bowl and the ways down into it.

    Attributes
    ----------
    points : int
    solution : ndarray (3,)
        w1, w2 and bias of the normal equation.
    hessian : ndarray (3, 3)
        Of the loss, by w1, w2 and bias.
    floor : float
        The smallest loss there is.
    ways : dict of int to Way
        By batch size; `points` is gradient descent.
    noise : dict of int to (float, float)
        Batch size -> deviation of the gradient by w1 at the start, measured and by the closed form.
    """

    points: int
    solution: np.ndarray
    hessian: np.ndarray
    floor: float
    ways: dict[int, Way]
    noise: dict[int, tuple[float, float]]

    def reached(self, size: int, share: float = 0.01) -> int:
        """The first step at which the excess loss is below `share` of the excess at the start."""
        excess = self.ways[size].loss - self.floor
        below = np.flatnonzero(excess < share * excess[0])
        return int(below[0]) if len(below) else -1


def problem(points: int) -> Data:
    """Two correlated features, a linear target, noise of deviation 1."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(points + 100, 2)) @ np.linalg.cholesky([[1.0, 0.7], [0.7, 1.0]]).T
    y = x @ np.array([1.5, -1.0]) + rng.normal(size=len(x))
    return Data("two weights", x[:points], y[:points], x[points:], y[points:])


def run(*, quick: bool = False) -> Result:
    """Go down into the same bowl with every batch size."""
    data = problem(2000 if quick else POINTS)
    points = len(data.x_train)
    design = np.hstack([data.x_train, np.ones((points, 1))])
    solution = np.linalg.solve(design.T @ design, design.T @ data.y_train)
    hessian = 2 * design.T @ design / points
    floor = float(np.mean((design @ solution - data.y_train) ** 2))
    ways = {}
    for size in (points, *SIZES):
        steps = 2400 if size == 1 else 600
        ways[size] = _undisturbed(
            [_descend(data, size, steps, solution, hessian, floor) for _ in range(REPEATS)]
        )
    noise = {size: _noise(design, data.y_train, size) for size in SIZES}
    return Result(points, solution, hessian, floor, ways, noise)


def _descend(
    data: Data, size: int, steps: int, solution: np.ndarray, hessian: np.ndarray, floor: float
) -> Way:
    model = gradlab.MLP([2, 1], "identity", seed=0, dtype="float64")
    model.weights[0][:, 0] = START
    places, seconds = [np.append(START, 0.0)], [0.0]
    begin = time.perf_counter()

    def follow(step) -> None:
        seconds.append(time.perf_counter() - begin)
        places.append(np.append(step.model.weights[0][:, 0], step.model.biases[0]))

    _bare.fit(
        model, data, learning_rate=LEARNING_RATE, batch_size=size, iterations=steps, on_step=follow
    )
    distance = np.array(places) - solution
    loss = floor + 0.5 * np.einsum(
        "ti,ij,tj->t", distance, hessian, distance
    )  # exact: the loss is quadratic
    return Way(np.array(places)[:, :2], loss, np.array(seconds))


def _undisturbed(ways: list[Way]) -> Way:
    """The same way walked several times: the shortest time of each step."""
    shortest = np.min([np.diff(way.seconds) for way in ways], axis=0)
    return replace(ways[0], seconds=np.append(0.0, np.cumsum(shortest)))


def _noise(design: np.ndarray, y: np.ndarray, size: int) -> tuple[float, float]:
    """Deviation of a batch's gradient by w1 at the start: over 400 batches, and by the closed form.

    Batches without replacement from n examples: sigma^2 / B * (n - B) / (n - 1), sigma^2 of single
    examples' gradients.
    """
    each = 2 * (design @ np.append(START, 0.0) - y) * design[:, 0]
    rng, n = np.random.default_rng(1), len(y)
    drawn = [each[rng.choice(n, size, replace=False)].mean() for _ in range(400)]
    return float(np.std(drawn)), float(each.std() * np.sqrt((n - size) / (n - 1) / size))


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    points, best = result.points, 100
    whole, small = result.reached(points), result.reached(best)
    ratio = result.noise[1][0] / result.noise[100][0]
    answer = (
        f"About a hundred: steps of {best} examples come within 1 % of the lowest loss after "
        f"{small} steps, as steps of all {points:,} do ({whole}), for {100 * best / points:.0f} % "
        f"of the work; a step of one example is {ratio:.0f} times as noisy."
    )
    code = """
import gradlab

data = gradlab.datasets.linear(1250, features=2, noise=1.0)   # 1,000 to train on
for batch_size in (1, 100, 1000):
    neuron = gradlab.MLP([2, 1], "identity")
    run = gradlab.train(neuron, data, loss="squared_error", batch_size=batch_size, iterations=100)
    print(batch_size, run.steps["loss"].tail(10).mean())
"""
    sections = [
        Section(
            "Three ways down",
            f"Each ring joins weights with the same loss over all {points:,} examples; the cross "
            "is the lowest point, computed by the normal equation. All ways begin at the same "
            "place and use the same learning rate. Gradient descent looks at all examples and "
            "walks straight down. SGD looks at one and staggers: right on average, never at "
            "rest. A mini-batch of 100 is nearly as steady as all of them.",
            _surface_figure(result),
            "Rings of equal loss; gradient descent and a batch of 100 curve smoothly to the "
            "middle, a batch of one staggers.",
            formula=(
                "step: w ← w − η · mean over the batch of ∂Lossᵢ/∂w\nan epoch: every example once"
            ),
            code=code,
        ),
        Section(
            "Loss against steps",
            "What is left above the lowest loss, over all examples. Step by step, all of them go "
            "down alike at first: a step is a step. Then the small batches reach a floor that is "
            "their own noise.",
            _loss_figure(result, "steps"),
            "Excess loss by steps: all curves fall together, then small batches level off, the "
            "smaller the higher.",
        ),
        Section(
            "Loss against work and time",
            "The same curves against measured seconds (the engine alone, one core; of every step "
            f"the shortest of {REPEATS} walks). Now the picture turns: in the time of one step "
            "over all examples, mini-batches have made many. That is why everybody trains with "
            "them.",
            _loss_figure(result, "seconds"),
            "Excess loss by seconds: batches of 32 to 256 are far down before gradient descent "
            "has gone half of the way.",
            table=_table(result),
        ),
        Section(
            "Noise falls with the root of the batch",
            "How much the gradient of a batch differs from that of all examples. Four times as "
            "many examples make half of the noise: dots are measured over 400 batches, the line "
            "is σ/√B.",
            _noise_figure(result),
            "Dots of the gradient's deviation by batch size on a falling straight line.",
            formula="deviation of a batch's gradient = σ/√B · √((n − B)/(n − 1))",
        ),
    ]
    facts = {"steps_all": whole, "steps_100": small, "noise_ratio": ratio, "floor": result.floor}
    return Article("batch_size", TITLE, QUESTION, answer, sections, facts)


def _name(result: Result, size: int) -> str:
    return {result.points: "all", 1: "one"}.get(size, str(size))


def _thin(count: int) -> np.ndarray:
    """Some 300 of the first `count` places, denser at the start."""
    return np.unique(np.round(np.geomspace(1, count, 300)).astype(int) - 1)


def _surface_figure(result: Result) -> go.Figure:
    w1, w2 = np.linspace(-3, 3.2, 70), np.linspace(-2.6, 2.6, 60)
    grid = np.stack(np.meshgrid(w1, w2), axis=-1) - result.solution[:2]
    height = np.sqrt(0.5 * np.einsum("abi,ij,abj->ab", grid, result.hessian[:2, :2], grid))
    traces: list = [
        go.Contour(
            x=w1,
            y=w2,
            z=height,
            contours={"coloring": "none"},
            line={"color": NEUTRAL, "width": 1},
            ncontours=14,
            showscale=False,
            showlegend=False,
            hoverinfo="skip",
            name="loss",
        )
    ]
    for k, size in enumerate((1, 100, result.points)):
        way = result.ways[size].weights
        shown = np.arange(min(len(way), 250))
        line = {"color": LINES[(1, 2, 0)[k]], "width": (1.2, 2, 3)[k]}
        traces.append(
            go.Scatter(
                x=way[shown, 0], y=way[shown, 1], mode="lines", name=_name(result, size), line=line
            )
        )
    cross = {"symbol": "x", "size": 11, "color": LINES[4]}
    best = result.solution[:2]
    traces.append(go.Scatter(x=[best[0]], y=[best[1]], mode="markers", name="lowest", marker=cross))
    return go.Figure(traces, {"xaxis": {"title": "w₁"}, "yaxis": {"title": "w₂"}, "height": 460})


def _loss_figure(result: Result, against: str) -> go.Figure:
    traces = []
    for k, size in enumerate((result.points, 1, 32, 100, 256)):
        way = result.ways[size]
        shown = _thin(len(way.loss))
        x = shown if against == "steps" else way.seconds[shown]
        x, y = x[1:], (way.loss[shown] - result.floor)[1:]
        line = {"color": LINES[(0, 1, 3, 2, 5)[k]], "width": 3 if size == result.points else 1.8}
        traces.append(go.Scatter(x=x, y=y, mode="lines", name=_name(result, size), line=line))
    return go.Figure(
        traces,
        {
            "xaxis": powers(against),
            "yaxis": powers("loss above the lowest", dtick=2, range=[-6, 1.5]),
        },
    )


def _table(result: Result) -> pd.DataFrame:
    rows = []
    for size in (*SIZES, result.points):
        reached, way = result.reached(size), result.ways[size]
        rows.append(
            {
                "examples a step": f"{size:,}",
                "steps an epoch": f"{-(-result.points // size):,}",
                "steps to within 1 %": reached if reached >= 0 else "never",
                "examples seen": f"{reached * size:,}" if reached >= 0 else "",
                "milliseconds": f"{1000 * way.seconds[reached]:.1f}" if reached >= 0 else "",
            }
        )
    return pd.DataFrame(rows)


def _noise_figure(result: Result) -> go.Figure:
    sizes = list(result.noise)
    measured, theory = ([pair[k] for pair in result.noise.values()] for k in (0, 1))
    traces = [
        go.Scatter(x=sizes, y=theory, mode="lines", name="σ/√B", line={"color": PREDICTED}),
        go.Scatter(
            x=sizes,
            y=measured,
            mode="markers",
            name="measured",
            marker={"color": MEASURED, "size": 9},
        ),
    ]
    y_axis = powers("deviation of ∂L/∂w₁", dtick="D2")
    return go.Figure(traces, {"xaxis": powers("batch size"), "yaxis": y_axis, "height": 320})


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "batch-size.html"))


if __name__ == "__main__":
    main()
