"""When does a network learn the noise instead of the curve?

Noisy points of the course's function, fitted again and again from fresh samples: by networks of
more and more layers, with penalties, with dropout, and with an early stop. What is wrong on new
points is bias, variance, or noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

import gradlab
from experiments import _bare, _sparse
from experiments._draw import level, moment, powers
from gradlab.datasets import Data
from gradlab.nn.penalties import Penalty
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES, MEASURED, NEUTRAL, PREDICTED

TITLE = "Bias and variance"
QUESTION = "When does a network learn the noise instead of the curve?"
ORDER = 11.0
SECONDS = 35

POINTS, NOISE, WIDTH = 40, 0.5, 32
SAMPLES, ITERATIONS = 4, 1200
DEPTHS = (0, 1, 2, 3, 4)
LAMBDAS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
DROPOUTS = (0.0, 0.1, 0.3, 0.5)
SPARSE = (0.01, 0.03, 0.1, 0.3, 1.0)
OVERFITS = 3  # hidden layers of the net that is treated


@dataclass(frozen=True)
class Errors:
    """Of one kind of net over all samples: mean squared errors.

    Attributes
    ----------
    train : float
        On the noisy points it was shown.
    bias2, variance : float
        Of its prediction on a grid, against the curve without noise: (mean prediction - F)^2, and
        how much predictions of different samples differ.
    weight_norm : float
        ||W|| of all layers.
    """

    train: float
    bias2: float
    variance: float
    weight_norm: float

    @property
    def test(self) -> float:
        """Expected squared error on a new noisy point: bias^2 + variance + noise."""
        return self.bias2 + self.variance + NOISE**2


@dataclass(frozen=True)
class Result:
    """Errors by depth, by lambda, by dropout; over the training time; and zeros by l1.

    Attributes
    ----------
    fits : dict of int to ndarray (samples, grid)
        Predictions by depth, for the picture.
    course : ndarray (3, moments)
        Iteration, training error and error on new points (noise included) of the overfitting net.
    zeros, subgradient_zeros : dict of float to int
        l1 -> how many of 15 useless and 5 useful weights are exactly 0, by the proximal step and by
        the subgradient.
    """

    depths: dict[int, Errors]
    lambdas: dict[float, Errors]
    dropouts: dict[float, Errors]
    fits: dict[int, np.ndarray]
    course: np.ndarray
    zeros: dict[float, int]
    subgradient_zeros: dict[float, int]

    @property
    def best_depth(self) -> int:
        """The depth with the smallest error on new points."""
        return min(self.depths, key=lambda depth: self.depths[depth].test)

    @property
    def best_lambda(self) -> float:
        """The lambda with the smallest error on new points."""
        return min(self.lambdas, key=lambda value: self.lambdas[value].test)


GRID = np.linspace(0.01, 2.99, 200)


def curve(x: np.ndarray) -> np.ndarray:
    """F(x) = 2 sin(x^2) + sqrt(5x)."""
    return 2 * np.sin(x**2) + np.sqrt(5 * x)


def sample(seed: int) -> Data:
    """Noisy points of F, x drawn evenly from [0, 3); the held-out part is F itself on a grid."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 3, (POINTS, 1))
    y = curve(x[:, 0]) + rng.normal(0, NOISE, POINTS)
    return Data("noisy F", _read(x), y, _read(GRID[:, None]), curve(GRID))


def _read(x: np.ndarray) -> np.ndarray:
    """What a network reads: mean 0 and variance 1 over [0, 3)."""
    return (x - 1.5) / (3 / np.sqrt(12))


def run(*, quick: bool = False) -> Result:
    """Fit every kind of net to every sample."""
    # The quick form leaves kinds of nets out, and trains the others as long: overfitting takes its
    # time.
    moments: list[tuple[int, float, float]] = []
    fits, depths = {}, {}
    for depth in (0, 1, OVERFITS) if quick else DEPTHS:
        watch = moments if depth == OVERFITS else None
        depths[depth], fits[depth] = _errors(depth, watch=watch)
    lambdas = {0.0: depths[OVERFITS]}
    for value in LAMBDAS[3::2] if quick else LAMBDAS[1:]:
        lambdas[value], _ = _errors(OVERFITS, l2=value)
    dropouts = {0.0: depths[OVERFITS]}
    for value in DROPOUTS[1 : 2 if quick else None]:
        dropouts[value], _ = _errors(OVERFITS, dropout=value)
    course = np.array(moments).reshape(SAMPLES, -1, 3).mean(axis=0).T
    zeros = {value: int((_sparse.proximal_fit(value) == 0).sum()) for value in SPARSE}
    subgradient = {value: int((_sparse.subgradient_fit(value) == 0).sum()) for value in SPARSE}
    return Result(depths, lambdas, dropouts, fits, course, zeros, subgradient)


