"""The multilayer perceptron, forwards and backwards, one net or S seeds of it stacked.

In the course's notation, for layers l = 1..L and row vectors:

    z_l = h_{l-1} W_l + b_l         h_l = phi(z_l), the last layer linear: h_L = z_L, the logits
    delta_l = dLoss/dz_l            delta_l = (delta_{l+1} W_{l+1}^T) * phi'(z_l)
    dLoss/dW_l = h_{l-1}^T delta_l  dLoss/db_l = sum of the rows of delta_l

`gradlab.nn.modifiers` says what skip connections, normalization and dropout put between z_l and
h_l.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradlab import activations
from gradlab.errors import ArgumentError, one_of, shown
from gradlab.layerstack import LayerStack
from gradlab.nn import initializers, modifiers
from gradlab.nn.modifiers import AXES, RUNNING, Modifiers, Norm
from gradlab.nn.workspace import Workspace
from gradlab.ranges import ABOVE_0, COUNT_OR_0, SIZE, check_memory, check_sizes

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
        Glorot, He or LeCun, normal or uniform, such as "glorot_uniform"; "orthogonal", or "lsuv",
        which also needs `calibrate`.
    gain : float
        Multiplies the standard deviation of every layer's weights, the output's too.
    seed : int
        Of the weights and of the order of the batches.
    replicates : int, optional
        Trains this many seeds at once: replicate k equals the net with `seed + k` alone, and every
        array of the model gains a leading axis. None: one net, no leading axis.
    dtype : str
        "float32" or "float64".
    norm : str, optional
        "batch" or "layer": normalizes what every hidden layer's activation reads.
    residual : float, optional
        Adds to each hidden layer the one before it, where their widths are equal; the number scales
        the layer's own part, 1 leaves it as it is.
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
        gamma_l and beta_l (1, n_l), or (S, 1, n_l), of the hidden layers where there is a norm;
        else empty.
    parameters, gradients : ndarray (P,)
        All of the above as one flat buffer each; weights first, then biases, scales and shifts.
    running_means, running_variances : LayerStack
        What BatchNorm uses in evaluation; no parameters.

    Raises
    ------
    ArgumentError
        An unknown activation or init, fewer than two sizes, a size, gain or replicates below its
        range.
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
        self.sizes = check_sizes(sizes)
        self.activation = activations.get(activation)
        initializers.check(init)
        if replicates is not None:
            replicates = int(SIZE.check("replicates", replicates))
        one_of("dtype", dtype, ("float32", "float64"))
        self.init = init
        self.gain = ABOVE_0.check("gain", gain)
        self.seed = int(COUNT_OR_0.check("seed", seed))
        self.replicates = replicates
        self.dtype = np.dtype(dtype)
        self.modifiers = Modifiers(norm, residual, dropout)
        self.modifiers.check(self.sizes)
        self.skips = self.modifiers.skips(self.sizes)

        lead = () if replicates is None else (replicates,)
        fans = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        normed = self.sizes[1:-1] if norm else ()
        shapes = [[(*lead, *fan) for fan in fans], [(*lead, 1, fan_out) for _, fan_out in fans]]
        shapes += [[(*lead, 1, n) for n in normed]] * 2
        self._shapes = shapes
        size = sum(math.prod(shape) for part in shapes for shape in part)
        seeds = () if replicates is None else (f"replicates={replicates}",)
        check_memory(2 * size, f"sizes={shown(list(self.sizes))}", *seeds)
        self.parameters, self.gradients = np.zeros(size, self.dtype), np.zeros(size, self.dtype)
        self.weights, self.biases, self.scales, self.shifts = self.views(self.parameters)
        self.weight_gradients, self.bias_gradients, self.scale_gradients, self.shift_gradients = (
            self.views(self.gradients)
        )
        self.running_means, self.running_variances = (
            LayerStack(shapes[2], self.dtype) for _ in range(2)
        )
        self._norms = self._layer_norms()
        self._workspaces: dict[int, Workspace] = {}
        self.initialize()

    def _layer_norms(self) -> list[Norm | None]:
        """Return the normalization of each hidden layer, None where there is none."""
        if self.modifiers.norm is None:
            return [None] * len(self.skips)
        axis = AXES[self.modifiers.norm]
        parts = (self.scales, self.shifts, self.scale_gradients, self.shift_gradients)
        return [Norm(axis, *arrays) for arrays in zip(*parts, strict=True)]

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
        return (
            self.weight_gradients,
            self.bias_gradients,
            self.scale_gradients,
            self.shift_gradients,
        )

    def initialize(self) -> None:
        """Draw every weight anew from the seed; biases and shifts become 0, scales 1."""
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
        """Scale the weights, layer by layer, to preactivations with a deviation of `gain`.

        The deviation is that of z_l on the batch `x` (n, n_0).

        Layer-sequential unit variance (Mishkin & Matas 2016); what is linear in W needs one step,
        not several. A layer whose z_l is 0 throughout is left as it is.
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
            elif work.modified is None:
                phi(z, following)
            else:
                work.modified.forward(layer, z, self._norms[layer], following)
        return work.logits

    def settle(self, work: Workspace) -> None:
        """Take a batch into BatchNorm's running statistics: once a step, after `forward`."""
        if work.modified is None or self.modifiers.norm != "batch":
            return
        batch = work.batch.shape[-2]
        for layer, (mean, variance) in enumerate(
            zip(self.running_means, self.running_variances, strict=True)
        ):
            mean += RUNNING * (work.modified.means[layer] - mean)
            unbiased = work.modified.variances[layer] * (batch / (batch - 1))
            variance += RUNNING * (unbiased - variance)

    def draw_masks(self, work: Workspace, iteration: int) -> None:
        """Draw the dropout masks of a training step: the same again for the same iteration."""
        if self.modifiers.dropout and work.modified is not None:
            stacked = self.replicates is not None
            rate = self.modifiers.dropout
            modifiers.draw(work.modified.masks, rate, self.seeds, iteration, stacked)

    @activations.to_its_limit
    def backward(self, work: Workspace) -> None:
        """Fill the gradients from `work.deltas[-1]` = dLoss/dlogits, which the loss has written."""
        for chunk in work.chunks:
            if work.modified is None and chunk.below:
                self.activation.derivative(*chunk.below)  # phi'(z), from z and h
            for number, (delta, weight_transposed, back, slope, lower) in enumerate(chunk.steps):
                np.matmul(delta, weight_transposed, out=back)  # u = delta W^T
                if work.modified is None:
                    np.multiply(back, slope, out=lower)  # u * phi'(z)
                else:
                    layer = chunk.layers.stop - 2 - number
                    work.modified.backward(layer, back, slope, self._norms[layer], lower)
            np.matmul(
                chunk.inputs_transposed, chunk.deltas, out=chunk.weight_gradients
            )  # h^T delta
            np.matmul(
                work.ones, chunk.deltas, out=chunk.bias_gradients
            )  # a sum of rows, four times as fast

    def predict(self, x: Array) -> Array:
        """Return the logits for `x` (n, n_0): (n, n_L), or (S, n, n_L) with replicates.

        Nothing is kept.

        In evaluation: nothing is dropped, and BatchNorm uses its running statistics.
        """
        h = np.asarray(x, self.dtype)
        if h.ndim != 2 or h.shape[1] != self.sizes[0]:
            raise ArgumentError(f"x has shape {h.shape}; the net reads (examples, {self.sizes[0]})")
        stream = h
        for layer, (weight, bias) in enumerate(
            zip(self.weights[:-1], self.biases[:-1], strict=True)
        ):
            z = h @ weight + bias
            stream = stream + self.modifiers.branch * z if self.skips[layer] else z
            h = self.activation(self._normalized(stream, layer))
        return h @ self.weights[-1] + self.biases[-1]

    def _normalized(self, x: Array, layer: int) -> Array:
        """n_l in evaluation."""
        if self.modifiers.norm is None:
            return x
        hat = np.empty_like(x)
        if self.modifiers.norm == "layer":
            modifiers.normalize(x, AXES["layer"], hat)
        else:
            np.subtract(x, self.running_means[layer], out=hat)
            hat /= np.sqrt(self.running_variances[layer] + modifiers.EPSILON)
        return hat * self.scales[layer] + self.shifts[layer]


def _views(parts: Sequence[Sequence[tuple[int, ...]]], flat: Array) -> list[LayerStack]:
    """For each list of shapes, a LayerStack over its share of `flat`: one part after the other."""
    stacks, start = [], 0
    for shapes in parts:
        stop = start + sum(math.prod(shape) for shape in shapes)
        stacks.append(LayerStack(shapes, flat.dtype, flat[start:stop]))
        start = stop
    return stacks
