"""Activation functions phi, their derivatives phi', and the bounds of phi'.

One leaf for the engine, the theory and the adapters. Every function works elementwise, writes into `out` where that
is given (the engine's training step allocates nothing), and keeps the dtype of its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradlab.errors import one_of

Array = np.ndarray

SELU_SCALE = 1.0507009873554805  # lambda and alpha of the fixed point (0, 1), Klambauer et al. 2017, eq. 14
SELU_ALPHA = 1.6732632423543772
LEAKY_SLOPE = 0.01


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes
    ----------
    name : str
        The name users type.
    function : callable
        `function(z, out)` writes phi(z) into `out`.
    derivative : callable
        `derivative(z, h, out)` writes phi'(z) into `out`, given z and h = phi(z): whichever is cheaper is used.
    slope_bound : float
        The maximum of abs(phi') over the reals: 1/4 for sigmoid, 1 for tanh and relu.
    saturates : bool
        Whether phi' tends to 0 on both sides, so that a unit can saturate. A unit of the relu kind goes silent on one side only.
    formula : str
        phi and phi' as a reader writes them.
    """

    name: str
    function: Callable[[Array, Array], object]
    derivative: Callable[[Array, Array, Array], object]
    slope_bound: float
    saturates: bool
    formula: str

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """Return phi(z), an array of the shape of `z`, in `out` where that is given."""
        out = np.empty_like(z) if out is None else out
        self.function(z, out)
        return out

    def slope(self, z: Array, h: Array | None = None, out: Array | None = None) -> Array:
        """Return phi'(z), an array of the shape of `z`; `h` = phi(z) saves computing it again."""
        h = self(z) if h is None else h
        out = np.empty_like(z) if out is None else out
        self.derivative(z, h, out)
        return out


def _identity(z, out):
    np.copyto(out, z)


def _identity_slope(z, h, out):
    out.fill(1)


def _sigmoid(z, out):
    # 1 / (1 + e^-z); e^-z overflows to inf below z = -88 (float32), and 1/inf = 0 is the right limit.
    np.negative(z, out=out)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)


def _sigmoid_slope(z, h, out):
    np.multiply(h, h, out=out)  # phi' = h - h^2 = h (1 - h)
    np.subtract(h, out, out=out)


def _tanh(z, out):
    np.tanh(z, out=out)


def _tanh_slope(z, h, out):
    np.multiply(h, h, out=out)  # phi' = 1 - h^2
    np.subtract(1, out, out=out)


def _relu(z, out):
    np.maximum(z, 0, out=out)


def _relu_slope(z, h, out):
    np.greater(z, 0, out=out, casting="unsafe")


def _leaky_relu(z, out):
    np.multiply(z, LEAKY_SLOPE, out=out)
    np.maximum(z, out, out=out)


def _leaky_relu_slope(z, h, out):
    np.greater(z, 0, out=out, casting="unsafe")
    out *= 1 - LEAKY_SLOPE
    out += LEAKY_SLOPE


def _elu(z, out):
    np.minimum(z, 0, out=out)  # expm1 of the negative side only: no overflow
    np.expm1(out, out=out)
    np.copyto(out, z, where=z > 0)


def _elu_slope(z, h, out):
    np.add(h, 1, out=out)  # z <= 0: e^z = h + 1
    np.copyto(out, 1, where=z > 0)


def _selu(z, out):
    np.minimum(z, 0, out=out)
    np.expm1(out, out=out)
    out *= SELU_ALPHA
    np.copyto(out, z, where=z > 0)
    out *= SELU_SCALE


def _selu_slope(z, h, out):
    np.add(h, SELU_SCALE * SELU_ALPHA, out=out)  # z <= 0: lambda alpha e^z = h + lambda alpha
    np.copyto(out, SELU_SCALE, where=z > 0)


def _softplus(z, out):
    np.logaddexp(z, 0, out=out)  # ln(1 + e^z), stable on both sides


def _softplus_slope(z, h, out):
    _sigmoid(z, out)


def _normal_cdf(z):
    """Return the standard normal cumulative distribution Phi(z) in the dtype of `z`."""
    x = np.abs(np.asarray(z, dtype=np.float64)) / math.sqrt(2)
    t = 1 / (1 + 0.5 * x)
    poly = np.polyval(_ERFC, t)
    tail = 0.5 * t * np.exp(-x * x + poly)
    return np.where(z >= 0, 1 - tail, tail).astype(np.asarray(z).dtype)


_ERFC = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807,
    -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
]  # fmt: skip


def _gelu(z, out):
    np.multiply(z, _normal_cdf(z), out=out)  # z Phi(z), Hendrycks & Gimpel 2016


def _gelu_slope(z, h, out):
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    np.add(_normal_cdf(z), z * density, out=out)  # Phi(z) + z Phi'(z)


def _silu(z, out):
    _sigmoid(z, out)
    out *= z


def _silu_slope(z, h, out):
    _sigmoid(z, out)  # s + z s (1 - s) = s + h (1 - s)
    s = out.copy()
    np.subtract(1, out, out=out)
    out *= h
    out += s


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", _identity, _identity_slope, 1.0, False, "φ(z) = z, φ′(z) = 1"),
        Activation("sigmoid", _sigmoid, _sigmoid_slope, 0.25, True, "φ(z) = 1/(1+e⁻ᶻ), φ′ = φ(1−φ) ≤ 1/4"),
        Activation("tanh", _tanh, _tanh_slope, 1.0, True, "φ(z) = tanh z, φ′ = 1−φ² ≤ 1"),
        Activation("relu", _relu, _relu_slope, 1.0, False, "φ(z) = max(0, z), φ′ = 1 where z > 0, else 0"),
        Activation("leaky_relu", _leaky_relu, _leaky_relu_slope, 1.0, False, "φ(z) = max(0.01 z, z)"),
        Activation("elu", _elu, _elu_slope, 1.0, False, "φ(z) = z where z > 0, else eᶻ−1"),
        Activation("selu", _selu, _selu_slope, SELU_SCALE * SELU_ALPHA, False, "φ(z) = λ z where z > 0, else λα(eᶻ−1)"),
        Activation("softplus", _softplus, _softplus_slope, 1.0, False, "φ(z) = ln(1+eᶻ), φ′ = sigmoid(z)"),
        Activation("gelu", _gelu, _gelu_slope, 1.1289, False, "φ(z) = z Φ(z)"),
        Activation("silu", _silu, _silu_slope, 1.0998, False, "φ(z) = z · sigmoid(z)"),
    )
}


def get(name: str) -> Activation:
    """Return the activation called `name`; raise ArgumentError naming the known ones otherwise."""
    one_of("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
