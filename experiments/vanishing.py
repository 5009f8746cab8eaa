"""Why do the first layers of a deep sigmoid network not learn?

The lecture's numbers first: 0.2 x 0.1 x 0.05 = 0.001, and a weight of 2.5 that becomes 2.499. Then
the same chain as it was recorded in a sigmoid network of 20 hidden layers, factor by factor, beside
a relu network that learns.
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
from gradlab.report.article import Article, Section, write_article
from gradlab.report.explorable import Explorable
from gradlab.report.pictures.draw import LINES, MEASURED, PREDICTED
from gradlab.run import LOG_GAINS, Run

TITLE = "Vanishing gradients: 0.2 × 0.1 × 0.05"
QUESTION = "Why do the first layers of a deep sigmoid network not learn?"
ORDER = 9.0
SECONDS = 45

FACTORS, WEIGHT, LEARNING_RATE = (0.2, 0.1, 0.05), 2.5, 1.0
FORMATS = {
    "float64": 52,
    "float32": 23,
    "float16": 10,
    "bfloat16": 7,
}  # bits behind the leading one of a significand
DEPTH, SEEDS = 20, 4


@dataclass(frozen=True)
class Result:
    """The weight after its update in every format, and the two recorded networks.

    Attributes
    ----------
    updated : dict of str to float
        Format -> the weight 2.5 after the lecture's update.
    sigmoid, relu : Run
    factors : dict of str to ndarray (19,)
        Network -> what the signal is multiplied with on its step into layer 20, 19, ..., 1:
        geometric mean over seeds.
    moved : dict of str to ndarray (21,)
        Network -> how far the weights of each layer moved, relative to their own size, median over
        seeds.
    accuracy : dict of str to float
    """

    updated: dict[str, float]
    sigmoid: Run
    relu: Run
    factors: dict[str, np.ndarray]
    moved: dict[str, np.ndarray]
    accuracy: dict[str, float]

    @property
    def left(self) -> float:
        """||delta_1|| / ||delta_L|| of the sigmoid network before training."""
        return float(np.prod(self.factors["sigmoid"]))


def rounded(value: float, bits: int) -> float:
    """Round to a significand of 1 + `bits` bits, halves to even, as storing a number does."""
    if value == 0 or not math.isfinite(value):
        return value
    mantissa, exponent = math.frexp(value)  # value = mantissa 2^exponent, 1/2 <= |mantissa| < 1
    return math.ldexp(float(np.round(mantissa * 2 ** (bits + 1))), exponent - bits - 1)


def run(*, quick: bool = False) -> Result:
    """Round the lecture's update; train both networks on the digits."""
    gradient = math.prod(FACTORS)
    updated = {
        name: rounded(WEIGHT - LEARNING_RATE * gradient, bits) for name, bits in FORMATS.items()
    }
    data = gradlab.datasets.digits()
    runs, moved, factors, accuracy = {}, {}, {}, {}
    for activation, init in (("sigmoid", "glorot_normal"), ("relu", "he_normal")):
        model = gradlab.MLP(
            [64] + [64] * DEPTH + [10], activation, init=init, replicates=2 if quick else SEEDS
        )
        before = [weight.copy() for weight in model.weights]
        runs[activation] = each = gradlab.train(
            model, data, iterations=100 if quick else 500, learning_rate=0.03
        )
        moved[activation] = np.array(
            [_change(a, b) for a, b in zip(before, model.weights, strict=True)]
        )
        gains = np.sum([each[name][0, :, :-1] for name in LOG_GAINS], axis=0)
        factors[activation] = np.exp(gains.mean(axis=0))[::-1]
        known = each.steps["validation_accuracy"].dropna()
        accuracy[activation] = float(known.iloc[-each.replicates :].mean())
    return Result(updated, runs["sigmoid"], runs["relu"], factors, moved, accuracy)


