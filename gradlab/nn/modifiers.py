"""What may stand between a layer's weights and its activation: a skip connection, a normalization, dropout.

A hidden layer without them is h_l = phi(z_l), z_l = h_{l-1} W_l + b_l. With all of them, for l = 1..L-1:

    x_l = x_{l-1} + a z_l           the residual stream; x_1 = z_1, and x_l = z_l where the widths differ
    n_l = gamma_l x^_l + beta_l     x^ = (x - mean) / sqrt(variance + 1e-5)
    h_l = m_l phi(n_l)              m = 0 with probability p, else 1 / (1 - p); evaluation: m = 1

This is the pre-activation order of He et al. 2016 (identity mappings), a block being one layer. BatchNorm (Ioffe &
Szegedy 2015) takes mean and variance of each unit over the batch, and in evaluation their running means; LayerNorm (Ba
et al. 2016) takes those of each example over the units. Dropout is the inverted one of Srivastava et al. 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.errors import ArgumentError, above_zero, is_number, one_of
from gradlab.layerstack import LayerStack

Array = np.ndarray

EPSILON = 1e-5  # added to the variance, as in PyTorch
RUNNING = 0.1  # share of a batch in the running statistics, as in PyTorch
AXES = {"batch": -2, "layer": -1}  # of (..., B, n): over what mean and variance are taken


@dataclass(frozen=True)
class Block:
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
        """Raise ArgumentError for a value out of range, or one that makes no sense in a net of these sizes."""
        hidden = list(sizes[1:-1])
        if self.norm is not None:
            one_of("norm", self.norm, AXES)
            if self.norm == "layer" and 1 in hidden:
                raise ArgumentError("norm='layer' makes a layer of one unit 0 for every input; use 2 units or more")
        if self.residual is not None:
            above_zero("residual", self.residual, ", the branch's scale")
            if not any(self.skips(sizes)):
                raise ArgumentError(
                    f"residual={self.residual!r} needs two neighbouring hidden layers of one width, but the hidden "
                    f"layers are {hidden}; nothing could be skipped"
                )
        if not (is_number(self.dropout) and 0 <= self.dropout < 1):
            raise ArgumentError(
                f"dropout={self.dropout!r} must be a number of at least 0 and below 1; 1 would drop every unit"
            )
        if not hidden and (self.norm is not None or self.dropout > 0):
            given = f"norm={self.norm!r}" if self.norm is not None else f"dropout={self.dropout!r}"
            raise ArgumentError(f"{given} acts on hidden layers, and the net has none; add one, or leave it out")

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
        return [self.residual is not None and k > 0 and n == hidden[k - 1] for k, n in enumerate(hidden)]


class BlockWorkspace:
    """The arrays that a step writes on top of `Workspace`, each (*lead, B, n_l) of the hidden layers.

    Attributes
    ----------
    streams, hats, normalized, responses : LayerStack
        x_l, x^_l, n_l and phi(n_l).
    masks : LayerStack
        m_l; all 1 until `draw` is called.
    products : LayerStack
        u_l * phi'(n_l): where the four terms of the step from layer l+1 to l end, and the block begins.
    stream_deltas : LayerStack
        dLoss/dx_l.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype):
        names = ("streams", "hats", "normalized", "responses", "masks", "products", "stream_deltas")
        self.streams, self.hats, self.normalized, self.responses, self.masks, self.products, self.stream_deltas = (
            LayerStack(shapes, dtype) for _ in names
        )
        self.masks.flat.fill(1)
        self.means: list[Array] = [np.zeros(0)] * len(shapes)
        self.variances: list[Array] = [np.zeros(0)] * len(shapes)
        self.scratch = [np.empty(shape, dtype) for shape in shapes]


def normalize(x: Array, axis: int, hat: Array) -> tuple[Array, Array]:
    """Write (x - mean) / sqrt(variance + epsilon) into `hat`; return mean and variance along `axis`, kept."""
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


def draw(masks: LayerStack, dropout: float, seeds: Sequence[int], iteration: int, stacked: bool) -> None:
    """Draw the dropout masks of one iteration: the same again for the same seed and iteration."""
    for k, seed in enumerate(seeds):
        rng = np.random.default_rng([seed, 2, iteration])  # apart from the streams of weights and of batches
        for mask in masks:
            target = mask[k] if stacked else mask
            kept = rng.random(target.shape, np.float32) >= dropout
            np.multiply(kept, 1 / (1 - dropout), out=target)
