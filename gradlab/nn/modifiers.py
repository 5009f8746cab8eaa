"""What may stand between a layer's weights and its activation.

It may be a skip connection, a normalization or dropout.

A hidden layer without them is h_l = phi(z_l), z_l = h_{l-1} W_l + b_l. With all of them, for l =
1..L-1:

    x_l = x_{l-1} + a z_l           the residual stream; x_1 = z_1, and x_l = z_l where the widths
    differ
    n_l = gamma_l x^_l + beta_l     x^ = (x - mean) / sqrt(variance + 1e-5)
    h_l = m_l phi(n_l)              m = 0 with probability p, else 1 / (1 - p); evaluation: m = 1

This is the pre-activation order of He et al. 2016 (identity mappings), each layer
a block of its own. BatchNorm (Ioffe &
Szegedy 2015) takes mean and variance of each unit over the batch, and in evaluation their running
means; LayerNorm (Ba et al. 2016) takes those of each example over the units. Dropout is the
inverted one of Srivastava et al. 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradlab.activations import Activation
from gradlab.errors import ArgumentError, above_zero, is_number, one_of
from gradlab.layerstack import LayerStack

Array = np.ndarray

EPSILON = 1e-5  # added to the variance, as in PyTorch
RUNNING = 0.1  # share of a batch in the running statistics, as in PyTorch
AXES = {"batch": -2, "layer": -1}  # of (..., B, n): over what mean and variance are taken


@dataclass(frozen=True)
class Modifiers:
    """What is done around the activation of every hidden layer.

    Attributes
    ----------
    norm : "batch", "layer" or None
    residual : float, optional
        a, the scale of the branch; None: no skip connection.
    dropout : float
        p, from 0 to below 1.
    """

    norm: str | None = None
    residual: float | None = None
    dropout: float = 0.0

    def check(self, sizes: Sequence[int]) -> None:
        """Raise ArgumentError for a value out of range, or one that these sizes forbid."""
        hidden = list(sizes[1:-1])
        if self.norm is not None:
            one_of("norm", self.norm, AXES)
            if self.norm == "layer" and 1 in hidden:
                raise ArgumentError(
                    "norm='layer' makes a layer of one unit 0 for every input; use 2 units or more"
                )
        if self.residual is not None:
            above_zero("residual", self.residual, ", the branch's scale")
            if not any(self.skips(sizes)):
                raise ArgumentError(
                    f"residual={self.residual!r} needs two neighbouring hidden layers of one "
                    f"width, but the hidden layers are {hidden}; nothing could be skipped"
                )
        if not (is_number(self.dropout) and 0 <= self.dropout < 1):
            raise ArgumentError(
                f"dropout={self.dropout!r} must be a number of at least 0 and below 1; 1 would "
                "drop every unit"
            )
        if not hidden and (self.norm is not None or self.dropout > 0):
            given = f"norm={self.norm!r}" if self.norm is not None else f"dropout={self.dropout!r}"
            raise ArgumentError(
                f"{given} acts on hidden layers, and the net has none; add one, or leave it out"
            )

    def __bool__(self) -> bool:
        """Whether anything at all is done."""
        return self.norm is not None or self.residual is not None or self.dropout > 0

    @property
    def branch(self) -> float:
        """The scale a of a layer that is added to the one before it."""
        return 1.0 if self.residual is None else self.residual

    def skips(self, sizes: Sequence[int]) -> list[bool]:
        """For each hidden layer, whether the one before it is added to it."""
        hidden = sizes[1:-1]
        return [
            self.residual is not None and k > 0 and n == hidden[k - 1] for k, n in enumerate(hidden)
        ]


class ModifiedLayers:
    """The modified hidden layers of a net, on a batch of one size.

    `forward` goes from z_l to h_l, `backward` from u_l to delta_l.

    Every array is made once and is (*lead, B, n_l).

    Parameters
    ----------
    modifiers : Modifiers
    skips : sequence of bool
        For each hidden layer, whether the one before it is added to it.
    activation : Activation
    shapes : sequence of tuple
        (*lead, B, n_l) of each hidden layer.
    dtype : dtype

    Attributes
    ----------
    streams, hats, normalized, responses : LayerStack
        x_l, x^_l, n_l and phi(n_l).
    masks : LayerStack
        m_l; all 1 until `draw` is called.
    products : LayerStack
        u_l * phi'(n_l): the backward signal before it passes the modifiers.
    stream_deltas : LayerStack
        dLoss/dx_l.
    means, variances : list of ndarray
        Those that the norm of each layer took from the batch.
    """

    def __init__(
        self,
        modifiers: Modifiers,
        skips: Sequence[bool],
        activation: Activation,
        shapes: Sequence[tuple[int, ...]],
        dtype: np.dtype,
    ):
        self._modifiers = modifiers
        self._skips = skips
        self._activation = activation
        self.streams = LayerStack(shapes, dtype)
        self.hats = LayerStack(shapes, dtype)
        self.normalized = LayerStack(shapes, dtype)
        self.responses = LayerStack(shapes, dtype)
        self.masks = LayerStack(shapes, dtype)
        self.masks.flat.fill(1)
        self.products = LayerStack(shapes, dtype)
        self.stream_deltas = LayerStack(shapes, dtype)
        self.means: list[Array] = [np.zeros(0)] * len(shapes)
        self.variances: list[Array] = [np.zeros(0)] * len(shapes)
        self._scratch = [np.empty(shape, dtype) for shape in shapes]

    def forward(self, layer: int, z: Array, norm: Norm | None, h: Array) -> None:
        """Write h_l of the hidden layer numbered `layer`, from 0, with preactivation `z`."""
        x = self.streams[layer]
        if self._skips[layer]:
            np.multiply(z, self._modifiers.branch, out=x)
            x += self.streams[layer - 1]  # x_l = x_{l-1} + a z_l
        else:
            np.copyto(x, z)
        n = self.normalized[layer]
        if norm is None:
            np.copyto(n, x)
        else:
            hat = self.hats[layer]
            self.means[layer], self.variances[layer] = normalize(x, norm.axis, hat)
            np.multiply(hat, norm.scale, out=n)
            n += norm.shift
        self._activation.function(n, self.responses[layer])
        np.multiply(self.responses[layer], self.masks[layer], out=h)

    def backward(self, layer: int, u: Array, slope: Array, norm: Norm | None, delta: Array) -> None:
        """Write phi'(n_l) and delta_l, from `u` = delta_{l+1} W_{l+1}^T."""
        self._activation.derivative(self.normalized[layer], self.responses[layer], slope)
        product = self.products[layer]
        stream_delta = self.stream_deltas[layer]
        np.multiply(u, slope, out=product)
        np.multiply(product, self.masks[layer], out=stream_delta)  # dLoss/dn_l = u m phi'(n)
        if norm is not None:
            scratch = self._scratch[layer]
            np.sum(stream_delta, axis=-2, keepdims=True, out=norm.shift_gradient)
            np.multiply(stream_delta, self.hats[layer], out=scratch)
            np.sum(scratch, axis=-2, keepdims=True, out=norm.scale_gradient)
            np.multiply(stream_delta, norm.scale, out=scratch)  # dLoss/dx^
            variance = self.variances[layer]
            normalize_backward(scratch, self.hats[layer], variance, norm.axis, stream_delta)
        if layer + 1 < len(self._skips) and self._skips[layer + 1]:
            stream_delta += self.stream_deltas[layer + 1]
        branch = self._modifiers.branch if self._skips[layer] else 1.0
        np.multiply(stream_delta, branch, out=delta)  # dx_l/dz_l = a