def _change(before: np.ndarray, after: np.ndarray) -> float:
    """Median over seeds of ||W_after - W_before|| / ||W_before||."""
    axes = (-2, -1)
    return float(
        np.median(np.linalg.norm(after - before, axis=axes) / np.linalg.norm(before, axis=axes))
    )


def article(result: Result) -> Article:
    """Lay the result out as a page."""
    factors = result.factors["sigmoid"]
    each = result.left ** (1 / len(factors))
    answer = (
        f"Because each layer passes on about {each:.2f} of the gradient: of the signal at the last "
        f"layer, {result.left:.0e} reaches layer 1, and after {result.sigmoid.iterations} steps "
        f"the network is right in {100 * result.accuracy['sigmoid']:.0f} % of cases (relu: "
        f"{100 * result.accuracy['relu']:.0f} %)."
    )
    code = """
import gradlab

data = gradlab.datasets.digits()
net = gradlab.MLP([64] + [64] * 20 + [10], "sigmoid", init="glorot_normal", replicates=2)
run = gradlab.train(net, data, iterations=60)
print(gradlab.diagnose(run))
"""
    gradient = math.prod(FACTORS)
    finding = gradlab.diagnose(result.sigmoid).findings[0]
    sections = [
        Section(
            "Three slopes, multiplied",
            "The derivative by an early weight is a product of slopes. Three of them, say 0.2, "
            f"0.1 and 0.05, make {gradient:.3f}. With learning rate {LEARNING_RATE:g}, the weight "
            f"{WEIGHT} becomes {WEIGHT - gradient:.3f}: it has hardly moved, and the next step "
            "will be as small.\n\nIn bfloat16, the format many large networks are trained in, it "
            f"does not move at all. Near 2.5 its numbers are {2.0**-6:g} apart, and 2.499 is "
            f"stored as {result.updated['bfloat16']:g}: the update is lost to rounding.",
            table=_format_table(result),
            formula="∂L/∂w = 0.2 · 0.1 · 0.05 = 0.001\nw ← 2.5 − 1 · 0.001 = 2.499",
        ),
        Section(
            "The same chain, recorded",
            "Twenty hidden layers of sigmoid units on handwritten digits. Going back from layer "
            f"{DEPTH + 1} to layer 1, the gradient is multiplied {len(factors)} times: "
            f"{_product(factors)} = {result.left:.1e}. Each bar below is one of these factors, "
            "before the first update. No slope of the sigmoid is above 1/4 (dashed), and the "
            "weights do not make up for it; relu's factors, with He's initialization, stay near "
            "1.",
            _factor_figure(result),
            "Bars of the step factors by layer: sigmoid near 0.24 in every layer, relu near 1.",
            formula=(
                "‖δₗ‖ / ‖δₗ₊₁‖ = (weight scale) · (weight alignment) · (slope) · (slope alignment)"
            ),
            code=code,
        ),
        Section(
            "Who still hears the loss",
            "The size of the gradient by layer. A falling line on this logarithmic axis is the "
            "product at work: every layer to the left hears a fixed fraction of what its "
            "neighbour hears. Dashed: the prediction of mean field theory, computed from the "
            "initialization alone.",
            _profile_figure(result),
            "Gradient size by layer: sigmoid falls by thirteen powers of ten to the left, relu "
            "is level.",
        ),
        Section(
            "What moved in training",
            f"How far the weights of each layer went in {result.sigmoid.iterations} steps, "
            "relative to their own size. In the sigmoid network only the last layers moved; the "
            "first ones ended exactly, or almost, where they began. The relu network moved "
            "everywhere. A layer without a point did not move at all: every update was lost to "
            "rounding.",
            _moved_figure(result),
            "Relative movement of the weights by layer: falling by many powers of ten to the "
            "left for sigmoid, level for relu.",
        ),
        Section(
            "Try another net",
            "Move the controls: the answer is computed in this page, from mean field theory at "
            "initialization, for layers of equal width and inputs of mean square 1. Does any gain "
            "save 20 layers of sigmoid? How deep may tanh be?",
            explore=Explorable("sigmoid", DEPTH, 1.0),
        ),
        Section(
            "What gradlab says",
            f"{finding.rule} {finding.name}: {finding.message}\n\nFirst remedy: "
            f"{finding.remedies[0]}.",
        ),
    ]
    facts = {
        "left": result.left,
        "each": each,
        "updated": result.updated,
        "accuracy": result.accuracy,
    }
    return Article("vanishing", TITLE, QUESTION, answer, sections, facts)


