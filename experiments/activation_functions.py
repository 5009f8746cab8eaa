"""What does an activation function do to a gradient that passes through it L times?

Sigmoid, tanh, relu and the modern ones: their curves, their slopes, the largest slope each can
have, what a product of L slopes becomes, and what an element costs.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from experiments._draw import moment, powers
from gradlab.activations import ACTIVATIONS, Activation
from gradlab.report.article import Article, Section, write_article
from gradlab.report.explorable import Explorable
from gradlab.report.pictures.draw import DASHES, LINES, MEASURED, PREDICTED

TITLE = "Activation functions and their slopes"
QUESTION = "What is left of a gradient after L slopes of an activation function?"
ORDER = 8.0
SECONDS = 3

NAMES = tuple(name for name in ACTIVATIONS if name != "identity")
CLASSIC, MODERN = NAMES[:3], NAMES[3:]
DEPTH = 20
ELEMENTS = 50_000


@dataclass(frozen=True)
class Result:
    """Curves and slopes on a grid, largest and typical slope, and nanoseconds an element.

    Attributes
    ----------
    z : ndarray (n,)
    curves, slopes : dict of str to ndarray (n,)
    largest : dict of str to float
        The largest slope found on a fine grid from -12 to 12, its ends standing for infinity.
    typical : dict of str to float
        Root mean square of phi'(z) for z ~ N(0, 1), by Gauss-Hermite quadrature.
    costs : dict of str to (float, float)
        Nanoseconds an element for phi and for phi', float32, the median of interleaved rounds.
    """

    z: np.ndarray
    curves: dict[str, np.ndarray]
    slopes: dict[str, np.ndarray]
    largest: dict[str, float]
    typical: dict[str, float]
    costs: dict[str, tuple[float, float]]


def run(*, quick: bool = False) -> Result:
    """Evaluate, integrate and time every activation function."""
    z = np.linspace(-4, 4, 321)
    curves, slopes, largest, typical = {}, {}, {}, {}
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    for name in NAMES:
        curves[name], slopes[name] = _evaluate(ACTIVATIONS[name], z)
        largest[name] = float(_evaluate(ACTIVATIONS[name], np.linspace(-12, 12, 24001))[1].max())
        squares = _evaluate(ACTIVATIONS[name], nodes)[1] ** 2
        typical[name] = float(np.sqrt((weights * squares).sum() / weights.sum()))
    return Result(z, curves, slopes, largest, typical, _costs(5 if quick else 25))


def _evaluate(activation: Activation, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = np.empty_like(z), np.empty_like(z)
    activation.function(z, value)
    activation.derivative(z, value, slope)
    return value, slope


def _costs(rounds: int) -> dict[str, tuple[float, float]]:
    """Time every function in turn, round after round, so that a busy moment hits all alike."""
    z = np.random.default_rng(0).normal(size=ELEMENTS).astype(np.float32)
    value, slope = np.empty_like(z), np.empty_like(z)
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in NAMES}
    for _ in range(rounds):
        for name in NAMES:
            start = time.perf_counter()
            ACTIVATIONS[name].function(z, value)
            middle = time.perf_counter()
            ACTIVATIONS[name].derivative(z, value, slope)
            times[name][0].append(middle - start)
            times[name][1].append(time.perf_counter() - middle)
    each = 1e9 / ELEMENTS
    return {
        name: (each * statistics.median(a), each * statistics.median(b))
        for name, (a, b) in times.items()
    }


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    left = {name: result.typical[name] ** DEPTH for name in NAMES}
    answer = (
        f"After {DEPTH} typical slopes, sigmoid leaves {left['sigmoid']:.0e} of it, tanh "
        f"{left['tanh']:.0e} and relu {left['relu']:.0e}; at best, sigmoid could leave ¼ to the "
        f"power {DEPTH}, which is {0.25**DEPTH:.0e}."
    )
    code = """
from gradlab.activations import get

