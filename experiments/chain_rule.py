"""Where does the derivative by one weight come from?

The course's network has 4 inputs, layers of 3 and 2 units and one output: W^1 is 4x3, W^2 is 3x2,
W^3 is 2x1. The derivative by a weight is a sum over all paths from the weight to the loss, and each
path a product of factors that can be written down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

import gradlab
from experiments._draw import level
from gradlab.nn import paths
from gradlab.nn.paths import PathSum
from gradlab.report.article import Article, Section, write_article
from gradlab.report.pictures.draw import LINES, NEUTRAL

TITLE = "The chain rule: a sum over paths"
QUESTION = "Where does the derivative by one weight come from?"
ORDER = 5.0
SECONDS = 1

SIZES = [4, 3, 2, 1]
X, Y = np.array([1.0, 0.5, -1.0, 2.0]), np.array([1.0])


@dataclass(frozen=True)
class Result:
    """The net, and the derivatives by w^3_11, w^2_11 and w^1_11 as sums over paths.

    Attributes
    ----------
    worst : float
        Largest relative difference from backpropagation, over all 20 weights.
    """

    model: gradlab.MLP
    sums: tuple[PathSum, PathSum, PathSum]
    worst: float


def run(*, quick: bool = False) -> Result:
    """Differentiate the course's net by each of its weights, path by path."""
    model = gradlab.MLP(SIZES, "sigmoid", init="glorot_normal", seed=4, dtype="float64")
    chosen = tuple(
        paths.derivative(model, X, Y, layer=layer, row=1, column=1) for layer in (3, 2, 1)
    )
    differences = []
    for layer, weight in enumerate(model.weights, 1):
        for row, column in np.ndindex(weight.shape):
            each = paths.derivative(model, X, Y, layer=layer, row=row + 1, column=column + 1)
            differences.append(abs(each.value - each.backprop) / abs(each.backprop))
    return Result(model, (chosen[0], chosen[1], chosen[2]), float(max(differences)))


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    first = result.sums[2]
    answer = (
        f"From every path it takes to the loss: ∂L/∂w¹₁₁ has {len(first.paths)}, and "
        f"{' + '.join(f'{path.value:.6f}' for path in first.paths)} = {first.value:.6f}, "
        f"backpropagation's own number to {max(-math.log10(max(result.worst, 1e-16)), 0):.0f} "
        "digits."
    )
    code = """
import numpy as np
import gradlab
from gradlab.nn import paths

net = gradlab.MLP([4, 3, 2, 1], "sigmoid", dtype="float64")   # any sizes, any activation
x, y = np.array([1.0, 0.5, -1.0, 2.0]), np.array([1.0])
print(paths.derivative(net, x, y, layer=1, row=1, column=1))  # any weight
"""
    notation = (
        "Layers are counted from 1. wˡᵢⱼ leads from unit i of layer l − 1 to unit j of layer l, "
        "so W¹ has 4 rows and 3 columns, W² 3 and 2, W³ 2 and 1: 12 + 6 + 2 = 20 weights. zˡⱼ is "
        "the sum that arrives at a unit, oˡⱼ = φ(zˡⱼ) what it sends on; φ is the sigmoid here. "
        "The last layer is linear: its z is the net's answer, and the loss is its squared "
        "distance from the target.\n\nTo change the loss, a change of w¹₁₁ (orange, at the left) "
        "must first change unit 1 of layer 1. From there it can go two ways, over unit 1 or unit "
        "2 of layer 2. Both count."
    )
    sections = [
        Section(
            "The network, and the two paths of w¹₁₁",
            notation,
            _network_figure(),
            "Four input units, three, two and one; the weight from input 1 to unit 1 of layer 1 "
            "is highlighted, and from there one path over unit 1 and one over unit 2 of layer 2 "
            "to the output.",
            formula=(
                "zˡⱼ = Σᵢ oˡ⁻¹ᵢ wˡᵢⱼ + bˡⱼ,  oˡⱼ = φ(zˡⱼ)\n∂L/∂wˡᵢⱼ = Σ over paths of the product "
                "of their factors"
            ),
            code=code,
        )
    ]
    words = {
        3: "The last layer: one factor chain",
        2: "One layer earlier: one path",
        1: "The first layer: two paths",
    }
    for layer, each in zip((3, 2, 1), result.sums, strict=True):
        terms = " + ".join(f"{path.value:.6f}" for path in each.paths)
        text = (
            f"{each.name} = {terms}{f' = {each.value:.6f}' if len(each.paths) > 1 else ''}; "
            f"backpropagation says {each.backprop:.6f}."
        )
        sections.append(Section(words[layer], text, table=_table(each)))
    sections.append(
        Section(
            "Which factor makes it small",
            "The same factors as bars, on a logarithmic axis: each bar is the size of one "
            "factor, and a path's derivative is their product. The slopes φ′ of the sigmoid are "
            "at most 1/4. Every further layer adds one of them: that is where page 9 goes on.",
            _factor_figure(first),
            "Bars of the factors of both paths; the slopes of the sigmoid are all below one "
            "quarter.",
        )
    )
    facts = {"worst": result.worst, "derivatives": [each.value for each in result.sums]}
    return Article("chain_rule", TITLE, QUESTION, answer, sections, facts)


