"""Weight initializers: what a draw's variance is, and the draw itself.

With n_in = fan_in and n_out = fan_out, every scheme fixes Var W; the uniform twin draws from
+-sqrt(3 Var W).

    Glorot   2 / (n_in + n_out)     Glorot & Bengio 2010, eq. 16
    He       2 / n_in               He et al. 2015, eq. 10
    LeCun    1 / n_in               LeCun et al. 1998, section 4.6

"orthogonal" draws a matrix whose rows or columns, whichever are fewer, are orthonormal (Saxe et al.
2014), so that Var W = 1 / max(n_in, n_out). "lsuv" starts so, and `MLP.calibrate` then scales each
layer to preactivations of variance 1 on data (Mishkin & Matas 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradlab.errors import one_of

VARIANCE: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
}
ORTHOGONAL = ("orthogonal", "lsuv")
INITIALIZERS = (
    *(f"{scheme}_{shape}" for scheme in VARIANCE for shape in ("normal", "uniform")),
    *ORTHOGONAL,
)


def check(init: str) -> None:
    """Raise ArgumentError unless `init` names an initializer."""
    one_of("init", init, INITIALIZERS)


def draw(init: str, fan_in: int, fan_out: int, gain: float, rng: np.random.Generator) -> np.ndarray:
    """Return a weight matrix W (fan_in, fan_out) in float64.

    `gain` multiplies its standard deviation.
    """
    if init in ORTHOGONAL:
        return gain * _orthonormal(fan_in, fan_out, rng)
    scheme, shape = init.split("_")
    deviation = gain * math.sqrt(VARIANCE[scheme](fan_in, fan_out))
    if shape == "normal":
        return rng.normal(0.0, deviation, (fan_in, fan_out))
    limit = math.sqrt(3) * deviation  # Var U(-a, a) = a^2 / 3
    return rng.uniform(-limit, limit, (fan_in, fan_out))


def _orthonormal(fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    tall = rng.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # else QR's own choice of signs makes the draw uneven (Mezzadri 2007)
    return q if fan_in >= fan_out else q.T
