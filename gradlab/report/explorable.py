"""A net that the reader builds with three controls, and what theory says of its gradient.

The page holds, of each activation, two tables over the variance q of the preactivations; its
script follows q from layer to layer and multiplies the steps back, as `gradlab.theory.predict`
does with integrals in place of tables.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab import activations, theory
from gradlab.ranges import GAIN, SIZE
from gradlab.report.wording import number, power
from gradlab.theory import gaussian

CHOICES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu")
INITS = {"relu": "he_normal", "leaky_relu": "he_normal", "gelu": "he_normal", "silu": "he_normal"}
USUAL = "glorot_normal"
DEEPEST = 60
DOUBLINGS = (-2, 4)  # of the weights: from a quarter to sixteen times
WIDTH = 64  # of every layer, the output too: then only the ratio of widths, 1, matters
DECADES = (-12, 12)  # of q: beyond, both expectations are powers of q, and their logs are straight
PER_DECADE = 16  # then 20 layers come out to within 1 %
MUCH = 2.0  # decades: a hundredth, or a hundred times


@dataclass(frozen=True)
class Explorable:
    """Where the controls stand when the page opens.

    Attributes
    ----------
    activation : str
        One of `CHOICES`.
    depth : int
        Hidden layers, 1 to 60.
    gain : float
        0.25 to 16: multiplies the weights of the activation's usual initialization.
    """

    activation: str = "sigmoid"
    depth: int = 20
    gain: float = 1.0

    def __post_init__(self) -> None:
        activations.get(self.activation)
        SIZE.check("depth", self.depth)
        GAIN.check("gain", self.gain)

    @property
    def doublings(self) -> float:
        """log2 of the gain: what its slider shows."""
        return round(math.log2(self.gain), 2)

    @property
    def answer(self) -> str:
        """What the page says before its script runs; `explore.js` words it alike."""
        sizes = [WIDTH] * (self.depth + 2)
        init = INITS.get(self.activation, USUAL)
        found = theory.predict(sizes, self.activation, init, self.gain)
        decades = float(found.log_delta_ratio[0]) / math.log(10)
        each = number(10 ** (decades / self.depth))
        gets = f"layer 1 gets {share(decades)}"
        return f"{verb(decades)}: each layer passes on {each} of it, and {gets}."


def verb(decades: float) -> str:
    """Say what becomes of a gradient that changes by so many powers of ten."""
    if decades < -MUCH:
        return "The gradient vanishes"
    return "The gradient explodes" if decades > MUCH else "The gradient arrives"


def share(decades: float) -> str:
    """Word the part that arrives."""
    if decades > 0.05:
        return f"{power(decades)} times what the last layer gets"
    return f"{power(decades)} of what the last layer gets"


def payload(explorable: Explorable) -> dict[str, Any]:
    """Return what the page's script needs: where the controls stand, and the tables."""
    return {
        "start": {
            "activation": explorable.activation,
            "depth": explorable.depth,
            "gain": explorable.gain,
        },
        "low": DECADES[0],
        "per_decade": PER_DECADE,
        "activations": {name: _table(name) for name in CHOICES},
    }


@functools.cache
def _table(name: str) -> dict[str, Any]:
    """Return log10 E phi^2 and log10 E phi'^2 over log10 q, and what the initialization gives.

    Notes
    -----
    q_1 = s; q_{l+1} = s E phi(sqrt(q_l) z)^2 and chi_l = s E phi'(sqrt(q_l) z)^2 with z ~ N(0, 1)
    and s = (gain^2)(fan_in Var W), at equal widths (Poole et al. 2016; Schoenholz et al. 2017).
    """
    phi = activations.get(name)
    init = INITS.get(name, USUAL)
    variance = theory.weight_variance(init, WIDTH, WIDTH)
    places = np.arange(DECADES[0] * PER_DECADE, DECADES[1] * PER_DECADE + 1) / PER_DECADE
    weights = gaussian.nodes()[1]
    squares = [gaussian.squares(phi, 10.0**place) for place in places]
    return {
        "init": init,
        "variance": variance,
        "level": round(theory.critical_gain(name, variance), 3),
        "signal": _logs([float(weights @ signal) for signal, _ in squares]),
        "slope": _logs([float(weights @ slope) for _, slope in squares]),
    }


def _logs(values: Sequence[float]) -> list[float]:
    return [round(math.log10(max(value, 1e-300)), 5) for value in values]
