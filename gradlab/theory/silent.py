"""Relu units that are silent before any training: how many theory expects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradlab import activations
from gradlab.normal import normal_cdf
from gradlab.ranges import COUNT, FRACTION, SIZE, check_sizes
from gradlab.theory import gaussian

Array = np.ndarray


def dead_at_init(width: int, hidden_layers: int) -> float:
    """Return the probability that a relu layer is silent on ONE input at initialization.

    A layer that is silent cuts the input off.

    1 - (1 - 2^-n)^H for H hidden layers of n units: each unit is silent with probability 1/2 (Lu et
    al. 2019, eq. 7).

    Raises
    ------
    ArgumentError
        A width or a number of layers below 1.
    """
    width = int(SIZE.check("width", width))
    hidden_layers = int(SIZE.check("hidden_layers", hidden_layers))
    silent = 2.0**-width if width < 1075 else 0.0
    return 1.0 if silent == 1 else -math.expm1(hidden_layers * math.log1p(-silent))


def silent_fraction(
    activation: str, sizes: Sequence[int], examples: int, *, input_correlation: float = 0.0
) -> Array:
    """Return the share of each layer's units that are silent on all N examples at initialization.

    Silent means phi' = 0; the share is the expected one.

    Such units are no proof of death: deep layers see nearly parallel inputs, so that a unit off for
    one is off for all. With c the correlation of the layer's inputs, a unit's z_i = sqrt(c) g +
    sqrt(1-c) e_i, so that P = E_g[ Phi(-g sqrt(c / (1-c)))^N ], g ~ N(0, 1); c follows the
    arc-cosine kernel (Cho & Saul 2009, eq. 6).

    Parameters
    ----------
    activation : str
        Activations other than relu are never silent at initialization: 0.
    sizes : sequence of int
        Units a layer, input first, output last.
    examples : int
        N, 1 or more.
    input_correlation : float
        Mean cosine between two examples' inputs, from 0 up to below 1: 0 for independent features
        of mean 0, 0.48 for the digits.

    Returns
    -------
    ndarray (L,)
        The last, linear layer's is 0. Finite widths and unequal correlations within the data are
        left out.

    Raises
    ------
    ArgumentError
        An argument outside its range.
    """
    activations.get(activation)
    fractions = np.zeros(len(check_sizes(sizes)) - 1)
    examples = int(COUNT.check("examples", examples))
    input_correlation = FRACTION.check("input_correlation", input_correlation)
    if activation != "relu":
        return fractions
    c, (g, w) = input_correlation, gaussian.nodes()
    for layer in range(len(fractions) - 1):
        off = normal_cdf(-g * math.sqrt(c / (1 - c)))
        fractions[layer] = w @ off**examples
        c = min((math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi, 1 - 1e-12)
    return fractions