class Norm(NamedTuple):
    """One layer's normalization.

    The axis it averages over, gamma and beta, and where their gradients go.
    """

    axis: int
    scale: Array
    shift: Array
    scale_gradient: Array
    shift_gradient: Array


def normalize(x: Array, axis: int, hat: Array) -> tuple[Array, Array]:
    """Write (x - mean) / sqrt(variance + epsilon) into `hat`; return mean and variance."""
    mean = x.mean(axis=axis, keepdims=True)
    np.subtract(x, mean, out=hat)
    variance = np.square(hat).mean(axis=axis, keepdims=True)
    hat /= np.sqrt(variance + EPSILON)
    return mean, variance


def normalize_backward(delta: Array, hat: Array, variance: Array, axis: int, out: Array) -> None:
    """Write dLoss/dx into `out` from `delta` = dLoss/dx^ (Ioffe & Szegedy 2015, section 3)."""
    # dx = (d - mean(d) - x^ mean(d x^)) / sqrt(variance + epsilon)
    along = (delta * hat).mean(axis=axis, keepdims=True)
    np.multiply(hat, -along, out=out)
    out += delta
    out -= delta.mean(axis=axis, keepdims=True)
    out /= np.sqrt(variance + EPSILON)


def draw(
    masks: LayerStack, dropout: float, seeds: Sequence[int], iteration: int, stacked: bool
) -> None:
    """Draw the dropout masks of one iteration: the same again for the same seed and iteration."""
    for k, seed in enumerate(seeds):
        rng = np.random.default_rng(
            [seed, 2, iteration]
        )  # apart from the streams of weights and of batches
        for mask in masks:
            target = mask[k] if stacked else mask
            kept = rng.random(target.shape, np.float32) >= dropout
            np.multiply(kept, 1 / (1 - dropout), out=target)
