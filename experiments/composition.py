"""Can a network of simple steps become the function F(x) = 2 sin(x^2) + sqrt(5x)?

Twice composed: once by hand, from add, square, sqrt, sin and mul as a graph that knows its
derivative; once by learning, as networks of one, two and three hidden layers fitted to points of F.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import gradlab
from experiments._draw import powers
from gradlab.datasets import Data
from gradlab.nn.graph import Node, add, constant, mul, sin, sqrt, square, variable
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES, MEASURED, NEUTRAL, PREDICTED

TITLE = "A network is a composition of functions"
QUESTION = "Can a network of simple steps become 2 sin(x²) + √(5x)?"
ORDER = 7.0
SECONDS = 50

AT = 1.2
WIDTH, SEEDS, POINTS = 32, 4, 500
MEAN, DEVIATION = (
    2.0,
    4 / np.sqrt(12),
)  # of x drawn evenly from [0, 4): what the network reads is (x - MEAN) / DEVIATION


@dataclass(frozen=True)
class Result:
    """The graph at x = 1.2 and on a grid, and the networks' fits.

    Attributes
    ----------
    nodes : list of (str, float, float)
        Name, value, and the derivative of F by it, of every node at x = 1.2.
    grid, exact, slope : ndarray (n,)
        x, F(x) and F'(x) by the graph.
    fits : dict of int to ndarray (n,)
        Hidden layers -> the prediction of the seed in the middle.
    errors : dict of int to ndarray (seeds,)
        Hidden layers -> root mean square error on held-out points.
    """

    nodes: list[tuple[str, float, float]]
    grid: np.ndarray
    exact: np.ndarray
    slope: np.ndarray
    fits: dict[int, np.ndarray]
    errors: dict[int, np.ndarray]

    @property
    def middle(self) -> dict[int, float]:
        """The median error of each depth."""
        return {depth: float(np.median(each)) for depth, each in self.errors.items()}


def build(x: Node) -> Node:
    """F(x) = 2 sin(x^2) + sqrt(5x), step by step."""
    return add(mul(constant(2), sin(square(x))), sqrt(mul(constant(5), x)))


def points(seed: int = 0) -> Data:
    """Points of F, x drawn evenly from [0, 4); a fifth is held out."""
    x = np.random.default_rng(seed).uniform(0, 4, (POINTS, 1))
    y, read, train = build(variable("x", x[:, 0])).value, (x - MEAN) / DEVIATION, POINTS * 4 // 5
    return Data("F(x)", read[:train], y[:train], read[train:], y[train:])


def run(*, quick: bool = False) -> Result:
    """Differentiate the graph; fit networks of 1, 2 and 3 hidden layers, four seeds each."""
    x = variable("x", AT)
    f = build(x)
    by = f.derivatives()
    nodes = [(node.name, float(node.value), float(by[node])) for node in f.nodes()]
    grid = np.linspace(0.005, 4, 400)
    x = variable("x", grid)
    f = build(x)
    data, fits, errors = points(), {}, {}
    for depth in (1, 3) if quick else (1, 2, 3):
        model = gradlab.MLP([1, *[WIDTH] * depth, 1], "tanh", init="lecun_normal", replicates=SEEDS)
        gradlab.train(
            model,
            data,
            loss="squared_error",
            optimizer="adam",
            learning_rate=0.01,
            schedule="cosine",
            batch_size=100,
            iterations=600 if quick else 3000,
            every=1000,
        )
        wrong = model.predict(data.x_test)[..., 0] - data.y_test
        errors[depth] = np.sqrt(np.mean(wrong**2, axis=1))
        middle = np.argsort(errors[depth])[SEEDS // 2]
        fits[depth] = model.predict((grid[:, None] - MEAN) / DEVIATION)[middle, :, 0]
    return Result(nodes, grid, f.value, f.derivative(x), fits, errors)


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    first, last = min(result.fits), max(result.fits)
    value, slope = result.nodes[-1][1], result.nodes[0][2]
    answer = (
        f"Yes: with {last} hidden layers it is off by {result.middle[last]:.3f} on new points, "
        f"with one by {result.middle[first]:.2f}; F itself spans {np.ptp(result.exact):.1f}."
    )
    code = """