sigmoid = get("sigmoid")
print(sigmoid.formula, sigmoid.slope_bound)
print(sigmoid.slope(__import__("numpy").array([0.0, 2.0, 4.0])))
"""
    sections = [
        Section(
            "The three of the course",
            "Solid: the function. Dotted: its slope φ′, which every gradient is multiplied with "
            "on its way back. Sigmoid's slope is 1/4 at z = 0 and less everywhere else; tanh's "
            "is 1 at 0 and less elsewhere; relu's is 1 or 0. Far from 0 sigmoid and tanh are "
            "flat: a unit out there is saturated, and nothing comes back through it.",
            _curves_figure(result, CLASSIC),
            "Sigmoid, tanh and relu with their slopes; sigmoid's slope peaks at one quarter, "
            "tanh's at one.",
            formula="\n".join(ACTIVATIONS[name].formula for name in CLASSIC),
            code=code,
        ),
        Section(
            "Slopes of the modern ones",
            "Leaky relu never closes completely. Elu, selu, softplus, gelu and silu round relu's "
            "corner off; gelu and silu dip below 0 on the left, and their slopes rise a little "
            "above 1 on the right. Selu is stretched by 1.0507, so that signals neither grow nor "
            "shrink from layer to layer.",
            _slopes_figure(result, MODERN),
            "Slopes of leaky relu, elu, selu, softplus, gelu and silu, all near 0 at the left "
            "and near 1 at the right.",
            formula="\n".join(ACTIVATIONS[name].formula for name in MODERN),
        ),
        Section(
            f"A product of {DEPTH} slopes",
            "A gradient that goes back through L layers meets L slopes. Shown is what they leave "
            "of it if each is typical: the root mean square of φ′ over inputs from a normal "
            "distribution of deviation 1. On this axis a product is a straight line. The dashed "
            "line is the best sigmoid could ever do, 1/4 a layer. Weights multiply in too: "
            "relu's 0.71 a layer, half of the signal's power, is what He's initialization makes "
            "up for with its factor √2. No usual initialization makes up for sigmoid's 0.21.",
            _product_figure(result),
            "Straight falling lines over layers; sigmoid falls fastest, relu by about a factor "
            "of a thousand in twenty layers.",
            table=_table(result, left),
        ),
        Section(
            "Slopes in a net",
            "In a net, weights multiply in and the inputs of a layer are what the layer below "
            "made of its own. Choose an activation, a depth and how large the weights are: the "
            "answer is computed in this page, from mean field theory at initialization.",
            explore=Explorable("tanh", DEPTH, 1.0),
        ),
        Section(
            "What an element costs",
            f"Nanoseconds for one element of {ELEMENTS:,} (float32), one core, the median of many "
            "rounds; blue the function, orange its slope. Relu is a comparison; the others need "
            "an exponential. The slopes of sigmoid and tanh are cheap, because they are made of "
            "the values already there.",
            _cost_figure(result),
            "Bars of nanoseconds an element for every function and its slope; relu is among the "
            "cheapest.",
        ),
    ]
    facts = {"left": left, "largest": result.largest, "costs": result.costs}
    return Article("activation_functions", TITLE, QUESTION, answer, sections, facts)


def _curves_figure(result: Result, names: tuple[str, ...]) -> go.Figure:
    traces = []
    for name, colour in zip(names, LINES, strict=False):
        traces.append(
            go.Scatter(
                x=result.z,
                y=result.curves[name],
                mode="lines",
                name=name,
                line={"color": colour, "width": 3},
            )
        )
        dotted = {"color": colour, "dash": "dot", "width": 2}
        traces.append(
            go.Scatter(
                x=result.z, y=result.slopes[name], mode="lines", name=f"{name}′", line=dotted
            )
        )
    axis = {"title": "φ(z), φ′(z)", "range": [-1.2, 2.2]}
    return go.Figure(traces, {"xaxis": {"title": "z"}, "yaxis": axis})


def _slopes_figure(result: Result, names: tuple[str, ...]) -> go.Figure:
    traces = [
        go.Scatter(
            x=result.z,
            y=result.slopes[name],
            mode="lines",
            name=name,
            line={"color": LINES[k], "dash": DASHES[k % 4], "width": 2.5},
        )
        for k, name in enumerate(names)
    ]
    return go.Figure(traces, {"xaxis": {"title": "z"}, "yaxis": {"title": "φ′(z)"}})


def _product_figure(result: Result) -> go.Figure:
    layers = np.arange(51)
    shown = ("sigmoid", "tanh", "relu", "selu", "gelu")
    traces = [
        go.Scatter(
            x=layers,
            y=result.typical[name] ** layers,
            mode="lines",
            name=name,
            line={"color": LINES[k], "width": 2.5},
        )
        for k, name in enumerate(shown)
    ]
    best = {"color": LINES[0], "dash": "dash", "width": 1.5}
    traces.append(
        go.Scatter(x=layers, y=0.25**layers, mode="lines", name="sigmoid, at best", line=best)
    )
    axis = powers("what L slopes leave", dtick=5)
    return go.Figure(
        traces, {"xaxis": {"title": "layers L"}, "yaxis": axis, "shapes": [moment(DEPTH)]}
    )


def _table(result: Result, left: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "activation": NAMES,
            "largest slope": [result.largest[name] for name in NAMES],
            "typical slope": [result.typical[name] for name in NAMES],
            f"typical, {DEPTH} times": [left[name] for name in NAMES],
        }
    )


def _cost_figure(result: Result) -> go.Figure:
    order = sorted(NAMES, key=lambda name: sum(result.costs[name]), reverse=True)
    traces = [
        go.Bar(
            y=order,
            x=[result.costs[name][k] for name in order],
            name=word,
            orientation="h",
            marker={"color": colour},
        )
        for k, (word, colour) in enumerate((("φ", MEASURED), ("φ′", PREDICTED)))
    ]
    layout = {
        "barmode": "stack",
        "xaxis": {"title": "ns an element"},
        "yaxis": {"title": ""},
        "height": 420,
    }
    return go.Figure(traces, layout)


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "activation-functions.html"))


if __name__ == "__main__":
    main()