def _errors(
    depth: int,
    *,
    l2: float = 0.0,
    dropout: float = 0.0,
    watch: list[tuple[int, float, float]] | None = None,
) -> tuple[Errors, np.ndarray]:
    train, predictions, norms = [], [], []
    for seed in range(SAMPLES):
        data = sample(seed)
        model = gradlab.MLP(
            [1, *[WIDTH] * depth, 1], "tanh", init="lecun_normal", seed=seed, dropout=dropout
        )
        _bare.fit(
            model,
            data,
            optimizer="adam",
            learning_rate=0.01,
            batch_size=POINTS,
            iterations=ITERATIONS,
            penalty=Penalty(0, l2),
            on_step=None if watch is None else _watcher(model, data, watch),
        )
        train.append(_bare.error(model, data.x_train, data.y_train))
        predictions.append(model.predict(data.x_test)[:, 0].astype(float))
        norms.append(float(np.linalg.norm(model.weights.flat)))
    found = np.array(predictions)
    bias2 = float(np.mean((found.mean(axis=0) - curve(GRID)) ** 2))
    return Errors(
        float(np.mean(train)), bias2, float(found.var(axis=0).mean()), float(np.mean(norms))
    ), found


def _watcher(model: gradlab.MLP, data: Data, moments: list[tuple[int, float, float]]) -> Callable:
    def watch(step) -> None:
        if step.iteration % 20 == 0:
            train = _bare.error(model, data.x_train, data.y_train)
            moments.append(
                (step.iteration, train, _bare.error(model, data.x_test, data.y_test) + NOISE**2)
            )

    return watch


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    deep, best = result.depths[OVERFITS], result.depths[result.best_depth]
    treated = result.lambdas[result.best_lambda]
    stop = int(np.argmin(result.course[2]))
    answer = (
        f"When it has more freedom than the points can fill: with {OVERFITS} hidden layers the "
        f"training error is {deep.train:.2f}, below the noise of {NOISE**2:.2f}, and the error on "
        f"new points {deep.test:.2f}; with {result.best_depth} it is {best.test:.2f}, and L2 with "
        f"λ = {result.best_lambda:g} brings it down to {treated.test:.2f}."
    )
    code = """
import gradlab

data = gradlab.datasets.course_function(50, noise=0.5)
for l2 in (0.0, 0.01):
    net = gradlab.MLP([1, 32, 32, 32, 1], "tanh", init="lecun_normal")
    run = gradlab.train(net, data, loss="squared_error", optimizer="adam", learning_rate=0.01,
                        batch_size=40, iterations=300, l2=l2)
    print(l2, run.steps["loss"].iloc[-1], run.steps["validation_loss"].dropna().iloc[-1])
"""
    sections = [
        Section(
            "Few layers, many layers",
            f"{POINTS} noisy points (one sample of them is drawn), fitted by networks without a "
            f"hidden layer, with one and with {max(result.fits)}. Each thin line is a network "
            "trained on a fresh sample. Without a hidden layer all lines are alike, and wrong: "
            "bias. With many each line follows the accidents of its own sample: variance.",
            _fits_figure(result),
            "Straight lines that miss the curve, curves of one hidden layer close to it, and "
            "wiggling curves of the deep net.",
            code=code,
        ),
        Section(
            "Error by depth",
            "More layers always lower the error on the points shown. On new points it falls, "
            f"then rises again. It is the sum of bias², variance and the noise of {NOISE**2:g} "
            "that nobody can predict (dotted).",
            _errors_figure(result.depths, "hidden layers", logarithmic=False),
            "Training error falls with depth; the error on new points falls and rises again, as "
            "variance grows.",
            formula="E (f(x) + noise − ŷ(x))² = (E ŷ − f)² + Var ŷ + Var noise",
        ),
        Section(
            "L2: small weights, smooth curves",
            f"The same {OVERFITS} hidden layers with the penalty λ/2 ‖W‖². A little of it trades "
            "variance for bias at a profit; too much, and the network cannot bend any more. The "
            "weights shrink all the way, and none becomes 0.",
            _errors_figure(result.lambdas, "λ", logarithmic=True),
            "Error on new points over lambda: a valley between no penalty and too much of it.",
            table=pd.DataFrame(
                {
                    "λ": [f"{value:g}" for value in result.lambdas],
                    "‖W‖": [each.weight_norm for each in result.lambdas.values()],
                    "training error": [each.train for each in result.lambdas.values()],
                    "error on new points": [each.test for each in result.lambdas.values()],
                }
            ),
        ),
        Section(
            "L1: weights that are exactly 0",
            "One neuron, 20 features, of which 5 matter. With the penalty λ ‖W‖₁ and its "
            "proximal step, a weight that comes within ηλ of 0 becomes 0 and can stay there. "
            "Adding λ sign(w) to the gradient instead jumps across 0 and back for ever: not one "
            "weight is ever exactly 0.",
            _zeros_figure(result),
            "Number of weights that are exactly zero over lambda: up to fifteen and more by the "
            "proximal step, none otherwise.",
            formula="proximal step: w ← sign(w) max(|w| − ηλ, 0)\nsubgradient: w ← w − ηλ sign(w)",
        ),
        Section(
            "Stopping early, and dropping units",
            "The error on new points during the training of the overfitting net: it is lowest at "
            f"step {result.course[0, stop]:.0f} ({result.course[2, stop]:.2f}) and "
            f"{result.course[2, -1]:.2f} at the end. Who keeps an eye on held-out points can stop "
            "there. Dropout sets a random share of units to 0 at every step, so that none can "
            "rely on another: the table shows what that does to the same net.",
            _course_figure(result),
            "Training error falls throughout; the error on new points falls, then rises slowly.",
            table=pd.DataFrame(
                {
                    "dropout": [f"{value:g}" for value in result.dropouts],
                    "training error": [each.train for each in result.dropouts.values()],
                    "error on new points": [each.test for each in result.dropouts.values()],
                }
            ),
        ),
    ]
    facts = {
        "deep": deep.test,
        "best": best.test,
        "treated": treated.test,
        "stop": float(result.course[0, stop]),
    }
    return Article("bias_variance", TITLE, QUESTION, answer, sections, facts)


