"""Activation functions phi, their derivatives phi', and the bounds of phi'.

One leaf for the engine, the theory and the adapters. Every function works elementwise, writes into
`out` where that is given (the engine's training step allocates nothing), and keeps the dtype of its
input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradlab.errors import one_of
from gradlab.normal import normal_cdf

Array = np.ndarray

# lambda and alpha of the fixed point (0, 1), Klambauer et al. 2017, eq. 14
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
LEAKY_SLOPE = 0.01

# Underflow to 0 and the overflow of e^-z on the way to 0 are the right limits here, so neither is
# worth a warning. To enter it costs as much as a small array's arithmetic: whoever calls `function`
# for many layers enters it once.
to_its_limit = np.errstate(over="ignore", under="ignore")


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes
    ----------
    name : str
        The name users type.
    function : callable
        `function(z, out)` writes phi(z) into `out`; to be called within `to_its_limit`.
    derivative : callable
        `derivative(z, h, out)` writes phi'(z) into `out`, given z and h = phi(z): whichever is
        cheaper is used.
    slope_bound : float
        The maximum of abs(phi') over the reals: 1/4 for sigmoid, 1 for tanh and relu.
    saturates : bool
        Whether phi' tends to 0 on both sides, so that a unit can saturate. A unit of the relu kind
        goes silent on one side only.
    formula : str
        phi and phi' as a reader writes them.
    """

    name: str
    function: Callable[[Array, Array], object]
    derivative: Callable[[Array, Array, Array], object]
    slope_bound: float
    saturates: bool
    formula: str

    @to_its_limit
    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """Return phi(z), an array of the shape of `z`, in `out` where that is given."""
        out = np.empty_like(z) if out is None else out
        self.function(z, out)
        return out

    @to_its_limit
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
    np.negative(z, out=out)  # 1 / (1 + e^-z); e^-z is inf below z = -88 (float32), and 1/inf = 0
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
    out.fill(0)
    np.maximum(z, out, out=out)  # against an array: three times as fast as against the number 0


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
    np.minimum(z, 0, out=out)
    np.exp(
        out, out=out
    )  # z <= 0: lambda alpha e^z; float32's h + lambda alpha would end in 1e-7 instead of 0
    out *= SELU_SCALE * SELU_ALPHA
    np.copyto(out, SELU_SCALE, where=z > 0)


@np.errstate(under="ignore", invalid="ignore")  # logaddexp calls a NaN invalid
def _softplus(z, out):
    np.logaddexp(z, 0, out=out)  # ln(1 + e^z), stable on both sides


def _softplus_slope(z, h, out):
    _sigmoid(z, out)


# Beyond +-1000 every factor below is at its limit in float64; clipping there spares inf * 0 = NaN.
_FAR = 1000


def _gelu(z, out):
    np.multiply(np.maximum(z, -_FAR), normal_cdf(z), out=out)  # z Phi(z), Hendrycks & Gimpel 2016


def _gelu_slope(z, h, out):
    near = np.clip(z, -_FAR, _FAR)
    density = np.exp(-0.5 * near * near) / math.sqrt(2 * math.pi)
    np.add(normal_cdf(z), near * density, out=out)  # Phi(z) + z Phi'(z)


def _silu(z, out):
    _sigmoid(z, out)
    out *= np.maximum(z, -_FAR)  # z s, s = sigmoid(z)


def _silu_slope(z, h, out):
    _sigmoid(z, out)
    factor = -z
    _sigmoid(
        factor, factor
    )  # 1 - s = sigmoid(-z) to every digit; 1 - out loses up to z eps where s is near 1
    factor *= np.clip(z, -_FAR, _FAR)
    factor += 1
    out *= factor  # s + z s (1 - s) = s (1 + z (1 - s))


# phi'' = 0 at z = sqrt(2) for gelu, and where z tanh(z/2) = 2 for silu, there phi' = 1/2 + z/4.
_GELU_BOUND = 0.5 * (1 + math.erf(1)) + math.exp(-1) / math.sqrt(math.pi)  # 1.1289
_SILU_BOUND = 0.5 + 2.3993572805154676 / 4  # 1.0998

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", _identity, _identity_slope, 1.0, False, "φ(z) = z, φ′(z) = 1"),
        Activation(
            "sigmoid", _sigmoid, _sigmoid_slope, 0.25, True, "φ(z) = 1/(1+e⁻ᶻ), φ′ = φ(1−φ) ≤ 1/4"
        ),
        Activation("tanh", _tanh, _tanh_slope, 1.0, True, "φ(z) = tanh z, φ′ = 1−φ² ≤ 1"),
        Activation(
            "relu", _relu, _relu_slope, 1.0, False, "φ(z) = max(0, z), φ′ = 1 where z > 0, else 0"
        ),
        Activation(
            "leaky_relu", _leaky_relu, _leaky_relu_slope, 1.0, False, "φ(z) = max(0.01 z, z)"
        ),
        Activation("elu", _elu, _elu_slope, 1.0, False, "φ(z) = z where z > 0, else eᶻ−1"),
        Activation(
            "selu",
            _selu,
            _selu_slope,
            SELU_SCALE * SELU_ALPHA,
            False,
            "φ(z) = λ z where z > 0, else λα(eᶻ−1)",
        ),
        Activation(
            "softplus", _softplus, _softplus_slope, 1.0, False, "φ(z) = ln(1+eᶻ), φ′ = sigmoid(z)"
        ),
        Activation("gelu", _gelu, _gelu_slope, _GELU_BOUND, False, "φ(z) = z Φ(z)"),
        Activation("silu", _silu, _silu_slope, _SILU_BOUND, False, "φ(z) = z · sigmoid(z)"),
    )
}


def get(name: str) -> Activation:
    """Return the activation called `name`; raise ArgumentError naming the known ones otherwise."""
    one_of("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
