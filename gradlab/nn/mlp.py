"""The multilayer perceptron, forwards and backwards, one net or S seeds of it stacked.

In the course's notation, for layers l = 1..L and row vectors:

    z_l = h_{l-1} W_l + b_l         h_l = phi(z_l), the last layer linear: h_L = z_L, the logits
    delta_l = dLoss/dz_l            delta_l = (delta_{l+1} W_{l+1}^T) * phi'(z_l)
    dLoss/dW_l = h_{l-1}^T delta_l  dLoss/db_l = sum of the rows of delta_l

`gradlab.nn.blocks` says what skip connections, normalization and dropout put between z_l and h_l.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradlab import activations
from gradlab.errors import ArgumentError, above_zero, whole
from gradlab.layerstack import LayerStack
from gradlab.nn import initializers, modifiers
from gradlab.nn.modifiers import AXES, RUNNING, Block, BlockWorkspace
from gradlab.nn.workspace import Workspace

Array = np.ndarray


class MLP:
    """A fully connected net with a linear output layer; biases start at 0.

    Parameters
    ----------
    sizes : sequence of int
        Units a layer, input first, output last: `[64] + [64] * 20 + [10]` has 20 hidden layers.
    activation : str
        Of every hidden layer; see `gradlab.activations`.
    init : str
        Glorot, He or LeCun, normal or uniform, such as "glorot_uniform"; "orthogonal", or "lsuv", which also needs
        `calibrate`.
    gain : float
        Multiplies the standard deviation of every layer's weights, the output's too.
    seed : int
        Of the weights and of the order of the batches.
    replicates : int, optional
        Trains this many seeds at once: replicate k equals the net with `seed + k` alone, and every array of the model
        gains a leading axis. None: one net, no leading axis.
    dtype : str
        "float32" or "float64".
    norm : str, optional
        "batch" or "layer": normalizes what every hidden layer's activation reads.
    residual : float, optional
        Adds to each hidden layer the one before it, where their widths are equal; the number scales the layer's own
        part, 1 leaves it as it is.
    dropout : float
        The share of each hidden layer's units set to 0 in training, from 0 to below 1.

    Attributes
    ----------
    weights : LayerStack
        W_l (fan_in, fan_out), or (S, fan_in, fan_out).
    biases : LayerStack
        b_l (1, fan_out), or (S, 1, fan_out): the axis of the batch broadcasts.
    weight_gradients, bias_gradients : LayerStack
        dLoss/dW_l and dLoss/db_l of the last backward pass, shaped alike.
    scales, shifts, scale_gradients, shift_gradients : LayerStack
        gamma_l and beta_l (1, n_l), or (S, 1, n_l), of the hidden layers where there is a norm; else empty.
    parameters, gradients : ndarray (P,)
        All of the above as one flat buffer each; weights first, then biases, scales and shifts.
    running_means, running_variances : LayerStack
        What BatchNorm uses in evaluation; no parameters.

    Raises
    ------
    ArgumentError
        An unknown activation or init, fewer than two sizes, a size, gain or replicates below its range.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        init: str = "glorot_uniform",
        gain: float = 1.0,
        seed: int = 0,
        replicates: int | None = None,
        dtype: str = "float32",
        *,
        norm: str | None = None,
        residual: float | None = None,
        dropout: float = 0.0,
    ):
        self.sizes = _check_sizes(sizes)
        self.activation = activations.get(activation)
        initializers.check(init)
        above_zero("gain", gain, "; 1 leaves the initializer as published")
        if replicates is not None:
            whole("replicates", replicates, 1)
        if dtype not in ("float32", "float64"):
            raise ArgumentError(f"dtype={dtype!r} must be 'float32' or 'float64'")
        whole("seed", seed, 0)
        self.init, self.gain, self.seed, self.replicates = init, float(gain), int(seed), replicates
        self.dtype = np.dtype(dtype)
        self.block = Block(norm, residual, dropout)
        self.block.check(self.sizes)
        self.skips = self.block.skips(self.sizes)

        lead = () if replicates is None else (replicates,)
        fans = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        normed = self.sizes[1:-1] if norm else ()
        shapes = [[(*lead, *fan) for fan in fans], [(*lead, 1, fan_out) for _, fan_out in fans]]
        shapes += [[(*lead, 1, n) for n in normed]] * 2
        self._shapes = shapes
        size = sum(math.prod(shape) for part in shapes for shape in part)
        self.parameters, self.gradients = np.zeros(size, self.dtype), np.zeros(size, self.dtype)
        self.weights, self.biases, self.scales, self.shifts = self.views(self.parameters)
        self.weight_gradients, self.bias_gradients, self.scale_gradients, self.shift_gradients = self.views(
            self.gradients
        )
        self.running_means, self.running_variances = (LayerStack(shapes[2], self.dtype) for _ in range(2))
        self._workspaces: dict[int, Workspace] = {}
        self.initialize()

    @property
    def seeds(self) -> list[int]:
        """The seed of each replicate."""
        return [self.seed + k for k in range(self.replicates or 1)]

    def views(self, flat: Array) -> list[LayerStack]:
        """Lay weights, biases, scales and shifts over a buffer as long as `parameters`."""
        return _views(self._shapes, flat)

    @property
    def gradient_parts(self) -> tuple[LayerStack, ...]:
        """Their gradients: together, in this order, `gradients`."""
        return self.weight_gradients, self.bias_gradients, self.scale_gradients, self.shift_gradients

    def initialize(self) -> None:
        """Draw every weight anew from the seed, layer by layer; biases and shifts are 0, scales 1."""
        self.calibrated = False
        self.parameters.fill(0)
        self.scales.flat.fill(1)
        self.running_means.flat.fill(0)
        self.running_variances.flat.fill(1)
        for k, seed in enumerate(self.seeds):
            rng = np.random.default_rng(seed)
            for weight in self.weights:
                target = weight if self.replicates is None else weight[k]
                fan_in, fan_out = target.shape
                target[...] = initializers.draw(self.init, fan_in, fan_out, self.gain, rng)

    def calibrate(self, x: Array) -> None:
        """Scale the weights, layer by layer, so that z_l of the batch `x` (n, n_0) has a deviation of `gain`.

        Layer-sequential unit variance (Mishkin & Matas 2016); what is linear in W needs one step, not several. A layer
        whose z_l is 0 throughout is left as it is.
        """
        work = self.workspace(len(x))
        work.batch[...] = x
        for layer, weight in enumerate(self.weights):
            self.forward(work)
            deviation = work.preactivations[layer].std(axis=(-2, -1), keepdims=True)
            weight *= np.where(deviation > 0, self.gain / np.where(deviation > 0, deviation, 1), 1)
        self.calibrated = True

    def workspace(self, batch_size: int) -> Workspace:
        """Return the arrays of a step on `batch_size` examples, made on first use."""
        if batch_size not in self._workspaces:
            self._workspaces[batch_size] = Workspace(self, batch_size)
        return self._workspaces[batch_size]

    @activations.to_its_limit
    def forward(self, work: Workspace) -> Array:
        """Run `work.batch` (*lead, B, n_0) through the net; return the logits (*lead, B, n_L)."""
        last = len(self.weights) - 1
        phi = self.activation.function
        for layer, (h, weight, bias, z, following) in enumerate(work.forwards):
            np.matmul(h, weight, out=z)
            np.add(z, bias, out=z)
            if layer == last:
                np.copyto(following, z)
            elif work.block is None:
                phi(z, following)
            else:
                self._block_forward(work, work.block, layer)
        return work.logits

    def _block_forward(self, work: Workspace, block: BlockWorkspace, layer: int) -> None:
        """From z_l to h_l, by way of x_l, n_l and phi(n_l)."""
        x = block.streams[layer]
        if self.skips[layer]:
            np.multiply(work.preactivations[layer], self.block.branch, out=x)
            x += block.streams[layer - 1]  # x_l = x_{l-1} + a z_l
        else:
            np.copyto(x, work.preactivations[layer])
        n = block.normalized[layer]
        if self.block.norm is None:
            np.copyto(n, x)
        else:
            hat = block.hats[layer]
            block.means[layer], block.variances[layer] = modifiers.normalize(x, AXES[self.block.norm], hat)
            np.multiply(hat, self.scales[layer], out=n)
            n += self.shifts[layer]
        self.activation.function(n, block.responses[layer])
        np.multiply(block.responses[layer], block.masks[layer], out=work.activations[layer])

    def settle(self, work: Workspace) -> None:
        """Take a training batch into BatchNorm's running statistics: once a step, after `forward`."""
        if work.block is None or self.block.norm != "batch":
            return
        batch = work.batch.shape[-2]
        for layer, (mean, variance) in enumerate(zip(self.running_means, self.running_variances, strict=True)):
            mean += RUNNING * (work.block.means[layer] - mean)
            unbiased = work.block.variances[layer] * (batch / (batch - 1))
            variance += RUNNING * (unbiased - variance)

    def draw_masks(self, work: Workspace, iteration: int) -> None:
        """Draw the dropout masks of a training step: the same again for the same iteration."""
        if self.block.dropout and work.block is not None:
            stacked = self.replicates is not None
            modifiers.draw(work.block.masks, self.block.dropout, self.seeds, iteration, stacked)

    @activations.to_its_limit
    def backward(self, work: Workspace) -> None:
        """Fill the gradients from `work.deltas[-1]` = dLoss/dlogits, which the loss has written."""
        for chunk in work.chunks:
            if work.block is None and chunk.below:
                self.activation.derivative(*chunk.below)  # phi'(z), from z and h
            for number, (delta, weight_transposed, back, slope, lower) in enumerate(chunk.steps):
                np.matmul(delta, weight_transposed, out=back)  # u = delta W^T
                if work.block is None:
                    np.multiply(back, slope, out=lower)  # u * phi'(z)
                else:
                    self._block_backward(work, work.block, chunk.layers.stop - 2 - number)
            np.matmul(chunk.inputs_transposed, chunk.deltas, out=chunk.weight_gradients)  # h^T delta
            np.matmul(work.ones, chunk.deltas, out=chunk.bias_gradients)  # a sum of rows, four times as fast

    def _block_backward(self, work: Workspace, block: BlockWorkspace, layer: int) -> None:
        """From u_l to delta_l, back through what `_block_forward` did."""
        self.activation.derivative(block.normalized[layer], block.responses[layer], work.slopes[layer])
        product, x_delta, scratch = block.products[layer], block.stream_deltas[layer], block.scratch[layer]
        np.multiply(work.backs[layer], work.slopes[layer], out=product)
        np.multiply(product, block.masks[layer], out=x_delta)  # dLoss/dn_l = u m phi'(n)
        if self.block.norm is not None:
            np.sum(x_delta, axis=-2, keepdims=True, out=self.shift_gradients[layer])
            np.multiply(x_delta, block.hats[layer], out=scratch)
            np.sum(scratch, axis=-2, keepdims=True, out=self.scale_gradients[layer])
            np.multiply(x_delta, self.scales[layer], out=scratch)  # dLoss/dx^
            axis = AXES[self.block.norm]
            modifiers.normalize_backward(scratch, block.hats[layer], block.variances[layer], axis, x_delta)
        if layer + 1 < len(self.skips) and self.skips[layer + 1]:
            x_delta += block.stream_deltas[layer + 1]
        scale = self.block.branch if self.skips[layer] else 1.0
        np.multiply(x_delta, scale, out=work.deltas[layer])  # dx_l/dz_l = a

    def predict(self, x: Array) -> Array:
        """Return the logits for `x` (n, n_0): (n, n_L), or (S, n, n_L) with replicates; nothing is kept.

        In evaluation: nothing is dropped, and BatchNorm uses its running statistics.
        """
        h = np.asarray(x, self.dtype)
        if h.ndim != 2 or h.shape[1] != self.sizes[0]:
            raise ArgumentError(f"x has shape {h.shape}; the net reads (examples, {self.sizes[0]})")
        stream = h
        for layer, (weight, bias) in enumerate(zip(self.weights[:-1], self.biases[:-1], strict=True)):
            z = h @ weight + bias
            stream = stream + self.block.branch * z if self.skips[layer] else z
            h = self.activation(self._normalized(stream, layer))
        return h @ self.weights[-1] + self.biases[-1]

    def _normalized(self, x: Array, layer: int) -> Array:
        """n_l in evaluation."""
        if self.block.norm is None:
            return x
        hat = np.empty_like(x)
        if self.block.norm == "layer":
            modifiers.normalize(x, AXES["layer"], hat)
        else:
            np.subtract(x, self.running_means[layer], out=hat)
            hat /= np.sqrt(self.running_variances[layer] + modifiers.EPSILON)
        return hat * self.scales[layer] + self.shifts[layer]


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(sizes, Sequence | np.ndarray) or len(sizes) < 2:
        raise ArgumentError(f"sizes={sizes!r} must name at least an input and an output, such as [64, 32, 10]")
    for size in sizes:
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ArgumentError(f"sizes={list(sizes)!r} must be whole numbers of at least 1, but holds {size!r}")
    return tuple(int(size) for size in sizes)


def _views(parts: Sequence[Sequence[tuple[int, ...]]], flat: Array) -> list[LayerStack]:
    """For each list of shapes, a LayerStack over its share of `flat`: one part after the other."""
    stacks, start = [], 0
    for shapes in parts:
        stop = start + sum(math.prod(shape) for shape in shapes)
        stacks.append(LayerStack(shapes, flat.dtype, flat[start:stop]))
        start = stop
    return stacks