def _product(factors: np.ndarray) -> str:
    head = " × ".join(f"{factor:.2f}" for factor in factors[:3])
    return f"{head} × … × {factors[-1]:.2f}"


def _format_table(result: Result) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "format": list(FORMATS),
            "numbers near 2.5 are apart by": [2.0 ** (1 - bits) for bits in FORMATS.values()],
            "2.5 − 0.001 is stored as": [f"{result.updated[name]:.9g}" for name in FORMATS],
            "moved": [
                "no: lost to rounding" if result.updated[name] == WEIGHT else "yes"
                for name in FORMATS
            ],
        }
    )


def _factor_figure(result: Result) -> go.Figure:
    into = np.arange(DEPTH, 0, -1)
    traces = [
        go.Bar(x=into, y=result.factors[name], name=name, marker={"color": colour})
        for name, colour in (("sigmoid", LINES[0]), ("relu", LINES[2]))
    ]
    axis = {"title": "step into layer", "range": [DEPTH + 0.7, 0.3], "tickvals": [20, 15, 10, 5, 1]}
    layout = {
        "xaxis": axis,
        "yaxis": {"title": "factor"},
        "barmode": "group",
        "shapes": [level(0.25)],
    }
    return go.Figure(traces, layout)


def _profile_figure(result: Result) -> go.Figure:
    traces = []
    for name, each, colour in (
        ("sigmoid", result.sigmoid, MEASURED),
        ("relu", result.relu, LINES[2]),
    ):
        ratio = np.median(each["delta_norm"][0] / each["delta_norm"][0][:, -1:], axis=0)
        layers = np.arange(1, len(ratio) + 1)
        traces.append(
            go.Scatter(x=layers, y=ratio, mode="lines+markers", name=name, line={"color": colour})
        )
        config = each.config
        theory = gradlab.theory.predict(
            config["sizes"], name, config["init"], q_input=config["input_rms"] ** 2
        )
        line = {"color": PREDICTED, "dash": "dash", "width": 1.5}
        predicted = np.exp(theory.log_delta_ratio)
        legend = {"name": "theory", "showlegend": name == "relu"}
        traces.append(go.Scatter(x=layers, y=predicted, mode="lines", line=line, **legend))
    axis = powers("‖δ‖ relative to the last layer", dtick=3)
    return go.Figure(traces, {"xaxis": {"title": "layer (1 reads the input)"}, "yaxis": axis})


def _moved_figure(result: Result) -> go.Figure:
    traces = []
    for name, colour in (("sigmoid", MEASURED), ("relu", LINES[2])):
        moved = result.moved[name]
        shown = np.where(
            moved > 0, moved, np.nan
        )  # a layer that did not move at all has no place on a logarithmic axis
        layers = np.arange(1, len(moved) + 1)
        traces.append(
            go.Scatter(x=layers, y=shown, mode="lines+markers", name=name, line={"color": colour})
        )
    axis = powers("‖W after − W before‖ / ‖W‖", dtick=2)
    return go.Figure(traces, {"xaxis": {"title": "layer (1 reads the input)"}, "yaxis": axis})


def main() -> None:
    """Run the experiment and write its page."""
    print(write_article(article(run()), Path("reports") / "vanishing.html"))


if __name__ == "__main__":
    main()