def _table(each: PathSum) -> pd.DataFrame:
    rows = []
    for number, path in enumerate(each.paths, 1):
        rows += [
            {"path": number, "factor": factor.name, "is": factor.formula, "value": factor.value}
            for factor in path.factors
        ]
        rows.append({"path": number, "factor": "product", "is": "", "value": path.value})
    return pd.DataFrame(rows)


def _place(layer: int, unit: int) -> tuple[float, float]:
    """Where a unit of a layer (0 = the input) stands; units are counted from 1, from above."""
    return float(layer), (SIZES[layer] + 1) / 2 - unit


def _edge(layer: int, row: int, column: int) -> tuple[list[float], list[float]]:
    (x0, y0), (x1, y1) = _place(layer - 1, row), _place(layer, column)
    return [x0, x1], [y0, y1]


def _plain_axes() -> dict:
    hidden = {"visible": False, "zeroline": False}
    ticks = {
        "tickvals": [0, 1, 2, 3],
        "ticktext": ["input", "layer 1", "layer 2", "output"],
        "showgrid": False,
        "zeroline": False,
    }
    return {
        "xaxis": {**ticks, "range": [-0.3, 3.3], "title": ""},
        "yaxis": {**hidden, "range": [-1.9, 2.1]},
    }


def _network_figure() -> go.Figure:
    plain: tuple[list, list] = [], []
    for layer in range(1, len(SIZES)):
        for row in range(1, SIZES[layer - 1] + 1):
            for column in range(1, SIZES[layer] + 1):
                x, y = _edge(layer, row, column)
                plain[0].extend([*x, None])
                plain[1].extend([*y, None])
    traces = [
        go.Scatter(
            x=plain[0],
            y=plain[1],
            mode="lines",
            name="weights",
            line={"color": NEUTRAL, "width": 1},
        )
    ]
    ways = {"w¹₁₁": [(1, 1, 1)], "path 1": [(2, 1, 1), (3, 1, 1)], "path 2": [(2, 1, 2), (3, 2, 1)]}
    for (name, edges), colour in zip(ways.items(), (LINES[1], LINES[0], LINES[2]), strict=True):
        x, y = [], []
        for edge in edges:
            ends = _edge(*edge)
            x += [*ends[0], None]
            y += [*ends[1], None]
        traces.append(
            go.Scatter(x=x, y=y, mode="lines", name=name, line={"color": colour, "width": 4})
        )
    units = [(layer, unit) for layer, size in enumerate(SIZES) for unit in range(1, size + 1)]
    places = [_place(*each) for each in units]
    names = [
        f"x<sub>{unit}</sub>  " if layer == 0 else f"o<sup>{layer}</sup><sub>{unit}</sub>"
        for layer, unit in units
    ]
    traces.append(
        go.Scatter(
            x=[x for x, _ in places],
            y=[y for _, y in places],
            mode="markers+text",
            text=names,
            showlegend=False,
            textposition=["middle left" if layer == 0 else "top center" for layer, _ in units],
            marker={"size": 16, "color": LINES[7]},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )
    return go.Figure(traces, _plain_axes())


def _factor_figure(each: PathSum) -> go.Figure:
    traces = [
        go.Bar(
            x=[_plain(factor.name) for factor in path.factors],
            y=[abs(factor.value) for factor in path.factors],
            name=f"path {number}",
            marker={"color": LINES[2 * (number - 1)]},
        )
        for number, path in enumerate(each.paths, 1)
    ]
    axis = {"title": "size of the factor", "type": "log", "tickvals": [0.1, 0.25, 1, 4]}
    return go.Figure(
        traces,
        {"barmode": "group", "xaxis": {"title": "factor"}, "yaxis": axis, "shapes": [level(0.25)]},
    )


def _plain(name: str) -> str:
    """A factor without the unit it goes through, so that both paths share an axis."""
    above, _, below = name.partition("/")
    return f"{above[:3]}/{below[:3]}"


def main() -> None:
    """Run the experiment and write its page."""
    result = run()
    print(result.sums[2])
    print(write_article(article(result), Path("reports") / "chain-rule.html"))


if __name__ == "__main__":
    main()
