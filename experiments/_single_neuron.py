"""What the three single-neuron experiments share: a recorded training, and its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

import gradlab
from experiments._draw import powers
from gradlab.datasets import Data
from gradlab.report.pictures.draw import LINES, NEUTRAL, PREDICTED

Array = np.ndarray

MOMENTS = 25  # frames of an animation


@dataclass(frozen=True)
class Way:
    """A neuron's weights (T + 1, d), bias (T + 1,) and batch loss (T,) at every iteration."""

    weights: Array
    bias: Array
    loss: Array

    def moments(self) -> Array:
        """Iterations to show: dense at first, where most happens, and the last one."""
        last = len(self.bias) - 1
        return np.unique(np.round(np.geomspace(1, last + 1, MOMENTS) - 1).astype(int))


def train(data: Data, **options) -> Way:
    """Train one neuron, of weights drawn from seed 0, and return its way."""
    model = gradlab.MLP(
        [data.n_features, 1], "identity", init="lecun_normal", seed=0, dtype="float64"
    )
    start = model.weights[0][:, 0].copy(), float(model.biases[0][0, 0])
    weights, bias, loss = [start[0]], [start[1]], []

    def follow(step) -> None:
        weights.append(step.model.weights[0][:, 0].copy())
        bias.append(float(step.model.biases[0][0, 0]))
        loss.append(float(step.loss))

    gradlab.train(model, data, on_step=follow, **options)
    return Way(np.array(weights), np.array(bias), np.array(loss))


def two_classes(n: int, *, distance: float, seed: int) -> Data:
    """Two normal clouds of deviation 1 in the plane, `distance` apart; a fifth is held out."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    direction = np.array([0.8, 0.6])
    x = rng.normal(size=(n, 2)) + (labels[:, None] - 0.5) * distance * direction
    return gradlab.datasets.split("two clouds", x, labels, seed=seed, classes=("0", "1"))


def boundary(weights: Array, bias: float, reach: float) -> tuple[Array, Array]:
    """Return two points of the line w1 x1 + w2 x2 + b = 0, far enough apart to be drawn."""
    length = float(weights @ weights)
    if length == 0:
        return np.array([np.nan, np.nan]), np.array([np.nan, np.nan])
    foot, along = -bias * weights / length, np.array([-weights[1], weights[0]]) / np.sqrt(length)
    ends = np.stack([foot - 3 * reach * along, foot + 3 * reach * along])
    return ends[:, 0], ends[:, 1]


def boundary_figure(data: Data, way: Way, oracle: tuple[Array, float], name: str) -> go.Figure:
    """Draw both classes, the line between them as it moves, and the line it should become."""
    reach = float(np.abs(data.x_train).max()) + 0.3
    traces = [
        go.Scatter(
            x=data.x_train[data.y_train == label, 0],
            y=data.x_train[data.y_train == label, 1],
            mode="markers",
            name=f"class {label}",
            marker={"color": LINES[2 * label], "size": 6, "symbol": ("circle", "diamond")[label]},
        )
        for label in (0, 1)
    ]
    x, y = boundary(*oracle, reach)
    traces.append(
        go.Scatter(x=x, y=y, mode="lines", name=name, line={"color": NEUTRAL, "dash": "dash"})
    )
    moments = way.moments()
    lines = [boundary(way.weights[t], float(way.bias[t]), reach) for t in moments]
    x, y = lines[-1]
    traces.append(
        go.Scatter(x=x, y=y, mode="lines", name="neuron", line={"color": PREDICTED, "width": 3})
    )
    frames = [
        go.Frame(name=f"iteration {t}", traces=[3], data=[go.Scatter(x=x, y=y)])
        for t, (x, y) in zip(moments, lines, strict=True)
    ]
    axis = {"range": [-reach, reach]}
    layout = {"xaxis": {"title": "x₁", **axis}, "yaxis": {"title": "x₂", **axis}, "height": 440}
    return go.Figure(traces, layout, frames)


def weights_figure(
    way: Way, oracle: tuple[Array, float], *, logarithmic: bool = False
) -> go.Figure:
    """Draw each weight and the bias over the iterations, and where the oracle says they end."""
    shown = np.unique(np.linspace(0, len(way.bias) - 1, 400).astype(int))
    values = [*way.weights.T, way.bias]
    names = [*(f"w{'₁₂₃'[k]}" for k in range(way.weights.shape[1])), "b"]
    traces = [
        go.Scatter(x=shown, y=value[shown], mode="lines", name=name, line={"color": LINES[k]})
        for k, (value, name) in enumerate(zip(values, names, strict=True))
    ]
    for k, value in enumerate([*oracle[0], oracle[1]]):
        line = {"color": LINES[k], "dash": "dash", "width": 1}
        traces.append(
            go.Scatter(
                x=shown[[0, -1]], y=[value, value], mode="lines", showlegend=False, line=line
            )
        )
    axis = powers("iteration") if logarithmic else {"title": "iteration"}
    return go.Figure(traces, {"xaxis": axis, "yaxis": {"title": "value"}})
