"""The arrays of a training step, made once for each size of batch."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gradlab.activations import Activation
from gradlab.layerstack import LayerStack
from gradlab.nn.modifiers import ModifiedLayers, Modifiers

# Entries of one kind that are worked on together: some arrays of so many fit into a core's cache.
CHUNK = 1 << 15


class Net(Protocol):
    """What a workspace has to know of a net; see `gradlab.nn.mlp.MLP`."""

    sizes: tuple[int, ...]
    replicates: int | None
    dtype: np.dtype
    activation: Activation
    modifiers: Modifiers
    skips: list[bool]
    weights: LayerStack
    biases: LayerStack
    weight_gradients: LayerStack
    bias_gradients: LayerStack


class Workspace:
    """Every array that a training step on a batch of one size writes, made once.

    All are per layer, first layer first; `lead` stands for the replicate axis `(S,)` or nothing.

    Attributes
    ----------
    batch : ndarray
        h_0 (*lead, B, n_0).
    preactivations, activations : LayerStack
        z_l and h_l, each (*lead, B, n_l).
    inputs : list of ndarray
        h_{l-1}: what layer l reads, the batch itself first.
    deltas : LayerStack
        delta_l = dLoss/dz_l of the batch's mean loss, (*lead, B, n_l).
    backs, slopes : LayerStack
        For the hidden layers, u_l = delta_{l+1} W_{l+1}^T before the slope, and phi'(z_l).
    modified : ModifiedLayers, optional
        What a net with skip connections, normalization or dropout needs on top.
    chunks : list of Chunk
        The layers, last ones first, a few neighbours of equal shape at a time.
    """

    def __init__(self, model: Net, batch_size: int):
        lead = () if model.replicates is None else (model.replicates,)
        shapes = [(*lead, batch_size, n) for n in model.sizes]
        signals = LayerStack(shapes, model.dtype)
        self.batch, self.inputs = signals[0], signals[:-1]
        self.activations = LayerStack(shapes[1:], model.dtype, signals.flat[self.batch.size :])
        self.preactivations = LayerStack(shapes[1:], model.dtype)
        self.deltas = LayerStack(shapes[1:], model.dtype)
        self.backs = LayerStack(shapes[1:-1], model.dtype)
        self.slopes = LayerStack(shapes[1:-1], model.dtype)
        self.logits = self.activations[-1]
        self.ones = np.ones((1, batch_size), model.dtype)
        self.modified: ModifiedLayers | None = None
        if model.modifiers:
            hidden = shapes[1:-1]
            self.modified = ModifiedLayers(
                model.modifiers, model.skips, model.activation, hidden, model.dtype
            )
        parts = self.inputs, model.weights, model.biases, self.preactivations, self.activations
        self.forwards = list(
            zip(*parts, strict=True)
        )  # h, W, b, z and where phi(z) goes, layer by layer
        transposed = [weight.swapaxes(-1, -2) for weight in model.weights[1:]]
        backwards = list(
            zip(self.deltas[1:], transposed, self.backs, self.slopes, self.deltas[:-1], strict=True)
        )
        self.chunks = [
            Chunk(model, self, signals, layers, backwards)
            for layers in _chunks(model.weights, batch_size)
        ]


class Chunk:
    """A few neighbouring layers of equal shape.

    Their arrays meet in the cache and in one NumPy call.

    Attributes
    ----------
    layers : slice
    steps : list of tuple
        From the last of the layers down: delta_l, W_l^T, and u, phi' and delta of the layer below.
    below : tuple of ndarray
        z, h and phi' of the layers that these read from, but for the batch.
    inputs_transposed, deltas, weight_gradients, bias_gradients : ndarray (layers, ...)
    """

    def __init__(
        self, model: Net, work: Workspace, signals: LayerStack, layers: slice, backwards: list
    ):
        self.layers = layers
        lower = slice(max(layers.start - 1, 0), layers.stop - 1)
        self.steps = backwards[lower][::-1]
        stacks = (work.preactivations, work.activations, work.slopes) if self.steps else ()
        self.below = tuple(stack.together(lower) for stack in stacks)
        self.inputs_transposed = signals.together(layers).swapaxes(-1, -2)
        self.deltas = work.deltas.together(layers)
        self.weight_gradients = model.weight_gradients.together(layers)
        self.bias_gradients = model.bias_gradients.together(layers)


def _chunks(weights: LayerStack, batch_size: int) -> list[slice]:
    """Cut the layers, last ones first, into runs of one shape and at most about CHUNK entries."""
    found = []
    for here, stack in weights.groups:
        entries = stack[0].size // stack.shape[-2] * max(stack.shape[-2], batch_size)
        few = max(1, CHUNK // entries)
        found += [
            slice(start, min(start + few, here.stop)) for start in range(here.start, here.stop, few)
        ]
    return found[::-1]
