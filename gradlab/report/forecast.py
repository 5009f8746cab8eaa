"""How deep can I go? What theory predicts of a net before training, as text and as a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gradlab import theory
from gradlab.report.article import Article, Section
from gradlab.report.pictures.draw import MEASURED, NEUTRAL

LEVEL = 12  # columns of the bar of a gradient that arrives whole; one that grows has as many more
BATCH = 64  # examples, for the share of silent units
SHOWN = 12  # layers of a table


@dataclass(frozen=True)
class Forecast:
    """A net of `depth` hidden layers of `width` units and its prediction.

    Attributes
    ----------
    prediction : theory.Prediction
    settings : dict
        norm, residual and dropout.
    """

    prediction: theory.Prediction
    settings: dict

    @property
    def name(self) -> str:
        """The net in a few words."""
        p = self.prediction
        parts = [f"{p.activation}, {p.init}" + (f", gain {p.gain:g}" if p.gain != 1 else "")]
        parts += [f"{key} {value}" for key, value in self.settings.items() if value]
        return f"{', '.join(parts)}, {len(p.sizes) - 2} hidden layers of {p.sizes[1]} units"

    @property
    def plain(self) -> bool:
        """Without norm, skip connections or dropout."""
        return not any(self.settings.values())

    def sentence(self) -> str:
        """The answer: what becomes of the signal."""
        log = float(self.prediction.log_delta_ratio[0])
        steps = max(1, len(self.prediction.sizes) - 2)
        each = math.exp(log / steps)
        if abs(log) <= math.log(10):
            return (
                f"The gradient arrives at layer 1 about as large as it left (times {_power(log)})."
            )
        verb, left = (
            ("vanishes", f"{_power(log)} of it")
            if log < 0
            else ("explodes", f"{_power(log)} times it")
        )
        return f"The gradient {verb}: times {each:.3g} a layer, {left} at layer 1."


def forecast(
    activation: str, init: str, gain: float, depth: int, width: int, *,
    norm: str | None = None, residual: float | None = None, dropout: float = 0.0,
) -> Forecast:  # fmt: skip
    """Predict a net of equal hidden layers and 10 outputs at inputs of mean square 1."""
    sizes = [width] * (depth + 1) + [10]
    settings = {"norm": norm, "residual": residual, "dropout": dropout}
    with np.errstate(all="ignore"):
        return Forecast(theory.predict(sizes, activation, init, gain, **settings), settings)


def text(found: Forecast) -> str:
    """Write the forecast for a terminal of 80 columns."""
    lines = [found.name, "", found.sentence(), ""]
    lines += _table(found.prediction)
    lines += ["", *(f"{label}: {value}" for label, value in facts(found))]
    return "\n".join(lines)


def facts(found: Forecast) -> list[tuple[str, str]]:
    """What else theory knows of this net, as pairs of words."""
    p = found.prediction
    pairs = []
    hidden = len(p.sizes) - 2
    if found.plain and hidden:
        sigma2 = theory.weight_variance(p.init, p.sizes[1], p.sizes[1], p.gain)
        q, chi = theory.fixed_point(p.activation, sigma2)
        limits = "no limit" if chi < 1 + 1e-9 else "none: it grows"
        far = f"{-1 / math.log(chi):.3g} layers" if chi < 1 - 1e-9 else limits
        pairs.append(
            ("Deep inside", f"variance of z {_number(q)}, squared gradient times {chi:.4g} a layer")
        )
        pairs.append(("Depth scale (layers to 1/e of the squared gradient)", far))
        for threshold in (1e-3, 1e-6):
            depth = theory.depth_below(p.activation, sigma2, threshold)
            reached = "never (up to 1000 layers)" if depth is None else f"{depth} layers"
            pairs.append((f"First depth below {threshold:g}", reached))
        usual = theory.weight_variance(p.init, p.sizes[1], p.sizes[1])
        pairs.append(
            (
                "Critical gain of this initialization",
                f"{theory.critical_gain(p.activation, usual):.3g}",
            )
        )
    if p.activation == "relu" and hidden and found.settings["norm"] != "batch":
        silent = theory.silent_fraction("relu", p.sizes, BATCH)[hidden - 1]
        pairs.append(
            (
                f"Last hidden layer's units silent on {BATCH} inputs",
                f"{100 * silent:.1f} % (no death)",
            )
        )
    return pairs


def article(found: Forecast) -> Article:
    """Lay the forecast out as a page."""
    p, known = found.prediction, facts(found)
    sections = [
        Section(
            "The gradient, before anyone trains",
            "How much of the last layer's signal reaches each layer at initialization, predicted "
            "from the activation, "
            "the spread of the initial weights and the widths alone. The band is that of one net "
            "and one example.",
            _gradient_figure(p),
            "A line of the predicted gradient by layer with its band.",
            formula="‖δₗ‖² ≈ χₗ ‖δₗ₊₁‖²,  χₗ = σ² E[φ′(√q z)²]",
        ),
        Section(
            "The activations",
            "The size of each layer's outputs; the last is that of the logits.",
            _signal_figure(p),
            "A line of the predicted activations by layer.",
        ),
    ]
    if known:
        table = pd.DataFrame(
            {
                "of this net": [label for label, _ in known],
                "predicted": [value for _, value in known],
            }
        )
        sections.append(Section("In numbers", "", table=table))
    return Article(
        "theory", found.name, "How deep can I go?", found.sentence(), sections, dict(known)
    )


def _gradient_figure(p: theory.Prediction) -> go.Figure:
    layers = np.arange(1, len(p.log_delta_ratio) + 1)
    lower, upper = np.exp(p.lower), np.exp(p.upper)
    band = go.Scatter(
        x=[*layers, *layers[::-1]],
        y=[*upper, *lower[::-1]],
        fill="toself",
        mode="lines",
        line={"width": 0},
        fillcolor="rgba(31, 99, 181, 0.18)",
        name="one net, one example",
        hoverinfo="skip",
    )
    ratio = np.exp(p.log_delta_ratio)
    line = go.Scatter(
        x=layers, y=ratio, mode="lines+markers", name="predicted", line={"color": MEASURED}
    )
    dotted = {"color": NEUTRAL, "dash": "dot"}
    level = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "line": dotted}
    axis = {"title": "‖δ‖ relative to the last layer", "type": "log", "exponentformat": "power"}
    layout = {"xaxis": {"title": "layer (1 reads the input)"}, "yaxis": axis, "shapes": [level]}
    return go.Figure([band, line], layout)


def _signal_figure(p: theory.Prediction) -> go.Figure:
    layers = np.arange(1, len(p.activation_rms) + 1)
    line = go.Scatter(x=layers, y=p.activation_rms, mode="lines+markers", line={"color": MEASURED})
    axis = {"title": "root mean square of h", "type": "log", "exponentformat": "power"}
    return go.Figure(line, {"xaxis": {"title": "layer"}, "yaxis": axis})


def _table(p: theory.Prediction) -> list[str]:
    last = len(p.log_delta_ratio)
    step = max(1, math.ceil((last - 1) / (SHOWN - 1)))
    rows = sorted({1, last, *range(1, last, step)})
    span = max(math.log(1e3), float(np.abs(p.log_delta_ratio).max()))
    lines = ["layer   gradient   68 % of nets           activation"]
    for layer in rows:
        log, rms = float(p.log_delta_ratio[layer - 1]), float(p.activation_rms[layer - 1])
        low, high = (_power(float(end[layer - 1])) for end in (p.lower, p.upper))
        arrived = "#" * round(LEVEL * (1 - max(0.0, -log) / span))
        grown = "+" * round(LEVEL * max(0.0, log) / span)
        band = f"{low:>8} to {high:<8}"
        line = f"{layer:5d}   {_power(log):>8}   {band}   {_number(rms):>8}   {arrived}{grown}"
        lines.append(line.rstrip())
    return lines


def _power(log: float) -> str:
    """e^log in a few characters, also where it overflows."""
    if abs(log) > 300:
        return f"1e{log / math.log(10):.0f}"
    return _number(math.exp(log))


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "infinite"
    return f"{value:.2g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.1e}"
