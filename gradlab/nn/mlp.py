"""The multilayer perceptron, forwards and backwards, one net or S seeds of it stacked.

In the course's notation, for layers l = 1..L and row vectors:

    z_l = h_{l-1} W_l + b_l         h_l = phi(z_l), the last layer linear: h_L = z_L, the logits
    delta_l = dLoss/dz_l            delta_l = (delta_{l+1} W_{l+1}^T) * phi'(z_l)
    dLoss/dW_l = h_{l-1}^T delta_l  dLoss/db_l = sum of the rows of delta_l
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradlab import activations
from gradlab.errors import ArgumentError, whole
from gradlab.layerstack import LayerStack
from gradlab.nn import initializers

Array = np.ndarray


class Workspace:
    """Every array that a training step on a batch of one size writes, made once.

    All are per layer, first layer first; `lead` stands for the replicate axis `(S,)` or nothing.

    Attributes
    ----------
    preactivations, activations : LayerStack
        z_l and h_l, each (*lead, B, n_l).
    inputs : list of ndarray
        h_{l-1}: what layer l reads, the batch itself first.
    deltas : LayerStack
        delta_l = dLoss/dz_l of the batch's mean loss, (*lead, B, n_l).
    backs, slopes : LayerStack
        For the hidden layers, u_l = delta_{l+1} W_{l+1}^T before the slope, and phi'(z_l).
    """

    def __init__(self, model: MLP, batch_size: int):
        lead = () if model.replicates is None else (model.replicates,)
        shapes = [(*lead, batch_size, n) for n in model.sizes]
        self.batch = np.empty(shapes[0], model.dtype)
        self.preactivations = LayerStack(shapes[1:], model.dtype)
        self.activations = LayerStack(shapes[1:], model.dtype)
        self.deltas = LayerStack(shapes[1:], model.dtype)
        self.backs = LayerStack(shapes[1:-1], model.dtype)
        self.slopes = LayerStack(shapes[1:-1], model.dtype)
        self.inputs = [self.batch, *self.activations[:-1]]
        self.inputs_transposed = [array.swapaxes(-1, -2) for array in self.inputs]
        self.logits = self.activations[-1]
        self.ones = np.ones((1, batch_size), model.dtype)


class MLP:
    """A fully connected net with a linear output layer; biases start at 0.

    Parameters
    ----------
    sizes : sequence of int
        Units a layer, input first, output last: `[64] + [64] * 20 + [10]` has 20 hidden layers.
    activation : str
        Of every hidden layer; see `gradlab.activations`.
    init : str
        Glorot, He or LeCun, normal or uniform, such as "glorot_uniform".
    gain : float
        Multiplies the standard deviation of every layer's weights, the output's too.
    seed : int
        Of the weights and of the order of the batches.
    replicates : int, optional
        Trains this many seeds at once: replicate k equals the net with `seed + k` alone, and every array of the model
        gains a leading axis. None: one net, no leading axis.
    dtype : str
        "float32" or "float64".

    Attributes
    ----------
    weights : LayerStack
        W_l (fan_in, fan_out), or (S, fan_in, fan_out).
    biases : LayerStack
        b_l (1, fan_out), or (S, 1, fan_out): the axis of the batch broadcasts.
    weight_gradients, bias_gradients : LayerStack
        dLoss/dW_l and dLoss/db_l of the last backward pass, shaped alike.
    parameters, gradients : ndarray (P,)
        All of the above as one flat buffer each; weights first, then biases.

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
    ):
        self.sizes = _check_sizes(sizes)
        self.activation = activations.get(activation)
        initializers.check(init)
        if not (math.isfinite(gain) and gain > 0):
            raise ArgumentError(f"gain={gain!r} must be a finite number above 0; 1 leaves the initializer as published")
        if replicates is not None:
            whole("replicates", replicates, 1)
        if dtype not in ("float32", "float64"):
            raise ArgumentError(f"dtype={dtype!r} must be 'float32' or 'float64'")
        whole("seed", seed, 0)
        self.init, self.gain, self.seed, self.replicates = init, float(gain), int(seed), replicates
        self.dtype = np.dtype(dtype)

        lead = () if replicates is None else (replicates,)
        fans = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.parameters, self.weights, self.biases = _parameter_buffer(lead, fans, self.dtype)
        self.gradients, self.weight_gradients, self.bias_gradients = _parameter_buffer(lead, fans, self.dtype)
        self._weights_transposed = [weight.swapaxes(-1, -2) for weight in self.weights]
        self._workspaces: dict[int, Workspace] = {}
        self.initialize()

    @property
    def seeds(self) -> list[int]:
        """The seed of each replicate."""
        return [self.seed + k for k in range(self.replicates or 1)]

    def initialize(self) -> None:
        """Draw every weight anew from the seed, layer by layer, and set the biases to 0."""
        self.parameters.fill(0)
        for k, seed in enumerate(self.seeds):
            rng = np.random.default_rng(seed)
            for weight in self.weights:
                target = weight if self.replicates is None else weight[k]
                fan_in, fan_out = target.shape
                target[...] = initializers.draw(self.init, fan_in, fan_out, self.gain, rng)

    def workspace(self, batch_size: int) -> Workspace:
        """Return the arrays of a step on `batch_size` examples, made on first use."""
        if batch_size not in self._workspaces:
            self._workspaces[batch_size] = Workspace(self, batch_size)
        return self._workspaces[batch_size]

    def forward(self, work: Workspace) -> Array:
        """Run `work.batch` (*lead, B, n_0) through the net; return the logits (*lead, B, n_L)."""
        last = len(self.weights) - 1
        for layer, (h, weight, bias) in enumerate(zip(work.inputs, self.weights, self.biases, strict=True)):
            z = work.preactivations[layer]
            np.matmul(h, weight, out=z)
            z += bias
            if layer == last:
                np.copyto(work.logits, z)
            else:
                self.activation.function(z, work.activations[layer])
        return work.logits

    def backward(self, work: Workspace) -> None:
        """Fill the gradients from `work.deltas[-1]` = dLoss/dlogits, which the loss has written."""
        for layer in range(len(self.weights) - 1, -1, -1):
            delta = work.deltas[layer]
            np.matmul(work.inputs_transposed[layer], delta, out=self.weight_gradients[layer])  # h^T delta
            np.matmul(work.ones, delta, out=self.bias_gradients[layer])  # a sum of rows, four times as fast
            if layer > 0:
                back, slope = work.backs[layer - 1], work.slopes[layer - 1]
                np.matmul(delta, self._weights_transposed[layer], out=back)  # u = delta W^T
                z, h = work.preactivations[layer - 1], work.activations[layer - 1]
                self.activation.derivative(z, h, slope)
                np.multiply(back, slope, out=work.deltas[layer - 1])  # u * phi'(z)

    def predict(self, x: Array) -> Array:
        """Return the logits for `x` (n, n_0): (n, n_L), or (S, n, n_L) with replicates; nothing is kept."""
        h = np.asarray(x, self.dtype)
        if h.ndim != 2 or h.shape[1] != self.sizes[0]:
            raise ArgumentError(f"x has shape {h.shape}; the net reads (examples, {self.sizes[0]})")
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = self.activation(h @ weight + bias)
        return h @ self.weights[-1] + self.biases[-1]


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(sizes, Sequence) or len(sizes) < 2:
        raise ArgumentError(f"sizes={sizes!r} must name at least an input and an output, such as [64, 32, 10]")
    for size in sizes:
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ArgumentError(f"sizes={list(sizes)!r} must be whole numbers of at least 1, but holds {size!r}")
    return tuple(int(size) for size in sizes)


def _parameter_buffer(
    lead: tuple[int, ...], fans: list[tuple[int, int]], dtype: np.dtype
) -> tuple[Array, LayerStack, LayerStack]:
    """Return one flat buffer and its views: the weights of all layers, then the biases."""
    replicates = math.prod(lead)
    n_weights = replicates * sum(fan_in * fan_out for fan_in, fan_out in fans)
    flat = np.zeros(n_weights + replicates * sum(fan_out for _, fan_out in fans), dtype)
    weights = LayerStack([(*lead, *fan) for fan in fans], dtype, flat[:n_weights])
    biases = LayerStack([(*lead, 1, fan_out) for _, fan_out in fans], dtype, flat[n_weights:])
    return flat, weights, biases
