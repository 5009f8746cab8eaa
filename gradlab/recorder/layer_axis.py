"""From measures of single layers, or of neighbours of one shape, to arrays (replicate, layer)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gradlab.layerstack import groups

Array = np.ndarray


class LayerAxis:
    """Lays measures out by replicate and layer.

    Parameters
    ----------
    replicates, layers : int
        S and L.
    stacked : bool
        Whether the arrays measured carry a leading replicate axis.
    """

    def __init__(self, replicates: int, layers: int, stacked: bool):
        self.shape = replicates, layers
        self.stacked = stacked

    def each(self, measure: Callable[[Array], Array], stack: Sequence[Array]) -> Array:
        """Apply a measure to every layer, neighbours of one shape in one call; (S, layers)."""
        return self.joined(measure(array) for _, array in groups(stack))

    def joined(self, measured: Iterable[Array]) -> Array:
        """Join measures of groups of layers, each (layers,) or (layers, S), to (S, layers)."""
        parts = list(measured)
        if not parts:  # of the hidden layers, where there are none
            return np.empty((self.shape[0], 0))
        values = np.concatenate(parts, axis=0)
        return values.T if self.stacked else values[None]

    def with_output(self, values: Array, output: float) -> Array:
        """Add the output layer to a statistic of the hidden layers."""
        missing = self.shape[1] - values.shape[1]
        return np.concatenate([values, np.full((self.shape[0], missing), output)], axis=1)

    def turned(self, values: Array) -> Array:
        """Turn (..., layers, S), or (..., layers) without replicates, to (..., S, layers)."""
        return values.swapaxes(-1, -2) if self.stacked else values[..., None, :]