from gradlab.nn.graph import add, constant, mul, sin, sqrt, square, variable

x = variable("x", 1.2)
f = add(mul(constant(2), sin(square(x))), sqrt(mul(constant(5), x)))
print(f.value, f.derivative(x))
for node, derivative in f.derivatives().items():
    print(node.name, node.value, derivative)
"""
    sections = [
        Section(
            "The function as a graph",
            f"F is put together from five kinds of steps. At x = {AT} each node holds a value, "
            "computed from the left to the right, and below it ∂, the derivative of F by that "
            "value, computed from the right to the left: a node passes back its own derivative "
            "times its slope. x is used twice, so two parts come back, and they are added: "
            f"F({AT}) = {value:.4f}, F′({AT}) = {slope:.4f}.",
            _graph_figure(result),
            "Seven nodes: x splits into square and times five, then sine, times two, and root, "
            "which are added.",
            formula="F(x) = 2 sin(x²) + √(5x)\nF′(x) = 2 cos(x²) · 2x + 5 / (2 √(5x))",
            code=code,
        ),
        Section(
            "Value and derivative",
            "The curve waves faster and faster, because x² runs faster than x, and rises under "
            "the root. Its derivative, from the same graph, swings wider and wider: that is what "
            "makes F hard to fit at the right.",
            _function_figure(result),
            "F waves ever faster between 0 and 4; its derivative swings between about minus "
            "sixteen and plus seventeen.",
        ),
        Section(
            "Learned instead of built",
            f"Networks of {WIDTH} tanh units a layer are shown {POINTS * 4 // 5} points and no "
            "formula. One hidden layer follows the slow part and gives up where the waves get "
            "short. Two or three compose: they bend what is bent already.",
            _fit_figure(result),
            "The function and the fits of networks of several depths; the deepest lies on it.",
        ),
        Section(
            "What is left over",
            "Residuals: prediction minus F. Near x = 4 they are largest, where F changes most "
            "within the distance of two examples.",
            _residual_figure(result),
            "Residuals over x: large waves for one hidden layer, nearly zero for three.",
        ),
        Section(
            "Error by depth",
            "Each dot is one seed, on points that were held out. All nets were trained with the "
            "same number of steps (Adam, a learning rate of 0.01 that falls to 0 along a cosine).",
            _error_figure(result),
            "Dots of the root mean square error by hidden layers, falling from left to right.",
        ),
    ]
    facts = {
        "value": value,
        "slope": slope,
        **{f"error_{depth}": each for depth, each in result.middle.items()},
    }
    return Article("composition", TITLE, QUESTION, answer, sections, facts)


# Where each node of the graph stands, in the order of `Node.nodes`.
PLACES = {
    "2": (2, 3),
    "x": (0, 1.5),
    "square": (1, 2),
    "sin": (2, 2),
    "mul": (3, 2.5),
    "5": (1, 0),
    "mul ": (2, 0.5),
    "sqrt": (3, 0.5),
    "add": (4, 1.5),
}
EDGES = [
    ("x", "square"),
    ("square", "sin"),
    ("sin", "mul"),
    ("2", "mul"),
    ("x", "mul "),
    ("5", "mul "),
    ("mul ", "sqrt"),
    ("mul", "add"),
    ("sqrt", "add"),
]
WORDS = {"square": "x²", "sin": "sin", "mul": "×", "mul ": "×", "sqrt": "√", "add": "+"}


HIDDEN = {"visible": False, "zeroline": False}  # an axis


def _graph_figure(result: Result) -> go.Figure:
    edges: tuple[list, list] = [], []
    for start, end in EDGES:
        edges[0].extend([PLACES[start][0], PLACES[end][0], None])
        edges[1].extend([PLACES[start][1], PLACES[end][1], None])
    named: dict[str, tuple[float, float]] = {}
    for name, value, derivative in result.nodes:
        named[f"{name} " if name in named else name] = value, derivative
    shown = [name for name in PLACES if name in named]
    texts = [
        f"{value:.3g}<br>∂ {derivative:.3g}"
        for value, derivative in (named[name] for name in shown)
    ]
    x, y = [PLACES[name][0] for name in shown], [PLACES[name][1] for name in shown]
    traces = [
        go.Scatter(
            x=edges[0],
            y=edges[1],
            mode="lines",
            line={"color": NEUTRAL, "width": 1.5},
            hoverinfo="skip",
        ),
        go.Scatter(
            x=x,
            y=y,
            mode="markers+text",
            text=[WORDS.get(name, name) for name in shown],
            textposition="top center",
            marker={"size": 14, "color": LINES[0]},
            hoverinfo="skip",
            cliponaxis=False,
            textfont={"size": 16},
        ),
        go.Scatter(
            x=x,
            y=np.array(y) - 0.15,
            mode="text",
            textposition="bottom center",
            text=texts,
            hoverinfo="skip",
            cliponaxis=False,
        ),
    ]
    layout = {
        "xaxis": {**HIDDEN, "range": [-0.5, 4.5]},
        "yaxis": {**HIDDEN, "range": [-0.7, 3.5]},
        "showlegend": False,
        "height": 470,
    }
    return go.Figure(traces, layout)


def _function_figure(result: Result) -> go.Figure:
    steep = np.where(np.abs(result.slope) < 20, result.slope, np.nan)  # F' is infinite at 0
    traces = [
        go.Scatter(
            x=result.grid,
            y=result.exact,
            mode="lines",
            name="F",
            line={"color": MEASURED, "width": 3},
        ),
        go.Scatter(x=result.grid, y=steep, mode="lines", name="F′", line={"color": PREDICTED}),
    ]
    return go.Figure(traces, {"xaxis": {"title": "x"}, "yaxis": {"title": "F and F′"}})


def _fit_figure(result: Result) -> go.Figure:
    traces = [
        go.Scatter(
            x=result.grid,
            y=result.exact,
            mode="lines",
            name="F",
            line={"color": NEUTRAL, "width": 5},
        )
    ]
    for k, (depth, fit) in enumerate(result.fits.items()):
        line = {"color": LINES[(1, 2, 0)[k % 3]], "width": 2}
        traces.append(
            go.Scatter(x=result.grid, y=fit, mode="lines", name=f"{depth} hidden", line=line)
        )
    return go.Figure(traces, {"xaxis": {"title": "x"}, "yaxis": {"title": "F and its fits"}})


def _residual_figure(result: Result) -> go.Figure:
    traces = [
        go.Scatter(
            x=result.grid,
            y=fit - result.exact,
            mode="lines",
            name=f"{depth} hidden",
            line={"color": LINES[(1, 2, 0)[k % 3]]},
        )
        for k, (depth, fit) in enumerate(result.fits.items())
    ]
    return go.Figure(traces, {"xaxis": {"title": "x"}, "yaxis": {"title": "fit − F"}})


def _error_figure(result: Result) -> go.Figure:
    traces = [
        go.Scatter(
            x=[depth] * len(each),
            y=each,
            mode="markers",
            showlegend=False,
            marker={"color": MEASURED, "size": 9, "opacity": 0.7},
        )
        for depth, each in result.errors.items()
    ]
    depths = list(result.middle)
    line = go.Scatter(
        x=depths,
        y=list(result.middle.values()),
        mode="lines",
        showlegend=False,
        line={"color": MEASURED},
    )
    axis = powers("rms error on new points")
    return go.Figure(
        [line, *traces],
        {"xaxis": {"title": "hidden layers", "tickvals": depths}, "yaxis": axis, "height": 320},
    )


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "composition.html"))


if __name__ == "__main__":
    main()