def _fits_figure(result: Result) -> go.Figure:
    data = sample(0)
    traces: list = [
        go.Scatter(
            x=data.x_train[:, 0] * 3 / np.sqrt(12) + 1.5,
            y=data.y_train,
            mode="markers",
            name="points",
            marker={"color": NEUTRAL, "size": 6},
        ),
        go.Scatter(
            x=GRID, y=curve(GRID), mode="lines", name="F", line={"color": NEUTRAL, "width": 4}
        ),
    ]
    for depth, colour in zip((0, 1, max(result.fits)), (LINES[1], LINES[2], LINES[0]), strict=True):
        for number, fit in enumerate(result.fits[depth]):
            line = {"color": colour, "width": 1.3}
            name = {0: "no hidden"}.get(depth, f"{depth} hidden")
            traces.append(
                go.Scatter(
                    x=GRID, y=fit, mode="lines", name=name, showlegend=number == 0, line=line
                )
            )
    return go.Figure(traces, {"xaxis": {"title": "x"}, "yaxis": {"title": "y"}, "height": 420})


def _errors_figure(errors: dict, title: str, *, logarithmic: bool) -> go.Figure:
    x = [str(f"{value:g}") for value in errors] if logarithmic else list(errors)
    columns = [
        ("training", [each.train for each in errors.values()], {"color": PREDICTED, "width": 2.5}),
        ("new points", [each.test for each in errors.values()], {"color": MEASURED, "width": 3}),
        ("bias²", [each.bias2 for each in errors.values()], {"color": LINES[2], "dash": "dash"}),
        (
            "variance",
            [each.variance for each in errors.values()],
            {"color": LINES[3], "dash": "dash"},
        ),
    ]
    traces = [
        go.Scatter(x=x, y=y, mode="lines+markers", name=name, line=line)
        for name, y, line in columns
    ]
    axis = {"title": title, "type": "category"} if logarithmic else {"title": title, "dtick": 1}
    y_axis = powers("mean squared error")
    return go.Figure(traces, {"xaxis": axis, "yaxis": y_axis, "shapes": [level(NOISE**2, "dot")]})


def _zeros_figure(result: Result) -> go.Figure:
    x = [f"{value:g}" for value in result.zeros]
    traces = [
        go.Bar(
            x=x, y=list(result.zeros.values()), name="proximal step", marker={"color": MEASURED}
        ),
        go.Bar(
            x=x,
            y=list(result.subgradient_zeros.values()),
            name="subgradient",
            marker={"color": PREDICTED},
        ),
    ]
    layout = {
        "xaxis": {"title": "λ", "type": "category"},
        "yaxis": {"title": "weights exactly 0, of 20"},
        "height": 320,
    }
    return go.Figure(traces, layout)


def _course_figure(result: Result) -> go.Figure:
    steps, train, test = result.course
    traces = [
        go.Scatter(
            x=steps, y=train, mode="lines", name="training", line={"color": PREDICTED, "width": 2.5}
        ),
        go.Scatter(
            x=steps, y=test, mode="lines", name="new points", line={"color": MEASURED, "width": 3}
        ),
    ]
    axis = powers("mean squared error")
    return go.Figure(
        traces,
        {"xaxis": {"title": "step"}, "yaxis": axis, "shapes": [moment(steps[np.argmin(test)])]},
    )


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "bias-variance.html"))


if __name__ == "__main__":
    main()
